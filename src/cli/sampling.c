/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing a sampler: a name, then options.
 */
#include "sampling.h"

#include <string.h>

cli_sampling cli_sampling_none(void) {
    return (cli_sampling){.steps = -1,
                          .corrector_steps = -1,
                          .snr = -1,
                          .eta = -1,
                          .churn = -1,
                          .churn_min = -1,
                          .churn_max = -1,
                          .churn_noise = -1,
                          .rtol = -1,
                          .atol = -1,
                          .eps = -1,
                          .temperature = -1};
}

/* ---- which options a kind reads */

typedef struct given {
    const char *name;
    bool is;
    enum { of_grids, of_adaptive, of_ode } reader; /* kinds that read it: pc, all others, both of the ODE */
} given;

static bool reads(ito_sampler_kind kind, const given *option) {
    if (option->reader == of_ode) return kind == ITO_SAMPLER_ODE || kind == ITO_SAMPLER_ODE_PER_SAMPLE;
    return (option->reader == of_grids) == (kind == ITO_SAMPLER_PC);
}

static const char *why_not(ito_sampler_kind kind) {
    if (kind == ITO_SAMPLER_PC) return "takes the steps of its grid";
    return kind == ITO_SAMPLER_ADAPTIVE ? "is a method of its own" : "chooses its own steps";
}

static ito_status check_fit(const cli_sampling *o, const char *sampler, ito_sampler_kind kind,
                            ito_error *err) {
    const given options[] = {
        {"predictor", o->predictor != NULL, of_grids},
        {"corrector", o->corrector != NULL, of_grids},
        {"steps", o->steps >= 0, of_grids},
        {"corrector-steps", o->corrector_steps >= 0, of_grids},
        {"snr", o->snr >= 0, of_grids},
        {"grid", o->grid != NULL, of_grids},
        {"eta", o->eta >= 0, of_grids},
        {"churn", o->churn >= 0, of_grids},
        {"churn-min", o->churn_min >= 0, of_grids},
        {"churn-max", o->churn_max >= 0, of_grids},
        {"churn-noise", o->churn_noise >= 0, of_grids},
        {"probability-flow", o->probability_flow, of_grids},
        {"batch-norms", o->batch_norms, of_grids},
        {"method", o->method != NULL, of_ode},
        {"rtol", o->rtol >= 0, of_adaptive},
        {"atol", o->atol >= 0, of_adaptive},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (!options[i].is || reads(kind, &options[i])) continue;
        return ito_error_set(
            err, ITO_E_ARG, "--%s: the sampler %s %s: leave it out, or give --sampler %s", options[i].name,
            sampler, why_not(kind),
            ito_sampler_name(options[i].reader == of_grids ? ITO_SAMPLER_PC : ITO_SAMPLER_ODE));
    }
    return ITO_OK;
}

ito_status cli_sampling_check(const cli_sampling *o, ito_error *err) {
    const ito_sde any = ito_sde_default(ITO_SDE_VP); /* a name's kind is the same under all */
    ito_sampler sampler;
    if (o->sampler == NULL) return ITO_OK;
    const ito_status st = ito_sampler_named(o->sampler, &any, &sampler, err);
    return st == ITO_OK ? check_fit(o, o->sampler, sampler.kind, err) : st;
}

/* ---- settings */

static bool is_kind(const char *name) {
    for (int kind = 0; kind < ITO_SAMPLER_KIND_COUNT; kind++)
        if (strcmp(name, ito_sampler_name(kind)) == 0) return true;
    return false;
}

ito_status cli_sampler_of(const ito_recipe *recipe, const char *name, ito_sampler *out, ito_error *err) {
    const ito_sampling_config *r = &recipe->sampling;
    const ito_status st = ito_sampler_named(name, &recipe->sde, out, err);
    if (st != ITO_OK) return st;
    out->pc.eps = r->eps;
    out->pc.batch_norms = r->batch_norms;
    out->pc.denoise = r->noise_removal;
    if (!is_kind(name)) return ITO_OK;
    out->pc.predictor = r->predictor;
    out->pc.corrector = r->corrector;
    out->pc.steps = r->steps;
    out->pc.corrector_steps = r->corrector_steps;
    out->pc.snr = r->snr;
    out->pc.grid = r->grid;
    out->pc.probability_flow = r->probability_flow;
    if (out->kind == ITO_SAMPLER_ADAPTIVE) return ITO_OK;
    out->ode.rtol = r->rtol;
    out->ode.atol = r->atol;
    return ITO_OK;
}

static void set_number(double *to, double value) {
    if (value >= 0) *to = value;
}

static void set_count(int64_t *to, int64_t value) {
    if (value >= 0) *to = value;
}

static void set_name(const char **to, const char *value) {
    if (value != NULL) *to = value;
}

ito_status cli_sampling_choose(const cli_sampling *o, const ito_recipe *recipe, ito_sampler *out,
                               ito_error *err) {
    const char *name = o->sampler != NULL ? o->sampler : recipe->sampling.sampler;
    ito_sampler s;
    ito_status st = cli_sampler_of(recipe, name, &s, err);
    if (st == ITO_OK) st = check_fit(o, name, s.kind, err);
    if (st != ITO_OK) return st;
    set_name(&s.pc.predictor, o->predictor);
    set_name(&s.pc.corrector, o->corrector);
    set_name(&s.pc.grid, o->grid);
    set_name(&s.ode.method, o->method);
    set_count(&s.pc.steps, o->steps);
    set_count(&s.pc.corrector_steps, o->corrector_steps);
    set_number(&s.pc.snr, o->snr);
    set_number(&s.pc.eta, o->eta);
    set_number(&s.pc.churn, o->churn);
    set_number(&s.pc.churn_min, o->churn_min);
    set_number(&s.pc.churn_max, o->churn_max);
    set_number(&s.pc.churn_noise, o->churn_noise);
    set_number(&s.pc.eps, o->eps);
    set_number(&s.pc.temperature, o->temperature);
    set_number(&s.ode.rtol, o->rtol);
    set_number(&s.ode.atol, o->atol);
    if (o->probability_flow) s.pc.probability_flow = true;
    if (o->batch_norms) s.pc.batch_norms = true;
    if (o->no_denoise) s.pc.denoise = false;
    *out = s;
    return ITO_OK;
}
