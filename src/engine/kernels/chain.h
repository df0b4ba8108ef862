/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains: ops that compute a result from elements at the same place of their operands, one after the other on
 * a tile that stays in the first cache. Here: which nodes can be links of one, and how operands that are
 * smaller than the result repeat.
 */
#ifndef ITO_ENGINE_CHAIN_H
#define ITO_ENGINE_CHAIN_H

#include "engine/graph.h"

enum { ITO__CHAIN_LINKS = 8 }; /* at most */

/* A shape against a larger one: axes before those that it has, those, axes after them. */
typedef struct ito__span {
    int64_t outer, kept, inner;
} ito__span;

/* False where axes that `part` has and axes that it lacks alternate. */
static inline bool ito__split_axes(ito_shape part, ito_shape whole, ito__span *s) {
    *s = (ito__span){1, 1, 1};
    for (int i = whole.rank - 1; i >= 0; i--) {
        int k = part.rank - whole.rank + i;
        int64_t d = whole.dim[i], e = k < 0 ? 1 : part.dim[k];
        if (d == 1) continue;
        if (e == d) {
            if (s->outer > 1) return false;
            s->kept *= d;
        } else if (s->kept == 1) {
            s->inner *= d;
        } else {
            s->outer *= d;
        }
    }
    return true;
}

/* The smaller operand of a binary node, and how it repeats; false where neither operand has the elements of
 * the result, or axes alternate. */
static inline bool ito__repeating_operand(const ito_node *y, int *operand, ito__span *s) {
    ito_shape a = y->in[0]->shape, b = y->in[1]->shape;
    *operand = ito_shape_count(a) < ito_shape_count(b) ? 0 : 1;
    const bool splits = ito__split_axes(*operand ? b : a, y->shape, s);
    return splits && ito_shape_count(*operand ? a : b) == ito_shape_count(y->shape);
}

/* Can a fast kernel compute any stretch of this node by itself? Dropout draws for row-major images in another
 * order than they lie in memory. */
static inline bool ito__is_link(const ito_node *y, int64_t block) {
    int operand;
    ito__span s;
    if (ito__is_binary(y->op)) return ito__repeating_operand(y, &operand, &s);
    if (y->op == ITO__OP_NORM) return y->attr.norm.dropout.rate == 0 || block > 1;
    if (y->op == ITO__OP_DROPOUT) return block > 1;
    return y->op == ITO__OP_NORM_DX || ito__is_unary(y->op);
}

/* Is operand k, where it has the shape of the result, read at the place of the result alone? */
static inline bool ito__by_element(const ito_node *y, int k) {
    const ito__op op = y->op;
    if (ito__is_binary(op)) return true;
    if (op == ITO__OP_NORM_DX) return k == 0 || k == 4;
    return k == 0 && (ito__is_unary(op) || op == ITO__OP_DROPOUT || op == ITO__OP_NORM);
}

#endif
