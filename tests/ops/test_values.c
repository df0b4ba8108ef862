/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of the ops against their definitions, spelled out here once more and as differently as possible: the
 * kernels that everything else is held to answer to these loops. Each check runs the reference in double and
 * the fast plan.
 */
#include "op_harness.h"

#include <math.h>
#include <string.h>

/* Relative to the largest element. */
static const double F64_BOUND = 1e-13, F32_BOUND = 2e-6;

enum { MAX_LEAVES = 3, MAX_ELEMENTS = 4096 };

typedef struct trial {
    ito_graph *g;
    int n;
    ito_node *leaf[MAX_LEAVES];
    double values[MAX_LEAVES][MAX_ELEMENTS];
} trial;

static trial *begin(void) {
    trial *t = test_calloc(1, sizeof *t);
    ito_error err = {0};
    op_require(ito_graph_create(&t->g, &err), &err);
    return t;
}

static void end(trial *t) {
    ito_graph_free(t->g);
    test_free(t);
}

/* A leaf of numbers in [-1, 1]; its values may be changed before the check. */
static ito_node *leaf(trial *t, ito_shape shape) {
    char name[16];
    snprintf(name, sizeof name, "x%d", t->n);
    op_uniform(500, t->n, ito_shape_count(shape), -1, 1, t->values[t->n]);
    return t->leaf[t->n++] = ito_input(t->g, name, shape);
}

static double error_of(const trial *t, ito_node *y, const double *expected, ito_plan_options options) {
    op_plan p;
    double error = 0, size = 1e-30;
    options.threads = 1;
    op_plan_open(&p, t->g, 1, &y, options);
    for (int i = 0; i < t->n; i++) op_plan_set(&p, t->leaf[i], t->values[i]);
    op_plan_run(&p);
    for (int64_t i = 0; i < ito_shape_count(ito_node_shape(y)); i++) {
        double e = fabs(op_plan_get(&p, y, i) - expected[i]);
        if (!(e <= error)) error = e;
        size = fmax(size, fabs(expected[i]));
    }
    op_plan_close(&p);
    return error / size;
}

static void expect(const trial *t, const char *what, ito_node *y, const double *expected) {
    double f64 = error_of(t, y, expected, op_reference(ITO_F64));
    double f32 = error_of(t, y, expected, ito_plan_default());
    if (!(f64 <= F64_BOUND && f32 <= F32_BOUND))
        fail_msg("%s: %.1e in double (bound %.1e), %.1e in float (bound %.1e)", what, f64, F64_BOUND, f32,
                 F32_BOUND);
    print_message("  %-24s %.1e in double, %.1e in float\n", what, f64, f32);
}

/* ---- pointwise ---- */

typedef struct function {
    const char *name;
    ito_node *(*op)(ito_node *x);
    double (*value)(double x);
    double low, high;
} function;

static double value_sigmoid(double x) {
    return 0.5 + 0.5 * tanh(0.5 * x);
}
static double value_silu(double x) {
    return x * value_sigmoid(x);
}
static double value_relu(double x) {
    return fmax(x, 0);
}
static double value_elu(double x) {
    return x > 0 ? x : exp(x) - 1;
}
static double value_step(double x) {
    return x > 0;
}
static double value_square(double x) {
    return x * x;
}

static void pointwise_ops_are_the_functions_of_the_C_library(void **state) {
    (void)state;
    const function functions[] = {
        {"exp", ito_exp, exp, -20, 5},         {"log", ito_log, log, 1e-3, 50},
        {"sqrt", ito_sqrt, sqrt, 0, 50},       {"sin", ito_sin, sin, -20, 20},
        {"cos", ito_cos, cos, -20, 20},        {"sigmoid", ito_sigmoid, value_sigmoid, -40, 40},
        {"tanh", ito_tanh, tanh, -20, 20},     {"silu", ito_silu, value_silu, -40, 40},
        {"relu", ito_relu, value_relu, -2, 2}, {"elu", ito_elu, value_elu, -20, 2},
        {"step", ito_step, value_step, -2, 2}, {"square", ito_square, value_square, -9, 9},
    };
    enum { COUNT = 1003 };
    static double expected[COUNT];
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const function *f = &functions[i];
        trial *t = begin();
        ito_node *y = f->op(leaf(t, ITO_SHAPE(COUNT)));
        for (int k = 0; k < COUNT; k++) {
            t->values[0][k] = (double)(float)(f->low + (f->high - f->low) * k / (COUNT - 1));
            expected[k] = f->value(t->values[0][k]);
        }
        expect(t, f->name, y, expected);
        end(t);
    }
}

