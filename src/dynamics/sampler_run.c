/* SPDX-License-Identifier: Apache-2.0
 *
 * Running a sampler of any kind: the settings that kinds share, handed to the kind's own function, and its
 * frames.
 */
#include "core/memory.h"
#include "dynamics/check.h"

#include <ito/adaptive.h>
#include <ito/sampler.h>
#include <stddef.h>

/* Shows the frames of a run to the caller. Frame f of F is the state after floor(f N / (F - 1)) of N grid
 * points; several may share a point of a short run. */
typedef struct film {
    const ito_sampler *sampler;
    int64_t steps;
} film;

static ito_status show_frames(void *self, int64_t i, double t, int64_t n, int64_t dim, const double *x) {
    const film *f = self;
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
    film watch = {sampler, pc.steps};
    if (sampler->frames > 0) {
        pc.observe = show_frames;
        pc.observe_self = &watch;
    }
    return ito_pc_sample(sde, score, &pc, n, x, report, err);
}

/* Frames of a run that chooses its steps: at the times of the grid karras, since in equal steps of t most
 * would show the prior. *times is to be freed. */
static ito_status choose_frames(const ito_sde *sde, const ito_sampler *s, double eps, double **times,
                                ito_frames *out, ito_error *err) {
    *times = ito__alloc((size_t)s->frames, sizeof **times);
    if (*times == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "frames: no memory for %lld: use fewer", (long long)s->frames);
    *out = (ito_frames){s->frames, *times, s->frame, s->frame_self};
    return ito_grid_fill(sde, "karras", eps, s->frames, *times, err);
}

static ito_status run_ode(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler,
                          ito_frames frames, int64_t n, double *x, ito_sample_report *report,
                          ito_error *err) {
    const ito_pc_options *pc = &sampler->pc;
    const double start = ito__seconds();
    ito_flow_options flow = ito_flow_default();
    flow.ode = sampler->ode;
    flow.ode.progress = pc->progress;
    flow.per_sample = sampler->kind == ITO_SAMPLER_ODE_PER_SAMPLE;
    flow.eps = pc->eps;
    flow.denoise = pc->denoise;
    flow.seed = pc->seed;
    flow.first_sample = pc->first_sample;
    flow.temperature = pc->temperature;
    flow.prior_noise = pc->prior_noise;
    flow.frames = frames;
    ito_flow_report solved;
    const ito_status st = ito_ode_sample(sde, score, &flow, n, x, &solved, err);
    if (st == ITO_OK && report != NULL)
        *report = (ito_sample_report){
            .nfe = solved.nfe, .nfe_mean = solved.nfe_mean, .seconds = ito__seconds() - start};
    return st;
}

static ito_status run_adaptive(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler,
                               ito_frames frames, int64_t n, double *x, ito_sample_report *report,
                               ito_error *err) {
    const ito_pc_options *pc = &sampler->pc;
    ito_adaptive_options options = ito_adaptive_default();
    options.rtol = sampler->ode.rtol;
    options.atol = sampler->ode.atol;
    options.first_step = sampler->ode.first_step;
    options.progress = pc->progress;
    options.eps = pc->eps;
    options.denoise = pc->denoise;
    options.seed = pc->seed;
    options.first_sample = pc->first_sample;
    options.temperature = pc->temperature;
    options.prior_noise = pc->prior_noise;
    options.frames = frames;
    ito_adaptive_report solved;
    const ito_status st = ito_adaptive_sample(sde, score, &options, n, x, &solved, err);
    if (st == ITO_OK && report != NULL)
        *report =
            (ito_sample_report){.nfe = solved.nfe, .nfe_mean = solved.nfe_mean, .seconds = solved.seconds};
    return st;
}

/* Samplers that choose their own steps. */
static ito_status run_free(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, double eps,
                           int64_t n, double *x, ito_sample_report *report, ito_error *err) {
    double *times = NULL;
    ito_frames frames = {0};
    ito_status st = ITO_OK;
    if (sampler->frames > 0) st = choose_frames(sde, sampler, eps, &times, &frames, err);
    if (st == ITO_OK)
        st = (sampler->kind == ITO_SAMPLER_ADAPTIVE ? run_adaptive : run_ode)(sde, score, sampler, frames, n,
                                                                              x, report, err);
    ito__free(times);
    return st;
}

ito_status ito_sample(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, int64_t n,
                      double *x, ito_sample_report *report, ito_error *err) {
    if (sampler->frames < 0 || sampler->frames == 1 || (sampler->frames > 0 && sampler->frame == NULL))
        return ito_error_set(err, ITO_E_ARG, "frames: is %lld: use 0 for none, or 2 or more and a function",
                             (long long)sampler->frames);
    double eps = sampler->pc.eps;
    ito_status st;
    switch (sampler->kind) {
    case ITO_SAMPLER_PC: return run_pc(sde, score, sampler, n, x, report, err);
    case ITO_SAMPLER_ODE:
    case ITO_SAMPLER_ODE_PER_SAMPLE:
    case ITO_SAMPLER_ADAPTIVE:
        st = ito__check_run(sde, score, n, sampler->pc.first_sample, &eps, err);
        return st != ITO_OK ? st : run_free(sde, score, sampler, eps, n, x, report, err);
    case ITO_SAMPLER_KIND_COUNT: break;
    }
    return ito_error_set(err, ITO_E_ARG, "kind: %d names no sampler: use one of ito_sampler_kind",
                         (int)sampler->kind);
}
