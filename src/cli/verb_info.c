/* SPDX-License-Identifier: Apache-2.0
 *
 * ito info: what a model, a checkpoint, a run or a recipe is.
 */
#include "cli.h"
#include "network.h"
#include "source.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <ito/sampler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct info_options {
    cli_common common;
    bool recipe;
} info_options;

static const cli_option options_table[] = {
    {"recipe", 'r', NULL, CLI_FLAG, offsetof(info_options, recipe), "print the whole recipe as YAML instead",
     0, NULL},
    {.name = NULL},
};

/* What there is to tell; `model` is NULL for a recipe. */
typedef struct facts {
    const char *path;
    const ito_model *model;
    const ito_recipe *recipe;
    int64_t parameters, tensors, file_bytes;
    double flops;
} facts;

static ito_status print_recipe(const ito_recipe *r, ito_error *err) {
    char *text = NULL;
    ito_status st = ito_recipe_print(r, &text, err);
    if (st == ITO_OK) fputs(text, stdout);
    free(text);
    return st;
}

static ito_status print_facts_json(const facts *f, ito_error *err) {
    const ito_recipe *r = f->recipe;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "path", f->path);
    cJSON_AddStringToObject(object, "kind", f->model ? "model" : "recipe");
    cJSON_AddStringToObject(object, "recipe", r->name);
    cJSON_AddStringToObject(object, "dataset", r->data.dataset);
    cJSON_AddNumberToObject(object, "image_size", (double)r->data.image_size);
    cJSON_AddNumberToObject(object, "channels", (double)r->data.channels);
    cJSON_AddStringToObject(object, "sde", ito_sde_name(r->sde.kind));
    cJSON_AddNumberToObject(object, "parameters", (double)f->parameters);
    cJSON_AddNumberToObject(object, "tensors", (double)f->tensors);
    cJSON_AddNumberToObject(object, "flops_per_image", f->flops);
    if (f->model) {
        cJSON_AddStringToObject(object, "file", f->model->path);
        cJSON_AddNumberToObject(object, "file_bytes", (double)f->file_bytes);
        cJSON_AddNumberToObject(object, "step", (double)f->model->step);
        cJSON_AddNumberToObject(object, "images", (double)f->model->images);
    }
    return cli_print_json(object, err);
}

static void print_sampling(const ito_sampling_config *s) {
    if (strcmp(s->sampler, ito_sampler_name(ITO_SAMPLER_PC)) == 0)
        printf("%-12s %s, %" PRId64 " steps, corrector %s\n", "sampling", s->predictor, s->steps,
               s->corrector);
    else
        printf("%-12s %s, tolerances %g and %g\n", "sampling", s->sampler, s->rtol, s->atol);
}

static void print_facts(const facts *f) {
    const ito_recipe *r = f->recipe;
    char text[32];
    printf("%-12s %s\n", f->model ? "model" : "recipe", f->model ? f->model->path : f->path);
    if (f->model) printf("%-12s %s\n", "recipe", r->name);
    printf("%-12s %s, %" PRId64 "x%" PRId64 ", %" PRId64 " channel%s\n", "data", r->data.dataset,
           r->data.image_size, r->data.image_size, r->data.channels, r->data.channels == 1 ? "" : "s");
    printf("%-12s %s, %s objective\n", "sde", ito_sde_name(r->sde.kind),
           r->objective.continuous ? "continuous" : "discrete");
    printf("%-12s %s in %" PRId64 " tensors\n", "parameters", cli_human((double)f->parameters, "", text),
           f->tensors);
    printf("%-12s %s per image forward\n", "work", cli_human(f->flops, "FLOP", text));
    print_sampling(&r->sampling);
    if (!f->model) return;
    printf("%-12s %s\n", "file size", cli_human((double)f->file_bytes, "B", text));
    if (f->model->step <= 0) return;
    printf("%-12s %" PRId64 " steps", "trained", f->model->step);
    if (f->model->images > 0) printf(", %s images seen", cli_human((double)f->model->images, "", text));
    printf("\n");
}

/* gmm:NAME: no file, no network. */
static ito_status run_density(const info_options *o, const char *name, ito_error *err) {
    cli_source source;
    ito_status st = cli_source_open(&source, name, "ema", &o->common, err);
    const ito_recipe *r = &source.recipe;
    if (st == ITO_OK && o->recipe)
        st = ito_error_set(err, ITO_E_ARG, "--recipe: %s is a density and has none: leave it out", name);
    if (st == ITO_OK && o->common.json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "path", name);
        cJSON_AddStringToObject(object, "kind", "density");
        cJSON_AddNumberToObject(object, "dim", (double)source.dim);
        cJSON_AddStringToObject(object, "sde", ito_sde_name(r->sde.kind));
        st = cli_print_json(object, err);
    } else if (st == ITO_OK) {
        printf("%-12s %s\n", "density", name);
        for (int i = 0; ito_points_name(i); i++) {
            if (strcmp(ito_points_name(i), r->name) == 0)
                printf("%-12s points of the plane: %s\n", "data", ito_points_summary(i));
        }
        printf("%-12s %s, exact score\n", "sde", ito_sde_name(r->sde.kind));
        printf("%-12s %s, %" PRId64 " steps, corrector %s\n", "sampling", r->sampling.predictor,
               r->sampling.steps, r->sampling.corrector);
    }
    cli_source_release(&source);
    return st;
}

static ito_status run(const void *options, ito_error *err) {
    const info_options *o = options;
    const char *path = o->common.words.item[0];
    bool is_recipe = cli_ends_with(path, ".yaml") || cli_ends_with(path, ".yml");
    ito_recipe recipe;
    ito_params *params = NULL;
    ito_model *model = NULL;
    facts f = {.path = path};
    ito_status st;
    if (cli_source_is_density(path)) return run_density(o, path, err);
    if (is_recipe) {
        st = ito_recipe_read(path, &recipe, err);
        if (st == ITO_OK) st = cli_apply_set(&o->common, &recipe, err);
        if (st == ITO_OK) st = ito_recipe_params(&recipe, &params, err);
    } else {
        st = ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &model, err);
        if (st == ITO_OK) st = cli_apply_set(&o->common, &model->recipe, err);
    }
    if (st != ITO_OK) goto done;
    f.model = model;
    f.recipe = model ? &model->recipe : &recipe;
    if (o->recipe) {
        st = print_recipe(f.recipe, err);
        goto done;
    }
    if ((st = cli_network_flops(f.recipe, &f.flops, err)) != ITO_OK) goto done;
    ito_params *counted = model ? model->params : params;
    f.parameters = ito_params_trainable_count(counted);
    f.tensors = ito_params_count(counted);
    if (model) f.file_bytes = cli_file_size(model->path);
    if (o->common.json) {
        st = print_facts_json(&f, err);
    } else {
        print_facts(&f);
    }
done:
    ito_model_free(model);
    ito_params_free(params);
    return st;
}

const cli_verb cli_verb_info = {
    .name = "info",
    .words = "MODEL|RECIPE",
    .summary = "describe a model, run or recipe",
    .about = "Describes MODEL (a model or checkpoint file, a run directory, the name of a bundled model, "
             "gmm:NAME) or "
             "RECIPE "
             "(a .yaml file): parameters, tensors, work per image, data, and for models the file and its "
             "training.",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .size = sizeof(info_options),
    .run = run,
};
