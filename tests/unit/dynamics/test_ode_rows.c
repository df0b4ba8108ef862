/* SPDX-License-Identifier: Apache-2.0
 *
 * Many systems at once are solved as each would be alone, and leave when they arrive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/ode.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { n = 5, dim = 600, size = n * dim }; /* more values than one block of the solver holds */

/* Row i is y_j' = r sin(r t + y_j + y_next), r = 1 + i/2: coupled within the row, faster row by row. */
static void slope(int64_t i, double t, const double *y, double *dydt) {
    const double r = 1 + (double)i / 2;
    for (int j = 0; j < dim; j++) dydt[j] = r * sin(r * t + y[j] + y[(j + 1) % dim]);
}

/* What a run of rows called and saw. */
typedef struct witness {
    int64_t calls, systems, last_m;
    int64_t attempts[n], accepted[n];
} witness;

static ito_status all_slopes(void *self, int64_t m, const int64_t *row, const double *t, const double *y,
                             double *dydt, ito_error *err) {
    witness *w = self;
    (void)err;
    assert_true(m >= 1 && m <= w->last_m);
    w->last_m = m;
    w->calls++;
    w->systems += m;
    for (int64_t p = 0; p < m; p++) {
        assert_true(p == 0 || row[p] > row[p - 1]);
        slope(row[p], t[p], y + p * dim, dydt + p * dim);
    }
    return ITO_OK;
}

static ito_status count_attempt(void *self, const ito_ode_attempt *seen) {
    witness *w = self;
    assert_int_equal(seen->dim, dim);
    assert_true(fabs(seen->t_new - (seen->t + seen->h)) < 1e-15);
    w->attempts[seen->row]++;
    w->accepted[seen->row] += seen->accepted;
    return ITO_OK;
}

typedef struct lone {
    int64_t row;
} lone;

static ito_status one_slope(void *self, double t, const double *y, double *dydt, ito_error *err) {
    const lone *one = self;
    (void)err;
    slope(one->row, t, y, dydt);
    return ITO_OK;
}

static void fill(double *y) {
    for (int j = 0; j < size; j++) y[j] = sin(j);
}

static void expect_alone(int64_t row, const ito_ode_options *options, double t0, double t1,
                         const double *whole, const ito_ode_report *each) {
    static double start[size];
    lone one = {row};
    ito_ode_report report;
    double *y = start + row * dim;
    ito_ode_options unseen = *options;
    unseen.observe = NULL;
    fill(start);
    const ito_ode ode = {.self = &one, .dim = dim, .rhs = one_slope};
    assert_int_equal(ito_ode_solve(&ode, &unseen, t0, t1, y, &report, NULL), ITO_OK);
    assert_memory_equal(y, whole + row * dim, dim * sizeof *y);
    assert_memory_equal(&report, each, sizeof report);
}

static void every_row_is_solved_as_if_alone(void **state) {
    (void)state;
    static double y[size];
    const double first_steps[] = {0, 0.7};
    for (int run = 0; run < 4; run++) {
        witness w = {.last_m = n};
        ito_ode_options options = ito_ode_default();
        options.method = ito_ode_method_name(run / 2);
        options.first_step = first_steps[run % 2];
        options.observe = count_attempt;
        options.observe_self = &w;
        ito_ode_report each[n];
        ito_ode_rows_report all;
        const ito_ode_rows rows = {.self = &w, .n = n, .dim = dim, .rhs = all_slopes};
        fill(y);
        assert_int_equal(ito_ode_solve_rows(&rows, &options, 1, -0.5, y, each, &all, NULL), ITO_OK);
        int64_t most = 0, nfev = 0, rejected = 0;
        for (int64_t i = 0; i < n; i++) {
            expect_alone(i, &options, 1, -0.5, y, &each[i]);
            assert_int_equal(w.attempts[i], each[i].accepted + each[i].rejected);
            assert_int_equal(w.accepted[i], each[i].accepted);
            most = each[i].nfev > most ? each[i].nfev : most;
            nfev += each[i].nfev;
            rejected += each[i].rejected;
        }
        print_message("%-16s %lld calls, %.1f evaluations per system, %lld of %lld attempts rejected\n",
                      options.method, (long long)w.calls, (double)nfev / n, (long long)rejected,
                      (long long)(rejected + all.sum.accepted));
        assert_true((options.first_step == 0 || rejected > 0) && all.sum.rejected == rejected);
        assert_int_equal(all.sum.nfev, nfev);
        assert_int_equal(w.systems, nfev); /* those that arrived are evaluated no more */
        assert_true(all.calls == most && w.calls == most && nfev < n * most);
    }
}

static void results_do_not_depend_on_the_thread_count(void **state) {
    (void)state;
    static double y[2][size];
    const ito_ode_options options = ito_ode_default();
    const int threads = omp_get_max_threads();
    for (int run = 0; run < 2; run++) {
        witness w = {.last_m = n};
        const ito_ode_rows rows = {.self = &w, .n = n, .dim = dim, .rhs = all_slopes};
        fill(y[run]);
        omp_set_num_threads(run == 0 ? 1 : 3);
        assert_int_equal(ito_ode_solve_rows(&rows, &options, 0, 1, y[run], NULL, NULL, NULL), ITO_OK);
    }
    omp_set_num_threads(threads);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
}

