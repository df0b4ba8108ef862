/* SPDX-License-Identifier: Apache-2.0
 *
 * The integrator has the orders that its tableaus claim, gives up where a solution ends, and keeps its
 * promises to a caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/ode.h"
#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* y0' = y0 (1 - y0), y1' = cos(t) y1: solved by 1 / (1 + 3 exp(-t)) and exp(sin t). */
static ito_status smooth(void *self, double t, const double *y, double *dydt, ito_error *err) {
    (void)self, (void)err;
    dydt[0] = y[0] * (1 - y[0]);
    dydt[1] = cos(t) * y[1];
    return ITO_OK;
}

static double smooth_error(double t, const double *y) {
    return fmax(fabs(y[0] - 1 / (1 + 3 * exp(-t))), fabs(y[1] - exp(sin(t))));
}

static const ito_ode smooth_ode = {.dim = 2, .rhs = smooth};
static const double smooth_start[2] = {0.25, 1};

static void tableaus_are_consistent(void **state) {
    (void)state;
    const ito__tableau *m;
    for (int i = 0; (m = ito__tableau_at(i)) != NULL; i++) {
        double e = 0, dense = 0;
        for (int s = 0; s < m->stages; s++) {
            double row = 0;
            for (int j = 0; j < s; j++) row += m->a[s][j];
            assert_true(fabs(row - m->c[s]) < 1e-14);
            for (int j = s; j < ITO__RK_STAGES; j++) assert_true(m->a[s][j] == 0);
            e += m->e[s];
            dense += m->dense[s];
        }
        assert_true(fabs(e) < 1e-15 && fabs(dense) < 1e-14);
        assert_true(m->c[m->stages - 1] == 1); /* the last stage is the first of the next step */
        assert_true(strlen(m->summary) > 20);
        assert_string_equal(ito_ode_method_name(i), m->name);
        assert_string_equal(ito_ode_method_summary(i), m->summary);
    }
    assert_null(ito_ode_method_name(-1));
    assert_null(ito_ode_method_summary(1000));
}

/* Largest errors of a run: at the ends of its steps, and between them. */
typedef struct run_error {
    double ends, between;
} run_error;

static ito_status measure(void *self, const ito_ode_attempt *seen) {
    run_error *worst = self;
    double y[2];
    worst->ends = fmax(worst->ends, smooth_error(seen->t + seen->h, seen->y_new));
    for (double theta = 0; theta <= 1; theta += 0.25) {
        ito_ode_interpolate(seen, theta, y);
        worst->between = fmax(worst->between, smooth_error(seen->t + theta * seen->h, y));
    }
    return ITO_OK;
}

/* Steps of 1/n from 0 to 2. Tolerances are loose enough to accept all; first and longest step fix the length.
 */
static run_error fixed_steps(const char *method, int n) {
    run_error worst = {0};
    ito_ode_options options = ito_ode_default();
    options.method = method;
    options.rtol = 1;
    options.atol = 1e6;
    options.first_step = options.max_step = 1.0 / n;
    options.observe = measure;
    options.observe_self = &worst;
    double y[2] = {smooth_start[0], smooth_start[1]};
    ito_ode_report report;
    assert_int_equal(ito_ode_solve(&smooth_ode, &options, 0, 2, y, &report, NULL), ITO_OK);
    assert_int_equal(report.accepted, 2 * n);
    return worst;
}

static void orders_are_those_of_the_tableau(void **state) {
    (void)state;
    const double bound = 0.15;
    const ito__tableau *m;
    for (int i = 0; (m = ito__tableau_at(i)) != NULL; i++) {
        const run_error coarse = fixed_steps(m->name, 16), fine = fixed_steps(m->name, 64);
        const double ends = log2(coarse.ends / fine.ends) / 2;
        const double between = log2(coarse.between / fine.between) / 2;
        print_message("%-16s order %.3f to %.1e, between steps %.3f (both %d, bound %.2f)\n", m->name, ends,
                      fine.ends, between, m->order, bound);
        assert_true(fabs(ends - m->order) < bound);
        assert_true(fabs(between - m->order) < bound);
    }
}

