/* SPDX-License-Identifier: Apache-2.0
 *
 * What sampling, encoding, likelihood and the adaptive SDE solver share: checked score calls for samples that
 * each have their own time, the drift of the probability-flow ODE, and its solution.
 */
#ifndef ITO_DYNAMICS_FLOW_H
#define ITO_DYNAMICS_FLOW_H

#include <ito/flow.h>

typedef struct ito__flow {
    ito_sde sde;
    const ito_score *score; /* borrowed */
    int64_t n, dim, first_sample;
    const int64_t *steps; /* [n] by sample, from 1, for messages: those of the ODE solver, `counted` */
    int64_t *counted;     /* [n] */
    int64_t *all;         /* [n] 0, 1, ..; owns counted too */
    double *times;        /* [n] */
    double *f1, *half_g2; /* [n] f1(t) and g(t)^2 / 2 of the rows of the last ito__flow_coefficients */
    double *memory;       /* owns the doubles */
    int64_t nfe, vjps;    /* calls */
} ito__flow;

/* The samples of one call: row p of its arrays is sample row[p] of the batch, at time t[p]. */
typedef struct ito__rows {
    int64_t m;
    const int64_t *row;
    const double *t;
} ito__rows;

/* Checks what every run has and allocates the arrays. *eps = 0 becomes the SDE's sampling eps.
 * ito__flow_close also after a failure. */
ito_status ito__flow_open(ito__flow *flow, const ito_sde *sde, const ito_score *score, int64_t n,
                          int64_t first_sample, double *eps, ito_error *err);
void ito__flow_close(ito__flow *flow);

/* The whole batch at one time. */
ito__rows ito__flow_all(ito__flow *flow, double t);
/* x [n, dim] from the prior: its stream, or `noise` unless NULL. */
void ito__flow_prior(const ito__flow *flow, uint64_t seed, double temperature, const double *noise,
                     double *x);

/* s [m, dim] = score(x, t); NUMERIC with step, time and sample unless finite. */
ito_status ito__flow_score(ito__flow *flow, ito__rows at, const double *x, double *s, ito_error *err);
/* out = v^T ds/dx, likewise. */
ito_status ito__flow_vjp(ito__flow *flow, ito__rows at, const double *x, const double *v, double *out,
                         ito_error *err);
/* Both, in one go where the score can. */
ito_status ito__flow_score_vjp(ito__flow *flow, ito__rows at, const double *x, const double *v, double *s,
                               double *out, ito_error *err);
/* Fills f1 and half_g2. */
void ito__flow_coefficients(ito__flow *flow, ito__rows at);
/* dxdt = f1 x - g^2 s / 2, of the score s in dxdt; fills f1 and half_g2. */
void ito__flow_drift_of_score(ito__flow *flow, ito__rows at, const double *x, double *dxdt);
/* The same with the score evaluated. */
ito_status ito__flow_drift(ito__flow *flow, ito__rows at, const double *x, double *dxdt, ito_error *err);

/* Carries y [n, rows->dim] from t0 to t1: each sample with its own step, or all as one system. Adds to the
 * report what the solver spent. */
ito_status ito__flow_solve(ito__flow *flow, const ito_ode_rows *rows, bool per_sample,
                           const ito_ode_options *options, double t0, double t1, double *y,
                           ito_flow_report *report, ito_error *err);

#endif
