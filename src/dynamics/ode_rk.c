/* SPDX-License-Identifier: Apache-2.0
 *
 * The adaptive Runge-Kutta integrator: stages, error norm, step controller.
 *
 * Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.4; constants of
 * the controller as in SciPy's RK45. Vectors are worked on in blocks, in parallel; each block's sum runs in a
 * fixed order and the blocks' sums are added in order, so results do not depend on the thread count.
 */
#include "core/memory.h"
#include "dynamics/noise.h"
#include "dynamics/ode.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { block_values = 512 };

static const double safety = 0.9, min_factor = 0.2, max_factor = 10;
static const double min_rtol = 100 * DBL_EPSILON;

struct ito_ode_solver {
    const ito__tableau *tableau;
    const ito_ode *ode;
    const ito_ode_options *options;
    double t, t0, t1, direction; /* direction: +1 or -1 */
    double max_step, length;     /* |h|: limit, and of the next attempt */
    double *y, *y_new;           /* [dim] */
    double *k[ITO__RK_STAGES];   /* [dim] each; k[0] = f(t, y) */
    double *block_sum;           /* [blocks] */
    double *memory;              /* owns all of them */
    ito_ode_report report;
};

ito_ode_options ito_ode_default(void) {
    return (ito_ode_options){.method = "dormand_prince", .rtol = 1e-5, .atol = 1e-5};
}

static int64_t block_count(int64_t dim) {
    return (dim - 1) / block_values + 1;
}

static int64_t block_size(int64_t dim, int64_t first) {
    return dim - first < block_values ? dim - first : block_values;
}

/* out = sum_j w_j v_j on the block that begins at `first`. */
static void combine(int64_t first, int64_t size, int count, const double *w, double *const *v,
                    double *restrict out) {
    for (int64_t e = 0; e < size; e++) out[e] = 0;
    for (int j = 0; j < count; j++) {
        if (w[j] == 0) continue;
        const double *restrict vj = v[j] + first;
        for (int64_t e = 0; e < size; e++) out[e] += w[j] * vj[e];
    }
}

/* y_new = y + h sum_j w_j k_j over the first `count` stages. */
static void advance(ito_ode_solver *rk, double h, int count, const double *w) {
    const int64_t dim = rk->ode->dim;
#pragma omp parallel for schedule(static) if (dim > ITO__PARALLEL_VALUES)
    for (int64_t first = 0; first < dim; first += block_values) {
        const int64_t size = block_size(dim, first);
        double slope[block_values];
        combine(first, size, count, w, rk->k, slope);
        for (int64_t e = 0; e < size; e++) rk->y_new[first + e] = rk->y[first + e] + h * slope[e];
    }
}

/* RMS over all components of sum_j w_j v_j / (atol + rtol max(|y|, |z|)). */
static double scaled_norm(ito_ode_solver *rk, int count, const double *w, double *const *v, const double *z) {
    const int64_t dim = rk->ode->dim, blocks = block_count(dim);
    const double rtol = rk->options->rtol, atol = rk->options->atol;
#pragma omp parallel for schedule(static) if (dim > ITO__PARALLEL_VALUES)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t first = b * block_values, size = block_size(dim, first);
        double value[block_values], sum = 0;
        combine(first, size, count, w, v, value);
        for (int64_t e = 0; e < size; e++) {
            const double scale = atol + rtol * fmax(fabs(rk->y[first + e]), fabs(z[first + e]));
            sum += value[e] / scale * (value[e] / scale);
        }
        rk->block_sum[b] = sum;
    }
    double sum = 0;
    for (int64_t b = 0; b < blocks; b++) sum += rk->block_sum[b];
    return sqrt(sum / (double)dim);
}

static ito_status evaluate(ito_ode_solver *rk, double t, const double *y, double *dydt, ito_error *err) {
    rk->report.nfev++;
    return rk->ode->rhs(rk->ode->self, t, y, dydt, err);
}

/* Hairer, Norsett and Wanner, II.4, "Starting step size": h such that the first neglected term of an Euler
 * step, estimated from a trial one, is about 1/100 of the tolerance. */
