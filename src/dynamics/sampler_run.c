/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a sampler of any kind: the settings that kinds share, handed to the kind's own function, and its
 * frames.
 */
#include "core/memory.h"
#include "dynamics/check.h"

#include <ito/sampler.h>
#include <stddef.h>
#include <string.h>

/* ---- predictor and corrector ---- */

/* Shows the frames of a run to the caller. Frame f of F is the state after floor(f N / (F - 1)) of N grid
 * points; several may share a point of a short run. */
typedef struct frames {
    const ito_sampler *sampler;
    int64_t steps;
} frames;

static ito_status show_frames(void *self, int64_t i, double t, int64_t n, int64_t dim, const double *x) {
    const frames *f = self;
    const ito_sampler *s = f->sampler;
    ito_status st = s->pc.observe != NULL ? s->pc.observe(s->pc.observe_self, i, t, n, dim, x) : ITO_OK;
    const int64_t spans = s->frames - 1;
    for (int64_t k = 0; k < s->frames && st == ITO_OK; k++)
        if (k * f->steps / spans == i) st = s->frame(s->frame_self, k, t, n, dim, x);
    return st;
}

static ito_status run_pc(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, int64_t n,
                         double *x, ito_sample_report *report, ito_error *err) {
    ito_pc_options pc = sampler->pc;
    frames watch = {sampler, pc.steps};
    if (sampler->frames > 0) {
        pc.observe = show_frames;
        pc.observe_self = &watch;
    }
    return ito_pc_sample(sde, score, &pc, n, x, report, err);
}

/* ---- the probability-flow ODE ---- */

/* Frames but the last, which denoising changes: at the times of the grid karras, since in equal steps of t
 * most would show the prior. Frees with ito__free; NULL where there are none. */
static ito_status choose_times(const ito_sde *sde, const ito_sampler *sampler, double **times,
                               ito_error *err) {
    const double eps = sampler->pc.eps == 0 ? ito_sde_sampling_eps(sde) : sampler->pc.eps;
    *times = NULL;
    if (sampler->frames == 0) return ITO_OK;
    if ((*times = ito__alloc((size_t)sampler->frames, sizeof **times)) == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "frames: no memory for %lld: use fewer",
                             (long long)sampler->frames);
    return ito_grid_fill(sde, "karras", eps, sampler->frames, *times, err);
}

static ito_status show_last(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, int64_t n,
                            const double *x, ito_error *err) {
    const double eps = sampler->pc.eps == 0 ? ito_sde_sampling_eps(sde) : sampler->pc.eps;
    if (sampler->frames == 0) return ITO_OK;
    const ito_status st = sampler->frame(sampler->frame_self, sampler->frames - 1, eps, n, score->dim, x);
    if (st != ITO_OK)
        ito_error_set(err, st, "sampling: a callback stopped it at the last frame: run it again");
    return st;
}

static ito_status run_ode(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, int64_t n,
                          double *x, ito_sample_report *report, ito_error *err) {
    const ito_pc_options *pc = &sampler->pc;
    const double start = ito__seconds();
    ito_flow_options flow = ito_flow_default();
    flow.per_sample = sampler->kind == ITO_SAMPLER_ODE_PER_SAMPLE;
    flow.ode = sampler->ode;
    flow.ode.progress = pc->progress;
    flow.eps = pc->eps;
    flow.denoise = pc->denoise;
    flow.seed = pc->seed;
    flow.first_sample = pc->first_sample;
    flow.temperature = pc->temperature;
    flow.prior_noise = pc->prior_noise;
    ito_flow_report solved;
    double *times;
    ito_status st = choose_times(sde, sampler, &times, err);
    if (times != NULL) {
        flow.frame_count = sampler->frames - 1;
        flow.frame_times = times;
        flow.frame = sampler->frame;
        flow.frame_self = sampler->frame_self;
    }
    if (st == ITO_OK) st = ito_ode_sample(sde, score, &flow, n, x, &solved, err);
    if (st == ITO_OK) st = show_last(sde, score, sampler, n, x, err);
    if (st == ITO_OK && report != NULL)
        *report = (ito_sample_report){
            .nfe = solved.nfe, .nfe_mean = solved.nfe_mean, .seconds = ito__seconds() - start};
    ito__free(times);
    return st;
}

/* ---- the adaptive SDE solver ---- */

