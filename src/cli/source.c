/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening networks and densities under one roof.
 */
#include "source.h"
#include "memory.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "gmm:";

bool cli_source_is_density(const char *name) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* ---- densities */

static const char *points_name(const void *self, int index) {
    (void)self;
    return ito_points_name(index);
}

static ito_status check_name(const char *name, ito_error *err) {
    const char *set = name + strlen(prefix), *known;
    char names[256] = "";
    for (int i = 0; (known = ito_points_name(i)) != NULL; i++) {
        if (strcmp(set, known) == 0) return ITO_OK;
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s%s", i ? ", " : "", prefix, known);
    }
    const char *near = cli_nearest(set, points_name, NULL);
    if (near) {
        return ito_error_set(err, ITO_E_ARG, "%s: is not one of %s: did you mean %s%s?", name, names, prefix,
                             near);
    }
    return ito_error_set(err, ITO_E_ARG, "%s: no such density: use one of %s", name, names);
}

/* The value of "KEY=VALUE" when the key is this one; NULL otherwise. */
static const char *value_of(const char *assignment, const char *key) {
    size_t length = strlen(key);
    return strncmp(assignment, key, length) == 0 && assignment[length] == '=' ? assignment + length + 1
                                                                              : NULL;
}

/* The SDE's kind comes first: it brings the defaults that the other fields change. */
static ito_status choose_sde(const cli_common *common, ito_sde *sde, ito_error *err) {
    ito_sde_kind kind = ITO_SDE_VP;
    for (int i = 0; i < common->set.count; i++) {
        const char *value = value_of(common->set.item[i], "sde.type");
        ito_error inner;
        if (!value) continue;
        if (ito_sde_from_name(value, &kind, &inner) != ITO_OK)
            return ito_error_set(err, ITO_E_ARG, "--set %s: %s", common->set.item[i], inner.message);
        if (kind == ITO_SDE_AFFINE) {
            return ito_error_set(err, ITO_E_ARG,
                                 "--set %s: an affine SDE is made of functions: use it from a program, by "
                                 "ito/dynamics.h",
                                 common->set.item[i]);
        }
    }
    *sde = ito_sde_default(kind);
    return ITO_OK;
}

/* The share of the data in the priors of contractive SDEs is that of the set. */
static ito_status measure_data(const char *set, ito_sde *sde, ito_error *err) {
    enum { COUNT = 4096 };
    double *x = malloc(2 * COUNT * sizeof *x), squares = 0;
    if (!x) return ito_error_set(err, ITO_E_NOMEM, "%s%s: memory ran out: close other programs", prefix, set);
    ito_status st = ito_points_sample(set, 0, 0, COUNT, x, err);
    for (int j = 0; j < 2 * COUNT && st == ITO_OK; j++) squares += x[j] * x[j];
    if (st == ITO_OK) sde->data_std = sqrt(squares / (2 * COUNT));
    free(x);
    return st;
}

/* The published settings but for Langevin's, made for images: of two values, the norm of a sample's score
 * comes near 0 so often that its step throws samples far off. So the plane has no corrector unless asked for,
 * and its norms are then means over the batch. */
static void choose_sampling(ito_recipe *r) {
    const ito_pc_options o = ito_pc_default(&r->sde);
    ito_sampling_config *s = &r->sampling;
    snprintf(s->predictor, sizeof s->predictor, "%s", o.predictor);
    snprintf(s->corrector, sizeof s->corrector, "none");
    s->steps = o.steps;
    s->corrector_steps = o.corrector_steps;
    s->snr = o.snr;
    snprintf(s->grid, sizeof s->grid, "%s", o.grid);
    s->batch_norms = true;
}

/* What recipes do not know: they are made for networks, whose SDEs have no such fields. */
static const struct {
    const char *key;
    size_t offset;
} density_fields[] = {
    {"sde.theta", offsetof(ito_sde, theta)},
    {"sde.sigma", offsetof(ito_sde, sigma)},
    {"sde.data_std", offsetof(ito_sde, data_std)},
};

static ito_status set_field(ito_recipe *r, const char *assignment, ito_error *err) {
    for (size_t i = 0; i < sizeof density_fields / sizeof density_fields[0]; i++) {
        const char *value = value_of(assignment, density_fields[i].key);
        char *end;
        if (!value) continue;
        double number = strtod(value, &end);
        if (end == value || *end != 0 || !isfinite(number))
            return ito_error_set(err, ITO_E_ARG, "--set %s: \"%s\" is not a number: give one", assignment,
                                 value);
        *(double *)((char *)&r->sde + density_fields[i].offset) = number;
        return ITO_OK;
    }
    if (strncmp(assignment, "sde.", 4) != 0 && strncmp(assignment, "sampling.", 9) != 0) {
        return ito_error_set(err, ITO_E_ARG,
                             "--set %s: a density has no such field: set fields of sde and sampling",
                             assignment);
    }
    return value_of(assignment, "sde.type") ? ITO_OK : ito_recipe_set(r, assignment, err);
}