/* y' = y of row i from 1 + i: (1 + i) e^t. */
static ito_status grow(void *self, int64_t m, const int64_t *row, const double *t, const double *y,
                       double *dydt, ito_error *err) {
    (void)self, (void)row, (void)t, (void)err;
    for (int64_t p = 0; p < m; p++) dydt[p] = y[p];
    return ITO_OK;
}

static ito_status measure(void *self, const ito_ode_attempt *seen) {
    double *worst = self, y;
    for (double theta = 0; seen->accepted && theta <= 1; theta += 0.125) {
        ito_ode_interpolate(seen, theta, &y);
        *worst = fmax(*worst, fabs(y - (1 + (double)seen->row) * exp(seen->t + theta * seen->h)));
    }
    return ITO_OK;
}

static void dense_output_is_that_of_the_row(void **state) {
    (void)state;
    const double bound = 1e-6;
    double y[3] = {1, 2, 3}, worst = 0;
    ito_ode_options options = ito_ode_default();
    options.rtol = options.atol = 1e-8;
    options.observe = measure;
    options.observe_self = &worst;
    const ito_ode_rows rows = {.n = 3, .dim = 1, .rhs = grow};
    assert_int_equal(ito_ode_solve_rows(&rows, &options, 0, 1, y, NULL, NULL, NULL), ITO_OK);
    print_message("between steps %.1e from the solution (bound %.0e)\n", worst, bound);
    assert_true(worst > 0 && worst < bound);
}

/* y' = y^2: the solution from y ends at t = 1 / y. */
static ito_status explode(void *self, int64_t m, const int64_t *row, const double *t, const double *y,
                          double *dydt, ito_error *err) {
    (void)self, (void)row, (void)t, (void)err;
    for (int64_t p = 0; p < m; p++) dydt[p] = y[p] * y[p];
    return ITO_OK;
}

static void a_vanishing_step_names_its_sample(void **state) {
    (void)state;
    double y[5] = {1, 2, 3, 4.5, 1.5};
    const ito_ode_options options = ito_ode_default();
    const ito_ode_rows rows = {.n = 5, .dim = 1, .first_sample = 40, .rhs = explode};
    ito_error err;
    assert_int_equal(ito_ode_solve_rows(&rows, &options, 0, 0.25, y, NULL, NULL, &err), ITO_E_NUMERIC);
    print_message("%s\n", err.message);
    double t = 0;
    assert_int_equal(sscanf(err.message, "ode: the step of sample 43 vanished at t = %lf", &t), 1);
    assert_true(fabs(t - 1 / 4.5) < 1e-3);
    assert_true(y[0] == 1 && y[3] == 4.5);
}

static ito_status last_report(void *self, int64_t done, int64_t total) {
    int64_t *last = self;
    assert_true(done >= *last && done <= total);
    *last = done;
    return ITO_OK;
}

static ito_status refuse(void *self, int64_t done, int64_t total) {
    (void)self, (void)done, (void)total;
    return ITO_E_CANCELLED;
}

static void callbacks_and_bad_arguments(void **state) {
    (void)state;
    double y[2] = {1, 2};
    int64_t last = 0;
    ito_error err;
    ito_ode_options options = ito_ode_default();
    const ito_ode_rows rows = {.n = 2, .dim = 1, .rhs = grow}, empty = {.n = 0, .dim = 1, .rhs = grow},
                       huge = {.n = INT64_MAX, .dim = 2, .rhs = grow}, idle = {.n = 1, .dim = 1};
    assert_int_equal(ito_ode_solve_rows(&empty, &options, 0, 1, y, NULL, NULL, &err), ITO_E_ARG);
    assert_int_equal(strncmp(err.message, "n: is 0", 7), 0);
    assert_int_equal(ito_ode_solve_rows(&idle, &options, 0, 1, y, NULL, NULL, &err), ITO_E_ARG);
    assert_int_equal(ito_ode_solve_rows(&huge, &options, 0, 1, y, NULL, NULL, &err), ITO_E_NOMEM);
    options.progress = (ito_progress){&last, refuse};
    assert_int_equal(ito_ode_solve_rows(&rows, &options, 0, 1, y, NULL, NULL, &err), ITO_E_CANCELLED);
    assert_true(y[0] == 1 && y[1] == 2);
    options.progress = (ito_progress){&last, last_report};
    assert_int_equal(ito_ode_solve_rows(&rows, &options, 0, 1, y, NULL, NULL, &err), ITO_OK);
    assert_int_equal(last, 1000);
    const double there[2] = {y[0], y[1]};
    assert_int_equal(ito_ode_solve_rows(&rows, &options, 1, 1, y, NULL, NULL, &err), ITO_OK);
    assert_memory_equal(y, there, sizeof y);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_solved_as_if_alone),
        cmocka_unit_test(results_do_not_depend_on_the_thread_count),
        cmocka_unit_test(dense_output_is_that_of_the_row),
        cmocka_unit_test(a_vanishing_step_names_its_sample),
        cmocka_unit_test(callbacks_and_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
