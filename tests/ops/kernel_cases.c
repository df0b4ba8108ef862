/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of kernel cases, and what the checks that walk it share.
 */
#include "kernel_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- builders ---- */

static ito_node *image(ito_graph *g, const char *name, kernel_size s) {
    return ito_input(g, name, ITO_SHAPE(s.n, s.c, s.h, s.w));
}

#define POINTWISE(name)                                                                                      \
    static ito_node *build_##name(ito_graph *g, kernel_size s, int variant) {                                \
        (void)variant;                                                                                       \
        return ito_##name(image(g, "x", s));                                                                 \
    }
POINTWISE(exp)
POINTWISE(sigmoid)
POINTWISE(tanh)
POINTWISE(silu)
POINTWISE(relu)
POINTWISE(elu)
POINTWISE(step)

static ito_node *build_affine(ito_graph *g, kernel_size s, int variant) {
    (void)variant;
    return ito_affine(image(g, "x", s), 0.7, -1.25);
}

static ito_node *build_fill(ito_graph *g, kernel_size s, int variant) {
    (void)variant;
    return ito_fill(g, 2.5, ITO_SHAPE(s.n, s.c, s.h, s.w));
}

enum { ALIKE, ONE, CHANNEL, CHANNEL_OF_ALL, SAMPLE, BIAS, OF_ALL, COLUMN, LAST, PIXEL, BINARY_COUNT };

/* The larger and the smaller operand of a binary op. */
static void operands(ito_graph *g, kernel_size s, int variant, ito_node **x, ito_node **y) {
    const ito_shape small[BINARY_COUNT] = {
        [ALIKE] = ITO_SHAPE(s.n, s.c, s.h, s.w), [ONE] = ITO_SHAPE(1),
        [CHANNEL] = ITO_SHAPE(s.n, s.c, 1, 1),   [CHANNEL_OF_ALL] = ITO_SHAPE(1, s.c, 1, 1),
        [SAMPLE] = ITO_SHAPE(s.n, 1, 1, 1),      [BIAS] = ITO_SHAPE(s.c, 1, 1),
        [OF_ALL] = ITO_SHAPE(1, s.c, s.h, s.w),  [COLUMN] = ITO_SHAPE(s.n * s.c, 1),
        [LAST] = ITO_SHAPE(s.h * s.w),           [PIXEL] = ITO_SHAPE(s.n, 1, s.h, s.w)};
    bool matrix = variant == COLUMN || variant == LAST;
    *x = ito_input(g, "x", matrix ? ITO_SHAPE(s.n * s.c, s.h * s.w) : ITO_SHAPE(s.n, s.c, s.h, s.w));
    *y = ito_input(g, "y", small[variant]);
}

static ito_node *build_add(ito_graph *g, kernel_size s, int variant) {
    ito_node *x, *y;
    operands(g, s, variant, &x, &y);
    return ito__add_scaled(0.7, x, -1.3, y);
}

static ito_node *build_add_left(ito_graph *g, kernel_size s, int variant) {
    ito_node *x, *y;
    operands(g, s, variant, &x, &y);
    return ito__add_scaled(0.7, y, -1.3, x);
}

static ito_node *build_mul(ito_graph *g, kernel_size s, int variant) {
    ito_node *x, *y;
    operands(g, s, variant, &x, &y);
    return ito_mul(x, y);
}

static ito_node *build_div(ito_graph *g, kernel_size s, int variant) {
    ito_node *x, *y;
    operands(g, s, variant, &x, &y);
    return ito_div(x, y);
}

static ito_node *build_div_left(ito_graph *g, kernel_size s, int variant) {
    ito_node *x, *y;
    operands(g, s, variant, &x, &y);
    return ito_div(y, x);
}

static ito_node *build_silu_grad(ito_graph *g, kernel_size s, int variant) {
    ito_node *x, *y;
    operands(g, s, variant, &x, &y);
    return ito__silu_grad(x, y);
}

static ito_node *build_sum_to(ito_graph *g, kernel_size s, int variant) {
    ito_node *x, *y;
    operands(g, s, variant, &x, &y);
    return ito_shape_equal(x->shape, y->shape) ? NULL : ito_sum_to(x, y->shape);
}

static ito_node *build_softmax(ito_graph *g, kernel_size s, int variant) {
    (void)variant;
    return ito_softmax(ito_input(g, "x", ITO_SHAPE(s.n, s.c, s.h * s.w)));
}

