/* SPDX-License-Identifier: Apache-2.0
 *
 * ito info: what a model, a checkpoint, a run or a recipe is.
 */
#include "cli.h"
#include "memory.h"
#include "network.h"
#include "source.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <ito/sampler.h>
#include <ito/training.h>
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
    int64_t file_bytes;
    cli_network_size network;
    double flops;
    int64_t batch;                         /* of the memory: */
    double sampling, training;             /* bytes of the program */
    double sampling_image, training_image; /* more for one more image of a large batch */
} facts;

/* Of sampling as the recipe says, batch and network undivided. */
static ito_status sampling_bytes(const facts *f, const ito_plan_options *plan, int64_t batch, double *bytes,
                                 ito_error *err) {
    cli_load load = {.recipe = f->recipe, .plan = *plan};
    ito_sampler sampler;
    ito_status st = ito_sampler_named(f->recipe->sampling.sampler, &f->recipe->sde, &sampler, err);
    if (st != ITO_OK) return st;
    load.doubles = cli_doubles_of_sampler(sampler.kind);
    return cli_memory_needed(&load, batch, batch, bytes, err);
}

static ito_status training_bytes(const facts *f, const ito_plan_options *plan, int64_t batch, double *bytes,
                                 ito_error *err) {
    ito_recipe recipe = *f->recipe;
    ito_trainer_options options = ito_trainer_default();
    size_t trainer = 0;
    recipe.training.batch_size = batch;
    options.plan = *plan;
    ito_status st = ito_trainer_bytes(&recipe, &options, &trainer, err);
    *bytes = CLI_PROGRAM_BYTES + (double)trainer;
    return st;
}

typedef ito_status count_bytes(const facts *f, const ito_plan_options *plan, int64_t batch, double *bytes,
                               ito_error *err);

/* The slope is taken past the few images at which convolutions change from packed weights to Winograd, which
 * has none. */
static ito_status count(const facts *f, const ito_plan_options *plan, count_bytes *bytes_of, double *bytes,
                        double *of_image, ito_error *err) {
    const int64_t many = f->batch > 8 ? f->batch : 8;
    double some = 0, twice = 0;
    ito_status st = bytes_of(f, plan, f->batch, bytes, err);
    if (st == ITO_OK) st = bytes_of(f, plan, many, &some, err);
    if (st == ITO_OK) st = bytes_of(f, plan, 2 * many, &twice, err);
    *of_image = (twice - some) / (double)many;
    return st;
}

static ito_status count_memory(facts *f, const ito_plan_options *plan, ito_error *err) {
    ito_status st = count(f, plan, sampling_bytes, &f->sampling, &f->sampling_image, err);
    if (st == ITO_OK) st = count(f, plan, training_bytes, &f->training, &f->training_image, err);
    return st;
}

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
    cJSON_AddNumberToObject(object, "parameters", (double)f->network.parameters);
    cJSON_AddNumberToObject(object, "tensors", (double)f->network.tensors);
    cJSON_AddNumberToObject(object, "flops_per_image", f->flops);
    cJSON_AddNumberToObject(object, "batch", (double)f->batch);
    cJSON_AddNumberToObject(object, "sampling_bytes", f->sampling);
    cJSON_AddNumberToObject(object, "sampling_bytes_per_image", f->sampling_image);
    cJSON_AddNumberToObject(object, "training_bytes", f->training);
    cJSON_AddNumberToObject(object, "training_bytes_per_image", f->training_image);
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

static void print_memory(const char *title, const char *verb, int64_t batch, double bytes, double image) {
    char all[32], each[32];
    printf("%-12s %s %s with a batch of %" PRId64 ", %s more for each image of a larger one\n", title, verb,
           cli_human(bytes, "B", all), batch, cli_human(image, "B", each));
}

static void print_facts(const facts *f) {
    const ito_recipe *r = f->recipe;
    char text[32];
    printf("%-12s %s\n", f->model ? "model" : "recipe", f->model ? f->model->path : f->path);
    if (f->model) printf("%-12s %s\n", "recipe", r->name);
    if (ito_data_is_points(&r->data))
        printf("%-12s %s, points of %" PRId64 " number%s\n", "data", r->data.dataset, r->data.channels,
               r->data.channels == 1 ? "" : "s");
    else
        printf("%-12s %s, %" PRId64 "x%" PRId64 ", %" PRId64 " channel%s\n", "data", r->data.dataset,
               r->data.image_size, r->data.image_size, r->data.channels, r->data.channels == 1 ? "" : "s");
    printf("%-12s %s, %s objective\n", "sde", ito_sde_name(r->sde.kind),
           r->objective.continuous ? "continuous" : "discrete");
    printf("%-12s %s in %" PRId64 " tensors\n", "parameters",
           cli_human((double)f->network.parameters, "", text), f->network.tensors);
    printf("%-12s %s per image forward\n", "work", cli_human(f->flops, "FLOP", text));
    print_memory("memory", "sampling", f->batch, f->sampling, f->sampling_image);
    print_memory("", "training", f->batch, f->training, f->training_image);
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
    ito_status st = cli_source_open(&source, name, "ema", NULL, &o->common, err);
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
    ito_model *model = NULL;
    facts f = {.path = path, .batch = o->common.batch > 0 ? o->common.batch : 1};
    ito_plan_options plan;
    ito_status st;
    if (cli_source_is_density(path)) return run_density(o, path, err);
    if (is_recipe) {
        st = ito_recipe_read(path, &recipe, err);
        if (st == ITO_OK) st = cli_apply_set(&o->common, &recipe, err);
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
    if ((st = cli_plan_options(&o->common, &plan, err)) != ITO_OK) goto done;
    if ((st = cli_network_measure(f.recipe, &f.network, err)) != ITO_OK) goto done;
    if ((st = cli_network_flops(f.recipe, &f.flops, err)) != ITO_OK) goto done;
    if ((st = count_memory(&f, &plan, err)) != ITO_OK) goto done;
    if (model) f.file_bytes = cli_file_size(model->path);
    if (o->common.json) {
        st = print_facts_json(&f, err);
    } else {
        print_facts(&f);
    }
done:
    ito_model_free(model);
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
