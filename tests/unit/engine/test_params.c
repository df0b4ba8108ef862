/* SPDX-License-Identifier: Apache-2.0
 *
 * The block of parameters: its layout, its names, the statistics of its initial values, and its bindings.
 */
#include <ito/engine.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SEED = 20 };

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s: %s", ito_status_name(st), err->message);
}

static ito_graph *new_graph(void) {
    ito_graph *g;
    ito_error err = {0};
    require(ito_graph_create(&g, &err), &err);
    return g;
}

static ito_params *new_params(const ito_graph *g) {
    ito_params *p;
    ito_error err = {0};
    require(ito_params_create(g, &p, &err), &err);
    return p;
}

/* Weights of several sizes, an input between them, a buffer. */
static ito_graph *sample_graph(void) {
    ito_graph *g = new_graph();
    ito_param(g, "in.weight", ITO_SHAPE(5, 3, 3, 3), ito_init_fan_avg(1));
    ito_param(g, "in.bias", ITO_SHAPE(5), ito_init_zeros());
    ito_input(g, "x", ITO_SHAPE(2, 3));
    ito_buffer(g, "frequencies", ITO_SHAPE(7), ito_init_normal(16));
    ito_param(g, "scale", ito_shape_scalar(), ito_init_ones());
    return g;
}

static void size_is_known_without_the_block(void **state) {
    (void)state;
    ito_graph *g = sample_graph();
    ito_params *p = new_params(g);
    int64_t floats = 0;
    ito_params_block(p, &floats);
    assert_int_equal(ito_graph_params_numbers(g), 5 * 27 + 5 + 7 + 1);
    assert_int_equal(ito_graph_params_numbers(g), ito_params_trainable_count(p) + 7);
    /* 64 bytes behind the last tensor are part of the block too. */
    assert_int_equal(ito_graph_params_bytes(g), (size_t)floats * sizeof(float) + 64);
    ito_params_free(p);
    ito_graph_free(g);
}

static void plan_of_sizes_only_has_no_workspace(void **state) {
    (void)state;
    ito_graph *g = new_graph();
    ito_error err = {0};
    ito_node *x = ito_input(g, "x", ITO_SHAPE(2, 16, 8, 8));
    ito_node *w = ito_param(g, "w", ITO_SHAPE(32, 16, 3, 3), ito_init_fan_avg(1));
    ito_node *y = ito_silu(ito_conv2d(x, w, NULL, ito_conv_same(3)));
    ito_plan *whole = NULL, *sizes = NULL;
    ito_workspace *ws = NULL;
    ito_plan_options o = ito_plan_default();
    o.frozen = true;
    require(ito_plan_create(g, 1, &y, &o, &whole, &err), &err);
    o.sizes_only = true;
    require(ito_plan_create(g, 1, &y, &o, &sizes, &err), &err);
    assert_int_equal(ito_plan_bytes(sizes), ito_plan_bytes(whole));
    assert_true(ito_plan_flops(sizes) == ito_plan_flops(whole));
    assert_int_equal(ito_workspace_create(sizes, &ws, &err), ITO_E_ARG);
    assert_null(ws);
    ito_plan_free(sizes);
    ito_plan_free(whole);
    ito_graph_free(g);
}

static void the_block_holds_every_tensor_at_64_bytes_with_zero_gaps(void **state) {
    (void)state;
    ito_graph *g = sample_graph();
    ito_params *p = new_params(g);
    int64_t floats = 0, used = 0;
    const float *block = ito_params_block(p, &floats);
    ito_params_init(p, SEED);
    assert_int_equal(ito_params_count(p), 4);
    assert_int_equal((uintptr_t)block % 64, 0);
    for (int i = 0; i < 4; i++) {
        int64_t n = ito_shape_count(ito_params_shape(p, i));
        const float *x = ito_params_data(p, i);
        assert_int_equal((uintptr_t)x % 64, 0);
        assert_int_equal(x - block, used); /* graph order, no tensor over another */
        used += (n + 15) / 16 * 16;
        for (int64_t k = n; k < (n + 15) / 16 * 16; k++) assert_true(x[k] == 0);
    }
    assert_int_equal(floats, used);
    ito_params_free(p);
    ito_graph_free(g);
}