static ito_node *build_upsample(ito_graph *g, kernel_size s, int factor) {
    return ito_upsample_nearest(image(g, "x", s), factor);
}

static ito_node *build_pool(ito_graph *g, kernel_size s, int factor) {
    s.h *= factor;
    s.w *= factor;
    return ito__sum_pool(image(g, "x", s), factor);
}

/* The resampling filters of NCSN++, then one that crops, one longer than small images, one of a single tap.
 */
static ito_node *build_upfirdn(ito_graph *g, kernel_size s, int variant) {
    const ito_fir firs[] = {{2, 1, 2, 1, 4, {0.25, 0.75, 0.75, 0.25}},
                            {1, 2, 1, 1, 4, {0.125, 0.375, 0.375, 0.125}},
                            {1, 1, 2, 1, 4, {0.1, 0.2, 0.3, 0.4}},
                            {3, 2, -2, 1, 5, {0.1, 0.2, 0.3, 0.4, -0.5}},
                            {2, 3, 7, 6, 8, {0.1, 0.2, 0.3, 0.4, -0.5, 0.6, 0.7, 0.8}},
                            {3, 1, 1, 0, 1, {1.5}}};
    return ito_upfirdn(image(g, "x", s), firs[variant % 6]);
}

/* The adjoint of a filter, which reads it backwards. */
static ito_node *build_upfirdn_adjoint(ito_graph *g, kernel_size s, int variant) {
    ito_node *y = build_upfirdn(g, s, variant), *dx;
    if (ito_graph_status(g, NULL) != ITO_OK) return NULL;
    ito_gradients(y, ito_input(g, "g", y->shape), 1, &y->in[0], &dx);
    return dx->op == ITO__OP_UPFIRDN ? dx : NULL;
}

static ito_node *build_max_pool(ito_graph *g, kernel_size s, int window) {
    return ito_max_pool(image(g, "x", s), window);
}

static ito_node *build_max_pool_grad(ito_graph *g, kernel_size s, int window) {
    ito_node *y = build_max_pool(g, s, window), *dx;
    ito_gradients(y, image(g, "g", s), 1, &y->in[0], &dx);
    return dx->op == ITO__OP_MAX_POOL_GRAD ? dx : NULL;
}

static ito_node *build_permute(ito_graph *g, kernel_size s, int variant) {
    const int order[][4] = {{0, 2, 3, 1}, {0, 3, 1, 2}, {0, 1, 3, 2},
                            {1, 2, 3, 0}, {0, 2, 1, 3}, {3, 1, 2, 0}};
    return ito_permute(image(g, "x", s), order[variant]);
}

static ito_node *build_dropout(ito_graph *g, kernel_size s, int variant) {
    return ito_dropout(variant ? ito_input(g, "x", ITO_SHAPE(s.n, s.c * s.h)) : image(g, "x", s), 0.3);
}

/* In heads of `width` channels. */
static ito_node *build_attention(ito_graph *g, kernel_size s, int width) {
    if (s.c % width || s.h * s.w > 2000) return NULL; /* slow in plain C */
    return ito_attention(image(g, "q", s), image(g, "k", s), image(g, "v", s), width, 0.5);
}

static ito_node *build_attention_grad(ito_graph *g, kernel_size s, int width) {
    ito_node *y = build_attention(g, s, width), *dq;
    if (!y) return NULL;
    ito_gradients(y, image(g, "g", s), 1, &y->in[0], &dq);
    return dq->op == ITO__OP_SLICE ? dq->in[0] : NULL;
}

enum { STATS, NORM, SUMS, DX };

/* variant: 10000 shifted + 1000 what + 100 (silu + 2 dropped) + channels in a group; shifted: a number per
 * channel is added first */
