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
        cmocka_unit_test(dropout_is_active_in_training_alone),
        cmocka_unit_test(a_new_network_starts_near_zero),
        cmocka_unit_test(wrong_shapes_and_configs_poison_the_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
