/* SPDX-License-Identifier: Apache-2.0
 *
 * The probability-flow ODE dx = [f1(t) x - g(t)^2 s(x, t) / 2] dt.  [SDE] Eq 13.
 */
#include "dynamics/flow.h"

#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/pc.h"

#include <math.h>

ito_status ito__flow_open(ito__flow *flow, const ito_sde *sde, const ito_score *score, int64_t n,
                          int64_t first_sample, double *eps, ito_error *err) {
    *flow = (ito__flow){.sde = *sde, .score = score, .n = n, .dim = score->dim, .first_sample = first_sample};
    const ito_status st = ito__check_run(sde, score, n, first_sample, eps, err);
    if (st != ITO_OK) return st;
    flow->times = n <= INT64_MAX / flow->dim ? ito__alloc((size_t)n, sizeof(double)) : NULL;
    return flow->times != NULL ? ITO_OK : ito__no_memory(n, flow->dim, err);
}

void ito__flow_close(ito__flow *flow) {
    ito__free(flow->times);
    *flow = (ito__flow){0};
}

static void set_times(ito__flow *flow, double t) {
    for (int64_t k = 0; k < flow->n; k++) flow->times[k] = t;
}

static ito_status check_finite(const ito__flow *flow, const char *what, double t, const double *v,
                               ito_error *err) {
    const int64_t bad = ito__first_bad_row(flow->n, flow->dim, v);
    if (bad == flow->n) return ITO_OK;
    const double *row = v + bad * flow->dim;
    int64_t j = 0;
    while (isfinite(row[j])) j++;
    return ito_error_set(err, ITO_E_NUMERIC,
                         "%s: is %g for sample %lld at t = %g: check the score, or its network's weights, "
                         "at that time",
                         what, row[j], (long long)(flow->first_sample + bad), t);
}

ito_status ito__flow_score(ito__flow *flow, double t, const double *x, double *s, ito_error *err) {
    set_times(flow, t);
    const ito_status st = flow->score->eval(flow->score->self, flow->n, x, flow->times, s, err);
    if (st != ITO_OK) return st;
    flow->nfe++;
    return check_finite(flow, "score", t, s, err);
}

ito_status ito__flow_vjp(ito__flow *flow, double t, const double *x, const double *v, double *out,
                         ito_error *err) {
    set_times(flow, t);
    const ito_status st = flow->score->vjp(flow->score->self, flow->n, x, flow->times, v, out, err);
    if (st != ITO_OK) return st;
    flow->vjps++;
    return check_finite(flow, "score's vjp", t, out, err);
}

ito_status ito__flow_drift(ito__flow *flow, double t, const double *x, double *dxdt, ito_error *err) {
    const ito_status st = ito__flow_score(flow, t, x, dxdt, err);
    if (st != ITO_OK) return st;
    const double f1 = ito_sde_drift(&flow->sde, t), g = ito_sde_diffusion(&flow->sde, t);
    const int64_t count = flow->n * flow->dim;
#pragma omp parallel for simd schedule(static) if (count > ITO__PARALLEL_VALUES)
    for (int64_t j = 0; j < count; j++) dxdt[j] = f1 * x[j] - g * g / 2 * dxdt[j];
    return ITO_OK;
}
