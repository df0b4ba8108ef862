/* SPDX-License-Identifier: Apache-2.0
 *
 * The Dormand-Prince integrator takes the steps of SciPy's RK45: the same attempts with the same outcome on
 * eight problems at five tolerances, final states to 1e-8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "solver_log.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { tolerances = 5, dim_max = 48 };

typedef struct problem {
    const char *name, *parameters;
    ito_status (*rhs)(void *self, double t, const double *y, double *dydt, ito_error *err);
} problem;

/* self of each: the recorded parameters. */
static ito_status decay(void *self, double t, const double *y, double *dydt, ito_error *err) {
    const double *lambda = self;
    (void)t, (void)err;
    for (int j = 0; j < 3; j++) dydt[j] = -lambda[0] * y[j];
    return ITO_OK;
}

static ito_status lotka_volterra(void *self, double t, const double *y, double *dydt, ito_error *err) {
    const double *p = self;
    (void)t, (void)err;
    dydt[0] = p[0] * y[0] - p[1] * y[0] * y[1];
    dydt[1] = -p[2] * y[1] + p[3] * y[0] * y[1];
    return ITO_OK;
}

static ito_status van_der_pol(void *self, double t, const double *y, double *dydt, ito_error *err) {
    const double *mu = self;
    (void)t, (void)err;
    dydt[0] = y[1];
    dydt[1] = mu[0] * (1 - y[0] * y[0]) * y[1] - y[0];
    return ITO_OK;
}

static ito_status linear(void *self, double t, const double *y, double *dydt, ito_error *err) {
    const double *A = self;
    (void)t, (void)err;
    for (int i = 0; i < dim_max; i++) {
        dydt[i] = 0;
        for (int j = 0; j < dim_max; j++) dydt[i] += A[i * dim_max + j] * y[j];
    }
    return ITO_OK;
}

static ito_status cosine(void *self, double t, const double *y, double *dydt, ito_error *err) {
    const double *omega = self;
    (void)y, (void)err;
    dydt[0] = cos(omega[0] * t);
    return ITO_OK;
}

static ito_status constant(void *self, double t, const double *y, double *dydt, ito_error *err) {
    (void)self, (void)t, (void)y, (void)err;
    dydt[0] = dydt[1] = 0;
    return ITO_OK;
}

static void compare(const golden_file *g, const problem *p, int tolerance) {
    char prefix[32], what[48];
    snprintf(prefix, sizeof prefix, "%s.tol%d", p->name, tolerance);
    static solver_log log;
    ito_ode_options options = solver_log_options(g, prefix, "y", &log);
    if (strcmp(p->name, "decay_h") == 0) {
        options.first_step = golden_get(g, "decay_h.first_step")[0];
        options.max_step = golden_get(g, "decay_h.max_step")[0];
    }
    double parameters[dim_max * dim_max] = {0}, y[dim_max];
    int64_t size = 0, dim = 0;
    const double *recorded = p->parameters != NULL ? golden_find(g, p->parameters, &size) : NULL;
    if (recorded != NULL) memcpy(parameters, recorded, (size_t)size * sizeof *recorded);
    snprintf(what, sizeof what, "%s.y0", p->name);
    const double *y0 = golden_find(g, what, &dim);
    memcpy(y, y0, (size_t)dim * sizeof *y);

    const ito_ode ode = {.self = parameters, .dim = dim, .rhs = p->rhs};
    ito_ode_report report;
    ito_error err;
    if (ito_ode_solve(&ode, &options, golden_get(g, "%s.t0", p->name)[0], golden_get(g, "%s.t1", p->name)[0],
                      y, &report, &err) != ITO_OK)
        fail_msg("%s", err.message);
    solver_log_compare(g, prefix, &log, &report);
    snprintf(what, sizeof what, "%s.y_final", prefix);
    golden_compare(g, what, 1, dim, y, golden_get(g, "%s", what), 1e-8);
}

static void steps_are_those_of_scipy(void **state) {
    (void)state;
    const problem problems[] = {{"decay", "decay.lambda", decay},    {"lv", "lv.params", lotka_volterra},
                                {"vdp", "vdp.mu", van_der_pol},      {"linear", "linear.A", linear},
                                {"linear_back", "linear.A", linear}, {"cosine", "cosine.omega", cosine},
                                {"constant", NULL, constant},        {"decay_h", "decay.lambda", decay}};
    static golden_file g;
    golden_load("rk45", &g);
    for (size_t p = 0; p < sizeof problems / sizeof problems[0]; p++)
        for (int tolerance = 0; tolerance < tolerances; tolerance++) compare(&g, &problems[p], tolerance);
    golden_close(&g);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_are_those_of_scipy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
