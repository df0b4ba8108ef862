/* SPDX-License-Identifier: Apache-2.0
 *
 * Group normalization, with an optional SiLU and dropout behind it, and its gradient.
 *
 *   STATS (x; s)                         [N, G, 2]      mean and 1 / sqrt(var + eps) of every group of x + s
 *   NORM  (x, stats, gamma, beta; s)     [N, C, H, W]   drop(act(xhat gamma + beta)),
 *                                                       xhat = (x + s - mean) rstd
 *   SUMS  (x, stats, gamma, beta, g; s)  [2, N, C]      sums over pixels of du and of du xhat,
 *                                                       du = g act'(xhat gamma + beta)
 *   DX    (x, stats, gamma, beta, g, sums; s)           the gradient of x
 *
 * g, the gradient behind the activation, is dropped where the image was.
 *
 * s [N, C, 1, 1], the last operand, may be absent: what a network adds to every channel just before a norm
 * (its time embedding), which then costs no pass over the image of its own.
 *
 * Mathematically stats and sums are functions of the other operands; they are operands so that they are
 * computed once. Only x, gamma, beta and g carry derivatives: stats and sums get none, and the expansions,
 * through which SUMS and DX are differentiated again, do not read them.
 */
#include "engine/graph.h"

/* x = image + shift with a shift per image and channel: makes *x the image and returns the shift; NULL
 * otherwise. */
static ito_node *take_shift(ito_node **x) {
    ito_node *sum = *x;
    ito_shape s = sum->shape;
    if (sum->op != ITO__OP_ADD || sum->attr.affine.a != 1 || sum->attr.affine.b != 1) return NULL;
    for (int i = 0; i < 2; i++) {
        ito_node *image = sum->in[i], *shift = sum->in[1 - i];
        bool whole = ito_shape_equal(image->shape, s);
        if (!whole || !ito_shape_equal(shift->shape, ITO_SHAPE(s.dim[0], s.dim[1], 1, 1))) continue;
        *x = ito__through(sum, i);
        return shift;
    }
    return NULL;
}

/* A node of the family: `count` operands, then the shift if there is one. */
static ito_node *with_shift(ito__op op, int count, ito_node *const *operands, ito_node *shift,
                            ito_shape shape, ito__attr attr) {
    ito_node *in[ITO__MAX_IN];
    for (int i = 0; i < count; i++) in[i] = operands[i];
    if (shift) in[count++] = shift;
    return ito__node(operands[0]->graph, op, count, in, shape, attr);
}

ito_node *ito_group_norm(ito_node *x, ito_node *gamma, ito_node *beta, int groups, double eps) {
    ito_graph *g = x->graph;
    char s[ITO__SHAPE_TEXT];
    if (x->shape.rank != 4)
        return ito__bad(g, ITO__OP_NORM, "operand %s: it takes [N,C,H,W]", ito__shape_text(x->shape, s));
    int64_t channels = x->shape.dim[1];
    if (groups < 1 || channels % groups)
        return ito__bad(g, ITO__OP_NORM, "%lld channels do not divide into %d groups: choose a divisor",
                        (long long)channels, groups);
    ito_shape per_channel = ITO_SHAPE(channels);
    if (!gamma) gamma = ito_fill(g, 1, per_channel);
    if (!beta) beta = ito_fill(g, 0, per_channel);
    if (!ito_shape_equal(gamma->shape, per_channel) || !ito_shape_equal(beta->shape, per_channel))
        return ito__bad(
            g, ITO__OP_NORM, "gamma or beta has shape %s: it is [%lld]",
            ito__shape_text(ito_shape_equal(gamma->shape, per_channel) ? beta->shape : gamma->shape, s),
            (long long)channels);
    ito__attr attr = {.norm = {groups, false, eps}};
    ito_node *shift = take_shift(&x);
    ito_shape per_group = ITO_SHAPE(x->shape.dim[0], groups, 2);
    ito_node *stats = with_shift(ITO__OP_NORM_STATS, 1, (ito_node *[]){x}, shift, per_group, attr);
    return with_shift(ITO__OP_NORM, 4, (ito_node *[]){x, stats, gamma, beta}, shift, x->shape, attr);
}

/* The same norm and what followed it. */
static ito_node *norm_again(ito_node *norm, ito__attr attr) {
    norm->folded = true;
    return ito__node(norm->graph, ITO__OP_NORM, norm->n_in, norm->in, norm->shape, attr);
}

ito_node *ito__norm_with_silu(ito_node *norm) {
    ito__attr attr = norm->attr;
    attr.norm.silu = true;
    return norm_again(norm, attr);
}

