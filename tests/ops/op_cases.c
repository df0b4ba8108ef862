/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of op cases: builders first, then the rows, family by family.
 */
#include "op_cases.h"

#define BUILD(name) static ito_node *build_##name(const op_case *c, ito_node *const *x)

/* ---- builders ---- */

#define BUILD_UNARY(op)                                                                                      \
    BUILD(op) {                                                                                              \
        (void)c;                                                                                             \
        return ito_##op(x[0]);                                                                               \
    }
#define BUILD_BINARY(op)                                                                                     \
    BUILD(op) {                                                                                              \
        (void)c;                                                                                             \
        return ito_##op(x[0], x[1]);                                                                         \
    }

BUILD_UNARY(exp)
BUILD_UNARY(log)
BUILD_UNARY(sqrt)
BUILD_UNARY(sin)
BUILD_UNARY(cos)
BUILD_UNARY(sigmoid)
BUILD_UNARY(tanh)
BUILD_UNARY(silu)
BUILD_UNARY(relu)
BUILD_UNARY(elu)
BUILD_UNARY(step)
BUILD_UNARY(square)
BUILD_UNARY(neg)
BUILD_UNARY(sum)
BUILD_UNARY(mean)
BUILD_UNARY(softmax)
BUILD_BINARY(add)
BUILD_BINARY(sub)
BUILD_BINARY(mul)
BUILD_BINARY(div)
BUILD_BINARY(embedding)

BUILD(scale) {
    return ito_scale(x[0], c->a);
}
BUILD(affine) {
    return ito_affine(x[0], c->a, c->b);
}
/* Chains that the builders fold: affine of affine, a scaled sum of scaled operands, a difference rescaled. */
BUILD(affine_chain) {
    return ito_affine(ito_scale(ito_affine(x[0], c->a, c->b), -2), 0.5, 1);
}
BUILD(scaled_sum) {
    return ito_scale(ito_sub(ito_scale(x[0], c->a), ito_scale(x[1], c->b)), 0.7);
}
BUILD(twice) {
    (void)c;
    return ito_add(ito_mul(x[0], x[0]), ito_div(x[0], ito_affine(x[0], 1, 3)));
}
BUILD(dropout) {
    return ito_dropout(x[0], c->a);
}
BUILD(two_dropouts) {
    return ito_add(ito_dropout(x[0], c->a), ito_dropout(x[0], c->b));
}

BUILD(sum_to) {
    return ito_sum_to(x[0], c->shape);
}
BUILD(mean_to) {
    return ito_mean_to(x[0], c->shape);
}
BUILD(broadcast) {
    return ito_broadcast(x[0], c->shape);
}
/* An op of two operands reads through what repeats them. */
BUILD(sum_of_broadcasts) {
    return ito_add(ito_scale(ito_broadcast(x[0], c->shape), 0.5), ito_broadcast(x[1], c->shape));
}
BUILD(product_with_broadcast) {
    return ito_mul(ito_broadcast(x[0], c->shape), x[1]);
}
BUILD(silu_mean) {
    return ito_mean_to(ito_silu(x[0]), c->shape);
}
BUILD(reshape) {
    return ito_reshape(x[0], c->shape);
}
BUILD(reshape_chain) {
    return ito_reshape(ito_reshape(x[0], ITO_SHAPE(ito_shape_count(ito_node_shape(x[0])))), c->shape);
}
BUILD(permute) {
    return ito_permute(x[0], c->order);
}
BUILD(slice) {
    return ito_slice(x[0], c->axis, c->begin, c->end);
}
BUILD(pad) {
    return ito_pad(x[0], c->axis, c->begin, c->end);
}
BUILD(concat) {
    return ito_concat(c->n_in, x, c->axis);
}
BUILD(concat_twice) {
    return ito_concat(3, (ito_node *[]){x[0], x[1], x[0]}, c->axis);
}

BUILD(matmul) {
    return ito_matmul(x[0], x[1], c->transpose_a, c->transpose_b);
}
BUILD(gram) {
    return ito_matmul(x[0], x[0], c->transpose_a, c->transpose_b);
}
BUILD(conv2d) {
    return ito_conv2d(x[0], x[1], c->n_in == 3 ? x[2] : NULL, c->conv);
}
BUILD(conv_chain) {
    (void)c;
    ito_node *h = ito_conv2d(x[0], x[1], x[2], ito_conv_same(3));
    return ito_conv2d(ito_silu(h), x[3], x[4], ito_conv_same(3));
}

BUILD(upsample_nearest) {
    return ito_upsample_nearest(x[0], c->factor);
}
BUILD(average_pool) {
    return ito_average_pool(x[0], c->factor);
}
BUILD(max_pool) {
    return ito_max_pool(x[0], c->factor);
}
/* Where one image is largest, of another image: the op that both gradients are made of. */
BUILD(max_pool_gradient) {
    ito_node *y = ito_max_pool(x[0], c->factor), *dx;
    ito_gradients(y, x[1], 1, &x[0], &dx);
    return dx;
}
BUILD(upfirdn) {
    return ito_upfirdn(x[0], c->fir);
}

BUILD(group_norm) {
    ito_node *y = ito_group_norm(x[0], c->n_in > 1 ? x[1] : NULL, c->n_in > 2 ? x[2] : NULL, c->groups, c->a);
    return c->silu ? ito_silu(y) : y;
}
/* Operands that are views of other nodes, and an activation that is not fused because the norm has two users.
 */
