/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast pointwise ops, as links of chains. In a binary op one operand has the shape of the result; the other
 * has it too, or lacks leading and trailing axes, which covers scalars, numbers per channel, per sample and
 * per row, and a bias along the last axis.
 */
#ifndef ITO_ENGINE_FAST_POINTWISE_H
#define ITO_ENGINE_FAST_POINTWISE_H

#include "engine/kernels/fast_link.h"

/* ---- no operand ---- */

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

/* ---- one operand ---- */

/* p and q are the coefficients of the op's attribute. */
#define UNARY(name, expression)                                                                              \
    LINK_COMPUTE(name) {                                                                                     \
        const float p = k->p, q = k->q;                                                                      \
        (void)v, (void)b, (void)at, (void)p, (void)q;                                                        \
        SIMD for (int64_t i = 0; i < n; i++) {                                                               \
            float x = widen(a[i]);                                                                           \
            out[i] = narrow(expression);                                                                     \
        }                                                                                                    \
    }

UNARY(span_affine, p *x + q)
UNARY(span_exp, fast_exp(x))
UNARY(span_sigmoid, fast_sigmoid(x))
UNARY(span_tanh, fast_tanh(x))
UNARY(span_silu, fast_silu(x))
UNARY(span_relu, x > 0.0f ? x : 0.0f)
UNARY(span_elu, fast_elu(x))
UNARY(span_step, x > 0.0f ? 1.0f : 0.0f)

static void set_coefficients(chain_link *k) {
    k->p = (float)k->call->node->attr.affine.a;
    k->q = (float)k->call->node->attr.affine.b;
}

static void make_unary(chain_link *k) {
    static link_compute *const spans[ITO__OP_COUNT] = {
        [ITO__OP_AFFINE] = span_affine, [ITO__OP_EXP] = span_exp,   [ITO__OP_SIGMOID] = span_sigmoid,
        [ITO__OP_TANH] = span_tanh,     [ITO__OP_SILU] = span_silu, [ITO__OP_RELU] = span_relu,
        [ITO__OP_ELU] = span_elu,       [ITO__OP_STEP] = span_step,
    };
    set_coefficients(k);
    k->compute = spans[k->call->node->op];
}

/* ---- two operands ---- */

/* How many channels alternate in memory below the kept axes: a block, if those end with an image's channels.
 */
static int64_t period_of(const ito__span *s, ito_shape image, int64_t block) {
    bool pixels = image.rank == 4 && s->kept > 1 && s->inner == image.dim[2] * image.dim[3];
    return pixels ? block : 1;
}

/* With two arrays, and with the left or the right operand the same for all elements of a lane. */
#define BINARY(name, expression)                                                                             \
    LINK_COMPUTE(name) {                                                                                     \
        const float p = k->p, q = k->q;                                                                      \
        (void)v, (void)at, (void)p, (void)q;                                                                 \
        SIMD for (int64_t i = 0; i < n; i++) {                                                               \
            float x = widen(a[i]), y = widen(b[i]);                                                          \
            out[i] = narrow(expression);                                                                     \
        }                                                                                                    \
    }                                                                                                        \
    static void name##_left_lanes(const float *restrict a, const element *b, element *out, int64_t n,        \
                                  float p, float q) {                                                        \
        (void)p, (void)q;                                                                                    \
        FOR_LANES(n, float x = a[l]; float y = widen(b[i + l]); out[i + l] = narrow(expression););           \
    }                                                                                                        \
    LINK_COMPUTE(name##_left) {                                                                              \
        (void)a, (void)at;                                                                                   \
        name##_left_lanes(v->number, b, out, n, k->p, k->q);                                                 \
    }                                                                                                        \
    static void name##_right_lanes(const element *a, const float *restrict b, element *out, int64_t n,       \
                                   float p, float q) {                                                       \
        (void)p, (void)q;                                                                                    \
        FOR_LANES(n, float x = widen(a[i + l]); float y = b[l]; out[i + l] = narrow(expression););           \
    }                                                                                                        \
    LINK_COMPUTE(name##_right) {                                                                             \
        (void)b, (void)at;                                                                                   \
        name##_right_lanes(a, v->number, out, n, k->p, k->q);                                                \
    }                                                                                                        \
    static link_compute *const name##_forms[] = {name, name##_left, name##_right};

BINARY(span_add, p *x + q * y)
BINARY(span_mul, x *y)
BINARY(span_div, x / y)
BINARY(span_silu_grad, fast_silu_slope(x) * y)

/* An operand that gives every run one number, or one per channel of the block. */
static void ready_numbers(const chain_link *k, int64_t at, link_lanes *v) {
    memcpy(v->number, k->numbers + at / k->run * k->period % k->n_numbers, (size_t)k->period * sizeof(float));
    repeat_lanes(v->number, k->period);
}

/* A short row of numbers for every row of the result: it fills the lanes again and again. */
static void ready_row(const chain_link *k, int64_t at, link_lanes *v) {
    for (int64_t l = 0; l < LANES; l++) v->number[l] = k->numbers[(at + l) % k->n_numbers];
}

static void make_binary(chain_link *k) {
    static link_compute *const *const forms[ITO__OP_COUNT] = {
        [ITO__OP_ADD] = span_add_forms,
        [ITO__OP_MUL] = span_mul_forms,
        [ITO__OP_DIV] = span_div_forms,
        [ITO__OP_SILU_GRAD] = span_silu_grad_forms,
    };
    const ito__call *c = k->call;
    int small;
    ito__span s;
    ito__repeating_operand(c->node, &small, &s);
    set_coefficients(k);
    k->in[1] = IN(1);
    const bool row = s.inner == 1 && s.outer > 1 && LANES % s.kept == 0;
    if (s.inner == 1 && !row) {
        k->run = k->cycle[small] = s.kept;
        k->compute = forms[c->node->op][0];
        return;
    }
    k->in[small] = k->in[1 - small];
    k->numbers = NUMBERS(small);
    k->n_numbers = s.kept;
    k->compute = forms[c->node->op][1 + small];
    k->ready = row ? ready_row : ready_numbers;
    if (row) return;
    k->period = period_of(&s, c->node->shape, c->block);
    k->run = s.inner * k->period;
}

#undef UNARY
#undef BINARY

#endif
