/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters: one block of named tensors in graph order, every tensor at a 64-byte boundary, the gaps zero.
 */
#include "engine/graph.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 16 }; /* floats in 64 bytes */

typedef struct entry {
    char *name;
    ito_shape shape;
    ito_init init;
    bool trainable;
    int64_t offset; /* floats */
} entry;

struct ito_params {
    int count;
    entry *entries;
    ito__names names; /* of the entries, to their numbers */
    int64_t floats;
    float *block;
};

void ito_params_free(ito_params *p) {
    if (!p) return;
    for (int i = 0; p->entries && i < p->count; i++) ito__free(p->entries[i].name);
    ito__names_release(&p->names);
    ito__free(p->entries);
    ito__free(p->block);
    ito__free(p);
}

static ito_status out_of_memory(ito_params *p, ito_error *err) {
    int64_t floats = p ? p->floats : 0;
    ito_params_free(p);
    return ito_error_set(err, ITO_E_NOMEM, "parameters: out of memory for %.1f MB: use a smaller network",
                         4e-6 * (double)floats);
}

/* Floats from the start of a tensor to that of the next. */
static int64_t stride(ito_shape s) {
    return (ito_shape_count(s) + GRAIN - 1) / GRAIN * GRAIN;
}

ito_status ito_params_create(const ito_graph *g, ito_params **out, ito_error *err) {
    *out = NULL;
    ito_status st = ito_graph_status(g, err);
    if (st != ITO_OK) return st;
    ito_params *p = ito__calloc(1, sizeof *p);
    if (!p || !(p->entries = ito__calloc((size_t)g->n_params + 1, sizeof *p->entries)))
        return out_of_memory(p, err);
    p->count = g->n_params;
    for (int i = 0; i < p->count; i++) {
        const ito_node *x = g->params[i];
        p->entries[i] = (entry){ito__strdup(x->name), x->shape, x->init, ito_node_trainable(x), p->floats};
        if (!p->entries[i].name || !ito__names_add(&p->names, p->entries[i].name, i))
            return out_of_memory(p, err);
        p->floats += stride(x->shape);
    }
    if (!(p->block = ito__calloc((size_t)p->floats + GRAIN, sizeof *p->block))) return out_of_memory(p, err);
    *out = p;
    return ITO_OK;
}

int64_t ito_graph_params_numbers(const ito_graph *g) {
    int64_t n = 0;
    for (int i = 0; i < g->n_params; i++) n += ito_shape_count(g->params[i]->shape);
    return n;
}

size_t ito_graph_params_bytes(const ito_graph *g) {
    int64_t floats = GRAIN;
    for (int i = 0; i < g->n_params; i++) floats += stride(g->params[i]->shape);
    return (size_t)floats * sizeof(float);
}

ito_status ito_params_clone(const ito_params *p, ito_params **out, ito_error *err) {
    *out = NULL;
    ito_params *q = ito__calloc(1, sizeof *q);
    if (!q || !(q->entries = ito__calloc((size_t)p->count + 1, sizeof *q->entries)))
        return out_of_memory(q, err);
    q->floats = p->floats;
    for (; q->count < p->count; q->count++) {
        entry *e = &q->entries[q->count];
        *e = p->entries[q->count];
        if (!(e->name = ito__strdup(e->name))) return out_of_memory(q, err);
        if (ito__names_add(&q->names, e->name, q->count)) continue;
        ito__free(e->name);
        return out_of_memory(q, err);
    }
    if (!(q->block = ito__alloc((size_t)p->floats + GRAIN, sizeof *q->block))) return out_of_memory(q, err);
    memcpy(q->block, p->block, ((size_t)p->floats + GRAIN) * sizeof *q->block);
    *out = q;
    return ITO_OK;
}

/* ---- initial values ---- */

/* Uniform on [-sqrt(3 v), sqrt(3 v)], v = scale / ((fan_in + fan_out) / 2): variance scaling with fan_avg. */
static double fan_avg_limit(ito_shape s, double scale) {
    double field = 1, in, out;
    for (int i = 2; i < s.rank; i++) field *= (double)s.dim[i];
    in = s.rank > 1 ? (double)s.dim[1] * field : (double)s.dim[0];
    out = s.rank > 1 ? (double)s.dim[0] * field : (double)s.dim[0];
    if (scale == 0) scale = 1e-10;
    return sqrt(3 * scale / ((in + out) / 2));
}

static bool is_normal(ito_init_kind kind) {
    return kind == ITO_INIT_NORMAL || kind == ITO_INIT_NEAR_ONE || kind == ITO_INIT_NORM_ROWS;
}