static ito_node *build_norm(ito_graph *g, kernel_size s, int variant) {
    int shifted = variant / 10000, what = variant / 1000 % 10, group = variant % 100;
    if (s.c % group) return NULL;
    ito__attr attr = {.norm = {(int)s.c / group, variant / 100 % 2 == 1, 1e-6, {0}}};
    if (variant / 200 % 5 == 1) attr.norm.dropout = (ito__dropout){0.3, 7};
    ito_node *x = image(g, "x", s), *gamma = ito_input(g, "gamma", ITO_SHAPE(s.c)),
             *beta = ito_input(g, "beta", ITO_SHAPE(s.c)), *dy = image(g, "g", s);
    ito_node *shift = ito_input(g, "shift", ITO_SHAPE(s.n, s.c, 1, 1));
    ito_node *stats = ito__node(g, ITO__OP_NORM_STATS, 1 + shifted, (ito_node *[]){x, shift},
                                ITO_SHAPE(s.n, s.c / group, 2), attr);
    if (what == STATS) return stats;
    /* With hardly anything in a group its variance may be near 0, which magnifies the rounding of the mean.
     */
    if (group * s.h * s.w < 15) return NULL;
    if (what == NORM)
        return ito__node(g, ITO__OP_NORM, 4 + shifted, (ito_node *[]){x, stats, gamma, beta, shift}, x->shape,
                         attr);
    ito_node *sums =
        ito__node(g, ITO__OP_NORM_SUMS, 5 + shifted, (ito_node *[]){x, stats, gamma, beta, dy, shift},
                  ITO_SHAPE(2, s.n, s.c), attr);
    if (what == SUMS) return sums;
    return ito__node(g, ITO__OP_NORM_DX, 6 + shifted, (ito_node *[]){x, stats, gamma, beta, dy, sums, shift},
                     x->shape, attr);
}

/* ---- the table ---- */

/* clang-format off */
#define NORMS(group)                                                                   \
    {"norm_stats", build_norm, group, 30, 1e-6, false, -1},                            \
    {"norm", build_norm, 1000 + (group), 0, 1e-6, false, 0},                           \
    {"norm, far from zero", build_norm, 1000 + (group), 30, 2e-5, false, 0},           \
    {"norm and silu", build_norm, 1100 + (group), 0, 2e-6, false, 0},                  \
    {"norm and dropout", build_norm, 1200 + (group), 0, 1e-6, false, 0},               \
    {"norm, silu, dropout", build_norm, 1300 + (group), 0, 2e-6, false, 0},            \
    {"norm_sums", build_norm, 2000 + (group), 0, 2e-6, false, -1},                     \
    {"norm_sums and silu", build_norm, 2100 + (group), 0, 2e-6, false, -1},            \
    {"norm_dx", build_norm, 3000 + (group), 0, 2e-6, false, 0},                        \
    {"norm_dx and silu", build_norm, 3100 + (group), 0, 2e-6, false, 4},               \
    {"norm_stats, shifted", build_norm, 10000 + (group), 3, 1e-6, false, -1},          \
    {"norm and silu, shifted", build_norm, 11100 + (group), 0, 2e-6, false, 0},        \
    {"norm_sums and silu, shifted", build_norm, 12100 + (group), 0, 2e-6, false, -1},  \
    {"norm_dx and silu, shifted", build_norm, 13100 + (group), 0, 2e-6, false, 0}
/* clang-format on */

