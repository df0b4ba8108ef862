/* SPDX-License-Identifier: Apache-2.0
 *
 * Graphs: an arena of nodes, the list of parameters, and the first error.
 */
#include "engine/graph.h"

#include "core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct ito__chunk {
    struct ito__chunk *next;
    size_t used, size;
} chunk;

enum { CHUNK_BYTES = 1 << 18, CHUNK_HEADER = 64 };

void *ito__graph_alloc(ito_graph *g, size_t bytes) {
    bytes = (bytes + 15) & ~(size_t)15;
    if (!g->chunks || g->chunks->size - g->chunks->used < bytes) {
        size_t size = bytes + CHUNK_HEADER > CHUNK_BYTES ? bytes + CHUNK_HEADER : CHUNK_BYTES;
        chunk *c = ito__alloc(1, size);
        if (!c) {
            ito_graph_poison(g, ITO_E_NOMEM, "graph: out of memory for %zu bytes of nodes: free some", bytes);
            return NULL;
        }
        *c = (chunk){g->chunks, CHUNK_HEADER, size};
        g->chunks = c;
    }
    void *p = (char *)g->chunks + g->chunks->used;
    g->chunks->used += bytes;
    return memset(p, 0, bytes);
}

const char *ito__graph_text(ito_graph *g, const char *text) {
    char *copy = ito__graph_alloc(g, strlen(text) + 1);
    return copy ? strcpy(copy, text) : "";
}

ito_status ito_graph_create(ito_graph **out, ito_error *err) {
    *out = NULL;
    ito_graph *g = ito__calloc(1, sizeof *g);
    if (g) g->scope = "";
    ito_node *scrap = g ? ito__graph_alloc(g, sizeof *scrap) : NULL;
    if (!scrap) {
        ito__free(g);
        return ito_error_set(err, ITO_E_NOMEM, "graph: out of memory: free some");
    }
    *scrap = (ito_node){.graph = g, .id = -1, .op = ITO__OP_FILL, .name = "", .scope = ""};
    g->scrap = scrap;
    *out = g;
    return ITO_OK;
}

void ito_graph_free(ito_graph *g) {
    if (!g) return;
    for (chunk *c = g->chunks, *next; c; c = next) {
        next = c->next;
        ito__free(c);
    }
    ito__free(g->nodes);
    ito__free(g->params);
    ito__names_release(&g->names);
    ito__free(g);
}

ito_status ito_graph_status(const ito_graph *g, ito_error *err) {
    if (g->error.status != ITO_OK && err) *err = g->error;
    return g->error.status;
}

static void poison(ito_graph *g, ito_status status, const char *prefix, const char *format, va_list args) {
    if (g->error.status != ITO_OK) return;
    char text[sizeof g->error.message];
    vsnprintf(text, sizeof text, format, args);
    ito_error_set(&g->error, status, "%s%s%s%s", g->scope, *g->scope ? ": " : "", prefix, text);
}

void ito_graph_poison(ito_graph *g, ito_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    poison(g, status, "", format, args);
    va_end(args);
}

ito_node *ito__bad(ito_graph *g, ito__op op, const char *format, ...) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "%s: ", ito__op_name(op));
    va_list args;
    va_start(args, format);
    poison(g, ITO_E_SHAPE, prefix, format, args);
    va_end(args);
    return g->scrap;
}

void ito_graph_scope(ito_graph *g, const char *label) {
    g->scope = ito__graph_text(g, label);
}

/* Doubles a pointer array; false, poisoned, when memory ran out. */
static bool grow(ito_graph *g, ito_node ***list, int count, int *capacity) {
    if (count < *capacity) return true;
    int larger = *capacity ? 2 * *capacity : 256;
    ito_node **copy = ito__alloc((size_t)larger, sizeof *copy);
    if (!copy) {
        ito_graph_poison(g, ITO_E_NOMEM, "graph: out of memory for %d nodes: free some", larger);
        return false;
    }
    if (count) memcpy(copy, *list, (size_t)count * sizeof *copy);
    ito__free(*list);
    *list = copy;
    *capacity = larger;
    return true;
}