static void extreme_arguments_saturate(void **state) {
    (void)state;
    trial *t = begin();
    ito_node *x = leaf(t, ITO_SHAPE(4)),
             *y[] = {ito_sigmoid(x), ito_silu(x), ito_tanh(x), ito_elu(x), ito_softmax(x)};
    memcpy(t->values[0], (double[]){-1000, -200, 200, 1000}, 4 * sizeof(double));
    expect(t, "sigmoid, extreme", y[0], (double[]){0, 0, 1, 1});
    expect(t, "silu, extreme", y[1], (double[]){0, 0, 200, 1000});
    expect(t, "tanh, extreme", y[2], (double[]){-1, -1, 1, 1});
    expect(t, "elu, extreme", y[3], (double[]){-1, -1, 200, 1000});
    expect(t, "softmax, extreme", y[4], (double[]){0, 0, 0, 1});
    end(t);
}

static void arithmetic_broadcasts_as_numpy(void **state) {
    (void)state;
    trial *t = begin();
    double expected[4][60];
    ito_node *a = leaf(t, ITO_SHAPE(3, 1, 5)), *b = leaf(t, ITO_SHAPE(4, 1));
    for (int k = 0; k < 4; k++) t->values[1][k] += 3;
    for (int i = 0; i < 60; i++) {
        double u = t->values[0][i / 20 * 5 + i % 5], v = t->values[1][i / 5 % 4];
        expected[0][i] = u + v;
        expected[1][i] = u - v;
        expected[2][i] = u * v;
        expected[3][i] = u / v;
    }
    expect(t, "add", ito_add(a, b), expected[0]);
    expect(t, "sub", ito_sub(a, b), expected[1]);
    expect(t, "mul", ito_mul(a, b), expected[2]);
    expect(t, "div", ito_div(a, b), expected[3]);
    for (int i = 0; i < 15; i++) expected[0][i] = -2 * (3 * t->values[0][i] + 0.5) + 1;
    expect(t, "affine", ito_affine(ito_affine(a, 3, 0.5), -2, 1), expected[0]);
    for (int i = 0; i < 15; i++) expected[0][i] = -t->values[0][i];
    expect(t, "neg", ito_neg(a), expected[0]);
    end(t);
}

/* ---- reductions and shape: x[i][j][k][l] = its place ---- */

static trial *begin_places(ito_node **x) {
    trial *t = begin();
    *x = leaf(t, ITO_SHAPE(2, 3, 4, 5));
    for (int i = 0; i < 120; i++) t->values[0][i] = i;
    return t;
}

static void reductions_add_up_what_they_drop(void **state) {
    (void)state;
    ito_node *x;
    trial *t = begin_places(&x);
    double total = 0, rows[24] = {0}, columns[5] = {0}, inner[10] = {0}, spread[24];
    for (int i = 0; i < 120; i++) {
        total += i;
        rows[i / 5] += i;
        columns[i % 5] += i;
        inner[i / 60 * 5 + i % 5] += i / 12.0;
    }
    expect(t, "sum", ito_sum(x), &total);
    expect(t, "sum_to, last axis", ito_sum_to(x, ITO_SHAPE(2, 3, 4, 1)), rows);
    expect(t, "sum_to, first axes", ito_sum_to(x, ITO_SHAPE(5)), columns);
    expect(t, "mean_to, inner axes", ito_mean_to(x, ITO_SHAPE(2, 1, 1, 5)), inner);
    total /= 120;
    expect(t, "mean", ito_mean(x), &total);
    for (int i = 0; i < 24; i++) spread[i] = i / 3 % 4 * 5;
    ito_node *column =
        ito_slice(ito_slice(ito_slice(x, 0, 0, 1), 1, 0, 1), 3, 0, 1); /* [1,1,4,1]: 0 5 10 15 */
    expect(t, "broadcast", ito_broadcast(column, ITO_SHAPE(2, 1, 4, 3)), spread);
    end(t);
}

