/* SPDX-License-Identifier: Apache-2.0
 *
 * The adaptive solver of the reverse SDE.  [GGF] Algorithm 1.
 *
 *     while t > eps:
 *         z ~ N(0, I)
 *         x'  = x - h f(x, t)      + h g(t)^2 s(x, t)           + sqrt(h) g(t) z
 *         x~  = x - h f(x', t - h) + h g(t - h)^2 s(x', t - h)  + sqrt(h) g(t - h) z
 *         x'' = (x' + x~) / 2
 *         E   = | (x' - x'') / max(atol, rtol max(|x'|, |x'_prev|)) |
 *         if E <= 1:  x = x'',  t = t - h,  x'_prev = x'
 *         h   = min(t - eps, theta h E^-r)
 *
 * for every sample by itself, all of those under way in one call of the score. Departures: sqrt(h) z is the
 * increment of one Brownian path per sample, which a rejected step keeps, where the paper draws z afresh for
 * every attempt (`fresh_noise`), and h is cut by up to an eighth to end on a node of the path; Tweedie's
 * formula at the end is divided by a(eps); a step that vanishes is an error. The score at (x, t) is evaluated
 * again after a rejection, as in the published counts.
 */
#include "core/memory.h"
#include "dynamics/brownian.h"
#include "dynamics/check.h"
#include "dynamics/flow.h"
#include "dynamics/frames.h"
#include "dynamics/noise.h"

#include <ito/adaptive.h>
#include <math.h>
#include <string.h>

static const double theta = 0.9, r = 0.9;
/* The shortest step, as a share of T - eps: its eighths are still times of the path. */
static const double least_share = 0x1p-20;

/* Where one sample is, and its step. */
typedef struct control {
    double t, length;       /* length: h of the next attempt, before the limit t - eps */
    double h, t_new, error; /* of the attempt under way */
    double u, u_new;        /* t and t_new as shares of the way from T to eps */
    int64_t accepted;
} control;

typedef double norm_function(int64_t dim, const double *low, const double *high, const double *prev,
                             double rtol, double atol);

typedef struct adaptive {
    ito__flow flow;
    ito__frames frames;
    const ito_adaptive_options *options;
    norm_function *norm;
    double eps;
    int64_t active;     /* samples under way: the first places of the arrays by place, in their order */
    int64_t *row;       /* [n] by place: whose sample it is */
    int64_t *attempts;  /* [n] by row */
    control *control;   /* [n] by row */
    double *times;      /* [n] by place */
    double *x, *prev;   /* [n, dim] by place: state, x'_prev */
    double *low, *high; /* x', x'' */
    double *s, *z;
    double *w, *w_new; /* the Brownian path at t and t_new */
    double *arrived;   /* [n, dim] by row */
    double *memory;    /* owns the doubles */
} adaptive;

ito_adaptive_options ito_adaptive_default(void) {
    return (ito_adaptive_options){
        .rtol = 0.02, .atol = 2.0 / 256, .norm = "l2", .denoise = true, .temperature = 1};
}

/* ---- error norms ---- */

static double scaled(double low, double high, double prev, double rtol, double atol) {
    return (low - high) / fmax(atol, rtol * fmax(fabs(low), fabs(prev)));
}

static double norm_l2(int64_t dim, const double *low, const double *high, const double *prev, double rtol,
                      double atol) {
    double sum = 0;
    for (int64_t j = 0; j < dim; j++) {
        const double e = scaled(low[j], high[j], prev[j], rtol, atol);
        sum += e * e;
    }
    return sqrt(sum / (double)dim);
}

static double norm_max(int64_t dim, const double *low, const double *high, const double *prev, double rtol,
                       double atol) {
    double largest = 0;
    for (int64_t j = 0; j < dim; j++) {
        const double e = fabs(scaled(low[j], high[j], prev[j], rtol, atol));
        if (isnan(e)) return e; /* which no later value may cover */
        if (e > largest) largest = e;
    }
    return largest;
}

static const struct {
    const char *name;
    norm_function *norm;
} norms[] = {{"l2", norm_l2}, {"max", norm_max}};

enum { norm_count = sizeof norms / sizeof norms[0] };

const char *ito_adaptive_norm_name(int index) {
    return index >= 0 && index < norm_count ? norms[index].name : NULL;
}

/* ---- one round of attempts ---- */

/* The end of a step of `wanted` from u, in shares: the last of its eighths that is a time of the path. */
static double path_end(double u, double wanted) {
    int exponent;
    frexp(wanted, &exponent);
    const double grid = ldexp(1, exponent - 4);
    return fmin(floor((u + wanted) / grid) * grid, 1);
}