ito_node *ito__node(ito_graph *g, ito__op op, int n_in, ito_node *const *in, ito_shape shape,
                    ito__attr attr) {
    if (g->error.status != ITO_OK) return g->scrap;
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] < 1)
            return ito__bad(g, op, "dimension %d is %lld: every dimension is at least 1", i,
                            (long long)shape.dim[i]);
    ito_node *x = ito__graph_alloc(g, sizeof *x);
    ito_node **operands = ito__graph_alloc(g, sizeof *operands * (size_t)(n_in ? n_in : 1));
    if (!x || !operands || !grow(g, &g->nodes, g->n_nodes, &g->cap_nodes)) return g->scrap;
    for (int i = 0; i < n_in; i++) {
        if (in[i]->graph != g)
            return ito__bad(g, op, "operand %d belongs to another graph: build it in this one", i);
        operands[i] = in[i];
    }
    *x = (ito_node){.graph = g,
                    .id = g->n_nodes,
                    .op = op,
                    .n_in = n_in,
                    .in = operands,
                    .shape = shape,
                    .attr = attr,
                    .name = "",
                    .scope = g->scope};
    g->nodes[g->n_nodes++] = x;
    return x;
}

bool ito__is_open(const ito_node *x) {
    return x->id >= x->graph->first_of_expansion;
}

ito_node *ito__through(ito_node *x, int i) {
    x->folded = true;
    return x->in[i];
}

/* ---- leaves ---- */

static ito_node *leaf(ito_graph *g, ito__op op, const char *name, ito_shape shape, ito_init init) {
    if (ito_graph_find(g, name)) {
        ito_graph_poison(g, ITO_E_ARG, "%s: the name is taken: give every leaf its own", name);
        return g->scrap;
    }
    ito_node *x = ito__node(g, op, 0, NULL, shape, (ito__attr){0});
    if (x == g->scrap) return x;
    x->name = ito__graph_text(g, name);
    x->init = init;
    if (!ito__names_add(&g->names, x->name, x->id)) {
        ito_graph_poison(g, ITO_E_NOMEM, "graph: out of memory for the names of its leaves: free some");
        return g->scrap;
    }
    if (op == ITO__OP_INPUT) return x;
    if (!grow(g, &g->params, g->n_params, &g->cap_params)) return g->scrap;
    g->params[g->n_params++] = x;
    return x;
}

ito_node *ito_input(ito_graph *g, const char *name, ito_shape shape) {
    return leaf(g, ITO__OP_INPUT, name, shape, (ito_init){0});
}

ito_node *ito_param(ito_graph *g, const char *name, ito_shape shape, ito_init init) {
    return leaf(g, ITO__OP_PARAM, name, shape, init);
}

ito_node *ito_buffer(ito_graph *g, const char *name, ito_shape shape, ito_init init) {
    return leaf(g, ITO__OP_BUFFER, name, shape, init);
}

ito_node *ito_fill(ito_graph *g, double value, ito_shape shape) {
    return ito__node(g, ITO__OP_FILL, 0, NULL, shape, (ito__attr){.affine = {value, 0}});
}

ito_init ito_init_zeros(void) {
    return (ito_init){ITO_INIT_ZEROS, 0};
}
ito_init ito_init_ones(void) {
    return (ito_init){ITO_INIT_ONES, 1};
}
ito_init ito_init_fan_avg(double scale) {
    return (ito_init){ITO_INIT_FAN_AVG, scale};
}
ito_init ito_init_normal(double std) {
    return (ito_init){ITO_INIT_NORMAL, std};
}
ito_init ito_init_uniform(double limit) {
    return (ito_init){ITO_INIT_UNIFORM, limit};
}
ito_init ito_init_near_one(double std) {
    return (ito_init){ITO_INIT_NEAR_ONE, std};
}
ito_init ito_init_norm_rows(double std) {
    return (ito_init){ITO_INIT_NORM_ROWS, std};
}

/* ---- looking in ---- */

ito_shape ito_node_shape(const ito_node *x) {
    return x->shape;
}
const char *ito_node_name(const ito_node *x) {
    return x->name;
}
ito_graph *ito_node_graph(const ito_node *x) {
    return x->graph;
}
bool ito_node_trainable(const ito_node *x) {
    return x->op == ITO__OP_PARAM;
}
int ito_graph_param_count(const ito_graph *g) {
    return g->n_params;
}
ito_node *ito_graph_param(const ito_graph *g, int index) {
    return g->params[index];
}

ito_node *ito_graph_find(const ito_graph *g, const char *name) {
    int32_t id = ito__names_find(&g->names, name);
    return id < 0 ? NULL : g->nodes[id];
}
