/* SPDX-License-Identifier: Apache-2.0
 *
 * ito convert: a checkpoint, a published .pth above all, or a diffusers folder, to a model file; and a model
 * to such a folder.
 */
#include "cli.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

typedef struct convert_options {
    cli_common common;
    const char *recipe, *weights, *to;
    bool bf16;
} convert_options;

static const char *form_name(int index) {
    static const char *const names[] = {"ito", "diffusers"};
    return index < 2 ? names[index] : NULL;
}

#define AT(field) offsetof(convert_options, field)
static const cli_option options_table[] = {
    {"recipe", 'r', "RECIPE.yaml", CLI_TEXT, AT(recipe), "recipe of the network; a .pth needs it", 0, NULL},
    {"weights", 0, "KIND", CLI_CHOICE, AT(weights), "averaged or live weights", 0, cli_weights_name},
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
    return ITO_OK;
}

static ito_status report(const convert_options *o, const ito_model *m, ito_error *err) {
    int64_t parameters = ito_params_trainable_count(m->params);
    if (!o->common.json) {
        printf("%s\n", o->common.out);
        return ITO_OK;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(object, "files"), cJSON_CreateString(o->common.out));
    cJSON_AddNumberToObject(object, "parameters", (double)parameters);
    return cli_print_json(object, err);
}

static ito_status run(const void *options, ito_error *err) {
    const convert_options *o = options;
    ito_recipe recipe;
    ito_model *model = NULL;
    ito_status st = cli_check_writable(o->common.out, err);
    if (st == ITO_OK && o->recipe) {
        st = ito_recipe_read(o->recipe, &recipe, err);
        if (st == ITO_OK) st = cli_apply_set(&o->common, &recipe, err);
    }
    if (st == ITO_OK) {
        st = ito_model_load(o->common.words.item[0], cli_weights_kind(o->weights), o->recipe ? &recipe : NULL,
                            &model, err);
    }
    if (st == ITO_OK && !o->recipe) st = cli_apply_set(&o->common, &model->recipe, err);
    if (st == ITO_OK) {
        st = to_diffusers(o) ? ito_model_save_diffusers(model, o->common.out, err)
                             : ito_model_save(model, o->common.out, o->bf16, err);
    }
    if (st == ITO_OK) st = report(o, model, err);
    ito_model_free(model);
    return st;
}

const cli_verb cli_verb_convert = {
    .name = "convert",
    .words = "CHECKPOINT",
    .summary = "make a model file of a checkpoint",
    .about = "Writes the weights of CHECKPOINT, a published .pth, a checkpoint of ito or the folder of a "
             "UNet2DModel "
             "of Hugging Face's diffusers, and the recipe into one model file, which -o names. A .pth is "
             "read without "
             "executing anything in it. With --to diffusers, writes such a folder.",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .size = sizeof(convert_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