static void elements_move_where_their_indices_say(void **state) {
    (void)state;
    ito_node *x;
    trial *t = begin_places(&x);
    double expected[300];
    for (int i = 0; i < 120; i++) { /* y[l][j][i][k] */
        int l = i / 24, j = i / 8 % 3, n = i / 4 % 2, k = i % 4;
        expected[i] = ((n * 3 + j) * 4 + k) * 5 + l;
    }
    expect(t, "permute", ito_permute(x, (int[]){3, 1, 0, 2}), expected);
    for (int i = 0; i < 60; i++) expected[i] = i / 10 * 20 + 5 + i % 10;
    expect(t, "slice", ito_slice(x, 2, 1, 3), expected);
    for (int i = 0; i < 192; i++) {
        int l = i % 8 - 1;
        expected[i] = l >= 0 && l < 5 ? i / 8 * 5 + l : 0;
    }
    expect(t, "pad", ito_pad(x, 3, 1, 2), expected);
    for (int i = 0; i < 200; i++) {
        int n = i / 100, j = i / 20 % 5;
        expected[i] = n * 60 + (j < 3 ? j : j - 2) * 20 + i % 20;
    }
    expect(t, "concat", ito_concat(2, (ito_node *[]){x, ito_slice(x, 1, 1, 3)}, 1), expected);
    expect(t, "reshape", ito_reshape(x, ITO_SHAPE(6, 20)), t->values[0]);
    end(t);
}

/* ---- matrices ---- */

static void matrix_products_are_sums_over_the_inner_index(void **state) {
    (void)state;
    enum { B = 2, M = 3, K = 4, N = 5 };
    for (int how = 0; how < 16; how++) {
        bool ta = how & 1, tb = how & 2, share_a = how & 4, share_b = how & 8;
        trial *t = begin();
        double expected[B * M * N] = {0};
        ito_shape sa = ta ? ITO_SHAPE(B, K, M) : ITO_SHAPE(B, M, K),
                  sb = tb ? ITO_SHAPE(B, N, K) : ITO_SHAPE(B, K, N);
        if (share_a) sa = ITO_SHAPE(sa.dim[1], sa.dim[2]);
        if (share_b) sb = ITO_SHAPE(sb.dim[1], sb.dim[2]);
        ito_node *a = leaf(t, sa), *b = leaf(t, sb);
        for (int i = 0; i < (share_a && share_b ? 1 : B) * M * N * K; i++) {
            int batch = i / (M * N * K), m = i / (N * K) % M, n = i / K % N, k = i % K;
            const double *pa = t->values[0] + (share_a ? 0 : batch * M * K),
                         *pb = t->values[1] + (share_b ? 0 : batch * K * N);
            expected[i / K] += (ta ? pa[k * M + m] : pa[m * K + k]) * (tb ? pb[n * K + k] : pb[k * N + n]);
        }
        char what[64];
        snprintf(what, sizeof what, "matmul%s%s%s%s", ta ? " A^T" : " A", tb ? " B^T" : " B",
                 share_a ? ", A shared" : "", share_b ? ", B shared" : "");
        expect(t, what, ito_matmul(a, b, ta, tb), expected);
        end(t);
    }
}

/* ---- images ---- */

/* Zero outside. */
static double pixel(const double *plane, int h, int w, int i, int j) {
    return i < 0 || j < 0 || i >= h || j >= w ? 0 : plane[i * w + j];
}

static void convolution_correlates_image_and_kernel(void **state) {
    (void)state;
    enum { N = 2, C = 3, H = 6, W = 7, O = 2, KH = 3, KW = 2 };
    const ito_conv convs[] = {{1, 0, 1}, {1, 1, 1}, {2, 1, 1}, {1, 2, 2}, {2, 0, 2}, {3, 2, 1}};
    for (size_t c = 0; c < sizeof convs / sizeof convs[0]; c++) {
        ito_conv q = convs[c];
        trial *t = begin();
        static double expected[MAX_ELEMENTS];
        ito_node *x = leaf(t, ITO_SHAPE(N, C, H, W)), *w = leaf(t, ITO_SHAPE(O, C, KH, KW)),
                 *b = leaf(t, ITO_SHAPE(O));
        ito_node *y = ito_conv2d(x, w, b, q);
        int P = (int)ito_node_shape(y).dim[2], Q = (int)ito_node_shape(y).dim[3];
        for (int i = 0; i < N * O * P * Q; i++) {
            int n = i / (O * P * Q), o = i / (P * Q) % O, p = i / Q % P, r = i % Q;
            expected[i] = t->values[2][o];
            for (int k = 0; k < C * KH * KW; k++) {
                int ch = k / (KH * KW), u = k / KW % KH, v = k % KW;
                expected[i] +=
                    t->values[1][o * C * KH * KW + k] * pixel(t->values[0] + (n * C + ch) * H * W, H, W,
                                                              p * q.stride - q.pad + u * q.dilation,
                                                              r * q.stride - q.pad + v * q.dilation);
            }
        }
        char what[48];
        snprintf(what, sizeof what, "conv2d stride %d pad %d dilation %d", q.stride, q.pad, q.dilation);
        expect(t, what, y, expected);
        end(t);
    }
}