const kernel_case kernel_cases[] = {
    {"fill", build_fill, 0, 0, 0, false, -1},
    {"affine", build_affine, 0, 0, 2e-7, false, 0},
    {"exp", build_exp, 0, 0, 3e-7, false, 0},
    {"sigmoid", build_sigmoid, 0, 0, 3e-7, false, 0},
    {"tanh", build_tanh, 0, 0, 3e-7, false, 0},
    {"silu", build_silu, 0, 0, 3e-7, false, 0},
    {"relu", build_relu, 0, 0, 0, false, 0},
    {"elu", build_elu, 0, 0, 3e-7, false, 0},
    {"step", build_step, 0, 0, 0, false, 0},
    {"add, same shape", build_add, ALIKE, 0, 3e-7, false, 0},
    {"add, same shape, second in place", build_add, ALIKE, 0, 3e-7, false, 1},
    {"add, one number", build_add, ONE, 0, 3e-7, false, 0},
    {"add, per channel", build_add, CHANNEL, 0, 3e-7, false, 0},
    {"add, per channel of all", build_add, CHANNEL_OF_ALL, 0, 3e-7, false, 0},
    {"add, per sample", build_add, SAMPLE, 0, 3e-7, false, 0},
    {"add, lower rank", build_add, BIAS, 0, 3e-7, false, 0},
    {"add, one image to all", build_add, OF_ALL, 0, 3e-7, false, 0},
    {"add, per row", build_add, COLUMN, 0, 3e-7, true, 0},
    {"add, along the last axis", build_add, LAST, 0, 3e-7, true, 0},
    {"add, per pixel", build_add, PIXEL, 0, 3e-7, true, -1},
    {"add, one number left", build_add_left, ONE, 0, 3e-7, false, 1},
    {"add, per channel left", build_add_left, CHANNEL, 0, 3e-7, false, 1},
    {"add, last axis left", build_add_left, LAST, 0, 3e-7, true, 1},
    {"mul, same shape", build_mul, ALIKE, 0, 2e-7, false, 0},
    {"mul, per channel", build_mul, CHANNEL, 0, 2e-7, false, 0},
    {"mul, per row", build_mul, COLUMN, 0, 2e-7, true, 0},
    {"div, same shape", build_div, ALIKE, 0, 2e-7, false, 1},
    {"div, per sample", build_div, SAMPLE, 0, 2e-7, false, 0},
    {"div, per channel left", build_div_left, CHANNEL, 0, 2e-7, false, 1},
    {"silu_grad", build_silu_grad, ALIKE, 0, 1e-6, false, 0},
    {"silu_grad, second in place", build_silu_grad, ALIKE, 0, 1e-6, false, 1},
    {"sum_to, scalar", build_sum_to, ONE, 0.5, 1e-6, false, -1},
    {"sum_to, per channel", build_sum_to, CHANNEL, 1, 1e-6, false, -1},
    {"sum_to, per channel, far from zero", build_sum_to, CHANNEL, 30, 1e-6, false, -1},
    {"sum_to, per channel of all", build_sum_to, CHANNEL_OF_ALL, 1, 1e-6, false, -1},
    {"sum_to, per sample", build_sum_to, SAMPLE, 1, 1e-6, false, -1},
    {"sum_to, one image", build_sum_to, OF_ALL, 1, 1e-6, false, -1},
    {"sum_to, per row", build_sum_to, COLUMN, 1, 1e-6, true, -1},
    {"sum_to, last axis", build_sum_to, LAST, 1, 1e-6, true, -1},
    {"sum_to, per pixel", build_sum_to, PIXEL, 1, 1e-6, true, -1},
    {"softmax", build_softmax, 0, 0, 1e-6, true, 0},
    {"attention, heads of 3", build_attention, 3, 0, 1e-5, false, -1},
    {"attention, heads of 8", build_attention, 8, 0, 1e-5, false, -1},
    {"attention, heads of 24", build_attention, 24, 0, 1e-5, false, -1},
    {"attention, heads of 64", build_attention, 64, 0, 1e-5, false, -1},
    {"attention_grad, heads of 3", build_attention_grad, 3, 0, 3e-5, false, -1},
    {"attention_grad, heads of 8", build_attention_grad, 8, 0, 3e-5, false, -1},
    {"attention_grad, heads of 24", build_attention_grad, 24, 0, 3e-5, false, -1},
    {"attention_grad, heads of 64", build_attention_grad, 64, 0, 3e-5, false, -1},
    {"upsample 2", build_upsample, 2, 0, 0, false, -1},
    {"upsample 3", build_upsample, 3, 0, 0, false, -1},
    {"sum_pool 2", build_pool, 2, 0, 3e-7, false, -1},
    {"sum_pool 3", build_pool, 3, 0, 5e-7, false, -1},
    {"upfirdn, up", build_upfirdn, 0, 0, 1e-6, false, -1},
    {"upfirdn, down", build_upfirdn, 1, 0, 1e-6, false, -1},
    {"upfirdn, filter", build_upfirdn, 2, 0, 1e-6, false, -1},
    {"upfirdn, crop", build_upfirdn, 3, 0, 1e-6, false, -1},
    {"upfirdn, long", build_upfirdn, 4, 0, 1e-6, false, -1},
    {"upfirdn, one tap", build_upfirdn, 5, 0, 1e-6, false, -1},
    {"upfirdn adjoint, up", build_upfirdn_adjoint, 0, 0, 1e-6, false, -1},
    {"upfirdn adjoint, down", build_upfirdn_adjoint, 1, 0, 1e-6, false, -1},
    {"upfirdn adjoint, filter", build_upfirdn_adjoint, 2, 0, 1e-6, false, -1},
    {"max_pool 3", build_max_pool, 3, 0, 0, false, -1},
    {"max_pool 5", build_max_pool, 5, 0, 0, false, -1},
    {"max_pool_grad 3", build_max_pool_grad, 3, 0, 3e-7, false, -1},
    {"max_pool_grad 5", build_max_pool_grad, 5, 0, 5e-7, false, -1},
    {"permute, channels last", build_permute, 0, 0, 0, true, -1},
    {"permute, channels first", build_permute, 1, 0, 0, true, -1},
    {"permute, transpose", build_permute, 2, 0, 0, true, -1},
    {"permute, samples last", build_permute, 3, 0, 0, true, -1},
    {"permute, middle", build_permute, 4, 0, 0, true, -1},
    {"permute, scattered", build_permute, 5, 0, 0, true, -1},
    {"dropout, image", build_dropout, 0, 0, 1e-7, false, 0},
    {"dropout, matrix", build_dropout, 1, 0, 1e-7, true, 0},
    NORMS(1),
    NORMS(2),
    NORMS(3),
    NORMS(4),
    NORMS(6),
    NORMS(8),
    NORMS(16),
    NORMS(32),
};
const int kernel_case_count = sizeof kernel_cases / sizeof *kernel_cases;

