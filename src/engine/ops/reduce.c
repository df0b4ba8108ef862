/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums and their adjoint, broadcasting; softmax.
 */
#include "engine/graph.h"

/* Does `small` broadcast to `large` under NumPy's rule? */
static bool broadcasts(ito_shape small, ito_shape large) {
    if (small.rank > large.rank) return false;
    for (int i = 1; i <= small.rank; i++) {
        int64_t s = small.dim[small.rank - i];
        if (s != 1 && s != large.dim[large.rank - i]) return false;
    }
    return true;
}

static ito_node *misfit(ito_node *x, ito__op op, ito_shape shape) {
    char a[ITO__SHAPE_TEXT], b[ITO__SHAPE_TEXT];
    return ito__bad(x->graph, op, "%s and %s do not broadcast: dimensions must be equal or 1",
                    ito__shape_text(x->shape, a), ito__shape_text(shape, b));
}

ito_node *ito_sum_to(ito_node *x, ito_shape shape) {
    if (ito_shape_equal(x->shape, shape)) return x;
    if (!broadcasts(shape, x->shape)) return misfit(x, ITO__OP_SUM_TO, shape);
    return ito__node(x->graph, ITO__OP_SUM_TO, 1, &x, shape, (ito__attr){0});
}

ito_node *ito_mean_to(ito_node *x, ito_shape shape) {
    double n = (double)ito_shape_count(x->shape) / (double)ito_shape_count(shape);
    return ito_scale(ito_sum_to(x, shape), 1 / n);
}

ito_node *ito_sum(ito_node *x) {
    return ito_sum_to(x, ito_shape_scalar());
}
ito_node *ito_mean(ito_node *x) {
    return ito_mean_to(x, ito_shape_scalar());
}

ito_node *ito_broadcast(ito_node *x, ito_shape shape) {
    if (ito_shape_equal(x->shape, shape)) return x;
    if (!broadcasts(x->shape, shape)) return misfit(x, ITO__OP_BROADCAST, shape);
    return ito__node(x->graph, ITO__OP_BROADCAST, 1, &x, shape, (ito__attr){0});
}

void ito__adjoint_sum_to(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_broadcast(g, y->in[0]->shape);
}
void ito__adjoint_broadcast(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_sum_to(g, y->in[0]->shape);
}

ito_node *ito_softmax(ito_node *x) {
    if (x->shape.rank < 1)
        return ito__bad(x->graph, ITO__OP_SOFTMAX, "the operand is a scalar: it needs an axis to sum over");
    return ito__node(x->graph, ITO__OP_SOFTMAX, 1, &x, x->shape, (ito__attr){0});
}

/* y (g - sum_j g_j y_j) along the last axis. */
void ito__adjoint_softmax(ito_node *y, ito_node *g, ito_node **gin) {
    ito_shape row = y->shape;
    row.dim[row.rank - 1] = 1;
    ito_node *mean = ito_sum_to(ito_mul(g, y), row);
    gin[0] = ito_mul(y, ito_sub(g, mean));
}