BUILD(group_norm_of_view) {
    ito_node *gamma = ito_reshape(x[1], ITO_SHAPE(c->shape.dim[1])),
             *beta = ito_reshape(x[2], ITO_SHAPE(c->shape.dim[1]));
    ito_node *y = ito_group_norm(ito_reshape(x[0], c->shape), gamma, beta, c->groups, c->a);
    return ito_reshape(c->silu ? ito_add(y, ito_silu(y)) : y, ito_node_shape(x[0]));
}

/* The gradient that reaches the norm is a repeated one. */
BUILD(group_norm_mean) {
    return ito_mean_to(build_group_norm(c, x), c->shape);
}

/* What a network adds before a norm, per plane: read by the norm itself. */
BUILD(group_norm_of_sum) {
    ito_shape s = ito_node_shape(x[0]);
    ito_node *shift = ito_reshape(x[3], ITO_SHAPE(s.dim[0], s.dim[1], 1, 1));
    ito_node *y = ito_group_norm(ito_add(shift, x[0]), x[1], x[2], c->groups, c->a);
    return c->silu ? ito_silu(y) : y;
}

/* A gradient as the op under test, so that its derivatives are second and third ones; its seed is x itself.
 */
static ito_node *gradient_seeded_by(ito_node *y, ito_node *x) {
    ito_node *dx;
    ito_gradients(y, x, 1, &x, &dx);
    return dx;
}
BUILD(silu_gradient) {
    (void)c;
    return gradient_seeded_by(ito_silu(x[0]), x[0]);
}
BUILD(group_norm_gradient) {
    return gradient_seeded_by(build_group_norm(c, x), x[0]);
}
BUILD(conv_gradient) {
    return gradient_seeded_by(ito_conv2d(x[0], x[1], NULL, c->conv), x[0]);
}

/* Self-attention over pixels: x, and weights of query, key, value [C, C]. */
static ito_node *attention(ito_node *x, ito_node *wq, ito_node *wk, ito_node *wv) {
    ito_shape s = ito_node_shape(x);
    ito_node *pixels = ito_reshape(x, ITO_SHAPE(s.dim[0], s.dim[1], s.dim[2] * s.dim[3]));
    ito_node *q = ito_matmul(wq, pixels, true, false), *k = ito_matmul(wk, pixels, true, false);
    ito_node *v = ito_matmul(wv, pixels, true, false);
    ito_node *weight = ito_softmax(ito_scale(ito_matmul(q, k, true, false), 0.3));
    return ito_reshape(ito_matmul(v, weight, false, true), s);
}
BUILD(attention) {
    (void)c;
    return attention(x[0], x[1], x[2], x[3]);
}

BUILD(attention_of_images) {
    return ito_attention(x[0], x[1], x[2], c->groups, 0.4);
}

/* A residual block as the networks have it: norm, SiLU, convolution, time embedding, norm, SiLU, dropout,
 * convolution, shortcut, rescaling, attention. Operands: x, embedding, gamma, beta, w1, b1, w2, wq, wk, wv.
 */
BUILD(residual_block) {
    ito_shape s = ito_node_shape(x[0]);
    ito_node *h =
        ito_conv2d(ito_silu(ito_group_norm(x[0], x[2], x[3], c->groups, 1e-5)), x[4], x[5], ito_conv_same(3));
    h = ito_add(h, ito_reshape(x[1], ITO_SHAPE(s.dim[0], s.dim[1], 1, 1)));
    h = ito_dropout(ito_silu(ito_group_norm(h, x[2], x[3], c->groups, 1e-5)), 0.25);
    h = ito_scale(ito_add(x[0], ito_conv2d(h, x[6], NULL, ito_conv_same(3))), 0.7071067811865476);
    h = ito_add(h, attention(ito_group_norm(h, NULL, NULL, c->groups, 1e-5), x[7], x[8], x[9]));
    return ito_average_pool(h, 2);
}

/* How a U-Net goes on from a concatenation: norm, SiLU and 3x3 convolution beside a 1x1 convolution. */
static ito_node *joint(const op_case *c, ito_node *x, ito_node *const *weights) {
    ito_node *h = ito_silu(ito_group_norm(x, weights[0], weights[1], c->groups, 1e-5));
    h = ito_conv2d(h, weights[2], NULL, ito_conv_same(3));
    return ito_scale(ito_add(ito_conv2d(x, weights[3], weights[4], ito_conv_same(1)), h), 0.7071067811865476);
}

/* Operands: two images, then gamma, beta, w3, w1, bias. */
BUILD(joint) {
    return joint(c, ito_concat(2, x, 1), x + 2);
}
/* Of the sum of both images and a convolution of one, so that parts come with moments and without. */
BUILD(joint_of_sums) {
    return joint(c, ito_concat(2, (ito_node *[]){ito_add(x[0], x[1]), x[1]}, 1), x + 2);
}
/* A concatenation of one, of a slice across its parts, and of a part. */
BUILD(joint_of_joints) {
    ito_node *inner = ito_concat(2, x, 1), *across = ito_slice(inner, 1, 16, 48);
    return joint(c, ito_concat(3, (ito_node *[]){inner, across, x[0]}, 1), x + 2);
}
/* Of more parts than a kernel takes. */
BUILD(joint_of_nine) {
    return joint(c, ito_concat(9, (ito_node *[]){x[0], x[1], x[0], x[1], x[0], x[1], x[0], x[1], x[0]}, 1),
                 x + 2);
}
/* Read by its parts, in one piece, and by its parts again. */
BUILD(joint_and_copy) {
    ito_node *both = ito_concat(2, x, 1);
    ito_node *first = joint(c, both, x + 2), *copied = ito_max_pool(both, 3);
    return ito_add(first, joint(c, ito_add(both, copied), x + 2));
}
BUILD(conv_of_parts) {
    return ito_conv2d(ito_concat(2, x, 1), x[2], NULL, c->conv);
}
BUILD(ops_on_slices) {
    (void)c;
    int64_t half = ito_node_shape(x[0]).dim[1] / 2;
    ito_node *a = ito_slice(x[0], 1, 0, half), *b = ito_slice(x[0], 1, half, 2 * half);
    return ito_mul(ito_silu(a), ito_sub(b, ito_slice(x[1], 1, 16, 16 + half)));
}

