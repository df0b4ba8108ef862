/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations that a plan computes twice instead of keeping: the gradients are those of the reference, which
 * keeps all, and memory falls.
 */
#include "op_harness.h"

/* conv, norm and SiLU, dropout, conv, and the gradients of both weights. */
typedef struct layers {
    ito_graph *g;
    ito_node *x, *w[2], *gamma, *beta, *outputs[3];
} layers;

static void build(layers *n, int64_t size) {
    ito_error err = {0};
    op_require(ito_graph_create(&n->g, &err), &err);
    n->x = ito_input(n->g, "x", ITO_SHAPE(2, 16, size, size));
    n->w[0] = ito_param(n->g, "w0", ITO_SHAPE(16, 16, 3, 3), ito_init_fan_avg(1));
    n->w[1] = ito_param(n->g, "w1", ITO_SHAPE(16, 16, 3, 3), ito_init_fan_avg(1));
    n->gamma = ito_param(n->g, "gamma", ITO_SHAPE(16), ito_init_ones());
    n->beta = ito_param(n->g, "beta", ITO_SHAPE(16), ito_init_zeros());
    ito_node *h = ito_conv2d(n->x, n->w[0], NULL, ito_conv_same(3));
    h = ito_dropout(ito_silu(ito_group_norm(h, n->gamma, n->beta, 4, 1e-6)), 0.1);
    n->outputs[0] = ito_mean(ito_square(ito_conv2d(h, n->w[1], NULL, ito_conv_same(3))));
    ito_gradients(n->outputs[0], NULL, 2, n->w, n->outputs + 1);
}

static void set(op_plan *p, const ito_node *leaf, uint64_t stream) {
    int64_t n = ito_shape_count(ito_node_shape(leaf));
    double *values = test_malloc((size_t)n * sizeof *values);
    op_uniform(stream, 0, n, -1, 1, values);
    op_plan_set(p, leaf, values);
    test_free(values);
}

static void run(op_plan *p, const layers *n, ito_plan_options options) {
    op_plan_open(p, n->g, 3, n->outputs, options);
    const ito_node *leaves[] = {n->x, n->w[0], n->w[1], n->gamma, n->beta};
    for (uint64_t i = 0; i < sizeof leaves / sizeof *leaves; i++) set(p, leaves[i], i);
    ito_workspace_random(p->ws, 5, 6, 7);
    op_plan_run(p);
}

static void gradients_are_those_of_kept_activations(void **state) {
    (void)state;
    layers n;
    op_plan fast, reference;
    ito_plan_options exact = ito_plan_default();
    exact.exact = true;
    exact.threads = 1;
    build(&n, 64);
    run(&fast, &n, exact);
    run(&reference, &n, op_reference(ITO_F32));
    for (int i = 0; i < 3; i++) {
        double size, error = op_plan_difference(&fast, &reference, n.outputs[i], &size);
        error /= size;
        print_message("output %d: %.2e, bound 1e-5\n", i, error);
        assert_true(error <= 1e-5);
    }
    op_plan_close(&fast);
    op_plan_close(&reference);
    ito_graph_free(n.g);
}

static void large_activations_are_computed_twice(void **state) {
    (void)state;
    layers n;
    op_plan p;
    const int64_t sizes[] = {64, 32};
    const int times[] = {2, 1};
    for (int i = 0; i < 2; i++) {
        build(&n, sizes[i]);
        run(&p, &n, ito_plan_default());
        assert_int_equal(op_plan_count(&p, " norm "), times[i]);
        assert_int_equal(op_plan_count(&p, " dropout "),
                         1); /* the gradient's; the others are the norms' own */
        op_plan_close(&p);
        ito_graph_free(n.g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_those_of_kept_activations),
                                       cmocka_unit_test(large_activations_are_computed_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
