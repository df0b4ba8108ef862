/* SPDX-License-Identifier: Apache-2.0
 *
 * Ops that move numbers without changing them: reshape, permute, slice, pad, concatenate, look up rows.
 */
#include "engine/graph.h"

ito_node *ito_reshape(ito_node *x, ito_shape shape) {
    if (ito_shape_equal(x->shape, shape)) return x;
    if (ito_shape_count(x->shape) != ito_shape_count(shape)) {
        char a[ITO__SHAPE_TEXT], b[ITO__SHAPE_TEXT];
        return ito__bad(x->graph, ITO__OP_RESHAPE, "%s has another size than %s: keep the number of elements",
                        ito__shape_text(x->shape, a), ito__shape_text(shape, b));
    }
    if (x->op == ITO__OP_RESHAPE && ito__is_open(x)) return ito_reshape(ito__through(x, 0), shape);
    return ito__node(x->graph, ITO__OP_RESHAPE, 1, &x, shape, (ito__attr){0});
}

ito_node *ito_permute(ito_node *x, const int *order) {
    ito_shape shape = {.rank = x->shape.rank};
    ito__attr attr = {0};
    unsigned seen = 0;
    for (int i = 0; i < shape.rank; i++) {
        if (order[i] < 0 || order[i] >= shape.rank || (seen >> order[i] & 1))
            return ito__bad(x->graph, ITO__OP_PERMUTE, "order[%d] is %d: list each axis 0..%d once", i,
                            order[i], shape.rank - 1);
        seen |= 1u << order[i];
        shape.dim[i] = x->shape.dim[order[i]];
        attr.order[i] = order[i];
    }
    return ito__node(x->graph, ITO__OP_PERMUTE, 1, &x, shape, attr);
}

static bool bad_axis(ito_node *x, ito__op op, int axis) {
    if (axis >= 0 && axis < x->shape.rank) return false;
    ito__bad(x->graph, op, "axis %d of a rank %d operand: axes count from 0", axis, x->shape.rank);
    return true;
}

ito_node *ito_slice(ito_node *x, int axis, int64_t begin, int64_t end) {
    if (bad_axis(x, ITO__OP_SLICE, axis)) return x->graph->scrap;
    if (begin < 0 || end <= begin || end > x->shape.dim[axis])
        return ito__bad(x->graph, ITO__OP_SLICE, "[%lld, %lld) of axis %d of length %lld: stay inside",
                        (long long)begin, (long long)end, axis, (long long)x->shape.dim[axis]);
    if (end - begin == x->shape.dim[axis]) return x;
    ito_shape shape = x->shape;
    shape.dim[axis] = end - begin;
    return ito__node(x->graph, ITO__OP_SLICE, 1, &x, shape, (ito__attr){.range = {axis, begin, end}});
}

ito_node *ito_pad(ito_node *x, int axis, int64_t before, int64_t after) {
    if (bad_axis(x, ITO__OP_PAD, axis)) return x->graph->scrap;
    if (before < 0 || after < 0)
        return ito__bad(x->graph, ITO__OP_PAD, "padding %lld, %lld is negative: use ito_slice",
                        (long long)before, (long long)after);
    if (before == 0 && after == 0) return x;
    ito_shape shape = x->shape;
    shape.dim[axis] += before + after;
    return ito__node(x->graph, ITO__OP_PAD, 1, &x, shape, (ito__attr){.range = {axis, before, after}});
}

ito_node *ito_concat(int count, ito_node *const *parts, int axis) {
    ito_node *x = parts[0];
    if (count == 1) return x;
    if (bad_axis(x, ITO__OP_CONCAT, axis)) return x->graph->scrap;
    ito_shape shape = x->shape;
    for (int i = 1; i < count; i++) {
        ito_shape other = parts[i]->shape;
        int64_t length = other.rank == shape.rank ? other.dim[axis] : 0;
        other.dim[axis] = shape.dim[axis];
        if (!ito_shape_equal(other, shape)) {
            char a[ITO__SHAPE_TEXT], b[ITO__SHAPE_TEXT];
            return ito__bad(x->graph, ITO__OP_CONCAT,
                            "part %d is %s, part 0 %s: they may differ along axis %d only", i,
                            ito__shape_text(parts[i]->shape, a), ito__shape_text(x->shape, b), axis);
        }
        shape.dim[axis] += length;
    }
    return ito__node(x->graph, ITO__OP_CONCAT, count, parts, shape, (ito__attr){.range = {.axis = axis}});
}

/* table [V, D], index [n] -> [n, D] */
ito_node *ito_embedding(ito_node *table, ito_node *index) {
    if (table->shape.rank != 2 || index->shape.rank != 1)
        return ito__bad(table->graph, ITO__OP_EMBEDDING,
                        "table of rank %d, index of rank %d: they are [V,D] and [n]", table->shape.rank,
                        index->shape.rank);
    return ito__node(table->graph, ITO__OP_EMBEDDING, 2, (ito_node *[]){table, index},
                     ITO_SHAPE(index->shape.dim[0], table->shape.dim[1]), (ito__attr){0});
}

/* ---- gradients ---- */

void ito__adjoint_reshape(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_reshape(g, y->in[0]->shape);
}

void ito__adjoint_permute(ito_node *y, ito_node *g, ito_node **gin) {
    int inverse[ITO_MAX_RANK];
    for (int i = 0; i < y->shape.rank; i++) inverse[y->attr.order[i]] = i;
    gin[0] = ito_permute(g, inverse);
}

void ito__adjoint_slice(ito_node *y, ito_node *g, ito_node **gin) {
    int axis = y->attr.range.axis;
    gin[0] = ito_pad(g, axis, y->attr.range.begin, y->in[0]->shape.dim[axis] - y->attr.range.end);
}

void ito__adjoint_pad(ito_node *y, ito_node *g, ito_node **gin) {
    int axis = y->attr.range.axis;
    gin[0] = ito_slice(g, axis, y->attr.range.begin, y->attr.range.begin + y->in[0]->shape.dim[axis]);
}

/* A range of a gradient. Of a sum it is the sum of its terms' ranges, so that no sum is made to be cut up. */
static ito_node *range_of(ito_node *g, int axis, int64_t begin, int64_t end) {
    if (g->op != ITO__OP_ADD || !ito_shape_equal(g->in[0]->shape, g->shape) ||
        !ito_shape_equal(g->in[1]->shape, g->shape))
        return ito_slice(g, axis, begin, end);
    ito_node *a = range_of(ito__through(g, 0), axis, begin, end);
    ito_node *b = range_of(ito__through(g, 1), axis, begin, end);
    return ito__add_scaled(g->attr.affine.a, a, g->attr.affine.b, b);
}

void ito__adjoint_concat(ito_node *y, ito_node *g, ito_node **gin) {
    int axis = y->attr.range.axis;
    int64_t begin = 0;
    for (int i = 0; i < y->n_in; i++) {
        int64_t end = begin + y->in[i]->shape.dim[axis];
        gin[i] = range_of(g, axis, begin, end);
        begin = end;
    }
}

/* Rows of g added into the rows of a zero table that the index names. */
void ito__adjoint_embedding(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito__node(y->graph, ITO__OP_EMBEDDING_GRAD, 2, (ito_node *[]){g, y->in[1]}, y->in[0]->shape,
                       (ito__attr){0});
}
void ito__adjoint_embedding_grad(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_embedding(g, y->in[1]);
}
