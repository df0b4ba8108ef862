/* SPDX-License-Identifier: Apache-2.0
 *
 * Predictors converge with the orders that they claim: the table of support/orders.c, whose header says how
 * errors are measured. A slope is fitted over five N; nothing is sampled but the 250 Brownian paths of a
 * fixed seed, so that the slopes are the same in every run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/orders.h"
#include <cmocka.h>

#include <math.h>

static const double bound = 0.15;

static void orders_are_those_claimed(order_kind kind) {
    const order_case *c;
    for (int i = 0; (c = order_case_at(i)) != NULL; i++) {
        if (c->kind != kind) continue;
        order_curve curve;
        ito_error err = {0};
        if (order_measure(c, &curve, &err) != ITO_OK) fail_msg("%s: %s", c->method, err.message);
        print_message("order %-17s %-9s theory %-3g measured %.3f (bound %.2f), errors %.1e to %.1e\n",
                      c->method, order_kind_name(kind), c->theory, curve.order, bound, curve.error[0],
                      curve.error[order_points - 1]);
        assert_true(fabs(curve.order - c->theory) < bound);
    }
}

static void strong_orders_are_those_claimed(void **state) {
    (void)state;
    orders_are_those_claimed(order_strong);
}

static void weak_orders_are_those_claimed(void **state) {
    (void)state;
    orders_are_those_claimed(order_weak);
}

static void weak_orders_of_a_step_are_those_claimed(void **state) {
    (void)state;
    orders_are_those_claimed(order_weak_step);
}

static void orders_on_the_ode_are_those_claimed(void **state) {
    (void)state;
    orders_are_those_claimed(order_ode);
    orders_are_those_claimed(order_solver);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strong_orders_are_those_claimed),
        cmocka_unit_test(weak_orders_are_those_claimed),
        cmocka_unit_test(weak_orders_of_a_step_are_those_claimed),
        cmocka_unit_test(orders_on_the_ode_are_those_claimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
