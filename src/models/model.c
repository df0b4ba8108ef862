/* SPDX-License-Identifier: Apache-2.0
 *
 * Models: a recipe and the weights of its network, from and to safetensors.
 * Metadata: recipe (YAML), step, images. Tensors are bound by name and their shapes compared (binding.c);
 * a folder of diffusers has names of its own (diffusers.h).
 */
#include "core/memory.h"
#include "models/binding.h"
#include "models/diffusers.h"
#include "models/model_path.h"

#include <inttypes.h>
#include <ito/engine.h>
#include <ito/formats.h>
#include <ito/recipe.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ito_status ito_recipe_params(const ito_recipe *r, ito_params **out, ito_error *err) {
    ito_graph *g = NULL;
    *out = NULL;
    ito_status st = ito__recipe_graph(r, &g, err);
    if (st == ITO_OK) st = ito_params_create(g, out, err);
    ito_graph_free(g);
    return st;
}

/* ---- load ---- */

static ito_status load_tensor(const ito__binding *b, ito_weights weights, ito_params *params, int i,
                              ito_error *err) {
    const ito_tensor *t = NULL;
    ito_status st;
    if ((st = ito__binding_find(b, weights, i, &t, err)) != ITO_OK) return st;
    if ((st = ito_tensor_file_check(b->file, t, err)) != ITO_OK) return st;
    float *out = ito_params_data(params, i);
    ito_tensor_read_f32(t, out);
    for (int64_t k = 0; k < t->count; k++) {
        if (!isfinite(out[k])) {
            return ito_error_set(err, ITO_E_NUMERIC,
                                 "%s: tensor \"%s\" holds %g at index %" PRId64
                                 ": take an earlier checkpoint",
                                 b->path, ito_params_name(params, i), (double)out[k], k);
        }
    }
    return ITO_OK;
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
    ito__binding b = {.own_recipe = recipe == NULL};
    ito_model *m = NULL;
    ito_status st;
    *out = NULL;
    if (ito__is_diffusers(path)) return load_folder(path, weights, recipe, out, err);
    if (!(m = ito__calloc(1, sizeof *m))) {
        st = ito_error_set(err, ITO_E_NOMEM, "%.400s: no memory for a model: free some", path);
        goto done;
    }
    if ((st = ito__model_find(path, m->path, sizeof m->path, err)) != ITO_OK) goto done;
    b.path = m->path;
    if ((st = ito__tensors_open(m->path, &b.file, err)) != ITO_OK) goto done;
    if ((st = ito__recipe_of(b.file, m->path, recipe, &m->recipe, err)) != ITO_OK) goto done;
    if ((st = ito__recipe_graph(&m->recipe, &b.graph, err)) != ITO_OK) goto done;
    if ((st = ito_params_create(b.graph, &m->params, err)) != ITO_OK) goto done;
    for (int i = 0; i < ito_params_count(m->params); i++) {
        if ((st = load_tensor(&b, weights, m->params, i, err)) != ITO_OK) goto done;
    }
    if ((st = ito__binding_check(&b, weights, err)) != ITO_OK) goto done;
    m->step = ito__file_counter(b.file, "step");
    m->images = ito__file_counter(b.file, "images");
    *out = m;
    m = NULL;
done:
    ito_model_free(m);
    ito_graph_free(b.graph);
    ito_tensor_file_close(b.file);
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