/* Every sample has times of its own: its frame k is the state from which it steps past times[k]. */
typedef struct film {
    int64_t count, n; /* frames on the way; samples */
    const double *times;
    double *states; /* [count, n, dim] */
} film;

static ito_status keep_frames(void *self, const ito_adaptive_attempt *a) {
    const film *f = self;
    if (!a->accepted) return ITO_OK;
    for (int64_t k = 0; k < f->count; k++)
        if (f->times[k] <= a->t && f->times[k] > a->t_new)
            memcpy(f->states + (k * f->n + a->row) * a->dim, a->x, (size_t)a->dim * sizeof *a->x);
    return ITO_OK;
}

static ito_status film_open(film *f, int64_t wanted, int64_t n, int64_t dim, ito_error *err) {
    size_t values;
    *f = (film){.count = wanted > 0 ? wanted - 1 : 0, .n = n};
    if (wanted == 0) return ITO_OK;
    if (ito__mul_size((size_t)n, (size_t)dim, &values) && ito__mul_size(values, (size_t)f->count, &values))
        f->states = ito__alloc(values, sizeof *f->states);
    return f->states != NULL ? ITO_OK : ito__no_memory(n, dim, err);
}

static ito_status show_film(const film *f, const ito_sampler *sampler, int64_t dim, ito_error *err) {
    ito_status st = ITO_OK;
    for (int64_t k = 0; k < f->count && st == ITO_OK; k++)
        st = sampler->frame(sampler->frame_self, k, f->times[k], f->n, dim, f->states + k * f->n * dim);
    if (st != ITO_OK) ito_error_set(err, st, "sampling: a callback stopped it at a frame: run it again");
    return st;
}

static ito_status run_adaptive(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler,
                               int64_t n, double *x, ito_sample_report *report, ito_error *err) {
    const ito_pc_options *pc = &sampler->pc;
    ito_adaptive_options o = sampler->adaptive;
    ito_adaptive_report solved;
    film f = {.count = 0};
    double *times = NULL;
    ito_status st = ito__check_run(sde, score, n, pc->first_sample, &(double){pc->eps}, err);
    if (st == ITO_OK) st = choose_times(sde, sampler, &times, err);
    if (st == ITO_OK) st = film_open(&f, sampler->frames, n, score->dim, err);
    if (st != ITO_OK) goto done;
    f.times = times;
    if (sampler->frames > 0) {
        o.observe = keep_frames;
        o.observe_self = &f;
    }
    o.progress = pc->progress;
    o.eps = pc->eps;
    o.denoise = pc->denoise;
    o.seed = pc->seed;
    o.first_sample = pc->first_sample;
    o.temperature = pc->temperature;
    o.prior_noise = pc->prior_noise;
    if ((st = ito_adaptive_sample(sde, score, &o, n, x, &solved, err)) != ITO_OK) goto done;
    if ((st = show_film(&f, sampler, score->dim, err)) != ITO_OK) goto done;
    if ((st = show_last(sde, score, sampler, n, x, err)) != ITO_OK) goto done;
    if (report != NULL)
        *report =
            (ito_sample_report){.nfe = solved.nfe, .nfe_mean = solved.nfe_mean, .seconds = solved.seconds};
done:
    ito__free(f.states);
    ito__free(times);
    return st;
}

ito_status ito_sample(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, int64_t n,
                      double *x, ito_sample_report *report, ito_error *err) {
    if (sampler->frames < 0 || sampler->frames == 1 || (sampler->frames > 0 && sampler->frame == NULL))
        return ito_error_set(err, ITO_E_ARG, "frames: is %lld: use 0 for none, or 2 or more and a function",
                             (long long)sampler->frames);
    switch (sampler->kind) {
    case ITO_SAMPLER_PC: return run_pc(sde, score, sampler, n, x, report, err);
    case ITO_SAMPLER_ODE:
    case ITO_SAMPLER_ODE_PER_SAMPLE: return run_ode(sde, score, sampler, n, x, report, err);
    case ITO_SAMPLER_ADAPTIVE: return run_adaptive(sde, score, sampler, n, x, report, err);
    case ITO_SAMPLER_KIND_COUNT: break;
    }
    return ito_error_set(err, ITO_E_ARG, "kind: %d names no sampler: use one of ito_sampler_kind",
                         (int)sampler->kind);
}