static void resampling_repeats_and_averages_blocks(void **state) {
    (void)state;
    trial *t = begin();
    double expected[2 * 6 * 6] = {0};
    ito_node *x = leaf(t, ITO_SHAPE(1, 2, 3, 3)), *big = leaf(t, ITO_SHAPE(1, 2, 6, 6));
    for (int i = 0; i < 72; i++) expected[i] = t->values[0][i / 36 * 9 + i / 12 % 3 * 3 + i % 6 / 2];
    expect(t, "upsample_nearest", ito_upsample_nearest(x, 2), expected);
    memset(expected, 0, sizeof expected);
    for (int i = 0; i < 72; i++) expected[i / 36 * 4 + i / 18 % 2 * 2 + i % 6 / 3] += t->values[1][i] / 9;
    expect(t, "average_pool", ito_average_pool(big, 3), expected);
    end(t);
}

/* Ties go to the first, and a window ends at the border. */
static void max_pool_takes_the_largest_of_a_window(void **state) {
    (void)state;
    trial *t = begin();
    ito_node *x = leaf(t, ITO_SHAPE(1, 1, 3, 4)), *dx;
    const double image[12] = {1, 1, -5, -6, 0, 1, -7, -8, -9, -9, -2, -3};
    const double largest[12] = {1, 1, 1, -5, 1, 1, 1, -2, 1, 1, 1, -2};
    const double winners[12] = {4, 2, 1, 0, 0, 3, 0, 0, 0, 0, 2, 0};
    memcpy(t->values[0], image, sizeof image);
    ito_node *y = ito_max_pool(x, 3);
    expect(t, "max_pool", y, largest);
    ito_gradients(ito_sum(y), NULL, 1, &x, &dx);
    expect(t, "max_pool, gradient", dx, winners);
    end(t);
}

/* One line, step by step: stuff with zeros, pad or crop, filter, keep every down-th; rows first, then
 * columns. */
static int line_upfirdn(const double *x, int n, int stride, ito_fir f, double *y, int out_stride) {
    double wide[64] = {0}, padded[64] = {0};
    for (int i = 0; i < n; i++) wide[i * f.up] = x[i * stride];
    int length = n * f.up + f.pad_before + f.pad_after, count = 0;
    for (int i = 0; i < length; i++) {
        int from = i - f.pad_before;
        padded[i] = from >= 0 && from < n * f.up ? wide[from] : 0;
    }
    for (int i = 0; i + f.ntaps <= length; i += f.down, count++) {
        double s = 0;
        for (int k = 0; k < f.ntaps; k++) s += f.taps[k] * padded[i + k];
        y[count * out_stride] = s;
    }
    return count;
}

static void upfirdn_stuffs_pads_filters_and_decimates(void **state) {
    (void)state;
    enum { H = 5, W = 6 };
    const ito_fir firs[] = {
        {1, 1, 2, 1, 4, {1, 3, 3, 1}},    {2, 1, 2, 1, 4, {0.25, 0.5, 0.75, 1}},
        {1, 2, 1, 1, 3, {1, 2, 4}},       {2, 2, 3, 0, 5, {1, 2, 3, 4, 5}},
        {3, 2, 1, 4, 2, {1, -0.5}},       {1, 1, -1, -2, 2, {1, 2}},
        {2, 1, -2, 3, 3, {0.5, 0.25, 1}},
    };
    for (size_t c = 0; c < sizeof firs / sizeof firs[0]; c++) {
        trial *t = begin();
        double rows[H * 64], expected[64 * 64];
        ito_node *y = ito_upfirdn(leaf(t, ITO_SHAPE(1, 1, H, W)), firs[c]);
        int w = 0, h = 0;
        for (int i = 0; i < H; i++) w = line_upfirdn(t->values[0] + i * W, W, 1, firs[c], rows + i * 64, 1);
        for (int j = 0; j < w; j++) h = line_upfirdn(rows + j, H, 64, firs[c], expected + j, w);
        assert_true(ito_shape_equal(ito_node_shape(y), ITO_SHAPE(1, 1, h, w)));
        char what[64];
        snprintf(what, sizeof what, "upfirdn %zu", c);
        expect(t, what, y, expected);
        end(t);
    }
}

