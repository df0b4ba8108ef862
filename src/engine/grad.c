/* SPDX-License-Identifier: Apache-2.0
 *
 * Reverse-mode differentiation: one walk from y back, in descending id, building each op's adjoint from
 * ordinary nodes.
 */
#include "engine/graph.h"

#include "core/memory.h"

#include <string.h>

/* grads of an op's operands, through its adjoint or through its expansion. */
static void operand_gradients(ito_node *y, ito_node *g, ito_node **gin) {
    const ito__op_record *record = &ito__op_records[y->op];
    if (record->adjoint) {
        record->adjoint(y, g, gin);
    } else if (record->expand) {
        int32_t first = y->graph->first_of_expansion = y->graph->n_nodes;
        ito_node *simpler = record->expand(y);
        y->graph->first_of_expansion = 0;
        ito__gradients_since(simpler, g, y->n_in, y->in, gin, first);
        for (int i = 1; i < y->n_in;
             i++) /* an operand given twice has its whole gradient in its first place */
            for (int k = 0; k < i; k++)
                if (y->in[k] == y->in[i]) gin[i] = NULL;
    }
}

static void accumulate(ito_node **total, ito_node *term) {
    *total = *total ? ito_add(*total, term) : term;
}

/* reach[i]: node first + i depends on some wrt. Gradients are built for such nodes only. */
static void mark(const ito_graph *g, int32_t first, int32_t last, int n, ito_node *const *wrt, bool *reach) {
    for (int32_t id = first; id <= last; id++)
        for (int i = 0; i < g->nodes[id]->n_in; i++) {
            const ito_node *x = g->nodes[id]->in[i];
            bool hit = x->id >= first && reach[x->id - first];
            for (int k = 0; k < n && !hit; k++) hit = x == wrt[k];
            if (hit) reach[id - first] = true;
        }
}

void ito__gradients_since(ito_node *y, ito_node *seed, int n, ito_node *const *wrt, ito_node **grads,
                          int32_t first) {
    ito_graph *g = y->graph;
    int32_t last = y->id;
    for (int k = 0; k < n; k++) grads[k] = y == wrt[k] ? seed : NULL;
    if (last < first || g->error.status != ITO_OK) return;
    size_t count = (size_t)(last + 1);
    ito_node **total = ito__calloc(count, sizeof *total); /* by id: gradient so far */
    bool *reach = ito__calloc(count, sizeof *reach);
    if (!total || !reach) {
        ito_graph_poison(g, ITO_E_NOMEM, "gradients: out of memory for %zu nodes: free some", count);
        goto done;
    }
    mark(g, first, last, n, wrt, reach);
    total[last] = seed;
    for (int32_t id = last; id >= first; id--) {
        ito_node *x = g->nodes[id];
        if (!total[id] || !reach[id - first]) continue;
        ito_node *gin[ITO__MAX_IN] = {0};
        ito_node **list = gin;
        if (x->n_in > ITO__MAX_IN) list = ito__graph_alloc(g, (size_t)x->n_in * sizeof *list);
        if (!list) break;
        operand_gradients(x, total[id], list);
        for (int i = 0; i < x->n_in; i++)
            if (list[i]) accumulate(&total[x->in[i]->id], list[i]);
    }
    for (int k = 0; k < n; k++)
        if (wrt[k]->id <= last && wrt[k] != y) grads[k] = total[wrt[k]->id];
done:
    ito__free(total);
    ito__free(reach);
}

void ito_gradients(ito_node *y, ito_node *seed, int n, ito_node *const *wrt, ito_node **grads) {
    if (!seed) seed = ito_fill(y->graph, 1, y->shape);
    if (!ito_shape_equal(seed->shape, y->shape)) {
        char a[ITO__SHAPE_TEXT], b[ITO__SHAPE_TEXT];
        ito_graph_poison(y->graph, ITO_E_SHAPE,
                         "gradients: the seed is %s, the value %s: give it the same shape",
                         ito__shape_text(seed->shape, a), ito__shape_text(y->shape, b));
    }
    for (int k = 0; k < n; k++)
        if (wrt[k]->folded && wrt[k] != y)
            ito_graph_poison(
                y->graph, ITO_E_UNSUPPORTED,
                "gradients: operand %d (%s) was folded into a later op: ask for the gradient of what it "
                "was made of",
                k, ito__op_name(wrt[k]->op));
    ito__gradients_since(y, seed, n, wrt, grads, 0);
    for (int k = 0; k < n; k++)
        if (!grads[k]) grads[k] = ito_fill(y->graph, 0, wrt[k]->shape);
}