static ito_status choose_first_step(ito_ode_solver *rk, ito_error *err) {
    const double one = 1, difference[2] = {-1, 1};
    const double d0 = scaled_norm(rk, 1, &one, &rk->y, rk->y);
    const double d1 = scaled_norm(rk, 1, &one, rk->k, rk->y);
    /* Where f is tiny at first the trial step would leave [t0, t1], outside of which f may mean nothing. */
    const double h0 = fmin(d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1, fabs(rk->t1 - rk->t0));

    advance(rk, rk->direction * h0, 1, &one);
    const ito_status st = evaluate(rk, rk->t + rk->direction * h0, rk->y_new, rk->k[1], err);
    if (st != ITO_OK) return st;
    const double d2 = scaled_norm(rk, 2, difference, rk->k, rk->y) / h0;

    const double h1 = d1 <= 1e-15 && d2 <= 1e-15
                          ? fmax(1e-6, 1e-3 * h0)
                          : pow(0.01 / fmax(d1, d2), 1.0 / (rk->tableau->error_order + 1));
    rk->length = fmin(100 * h0, h1);
    return ITO_OK;
}

/* All stages of a step of h, the new state and its error norm. */
static ito_status attempt(ito_ode_solver *rk, double h, double *error, ito_error *err) {
    const ito__tableau *m = rk->tableau;
    ito_status st;
    for (int i = 1; i < m->stages; i++) {
        advance(rk, h, i, m->a[i]);
        if ((st = evaluate(rk, rk->t + m->c[i] * h, rk->y_new, rk->k[i], err)) != ITO_OK) return st;
    }
    *error = fabs(h) * scaled_norm(rk, m->stages, m->e, rk->k, rk->y_new);
    return ITO_OK;
}

static ito_status stopped(const ito_ode_solver *rk, ito_status st, ito_error *err) {
    return ito_error_set(err, st, "ode: a callback stopped it at t = %g after %lld steps: run it again",
                         rk->t, (long long)rk->report.accepted);
}

static ito_status show_attempt(const ito_ode_solver *rk, double h, double error, ito_error *err) {
    const ito_ode_options *o = rk->options;
    if (o->observe == NULL) return ITO_OK;
    const ito_ode_attempt seen = {.t = rk->t,
                                  .h = h,
                                  .error = error,
                                  .accepted = error < 1,
                                  .dim = rk->ode->dim,
                                  .y = rk->y,
                                  .y_new = rk->y_new,
                                  .solver = rk};
    const ito_status st = o->observe(o->observe_self, &seen);
    return st == ITO_OK ? ITO_OK : stopped(rk, st, err);
}

static ito_status report_progress(const ito_ode_solver *rk, ito_error *err) {
    const ito_progress *p = &rk->options->progress;
    if (p->report == NULL) return ITO_OK;
    const double covered = (rk->t - rk->t0) / (rk->t1 - rk->t0);
    const ito_status st = p->report(p->self, (int64_t)(1000 * covered), 1000);
    return st == ITO_OK ? ITO_OK : stopped(rk, st, err);
}

/* The new state becomes the current one; its derivative, the last stage, the first. */
static void accept(ito_ode_solver *rk, double t_new) {
    const int last = rk->tableau->stages - 1;
    double *const y = rk->y, *const k = rk->k[0];
    rk->y = rk->y_new;
    rk->y_new = y;
    rk->k[0] = rk->k[last];
    rk->k[last] = k;
    rk->t = t_new;
    rk->report.accepted++;
}

/* Attempts until one is accepted; chooses the length of the next. A NaN error counts as a rejection. */
static ito_status step(ito_ode_solver *rk, ito_error *err) {
    const double exponent = -1.0 / (rk->tableau->error_order + 1);
    const double shortest = 10 * fabs(nextafter(rk->t, rk->direction * HUGE_VAL) - rk->t);
    double length = fmin(fmax(rk->length, shortest), rk->max_step), error = 0, largest = max_factor;
    ito_status st;
    for (;;) {
        if (!(length >= shortest))
            return ito_error_set(
                err, ITO_E_NUMERIC,
                "ode: the step vanished at t = %.17g after %lld accepted and %lld rejected (error norm %g "
                "at the last): use a larger rtol or atol, or look for a singularity there",
                rk->t, (long long)rk->report.accepted, (long long)rk->report.rejected, error);
        double t_new = rk->t + rk->direction * length;
        if (rk->direction * (t_new - rk->t1) > 0) t_new = rk->t1;
        const double h = t_new - rk->t;

        if ((st = attempt(rk, h, &error, err)) != ITO_OK) return st;
        if ((st = show_attempt(rk, h, error, err)) != ITO_OK) return st;
        const double factor = safety * pow(error, exponent);
        if (error < 1) {
            rk->length = fabs(h) * fmin(largest, factor);
            accept(rk, t_new);
            return report_progress(rk, err);
        }
        length = fabs(h) * fmax(min_factor, factor);
        largest = 1;
        rk->report.rejected++;
    }
}

