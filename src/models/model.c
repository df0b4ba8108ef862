/* SPDX-License-Identifier: Apache-2.0
 *
 * Models: a recipe and the weights of its network, from and to safetensors.
 *
 * Names of the tensor of parameter p, by kind of file:
 *     model file    p                                          one set of weights
 *     checkpoint    ema/p, live/p, adam_m/p, adam_v/p
 *     diffusers     names of its own, see diffusers.h
 *     .pth          ema/p for trainable parameters, model/p for the live ones and the buffers
 * Metadata: recipe (YAML), step, images. Tensors are bound by name and their shapes compared.
 */
#include "core/memory.h"
#include "models/diffusers.h"
#include "models/model_path.h"

#include <assert.h>
#include <inttypes.h>
#include <ito/engine.h>
#include <ito/formats.h>
#include <ito/recipe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)ITO_MAX_RANK <= (int)ITO_TENSOR_MAX_RANK, "every parameter fits into a file's tensor");

/* Where the weights of each kind are looked for, best first. A model file has one set, the averaged one
 * unless it was made otherwise on purpose. Buffers never change, so any copy of theirs serves. */
static const char *const ema_prefixes[] = {"ema/", "", NULL};
static const char *const live_prefixes[] = {"live/", "model/", NULL};
static const char *const buffer_prefixes[] = {"ema/", "live/", "model/", "", NULL};

ito_status ito_recipe_params(const ito_recipe *r, ito_params **out, ito_error *err) {
    const ito_network_config *c = &r->network;
    ito_graph *g = NULL;
    *out = NULL;
    ito_status st = ito_graph_create(&g, err);
    if (st != ITO_OK) goto done;
    ito_node *x = ito_input(g, "x", ITO_SHAPE(1, c->channels, c->image_size, c->image_size));
    ito_network_build(c, x, ito_input(g, "labels", ITO_SHAPE(1)), false);
    if ((st = ito_graph_status(g, err)) != ITO_OK) goto done;
    st = ito_params_create(g, out, err);
done:
    ito_graph_free(g);
    return st;
}

/* ---- load ---- */

typedef struct loading {
    const char *path;
    ito_weights weights;
    ito_tensor_file *file;
    ito_params *params;
    bool own_recipe; /* the file's: a misfit is then damage, not a choice */
} loading;

/* "[128,3,3,3]" */
static const char *shape_text(int rank, const int64_t *dim, char out[160]) {
    size_t used = (size_t)snprintf(out, 160, "[");
    for (int i = 0; i < rank; i++) {
        used += (size_t)snprintf(out + used, 160 - used, "%s%" PRId64, i ? "," : "", dim[i]);
    }
    snprintf(out + used, 160 - used, "]");
    return out;
}

static const char *remedy(const loading *l) {
    return l->own_recipe ? "the file is damaged, take another" : "use its own recipe";
}

static const char *const *prefixes_of(const loading *l) {
    return l->weights == ITO_WEIGHTS_LIVE ? live_prefixes : ema_prefixes;
}

static const ito_tensor *find_tensor(const loading *l, int i) {
    const char *const *prefix = ito_params_trainable(l->params, i) ? prefixes_of(l) : buffer_prefixes;
    char name[512];
    const ito_tensor *t = NULL;
    for (; *prefix && !t; prefix++) {
        snprintf(name, sizeof name, "%s%s", *prefix, ito_params_name(l->params, i));
        t = ito_tensor_file_find(l->file, name);
    }
    return t;
}

static ito_status missing(const loading *l, int i, ito_error *err) {
    char shape[160];
    const char *name = ito_params_name(l->params, i);
    ito_shape s = ito_params_shape(l->params, i);
    if (l->weights == ITO_WEIGHTS_LIVE && ito_tensor_file_find(l->file, name)) {
        return ito_error_set(
            err, ITO_E_ARG,
            "%s: a model file holds the averaged weights only: load those, or a checkpoint of its run",
            l->path);
    }
    return ito_error_set(err, ITO_E_FORMAT, "%s: lacks tensor \"%s\" %s of the recipe's network: %s", l->path,
                         name, shape_text(s.rank, s.dim, shape), remedy(l));
}

static ito_status load_tensor(const loading *l, int i, ito_error *err) {
    char got[160], expected[160];
    const char *name = ito_params_name(l->params, i);
    const ito_tensor *t = find_tensor(l, i);
    if (!t) return missing(l, i, err);

    ito_shape s = ito_params_shape(l->params, i);
    bool fits = t->rank == s.rank;
    for (int d = 0; fits && d < s.rank; d++) fits = t->dim[d] == s.dim[d];
    if (!fits) {
        return ito_error_set(err, ITO_E_SHAPE, "%s: tensor \"%s\" is %s, the recipe needs %s: %s", l->path,
                             name, shape_text(t->rank, t->dim, got), shape_text(s.rank, s.dim, expected),
                             remedy(l));
    }
    ito_status st = ito_tensor_file_check(l->file, t, err);
    if (st != ITO_OK) return st;
    float *out = ito_params_data(l->params, i);
    ito_tensor_read_f32(t, out);
    for (int64_t k = 0; k < t->count; k++) {
        if (!isfinite(out[k])) {
            return ito_error_set(err, ITO_E_NUMERIC,
                                 "%s: tensor \"%s\" holds %g at index %" PRId64
                                 ": take an earlier checkpoint",
                                 l->path, name, (double)out[k], k);
        }
    }
    return ITO_OK;
}

/* A tensor of the chosen set that no parameter took means another network. The published code stores its
 * noise levels beside the weights; the SDE knows them. */