const kernel_case *kernel_case_find(const char *name) {
    for (int i = 0; i < kernel_case_count; i++)
        if (strcmp(kernel_cases[i].name, name) == 0) return &kernel_cases[i];
    fail_msg("no kernel case %s", name);
    return NULL;
}

/* ---- running a case ---- */

float *kernel_numbers(int64_t n) {
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    return x;
}

uint16_t kernel_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t upper = bits >> 16, rest = bits & 0xffff;
    return (uint16_t)(upper + (rest > 0x8000 || (rest == 0x8000 && upper % 2 == 1)));
}

float kernel_bf16_value(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Normal numbers by Box and Muller, named by tensor and place. */
static double normal(uint64_t tensor, uint64_t i) {
    uint64_t z = (tensor << 40) + i + 1;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    double u = ((double)(z >> 40) + 0.5) / 16777216.0, v = (double)(z & 0xffffff) / 16777216.0;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

ito__call kernel_call(const ito_node *y, const void *const *in, void *out, int64_t block) {
    return (ito__call){.node = y,
                       .in = in,
                       .out = out,
                       .block = block,
                       .seed = 0x123456789abcdefu,
                       .step = 17,
                       .first_sample = 0x300000005};
}

void kernel_truth_free(kernel_truth *t) {
    for (int i = 0; i < ITO__MAX_IN; i++) free(t->in[i]);
    free(t->out);
}

kernel_truth kernel_truth_of(const ito_node *y, double offset, bool coarse) {
    int64_t n = ito_shape_count(y->shape);
    kernel_truth t = {{NULL}, kernel_numbers(n)};
    if (y->op == ITO__OP_INPUT) {
        for (int64_t i = 0; i < n; i++) {
            t.out[i] = (float)(offset + normal((uint64_t)y->id, (uint64_t)i));
            if (coarse) t.out[i] = kernel_bf16_value(kernel_bf16(t.out[i]));
        }
        return t;
    }
    for (int i = 0; i < y->n_in; i++) {
        kernel_truth operand = kernel_truth_of(y->in[i], offset, coarse);
        t.in[i] = operand.out;
        operand.out = NULL;
        kernel_truth_free(&operand);
    }
    ito__call c = kernel_call(y, (const void *const *)t.in, t.out, 1);
    ito__plain_f32[y->op](&c);
    return t;
}

void kernel_reorder(ito_shape s, int64_t block, const float *from, float *to, bool back) {
    int64_t n = ito_shape_count(s);
    if (s.rank != 4 || s.dim[1] % block) block = 1;
    int64_t pixels = s.rank == 4 ? s.dim[2] * s.dim[3] : n;
    for (int64_t i = 0; i < n; i++) {
        int64_t pixel = i % pixels, channel = i / pixels;
        int64_t k = (channel / block * pixels + pixel) * block + channel % block;
        to[back ? i : k] = from[back ? k : i];
    }
}

double kernel_worst(const float *x, const float *y, int64_t n) {
    double square = 0, error = 0;
    for (int64_t i = 0; i < n; i++) square += (double)y[i] * (double)y[i];
    double rms = sqrt(square / (double)n);
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)x[i] - (double)y[i]);
        if (d == 0) continue;
        error = fmax(error, isfinite(d) ? d / (fabs((double)y[i]) + rms) : (double)INFINITY);
    }
    return error;
}