void ito_ode_interpolate(const ito_ode_attempt *seen, double theta, double *out) {
    const ito_ode_solver *rk = seen->solver;
    const ito__tableau *m = rk->tableau;
    const double h = seen->h, rest = 1 - theta;
    for (int64_t first = 0; first < seen->dim; first += block_values) {
        const int64_t size = block_size(seen->dim, first);
        double quartic[block_values];
        combine(first, size, m->stages, m->dense, rk->k, quartic);
        for (int64_t e = 0; e < size; e++) {
            const double y = seen->y[first + e], rise = seen->y_new[first + e] - y;
            const double begin = h * rk->k[0][first + e] - rise;
            const double end = rise - h * rk->k[m->stages - 1][first + e];
            out[first + e] =
                y + theta * (rise + rest * (begin + theta * (end - begin + rest * h * quartic[e])));
        }
    }
}

static ito_status check(const ito_ode *ode, const ito_ode_options *o, double t0, double t1, ito_error *err) {
    if (ode->dim < 1)
        return ito_error_set(err, ITO_E_ARG, "dim: is %lld: use at least 1", (long long)ode->dim);
    if (ode->rhs == NULL)
        return ito_error_set(err, ITO_E_ARG, "rhs: is NULL: set the function that evaluates dy/dt");
    if (!isfinite(t0)) return ito_error_set(err, ITO_E_ARG, "t0: is %g: use a finite time", t0);
    if (!isfinite(t1)) return ito_error_set(err, ITO_E_ARG, "t1: is %g: use a finite time", t1);
    if (!(o->rtol >= min_rtol && isfinite(o->rtol)))
        return ito_error_set(err, ITO_E_ARG, "rtol: is %g: use at least %.2g, such as 1e-5", o->rtol,
                             min_rtol);
    if (!(o->atol > 0 && isfinite(o->atol)))
        return ito_error_set(err, ITO_E_ARG, "atol: is %g: use a positive number, such as 1e-5", o->atol);
    if (!(o->first_step >= 0 && isfinite(o->first_step)))
        return ito_error_set(err, ITO_E_ARG, "first_step: is %g: use a length, or 0 to have it chosen",
                             o->first_step);
    if (!(o->max_step >= 0))
        return ito_error_set(err, ITO_E_ARG, "max_step: is %g: use a length, or 0 for no limit", o->max_step);
    return ITO_OK;
}

static ito_status allocate(ito_ode_solver *rk, ito_error *err) {
    const size_t dim = (size_t)rk->ode->dim, blocks = (size_t)block_count(rk->ode->dim);
    size_t values;
    if (!ito__mul_size(dim, (size_t)rk->tableau->stages + 2, &values) || values + blocks < values ||
        (rk->memory = ito__alloc(values + blocks, sizeof(double))) == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "ode: no memory for %lld values: use a smaller batch",
                             (long long)rk->ode->dim);
    rk->y = rk->memory;
    rk->y_new = rk->y + dim;
    for (int i = 0; i < rk->tableau->stages; i++) rk->k[i] = rk->y_new + (size_t)(i + 1) * dim;
    rk->block_sum = rk->memory + values;
    return ITO_OK;
}

ito_status ito_ode_solve(const ito_ode *ode, const ito_ode_options *options, double t0, double t1, double *y,
                         ito_ode_report *report, ito_error *err) {
    ito_ode_solver rk = {.ode = ode,
                         .options = options,
                         .t = t0,
                         .t0 = t0,
                         .t1 = t1,
                         .direction = t1 < t0 ? -1 : 1,
                         .max_step = options->max_step > 0 ? options->max_step : HUGE_VAL,
                         .length = options->first_step};
    const size_t bytes = (size_t)ode->dim * sizeof *y;
    ito_status st;
    if ((st = check(ode, options, t0, t1, err)) != ITO_OK) goto done;
    if ((st = ito__tableau_find(options->method, &rk.tableau, err)) != ITO_OK) goto done;
    if ((st = allocate(&rk, err)) != ITO_OK) goto done;

    memcpy(rk.y, y, bytes);
    if ((st = evaluate(&rk, t0, rk.y, rk.k[0], err)) != ITO_OK) goto done;
    if (rk.length == 0 && (st = choose_first_step(&rk, err)) != ITO_OK) goto done;
    while (rk.t != t1)
        if ((st = step(&rk, err)) != ITO_OK) goto done;

    memcpy(y, rk.y, bytes);
    if (report != NULL) *report = rk.report;
done:
    ito__free(rk.memory);
    return st;
}
