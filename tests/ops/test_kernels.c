/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast kernels against the plain ones, which are their specification: every row of the table below, over
 * odd image sizes, for every instruction set of this machine and every layout. Each kernel runs twice, on
 * three threads and in place on one; the two results have the same bits.
 *
 * The error of an element is measured against its own size plus the root mean square of the result, because a
 * sum or a normalized value that happens to be near zero keeps the error of its terms.
 */
#include "engine/kernels/kernel.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct kernel_size {
    int64_t n, c, h, w;
} kernel_size;

/* Builds one node over inputs; NULL where the variant has no meaning at this size. */
typedef struct kernel_case {
    const char *name;
    ito_node *(*build)(ito_graph *g, kernel_size s, int variant);
    int variant;
    double offset; /* mean of the inputs, whose standard deviation is 1 */
    double bound;
    bool plain_only; /* not for blocked images */
    int in_place;    /* operand that the result may overwrite; -1: none */
} kernel_case;

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

enum { STATS, NORM, SUMS, DX };

/* variant: 10000 shifted + 1000 what + 100 silu + channels in a group; shifted: a number per channel is added
 * first */
static ito_node *build_norm(ito_graph *g, kernel_size s, int variant) {
    int shifted = variant / 10000, what = variant / 1000 % 10, group = variant % 100;
    if (s.c % group) return NULL;
    ito__attr attr = {.norm = {(int)s.c / group, variant / 100 % 10 == 1, 1e-6}};
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
    {"norm_sums", build_norm, 2000 + (group), 0, 2e-6, false, -1},                     \
    {"norm_sums and silu", build_norm, 2100 + (group), 0, 2e-6, false, -1},            \
    {"norm_dx", build_norm, 3000 + (group), 0, 2e-6, false, 0},                        \
    {"norm_dx and silu", build_norm, 3100 + (group), 0, 2e-6, false, 4},               \
    {"norm_stats, shifted", build_norm, 10000 + (group), 3, 1e-6, false, -1},          \
    {"norm and silu, shifted", build_norm, 11100 + (group), 0, 2e-6, false, 0},        \
    {"norm_sums and silu, shifted", build_norm, 12100 + (group), 0, 2e-6, false, -1},  \
    {"norm_dx and silu, shifted", build_norm, 13100 + (group), 0, 2e-6, false, 0}
/* clang-format on */

static const kernel_case cases[] = {
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

/* ---- running a case ---- */

static float *numbers(int64_t n) {
    float *x = malloc((size_t)n * sizeof *x);
    assert_non_null(x);
    return x;
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

static ito__call call_of(const ito_node *y, const void *const *in, void *out, int64_t block) {
    return (ito__call){.node = y,
                       .in = in,
                       .out = out,
                       .block = block,
                       .seed = 0x123456789abcdefu,
                       .step = 17,
                       .first_sample = 0x300000005};
}

/* A node's operands and its value by the plain kernel, row-major. */
typedef struct kernel_truth {
    float *in[ITO__MAX_IN], *out;
} kernel_truth;

static void release(kernel_truth *t) {
    for (int i = 0; i < ITO__MAX_IN; i++) free(t->in[i]);
    free(t->out);
}

static kernel_truth truth_of(const ito_node *y, double offset) {
    int64_t n = ito_shape_count(y->shape);
    kernel_truth t = {{NULL}, numbers(n)};
    if (y->op == ITO__OP_INPUT) {
        for (int64_t i = 0; i < n; i++) t.out[i] = (float)(offset + normal((uint64_t)y->id, (uint64_t)i));
        return t;
    }
    for (int i = 0; i < y->n_in; i++) {
        kernel_truth operand = truth_of(y->in[i], offset);
        t.in[i] = operand.out;
        operand.out = NULL;
        release(&operand);
    }
    ito__call c = call_of(y, (const void *const *)t.in, t.out, 1);
    ito__plain_f32[y->op](&c);
    return t;
}

/* Row-major to blocked, or back. */
static void reorder(ito_shape s, int64_t block, const float *from, float *to, bool back) {
    int64_t n = ito_shape_count(s);
    if (s.rank != 4 || s.dim[1] % block) block = 1;
    int64_t pixels = s.rank == 4 ? s.dim[2] * s.dim[3] : n;
    for (int64_t i = 0; i < n; i++) {
        int64_t pixel = i % pixels, channel = i / pixels;
        int64_t k = (channel / block * pixels + pixel) * block + channel % block;
        to[back ? i : k] = from[back ? k : i];
    }
}

static double worst(const float *x, const float *y, int64_t n) {
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

/* The error of one kernel in one layout. */
static double kernel_error(const kernel_case *k, ito__kernel kernel, const ito_node *y, int64_t block,
                           const kernel_truth *truth) {
    int64_t n = ito_shape_count(y->shape);
    float *in[ITO__MAX_IN] = {NULL}, *out = numbers(n), *again = numbers(n);
    for (int i = 0; i < y->n_in; i++) {
        in[i] = numbers(ito_shape_count(y->in[i]->shape));
        reorder(y->in[i]->shape, block, truth->in[i], in[i], false);
    }
    ito__call c = call_of(y, (const void *const *)in, out, block);
    omp_set_num_threads(3);
    kernel(&c);
    omp_set_num_threads(1);
    c.out = k->in_place < 0 ? again : in[k->in_place];
    kernel(&c);
    assert_memory_equal(c.out, out, (size_t)n * sizeof *out);
    reorder(y->shape, block, out, again, true);
    double error = worst(again, truth->out, n);
    for (int i = 0; i < y->n_in; i++) free(in[i]);
    free(out);
    free(again);
    return error;
}

typedef struct kernel_table {
    const char *name;
    const ito__kernel *kernels;
    ito_isa isa;
} kernel_table;

static const kernel_table tables[] = {{"plain", ito__fast_plain, ITO_ISA_PLAIN},
                                      {"avx2", ito__fast_avx2, ITO_ISA_AVX2},
                                      {"avx512", ito__fast_avx512, ITO_ISA_AVX512}};
enum { TABLES = sizeof tables / sizeof *tables };

/* A case at one size, in all layouts and instruction sets; returns how many comparisons that made. */
static int check_size(const kernel_case *k, kernel_size s, double *error) {
    const int64_t blocks[] = {1, 8, 16};
    int made = 0;
    ito_graph *g = NULL;
    assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
    ito_node *y = k->build(g, s, k->variant);
    if (y && ito_graph_status(g, NULL) == ITO_OK) {
        kernel_truth truth = truth_of(y, k->offset);
        for (int b = 0; b < (k->plain_only ? 1 : 3); b++) {
            if (s.c % blocks[b]) continue;
            for (int t = 0; t < TABLES && tables[t].isa <= ito_isa_detect(); t++) {
                ito__kernel kernel = tables[t].kernels[y->op];
                if (!kernel) continue;
                double e = kernel_error(k, kernel, y, blocks[b], &truth);
                if (!(e <= k->bound))
                    print_error("%s %d: [%d,%d,%d,%d] block %d %s: error %.2g, bound %.2g\n", k->name,
                                k->variant, (int)s.n, (int)s.c, (int)s.h, (int)s.w, (int)blocks[b],
                                tables[t].name, e, k->bound);
                *error = fmax(*error, e);
                made++;
            }
        }
        release(&truth);
    }
    ito_graph_free(g);
    return made;
}

static void fast_kernels_agree_with_plain_ones(void **state) {
    (void)state;
    const int64_t channels[] = {3, 8, 16, 24, 32, 48, 64, 128, 256};
    const int64_t sizes[][2] = {{1, 1}, {3, 5}, {4, 4}, {1, 8}, {8, 5}, {28, 28}, {37, 61}};
    /* Long enough for several threads, for panels in pieces and for sums in parts. */
    const kernel_size large[] = {{1, 16, 73, 61}, {7, 8, 37, 32}, {2, 3, 129, 93}};
    int bad = 0;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        double error = 0;
        int made = 0;
        for (int64_t n = 1; n <= 3; n++)
            for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
                for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                    kernel_size s = {n, channels[c], sizes[i][0], sizes[i][1]};
                    if (s.n * s.c * s.h * s.w <= 10000) made += check_size(&cases[k], s, &error);
                }
        for (size_t i = 0; i < sizeof large / sizeof *large; i++)
            made += check_size(&cases[k], large[i], &error);
        print_message("%-36s %4d %5d runs, error %.2g, bound %.2g\n", cases[k].name, cases[k].variant, made,
                      error, cases[k].bound);
        assert_true(made > 0);
        bad += !(error <= cases[k].bound);
    }
    assert_int_equal(bad, 0);
}

/* Distance of x from the exact value in units of the last place of a float. */
static double ulps(float x, double exact) {
    int exponent;
    frexp(exact, &exponent);
    return fabs((double)x - exact) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void exp_is_within_two_units_of_the_last_place(void **state) {
    (void)state;
    enum { COUNT = 1 << 20 };
    float *x = numbers(COUNT), *y = numbers(COUNT);
    for (int i = 0; i < COUNT; i++) x[i] = -104.5f + 194.0f * ((float)i / COUNT);
    const float special[] = {-INFINITY, INFINITY, NAN,      0,     -0.0f,  88.72283f,
                             88.72284f, -103.97f, -103.98f, 1e30f, -1e30f, 1e-30f};
    memcpy(x, special, sizeof special);
    ito_graph *g = NULL;
    assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
    ito_node *node = ito_exp(ito_input(g, "x", ITO_SHAPE(COUNT)));
    ito__call c = call_of(node, (const void *const[]){x}, y, 1);
    for (int t = 0; t < TABLES && tables[t].isa <= ito_isa_detect(); t++) {
        if (!tables[t].kernels[ITO__OP_EXP]) continue;
        double error = 0;
        tables[t].kernels[ITO__OP_EXP](&c);
        for (int i = 0; i < COUNT; i++) {
            double exact = exp((double)x[i]);
            if (isnan(x[i]))
                assert_true(isnan(y[i]));
            else if (exact > 0x1.ffffffp127)
                assert_true(isinf(y[i]));
            else
                error = fmax(error, ulps(y[i], exact));
        }
        print_message("exp %s: %.2f units of the last place, bound 2\n", tables[t].name, error);
        assert_true(error <= 2);
    }
    ito_graph_free(g);
    free(x);
    free(y);
}

/* A value that training has to notice does not become an ordinary number. */
static void non_finite_values_stay_non_finite(void **state) {
    (void)state;
    enum { COUNT = 64 };
    ito_node *(*const builders[])(ito_graph *, kernel_size,
                                  int) = {build_affine, build_exp, build_sigmoid,   build_tanh,
                                          build_silu,   build_elu, build_silu_grad, build_softmax};
    const float special[] = {NAN, -NAN, INFINITY, -INFINITY, 3e38f, -3e38f};
    for (size_t b = 0; b < sizeof builders / sizeof *builders; b++) {
        float x[COUNT], y[COUNT], truth[COUNT];
        for (size_t i = 0; i < COUNT; i++) x[i] = special[i % 11 % (sizeof special / sizeof *special)];
        ito_graph *g = NULL;
        assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
        ito_node *node = builders[b](g, (kernel_size){1, 1, 1, COUNT}, ALIKE);
        ito__call c = call_of(node, (const void *const[]){x, x}, truth, 1);
        ito__plain_f32[node->op](&c);
        c.out = y;
        for (int t = 0; t < TABLES && tables[t].isa <= ito_isa_detect(); t++) {
            if (!tables[t].kernels[node->op]) continue;
            tables[t].kernels[node->op](&c);
            for (int i = 0; i < COUNT; i++)
                if (!isfinite(truth[i]) && isfinite(y[i]))
                    fail_msg("%s %s: %g becomes %g, not %g", ito__op_name(node->op), tables[t].name,
                             (double)x[i], (double)y[i], (double)truth[i]);
        }
        ito_graph_free(g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_kernels_agree_with_plain_ones),
                                       cmocka_unit_test(exp_is_within_two_units_of_the_last_place),
                                       cmocka_unit_test(non_finite_values_stay_non_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
