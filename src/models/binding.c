/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of the tensor of parameter p, by kind of file:
 *     model file    p                                          one set of weights
 *     checkpoint    ema/p, live/p, adam_m/p, adam_v/p
 *     .pth          ema/p for trainable parameters, model/p for the live ones and the buffers
 *     others'       p or module.p, as a state_dict that was saved as safetensors has them
 */
#include "models/binding.h"
#include "core/text.h"

#include "models/model_path.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)ITO_MAX_RANK <= (int)ITO_TENSOR_MAX_RANK, "every parameter fits into a file's tensor");

/* Where the weights of each kind are looked for, best first. A model file has one set, the averaged one
 * unless it was made otherwise on purpose. Buffers never change, so any copy of theirs serves. */
static const char *const ema_prefixes[] = {"ema/", "", "module.", NULL};
static const char *const live_prefixes[] = {"live/", "model/", NULL};
static const char *const buffer_prefixes[] = {"ema/", "live/", "model/", "", "module.", NULL};

ito_status ito__tensors_open(const char *path, ito_tensor_file **out, ito_error *err) {
    bool pth = ito__ends_with(path, ".pth") || ito__ends_with(path, ".pt");
    return pth ? ito_pth_open(path, out, err) : ito_safetensors_open(path, out, err);
}

ito_status ito__recipe_graph(const ito_recipe *r, ito_graph **out, ito_error *err) {
    const ito_network_config *c = &r->network;
    ito_graph *g = NULL;
    *out = NULL;
    ito_status st = ito_graph_create(&g, err);
    if (st != ITO_OK) return st;
    ito_node *x = ito_input(g, "x", ITO_SHAPE(1, c->channels, c->image_size, c->image_size));
    ito_network_build(c, x, ito_input(g, "labels", ITO_SHAPE(1)), false);
    if ((st = ito_graph_status(g, err)) != ITO_OK)
        ito_graph_free(g);
    else
        *out = g;
    return st;
}

ito_status ito__recipe_of(const ito_tensor_file *f, const char *path, const ito_recipe *given,
                          ito_recipe *out, ito_error *err) {
    if (given) {
        *out = *given;
        return ito_recipe_check(given, given->name, err);
    }
    const char *text = ito_tensor_file_metadata(f, "recipe");
    if (!text) {
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: holds weights but no recipe: name the recipe it was trained with", path);
    }
    char where[1100];
    snprintf(where, sizeof where, "%s (its recipe)", path);
    return ito_recipe_parse(text, strlen(text), where, out, err);
}

/* "[128,3,3,3]" */
static const char *shape_text(int rank, const int64_t *dim, char out[160]) {
    size_t used = (size_t)snprintf(out, 160, "[");
    for (int i = 0; i < rank; i++) {
        used += (size_t)snprintf(out + used, 160 - used, "%s%" PRId64, i ? "," : "", dim[i]);
    }
    snprintf(out + used, 160 - used, "]");
    return out;
}

static const char *remedy(const ito__binding *b) {
    return b->own_recipe ? "the file is damaged, take another" : "use its own recipe";
}

static const char *const *prefixes_of(ito_weights weights) {
    return weights == ITO_WEIGHTS_LIVE ? live_prefixes : ema_prefixes;
}

static const ito_tensor *find_under(const ito__binding *b, const char *prefix, const char *parameter) {
    char name[512];
    snprintf(name, sizeof name, "%s%s", prefix, parameter);
    return ito_tensor_file_find(b->file, name);
}

static ito_status missing(const ito__binding *b, ito_weights weights, const ito_node *p, ito_error *err) {
    char shape[160];
    const char *name = ito_node_name(p);
    ito_shape s = ito_node_shape(p);
    if (weights == ITO_WEIGHTS_LIVE && ito_tensor_file_find(b->file, name))
        return ito_error_set(
            err, ITO_E_ARG,
            "%s: a model file holds the averaged weights only: load those, or a checkpoint of its run",
            b->path);
    if (weights == ITO_WEIGHTS_EMA && find_under(b, "model/", name))
        return ito_error_set(err, ITO_E_ARG, "%s: holds no averaged weights: use its live ones", b->path);
    return ito_error_set(err, ITO_E_FORMAT, "%s: lacks tensor \"%s\" %s of the recipe's network: %s", b->path,
                         name, shape_text(s.rank, s.dim, shape), remedy(b));
}

static ito_status check_shape(const ito__binding *b, const ito_node *p, const ito_tensor *t, ito_error *err) {
    char got[160], expected[160];
    ito_shape s = ito_node_shape(p);
    bool fits = t->rank == s.rank;
    for (int d = 0; fits && d < s.rank; d++) fits = t->dim[d] == s.dim[d];
    if (fits) return ITO_OK;
    return ito_error_set(err, ITO_E_SHAPE, "%s: tensor \"%s\" is %s, the recipe needs %s: %s", b->path,
                         ito_node_name(p), shape_text(t->rank, t->dim, got),
                         shape_text(s.rank, s.dim, expected), remedy(b));
}

ito_status ito__binding_find(const ito__binding *b, ito_weights weights, int i, const ito_tensor **out,
                             ito_error *err) {
    const ito_node *p = ito_graph_param(b->graph, i);
    const char *const *prefix = ito_node_trainable(p) ? prefixes_of(weights) : buffer_prefixes;
    const ito_tensor *t = NULL;
    for (; *prefix && !t; prefix++) t = find_under(b, *prefix, ito_node_name(p));
    *out = t;
    return t ? check_shape(b, p, t, err) : missing(b, weights, p, err);
}

ito_status ito__binding_find_optional(const ito__binding *b, const char *prefix, int i,
                                      const ito_tensor **out, ito_error *err) {
    const ito_node *p = ito_graph_param(b->graph, i);
    *out = find_under(b, prefix, ito_node_name(p));
    return *out ? check_shape(b, p, *out, err) : ITO_OK;
}

static bool is_parameter(const ito__binding *b, const char *name) {
    for (int i = 0; i < ito_graph_param_count(b->graph); i++)
        if (strcmp(ito_node_name(ito_graph_param(b->graph, i)), name) == 0) return true;
    return false;
}

/* Whether a tensor is of the kind that a prefix stands for. */
static bool belongs(const char *name, const char *prefix) {
    if (*prefix) return strncmp(name, prefix, strlen(prefix)) == 0;
    return !strchr(name, '/') && strncmp(name, "module.", 7) != 0;
}

/* A tensor of the chosen set that no parameter took means another network. The published code stores its
 * noise levels beside the weights; the SDE knows them. */
ito_status ito__binding_check(const ito__binding *b, ito_weights weights, ito_error *err) {
    char shape[160];
    for (int i = 0; i < ito_tensor_file_count(b->file); i++) {
        const ito_tensor *t = ito_tensor_file_at(b->file, i);
        for (const char *const *p = prefixes_of(weights); *p; p++) {
            const char *name = t->name + strlen(*p);
            if (!belongs(t->name, *p) || strcmp(name, "sigmas") == 0 || is_parameter(b, name)) continue;
            return ito_error_set(err, ITO_E_FORMAT,
                                 "%s: has tensor \"%.200s\" %s, unknown to the recipe's network: %s", b->path,
                                 t->name, shape_text(t->rank, t->dim, shape), remedy(b));
        }
    }
    return ITO_OK;
}

int64_t ito__file_counter(const ito_tensor_file *f, const char *key) {
    const char *text = ito_tensor_file_metadata(f, key);
    long long n = text ? strtoll(text, NULL, 10) : 0;
    return n > 0 ? n : 0;
}
