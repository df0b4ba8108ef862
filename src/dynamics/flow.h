/* SPDX-License-Identifier: Apache-2.0
 *
 * The right-hand side that sampling, encoding and likelihood share: the drift of the probability-flow ODE.
 */
#ifndef ITO_DYNAMICS_FLOW_H
#define ITO_DYNAMICS_FLOW_H

#include <ito/flow.h>

typedef struct ito__flow {
    ito_sde sde;
    const ito_score *score; /* borrowed */
    int64_t n, dim, first_sample;
    double *times; /* [n] */
    int64_t nfe, vjps;
} ito__flow;

/* Checks what every run has and allocates `times`. *eps = 0 becomes the SDE's sampling eps. ito__flow_close
 * also after a failure. */
ito_status ito__flow_open(ito__flow *flow, const ito_sde *sde, const ito_score *score, int64_t n,
                          int64_t first_sample, double *eps, ito_error *err);
void ito__flow_close(ito__flow *flow);

/* s [n, dim] = score(x, t); NUMERIC with time and sample unless finite. */
ito_status ito__flow_score(ito__flow *flow, double t, const double *x, double *s, ito_error *err);
/* out = v^T ds/dx, likewise. */
ito_status ito__flow_vjp(ito__flow *flow, double t, const double *x, const double *v, double *out,
                         ito_error *err);
/* dxdt = f1 x - g^2 s / 2. */
ito_status ito__flow_drift(ito__flow *flow, double t, const double *x, double *dxdt, ito_error *err);

#endif