/* Settles h and t_new of a sample's next attempt. */
static ito_status plan(adaptive *a, int64_t row, ito_error *err) {
    control *c = &a->control[row];
    const double span = a->flow.sde.T - a->eps;
    if (!(c->length >= least_share * span) || a->attempts[row] == UINT32_MAX)
        return ito_error_set(err, ITO_E_NUMERIC,
                             "adaptive: the step of sample %lld vanished at t = %.17g after %lld attempts "
                             "(length %g, error %g at the last): use a larger rtol or atol, or check the "
                             "score at that time",
                             (long long)(a->flow.first_sample + row), c->t, (long long)a->attempts[row],
                             c->length, c->error);
    c->t_new = fmax(c->t - c->length, a->eps);
    if (!a->options->fresh_noise) {
        c->u_new = path_end(c->u, fmin(c->length / span, 1));
        c->t_new = c->u_new == 1 ? a->eps : a->flow.sde.T - c->u_new * span;
    }
    c->h = c->t - c->t_new;
    a->attempts[row]++;
    return ITO_OK;
}

/* z ~ N(0, I) of every step. high and s are scratch here. */
static void draw_noise(adaptive *a) {
    const int64_t dim = a->flow.dim;
    const double T = a->flow.sde.T;
#pragma omp parallel for schedule(static) if (a->active * dim > ITO__PARALLEL_VALUES)
    for (int64_t p = 0; p < a->active; p++) {
        const int64_t row = a->row[p], first = p * dim;
        const ito_stream stream = {a->options->seed, ITO_RNG_PREDICTOR, a->flow.first_sample + row};
        const control *c = &a->control[row];
        if (a->options->fresh_noise) {
            ito_random_normal(stream, (uint32_t)(a->attempts[row] - 1), dim, a->z + first);
            continue;
        }
        ito__brownian(stream, T - a->eps, c->u_new, dim, a->w_new + first, a->high + first, a->s + first);
        for (int64_t j = first; j < first + dim; j++) a->z[j] = (a->w_new[j] - a->w[j]) / sqrt(c->h);
    }
}

/* out = x - h f(at, t) + h g(t)^2 s(at, t) + sqrt(h) g(t) z, for `at` and t of each sample. */
static ito_status euler_maruyama(adaptive *a, const double *at, double *out, ito_error *err) {
    const int64_t dim = a->flow.dim;
    const ito__rows rows = {a->active, a->row, a->times};
    const ito_status st = ito__flow_score(&a->flow, rows, at, a->s, err);
    if (st != ITO_OK) return st;
    ito__flow_coefficients(&a->flow, rows);
#pragma omp parallel for schedule(static) if (a->active * dim > ITO__PARALLEL_VALUES)
    for (int64_t p = 0; p < a->active; p++) {
        const double h = a->control[a->row[p]].h, f1 = a->flow.f1[p], g2 = 2 * a->flow.half_g2[p];
        const double Z = sqrt(h * g2);
        for (int64_t j = p * dim; j < (p + 1) * dim; j++)
            out[j] = a->x[j] - h * f1 * at[j] + h * g2 * a->s[j] + Z * a->z[j];
    }
    return ITO_OK;
}

/* x' into low, x'' into high, and the errors. */
static ito_status attempt(adaptive *a, ito_error *err) {
    const int64_t dim = a->flow.dim;
    const ito_adaptive_options *o = a->options;
    ito_status st;
    for (int64_t p = 0; p < a->active; p++) a->times[p] = a->control[a->row[p]].t;
    if ((st = euler_maruyama(a, a->x, a->low, err)) != ITO_OK) return st;
    for (int64_t p = 0; p < a->active; p++) a->times[p] = a->control[a->row[p]].t_new;
    if ((st = euler_maruyama(a, a->low, a->high, err)) != ITO_OK) return st;
#pragma omp parallel for schedule(static) if (a->active * dim > ITO__PARALLEL_VALUES)
    for (int64_t p = 0; p < a->active; p++) {
        double *high = a->high + p * dim;
        const double *low = a->low + p * dim, *prev = a->prev + p * dim;
        for (int64_t j = 0; j < dim; j++) high[j] = (low[j] + high[j]) / 2;
        a->control[a->row[p]].error = a->norm(dim, low, high, prev, o->rtol, o->atol);
    }
    return ITO_OK;
}

static ito_status stopped(const adaptive *a, int64_t row, ito_status st, ito_error *err) {
    return ito_error_set(err, st, "adaptive: a callback stopped it at t = %g of sample %lld: run it again",
                         a->control[row].t, (long long)(a->flow.first_sample + row));
}

