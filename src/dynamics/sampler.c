/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of samplers: kinds, the settings of [SDE] Table 1, and fast predictors with settings that suit
 * them.
 */
#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/sde.h"

#include <ito/sampler.h>
#include <stddef.h>

/* What a name sets; NULL and 0 leave the published default of the SDE. */
typedef struct row {
    const char *name, *summary;
    ito_sampler_kind kind;
    const char *predictor, *corrector, *grid;
    int64_t steps;
    enum { of_default, of_pair, of_corrector } snr; /* which published ratio of the SDE's record */
} row;

static const row rows[] = {
    {.name = "pc",
     .summary = "Predictor and corrector in turn over a time grid ([SDE] Algorithm 1).",
     .kind = ITO_SAMPLER_PC},
    {.name = "ode",
     .summary =
         "Adaptive Runge-Kutta on the probability-flow ODE, one step size for the batch ([SDE] Section "
         "4.3).",
     .kind = ITO_SAMPLER_ODE},
    {.name = "ode_per_sample",
     .summary = "The same with a step size for each sample; those that arrive leave the batch.",
     .kind = ITO_SAMPLER_ODE_PER_SAMPLE},
    {.name = "P1000",
     .summary = "1000 steps of reverse diffusion ([SDE] Table 1).",
     .predictor = "reverse_diffusion",
     .corrector = "none",
     .steps = 1000},
    {.name = "P2000",
     .summary = "2000 steps of reverse diffusion ([SDE] Table 1).",
     .predictor = "reverse_diffusion",
     .corrector = "none",
     .steps = 2000},
    {.name = "C2000",
     .summary = "2000 steps of Langevin dynamics alone ([SDE] Table 1).",
     .predictor = "none",
     .corrector = "langevin",
     .steps = 2000,
     .snr = of_corrector},
    {.name = "PC1000",
     .summary = "1000 steps of reverse diffusion, each after one of Langevin dynamics ([SDE] Table 1).",
     .predictor = "reverse_diffusion",
     .corrector = "langevin",
     .steps = 1000,
     .snr = of_pair},
    {.name = "heun",
     .summary = "25 steps of Heun's method on the grid of [EDM], without churn.",
     .predictor = "heun",
     .corrector = "none",
     .grid = "karras",
     .steps = 25},
    {.name = "srk_strong",
     .summary = "250 equal steps of stochastic improved Euler, of strong order 1 ([Roberts]).",
     .predictor = "srk_strong",
     .corrector = "none",
     .steps = 250},
    {.name = "srk_weak2",
     .summary = "250 equal steps of stochastic Runge-Kutta, of weak order 2 ([SRA]).",
     .predictor = "srk_weak2",
     .corrector = "none",
     .steps = 250},
    {.name = "ddim",
     .summary = "100 steps of DDIM ([DDIM]), equally spaced.",
     .predictor = "ddim",
     .corrector = "none",
     .steps = 100},
    {.name = "dpmpp_2m",
     .summary = "20 steps of DPM-Solver++ 2M on the log-SNR grid ([DPM++]).",
     .predictor = "dpmpp_2m",
     .corrector = "none",
     .grid = "log_snr",
     .steps = 20},
    {.name = "dpmpp_3m",
     .summary = "20 steps of DPM-Solver++ 3M on the log-SNR grid ([DPM++]).",
     .predictor = "dpmpp_3m",
     .corrector = "none",
     .grid = "log_snr",
     .steps = 20},
    {.name = "dpmpp_sde_2m",
     .summary = "25 steps of SDE-DPM-Solver++ 2M, with noise, on the log-SNR grid ([DPM++]).",
     .predictor = "dpmpp_sde_2m",
     .corrector = "none",
     .grid = "log_snr",
     .steps = 25},
    {.name = "unipc",
     .summary = "15 steps of UniPC-3 on the log-SNR grid ([UniPC]).",
     .predictor = "unipc",
     .corrector = "none",
     .grid = "log_snr",
     .steps = 15},
};
enum { row_count = sizeof rows / sizeof rows[0] };

const char *ito_sampler_name(int index) {
    return index >= 0 && index < row_count ? rows[index].name : NULL;
}

const char *ito_sampler_summary(int index) {
    return index >= 0 && index < row_count ? rows[index].summary : NULL;
}

ito_status ito_sampler_named(const char *name, const ito_sde *sde, ito_sampler *out, ito_error *err) {
    int index;
    ito_status st;
    if ((st = ito_sde_check(sde, err)) != ITO_OK) return st;
    if ((st = ito__find_name("sampler", name, ito_sampler_name, &index, err)) != ITO_OK) return st;
    const row *r = &rows[index];
    ito_pc_options pc = ito_pc_default(sde);
    if (r->predictor != NULL) pc.predictor = r->predictor;
    if (r->corrector != NULL) pc.corrector = r->corrector;
    if (r->grid != NULL) pc.grid = r->grid;
    if (r->steps != 0) pc.steps = r->steps;
    const ito__sde_record *record = ito__sde_record_of(sde);
    const double tuned = r->snr == of_pair        ? record->snr_pair
                         : r->snr == of_corrector ? record->snr_alone
                                                  : 0;
    if (tuned > 0) pc.snr = tuned;
    *out = (ito_sampler){.kind = r->kind, .pc = pc, .ode = ito_ode_default()};
    return ITO_OK;
}

/* ---- running ---- */

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

static ito_status run_ode(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, int64_t n,
                          double *x, ito_sample_report *report, ito_error *err) {
    const ito_pc_options *pc = &sampler->pc;
    const double start = ito__seconds();
    const int64_t on_the_way = sampler->frames > 0 ? sampler->frames - 1 : 0;
    double *times = ito__alloc((size_t)on_the_way, sizeof *times);
    if (times == NULL) return ito__no_memory(n, score->dim, err);
    const double eps = pc->eps != 0 ? pc->eps : ito_sde_sampling_eps(sde);
    for (int64_t k = 0; k < on_the_way; k++)
        times[k] = sde->T + (eps - sde->T) * (double)k / (double)on_the_way;

    ito_flow_options flow = ito_flow_default();
    flow.per_sample = sampler->kind == ITO_SAMPLER_ODE_PER_SAMPLE;
    flow.frame_count = on_the_way;
    flow.frame_times = times;
    flow.frame = sampler->frame;
    flow.frame_self = sampler->frame_self;
    flow.ode = sampler->ode;
    flow.ode.progress = pc->progress;
    flow.eps = pc->eps;
    flow.denoise = pc->denoise;
    flow.seed = pc->seed;
    flow.first_sample = pc->first_sample;
    flow.temperature = pc->temperature;
    flow.prior_noise = pc->prior_noise;
    ito_flow_report solved;
    ito_status st = ito_ode_sample(sde, score, &flow, n, x, &solved, err);
    if (st == ITO_OK && sampler->frames > 0)
        st = sampler->frame(sampler->frame_self, on_the_way, eps, n, score->dim, x);
    if (st == ITO_OK && report != NULL)
        *report = (ito_sample_report){
            .nfe = solved.nfe, .nfe_mean = solved.nfe_mean, .seconds = ito__seconds() - start};
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
    case ITO_SAMPLER_KIND_COUNT: break;
    }
    return ito_error_set(err, ITO_E_ARG, "kind: %d names no sampler: use one of ito_sampler_kind",
                         (int)sampler->kind);
}
