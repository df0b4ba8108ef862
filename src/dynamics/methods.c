/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of predictors and correctors. A new method is its file and one row here; --help, messages and
 * the tests walk the tables.
 */
#include "dynamics/check.h"
#include "dynamics/pc.h"

#include <stddef.h>

static ito_status predictor_none(ito__pc *pc, ito_error *err) {
    (void)err;
    ito__pc_update(pc, 1, 0, 0);
    return ITO_OK;
}

static ito_status corrector_none(ito__pc *pc, ito_error *err) {
    (void)pc, (void)err;
    return ITO_OK;
}

static const ito__method predictors[] = {
    {.name = "euler_maruyama",
     .summary = "Euler-Maruyama on the reverse SDE, or Euler on the ODE ([SDE] Section 4.1).",
     .score_calls = 1,
     .needs_noise = true,
     .uses_eta = true,
     .eta = 1,
     .step = ito__predictor_euler_maruyama},
    {.name = "reverse_diffusion",
     .summary = "The reverse SDE, or the ODE, discretized as the forward chain is ([SDE] App. E).",
     .score_calls = 1,
     .needs_noise = true,
     .uses_chain = true,
     .uses_eta = true,
     .eta = 1,
     .step = ito__predictor_reverse_diffusion},
    {.name = "probability_flow",
     .summary = "Reverse diffusion of the probability-flow ODE, without noise ([SDE] Eqs 45-47).",
     .score_calls = 1,
     .uses_chain = true,
     .step = ito__predictor_reverse_diffusion},
    {.name = "ancestral",
     .summary = "Ancestral sampling of the DDPM or SMLD chain; VP and VE only ([SDE] Eq 4, App. F).",
     .score_calls = 1,
     .needs_noise = true,
     .uses_chain = true,
     .check = ito__predictor_ancestral_check,
     .step = ito__predictor_ancestral},
    {.name = "heun",
     .summary = "Heun's method on the ODE of x/a(t), second order; churn adds noise ([EDM] Algorithm 2).",
     .score_calls = 2,
     .follows_grid = true,
     .uses_churn = true,
     .check = ito__predictor_heun_check,
     .step = ito__predictor_heun},
    {.name = "srk_strong",
     .summary = "Stochastic improved Euler on the reverse SDE, strong order 1 ([Roberts]).",
     .score_calls = 2,
     .needs_noise = true,
     .follows_grid = true,
     .uses_eta = true,
     .eta = 1,
     .arrays = 1,
     .step = ito__predictor_srk_strong},
    {.name = "srk_weak2",
     .summary = "Stochastic Runge-Kutta SRA1 on the reverse SDE: weak order 2, strong 1.5 ([SRA]).",
     .score_calls = 2,
     .needs_noise = true,
     .more_draws = 1,
     .follows_grid = true,
     .uses_eta = true,
     .eta = 1,
     .arrays = 2,
     .step = ito__predictor_srk_weak2},
    {.name = "ddim",
     .summary = "DDIM: the ODE by first-order steps, or with eta up to 1 of the posterior's noise ([DDIM]).",
     .score_calls = 1,
     .needs_noise = true,
     .follows_grid = true,
     .uses_eta = true,
     .eta = 0,
     .check = ito__predictor_ddim_check,
     .step = ito__predictor_ddim},
    {.name = "dpmpp_2m",
     .summary = "DPM-Solver++(2M) on the ODE, order 2 in log(a/b) ([DPM++] Algorithm 2).",
     .score_calls = 1,
     .follows_grid = true,
     .arrays = 2,
     .step = ito__predictor_dpmpp_2m},
    {.name = "dpmpp_3m",
     .summary = "DPM-Solver++ of three steps on the ODE, order 3 in log(a/b) ([DPM++] Section 4).",
     .score_calls = 1,
     .follows_grid = true,
     .arrays = 3,
     .step = ito__predictor_dpmpp_3m},
    {.name = "dpmpp_sde_2m",
     .summary = "SDE-DPM-Solver++(2M) on the reverse SDE ([DPM++] Section 5).",
     .score_calls = 1,
     .needs_noise = true,
     .follows_grid = true,
     .arrays = 2,
     .step = ito__predictor_dpmpp_sde_2m},
    {.name = "unipc",
     .summary = "UniPC-3 on the ODE: each step corrected by the next one's score ([UniPC]).",
     .score_calls = 1,
     .follows_grid = true,
     .arrays = 4,
     .step = ito__predictor_unipc},
    {.name = "none",
     .summary = "No predictor: the corrector alone carries the samples ([SDE] Table 1, C2000).",
     .step = predictor_none},
};

static const ito__method correctors[] = {
    {.name = "langevin",
     .summary = "Langevin dynamics with a step set by signal-to-noise ratio ([SDE] Algorithms 4, 5).",
     .score_calls = 1,
     .needs_noise = true,
     .uses_chain = true,
     .step = ito__corrector_langevin},
    {.name = "ald",
     .summary = "Annealed Langevin dynamics with a step set by the noise level ([NCSN] Algorithm 1).",
     .score_calls = 1,
     .needs_noise = true,
     .uses_chain = true,
     .step = ito__corrector_ald},
    {.name = "none",
     .summary = "No corrector: the predictor alone ([SDE] Table 1, P1000, P2000).",
     .step = corrector_none},
};

enum {
    predictor_count = sizeof predictors / sizeof predictors[0],
    corrector_count = sizeof correctors / sizeof correctors[0]
};

const ito__method *ito__predictor_at(int index) {
    return index >= 0 && index < predictor_count ? &predictors[index] : NULL;
}

const ito__method *ito__corrector_at(int index) {
    return index >= 0 && index < corrector_count ? &correctors[index] : NULL;
}

const char *ito_predictor_name(int index) {
    const ito__method *m = ito__predictor_at(index);
    return m != NULL ? m->name : NULL;
}

const char *ito_corrector_name(int index) {
    const ito__method *m = ito__corrector_at(index);
    return m != NULL ? m->name : NULL;
}

ito_status ito__predictor_find(const char *name, const ito__method **out, ito_error *err) {
    int index;
    const ito_status st = ito__find_name("predictor", name, ito_predictor_name, &index, err);
    if (st == ITO_OK) *out = &predictors[index];
    return st;
}

ito_status ito__corrector_find(const char *name, const ito__method **out, ito_error *err) {
    int index;
    const ito_status st = ito__find_name("corrector", name, ito_corrector_name, &index, err);
    if (st == ITO_OK) *out = &correctors[index];
    return st;
}

const char *ito_predictor_summary(int index) {
    const ito__method *m = ito__predictor_at(index);
    return m != NULL ? m->summary : NULL;
}

const char *ito_corrector_summary(int index) {
    const ito__method *m = ito__corrector_at(index);
    return m != NULL ? m->summary : NULL;
}