/* ---- operands ---- */

/* clang-format off */
#define DIMS(...) {(int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), {__VA_ARGS__}}
#define X(...) {.shape = DIMS(__VA_ARGS__)}                                            /* anything */
#define WIDE(...) {.shape = DIMS(__VA_ARGS__), .low = -5, .high = 5}                   /* into saturation */
#define POS(...) {.shape = DIMS(__VA_ARGS__), .low = 0.5, .high = 2}                   /* positive */
#define KINK(...) {.shape = DIMS(__VA_ARGS__), .low = -2, .high = 2, .gap = 0.05}      /* not near 0 */
#define SPREAD(...) {.shape = DIMS(__VA_ARGS__), .spread = true}                       /* no two alike */
#define W(...) {.shape = DIMS(__VA_ARGS__), .role = OP_WEIGHT}
#define WPOS(...) {.shape = DIMS(__VA_ARGS__), .role = OP_WEIGHT, .low = 0.5, .high = 1.5}
#define JOINT(from, to) WPOS(from), W(from), W(to, from, 3, 3), W(to, from, 1, 1), W(to)
#define ROWS(n, rows) {.shape = DIMS(n), .role = OP_INDEX, .high = rows}
#define SCALAR {.shape = {0, {0}}}

/* ---- rows ---- */

