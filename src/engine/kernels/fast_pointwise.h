/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast pointwise kernels. In a binary op one operand has the shape of the result; the other has it too, or
 * lacks leading and trailing axes, which covers scalars, numbers per channel, per sample and per row, and a
 * bias along the last axis.
 */
#ifndef ITO_ENGINE_FAST_POINTWISE_H
#define ITO_ENGINE_FAST_POINTWISE_H

#include "engine/kernels/fast_moments.h"

/* ---- one operand ---- */

#define UNARY(name, expression)                                                                              \
    static void name(const ito__call *c) {                                                                   \
        int64_t n = ito_shape_count(c->node->shape), pieces = pieces_of(n);                                  \
        _Pragma("omp parallel for if (n > PARALLEL)") for (int64_t k = 0; k < pieces; k++) {                 \
            const element *in = IN(0) + k * PIECE;                                                           \
            element *out = OUT + k * PIECE;                                                                  \
            int64_t length = piece_length(n, k);                                                             \
            SIMD for (int64_t i = 0; i < length; i++) {                                                      \
                float x = widen(in[i]);                                                                      \
                out[i] = narrow(expression);                                                                 \
            }                                                                                                \
        }                                                                                                    \
    }

UNARY(k_exp, fast_exp(x))
UNARY(k_sigmoid, fast_sigmoid(x))
UNARY(k_tanh, fast_tanh(x))
UNARY(k_silu, fast_silu(x))
UNARY(k_relu, x > 0.0f ? x : 0.0f)
UNARY(k_elu, fast_elu(x))
UNARY(k_step, x > 0.0f ? 1.0f : 0.0f)

static void k_affine(const ito__call *c) {
    int64_t n = ito_shape_count(c->node->shape), pieces = pieces_of(n);
    float a = (float)c->node->attr.affine.a, b = (float)c->node->attr.affine.b;
#pragma omp parallel for if (n > PARALLEL)
    for (int64_t k = 0; k < pieces; k++) {
        const element *in = IN(0) + k * PIECE;
        element *out = OUT + k * PIECE;
        int64_t length = piece_length(n, k);
        SIMD for (int64_t i = 0; i < length; i++) out[i] = narrow(a * widen(in[i]) + b);
    }
}

static void k_fill(const ito__call *c) {
    int64_t n = ito_shape_count(c->node->shape), pieces = pieces_of(n);
    float a = (float)c->node->attr.affine.a;
#pragma omp parallel for if (n > PARALLEL)
    for (int64_t k = 0; k < pieces; k++) {
        element *out = OUT + k * PIECE;
        int64_t length = piece_length(n, k);
        SIMD for (int64_t i = 0; i < length; i++) out[i] = narrow(a);
    }
}

/* ---- two operands ---- */

/* A shape against a larger one: axes before those that it has, those, axes after them. */
typedef struct span {
    int64_t outer, kept, inner;
} span;

/* False where axes that `part` has and axes that it lacks alternate. */
static bool split_axes(ito_shape part, ito_shape whole, span *s) {
    *s = (span){1, 1, 1};
    for (int i = whole.rank - 1; i >= 0; i--) {
        int k = part.rank - whole.rank + i;
        int64_t d = whole.dim[i], e = k < 0 ? 1 : part.dim[k];
        if (d == 1) continue;
        if (e == d) {
            if (s->outer > 1) return false;
            s->kept *= d;
        } else if (s->kept == 1) {
            s->inner *= d;
        } else {
            s->outer *= d;
        }
    }
    return true;
}

/* How many channels alternate in memory below the kept axes: a block, if those end with an image's channels.
 */
static int64_t period_of(const span *s, ito_shape image, int64_t block) {
    bool pixels = image.rank == 4 && s->kept > 1 && s->inner == image.dim[2] * image.dim[3];
    return pixels ? block : 1;
}

/* p and q are the coefficients of the op's attribute. */
typedef struct binary_loops {
    void (*full)(const element *a, const element *b, element *out, int64_t n, float p, float q);
    void (*left)(const float *restrict a, const element *b, element *out, int64_t n, float p,
                 float q); /* lanes a */
    void (*right)(const element *a, const float *restrict b, element *out, int64_t n, float p,
                  float q); /* lanes b */
} binary_loops;

/* The smaller operand is the same for every row along its kept axes. */
static void repeat_row(const ito__call *c, const binary_loops *f, span s, bool small_left) {
    int64_t pieces = pieces_of(s.kept), units = s.outer * pieces;
    float p = (float)c->node->attr.affine.a, q = (float)c->node->attr.affine.b;
#pragma omp parallel for if (s.outer * s.kept > PARALLEL)
    for (int64_t u = 0; u < units; u++) {
        int64_t start = u % pieces * PIECE, at = u / pieces * s.kept + start;
        f->full(IN(0) + (small_left ? start : at), IN(1) + (small_left ? at : start), OUT + at,
                piece_length(s.kept, u % pieces), p, q);
    }
}