/* Frames that the accepted step of a sample reaches: of its two ends, the nearer one. */
static ito_status show_frames(adaptive *a, const ito_adaptive_attempt *seen) {
    ito_status st = ITO_OK;
    double t;
    while (st == ITO_OK && ito__frames_due(&a->frames, seen->row, seen->t_new, &t)) {
        const double *x = seen->t - t < t - seen->t_new ? seen->x : seen->x_new;
        memcpy(ito__frames_place(&a->frames, seen->row), x, (size_t)seen->dim * sizeof *x);
        st = ito__frames_mark(&a->frames, seen->row);
    }
    return st;
}

static ito_status show_attempts(adaptive *a, ito_error *err) {
    const ito_adaptive_options *o = a->options;
    const int64_t dim = a->flow.dim;
    for (int64_t p = 0; p < a->active; p++) {
        const control *c = &a->control[a->row[p]];
        const ito_adaptive_attempt seen = {.row = a->row[p],
                                           .t = c->t,
                                           .h = c->h,
                                           .t_new = c->t_new,
                                           .error = c->error,
                                           .accepted = c->error <= 1,
                                           .dim = dim,
                                           .x = a->x + p * dim,
                                           .x_new = a->high + p * dim};
        ito_status st = seen.accepted ? show_frames(a, &seen) : ITO_OK;
        if (st == ITO_OK && o->observe != NULL) st = o->observe(o->observe_self, &seen);
        if (st != ITO_OK) return stopped(a, seen.row, st, err);
    }
    return ITO_OK;
}

/* Accepted samples move on; those that have arrived leave, and the rest close the gaps. */
static void settle(adaptive *a) {
    const int64_t dim = a->flow.dim;
    const size_t bytes = (size_t)dim * sizeof(double);
    int64_t kept = 0;
    for (int64_t p = 0; p < a->active; p++) {
        const int64_t row = a->row[p];
        control *c = &a->control[row];
        const bool accepted = c->error <= 1;
        const double *x = (accepted ? a->high : a->x) + p * dim,
                     *prev = (accepted ? a->low : a->prev) + p * dim;
        c->length = theta * c->h * pow(c->error, -r);
        if (accepted) {
            c->t = c->t_new;
            c->u = c->u_new;
            c->accepted++;
        }
        if (c->t == a->eps) {
            memcpy(a->arrived + row * dim, x, bytes);
            continue;
        }
        if (accepted || kept < p) {
            memcpy(a->x + kept * dim, x, bytes);
            memcpy(a->w + kept * dim, (accepted ? a->w_new : a->w) + p * dim, bytes);
            memcpy(a->prev + kept * dim, prev, bytes);
        }
        a->row[kept++] = row;
    }
    a->active = kept;
}

/* The covered share of [eps, T], the mean over the samples. */
static ito_status report_progress(const adaptive *a, ito_error *err) {
    const ito_progress *progress = &a->options->progress;
    if (progress->report == NULL) return ITO_OK;
    const double T = a->flow.sde.T;
    double covered = 0;
    for (int64_t i = 0; i < a->flow.n; i++) covered += (T - a->control[i].t) / (T - a->eps);
    const ito_status st =
        progress->report(progress->self, (int64_t)(1000 * (covered / (double)a->flow.n)), 1000);
    if (st == ITO_OK) return ITO_OK;
    return ito_error_set(err, st, "adaptive: a callback stopped it with %lld samples under way: run it again",
                         (long long)a->active);
}

static ito_status attempt_all(adaptive *a, ito_error *err) {
    ito_status st;
    for (int64_t p = 0; p < a->active; p++)
        if ((st = plan(a, a->row[p], err)) != ITO_OK) return st;
    draw_noise(a);
    if ((st = attempt(a, err)) != ITO_OK) return st;
    if ((st = show_attempts(a, err)) != ITO_OK) return st;
    settle(a);
    return report_progress(a, err);
}

/* ---- the run ---- */

static ito_status check(adaptive *a, ito_error *err) {
    const ito_adaptive_options *o = a->options;
    int norm;
    ito_status st;
    if (!(o->rtol > 0 && isfinite(o->rtol)))
        return ito_error_set(err, ITO_E_ARG, "rtol: is %g: use a positive number, such as 0.02", o->rtol);
    if (!(o->atol > 0 && isfinite(o->atol)))
        return ito_error_set(err, ITO_E_ARG, "atol: is %g: use a positive number, such as 0.0078", o->atol);
    if (!(o->first_step >= 0 && isfinite(o->first_step)))
        return ito_error_set(err, ITO_E_ARG, "first_step: is %g: use a length, or 0 for T / 100",
                             o->first_step);
    if ((st = ito__check_temperature(o->temperature, err)) != ITO_OK) return st;
    if ((st = ito__find_name("norm", o->norm, ito_adaptive_norm_name, &norm, err)) != ITO_OK) return st;
    a->norm = norms[norm].norm;
    return ITO_OK;
}

