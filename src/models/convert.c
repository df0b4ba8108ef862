/* SPDX-License-Identifier: Apache-2.0
 *
 * From a checkpoint to a model file, or to a checkpoint that training resumes from, without loading it: what
 * the result holds is listed first, then streamed from the mapped source.
 *
 * Counters of a published checkpoint: step is its own, images = step * batch_size, updates (Adam's) and
 * ema_updates are the two that PyTorch keeps apart.
 */
#include "core/memory.h"
#include "models/binding.h"
#include "models/model_path.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sets of tensors of each kind of result, in file order. */
typedef struct part {
    const char *prefix;
    ito_weights weights;
    bool moments; /* adam_*: of trainable parameters, zeros where there are none */
} part;

static const part ema_parts[] = {{"", ITO_WEIGHTS_EMA, false}};
static const part live_parts[] = {{"", ITO_WEIGHTS_LIVE, false}};
static const part all_parts[] = {{"ema/", ITO_WEIGHTS_EMA, false},
                                 {"live/", ITO_WEIGHTS_LIVE, false},
                                 {"adam_m/", ITO_WEIGHTS_LIVE, true},
                                 {"adam_v/", ITO_WEIGHTS_LIVE, true}};

static const struct {
    const part *parts;
    int count;
    const char *format;
} contents[ITO_CONVERT_COUNT] = {
    [ITO_CONVERT_EMA] = {ema_parts, 1, "ito model 1"},
    [ITO_CONVERT_LIVE] = {live_parts, 1, "ito model 1"},
    [ITO_CONVERT_BOTH] = {all_parts, 2, "ito model 1"},
    [ITO_CONVERT_CHECKPOINT] = {all_parts, 4, "ito checkpoint 1"},
};

enum { COUNTERS = 6, METADATA = COUNTERS + 2, LONGEST_PREFIX = 8 };

typedef struct conversion {
    ito__binding b;
    ito_recipe recipe;
    char *recipe_text;
    int count;
    ito_tensor *targets;
    const ito_tensor **sources;
    char *names; /* of the targets, one after the other */
    char digits[COUNTERS][24];
    ito_metadata metadata[METADATA];
    int metadata_count;
} conversion;

static ito_status open_source(conversion *c, const char *path, const ito_recipe *recipe, ito_error *err) {
    ito_status st;
    c->b.path = path;
    c->b.own_recipe = recipe == NULL;
    if ((st = ito__tensors_open(path, &c->b.file, err)) != ITO_OK) return st;
    if ((st = ito__recipe_of(c->b.file, path, recipe, &c->recipe, err)) != ITO_OK) return st;
    if ((st = ito__recipe_graph(&c->recipe, &c->b.graph, err)) != ITO_OK) return st;
    return ito_recipe_print(&c->recipe, &c->recipe_text, err);
}

/* Adds parameter i of a part. Buffers stay float: rounded Fourier frequencies would turn phases by whole
 * radians. */
static ito_status add_target(conversion *c, const part *p, int i, bool bf16, char **name, ito_error *err) {
    const ito_node *node = ito_graph_param(c->b.graph, i);
    const ito_tensor *source = NULL;
    ito_shape s = ito_node_shape(node);
    ito_status st = p->moments ? ito__binding_find_optional(&c->b, p->prefix, i, &source, err)
                               : ito__binding_find(&c->b, p->weights, i, &source, err);
    if (st != ITO_OK) return st;
    ito_tensor *t = &c->targets[c->count];
    *t = (ito_tensor){.name = *name, .dtype = ITO_DTYPE_F32, .rank = s.rank, .count = ito_shape_count(s)};
    if (bf16 && ito_node_trainable(node)) t->dtype = ITO_DTYPE_BF16;
    memcpy(t->dim, s.dim, (size_t)s.rank * sizeof *s.dim);
    *name = stpcpy(stpcpy(*name, p->prefix), ito_node_name(node)) + 1;
    c->sources[c->count++] = source;
    return ITO_OK;
}