static void parameters_keep_name_shape_and_order_without_the_graph(void **state) {
    (void)state;
    ito_graph *g = sample_graph();
    ito_params *p = new_params(g);
    ito_graph_free(g);
    assert_string_equal(ito_params_name(p, 0), "in.weight");
    assert_string_equal(ito_params_name(p, 2), "frequencies");
    assert_true(ito_shape_equal(ito_params_shape(p, 0), ITO_SHAPE(5, 3, 3, 3)));
    assert_true(ito_shape_equal(ito_params_shape(p, 3), ito_shape_scalar()));
    assert_true(ito_params_trainable(p, 0) && !ito_params_trainable(p, 2));
    assert_int_equal(ito_params_find(p, "scale"), 3);
    assert_int_equal(ito_params_find(p, "x"), -1); /* an input is no parameter */
    assert_int_equal(ito_params_find(p, "in"), -1);
    assert_int_equal(ito_params_trainable_count(p), 5 * 27 + 5 + 1);
    ito_params_free(p);
}

static void a_poisoned_graph_has_no_parameters(void **state) {
    (void)state;
    ito_graph *g = sample_graph();
    ito_param(g, "scale", ITO_SHAPE(2), ito_init_ones());
    ito_params *p = (ito_params *)g;
    ito_error err = {0};
    assert_int_equal(ito_params_create(g, &p, &err), ITO_E_ARG);
    assert_null(p);
    assert_non_null(strstr(err.message, "scale"));
    ito_graph_free(g);
}

/* ---- initial values ---- */

typedef struct moments {
    double mean, variance, largest;
} moments;

static moments measure(ito_params *p, int i) {
    int64_t n = ito_shape_count(ito_params_shape(p, i));
    const float *x = ito_params_data(p, i);
    moments m = {0};
    for (int64_t k = 0; k < n; k++) {
        m.mean += (double)x[k] / (double)n;
        m.variance += (double)x[k] * (double)x[k] / (double)n;
        m.largest = fmax(m.largest, fabs((double)x[k]));
    }
    return m;
}

typedef struct init_case {
    ito_shape shape;
    double scale, fan; /* (fan_in + fan_out) / 2 */
} init_case;

/* Uniform values of variance v: the sample mean has variance v / n, the sample variance 4 v^2 / 5 n. Bounds
 * are five standard deviations: 6e-7 per check for other seeds; with this one, never. */
