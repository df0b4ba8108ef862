/* SPDX-License-Identifier: Apache-2.0
 *
 * ito convert: a checkpoint, a published .pth above all, or a diffusers folder, to a model file; and a model
 * to such a folder.
 */
#include "cli.h"
#include "progress.h"
#include "signals.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

typedef struct convert_options {
    cli_common common;
    const char *recipe, *weights, *to;
    bool bf16, optimizer;
} convert_options;

/* Below this nobody waits long enough to want a bar. */
static const int64_t large_file = 100000000;

static const char *weights_name(int index) {
    static const char *const names[] = {"ema", "live", "both"};
    return index < 3 ? names[index] : NULL;
}

static const char *form_name(int index) {
    static const char *const names[] = {"ito", "diffusers"};
    return index < 2 ? names[index] : NULL;
}

#define AT(field) offsetof(convert_options, field)
static const cli_option options_table[] = {
    {"recipe", 'r', "RECIPE.yaml", CLI_TEXT, AT(recipe), "recipe of the network; a .pth needs it", 0, NULL},
    {"weights", 0, "KIND", CLI_CHOICE, AT(weights), "averaged weights, live ones, or both", 0, weights_name},
    {"optimizer", 0, NULL, CLI_FLAG, AT(optimizer),
     "Adam's state and both sets of weights: a checkpoint that ito train --from goes on with", 0, NULL},
    {"to", 0, "FORM", CLI_CHOICE, AT(to), "a model file, or a folder of the diffusers library", 0, form_name},
    {"bf16", 0, NULL, CLI_FLAG, AT(bf16), "store bfloat16: half the size", 0, NULL},
    {.name = NULL},
};
#undef AT

static void defaults(void *options) {
    convert_options *o = options;
    o->weights = "ema";
    o->to = form_name(0);
}

static bool to_diffusers(const convert_options *o) {
    return strcmp(o->to, form_name(1)) == 0;
}

static bool is_diffusers(const char *path) {
    char file[CLI_PATH_MAX];
    static const char *const marks[] = {"config.json", "unet/config.json"};
    for (int i = 0; i < 2; i++)
        if (cli_path(file, sizeof file, NULL, "%s/%s", path, marks[i]) == ITO_OK && cli_exists(file))
            return true;
    return false;
}

static ito_status check(const void *options, ito_error *err) {
    const convert_options *o = options;
    if (!o->common.out) {
        return ito_error_set(err, ITO_E_ARG, "convert: no output file: give -o MODEL.safetensors");
    }
    if (to_diffusers(o) && o->bf16) {
        return ito_error_set(err, ITO_E_ARG,
                             "--bf16: a diffusers folder is written as float32: leave it out");
    }
    if (!o->recipe && cli_ends_with(o->common.words.item[0], ".pth")) {
        return ito_error_set(err, ITO_E_ARG, "%s: a .pth does not say what network it is: give --recipe",
                             o->common.words.item[0]);
    }
    if ((to_diffusers(o) || is_diffusers(o->common.words.item[0])) &&
        (o->optimizer || strcmp(o->weights, "both") == 0)) {
        return ito_error_set(err, ITO_E_ARG,
                             "--%s: a diffusers folder holds one set of weights: leave it out",
                             o->optimizer ? "optimizer" : "weights");
    }
    if (o->optimizer && o->bf16) {
        return ito_error_set(err, ITO_E_ARG,
                             "--bf16: training needs float32: leave out --bf16 or --optimizer");
    }
    return ITO_OK;
}

static ito_convert_content content_of(const convert_options *o) {
    if (o->optimizer) return ITO_CONVERT_CHECKPOINT;
    if (strcmp(o->weights, "both") == 0) return ITO_CONVERT_BOTH;
    return strcmp(o->weights, "live") == 0 ? ITO_CONVERT_LIVE : ITO_CONVERT_EMA;
}

/* The bar, in megabytes; its total is known with the first report. */
static ito_status on_progress(void *self, int64_t done, int64_t total) {
    const int64_t megabyte = 1000000;
    cli_progress *p = self;
    if (total >= 2 * large_file) {
        if (!p->label) cli_progress_start(p, "convert", "MB", 1, 0, total / megabyte, p->quiet);
        cli_progress_update(p, done / megabyte, NULL);
    }
    return cli_stop_requested() ? ITO_E_CANCELLED : ITO_OK;
}