/* Chunks of a draw are uses of its stream. */
static void draw(const entry *e, ito_stream stream, int64_t n, float *x) {
    double chunk[256], mean = e->init.kind == ITO_INIT_NEAR_ONE || e->init.kind == ITO_INIT_NORM_ROWS;
    double limit = e->init.kind == ITO_INIT_FAN_AVG ? fan_avg_limit(e->shape, e->init.scale) : e->init.scale;
    bool normal = is_normal(e->init.kind);
    for (int64_t first = 0, part = 0; first < n; first += 256, part++) {
        int64_t m = n - first < 256 ? n - first : 256;
        if (normal)
            ito_random_normal(stream, (uint32_t)part, m, chunk);
        else
            ito_random_uniform(stream, (uint32_t)part, m, chunk);
        for (int64_t i = 0; i < m; i++)
            x[first + i] = (float)(normal ? mean + e->init.scale * chunk[i] : limit * (2 * chunk[i] - 1));
    }
}

/* The last third of every row. */
static void clear_beta(ito_shape table, float *x) {
    int64_t width = table.dim[1], beta = width / 3;
    for (int64_t row = 0; row < table.dim[0]; row++)
        memset(x + (row + 1) * width - beta, 0, (size_t)beta * sizeof *x);
}

void ito_params_init(ito_params *p, uint64_t seed) {
    for (int i = 0; i < p->count; i++) {
        const entry *e = &p->entries[i];
        float *x = p->block + e->offset;
        int64_t n = ito_shape_count(e->shape);
        if (e->init.kind == ITO_INIT_ZEROS || e->init.kind == ITO_INIT_ONES)
            for (int64_t k = 0; k < n; k++) x[k] = e->init.kind == ITO_INIT_ONES;
        else
            draw(e, (ito_stream){seed, ITO_RNG_INIT, i}, n, x);
        if (e->init.kind == ITO_INIT_NORM_ROWS) clear_beta(e->shape, x);
    }
}

/* ---- looking in ---- */

int ito_params_count(const ito_params *p) {
    return p->count;
}
const char *ito_params_name(const ito_params *p, int i) {
    return p->entries[i].name;
}
ito_shape ito_params_shape(const ito_params *p, int i) {
    return p->entries[i].shape;
}
bool ito_params_trainable(const ito_params *p, int i) {
    return p->entries[i].trainable;
}
float *ito_params_data(ito_params *p, int i) {
    return p->block + p->entries[i].offset;
}

int ito_params_find(const ito_params *p, const char *name) {
    return ito__names_find(&p->names, name);
}

float *ito_params_block(ito_params *p, int64_t *floats) {
    *floats = p->floats;
    return p->block;
}

int64_t ito_params_trainable_count(const ito_params *p) {
    int64_t n = 0;
    for (int i = 0; i < p->count; i++)
        if (p->entries[i].trainable) n += ito_shape_count(p->entries[i].shape);
    return n;
}

/* ---- binding ---- */

static ito_status bind(ito_workspace *ws, const ito_node *param, ito_node *node, ito_params *p,
                       ito_error *err) {
    int k = ito_params_find(p, param->name);
    char a[ITO__SHAPE_TEXT], b[ITO__SHAPE_TEXT];
    if (k < 0)
        return ito_error_set(err, ITO_E_SHAPE, "parameters: %s is missing: use the recipe of these weights",
                             param->name);
    if (!ito_shape_equal(p->entries[k].shape, param->shape))
        return ito_error_set(
            err, ITO_E_SHAPE, "parameters: %s is %s, the network needs %s: use the recipe of these weights",
            param->name, ito__shape_text(p->entries[k].shape, a), ito__shape_text(param->shape, b));
    return ito_workspace_bind(ws, node, ito_params_data(p, k), err);
}

ito_status ito_workspace_bind_params(ito_workspace *ws, const ito_graph *g, ito_params *p, ito_error *err) {
    ito_status st = ITO_OK;
    for (int i = 0; i < g->n_params && st == ITO_OK; i++)
        if (ito__workspace_has(ws, g->params[i])) st = bind(ws, g->params[i], g->params[i], p, err);
    return st;
}

ito_status ito_workspace_bind_grads(ito_workspace *ws, const ito_graph *g, ito_node *const *grads,
                                    ito_params *p, ito_error *err) {
    ito_status st = ITO_OK;
    for (int i = 0; i < g->n_params && st == ITO_OK; i++)
        if (grads[i]) st = bind(ws, g->params[i], grads[i], p, err);
    return st;
}
