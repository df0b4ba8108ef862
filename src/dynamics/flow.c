/* SPDX-License-Identifier: Apache-2.0
 *
 * The probability-flow ODE dx = [f1(t) x - g(t)^2 s(x, t) / 2] dt.  [SDE] Eq 13.
 */
#include "dynamics/flow.h"

#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/pc.h"
#include "dynamics/sde.h"

#include <math.h>

ito_status ito__flow_open(ito__flow *flow, const ito_sde *sde, const ito_score *score, int64_t n,
                          int64_t first_sample, double *eps, ito_error *err) {
    *flow = (ito__flow){.sde = *sde, .score = score, .n = n, .dim = score->dim, .first_sample = first_sample};
    const ito_status st = ito__check_run(sde, score, n, first_sample, eps, err);
    if (st != ITO_OK) return st;
    if (n > INT64_MAX / flow->dim || (flow->all = ito__alloc((size_t)n, 2 * sizeof *flow->all)) == NULL ||
        (flow->memory = ito__alloc((size_t)n, 3 * sizeof(double))) == NULL)
        return ito__no_memory(n, flow->dim, err);
    flow->steps = flow->counted = flow->all + n;
    for (int64_t k = 0; k < n; k++) {
        flow->all[k] = k;
        flow->counted[k] = 1;
    }
    flow->times = flow->memory;
    flow->f1 = flow->times + n;
    flow->half_g2 = flow->f1 + n;
    return ITO_OK;
}

void ito__flow_close(ito__flow *flow) {
    ito__free(flow->memory);
    ito__free(flow->all);
    *flow = (ito__flow){0};
}

ito__rows ito__flow_all(ito__flow *flow, double t) {
    for (int64_t k = 0; k < flow->n; k++) flow->times[k] = t;
    return (ito__rows){flow->n, flow->all, flow->times};
}

void ito__flow_prior(const ito__flow *flow, uint64_t seed, double temperature, const double *noise,
                     double *x) {
    ito__philox philox = {.seed = seed, .first_sample = flow->first_sample};
    ito__sde_draw_prior(&flow->sde, ito__philox_noise(&philox), temperature, noise, flow->n, flow->dim, x);
}

static ito_status check_finite(const ito__flow *flow, const char *what, ito__rows at, const double *v,
                               ito_error *err) {
    const int64_t bad = ito__first_bad_row(at.m, flow->dim, v);
    if (bad == at.m) return ITO_OK;
    const double *row = v + bad * flow->dim;
    int64_t j = 0;
    while (isfinite(row[j])) j++;
    return ito_error_set(err, ITO_E_NUMERIC,
                         "%s: is %g for sample %lld at step %lld (t = %g): check the score, or its network's "
                         "weights, at that time",
                         what, row[j], (long long)(flow->first_sample + at.row[bad]),
                         (long long)flow->steps[at.row[bad]], at.t[bad]);
}

ito_status ito__flow_score(ito__flow *flow, ito__rows at, const double *x, double *s, ito_error *err) {
    const ito_status st = flow->score->eval(flow->score->self, at.m, x, at.t, s, err);
    if (st != ITO_OK) return st;
    flow->nfe++;
    return check_finite(flow, "score", at, s, err);
}

ito_status ito__flow_vjp(ito__flow *flow, ito__rows at, const double *x, const double *v, double *out,
                         ito_error *err) {
    const ito_status st = flow->score->vjp(flow->score->self, at.m, x, at.t, v, out, err);
    if (st != ITO_OK) return st;
    flow->vjps++;
    return check_finite(flow, "score's vjp", at, out, err);
}

ito_status ito__flow_score_vjp(ito__flow *flow, ito__rows at, const double *x, const double *v, double *s,
                               double *out, ito_error *err) {
    const ito_score *score = flow->score;
    if (score->eval_vjp == NULL) {
        const ito_status st = ito__flow_score(flow, at, x, s, err);
        return st == ITO_OK ? ito__flow_vjp(flow, at, x, v, out, err) : st;
    }
    ito_status st = score->eval_vjp(score->self, at.m, x, at.t, v, s, out, err);
    if (st != ITO_OK) return st;
    flow->nfe++;
    flow->vjps++;
    if ((st = check_finite(flow, "score", at, s, err)) != ITO_OK) return st;
    return check_finite(flow, "score's vjp", at, out, err);
}

