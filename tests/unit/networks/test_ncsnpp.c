/* SPDX-License-Identifier: Apache-2.0
 *
 * The NCSN++ family as graphs: sizes of the published networks, every combination of options, dropout, and
 * refusals. That the numbers are right is tests/golden/networks' business.
 */
#include <ito/networks.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- helpers ---- */

typedef struct built {
    ito_graph *g;
    ito_node *x, *labels, *out;
} built;

static built build(const ito_network_config *c, int64_t batch, bool train) {
    built b = {0};
    ito_error err = {0};
    if (ito_graph_create(&b.g, &err) != ITO_OK) fail_msg("%s", err.message);
    b.x = ito_input(b.g, "x", ITO_SHAPE(batch, c->channels, c->image_size, c->image_size));
    b.labels = ito_input(b.g, "labels", ITO_SHAPE(batch));
    b.out = ito_network_build(c, b.x, b.labels, train);
    return b;
}

static int64_t trainable_numbers(const ito_graph *g) {
    int64_t n = 0;
    for (int i = 0; i < ito_graph_param_count(g); i++)
        if (ito_node_trainable(ito_graph_param(g, i)))
            n += ito_shape_count(ito_node_shape(ito_graph_param(g, i)));
    return n;
}

static int64_t size_of(const ito_network_config *c) {
    ito_error err = {0};
    built b = build(c, 1, false);
    if (ito_graph_status(b.g, &err) != ITO_OK) fail_msg("%s", err.message);
    int64_t n = trainable_numbers(b.g);
    ito_graph_free(b.g);
    return n;
}

/* Few channels, two levels, weights that do not vanish. */
static ito_network_config tiny(void) {
    ito_network_config c = ito_network_default();
    c.image_size = 8;
    c.channels = 2;
    c.nf = 8;
    c.levels = 2;
    c.num_res_blocks = 1;
    c.attn_resolutions[0] = 4;
    c.init_scale = 1;
    return c;
}

enum { BATCH = 3, DIM = 2 * 8 * 8 };

/* The network's output for fixed inputs and weights, with dropout masks of `step`. */
static void run(const ito_network_config *c, bool train, uint32_t step, float *out) {
    ito_error err = {0};
    ito_plan *plan = NULL;
    ito_workspace *ws = NULL;
    ito_params *params = NULL;
    float x[BATCH * DIM], labels[BATCH] = {1, 20, 300};
    built b = build(c, BATCH, train);
    for (int i = 0; i < BATCH * DIM; i++) x[i] = sinf((float)(3 * i + 1));
    ito_plan_options options = ito_plan_default();
    ito_status st = ito_plan_create(b.g, 1, &b.out, &options, &plan, &err);
    if (st == ITO_OK) st = ito_params_create(b.g, &params, &err);
    if (st == ITO_OK) ito_params_init(params, 7);
    if (st == ITO_OK) st = ito_workspace_create(plan, &ws, &err);
    if (st == ITO_OK) st = ito_workspace_bind_params(ws, b.g, params, &err);
    if (st == ITO_OK) st = ito_workspace_bind(ws, b.x, x, &err);
    if (st == ITO_OK) st = ito_workspace_bind(ws, b.labels, labels, &err);
    if (st == ITO_OK) st = ito_workspace_bind(ws, b.out, out, &err);
    if (st == ITO_OK) ito_workspace_random(ws, 5, step, 0);
    if (st == ITO_OK) st = ito_plan_run(plan, ws, &err);
    if (st != ITO_OK) fail_msg("%s", err.message);
    ito_workspace_free(ws);
    ito_params_free(params);
    ito_plan_free(plan);
    ito_graph_free(b.g);
}

static float difference(const float *a, const float *b) {
    float worst = 0;
    for (int i = 0; i < BATCH * DIM; i++) worst = fmaxf(worst, fabsf(a[i] - b[i]));
    return worst;
}

/* ---- the claims ---- */

static void cifar10_ddpmpp_has_61804419_parameters(void **state) {
    (void)state;
    ito_network_config c = ito_network_default();
    assert_int_equal(size_of(&c), 61804419);
}

/* The shrunken copies of tests/golden/networks; without the 16 frozen frequencies of the Fourier networks. */
static void shrunken_networks_have_their_published_size(void **state) {
    (void)state;
    ito_network_config c = ito_network_default();
    c.nf = 16;
    c.num_res_blocks = 1;
    assert_int_equal(size_of(&c), 446051);

    c.centered = false;
    c.fir = c.scale_by_sigma = true;
    c.embedding_type = ITO_EMBEDDING_FOURIER;
    c.progressive_input = ITO_PROGRESSIVE_RESIDUAL;
    assert_int_equal(size_of(&c), 461427 - 16);

    c.levels = 3;
    c.progressive = c.progressive_input = ITO_PROGRESSIVE_SKIP;
    assert_int_equal(size_of(&c), 320793 - 16);
}

