/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers by name, as the library's tables list them, with settings that suit them.
 */
#include "bench_samplers.h"

#include <stdio.h>
#include <string.h>

/* ---- the list */

/* The i-th name of a table that is not `left_out`; NULL past the last. */
static const char *other_name(const char *(*table)(int), int i, const char *left_out) {
    const char *name;
    for (int k = 0; (name = table(k)) != NULL; k++)
        if (strcmp(name, left_out) != 0 && i-- == 0) return name;
    return NULL;
}

static int count_others(const char *(*table)(int), const char *left_out) {
    int n = 0;
    while (other_name(table, n, left_out) != NULL) n++;
    return n;
}

static const char *pair_name(int i) {
    return other_name(ito_corrector_name, i, "none");
}

static const char *predictor_name(int i) {
    return other_name(ito_predictor_name, i, "none");
}

bool cli_contestant_name(int index, char name[64]) {
    const int predictors = count_others(ito_predictor_name, "none");
    const int pairs = count_others(ito_corrector_name, "none");
    if (index < predictors) return snprintf(name, 64, "%s", predictor_name(index)) > 0;
    if ((index -= predictors) < pairs)
        return snprintf(name, 64, "reverse_diffusion+%s", pair_name(index)) > 0;
    index -= pairs;
    for (int kind = 0; kind < ITO_SAMPLER_KIND_COUNT; kind++) {
        if (kind == ITO_SAMPLER_PC) continue; /* its predictors stand for it */
        const bool methods = kind == ITO_SAMPLER_ODE;
        const char *method = methods ? ito_ode_method_name(index) : NULL;
        if (method) return snprintf(name, 64, "%s:%s", ito_sampler_name(kind), method) > 0;
        if (!methods && index == 0) return snprintf(name, 64, "%s", ito_sampler_name(kind)) > 0;
        index -= methods ? count_others(ito_ode_method_name, "") : 1;
    }
    return false;
}

/* ---- settings */

/* The table of samplers has a row for predictors that want another grid than [SDE]'s. */
static ito_status predictor_settings(const char *predictor, const ito_sde *sde, ito_sampler *out,
                                     ito_error *err) {
    if (ito_sampler_named(predictor, sde, out, NULL) == ITO_OK) return ITO_OK;
    ito_status st = ito_sampler_named("pc", sde, out, err);
    out->pc.predictor = predictor;
    out->pc.corrector = "none";
    return st;
}

/* Langevin's signal-to-noise ratio is that of Table 1 for a pair or for a corrector alone; norms are those of
 * the batch, as published: in the plane the score of one sample may come near 0, which makes its own step
 * huge. */
static ito_status pair_settings(const char *predictor, const char *corrector, const ito_sde *sde,
                                ito_sampler *out, ito_error *err) {
    ito_sampler published;
    ito_status st = predictor_settings(predictor, sde, out, err);
    if (st == ITO_OK)
        st = ito_sampler_named(strcmp(predictor, "none") == 0 ? "C2000" : "PC1000", sde, &published, err);
    out->pc.snr = published.pc.snr;
    out->pc.batch_norms = true;
    out->pc.corrector = corrector;
    return st;
}

/* The table's own string for `word` of `length` letters, which outlives the command line; NULL if none. */
static const char *find_name(const char *(*table)(int), const char *word, size_t length) {
    const char *name;
    for (int i = 0; (name = table(i)) != NULL; i++)
        if (strlen(name) == length && strncmp(name, word, length) == 0) return name;
    return NULL;
}

static ito_status unknown(const char *name, ito_error *err) {
    char known[640] = "", each[64];
    for (int i = 0; cli_contestant_name(i, each); i++) {
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", each);
    }
    return ito_error_set(err, ITO_E_ARG,
                         "--samplers: \"%.64s\" is unknown: use PREDICTOR+CORRECTOR or some of %s", name,
                         known);
}

/* What a run of `steps` grid points costs, asked of the sampler itself on the score of N(0, 1). */
static ito_status normal_score(void *self, int64_t n, const double *x, const double *t, double *score,
                               ito_error *err) {
    (void)self, (void)t, (void)err;
    for (int64_t k = 0; k < n; k++) score[k] = -x[k];
    return ITO_OK;
}

static ito_status count_calls(const ito_sde *sde, ito_sampler sampler, int64_t steps, double *calls,
                              ito_error *err) {
    const ito_score score = {.dim = 1, .eval = normal_score};
    ito_sample_report report = {0};
    double x;
    sampler.pc.steps = steps;
    const ito_status st = ito_sample(sde, &score, &sampler, 1, &x, &report, err);
    *calls = (double)report.nfe;
    return st;
}

ito_status cli_contestant_named(const char *name, const ito_sde *sde, cli_contestant *out, ito_error *err) {
    enum { FEW = 32, MORE = 64 };
    const char *plus = strchr(name, '+'), *method = NULL;
    const size_t length = strlen(name), first = plus ? (size_t)(plus - name) : length;
    const char *predictor = find_name(ito_predictor_name, name, first);
    const char *corrector = plus ? find_name(ito_corrector_name, plus + 1, length - first - 1) : NULL;
    double few, more;
    ito_status st;
    *out = (cli_contestant){.name = ""};
    snprintf(out->name, sizeof out->name, "%s", name);
    if (strncmp(name, "ode:", 4) == 0) method = find_name(ito_ode_method_name, name + 4, length - 4);
    if (predictor && corrector) {
        st = pair_settings(predictor, corrector, sde, &out->sampler, err);
    } else if (predictor && !plus) {
        st = predictor_settings(predictor, sde, &out->sampler, err);
    } else if (method) {
        st = ito_sampler_named("ode", sde, &out->sampler, err);
        out->sampler.ode.method = method;
    } else if (ito_sampler_named(name, sde, &out->sampler, NULL) != ITO_OK) {
        return unknown(name, err);
    } else {
        st = ITO_OK;
    }
    if (st != ITO_OK || out->sampler.kind != ITO_SAMPLER_PC) return st;
    if ((st = count_calls(sde, out->sampler, FEW, &few, err)) != ITO_OK) return st;
    if ((st = count_calls(sde, out->sampler, MORE, &more, err)) != ITO_OK) return st;
    out->calls = (more - few) / (MORE - FEW);
    out->extra = few - FEW * out->calls;
    return ITO_OK;
}
