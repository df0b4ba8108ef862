/* SPDX-License-Identifier: Apache-2.0
 *
 * Ordinary differential equations y' = f(t, y): embedded Runge-Kutta pairs with an adaptive step.
 *
 *   1. fill an ito_ode                       who knows f; or an ito_ode_rows, for many systems
 *   2. ito_ode_default, set fields           method, tolerances, callbacks
 *   3. ito_ode_solve(&ode, &options, t0, t1, y, ...)      t1 may lie on either side of t0
 *      ito_ode_solve_rows                                 the same for many systems at once
 *
 * A system has one step size. The controller is that of SciPy's RK45 and RK23, so that numbers of evaluations
 * can be compared with published ones: the higher-order value is carried on; the error norm is the root mean
 * square over y of error / (atol + rtol max(|y|, |y_new|)), accepted below 1; the next step is
 * the last one times 0.9 error^(-1/(q+1)), q the order of the error estimate, within [0.2, 10], and at most 1
 * right after a rejection. First step: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I
 * (1993), II.4. An evaluation is spent on it unless first_step is given.
 */
#ifndef ITO_ODE_H
#define ITO_ODE_H

#include <ito/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_ode {
    void *self;
    int64_t dim; /* values of y, at least 1 */
    /* dydt = f(t, y), both [dim], not overlapping. A status other than ITO_OK stops the solution and comes
     * back unchanged. Values that are not finite make the step be retried at a fifth of its length. */
    ito_status (*rhs)(void *self, double t, const double *y, double *dydt, ito_error *err);
} ito_ode;

/* Independent systems of one size: each has its own time, step and error norm, as if it were solved alone,
 * and leaves when it arrives, so that calls of rhs shrink. */
typedef struct ito_ode_rows {
    void *self;
    int64_t n, dim;       /* systems, and values of each; at least 1 */
    int64_t first_sample; /* what messages add to the index of a system: 0 */
    /* dydt[i] = f(t[i], y[i]) for the m systems under way, 1 <= m <= n; row[i], ascending, says which they
     * are. y and dydt are [m, dim] and do not overlap; t and row [m]. Otherwise as ito_ode's. */
    ito_status (*rhs)(void *self, int64_t m, const int64_t *row, const double *t, const double *y,
                      double *dydt, ito_error *err);
} ito_ode_rows;

typedef struct ito_ode_solver ito_ode_solver; /* opaque */

/* One attempted step from t to t + h (h < 0 backwards), as an observer sees it. */
typedef struct ito_ode_attempt {
    int64_t row; /* index of the system; 0 where there is one */
    double t, h;
    double t_new;  /* t + h, exactly where the next step begins */
    double error;  /* error norm */
    bool accepted; /* error < 1 */
    int64_t dim;
    const double *y, *y_new;      /* [dim] at t, and proposed at t + h; borrowed during the call */
    const ito_ode_solver *solver; /* for ito_ode_interpolate */
} ito_ode_attempt;

/* Dense output: out [dim] = y(t + theta h), 0 <= theta <= 1, inside an attempt while its observer runs. No
 * evaluation is spent. Fourth order for dormand_prince, third (cubic Hermite) for bogacki_shampine. */
void ito_ode_interpolate(const ito_ode_attempt *attempt, double theta, double *out);

typedef struct ito_ode_options {
    const char *method; /* a name of ito_ode_method_name: "dormand_prince" */
    double rtol, atol;  /* 1e-5 both; rtol at least 2.3e-14, atol above 0 */
    double first_step;  /* length of the first step; 0 = chosen */
    double max_step;    /* length of the longest step; 0 = no limit */
    /* Sees every attempt of every system, accepted or not; may be NULL. A status other than ITO_OK stops the
     * solution. */
    ito_status (*observe)(void *self, const ito_ode_attempt *attempt);
    void *observe_self;
    /* Called after every accepted step, or round of steps, with the covered thousandths of [t0, t1] (of many
     * systems, their mean). */
    ito_progress progress;
} ito_ode_options;

typedef struct ito_ode_report {
    int64_t nfev;               /* evaluations of f */
    int64_t accepted, rejected; /* attempts */
} ito_ode_report;

typedef struct ito_ode_rows_report {
    ito_ode_report sum; /* over the systems */
    int64_t calls;      /* of rhs: as many as the nfev of the system that needed most */
} ito_ode_rows_report;

ito_ode_options ito_ode_default(void);

/* Carries y [dim] from t0 to t1. y is written on success only; report may be NULL. All memory is allocated
 * before the first step: s + 3 arrays like y for a method of s stages.
 * Errors: ARG names the option; NUMERIC when the step vanishes (below 10 units in the last place of t), with
 * time and error norm; the status of a callback comes back unchanged. The result does not depend on
 * the number of threads. Two threads may solve at once. */
ito_status ito_ode_solve(const ito_ode *ode, const ito_ode_options *options, double t0, double t1, double *y,
                         ito_ode_report *report, ito_error *err);

/* Carries y [n, dim], one system per row, likewise. each [n] and all may be NULL. Every row gets the numbers
 * and the report that ito_ode_solve gives it alone, bit for bit, whatever the rows beside it, as long as
 * f does not depend on those. All systems under way attempt their steps together. A message of a vanished
 * step names the sample, first_sample + row. */
ito_status ito_ode_solve_rows(const ito_ode_rows *ode, const ito_ode_options *options, double t0, double t1,
                              double *y, ito_ode_report *each, ito_ode_rows_report *all, ito_error *err);

/* The methods by index from 0, NULL past the last, and one sentence on each with its source. */
const char *ito_ode_method_name(int index);
const char *ito_ode_method_summary(int index);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