static void every_combination_of_options_keeps_the_shape(void **state) {
    (void)state;
    int combinations = 0;
    for (int bits = 0; bits < 1 << 6; bits++) {
        for (int out = 0; out <= ITO_PROGRESSIVE_RESIDUAL; out++) {
            for (int in = 0; in <= ITO_PROGRESSIVE_RESIDUAL; in++) {
                ito_network_config c = tiny();
                c.resblock_type = bits & 1 ? ITO_RESBLOCK_DDPM : ITO_RESBLOCK_BIGGAN;
                c.fir = bits & 2;
                c.progressive_combine = bits & 4 ? ITO_COMBINE_CAT : ITO_COMBINE_SUM;
                c.embedding_type = bits & 8 ? ITO_EMBEDDING_FOURIER : ITO_EMBEDDING_POSITIONAL;
                c.conditional = bits & 16;
                c.resamp_with_conv = bits & 32;
                c.progressive = (ito_progressive)out;
                c.progressive_input = (ito_progressive)in;
                ito_error err = {0};
                built b = build(&c, BATCH, true);
                if (ito_graph_status(b.g, &err) != ITO_OK)
                    fail_msg("options %d %d %d: %s", bits, out, in, err.message);
                assert_true(ito_shape_equal(ito_node_shape(b.out), ito_node_shape(b.x)));
                ito_graph_free(b.g);
                combinations++;
            }
        }
    }
    print_message("  %d combinations\n", combinations);
}

/* ---- values and derivatives over the option space ---- */

typedef struct outcome {
    double value, slope; /* <f(x), v>, and its derivative along u */
    double size;         /* root of the sum of squares of the terms of value, which may cancel */
} outcome;

/* For x + h u, by a plan of this kind; both scalars are computed in the graph. */
static outcome evaluate(const ito_network_config *c, bool reference, double h) {
    ito_error err = {0};
    ito_plan *plan = NULL;
    ito_workspace *ws = NULL;
    ito_params *params = NULL;
    double data[3 * BATCH * DIM], result[3];
    float single[3 * BATCH * DIM], labels[BATCH] = {1, 20, 300}, single_result[3];
    double wide_labels[BATCH] = {1, 20, 300}, *weights[512];
    int count = 0;
    built b = build(c, BATCH, false);
    ito_node *v = ito_input(b.g, "v", ito_node_shape(b.x)), *u = ito_input(b.g, "u", ito_node_shape(b.x)),
             *dx;
    ito_gradients(b.out, v, 1, &b.x, &dx);
    ito_node *terms = ito_mul(b.out, v);
    ito_node *outputs[3] = {ito_sum(terms), ito_sum(ito_mul(dx, u)), ito_sum(ito_square(terms))};
    ito_node *leaves[3] = {b.x, v, u};
    for (int i = 0; i < BATCH * DIM; i++) {
        data[2 * BATCH * DIM + i] = cos(7.0 * i);
        data[BATCH * DIM + i] = sin(5.0 * i + 2);
        data[i] = sin(3.0 * i + 1) + h * cos(7.0 * i);
    }
    for (int i = 0; i < 3 * BATCH * DIM; i++) single[i] = (float)data[i];
    ito_plan_options o = ito_plan_default();
    o.precision = reference ? ITO_F64 : ITO_F32;
    o.reference = reference;
    o.threads = 1;
    ito_status st = ito_plan_create(b.g, 3, outputs, &o, &plan, &err);
    if (st == ITO_OK) st = ito_params_create(b.g, &params, &err);
    if (st == ITO_OK) ito_params_init(params, 7);
    if (st == ITO_OK) st = ito_workspace_create(plan, &ws, &err);
    for (int i = 0; st == ITO_OK && i < ito_params_count(params); i++, count++) {
        int64_t n = ito_shape_count(ito_params_shape(params, i));
        weights[i] = calloc((size_t)n, sizeof **weights);
        assert_non_null(weights[i]);
        for (int64_t k = 0; k < n; k++) weights[i][k] = (double)ito_params_data(params, i)[k];
        void *p = reference ? (void *)weights[i] : (void *)ito_params_data(params, i);
        /* Refused where nothing reads it: frequencies of an unconditional network, a pyramid of one level.
         * The run fails if any other is unbound. */
        (void)ito_workspace_bind(ws, ito_graph_param(b.g, i), p, NULL);
    }
    for (int i = 0; st == ITO_OK && i < 3; i++)
        st = ito_workspace_bind(
            ws, leaves[i], reference ? (void *)(data + i * BATCH * DIM) : (void *)(single + i * BATCH * DIM),
            &err);
    if (st == ITO_OK && ito_network_reads_labels(c))
        st = ito_workspace_bind(ws, b.labels, reference ? (void *)wide_labels : (void *)labels, &err);
    for (int i = 0; st == ITO_OK && i < 3; i++)
        st = ito_workspace_bind(ws, outputs[i], reference ? (void *)&result[i] : (void *)&single_result[i],
                                &err);
    if (st == ITO_OK) st = ito_plan_run(plan, ws, &err);
    if (st != ITO_OK) fail_msg("%s", err.message);
    for (int i = 0; i < count; i++) free(weights[i]);
    ito_workspace_free(ws);
    ito_params_free(params);
    ito_plan_free(plan);
    ito_graph_free(b.g);
    for (int i = 0; !reference && i < 3; i++) result[i] = (double)single_result[i];
    return (outcome){result[0], result[1], sqrt(result[2])};
}