ito_node *ito__norm_with_dropout(ito_node *norm, ito__dropout d) {
    ito__attr attr = norm->attr;
    attr.norm.dropout = d;
    return norm_again(norm, attr);
}

void ito__adjoint_norm(ito_node *y, ito_node *g, ito_node **gin) {
    ito_node *x = y->in[0], *stats = y->in[1], *gamma = y->in[2], *beta = y->in[3];
    ito_node *shift = y->n_in == 5 ? y->in[4] : NULL;
    int64_t n = x->shape.dim[0], c = x->shape.dim[1];
    ito__attr attr = y->attr;
    if (attr.norm.dropout.rate > 0) g = ito__drop(g, attr.norm.dropout);
    attr.norm.dropout = (ito__dropout){0};
    ito_node *sums = with_shift(ITO__OP_NORM_SUMS, 5, (ito_node *[]){x, stats, gamma, beta, g}, shift,
                                ITO_SHAPE(2, n, c), attr);
    gin[0] =
        with_shift(ITO__OP_NORM_DX, 6, (ito_node *[]){x, stats, gamma, beta, g, sums}, shift, x->shape, attr);
    ito_node *over_batch = ito_sum_to(sums, ITO_SHAPE(2, 1, c));
    gin[2] = ito_reshape(ito_slice(over_batch, 0, 1, 2), ITO_SHAPE(c));
    gin[3] = ito_reshape(ito_slice(over_batch, 0, 0, 1), ITO_SHAPE(c));
    if (shift) gin[4] = ito_sum_to(gin[0], shift->shape);
}

/* ---- the same from simpler ops ---- */

typedef struct parts {
    ito_node *mean, *rstd; /* [N, G, 1] */
    ito_node *xhat;        /* [N, G, C/G H W] */
    ito_shape grouped, column;
} parts;

/* `operands`: of y, without its shift. */
static parts normalize(ito_node *y, int operands) {
    parts p;
    ito__attr attr = y->attr;
    ito_node *x = y->n_in > operands ? ito_add(y->in[0], y->in[operands]) : y->in[0];
    int64_t n = x->shape.dim[0], groups = attr.norm.groups;
    p.grouped = ITO_SHAPE(n, groups, ito_shape_count(x->shape) / (n * groups));
    p.column = ITO_SHAPE(n, groups, 1);
    ito_node *rows = ito_reshape(x, p.grouped);
    p.mean = ito_mean_to(rows, p.column);
    ito_node *centred = ito_sub(rows, p.mean);
    ito_node *variance = ito_mean_to(ito_square(centred), p.column);
    p.rstd = ito_div(ito_fill(x->graph, 1, p.column), ito_sqrt(ito_affine(variance, 1, attr.norm.eps)));
    p.xhat = ito_mul(centred, p.rstd);
    return p;
}

static ito_node *channels(ito_node *per_channel) {
    return ito_reshape(per_channel, ITO_SHAPE(1, per_channel->shape.dim[0], 1, 1));
}

/* du = g act'(xhat gamma + beta) as an image */
static ito_node *before_activation(ito_node *y, const parts *p) {
    ito_node *g = y->in[4];
    if (!y->attr.norm.silu) return g;
    ito_node *xhat = ito_reshape(p->xhat, y->in[0]->shape);
    return ito__silu_grad(ito_add(ito_mul(xhat, channels(y->in[2])), channels(y->in[3])), g);
}

ito_node *ito__expand_norm_sums(ito_node *y) {
    parts p = normalize(y, 5);
    ito_shape image = y->in[0]->shape;
    ito_shape per_channel = ITO_SHAPE(image.dim[0], image.dim[1], 1, 1);
    ito_shape row = ITO_SHAPE(1, image.dim[0], image.dim[1]);
    ito_node *du = before_activation(y, &p);
    ito_node *plain = ito_sum_to(du, per_channel);
    ito_node *weighted = ito_sum_to(ito_mul(du, ito_reshape(p.xhat, image)), per_channel);
    return ito_concat(2, (ito_node *[]){ito_reshape(plain, row), ito_reshape(weighted, row)}, 0);
}

/* dx = rstd (q - mean(q) - xhat mean(q xhat)),  q = gamma du,  means over a group. */
ito_node *ito__expand_norm_dx(ito_node *y) {
    parts p = normalize(y, 6);
    ito_node *q = ito_reshape(ito_mul(before_activation(y, &p), channels(y->in[2])), p.grouped);
    ito_node *level = ito_mean_to(q, p.column);
    ito_node *tilt = ito_mul(p.xhat, ito_mean_to(ito_mul(q, p.xhat), p.column));
    ito_node *dx = ito_mul(p.rstd, ito_sub(ito_sub(q, level), tilt));
    return ito_reshape(dx, y->shape);
}
