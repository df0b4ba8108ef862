/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of samplers: kinds, the settings of [SDE] Table 1, and fast predictors with settings that suit
 * them.
 */
#include "dynamics/check.h"
#include "dynamics/sde.h"

#include <ito/adaptive.h>
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
    {.name = "adaptive",
     .summary = "The reverse SDE with an adaptive step size for each sample ([GGF] Algorithm 1).",
     .kind = ITO_SAMPLER_ADAPTIVE},
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
    if (r->kind == ITO_SAMPLER_ADAPTIVE) {
        const ito_adaptive_options usual = ito_adaptive_default();
        out->ode.rtol = usual.rtol;
        out->ode.atol = usual.atol;
        out->ode.first_step = usual.first_step;
    }
    return ITO_OK;
}
