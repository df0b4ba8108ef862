/* SPDX-License-Identifier: Apache-2.0
 *
 * ito forward: the raw output of a network for tensors in a file.
 */
#include "cli.h"
#include "memory.h"

#include <cjson/cJSON.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct forward_options {
    cli_common common;
    const char *weights, *recipe;
    int64_t class_index;
    double guidance;
} forward_options;

static const cli_option options_table[] = {
    {"class", 0, "K", CLI_INTEGER, offsetof(forward_options, class_index),
     "networks with classes: of class K, counted from 0 (default: the recipe's sampling.class)", 0, NULL},
    {"guidance", 0, "W", CLI_NUMBER, offsetof(forward_options, guidance),
     "weight of the class's output against that of none (default: the recipe's sampling.guidance)", 0, NULL},
    CLI_MODEL_OPTIONS(forward_options),
    CLI_MEMORY_LIMIT,
    {.name = NULL},
};

static void defaults(void *options) {
    forward_options *o = options;
    o->weights = "ema";
    o->class_index = -1;
    o->guidance = (double)NAN;
}

static ito_status check(const void *options, ito_error *err) {
    const forward_options *o = options;
    if (o->common.out) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "forward: no output file: give -o OUT.safetensors");
}

/* The tensors that a network takes, checked against the recipe. */
typedef struct input {
    ito_tensor_file *file;
    const ito_tensor *x, *labels;
    float *data;      /* x, labels, out, one after the other */
    int64_t *classes; /* [n]; NULL where the file has none */
    int64_t n, values;
} input;

/* Whole numbers, one for each row, in place of --class. */
static ito_status read_classes(input *in, const char *path, const forward_options *o, ito_error *err) {
    const ito_tensor *t = ito_tensor_file_find(in->file, "classes");
    if (!t) return ITO_OK;
    if (o->class_index >= 0)
        return ito_error_set(err, ITO_E_ARG, "--class: %s has classes of its own: leave it out", path);
    if (t->rank != 1 || t->dim[0] != in->n)
        return ito_error_set(err, ITO_E_SHAPE, "%s: classes do not fit x: give [%lld]", path,
                             (long long)in->n);
    double *values = calloc((size_t)in->n, sizeof *values);
    in->classes = calloc((size_t)in->n, sizeof *in->classes);
    ito_status st =
        values && in->classes
            ? ITO_OK
            : ito_error_set(err, ITO_E_NOMEM, "%s: no memory for classes: give fewer images", path);
    if (st == ITO_OK) ito_tensor_read_f64(t, values);
    for (int64_t k = 0; k < in->n && st == ITO_OK; k++) {
        if (values[k] >= -1 && values[k] <= 1 << 20 && floor(values[k]) == values[k])
            in->classes[k] = (int64_t)values[k];
        else
            st = ito_error_set(err, ITO_E_FORMAT, "%s: class %lld is %g: give whole numbers, -1 for none",
                               path, (long long)k, values[k]);
    }
    free(values);
    return st;
}

static ito_status open_input(input *in, const char *path, const ito_recipe *r, ito_error *err) {
    ito_status st = cli_ends_with(path, ".npz") ? ito_npz_open(path, &in->file, err)
                                                : ito_safetensors_open(path, &in->file, err);
    if (st != ITO_OK) return st;
    in->x = ito_tensor_file_find(in->file, "x");
    in->labels = ito_tensor_file_find(in->file, "labels");
    if (!in->x || !in->labels) {
        return ito_error_set(err, ITO_E_FORMAT, "%s: has no tensor \"%s\": give x [n,C,H,W] and labels [n]",
                             path, in->x ? "labels" : "x");
    }
    const ito_tensor *x = in->x, *labels = in->labels;
    int64_t C = r->data.channels, S = r->data.image_size;
    if (x->rank != 4 || x->dim[0] < 1 || x->dim[1] != C || x->dim[2] != S || x->dim[3] != S) {
        return ito_error_set(err, ITO_E_SHAPE,
                             "%s: x does not fit the network: give [n,%lld,%lld,%lld], n at "
                             "least 1",
                             path, (long long)C, (long long)S, (long long)S);
    }
    if (labels->rank != 1 || labels->dim[0] != x->dim[0]) {
        return ito_error_set(err, ITO_E_SHAPE, "%s: labels do not fit x: give [%lld]", path,
                             (long long)x->dim[0]);
    }
    in->n = x->dim[0];
    in->values = x->count;
    in->data = calloc((size_t)in->values * 2 + (size_t)in->n, sizeof *in->data);
    if (!in->data) return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for x: give fewer images", path);
    ito_tensor_read_f32(x, in->data);
    ito_tensor_read_f32(labels, in->data + in->values);
    return ITO_OK;
}