static ito_status allocate(adaptive *a, ito_error *err) {
    const size_t n = (size_t)a->flow.n, count = n * (size_t)a->flow.dim;
    size_t values;
    if (!ito__mul_size(count, 9, &values) || values + n < values ||
        (a->memory = ito__alloc(values + n, sizeof(double))) == NULL ||
        (a->row = ito__alloc(n, sizeof *a->row)) == NULL ||
        (a->attempts = ito__calloc(n, sizeof *a->attempts)) == NULL ||
        (a->control = ito__calloc(n, sizeof *a->control)) == NULL)
        return ito__no_memory(a->flow.n, a->flow.dim, err);
    double *next = a->memory;
    double **const array[] = {&a->x, &a->prev, &a->low,   &a->high,   &a->s,
                              &a->z, &a->w,    &a->w_new, &a->arrived};
    for (size_t i = 0; i < sizeof array / sizeof array[0]; i++, next += count) *array[i] = next;
    a->times = next;
    return ITO_OK;
}

/* All samples at T. */
static ito_status open_run(adaptive *a, const ito_sde *sde, const ito_score *score, int64_t n,
                           ito_error *err) {
    const ito_adaptive_options *o = a->options;
    ito_status st;
    if ((st = ito__flow_open(&a->flow, sde, score, n, o->first_sample, &a->eps, err)) != ITO_OK) return st;
    if ((st = check(a, err)) != ITO_OK) return st;
    if (o->prior_noise != NULL && (st = ito__check_finite("prior_noise", "sample", n, score->dim,
                                                          o->first_sample, o->prior_noise, err)) != ITO_OK)
        return st;
    if ((st = allocate(a, err)) != ITO_OK) return st;
    if ((st = ito__frames_open(&a->frames, o->frames, n, score->dim, n, sde->T, a->eps, err)) != ITO_OK)
        return st;
    a->flow.steps = a->attempts;
    ito__flow_prior(&a->flow, o->seed, o->temperature, o->prior_noise, a->x);
    memcpy(a->prev, a->x, (size_t)(n * score->dim) * sizeof *a->x);
    memset(a->w, 0, (size_t)(n * score->dim) * sizeof *a->w);
    for (int64_t i = 0; i < n; i++) {
        a->row[i] = i;
        a->control[i].t = sde->T;
        a->control[i].length = o->first_step > 0 ? o->first_step : sde->T / 100;
    }
    a->active = n;
    return ITO_OK;
}

static void close_run(adaptive *a) {
    ito__free(a->control);
    ito__free(a->attempts);
    ito__free(a->row);
    ito__free(a->memory);
    ito__frames_close(&a->frames);
    ito__flow_close(&a->flow);
}

/* E[x(0) | x(eps)] = (x + b^2 s) / a, Tweedie's formula. */
static ito_status denoise(adaptive *a, double *x, ito_error *err) {
    const double mean = ito_sde_mean(&a->flow.sde, a->eps), std = ito_sde_std(&a->flow.sde, a->eps);
    const ito_status st = ito__flow_score(&a->flow, ito__flow_all(&a->flow, a->eps), x, a->s, err);
    if (st != ITO_OK) return st;
    for (int64_t j = 0; j < a->flow.n * a->flow.dim; j++) x[j] = (x[j] + std * std * a->s[j]) / mean;
    return ITO_OK;
}

static ito_adaptive_report sum_up(const adaptive *a) {
    ito_adaptive_report sums = {.nfe = a->flow.nfe};
    int64_t attempts = 0;
    for (int64_t i = 0; i < a->flow.n; i++) {
        attempts += a->attempts[i];
        sums.accepted += a->control[i].accepted;
    }
    sums.rejected = attempts - sums.accepted;
    sums.nfe_mean = 2 * (double)attempts / (double)a->flow.n + (a->options->denoise ? 1 : 0);
    return sums;
}

ito_status ito_adaptive_sample(const ito_sde *sde, const ito_score *score,
                               const ito_adaptive_options *options, int64_t n, double *x,
                               ito_adaptive_report *report, ito_error *err) {
    const double start = ito__seconds();
    adaptive a = {.options = options, .eps = options->eps};
    ito_status st;
    if ((st = open_run(&a, sde, score, n, err)) != ITO_OK) goto done;
    while (a.active > 0)
        if ((st = attempt_all(&a, err)) != ITO_OK) goto done;
    if (options->denoise && (st = denoise(&a, a.arrived, err)) != ITO_OK) goto done;
    if ((st = ito__frames_finish(&a.frames, a.arrived)) != ITO_OK) {
        stopped(&a, 0, st, err);
        goto done;
    }

    memcpy(x, a.arrived, (size_t)(n * score->dim) * sizeof *x);
    if (report != NULL) {
        *report = sum_up(&a);
        report->seconds = ito__seconds() - start;
    }
done:
    close_run(&a);
    return st;
}
