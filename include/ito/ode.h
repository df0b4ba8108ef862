/* SPDX-License-Identifier: Apache-2.0
 *
 * Ordinary differential equations y' = f(t, y): embedded Runge-Kutta pairs with an adaptive step.
 *
 *   1. fill an ito_ode                       who knows f
 *   2. ito_ode_default, set fields           method, tolerances, callbacks
 *   3. ito_ode_solve(&ode, &options, t0, t1, y, ...)      t1 may lie on either side of t0
 *
 * All of y is one system with one step size. The controller is that of SciPy's RK45 and RK23, so that numbers
 * of evaluations can be compared with published ones: the higher-order value is carried on; the error norm is
 * the root mean square over y of error / (atol + rtol max(|y|, |y_new|)), accepted below 1; the next step is
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

typedef struct ito_ode_solver ito_ode_solver; /* opaque */

/* One attempted step from t to t + h (h < 0 backwards), as an observer sees it. */
typedef struct ito_ode_attempt {
    double t, h;
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
    /* Sees every attempt, accepted or not; may be NULL. A status other than ITO_OK stops the solution. */
    ito_status (*observe)(void *self, const ito_ode_attempt *attempt);
    void *observe_self;
    ito_progress progress; /* called after every accepted step with the covered thousandths of [t0, t1] */
} ito_ode_options;

typedef struct ito_ode_report {
    int64_t nfev;               /* evaluations of f */
    int64_t accepted, rejected; /* attempts */
} ito_ode_report;

ito_ode_options ito_ode_default(void);

/* Carries y [dim] from t0 to t1. y is written on success only; report may be NULL. One allocation, before the
 * first step: s + 2 arrays of dim values for a method of s stages.
 * Errors: ARG names the option; NUMERIC when the step vanishes (below 10 units in the last place of t), with
 * time and error norm; the status of a callback comes back unchanged. The result does not depend on
 * the number of threads. Two threads may solve at once. */
ito_status ito_ode_solve(const ito_ode *ode, const ito_ode_options *options, double t0, double t1, double *y,
                         ito_ode_report *report, ito_error *err);

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
