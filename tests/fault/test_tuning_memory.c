/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out while a plan times its convolutions: the plan is made all the same, by rule, or fails
 * with a sentence where it had no memory itself; nothing leaks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "support/failing_memory.h"
#include <cmocka.h>
#include <ito/engine.h>

static ito_status tune(void *self, ito_error *err) {
    ito_plan_options options = ito_plan_default();
    ito_node *y = self;
    ito_plan *plan = NULL;
    options.threads = 1;
    ito_status st = ito_tuning_create(&options.tuning, err);
    if (st == ITO_OK) st = ito_tuning_add(options.tuning, "ito-tuning 1\na\tb\tc\n", err);
    if (st == ITO_OK) st = ito_plan_create(ito_node_graph(y), 1, &y, &options, &plan, err);
    ito_plan_free(plan);
    ito_tuning_free(options.tuning);
    return st;
}

static void a_plan_survives_where_its_timings_do_not(void **state) {
    (void)state;
    ito_graph *g;
    ito_error err = {0};
    if (ito_graph_create(&g, &err) != ITO_OK) fail_msg("%s", err.message);
    ito_node *w = ito_param(g, "w", ITO_SHAPE(3, 16, 3, 3), ito_init_zeros());
    ito_node *y = ito_conv2d(ito_input(g, "x", ITO_SHAPE(1, 16, 8, 8)), w, NULL, ito_conv_same(3));
    print_message("%lld allocations failed in turn\n", (long long)walk_failed_allocations(tune, y));
    ito_graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_survives_where_its_timings_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