/* A unary op on a flat tensor, on an image of whole channel blocks, and on one with a channel to spare. */
#define UNARY(op, OPERAND, ...)                                                                              \
    {#op ": rank 3", build_##op, 1, {OPERAND(3, 5, 7)}, __VA_ARGS__},                                        \
    {#op ": image of 48 channels", build_##op, 1, {OPERAND(2, 48, 3, 5)}, __VA_ARGS__},                      \
    {#op ": image of 17 channels", build_##op, 1, {OPERAND(1, 17, 3, 3)}, __VA_ARGS__}
/* A binary op over the broadcasting patterns that networks use and some that they do not. */
#define BINARY(op, A, B, ...)                                                                                \
    {#op ": equal shapes", build_##op, 2, {A(3, 5, 7), B(3, 5, 7)}, __VA_ARGS__},                            \
    {#op ": last axis", build_##op, 2, {A(3, 5, 7), B(7)}, __VA_ARGS__},                                     \
    {#op ": both sides stretch", build_##op, 2, {A(3, 1, 7), B(5, 1)}, __VA_ARGS__},                         \
    {#op ": equal images", build_##op, 2, {A(2, 32, 3, 5), B(2, 32, 3, 5)}, __VA_ARGS__},                    \
    {#op ": image and number per channel", build_##op, 2, {A(2, 32, 3, 5), B(1, 32, 1, 1)}, __VA_ARGS__},    \
    {#op ": image and number per plane", build_##op, 2, {A(2, 32, 3, 5), B(2, 32, 1, 1)}, __VA_ARGS__},      \
    {#op ": number per sample and image", build_##op, 2, {A(2, 1, 1, 1), B(2, 32, 3, 5)}, __VA_ARGS__},      \
    {#op ": image and one mask", build_##op, 2, {A(2, 32, 3, 5), B(3, 5)}, __VA_ARGS__},                     \
    {#op ": number per plane and image", build_##op, 2, {A(2, 32, 1, 1), B(2, 32, 3, 5)}, __VA_ARGS__},      \
    {#op ": image and one element", build_##op, 2, {A(2, 32, 3, 5), B(1, 1, 1, 1)}, __VA_ARGS__},            \
    {#op ": image and one row per channel", build_##op, 2, {A(2, 32, 3, 5), B(1, 32, 1, 5)}, __VA_ARGS__},   \
    {#op ": image and one column", build_##op, 2, {A(2, 32, 3, 5), B(2, 1, 3, 1)}, __VA_ARGS__},             \
    {#op ": odd image", build_##op, 2, {A(2, 5, 3, 3), B(2, 5, 1, 1)}, __VA_ARGS__},                         \
    {#op ": rank 6", build_##op, 2, {A(2, 1, 3, 1, 2, 2), B(2, 1, 4, 1, 2)}, __VA_ARGS__}

#define MATMUL(title, A, B, ta, tb)                                                                          \
    {"matmul: " title, build_matmul, 2, {A, B}, .law = OP_MULTILINEAR, .transpose_a = ta, .transpose_b = tb}
/* [4 x 5] times [5 x 7] under all transposes: plain, batched, either operand shared, a batch of a batch. */
#define MATMULS(how, ta, tb, m, k1, k2, n)                                                                   \
    MATMUL(how, X(m, k1), X(k2, n), ta, tb),                                                                 \
    MATMUL(how " batched", X(3, m, k1), X(3, k2, n), ta, tb),                                                \
    MATMUL(how " left shared", W(m, k1), X(3, k2, n), ta, tb),                                               \
    MATMUL(how " right shared", X(3, m, k1), W(k2, n), ta, tb),                                              \
    MATMUL(how " batch of batches", X(2, 3, m, k1), X(2, 3, k2, n), ta, tb)

/* Batch, channels, height, width; channels out, kernel; stride, pad, dilation. */
#define CONV(title, n, ci, h, w, co, kh, kw, s, p, d)                                                        \
    {"conv2d: " title, build_conv2d, 2, {X(n, ci, h, w), W(co, ci, kh, kw)}, .law = OP_MULTILINEAR,          \
     .conv = {s, p, d}}
#define CONV_BIAS(title, n, ci, h, w, co, kh, kw, s, p, d)                                                   \
    {"conv2d: " title, build_conv2d, 3, {X(n, ci, h, w), W(co, ci, kh, kw), W(co)}, .conv = {s, p, d}}

/* Channels; up, down, pads; number of taps, taps. */
#define FIR(title, C, u, d, before, after, n, ...)                                                           \
    {"upfirdn: " title, build_upfirdn, 1, {X(2, C, 5, 6)}, .law = OP_LINEAR,                                 \
     .fir = {u, d, before, after, n, {__VA_ARGS__}}}
/* Channels, window: the layer, and its gradient. Linear where the largest stays. */
#define MAX_POOL(title, C, window)                                                                           \
    {"max_pool: " title, build_max_pool, 1, {SPREAD(2, C, 4, 5)}, .law = OP_LINEAR, .factor = window},                         \
    {"max_pool: gradient, " title, build_max_pool_gradient, 2, {SPREAD(2, C, 4, 5), X(2, C, 4, 5)},          \
     .law = OP_LINEAR, .factor = window}
/* Channels, groups, with an activation. */
#define NORM(title, C, g, s)                                                                                 \
    {"group_norm: " title, build_group_norm, 3, {X(2, C, 3, 5), WPOS(C), W(C)}, .groups = g, .silu = s,      \
     .a = 1e-5}
#define SHIFTED_NORM(title, C, g, s)                                                                         \
    {"group_norm: " title, build_group_norm_of_sum, 4, {X(2, C, 3, 5), WPOS(C), W(C), X(2, C)}, .groups = g, \
     .silu = s, .a = 1e-5}

const op_case op_cases[] = {
    /* pointwise */
    UNARY(exp, X, .law = OP_NO_LAW),
    UNARY(log, POS, .law = OP_NO_LAW),
    UNARY(sqrt, POS, .law = OP_NO_LAW),
    UNARY(sin, WIDE, .law = OP_NO_LAW),
    UNARY(cos, WIDE, .law = OP_NO_LAW),
    UNARY(sigmoid, WIDE, .law = OP_NO_LAW),
    UNARY(tanh, X, .law = OP_NO_LAW),
    UNARY(silu, WIDE, .law = OP_NO_LAW),
    UNARY(relu, KINK, .law = OP_NO_LAW),
    UNARY(elu, KINK, .law = OP_NO_LAW),
    UNARY(step, KINK, .law = OP_NO_LAW),
    UNARY(square, X, .law = OP_NO_LAW),
    UNARY(neg, X, .law = OP_LINEAR),
    UNARY(scale, X, .law = OP_LINEAR, .a = -0.75),
    UNARY(affine, X, .law = OP_NO_LAW, .a = 1.5, .b = 0.25),
    UNARY(affine_chain, X, .law = OP_NO_LAW, .a = 1.5, .b = 0.25),
    UNARY(twice, X, .law = OP_NO_LAW),
    BINARY(add, X, X, .law = OP_LINEAR),
    BINARY(sub, X, X, .law = OP_LINEAR),
    BINARY(scaled_sum, X, X, .law = OP_LINEAR, .a = 1.5, .b = -0.25),
    BINARY(mul, X, X, .law = OP_MULTILINEAR),
    BINARY(div, X, POS, .law = OP_NO_LAW),
    {"add: scalar", build_add, 2, {X(3, 4), SCALAR}, .law = OP_LINEAR},
    {"mul: scalars", build_mul, 2, {SCALAR, SCALAR}, .law = OP_MULTILINEAR},
    {"mul: scalar and image", build_mul, 2, {SCALAR, X(2, 16, 3, 3)}, .law = OP_MULTILINEAR, .loose = 4},

    /* reductions and shape */
    {"sum: rank 3", build_sum, 1, {X(3, 5, 7)}, .law = OP_LINEAR},
    {"sum: image", build_sum, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR},
    {"mean: rank 3", build_mean, 1, {X(3, 5, 7)}, .law = OP_LINEAR},
    {"mean: image", build_mean, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR},
    {"sum_to: last axis", build_sum_to, 1, {X(3, 5, 7)}, .law = OP_LINEAR, .shape = DIMS(7)},
    {"sum_to: middle axis", build_sum_to, 1, {X(3, 5, 7)}, .law = OP_LINEAR, .shape = DIMS(3, 1, 7)},
    {"sum_to: first axis", build_sum_to, 1, {X(3, 5, 7)}, .law = OP_LINEAR, .shape = DIMS(3, 1, 1)},
    {"sum_to: channels", build_sum_to, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR, .shape = DIMS(1, 32, 1, 1)},
    {"sum_to: planes", build_sum_to, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR, .shape = DIMS(2, 32, 1, 1)},
    {"sum_to: samples", build_sum_to, 1, {X(3, 32, 3, 5)}, .law = OP_LINEAR, .shape = DIMS(3, 1, 1, 1)},
    {"sum_to: pixels", build_sum_to, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR, .shape = DIMS(2, 1, 3, 5)},
    {"sum_to: batch", build_sum_to, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR, .shape = DIMS(32, 3, 5)},
    {"sum_to: odd planes", build_sum_to, 1, {X(2, 5, 3, 5)}, .law = OP_LINEAR, .shape = DIMS(2, 5, 1, 1)},
    {"mean_to: columns", build_mean_to, 1, {X(3, 5, 7)}, .law = OP_LINEAR, .shape = DIMS(3, 5, 1)},
    {"mean_to: planes", build_mean_to, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR, .shape = DIMS(2, 32, 1, 1)},
    {"broadcast: rows", build_broadcast, 1, {X(7)}, .law = OP_LINEAR, .shape = DIMS(3, 5, 7)},
    {"broadcast: middle axis", build_broadcast, 1, {X(3, 1, 7)}, .law = OP_LINEAR, .shape = DIMS(3, 5, 7)},
    {"broadcast: scalar", build_broadcast, 1, {SCALAR}, .law = OP_LINEAR, .shape = DIMS(2, 3)},
    {"broadcast: planes", build_broadcast, 1, {X(2, 32, 1, 1)}, .law = OP_LINEAR, .shape = DIMS(2, 32, 3, 5)},
    {"broadcast: both terms", build_sum_of_broadcasts, 2, {X(5, 1), X(7)}, .law = OP_LINEAR, .shape = DIMS(5, 7)},
    {"broadcast: both terms alike", build_sum_of_broadcasts, 2, {X(2, 32, 1, 1), X(2, 1, 1, 1)},
     .law = OP_LINEAR, .shape = DIMS(2, 32, 3, 5)},
    {"broadcast: factor", build_product_with_broadcast, 2, {X(2, 32, 1, 1), X(2, 32, 3, 5)},
     .law = OP_MULTILINEAR, .shape = DIMS(2, 32, 3, 5)},
    {"silu: mean", build_silu_mean, 1, {X(2, 32, 3, 5)}, .shape = DIMS(2, 32, 1, 1)},
    {"reshape: flat", build_reshape, 1, {X(3, 4, 5)}, .law = OP_LINEAR, .shape = DIMS(60)},
    {"reshape: image to matrix", build_reshape, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR,
     .shape = DIMS(2, 16, 15)},
    {"reshape: to scalar", build_reshape, 1, {X(1, 1)}, .law = OP_LINEAR, .shape = {0, {0}}},
    {"reshape: chain", build_reshape_chain, 1, {X(3, 4, 5)}, .law = OP_LINEAR, .shape = DIMS(5, 12)},
    {"permute: matrix", build_permute, 1, {X(4, 7)}, .law = OP_LINEAR, .order = {1, 0}},
    {"permute: rotation", build_permute, 1, {X(3, 4, 5)}, .law = OP_LINEAR, .order = {1, 2, 0}},
    {"permute: channels last", build_permute, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR, .order = {0, 2, 3, 1}},
    {"permute: channels first", build_permute, 1, {X(2, 3, 5, 16)}, .law = OP_LINEAR, .order = {0, 3, 1, 2}},
    {"permute: height and width", build_permute, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR,
     .order = {0, 1, 3, 2}},
    {"permute: rank 6", build_permute, 1, {X(2, 3, 2, 1, 4, 3)}, .law = OP_LINEAR,
     .order = {5, 0, 3, 2, 4, 1}},
    {"slice: batch", build_slice, 1, {X(4, 16, 3, 5)}, .law = OP_LINEAR, .axis = 0, .begin = 1, .end = 3},
    {"slice: channels of one block", build_slice, 1, {X(2, 48, 3, 5)}, .law = OP_LINEAR, .axis = 1,
     .begin = 16, .end = 32},
    {"slice: channels across blocks", build_slice, 1, {X(2, 48, 3, 5)}, .law = OP_LINEAR, .axis = 1,
     .begin = 5, .end = 37},
    {"slice: a few channels", build_slice, 1, {X(2, 48, 3, 5)}, .law = OP_LINEAR, .axis = 1, .begin = 16,
     .end = 19},
    {"slice: rows", build_slice, 1, {X(2, 16, 5, 4)}, .law = OP_LINEAR, .axis = 2, .begin = 2, .end = 4},
    {"slice: columns", build_slice, 1, {X(2, 16, 5, 4)}, .law = OP_LINEAR, .axis = 3, .begin = 0, .end = 3},
    {"slice: vector", build_slice, 1, {X(9)}, .law = OP_LINEAR, .axis = 0, .begin = 8, .end = 9},
    {"pad: batch", build_pad, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR, .axis = 0, .begin = 1, .end = 0},
    {"pad: channels by a block", build_pad, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR, .axis = 1, .begin = 16,
     .end = 0},
    {"pad: channels", build_pad, 1, {X(2, 3, 3, 5)}, .law = OP_LINEAR, .axis = 1, .begin = 2, .end = 11},
    {"pad: rows", build_pad, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR, .axis = 2, .begin = 2, .end = 3},
    {"pad: columns", build_pad, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR, .axis = 3, .begin = 0, .end = 1},
    {"concat: batch", build_concat, 2, {X(2, 16, 3, 5), X(1, 16, 3, 5)}, .law = OP_LINEAR, .axis = 0},
    {"concat: whole blocks", build_concat, 2, {X(2, 16, 3, 5), X(2, 32, 3, 5)}, .law = OP_LINEAR, .axis = 1},
    {"concat: a block and 3", build_concat, 2, {X(2, 16, 3, 5), X(2, 3, 3, 5)}, .law = OP_LINEAR, .axis = 1},
    {"concat: a block, 5 and 11", build_concat, 3, {X(2, 16, 3, 5), X(2, 5, 3, 5), X(2, 11, 3, 5)},
     .law = OP_LINEAR, .axis = 1},
    {"concat: to one block", build_concat, 2, {X(2, 5, 3, 5), X(2, 11, 3, 5)}, .law = OP_LINEAR, .axis = 1},
    {"concat: rows", build_concat, 2, {X(2, 16, 3, 5), X(2, 16, 1, 5)}, .law = OP_LINEAR, .axis = 2},
    {"concat: columns", build_concat, 3, {X(2, 16, 3, 5), X(2, 16, 3, 1), X(2, 16, 3, 2)}, .law = OP_LINEAR,
     .axis = 3},
    {"concat: ten vectors", build_concat, 10, {X(1), X(2), X(3), X(1), X(2), X(3), X(1), X(2), X(3), X(4)},
     .law = OP_LINEAR, .axis = 0},
    {"concat: a part twice", build_concat_twice, 2, {X(2, 16, 3, 5), X(2, 32, 3, 5)}, .law = OP_LINEAR,
     .axis = 1},

    /* matrices */
    MATMULS("A B", false, false, 4, 5, 5, 7),
    MATMULS("A^T B", true, false, 5, 4, 5, 7),
    MATMULS("A B^T", false, true, 4, 5, 7, 5),
    MATMULS("A^T B^T", true, true, 5, 4, 7, 5),
    MATMUL("row times matrix", X(1, 33), W(33, 17), false, false),
    MATMUL("linear layer", X(3, 32), W(48, 32), false, true),
    MATMUL("outer product", X(2, 6, 1), X(2, 1, 5), false, false),
    {"matmul: A A^T", build_gram, 1, {X(2, 4, 5)}, .transpose_b = true},
    {"matmul: A A", build_gram, 1, {X(4, 4)}, .law = OP_NO_LAW},

    /* convolutions */
    CONV("1x1", 2, 16, 4, 5, 16, 1, 1, 1, 0, 1),
    CONV("3x3", 2, 16, 5, 4, 16, 3, 3, 1, 1, 1),
    CONV("3x3 from 3 channels", 2, 3, 5, 6, 16, 3, 3, 1, 1, 1),
    CONV("3x3 to 3 channels", 2, 16, 5, 6, 3, 3, 3, 1, 1, 1),
    CONV("3x3 of 1 channel", 2, 1, 5, 5, 1, 3, 3, 1, 1, 1),
    CONV("3x3, 5 to 24", 1, 5, 4, 4, 24, 3, 3, 1, 1, 1),
    CONV("3x3, 24 to 5", 1, 24, 4, 4, 5, 3, 3, 1, 1, 1),
    CONV("3x3, 32 to 48", 1, 32, 4, 4, 48, 3, 3, 1, 1, 1),
    CONV("3x3, 48 to 32 on 1 pixel", 1, 48, 1, 1, 32, 3, 3, 1, 1, 1),
    CONV("3x3 unpadded", 2, 16, 5, 5, 16, 3, 3, 1, 0, 1),
    CONV("3x3 pad 2", 2, 16, 4, 3, 16, 3, 3, 1, 2, 1),
    CONV("3x3 stride 2", 2, 16, 6, 6, 16, 3, 3, 2, 1, 1),
    CONV("3x3 stride 2, odd sides", 2, 16, 7, 5, 16, 3, 3, 2, 1, 1),
    CONV("3x3 stride 2 with a rest", 1, 5, 6, 7, 3, 3, 3, 2, 0, 1),
    CONV("3x3 dilation 2", 2, 16, 6, 5, 16, 3, 3, 1, 2, 2),
    CONV("3x3 dilation 2 stride 2", 1, 5, 7, 8, 3, 3, 3, 2, 1, 2),
    CONV("1x1 stride 2", 1, 16, 5, 4, 32, 1, 1, 2, 0, 1),
    CONV("1x1 pad 1", 1, 3, 3, 3, 5, 1, 1, 1, 1, 1),
    CONV("5x5", 1, 16, 6, 5, 16, 5, 5, 1, 2, 1),
    CONV("5x5, 3 to 5", 1, 3, 6, 7, 5, 5, 5, 1, 2, 1),
    CONV("3x1", 1, 5, 5, 4, 3, 3, 1, 1, 1, 1),
    CONV("3x3 of 8x8, for Winograd", 2, 16, 8, 8, 32, 3, 3, 1, 1, 1),
    CONV("3x3 of 9x11, for Winograd", 1, 32, 9, 11, 16, 3, 3, 1, 1, 1),
    CONV_BIAS("3x3 of 16x16, for Winograd", 2, 32, 16, 16, 32, 3, 3, 1, 1, 1),
    CONV_BIAS("1x1 bias", 2, 16, 3, 5, 32, 1, 1, 1, 0, 1),
    CONV_BIAS("3x3 bias", 2, 16, 5, 4, 32, 3, 3, 1, 1, 1),
    CONV_BIAS("3x3 bias, 3 to 5", 2, 3, 5, 4, 5, 3, 3, 1, 1, 1),
    CONV_BIAS("3x3 bias stride 2", 2, 16, 5, 5, 16, 3, 3, 2, 1, 1),
    {"conv2d: two with silu between", build_conv_chain, 5, {X(1, 16, 5, 4), W(32, 16, 3, 3), W(32),
     W(3, 32, 3, 3), W(3)}, .law = OP_NO_LAW},

    /* resampling */
    {"upsample: 2", build_upsample_nearest, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR, .factor = 2},
    {"upsample: 3, odd channels", build_upsample_nearest, 1, {X(2, 5, 2, 3)}, .law = OP_LINEAR, .factor = 3},
    {"average_pool: 2", build_average_pool, 1, {X(2, 32, 4, 6)}, .law = OP_LINEAR, .factor = 2},
    {"average_pool: 3, odd channels", build_average_pool, 1, {X(2, 5, 6, 3)}, .law = OP_LINEAR, .factor = 3},
    {"average_pool: to one pixel", build_average_pool, 1, {X(2, 16, 4, 4)}, .law = OP_LINEAR, .factor = 4},
    MAX_POOL("3", 5, 3), MAX_POOL("5", 5, 5), MAX_POOL("5, whole blocks", 32, 5), MAX_POOL("wide", 16, 9),
    MAX_POOL("1", 16, 1),
    FIR("smooth", 16, 1, 1, 2, 1, 4, 0.125, 0.375, 0.375, 0.125),
    FIR("lopsided taps", 3, 1, 1, 1, 1, 3, 0.5, 0.25, -0.125),
    FIR("up 2", 16, 2, 1, 2, 1, 4, 0.1, 0.4, 0.3, 0.2),
    FIR("down 2", 16, 1, 2, 1, 1, 4, 0.1, 0.4, 0.3, 0.2),
    FIR("up 2 down 2", 5, 2, 2, 3, 0, 5, 0.1, 0.4, 0.3, 0.2, 0.6),
    FIR("up 2 odd pads", 5, 2, 1, 3, 0, 2, 0.75, 0.25),
    FIR("up 3 down 2", 3, 3, 2, 1, 4, 6, 1, -2, 3, -4, 5, -6),
    FIR("crop", 16, 1, 1, -1, -2, 2, 0.75, 0.25),
    FIR("crop then pad", 5, 2, 2, -1, 2, 3, 0.2, 0.5, 0.3),
    FIR("single tap", 16, 1, 1, 0, 0, 1, 0.5),
    FIR("eight taps", 3, 1, 2, 4, 5, 8, 1, 2, 3, 4, 5, 6, 7, 8),

    /* normalization */
    NORM("1 group", 6, 1, false),
    NORM("2 groups", 16, 2, false),
    NORM("4 groups", 32, 4, false),
    NORM("instance", 16, 16, false),
    NORM("instance, odd channels", 5, 5, false),
    NORM("2 groups of 12", 24, 2, false),
    NORM("8 groups of 6", 48, 8, false),
    NORM("silu, 1 group", 5, 1, true),
    NORM("silu, 2 groups", 16, 2, true),
    NORM("silu, 4 groups", 32, 4, true),
    NORM("silu, instance", 16, 16, true),
    NORM("silu, 8 groups of 6", 48, 8, true),
    {"group_norm: no affine", build_group_norm, 1, {X(2, 16, 3, 5)}, .groups = 4, .a = 1e-6},
    {"group_norm: gamma alone", build_group_norm, 2, {X(2, 4, 3, 5), WPOS(4)}, .groups = 2, .a = 1e-6,
     .silu = true},
    {"group_norm: mean", build_group_norm_mean, 3, {X(2, 16, 3, 5), WPOS(16), W(16)}, .groups = 4,
     .a = 1e-5, .shape = DIMS(2, 16, 1, 1)},
    {"group_norm: mean, silu", build_group_norm_mean, 3, {X(2, 16, 3, 5), WPOS(16), W(16)}, .groups = 4,
     .a = 1e-5, .silu = true, .shape = DIMS(2, 16, 1, 1)},
    {"group_norm: large eps", build_group_norm, 3, {X(2, 4, 3, 5), WPOS(4), W(4)}, .groups = 2, .a = 0.5},
    {"group_norm: far from zero", build_group_norm, 3, {{.shape = DIMS(2, 16, 3, 5), .low = 29, .high = 31},
     WPOS(16), W(16)}, .groups = 2, .a = 1e-5, .loose = 4},
    {"group_norm: views", build_group_norm_of_view, 3, {X(2, 16, 15), WPOS(4, 4), W(2, 8)},
     .shape = DIMS(2, 16, 3, 5), .groups = 4, .a = 1e-5},
    {"group_norm: views, silu", build_group_norm_of_view, 3, {X(2, 6, 6), WPOS(3, 2), W(2, 3)},
     .shape = DIMS(2, 6, 2, 3), .groups = 2, .a = 1e-5, .silu = true},
    {"group_norm: single pixels", build_group_norm_of_view, 3, {X(2, 6), WPOS(3, 2), W(2, 3)},
     .shape = DIMS(2, 6, 1, 1), .groups = 2, .a = 1e-2, .silu = true},

    SHIFTED_NORM("shift", 16, 4, false),
    SHIFTED_NORM("shift, silu", 32, 8, true),
    SHIFTED_NORM("shift, odd channels, silu", 5, 1, true),
    SHIFTED_NORM("shift, instance", 16, 16, true),
    {"group_norm: shift of single pixels", build_group_norm_of_sum, 4, {X(2, 6, 1, 1), WPOS(6), W(6),
     X(2, 6)}, .groups = 2, .a = 1e-2, .silu = true},

    /* lookup, softmax, dropout */
    {"softmax: rows", build_softmax, 1, {X(3, 4, 7)}, .law = OP_NO_LAW},
    {"softmax: steep", build_softmax, 1, {WIDE(3, 33)}, .law = OP_NO_LAW},
    {"softmax: vector", build_softmax, 1, {X(5)}, .law = OP_NO_LAW},
    {"attention: one head", build_attention_of_images, 3, {X(2, 3, 2, 2), X(2, 3, 2, 2), X(2, 3, 2, 2)},
     .law = OP_NO_LAW, .groups = 3, .loose = 2},
    {"attention: heads of 8", build_attention_of_images, 3, {X(2, 16, 3, 2), X(2, 16, 3, 2), X(2, 16, 3, 2)},
     .law = OP_NO_LAW, .groups = 8, .loose = 2},
    {"attention: heads of a block", build_attention_of_images, 3,
     {X(1, 32, 4, 2), X(1, 32, 4, 2), X(1, 32, 4, 2)}, .law = OP_NO_LAW, .groups = 16, .loose = 2},
    {"embedding: rows", build_embedding, 2, {W(5, 3), ROWS(9, 6)}, .law = OP_NO_LAW},
    {"embedding: one row", build_embedding, 2, {W(4, 17), ROWS(1, 2)}, .law = OP_NO_LAW},
    {"dropout: matrix", build_dropout, 1, {X(3, 21)}, .law = OP_LINEAR, .a = 0.5},
    {"dropout: image", build_dropout, 1, {X(2, 32, 3, 5)}, .law = OP_LINEAR, .a = 0.1},
    {"dropout: odd image", build_dropout, 1, {X(2, 5, 3, 5)}, .law = OP_LINEAR, .a = 0.3},
    {"dropout: two sites", build_two_dropouts, 1, {X(2, 16, 3, 5)}, .law = OP_LINEAR, .a = 0.3, .b = 0.3},

    /* gradients as ops, seeded by their own operand */
    {"silu: gradient", build_silu_gradient, 1, {X(3, 5)}, .law = OP_NO_LAW},
    {"silu: gradient of an image", build_silu_gradient, 1, {X(2, 16, 3, 5)}, .law = OP_NO_LAW},
    {"group_norm: gradient", build_group_norm_gradient, 3, {X(2, 16, 3, 2), WPOS(16), W(16)}, .groups = 4,
     .a = 1e-5, .loose = 4},
    {"group_norm: gradient with silu", build_group_norm_gradient, 3, {X(2, 16, 3, 2), WPOS(16), W(16)},
     .groups = 4, .silu = true, .a = 1e-5, .loose = 4},
    {"conv2d: gradient", build_conv_gradient, 2, {X(2, 16, 4, 3), W(16, 16, 3, 3)}, .law = OP_NO_LAW,
     .conv = {1, 1, 1}},

    /* compositions */
    {"composite: attention", build_attention, 4, {X(2, 16, 3, 3), W(16, 16), W(16, 16), W(16, 16)},
     .law = OP_NO_LAW},
    {"composite: attention of 5 channels", build_attention, 4, {X(1, 5, 2, 3), W(5, 5), W(5, 5), W(5, 5)},
     .law = OP_NO_LAW},
    {"composite: residual block", build_residual_block, 10, {X(2, 16, 4, 4), X(2, 16), WPOS(16), W(16),
     W(16, 16, 3, 3), W(16), W(16, 16, 3, 3), W(16, 16), W(16, 16), W(16, 16)}, .groups = 4, .loose = 4},
    {"composite: residual block of 6 channels", build_residual_block, 10, {X(1, 6, 2, 4), X(1, 6), WPOS(6),
     W(6), W(6, 6, 3, 3), W(6), W(6, 6, 3, 3), W(6, 6), W(6, 6), W(6, 6)}, .groups = 2, .loose = 4},

    /* images in parts; groups of norms reach across */
    {"parts: two", build_joint, 7, {X(2, 32, 3, 5), X(2, 16, 3, 5), JOINT(48, 16)}, .groups = 4, .loose = 4},
    {"parts: of a sum and a convolution", build_joint_of_sums, 7, {X(2, 16, 4, 3), X(2, 16, 4, 3), JOINT(32, 16)},
     .groups = 8, .loose = 4},
    {"parts: of parts", build_joint_of_joints, 7, {X(2, 16, 3, 4), X(2, 48, 3, 4), JOINT(112, 16)}, .groups = 4,
     .loose = 4},
    {"parts: nine", build_joint_of_nine, 7, {X(1, 16, 3, 3), X(1, 32, 3, 3), JOINT(208, 16)}, .groups = 4, .loose = 4},
    {"parts: and a copy", build_joint_and_copy, 7, {SPREAD(2, 16, 3, 4), SPREAD(2, 32, 3, 4), JOINT(48, 16)}, .groups = 6,
     .loose = 4},
    {"parts: 3x3 stride 2", build_conv_of_parts, 3, {X(2, 16, 5, 4), X(2, 32, 5, 4), W(16, 48, 3, 3)},
     .law = OP_NO_LAW, .conv = {2, 1, 1}},
    {"parts: 3x3, for Winograd", build_conv_of_parts, 3, {X(2, 32, 8, 8), X(2, 64, 8, 8), W(32, 96, 3, 3)},
     .law = OP_NO_LAW, .conv = {1, 1, 1}},
    {"parts: ops on slices", build_ops_on_slices, 2, {X(2, 64, 3, 5), X(2, 48, 3, 5)}, .law = OP_NO_LAW},
};
/* clang-format on */
const int op_case_count = (int)(sizeof op_cases / sizeof op_cases[0]);