static void error_follows_the_tolerance(void **state) {
    (void)state;
    const ito__tableau *m;
    for (int i = 0; (m = ito__tableau_at(i)) != NULL; i++)
        for (double tolerance = 1e-3; tolerance > 1e-10; tolerance /= 100) {
            ito_ode_options options = ito_ode_default();
            options.method = m->name;
            options.rtol = options.atol = tolerance;
            double y[2] = {smooth_start[0], smooth_start[1]};
            ito_ode_report report;
            assert_int_equal(ito_ode_solve(&smooth_ode, &options, 0, 2, y, &report, NULL), ITO_OK);
            const double error = smooth_error(2, y);
            print_message("%-16s tolerance %.0e error %.1e (bound 10 tolerances), %lld evaluations\n",
                          m->name, tolerance, error, (long long)report.nfev);
            assert_true(error < 10 * tolerance);
            assert_int_equal(report.nfev, 2 + (m->stages - 1) * (report.accepted + report.rejected));
        }
}

static void the_way_back_ends_at_the_start(void **state) {
    (void)state;
    const double bound = 1e-9;
    ito_ode_options options = ito_ode_default();
    options.rtol = options.atol = 1e-11;
    double y[2] = {smooth_start[0], smooth_start[1]};
    assert_int_equal(ito_ode_solve(&smooth_ode, &options, 0, 3, y, NULL, NULL), ITO_OK);
    assert_int_equal(ito_ode_solve(&smooth_ode, &options, 3, 0, y, NULL, NULL), ITO_OK);
    print_message("there and back: %.1e (bound %.0e)\n", smooth_error(0, y), bound);
    assert_true(smooth_error(0, y) < bound);
}

/* Nearly at rest at first, so that a step could be very long; the times it is evaluated at are kept. */
static ito_status waking(void *self, double t, const double *y, double *dydt, ito_error *err) {
    double *range = self;
    (void)y, (void)err;
    range[0] = fmin(range[0], t);
    range[1] = fmax(range[1], t);
    dydt[0] = 1e-9 + t * t;
    return ITO_OK;
}

static void f_is_evaluated_within_the_span_alone(void **state) {
    (void)state;
    for (int i = 0; ito_ode_method_name(i) != NULL; i++) {
        double range[2] = {HUGE_VAL, -HUGE_VAL}, y = 1;
        const ito_ode ode = {.self = range, .dim = 1, .rhs = waking};
        ito_ode_options options = ito_ode_default();
        options.method = ito_ode_method_name(i);
        assert_int_equal(ito_ode_solve(&ode, &options, 0, 0.5, &y, NULL, NULL), ITO_OK);
        print_message("%-16s f at %g to %g\n", options.method, range[0], range[1]);
        assert_true(range[0] >= 0 && range[1] <= 0.5);
        assert_true(fabs(y - (1 + 0.125 / 3)) < 1e-4);
    }
}

static ito_status explode(void *self, double t, const double *y, double *dydt, ito_error *err) {
    (void)self, (void)t, (void)err;
    dydt[0] = y[0] * y[0];
    return ITO_OK;
}

static ito_status undefined_past_a_half(void *self, double t, const double *y, double *dydt, ito_error *err) {
    (void)self, (void)y, (void)err;
    dydt[0] = sqrt(0.5 - t);
    return ITO_OK;
}

/* The solution of y' = y^2 ends at t = 1; that of y' = sqrt(1/2 - t) at 1/2, where it turns NaN. */
static void a_vanishing_step_ends_with_a_message(void **state) {
    (void)state;
    const ito_ode odes[] = {{.dim = 1, .rhs = explode}, {.dim = 1, .rhs = undefined_past_a_half}};
    const double end[] = {1, 0.5};
    const ito_ode_options options = ito_ode_default();
    for (int i = 0; i < 2; i++) {
        double y = 1, t = 0;
        ito_error err;
        assert_int_equal(ito_ode_solve(&odes[i], &options, 0, 2, &y, NULL, &err), ITO_E_NUMERIC);
        print_message("%s\n", err.message);
        assert_int_equal(sscanf(err.message, "ode: the step vanished at t = %lf", &t), 1);
        assert_true(fabs(t - end[i]) < 1e-3);
        assert_true(y == 1);
    }
}