static ito_status list_targets(conversion *c, const ito_convert_options *o, ito_convert_report *report,
                               ito_error *err) {
    const int n = ito_graph_param_count(c->b.graph), parts = contents[o->content].count;
    size_t letters = 0;
    ito_status st;
    for (int i = 0; i < n; i++)
        letters += strlen(ito_node_name(ito_graph_param(c->b.graph, i))) + LONGEST_PREFIX;
    c->targets = ito__calloc((size_t)n * (size_t)parts, sizeof *c->targets);
    c->sources = ito__calloc((size_t)n * (size_t)parts, sizeof *c->sources);
    c->names = ito__calloc(letters, (size_t)parts);
    if (!c->targets || !c->sources || !c->names)
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for a list of its tensors: free some",
                             c->b.path);
    char *name = c->names;
    for (int k = 0; k < parts; k++) {
        const part *p = &contents[o->content].parts[k];
        for (int i = 0; i < n; i++) {
            bool trainable = ito_node_trainable(ito_graph_param(c->b.graph, i));
            if (p->moments && !trainable) continue;
            if ((st = add_target(c, p, i, o->bf16, &name, err)) != ITO_OK) return st;
            const ito_tensor *t = &c->targets[c->count - 1];
            report->bytes += t->count * (int64_t)ito_dtype_size(t->dtype);
            if (k == 0 && trainable) report->parameters += t->count;
            if (p->moments && c->sources[c->count - 1]) report->moments = true;
        }
        if (!p->moments && (st = ito__binding_check(&c->b, p->weights, err)) != ITO_OK) return st;
    }
    return ITO_OK;
}

static void add_counter(conversion *c, const char *key, int64_t value) {
    char *digits = c->digits[c->metadata_count - 2]; /* behind format and recipe */
    snprintf(digits, sizeof c->digits[0], "%" PRId64, value);
    c->metadata[c->metadata_count++] = (ito_metadata){key, digits};
}

/* A counter under the name that ito gives it or, failing that, under the published checkpoint's. */
static int64_t counter_of(const conversion *c, const char *own, const char *published) {
    const char *key = ito_tensor_file_metadata(c->b.file, own) ? own : published;
    return ito__file_counter(c->b.file, key);
}

static void list_metadata(conversion *c, const ito_convert_options *o, ito_convert_report *report) {
    const ito_tensor_file *f = c->b.file;
    report->step = ito__file_counter(f, "step");
    int64_t batch = c->recipe.training.batch_size;
    int64_t images = report->step <= INT64_MAX / batch ? report->step * batch : 0;
    if (ito_tensor_file_metadata(f, "images")) images = ito__file_counter(f, "images");
    c->metadata[0] = (ito_metadata){"format", contents[o->content].format};
    c->metadata[1] = (ito_metadata){"recipe", c->recipe_text};
    c->metadata_count = 2;
    add_counter(c, "step", report->step);
    add_counter(c, "images", images);
    if (o->content != ITO_CONVERT_CHECKPOINT) return;
    int64_t updates = counter_of(c, "updates", "adam_step");
    add_counter(c, "updates", updates);
    add_counter(c, "skipped", ito__file_counter(f, "skipped"));
    add_counter(c, "skipped_in_a_row", ito__file_counter(f, "skipped_in_a_row"));
    bool own = ito_tensor_file_metadata(f, "updates") && !ito_tensor_file_metadata(f, "ema_updates");
    add_counter(c, "ema_updates", own ? updates : counter_of(c, "ema_updates", "ema_num_updates"));
}

ito_status ito_model_convert(const char *from, const ito_recipe *recipe, const char *to,
                             const ito_convert_options *o, ito_convert_report *report, ito_error *err) {
    conversion c = {.count = 0};
    ito_convert_report r = {0};
    char path[1024];
    ito_status st;
    if (o->content == ITO_CONVERT_CHECKPOINT && o->bf16)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: a checkpoint for training keeps float32: leave out either bfloat16 or the "
                             "optimizer's state",
                             to);
    if ((st = ito__model_find(from, path, sizeof path, err)) != ITO_OK) goto done;
    if ((st = open_source(&c, path, recipe, err)) != ITO_OK) goto done;
    if ((st = list_targets(&c, o, &r, err)) != ITO_OK) goto done;
    list_metadata(&c, o, &r);
    st = ito_safetensors_copy(to, c.b.file, c.count, c.targets, c.sources, c.metadata_count, c.metadata,
                              o->progress, err);
    if (st == ITO_OK) *report = r;
done:
    ito__free(c.names);
    ito__free(c.sources);
    ito__free(c.targets);
    free(c.recipe_text);
    ito_graph_free(c.b.graph);
    ito_tensor_file_close(c.b.file);
    return st;
}

ito_status ito_model_recipe(const char *path, ito_recipe *out, ito_error *err) {
    ito_tensor_file *f = NULL;
    char found[1024];
    ito_status st = ito__model_find(path, found, sizeof found, err);
    if (st == ITO_OK) st = ito__tensors_open(found, &f, err);
    if (st == ITO_OK) st = ito__recipe_of(f, found, NULL, out, err);
    ito_tensor_file_close(f);
    return st;
}