/* Neighbours often share their time, and a user's f1 and g may cost. */
void ito__flow_coefficients(ito__flow *flow, ito__rows at) {
    for (int64_t p = 0; p < at.m; p++) {
        if (p > 0 && at.t[p] == at.t[p - 1]) {
            flow->f1[p] = flow->f1[p - 1];
            flow->half_g2[p] = flow->half_g2[p - 1];
            continue;
        }
        const double g = ito_sde_diffusion(&flow->sde, at.t[p]);
        flow->f1[p] = ito_sde_drift(&flow->sde, at.t[p]);
        flow->half_g2[p] = g * g / 2;
    }
}

void ito__flow_drift_of_score(ito__flow *flow, ito__rows at, const double *x, double *dxdt) {
    ito__flow_coefficients(flow, at);
    const int64_t dim = flow->dim;
#pragma omp parallel for schedule(static) if (at.m * dim > ITO__PARALLEL_VALUES)
    for (int64_t p = 0; p < at.m; p++) {
        const double f1 = flow->f1[p], half_g2 = flow->half_g2[p];
        for (int64_t j = p * dim; j < (p + 1) * dim; j++) dxdt[j] = f1 * x[j] - half_g2 * dxdt[j];
    }
}

ito_status ito__flow_drift(ito__flow *flow, ito__rows at, const double *x, double *dxdt, ito_error *err) {
    const ito_status st = ito__flow_score(flow, at, x, dxdt, err);
    if (st == ITO_OK) ito__flow_drift_of_score(flow, at, x, dxdt);
    return st;
}

/* The batch as one system. */
typedef struct batch {
    ito__flow *flow;
    const ito_ode_rows *rows;
} batch;

static ito_status batch_rhs(void *self, double t, const double *y, double *dydt, ito_error *err) {
    const batch *b = self;
    const ito__rows at = ito__flow_all(b->flow, t);
    return b->rows->rhs(b->rows->self, at.m, at.row, at.t, y, dydt, err);
}

/* Counts steps for messages, beside the caller's own observer. */
typedef struct counter {
    ito__flow *flow;
    const ito_ode_options *options;
    bool per_sample;
} counter;

static ito_status count_step(void *self, const ito_ode_attempt *seen) {
    const counter *c = self;
    const int64_t first = c->per_sample ? seen->row : 0, last = c->per_sample ? seen->row + 1 : c->flow->n;
    for (int64_t k = first; k < last && seen->accepted; k++) c->flow->counted[k]++;
    return c->options->observe != NULL ? c->options->observe(c->options->observe_self, seen) : ITO_OK;
}

ito_status ito__flow_solve(ito__flow *flow, const ito_ode_rows *rows, bool per_sample,
                           const ito_ode_options *options, double t0, double t1, double *y,
                           ito_flow_report *report, ito_error *err) {
    counter counted = {flow, options, per_sample};
    ito_ode_options watched = *options;
    watched.observe = count_step;
    watched.observe_self = &counted;
    ito_status st;
    if (per_sample) {
        ito_ode_rows_report all;
        if ((st = ito_ode_solve_rows(rows, &watched, t0, t1, y, NULL, &all, err)) != ITO_OK) return st;
        report->ode = all.sum;
        report->nfe_mean += (double)all.sum.nfev / (double)rows->n;
        return ITO_OK;
    }
    batch whole = {flow, rows};
    const bool fits = rows->n <= INT64_MAX / rows->dim;
    const ito_ode ode = {.self = &whole, .dim = fits ? rows->n * rows->dim : INT64_MAX, .rhs = batch_rhs};
    if ((st = ito_ode_solve(&ode, &watched, t0, t1, y, &report->ode, err)) != ITO_OK) return st;
    report->nfe_mean += (double)report->ode.nfev;
    return ITO_OK;
}