static void fan_avg_is_uniform_with_variance_scale_over_mean_fan(void **state) {
    (void)state;
    const init_case cases[] = {
        {ITO_SHAPE(64, 32, 3, 3), 1, 9 * 48}, {ITO_SHAPE(128, 64), 1, 96},
        {ITO_SHAPE(64, 128), 2.5, 96},        {ITO_SHAPE(48, 16, 1, 1), 1, 32},
        {ITO_SHAPE(64, 64, 3, 3), 0, 9 * 64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ito_graph *g = new_graph();
        ito_param(g, "w", cases[i].shape, ito_init_fan_avg(cases[i].scale));
        ito_params *p = new_params(g);
        ito_params_init(p, SEED);
        moments m = measure(p, 0);
        double n = (double)ito_shape_count(cases[i].shape),
               scale = cases[i].scale == 0 ? 1e-10 : cases[i].scale;
        double v = scale / cases[i].fan, mean = m.mean / sqrt(v / n),
               variance = (m.variance / v - 1) / sqrt(0.8 / n);
        print_message("case %zu: mean %+.2f, variance %+.2f sigma (bound 5), largest %.4f of the limit\n", i,
                      mean, variance, m.largest / sqrt(3 * v));
        assert_true(fabs(mean) < 5 && fabs(variance) < 5);
        assert_true(m.largest <= sqrt(3 * v) * (1 + 1e-6) && m.largest > 0.98 * sqrt(3 * v));
        ito_params_free(p);
        ito_graph_free(g);
    }
}

static void normal_zeros_and_ones_are_what_they_say(void **state) {
    (void)state;
    ito_graph *g = new_graph();
    ito_param(g, "normal", ITO_SHAPE(100, 100), ito_init_normal(16));
    ito_param(g, "zeros", ITO_SHAPE(33), ito_init_zeros());
    ito_param(g, "ones", ITO_SHAPE(33), ito_init_ones());
    ito_params *p = new_params(g);
    for (int i = 0; i < 3; i++) assert_true(measure(p, i).largest == 0); /* before the draw */
    ito_params_init(p, SEED);
    moments m = measure(p, 0);
    double mean = m.mean / (16 / sqrt(1e4)), variance = (m.variance / 256 - 1) / sqrt(2 / 1e4);
    print_message("normal: mean %+.2f, variance %+.2f sigma (bound 5)\n", mean, variance);
    assert_true(fabs(mean) < 5 && fabs(variance) < 5);
    assert_true(measure(p, 1).largest == 0);
    assert_true(measure(p, 2).mean > 0.999 && measure(p, 2).variance > 0.999 && measure(p, 2).largest == 1);
    ito_params_free(p);
    ito_graph_free(g);
}

static int64_t equal_numbers(ito_params *a, int i, ito_params *b, int j, int64_t n) {
    int64_t same = 0;
    for (int64_t k = 0; k < n; k++) same += ito_params_data(a, i)[k] == ito_params_data(b, j)[k];
    return same;
}

static void draws_depend_on_seed_and_parameter_and_never_repeat(void **state) {
    (void)state;
    enum { COUNT = 1000 }; /* more than one chunk of the draw */
    ito_graph *g = new_graph();
    ito_param(g, "a", ITO_SHAPE(COUNT), ito_init_normal(1));
    ito_param(g, "b", ITO_SHAPE(COUNT), ito_init_normal(1));
    ito_params *p = new_params(g), *q = new_params(g);
    ito_params_init(p, 1);
    ito_params_init(q, 1);
    assert_int_equal(equal_numbers(p, 0, q, 0, COUNT), COUNT);
    assert_true(equal_numbers(p, 0, p, 1, COUNT) < 3);
    ito_params_init(q, 2);
    assert_true(equal_numbers(p, 0, q, 0, COUNT) < 3);
    const float *x = ito_params_data(p, 0);
    int64_t repeats = 0;
    for (int lag = 1; lag <= COUNT / 2; lag++)
        for (int k = 0; k + lag < COUNT; k++) repeats += x[k] == x[k + lag];
    assert_true(repeats < 3);
    ito_params_free(p);
    ito_params_free(q);
    ito_graph_free(g);
}

static void a_clone_is_equal_and_separate(void **state) {
    (void)state;
    ito_graph *g = sample_graph();
    ito_params *p = new_params(g), *q;
    ito_error err = {0};
    int64_t np, nq;
    ito_params_init(p, SEED);
    require(ito_params_clone(p, &q, &err), &err);
    const float *bp = ito_params_block(p, &np), *bq = ito_params_block(q, &nq);
    assert_int_equal(np, nq);
    assert_memory_equal(bp, bq, (size_t)np * sizeof *bp);
    ito_params_data(q, 0)[0] = 99;
    assert_true(ito_params_data(p, 0)[0] != 99);
    ito_params_free(p);
    assert_string_equal(ito_params_name(q, 0), "in.weight");
    assert_int_equal(ito_params_find(q, "scale"), 3);
    assert_int_equal(ito_params_trainable_count(q), 5 * 27 + 5 + 1);
    ito_params_free(q);
    ito_graph_free(g);
}

/* ---- bindings ---- */

typedef struct model {
    ito_graph *g;
    ito_node *x, *y, *grads[2];
    ito_plan *plan;
    ito_workspace *ws;
} model;

/* y = sum(x w + b), with gradients; parameters in the order given. */
static model new_model(bool bias_first, int64_t width) {
    model m = {.g = new_graph()};
    ito_error err = {0};
    ito_node *b = bias_first ? ito_param(m.g, "b", ITO_SHAPE(width), ito_init_ones()) : NULL;
    ito_node *w = ito_param(m.g, "w", ITO_SHAPE(3, width), ito_init_normal(1));
    if (!b) b = ito_param(m.g, "b", ITO_SHAPE(width), ito_init_ones());
    m.x = ito_input(m.g, "x", ITO_SHAPE(1, 3));
    m.y = ito_sum(ito_add(ito_matmul(m.x, w, false, false), b));
    ito_node *wrt[2] = {ito_graph_param(m.g, 0), ito_graph_param(m.g, 1)};
    ito_gradients(m.y, NULL, 2, wrt, m.grads);
    ito_plan_options options = ito_plan_default();
    options.threads = 1;
    require(ito_plan_create(m.g, 3, (ito_node *[]){m.y, m.grads[0], m.grads[1]}, &options, &m.plan, &err),
            &err);
    require(ito_workspace_create(m.plan, &m.ws, &err), &err);
    return m;
}

static void model_free(model *m) {
    ito_workspace_free(m->ws);
    ito_plan_free(m->plan);
    ito_graph_free(m->g);
}

/* Weights of one graph run another that has the same names in another order; gradients land beside them. */
static void parameters_and_gradients_are_bound_by_name(void **state) {
    (void)state;
    model first = new_model(false, 2), second = new_model(true, 2);
    ito_params *weights = new_params(first.g), *grads = new_params(first.g);
    ito_error err = {0};
    float x[3] = {1, 2, 3}, y = 0;
    const float w[6] = {1, 2, 3, 4, 5, 6}, b[2] = {10, 20};
    memcpy(ito_params_data(weights, ito_params_find(weights, "w")), w, sizeof w);
    memcpy(ito_params_data(weights, ito_params_find(weights, "b")), b, sizeof b);
    require(ito_workspace_bind(second.ws, second.x, x, &err), &err);
    require(ito_workspace_bind(second.ws, second.y, &y, &err), &err);
    require(ito_workspace_bind_params(second.ws, second.g, weights, &err), &err);
    require(ito_workspace_bind_grads(second.ws, second.g, second.grads, grads, &err), &err);
    require(ito_plan_run(second.plan, second.ws, &err), &err);
    assert_float_equal(y, 22 + 28 + 30, 1e-4f);
    const float *dw = ito_params_data(grads, 0), *db = ito_params_data(grads, 1);
    for (int i = 0; i < 6; i++) assert_float_equal(dw[i], x[i / 2], 1e-6f);
    for (int i = 0; i < 2; i++) assert_float_equal(db[i], 1, 1e-6f);
    ito_params_free(weights);
    ito_params_free(grads);
    model_free(&first);
    model_free(&second);
}

static void a_missing_or_misshapen_parameter_is_named(void **state) {
    (void)state;
    model narrow = new_model(false, 2), wide = new_model(false, 4);
    ito_params *p = new_params(narrow.g);
    ito_error err = {0};
    assert_int_equal(ito_workspace_bind_params(wide.ws, wide.g, p, &err), ITO_E_SHAPE);
    assert_non_null(strstr(err.message, "w is [3,2]"));
    assert_non_null(strstr(err.message, "[3,4]"));
    ito_params_free(p);
    ito_graph *other = sample_graph();
    p = new_params(other);
    assert_int_equal(ito_workspace_bind_params(wide.ws, wide.g, p, &err), ITO_E_SHAPE);
    assert_non_null(strstr(err.message, "w is missing"));
    ito_params_free(p);
    ito_graph_free(other);
    model_free(&narrow);
    model_free(&wide);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_is_known_without_the_block),
        cmocka_unit_test(plan_of_sizes_only_has_no_workspace),
        cmocka_unit_test(the_block_holds_every_tensor_at_64_bytes_with_zero_gaps),
        cmocka_unit_test(parameters_keep_name_shape_and_order_without_the_graph),
        cmocka_unit_test(a_poisoned_graph_has_no_parameters),
        cmocka_unit_test(fan_avg_is_uniform_with_variance_scale_over_mean_fan),
        cmocka_unit_test(normal_zeros_and_ones_are_what_they_say),
        cmocka_unit_test(draws_depend_on_seed_and_parameter_and_never_repeat),
        cmocka_unit_test(a_clone_is_equal_and_separate),
        cmocka_unit_test(parameters_and_gradients_are_bound_by_name),
        cmocka_unit_test(a_missing_or_misshapen_parameter_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