static ito_status check_leftovers(const loading *l, ito_error *err) {
    char shape[160];
    for (int i = 0; i < ito_tensor_file_count(l->file); i++) {
        const ito_tensor *t = ito_tensor_file_at(l->file, i);
        for (const char *const *p = prefixes_of(l); *p; p++) {
            size_t n = strlen(*p);
            bool mine = n ? strncmp(t->name, *p, n) == 0 : !strchr(t->name, '/');
            if (!mine || strcmp(t->name + n, "sigmas") == 0 || ito_params_find(l->params, t->name + n) >= 0)
                continue;
            return ito_error_set(err, ITO_E_FORMAT,
                                 "%s: has tensor \"%.200s\" %s, unknown to the recipe's network: %s", l->path,
                                 t->name, shape_text(t->rank, t->dim, shape), remedy(l));
        }
    }
    return ITO_OK;
}

static int64_t counter(const ito_tensor_file *f, const char *key) {
    const char *text = ito_tensor_file_metadata(f, key);
    long long n = text ? strtoll(text, NULL, 10) : 0;
    return n > 0 ? n : 0;
}

static ito_status load_recipe(const ito_tensor_file *f, const char *path, const ito_recipe *given,
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

/* A diffusers folder says itself what it is, and holds one set of weights. */
static ito_status load_folder(const char *path, ito_weights weights, const ito_recipe *recipe,
                              ito_model **out, ito_error *err) {
    if (recipe)
        return ito_error_set(err, ITO_E_ARG, "%.400s: its config.json is its recipe: leave the other out",
                             path);
    if (weights == ITO_WEIGHTS_LIVE)
        return ito_error_set(err, ITO_E_ARG, "%.400s: a diffusers folder holds one set of weights: take ema",
                             path);
    return ito__diffusers_load(path, out, err);
}

ito_status ito_model_load(const char *path, ito_weights weights, const ito_recipe *recipe, ito_model **out,
                          ito_error *err) {
    ito_tensor_file *f = NULL;
    ito_model *m = NULL;
    ito_status st;
    *out = NULL;
    if (ito__is_diffusers(path)) return load_folder(path, weights, recipe, out, err);
    if (!(m = ito__calloc(1, sizeof *m))) {
        st = ito_error_set(err, ITO_E_NOMEM, "%.400s: no memory for a model: free some", path);
        goto done;
    }
    if ((st = ito__model_find(path, m->path, sizeof m->path, err)) != ITO_OK) goto done;
    bool pth = ito__ends_with(m->path, ".pth") || ito__ends_with(m->path, ".pt");
    st = pth ? ito_pth_open(m->path, &f, err) : ito_safetensors_open(m->path, &f, err);
    if (st != ITO_OK) goto done;
    if ((st = load_recipe(f, m->path, recipe, &m->recipe, err)) != ITO_OK) goto done;
    if ((st = ito_recipe_params(&m->recipe, &m->params, err)) != ITO_OK) goto done;

    loading l = {m->path, weights, f, m->params, recipe == NULL};
    for (int i = 0; i < ito_params_count(m->params); i++) {
        if ((st = load_tensor(&l, i, err)) != ITO_OK) goto done;
    }
    if ((st = check_leftovers(&l, err)) != ITO_OK) goto done;
    m->step = counter(f, "step");
    m->images = counter(f, "images");
    *out = m;
    m = NULL;
done:
    ito_model_free(m);
    ito_tensor_file_close(f);
    return st;
}

void ito_model_free(ito_model *m) {
    if (!m) return;
    ito_params_free(m->params);
    ito__free(m);
}

/* ---- save ---- */

/* Describes parameter i for the file and moves *rounded past the room it used there; rounded is NULL to keep
 * float. Buffers stay float: rounded Fourier frequencies would turn phases by whole radians. */
static ito_tensor describe(ito_params *p, int i, uint16_t **rounded) {
    ito_shape s = ito_params_shape(p, i);
    const float *data = ito_params_data(p, i);
    ito_tensor t = {.name = ito_params_name(p, i), .dtype = ITO_DTYPE_F32, .rank = s.rank, .data = data};
    t.count = ito_shape_count(s);
    memcpy(t.dim, s.dim, (size_t)s.rank * sizeof *s.dim);
    if (*rounded && ito_params_trainable(p, i)) {
        ito_bf16_from_f32(t.count, data, *rounded);
        t.dtype = ITO_DTYPE_BF16;
        t.data = *rounded;
        *rounded += t.count;
    }
    return t;
}

ito_status ito_model_save(const ito_model *m, const char *path, bool bf16, ito_error *err) {
    int count = ito_params_count(m->params);
    char *recipe = NULL, step[24], images[24];
    uint16_t *rounded = NULL;
    ito_tensor *tensors = NULL;
    ito_status st = ito_recipe_print(&m->recipe, &recipe, err);
    if (st != ITO_OK) goto done;
    tensors = ito__calloc((size_t)count, sizeof *tensors);
    if (bf16) rounded = ito__alloc((size_t)ito_params_trainable_count(m->params), sizeof *rounded);
    if (!tensors || (bf16 && !rounded)) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write a model: free some", path);
        goto done;
    }
    uint16_t *next = rounded;
    for (int i = 0; i < count; i++) tensors[i] = describe(m->params, i, &next);

    snprintf(step, sizeof step, "%" PRId64, m->step);
    snprintf(images, sizeof images, "%" PRId64, m->images);
    const ito_metadata metadata[] = {
        {"format", "ito model 1"}, {"recipe", recipe}, {"step", step}, {"images", images}};
    st =
        ito_safetensors_write(path, count, tensors, (int)(sizeof metadata / sizeof *metadata), metadata, err);
done:
    ito__free(rounded);
    ito__free(tensors);
    free(recipe);
    return st;
}