static ito_status report(const convert_options *o, const ito_convert_report *r, ito_error *err) {
    if (!o->common.json) {
        printf("%s\n", o->common.out);
        return ITO_OK;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(object, "files"), cJSON_CreateString(o->common.out));
    cJSON_AddNumberToObject(object, "parameters", (double)r->parameters);
    cJSON_AddNumberToObject(object, "bytes", (double)r->bytes);
    cJSON_AddNumberToObject(object, "step", (double)r->step);
    return cli_print_json(object, err);
}

/* The recipe given, or the file's own, with every --set. */
static ito_status read_recipe(const convert_options *o, ito_recipe *recipe, ito_error *err) {
    ito_status st = o->recipe ? ito_recipe_read(o->recipe, recipe, err)
                              : ito_model_recipe(o->common.words.item[0], recipe, err);
    return st == ITO_OK ? cli_apply_set(&o->common, recipe, err) : st;
}

/* From and to folders of diffusers, whose tensors have other names and shapes: through a loaded model. */
static ito_status by_loading(const convert_options *o, ito_error *err) {
    ito_recipe recipe;
    ito_model *model = NULL;
    ito_status st = ITO_OK;
    if (o->recipe) st = read_recipe(o, &recipe, err);
    if (st == ITO_OK)
        st = ito_model_load(o->common.words.item[0], cli_weights_kind(o->weights), o->recipe ? &recipe : NULL,
                            &model, err);
    if (st == ITO_OK && !o->recipe) st = cli_apply_set(&o->common, &model->recipe, err);
    if (st == ITO_OK)
        st = to_diffusers(o) ? ito_model_save_diffusers(model, o->common.out, err)
                             : ito_model_save(model, o->common.out, o->bf16, err);
    if (st == ITO_OK) {
        const ito_convert_report done = {.parameters = ito_params_trainable_count(model->params),
                                         .bytes = (int64_t)sizeof(float) *
                                                  ito_params_trainable_count(model->params),
                                         .step = model->step};
        st = report(o, &done, err);
    }
    ito_model_free(model);
    return st;
}

static ito_status by_streaming(const convert_options *o, ito_error *err) {
    ito_recipe recipe;
    ito_convert_report done;
    cli_progress progress = {.quiet = o->common.quiet};
    const ito_convert_options how = {
        .content = content_of(o), .bf16 = o->bf16, .progress = {.self = &progress, .report = on_progress}};
    /* Without a recipe of the caller's the file's own is passed on as NULL: a misfit is then its damage. */
    bool own = !o->recipe && o->common.set.count == 0;
    ito_status st = ITO_OK;
    if (st == ITO_OK && !own) st = read_recipe(o, &recipe, err);
    if (st == ITO_OK)
        st =
            ito_model_convert(o->common.words.item[0], own ? NULL : &recipe, o->common.out, &how, &done, err);
    cli_progress_finish(&progress);
    if (st == ITO_E_CANCELLED) st = cli_stopped("convert", "nothing was written", err);
    if (st == ITO_OK && o->optimizer && !done.moments)
        cli_progress_say(&progress, "%s: has no state of Adam: its moments start from zero",
                         o->common.words.item[0]);
    return st == ITO_OK ? report(o, &done, err) : st;
}

static ito_status run(const void *options, ito_error *err) {
    const convert_options *o = options;
    const ito_status st = cli_check_writable(o->common.out, err);
    if (st != ITO_OK) return st;
    return to_diffusers(o) || is_diffusers(o->common.words.item[0]) ? by_loading(o, err)
                                                                    : by_streaming(o, err);
}

const cli_verb cli_verb_convert = {
    .name = "convert",
    .words = "CHECKPOINT",
    .summary = "make a model file of a checkpoint",
    .about =
        "Writes the weights of CHECKPOINT, a published .pth, a checkpoint of ito or the folder of a "
        "UNet2DModel of Hugging Face's diffusers, and the recipe into one file, which -o names: a model with "
        "the averaged weights or, with --optimizer, a checkpoint that training goes on with. A .pth is read "
        "without executing anything in it. The result is read back and compared before it gets its name. "
        "With "
        "--to diffusers, writes such a folder.",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .size = sizeof(convert_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