/* Both pyramids in all modes; every other option in both states, half of the combinations at a time. */
static void all_options_run_and_differentiate(void **state) {
    (void)state;
    double worst_slope = 0, worst_value = 0;
    int combinations = 0;
    for (int k = 0; k < 9; k++)
        for (int bits = k % 5; bits < 1 << 7; bits += 21) {
            ito_network_config c = tiny();
            c.progressive = (ito_progressive)(k / 3);
            c.progressive_input = (ito_progressive)(k % 3);
            c.resblock_type = bits & 1 ? ITO_RESBLOCK_DDPM : ITO_RESBLOCK_BIGGAN;
            c.fir = bits & 2;
            c.progressive_combine = bits & 4 ? ITO_COMBINE_CAT : ITO_COMBINE_SUM;
            c.embedding_type = bits & 8 ? ITO_EMBEDDING_FOURIER : ITO_EMBEDDING_POSITIONAL;
            c.conditional = bits & 16;
            c.skip_rescale = bits & 32;
            c.scale_by_sigma = bits & 64;
            c.nonlinearity = (ito_activation)((bits + k) % 2); /* swish, elu: smooth enough to compare */
            c.centered = k % 2;
            c.levels = 1 + bits % 3;
            c.ch_mult[2] = 1;
            const double h = 1e-5;
            outcome at = evaluate(&c, true, 0), fast = evaluate(&c, false, 0);
            double numeric = (evaluate(&c, true, h).value - evaluate(&c, true, -h).value) / (2 * h);
            double slope = fabs(numeric - at.slope) / (1e-3 + fabs(at.slope));
            double value = fabs(fast.value - at.value) / at.size;
            if (!(slope < 1e-4) || !(value < 1e-4))
                print_message("  pyramids %d options %d: slope off %.1e, float value off %.1e\n", k, bits,
                              slope, value);
            worst_slope = fmax(worst_slope, slope);
            worst_value = fmax(worst_value, value);
            combinations++;
        }
    print_message("  %d combinations: slopes off %.1e of 1e-4, float values off %.1e of 1e-4\n", combinations,
                  worst_slope, worst_value);
    assert_true(worst_slope < 1e-4 && worst_value < 1e-4);
}

static void dropout_is_active_in_training_alone(void **state) {
    (void)state;
    static float still[BATCH * DIM], first[BATCH * DIM], again[BATCH * DIM], second[BATCH * DIM];
    ito_network_config c = tiny();
    c.dropout = 0.3;
    run(&c, false, 1, still);
    run(&c, true, 1, first);
    run(&c, true, 1, again);
    run(&c, true, 2, second);
    print_message("  dropout moves the output by %g, another step by %g\n", (double)difference(still, first),
                  (double)difference(first, second));
    assert_true(difference(still, first) > 1e-3f);
    assert_true(difference(first, second) > 1e-3f);
    assert_memory_equal(first, again, sizeof first);
    c.dropout = 0;
    run(&c, true, 1, first);
    assert_memory_equal(first, still, sizeof first);
}

/* init_scale 0 makes the last convolution of a new network 1e-10 of its usual variance: it predicts nothing
 * yet, and training starts from the loss of the zero function. */
static void a_new_network_starts_near_zero(void **state) {
    (void)state;
    static float out[BATCH * DIM], zero[BATCH * DIM];
    ito_network_config c = tiny();
    c.init_scale = 0;
    run(&c, false, 0, out);
    print_message("  largest output %g\n", (double)difference(out, zero));
    assert_true(difference(out, zero) < 1e-3f);
    assert_true(difference(out, zero) > 0);
}

static void wrong_shapes_and_configs_poison_the_graph(void **state) {
    (void)state;
    ito_error err = {0};
    ito_network_config c = tiny();
    built b = {0};
    assert_int_equal(ito_graph_create(&b.g, &err), ITO_OK);
    b.x = ito_input(b.g, "x", ITO_SHAPE(1, 2, 8, 7));
    ito_network_build(&c, b.x, ito_input(b.g, "labels", ITO_SHAPE(1)), false);
    assert_int_equal(ito_graph_status(b.g, &err), ITO_E_SHAPE);
    print_message("  %s\n", err.message);
    ito_graph_free(b.g);

    c.nf = 3;
    b = build(&c, 1, false);
    assert_int_equal(ito_graph_status(b.g, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "nf"));
    ito_graph_free(b.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar10_ddpmpp_has_61804419_parameters),
        cmocka_unit_test(shrunken_networks_have_their_published_size),
        cmocka_unit_test(every_combination_of_options_keeps_the_shape),
        cmocka_unit_test(all_options_run_and_differentiate),
        cmocka_unit_test(dropout_is_active_in_training_alone),
        cmocka_unit_test(a_new_network_starts_near_zero),
        cmocka_unit_test(wrong_shapes_and_configs_poison_the_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