static ito_status fit_batch(const forward_options *o, const ito_model *m, const input *in,
                            ito_network_score_options *options, ito_error *err) {
    cli_load load = {.recipe = &m->recipe, .plan = options->plan};
    int64_t batch = options->batch;
    load.held = (double)(2 * in->values + in->n) * (double)sizeof *in->data;
    ito_status st = cli_memory_fit(&load, o->common.memory_limit, &options->batch, &batch, err);
    options->plan = load.plan;
    return st;
}

static ito_status run_network(const forward_options *o, const ito_model *m, input *in, ito_error *err) {
    ito_network_score *network = NULL;
    ito_network_score_options options = ito_network_score_default();
    ito_status st = cli_plan_options(&o->common, &options.plan, err);
    options.batch = o->common.batch > 0 ? o->common.batch : options.batch;
    if (options.batch > in->n) options.batch = in->n;
    options.continuous = m->recipe.objective.continuous;
    options.class_index = o->class_index >= 0 ? o->class_index : m->recipe.sampling.class_index;
    options.guidance = isnan(o->guidance) ? m->recipe.sampling.guidance : o->guidance;
    if (st == ITO_OK) st = fit_batch(o, m, in, &options, err);
    if (st == ITO_OK) {
        st = ito_network_score_create(&m->recipe.network, &m->recipe.sde, m->params, &options, &network, err);
    }
    float *labels = in->data + in->values, *out = labels + in->n;
    if (st == ITO_OK && in->classes)
        st = ito_network_score_forward_classes(network, in->n, in->data, labels, in->classes, out, err);
    else if (st == ITO_OK)
        st = ito_network_score_forward(network, in->n, in->data, labels, out, err);
    ito_network_score_free(network);
    return st;
}

static ito_status write_output(const forward_options *o, const input *in, ito_error *err) {
    ito_tensor out = *in->x;
    out.name = "out";
    out.dtype = ITO_DTYPE_F32;
    out.data = in->data + in->values + in->n;
    ito_status st = cli_ends_with(o->common.out, ".npz")
                        ? ito_npz_write(o->common.out, 1, &out, err)
                        : ito_safetensors_write(o->common.out, 1, &out, 0, NULL, err);
    if (st != ITO_OK) return st;
    if (!o->common.json) {
        printf("%s\n", o->common.out);
        return ITO_OK;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(object, "files"), cJSON_CreateString(o->common.out));
    cJSON_AddNumberToObject(object, "n", (double)in->n);
    return cli_print_json(object, err);
}

static ito_status run(const void *options, ito_error *err) {
    const forward_options *o = options;
    ito_model *model = NULL;
    input in = {0};
    ito_status st = cli_check_writable(o->common.out, err);
    if (st == ITO_OK)
        st = cli_model_load(&o->common, o->common.words.item[0], o->weights, o->recipe, &model, err);
    if (st == ITO_OK) st = open_input(&in, o->common.words.item[1], &model->recipe, err);
    if (st == ITO_OK) st = read_classes(&in, o->common.words.item[1], o, err);
    if (st == ITO_OK) st = run_network(o, model, &in, err);
    if (st == ITO_OK) st = write_output(o, &in, err);
    free(in.classes);
    free(in.data);
    ito_tensor_file_close(in.file);
    ito_model_free(model);
    return st;
}

const cli_verb cli_verb_forward = {
    .name = "forward",
    .words = "MODEL INPUT.safetensors|INPUT.npz",
    .summary = "evaluate a network on tensors of a file",
    .about =
        "Evaluates the network of MODEL on the tensors x [n,C,H,W] and labels [n] of INPUT, a .safetensors "
        "or "
        ".npz file, and writes its raw output as the tensor \"out\" of the file that -o names, either kind "
        "too. "
        "Labels are what the network takes: 999 t for VP and sub-VP, sigma(t) for VE.\n\n"
        "A network with classes is asked for the class of --class, or of the tensor \"classes\" [n], -1 for "
        "none; without either for no class in particular. --guidance W gives out(none) + W (out(class) - "
        "out(none)), as sampling does with scores.",
    .least_words = 2,
    .most_words = 2,
    .options = options_table,
    .size = sizeof(forward_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
