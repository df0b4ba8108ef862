/* SPDX-License-Identifier: Apache-2.0
 *
 * ito_gradients as a function on graphs: seeds, inputs that do not matter, inputs asked for twice, the value
 * itself. The derivatives of the ops are the business of tests/ops.
 */
#include <ito/engine.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { N = 3 };

static const double X[N] = {1, -2, 3}, S[N] = {0.5, 2, -1};

typedef struct setting {
    ito_graph *g;
    ito_node *x, *s, *idle;
} setting;

static setting begin(void) {
    setting t;
    ito_error err = {0};
    if (ito_graph_create(&t.g, &err) != ITO_OK) fail_msg("%s", err.message);
    t.x = ito_input(t.g, "x", ITO_SHAPE(N));
    t.s = ito_input(t.g, "s", ITO_SHAPE(N));
    t.idle = ito_input(t.g, "idle", ITO_SHAPE(N));
    return t;
}

/* The value of a [3] node in double; leaves that it does not need stay unbound. */
static void expect(setting *t, ito_node *y, const double *expected) {
    ito_error err = {0};
    ito_plan *p;
    ito_workspace *ws;
    double out[N] = {0};
    ito_plan_options options = ito_plan_default();
    options.reference = true;
    options.precision = ITO_F64;
    if (ito_plan_create(t->g, 1, &y, &options, &p, &err) != ITO_OK) fail_msg("%s", err.message);
    if (ito_workspace_create(p, &ws, &err) != ITO_OK) fail_msg("%s", err.message);
    double x[N] = {X[0], X[1], X[2]}, s[N] = {S[0], S[1], S[2]};
    ito_workspace_bind(ws, t->x, x, NULL);
    ito_workspace_bind(ws, t->s, s, NULL);
    if (ito_workspace_bind(ws, y, out, &err) != ITO_OK) fail_msg("%s", err.message);
    if (ito_plan_run(p, ws, &err) != ITO_OK) fail_msg("%s", err.message);
    for (int i = 0; i < N; i++)
        if (out[i] != expected[i]) fail_msg("element %d is %g, not %g", i, out[i], expected[i]);
    ito_workspace_free(ws);
    ito_plan_free(p);
}

static void without_a_seed_the_gradient_is_of_the_sum(void **state) {
    (void)state;
    setting t = begin();
    ito_node *dx;
    ito_gradients(ito_square(t.x), NULL, 1, &t.x, &dx);
    expect(&t, dx, (double[]){2, -4, 6});
    ito_graph_free(t.g);
}

static void a_seed_weighs_the_elements(void **state) {
    (void)state;
    setting t = begin();
    ito_node *dx;
    ito_gradients(ito_square(t.x), t.s, 1, &t.x, &dx);
    expect(&t, dx, (double[]){1, -8, -6});
    ito_graph_free(t.g);
}

static void an_input_that_does_not_matter_has_a_gradient_of_zeros(void **state) {
    (void)state;
    setting t = begin();
    ito_node *d[3], *wrt[3] = {t.idle, t.x, ito_exp(t.x)};
    ito_gradients(ito_square(t.x), NULL, 3, wrt, d);
    expect(&t, d[0], (double[]){0, 0, 0});
    expect(&t, d[1], (double[]){2, -4, 6});
    expect(&t, d[2], (double[]){0, 0, 0});
    ito_graph_free(t.g);
}

static void the_gradient_by_the_value_itself_is_the_seed(void **state) {
    (void)state;
    setting t = begin();
    ito_node *y = ito_square(t.x), *d[2], *wrt[2] = {y, t.x};
    ito_gradients(y, t.s, 2, wrt, d);
    assert_ptr_equal(d[0], t.s);
    expect(&t, d[1], (double[]){1, -8, -6});
    ito_graph_free(t.g);
}

static void an_input_asked_for_twice_has_one_gradient(void **state) {
    (void)state;
    setting t = begin();
    ito_node *d[2], *wrt[2] = {t.x, t.x};
    ito_gradients(ito_mul(t.x, t.s), NULL, 2, wrt, d);
    expect(&t, d[0], S);
    expect(&t, d[1], S);
    ito_graph_free(t.g);
}

/* y = (x^2) s + x: by x^2 it is s, by x it counts both ways. */
static void gradients_by_inner_nodes_and_by_inputs_come_together(void **state) {
    (void)state;
    setting t = begin();
    ito_node *inner = ito_square(t.x), *y = ito_add(ito_mul(inner, t.s), t.x), *d[2], *wrt[2] = {inner, t.x};
    ito_gradients(y, NULL, 2, wrt, d);
    expect(&t, d[0], S);
    expect(&t, d[1], (double[]){2, -7, -5});
    ito_graph_free(t.g);
}

/* Four derivatives of x^4 are 24, however they are taken. */
/* The sum reads x through the scaling, so the scaling is no part of it: zeros would be a silent lie. */
static void a_node_that_was_folded_away_is_refused(void **state) {
    (void)state;
    setting t = begin();
    ito_error err = {0};
    ito_node *z = ito_scale(t.x, 2), *y = ito_sum(ito_add(z, t.s)), *dz;
    ito_gradients(y, NULL, 1, &z, &dz);
    assert_int_equal(ito_graph_status(t.g, &err), ITO_E_UNSUPPORTED);
    printf("%s\n", err.message);
    ito_graph_free(t.g);
}

static void gradients_of_gradients_go_on(void **state) {
    (void)state;
    setting t = begin();
    ito_node *y = ito_square(ito_square(t.x));
    for (int i = 0; i < 4; i++) ito_gradients(y, NULL, 1, &t.x, &y);
    expect(&t, y, (double[]){24, 24, 24});
    ito_gradients(y, NULL, 1, &t.x, &y);
    expect(&t, y, (double[]){0, 0, 0});
    ito_graph_free(t.g);
}

static void a_gradient_of_nothing_is_legal(void **state) {
    (void)state;
    setting t = begin();
    ito_gradients(ito_square(t.x), NULL, 0, NULL, NULL);
    assert_int_equal(ito_graph_status(t.g, NULL), ITO_OK);
    ito_graph_free(t.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_seed_the_gradient_is_of_the_sum),
        cmocka_unit_test(a_seed_weighs_the_elements),
        cmocka_unit_test(an_input_that_does_not_matter_has_a_gradient_of_zeros),
        cmocka_unit_test(the_gradient_by_the_value_itself_is_the_seed),
        cmocka_unit_test(an_input_asked_for_twice_has_one_gradient),
        cmocka_unit_test(gradients_by_inner_nodes_and_by_inputs_come_together),
        cmocka_unit_test(a_node_that_was_folded_away_is_refused),
        cmocka_unit_test(gradients_of_gradients_go_on),
        cmocka_unit_test(a_gradient_of_nothing_is_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