static ito_status open_density(cli_source *s, const cli_common *common, ito_error *err) {
    const char *set = s->name + strlen(prefix);
    ito_recipe *r = &s->recipe;
    ito_error inner;
    ito_status st = check_name(s->name, err);
    *r = ito_recipe_default();
    snprintf(r->name, sizeof r->name, "%s", set);
    if (st == ITO_OK) st = choose_sde(common, &r->sde, err);
    if (st == ITO_OK) st = measure_data(set, &r->sde, err);
    if (st != ITO_OK) return st;
    choose_sampling(r);
    for (int i = 0; i < common->set.count && st == ITO_OK; i++) {
        st = set_field(r, common->set.item[i], err);
    }
    if (st != ITO_OK) return st;
    if (ito_sde_check(&r->sde, &inner) != ITO_OK)
        return ito_error_set(err, inner.status, "--set sde: %s", inner.message);
    if ((st = ito_mixture_named(&r->sde, set, &s->density, err)) != ITO_OK) return st;
    s->truth = s->density;
    s->dim = ito_density_dim(s->density);
    return ITO_OK;
}

/* ---- networks */

static ito_status open_network(cli_source *s, const char *weights, const char *recipe,
                               const cli_common *common, ito_error *err) {
    ito_status st = cli_model_load(common, s->name, weights, recipe, &s->model, err);
    if (st != ITO_OK) return st;
    s->recipe = s->model->recipe;
    s->dim = s->recipe.data.channels * s->recipe.data.image_size * s->recipe.data.image_size;
    s->images = !ito_data_is_points(&s->recipe.data);
    const char *set = ito_data_density(&s->recipe.data);
    return set ? ito_mixture_named(&s->recipe.sde, set, &s->truth, err) : ITO_OK;
}

/* ---- either */

ito_status cli_source_open(cli_source *s, const char *name, const char *weights, const char *recipe,
                           const cli_common *common, ito_error *err) {
    ito_plan_options plan;
    *s = (cli_source){.name = name};
    const ito_status st = cli_plan_options(common, &plan, err); /* refused before a model is read */
    if (st != ITO_OK) return st;
    if (!cli_source_is_density(name)) return open_network(s, weights, recipe, common, err);
    if (recipe) return ito_error_set(err, ITO_E_ARG, "--recipe: %s has no network: leave it out", name);
    return open_density(s, common, err);
}

ito_status cli_source_fit(cli_source *s, const cli_common *common, bool with_vjp, int64_t doubles,
                          double held, int64_t *batch, ito_error *err) {
    cli_load load = {.recipe = &s->recipe, .with_vjp = with_vjp, .doubles = doubles, .held = held};
    if (common->memory_limit == 0) return ITO_OK;
    if (s->density)
        return ito_error_set(err, ITO_E_ARG, "--memory-limit: %s has no network to keep small: leave it out",
                             s->name);
    ito_status st = cli_plan_options(common, &load.plan, err);
    if (st == ITO_OK) st = cli_memory_fit(&load, common->memory_limit, &s->parts, batch, err);
    return st;
}

ito_status cli_source_prepare(cli_source *s, const cli_common *common, int64_t batch, bool with_vjp,
                              int64_t calls, ito_error *err) {
    ito_network_score_options o = ito_network_score_default();
    cli_tuning tuning;
    ito_status st = cli_plan_options(common, &o.plan, err);
    if (st != ITO_OK) return st;
    if (common->threads > 0) omp_set_num_threads((int)common->threads);
    if (s->density) {
        s->score = ito_density_score(s->density);
        return ITO_OK;
    }
    o.batch = s->parts > 0 ? s->parts : batch;
    o.continuous = s->recipe.objective.continuous;
    o.raw_labels = s->recipe.sampling.raw_labels;
    o.class_index = s->recipe.sampling.class_index;
    o.guidance = s->recipe.sampling.guidance;
    o.with_vjp = with_vjp;
    if ((st = cli_tuning_open(&tuning, common, calls, err)) != ITO_OK) return st;
    o.plan.tuning = tuning.table;
    st = ito_network_score_create(&s->recipe.network, &s->recipe.sde, s->model->params, &o, &s->network, err);
    cli_tuning_close(&tuning);
    if (st == ITO_OK) s->score = ito_network_score_view(s->network);
    return st;
}

void cli_source_release(cli_source *s) {
    ito_network_score_free(s->network);
    if (s->truth != s->density) ito_density_free(s->truth);
    ito_density_free(s->density);
    ito_model_free(s->model);
    *s = (cli_source){0};
}

void cli_source_describe(const cli_source *s, cJSON *object) {
    const ito_sde *sde = &s->recipe.sde;
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"sde.T", sde->T},
        {"sde.beta_min", sde->beta_min},
        {"sde.beta_max", sde->beta_max},
        {"sde.sigma_min", sde->sigma_min},
        {"sde.sigma_max", sde->sigma_max},
        {"sde.theta", sde->theta},
        {"sde.sigma", sde->sigma},
        {"sde.data_std", sde->data_std},
    };
    cli_fingerprint weights = cli_fingerprint_start();
    char text[32] = "exact";
    if (s->model) {
        int64_t floats = 0;
        const float *block = ito_params_block(s->model->params, &floats);
        weights = cli_fingerprint_add(weights, block, (size_t)floats * sizeof *block);
        snprintf(text, sizeof text, "%016" PRIx64, weights.value);
    }
    cJSON_AddStringToObject(object, "model", s->model ? s->recipe.name : s->name);
    cJSON_AddStringToObject(object, "weights", text);
    cJSON_AddStringToObject(object, "sde.type", ito_sde_name(sde->kind));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        cJSON_AddNumberToObject(object, numbers[i].key, numbers[i].value);
}
