/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging and comparing attempts of a solver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "solver_log.h"
#include <math.h>
#include <stdio.h>

static void compare_state(solver_log *log, int64_t dim, const double *y) {
    const double *expected = log->y + log->accepted * dim;
    for (int64_t j = 0; j < dim; j++) {
        log->y_worst = fmax(log->y_worst, fabs(y[j] - expected[j]));
        log->y_scale = fmax(log->y_scale, fabs(expected[j]));
    }
}

static ito_status observe(void *self, const ito_ode_attempt *seen) {
    solver_log *log = self;
    assert_true(log->attempts < solver_log_max - 1);
    if (log->attempts == 0) log->t[0] = seen->t;
    log->h[log->attempts] = seen->h;
    log->error[log->attempts++] = seen->error;
    if (!seen->accepted) return ITO_OK;
    log->t[++log->accepted] = seen->t + seen->h;
    if (log->y != NULL) compare_state(log, seen->dim, seen->y_new);
    return ITO_OK;
}

ito_ode_options solver_log_options(const golden_file *g, const char *prefix, const char *states,
                                   solver_log *log) {
    *log = (solver_log){0};
    if (states[0] != '\0') log->y = golden_get(g, "%s.%s", prefix, states);
    ito_ode_options options = ito_ode_default();
    options.rtol = golden_get(g, "%s.rtol", prefix)[0];
    options.atol = golden_get(g, "%s.atol", prefix)[0];
    options.observe = observe;
    options.observe_self = log;
    return options;
}

static void compare_attempts(const golden_file *g, const char *prefix, const solver_log *log) {
    const double *h = golden_get(g, "%s.attempt_h", prefix), *e = golden_get(g, "%s.attempt_err", prefix);
    double worst = 0;
    for (int64_t i = 0; i < log->attempts; i++) {
        worst = fmax(worst, fabs(log->h[i] - h[i]) / (1 + fabs(h[i])));
        worst = fmax(worst, fabs(log->error[i] - e[i]) / (1 + fabs(e[i])));
    }
    print_message("%-16s %-26s attempts differ by %.1e (bound 1e-03)\n", g->name, prefix, worst);
    assert_true(worst < 1e-3);
}

void solver_log_compare(const golden_file *g, const char *prefix, const solver_log *log,
                        const ito_ode_report *report) {
    const int64_t nfev = (int64_t)golden_get(g, "%s.nfev", prefix)[0];
    print_message("%-16s %-26s nfev %lld (SciPy %lld), accepted %lld, rejected %lld\n", g->name, prefix,
                  (long long)report->nfev, (long long)nfev, (long long)report->accepted,
                  (long long)report->rejected);
    assert_int_equal(report->nfev, nfev);
    assert_int_equal(report->accepted, (int64_t)golden_get(g, "%s.n_accepted", prefix)[0]);
    assert_int_equal(report->rejected, (int64_t)golden_get(g, "%s.n_rejected", prefix)[0]);
    assert_int_equal(log->attempts, report->accepted + report->rejected);

    char what[64];
    snprintf(what, sizeof what, "%s.t", prefix);
    golden_compare(g, what, 1, log->accepted + 1, log->t, golden_get(g, "%s", what), 1e-5);
    compare_attempts(g, prefix, log);
    if (log->y == NULL) return;
    print_message("%-16s %-26s states differ by %.1e (bound 1e-05)\n", g->name, prefix,
                  log->y_worst / fmax(log->y_scale, 1));
    assert_true(log->y_worst <= 1e-5 * fmax(log->y_scale, 1));
}