static void bad_arguments_are_named(void **state) {
    (void)state;
    ito_ode_options bad[9];
    for (int i = 0; i < 9; i++) bad[i] = ito_ode_default();
    bad[0].rtol = 0;
    bad[1].atol = 0;
    bad[2].atol = NAN;
    bad[3].first_step = -1;
    bad[4].max_step = -1;
    bad[5].method = "rk4";
    bad[6].method = NULL;
    bad[7].rtol = INFINITY;
    bad[8].max_step = NAN;
    const char *const name[] = {
        "rtol: is 0",   "atol: is 0", "atol: ",
        "first_step: ", "max_step: ", "method: \"rk4\" is not known: use one of dormand_prince, ",
        "method: \"\"", "rtol: ",     "max_step: "};
    ito_error err;
    double y[2] = {0.25, 1};
    for (int i = 0; i < 9; i++) {
        assert_int_equal(ito_ode_solve(&smooth_ode, &bad[i], 0, 1, y, NULL, &err), ITO_E_ARG);
        assert_int_equal(strncmp(err.message, name[i], strlen(name[i])), 0);
    }
    const ito_ode_options options = ito_ode_default();
    const ito_ode empty = {.dim = 0, .rhs = smooth}, idle = {.dim = 1},
                  huge = {.dim = INT64_MAX, .rhs = smooth};
    assert_int_equal(ito_ode_solve(&empty, &options, 0, 1, y, NULL, &err), ITO_E_ARG);
    assert_int_equal(ito_ode_solve(&idle, &options, 0, 1, y, NULL, &err), ITO_E_ARG);
    assert_int_equal(ito_ode_solve(&huge, &options, 0, 1, y, NULL, &err), ITO_E_NOMEM);
    assert_int_equal(ito_ode_solve(&smooth_ode, &options, 0, NAN, y, NULL, &err), ITO_E_ARG);
    assert_int_equal(strncmp(err.message, "t1: ", 4), 0);
    assert_true(y[0] == 0.25 && y[1] == 1);
}

static ito_status refuse(void *self, double t, const double *y, double *dydt, ito_error *err) {
    int *calls = self;
    (void)t;
    for (int j = 0; j < 2; j++) dydt[j] = y[j];
    return ++*calls > 5 ? ito_error_set(err, ITO_E_IO, "disk: is full") : ITO_OK;
}

static ito_status stop_observing(void *self, const ito_ode_attempt *seen) {
    (void)self, (void)seen;
    return ITO_E_CANCELLED;
}

static ito_status last_report(void *self, int64_t done, int64_t total) {
    int64_t *last = self;
    assert_true(done >= *last && done <= total);
    *last = done;
    return ITO_OK;
}

static void callbacks_stop_and_come_back_unchanged(void **state) {
    (void)state;
    int calls = 0;
    const ito_ode refusing = {.self = &calls, .dim = 2, .rhs = refuse};
    ito_ode_options options = ito_ode_default();
    ito_error err;
    double y[2] = {0.25, 1};
    assert_int_equal(ito_ode_solve(&refusing, &options, 0, 1, y, NULL, &err), ITO_E_IO);
    assert_string_equal(err.message, "disk: is full");
    options.observe = stop_observing;
    assert_int_equal(ito_ode_solve(&smooth_ode, &options, 0, 1, y, NULL, &err), ITO_E_CANCELLED);
    assert_true(y[0] == 0.25 && y[1] == 1);

    int64_t last = 0;
    options.observe = NULL;
    options.progress = (ito_progress){&last, last_report};
    assert_int_equal(ito_ode_solve(&smooth_ode, &options, 2, 0, y, NULL, &err), ITO_OK);
    assert_int_equal(last, 1000);
}

enum { many = 40000 };

static ito_status many_decays(void *self, double t, const double *y, double *dydt, ito_error *err) {
    (void)self, (void)t, (void)err;
    for (int j = 0; j < many; j++) dydt[j] = -y[j] * (1 + 1e-4 * j);
    return ITO_OK;
}

static void results_do_not_depend_on_the_thread_count(void **state) {
    (void)state;
    static double y[2][many];
    const ito_ode ode = {.dim = many, .rhs = many_decays};
    const ito_ode_options options = ito_ode_default();
    const int threads = omp_get_max_threads();
    for (int run = 0; run < 2; run++) {
        for (int j = 0; j < many; j++) y[run][j] = sin(j);
        omp_set_num_threads(run == 0 ? 1 : 3);
        assert_int_equal(ito_ode_solve(&ode, &options, 0, 1, y[run], NULL, NULL), ITO_OK);
    }
    omp_set_num_threads(threads);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tableaus_are_consistent),
        cmocka_unit_test(orders_are_those_of_the_tableau),
        cmocka_unit_test(error_follows_the_tolerance),
        cmocka_unit_test(the_way_back_ends_at_the_start),
        cmocka_unit_test(f_is_evaluated_within_the_span_alone),
        cmocka_unit_test(a_vanishing_step_ends_with_a_message),
        cmocka_unit_test(bad_arguments_are_named),
        cmocka_unit_test(callbacks_stop_and_come_back_unchanged),
        cmocka_unit_test(results_do_not_depend_on_the_thread_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
