/* SPDX-License-Identifier: Apache-2.0
 *
 * The adaptive Runge-Kutta integrator: options checked, arrays allocated, rounds of attempts, callbacks.
 *
 *     while any system is under way:
 *         every such system: one attempt with its own step;  accepted ones move on;  arrived ones leave
 *
 * One system is the case n = 1.
 */
#include "core/memory.h"
#include "dynamics/ode.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double min_rtol = 100 * DBL_EPSILON;

ito_ode_options ito_ode_default(void) {
    return (ito_ode_options){.method = "dormand_prince", .rtol = 1e-5, .atol = 1e-5};
}

static ito_status check_options(const ito_ode_options *o, double t0, double t1, ito_error *err) {
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

static ito_status check(const ito_ode_rows *ode, const ito_ode_options *o, double t0, double t1,
                        ito_error *err) {
    if (ode->n < 1)
        return ito_error_set(err, ITO_E_ARG, "n: is %lld: use at least 1 system", (long long)ode->n);
    if (ode->dim < 1)
        return ito_error_set(err, ITO_E_ARG, "dim: is %lld: use at least 1", (long long)ode->dim);
    if (ode->rhs == NULL)
        return ito_error_set(err, ITO_E_ARG, "rhs: is NULL: set the function that evaluates dy/dt");
    return check_options(o, t0, t1, err);
}

/* Doubles that a run takes; false on overflow. */
static bool count_values(const ito_ode_rows *ode, int stages, size_t *values) {
    const size_t n = (size_t)ode->n, blocks = (size_t)ito__rk_blocks(ode->dim);
    size_t per_row;
    if (!ito__mul_size((size_t)ode->dim, (size_t)stages + 3, &per_row)) return false;
    return ode->n <= INT64_MAX / ode->dim && per_row <= SIZE_MAX - blocks - 4 &&
           ito__mul_size(n, per_row + blocks + 4, values);
}

static ito_status allocate(ito_ode_solver *rk, ito_error *err) {
    const size_t n = (size_t)rk->ode->n;
    size_t values;
    if (!count_values(rk->ode, rk->tableau->stages, &values) ||
        (rk->memory = ito__alloc(values, sizeof(double))) == NULL ||
        (rk->row = ito__alloc(n, sizeof *rk->row)) == NULL ||
        (rk->control = ito__calloc(n, sizeof *rk->control)) == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "ode: no memory for %lld x %lld values: use a smaller batch",
                             (long long)rk->ode->n, (long long)rk->ode->dim);
    const size_t count = n * (size_t)rk->ode->dim;
    double *next = rk->memory;
    double **const array[] = {&rk->y, &rk->y_new, &rk->arrived};
    for (int i = 0; i < 3; i++, next += count) *array[i] = next;
    for (int i = 0; i < rk->tableau->stages; i++, next += count) rk->k[i] = next;
    for (int i = 0; i < 3; i++, next += n) rk->norm[i] = next;
    rk->times = next;
    rk->block_sum = next + n;
    return ITO_OK;
}

/* " of sample 7", or nothing where there is one system only. */
typedef struct who {
    char text[40];
} who;

static who who_is(const ito_ode_solver *rk, int64_t row) {
    who w = {""};
    if (!rk->alone)
        snprintf(w.text, sizeof w.text, " of sample %lld", (long long)(rk->ode->first_sample + row));
    return w;
}

static ito_status vanished(const ito_ode_solver *rk, int64_t row, ito_error *err) {
    const ito__ode_control *c = &rk->control[row];
    return ito_error_set(
        err, ITO_E_NUMERIC,
        "ode: the step%s vanished at t = %.17g after %lld accepted and %lld rejected (error norm %g "
        "at the last): use a larger rtol or atol, or look for a singularity there",
        who_is(rk, row).text, c->t, (long long)c->report.accepted, (long long)c->report.rejected, c->error);
}

static ito_status stopped(const ito_ode_solver *rk, int64_t row, ito_status st, ito_error *err) {
    const ito__ode_control *c = &rk->control[row];
    return ito_error_set(err, st, "ode: a callback stopped it at t = %g%s after %lld steps: run it again",
                         c->t, who_is(rk, row).text, (long long)c->report.accepted);
}

static ito_status show_attempts(const ito_ode_solver *rk, ito_error *err) {
    const ito_ode_options *o = rk->options;
    if (o->observe == NULL) return ITO_OK;
    for (int64_t p = 0; p < rk->active; p++) {
        const int64_t row = rk->row[p], dim = rk->ode->dim;
        const ito__ode_control *c = &rk->control[row];
        const ito_ode_attempt seen = {.row = row,
                                      .t = c->t,
                                      .h = c->h,
                                      .t_new = c->t_new,
                                      .error = c->error,
                                      .accepted = c->error < 1,
                                      .dim = dim,
                                      .y = rk->y + p * dim,
                                      .y_new = rk->y_new + p * dim,
                                      .solver = rk};
        const ito_status st = o->observe(o->observe_self, &seen);
        if (st != ITO_OK) return stopped(rk, row, st, err);
    }
    return ITO_OK;
}

/* The covered share of [t0, t1], the mean over the systems. */
static double covered(const ito_ode_solver *rk) {
    double sum = 0;
    for (int64_t i = 0; i < rk->ode->n; i++)
        sum += (rk->control[i].t - rk->span.t0) / (rk->span.t1 - rk->span.t0);
    return sum / (double)rk->ode->n;
}

static ito_status report_progress(const ito_ode_solver *rk, ito_error *err) {
    const ito_progress *p = &rk->options->progress;
    if (p->report == NULL) return ITO_OK;
    const ito_status st = p->report(p->self, (int64_t)(1000 * covered(rk)), 1000);
    return st == ITO_OK ? ITO_OK : stopped(rk, rk->active > 0 ? rk->row[0] : 0, st, err);
}

/* Judges every attempt. A new state becomes the current one, its derivative (the last stage) the first; what
 * has arrived leaves, and the rest close the gaps. Returns how many were accepted. */
static int64_t settle(ito_ode_solver *rk) {
    const int64_t dim = rk->ode->dim;
    const size_t bytes = (size_t)dim * sizeof(double);
    const double *k_new = rk->k[rk->tableau->stages - 1];
    int64_t kept = 0, accepted = 0;
    for (int64_t p = 0; p < rk->active; p++) {
        const int64_t row = rk->row[p];
        ito__ode_control *c = &rk->control[row];
        const bool moves = ito__ode_judge(&rk->span, c);
        accepted += moves;
        const double *y = (moves ? rk->y_new : rk->y) + p * dim, *k = (moves ? k_new : rk->k[0]) + p * dim;
        if (ito__ode_arrived(&rk->span, c)) {
            memcpy(rk->arrived + row * dim, y, bytes);
            continue;
        }
        if (moves || kept < p) {
            memcpy(rk->y + kept * dim, y, bytes);
            memcpy(rk->k[0] + kept * dim, k, bytes);
        }
        rk->row[kept++] = row;
    }
    rk->active = kept;
    return accepted;
}

/* One attempt of every system under way. */
static ito_status attempt_all(ito_ode_solver *rk, ito_error *err) {
    ito_status st;
    for (int64_t p = 0; p < rk->active; p++)
        if (!ito__ode_plan(&rk->span, &rk->control[rk->row[p]])) return vanished(rk, rk->row[p], err);
    if ((st = ito__rk_attempt(rk, err)) != ITO_OK) return st;
    if ((st = show_attempts(rk, err)) != ITO_OK) return st;
    return settle(rk) > 0 ? report_progress(rk, err) : ITO_OK;
}

/* First derivatives and lengths of the first steps. */
static ito_status begin(ito_ode_solver *rk, const double *y, ito_error *err) {
    const int64_t n = rk->ode->n;
    const size_t bytes = (size_t)n * (size_t)rk->ode->dim * sizeof *y;
    memcpy(rk->y, y, bytes);
    memcpy(rk->arrived, y, bytes);
    for (int64_t i = 0; i < n; i++) {
        rk->row[i] = i;
        rk->control[i].t = rk->span.t0;
        rk->control[i].length = rk->options->first_step;
    }
    rk->active = n;
    const ito_status st = ito__rk_evaluate(rk, 0, rk->y, rk->k[0], err);
    if (st != ITO_OK || rk->options->first_step > 0) return st;
    return ito__rk_first_step(rk, err);
}

static void write_reports(const ito_ode_solver *rk, ito_ode_report *each, ito_ode_rows_report *all) {
    ito_ode_rows_report sums = {.calls = rk->calls};
    for (int64_t i = 0; i < rk->ode->n; i++) {
        const ito_ode_report *r = &rk->control[i].report;
        if (each != NULL) each[i] = *r;
        sums.sum.nfev += r->nfev;
        sums.sum.accepted += r->accepted;
        sums.sum.rejected += r->rejected;
    }
    if (all != NULL) *all = sums;
}

static ito_status solve(const ito_ode_rows *ode, bool alone, const ito_ode_options *options, double t0,
                        double t1, double *y, ito_ode_report *each, ito_ode_rows_report *all,
                        ito_error *err) {
    ito_ode_solver rk = {.ode = ode,
                         .alone = alone,
                         .options = options,
                         .span = {.t0 = t0,
                                  .t1 = t1,
                                  .direction = t1 < t0 ? -1 : 1,
                                  .max_step = options->max_step > 0 ? options->max_step : HUGE_VAL}};
    ito_status st;
    if ((st = check(ode, options, t0, t1, err)) != ITO_OK) goto done;
    if ((st = ito__tableau_find(options->method, &rk.tableau, err)) != ITO_OK) goto done;
    rk.span.error_order = rk.tableau->error_order;
    if ((st = allocate(&rk, err)) != ITO_OK) goto done;

    if ((st = begin(&rk, y, err)) != ITO_OK) goto done;
    if (t0 == t1) rk.active = 0;
    while (rk.active > 0)
        if ((st = attempt_all(&rk, err)) != ITO_OK) goto done;

    memcpy(y, rk.arrived, (size_t)ode->n * (size_t)ode->dim * sizeof *y);
    write_reports(&rk, each, all);
done:
    ito__free(rk.control);
    ito__free(rk.row);
    ito__free(rk.memory);
    return st;
}

ito_status ito_ode_solve_rows(const ito_ode_rows *ode, const ito_ode_options *options, double t0, double t1,
                              double *y, ito_ode_report *each, ito_ode_rows_report *all, ito_error *err) {
    return solve(ode, false, options, t0, t1, y, each, all, err);
}

static ito_status one_row(void *self, int64_t m, const int64_t *row, const double *t, const double *y,
                          double *dydt, ito_error *err) {
    const ito_ode *ode = self;
    (void)m, (void)row;
    return ode->rhs(ode->self, t[0], y, dydt, err);
}

ito_status ito_ode_solve(const ito_ode *ode, const ito_ode_options *options, double t0, double t1, double *y,
                         ito_ode_report *report, ito_error *err) {
    ito_ode one = *ode;
    const ito_ode_rows rows = {
        .self = &one, .n = 1, .dim = ode->dim, .rhs = ode->rhs == NULL ? NULL : one_row};
    return solve(&rows, true, options, t0, t1, y, report, NULL, err);
}