/* The smaller operand gives every panel one number, or one per channel of the block. */
static void repeat_lane(const ito__call *c, const binary_loops *f, span s, bool small_left) {
    int64_t period = period_of(&s, c->node->shape, c->block);
    int64_t length = s.inner * period, panels = s.kept / period;
    int64_t pieces = pieces_of(length), units = s.outer * panels * pieces;
    float p = (float)c->node->attr.affine.a, q = (float)c->node->attr.affine.b;
    const float *small = small_left ? NUMBERS(0) : NUMBERS(1);
#pragma omp parallel for if (s.outer * s.kept * s.inner > PARALLEL)
    for (int64_t u = 0; u < units; u++) {
        int64_t panel = u / pieces, at = panel * length + u % pieces * PIECE;
        float lanes[LANES];
        memcpy(lanes, small + panel % panels * period, (size_t)period * sizeof *lanes);
        repeat_lanes(lanes, period);
        int64_t n = piece_length(length, u % pieces);
        if (small_left)
            f->left(lanes, IN(1) + at, OUT + at, n, p, q);
        else
            f->right(IN(0) + at, lanes, OUT + at, n, p, q);
    }
}

static void binary(const ito__call *c, const binary_loops *f) {
    ito_shape a = c->node->in[0]->shape, b = c->node->in[1]->shape, whole = c->node->shape;
    bool small_left = ito_shape_count(a) < ito_shape_count(b);
    ito_shape large = small_left ? b : a;
    span s;
    if (ito_shape_count(large) != ito_shape_count(whole) || !split_axes(small_left ? a : b, whole, &s))
        ito__plain_f32[c->node->op](c);
    else if (s.inner == 1)
        repeat_row(c, f, s, small_left);
    else
        repeat_lane(c, f, s, small_left);
}

#define LOOPS(name, expression)                                                                              \
    static void name##_full(const element *a, const element *b, element *out, int64_t n, float p, float q) { \
        (void)p, (void)q;                                                                                    \
        SIMD for (int64_t i = 0; i < n; i++) {                                                               \
            float x = widen(a[i]), y = widen(b[i]);                                                          \
            out[i] = narrow(expression);                                                                     \
        }                                                                                                    \
    }                                                                                                        \
    static void name##_left(const float *restrict a, const element *b, element *out, int64_t n, float p,     \
                            float q) {                                                                       \
        (void)p, (void)q;                                                                                    \
        FOR_LANES(n, float x = a[l]; float y = widen(b[i + l]); out[i + l] = narrow(expression););           \
    }                                                                                                        \
    static void name##_right(const element *a, const float *restrict b, element *out, int64_t n, float p,    \
                             float q) {                                                                      \
        (void)p, (void)q;                                                                                    \
        FOR_LANES(n, float x = widen(a[i + l]); float y = b[l]; out[i + l] = narrow(expression););           \
    }                                                                                                        \
    static const binary_loops name##_loops = {name##_full, name##_left, name##_right};

#define BINARY(name, expression)                                                                             \
    LOOPS(name, expression)                                                                                  \
    static void name(const ito__call *c) {                                                                   \
        binary(c, &name##_loops);                                                                            \
    }

BINARY(k_mul, x *y)
BINARY(k_div, x / y)
BINARY(k_silu_grad, fast_silu_slope(x) * y)

/* ---- the sum of two blocked images, from their parts, with its moments ---- */

LOOPS(sum, p *x + q * y)

static void add_panels(const ito__call *c) {
    const ito_shape s = c->node->shape;
    const int64_t panels = s.dim[0] * s.dim[1] / c->block, length = s.dim[2] * s.dim[3] * c->block;
    const float p = (float)c->node->attr.affine.a, q = (float)c->node->attr.affine.b;
#pragma omp parallel for if (panels * length > PARALLEL)
    for (int64_t u = 0; u < panels; u++) {
        const element *x = panel_of(c, 0, u), *y = panel_of(c, 1, u);
        element *out = OUT + u * length;
        double *moments = c->moments ? result_moments(c, u) : NULL;
        for (int64_t i = 0, n; i < length; i += n * c->block) {
            n = next_pixels((length - i) / c->block);
            sum_full(x + i, y + i, out + i, n * c->block, p, q);
            if (moments) piece_moments(out + i, n, c->block, moments);
        }
    }
}

static void k_add(const ito__call *c) {
    if (c->moments || c->parts[0] || c->parts[1])
        add_panels(c);
    else
        binary(c, &sum_loops);
}

#undef UNARY
#undef LOOPS
#undef BINARY

#endif