/* ---- the rest ---- */

static void group_norm_centres_and_scales_each_group(void **state) {
    (void)state;
    enum { N = 2, C = 6, M = 4, GROUPS = 3, SIZE = C / GROUPS * M };
    trial *t = begin();
    double expected[2][N * C * M];
    const double eps = 0.01;
    ito_node *x = leaf(t, ITO_SHAPE(N, C, 2, 2)), *gamma = leaf(t, ITO_SHAPE(C)),
             *beta = leaf(t, ITO_SHAPE(C));
    for (int k = 0; k < N * GROUPS; k++) {
        const double *u = t->values[0] + k * SIZE;
        double mean = 0, square = 0;
        for (int i = 0; i < SIZE; i++) mean += u[i] / SIZE;
        for (int i = 0; i < SIZE; i++) square += u[i] * u[i] / SIZE;
        for (int i = 0; i < SIZE; i++) {
            int channel = (k % GROUPS * SIZE + i) / M;
            double v = t->values[1][channel] * (u[i] - mean) / sqrt(square - mean * mean + eps) +
                       t->values[2][channel];
            expected[0][k * SIZE + i] = v;
            expected[1][k * SIZE + i] = value_silu(v);
        }
    }
    ito_node *y = ito_group_norm(x, gamma, beta, GROUPS, eps);
    expect(t, "group_norm", y, expected[0]);
    expect(t, "group_norm, silu", ito_silu(y), expected[1]);
    end(t);
}

static void softmax_normalizes_exponentials(void **state) {
    (void)state;
    trial *t = begin();
    double expected[12], total[3] = {0};
    ito_node *x = leaf(t, ITO_SHAPE(3, 4));
    for (int i = 0; i < 12; i++) total[i / 4] += exp(t->values[0][i]);
    for (int i = 0; i < 12; i++) expected[i] = exp(t->values[0][i]) / total[i / 4];
    expect(t, "softmax", ito_softmax(x), expected);
    expect(t, "softmax, shifted", ito_softmax(ito_affine(x, 1, 4)), expected);
    end(t);
}

static void embedding_rounds_and_clamps_its_index(void **state) {
    (void)state;
    trial *t = begin();
    double expected[14];
    const int row[7] = {0, 0, 1, 2, 3, 3, 0};
    ito_node *table = leaf(t, ITO_SHAPE(4, 2)), *index = leaf(t, ITO_SHAPE(7));
    memcpy(t->values[1], (double[]){-3, 0.375, 0.625, 2, 3.25, 99, -0.25}, 7 * sizeof(double));
    for (int i = 0; i < 14; i++) expected[i] = t->values[0][row[i / 2] * 2 + i % 2];
    expect(t, "embedding", ito_embedding(table, index), expected);
    end(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointwise_ops_are_the_functions_of_the_C_library),
        cmocka_unit_test(extreme_arguments_saturate),
        cmocka_unit_test(arithmetic_broadcasts_as_numpy),
        cmocka_unit_test(reductions_add_up_what_they_drop),
        cmocka_unit_test(elements_move_where_their_indices_say),
        cmocka_unit_test(matrix_products_are_sums_over_the_inner_index),
        cmocka_unit_test(convolution_correlates_image_and_kernel),
        cmocka_unit_test(resampling_repeats_and_averages_blocks),
        cmocka_unit_test(max_pool_takes_the_largest_of_a_window),
        cmocka_unit_test(upfirdn_stuffs_pads_filters_and_decimates),
        cmocka_unit_test(group_norm_centres_and_scales_each_group),
        cmocka_unit_test(softmax_normalizes_exponentials),
        cmocka_unit_test(embedding_rounds_and_clamps_its_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
