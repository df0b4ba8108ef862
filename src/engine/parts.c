/* SPDX-License-Identifier: Apache-2.0
 *
 * Concatenations and slices of channels without a copy. In blocked layout such an image is a list of parts,
 * ranges of channels of images that are in memory already. It is put off when its turn comes: norms and sums
 * read its panels where they lie, oneDNN's convolutions take it part by part (dnnl_conv.c), and only what can
 * do neither has it made.
 */
#include "engine/plan.h"

#include "core/memory.h"

#include <string.h>

bool ito__put_off(ito__lowering *l, const ito_node *y) {
    const bool moves = y->op == ITO__OP_CONCAT || y->op == ITO__OP_SLICE;
    return l->apart[y->id] = moves && ito__wants_blocked(l, y);
}

/* Appends channels first .. first + count of x. */
static bool append(ito__lowering *l, const ito_node *x, int64_t first, int64_t count, int operand,
                   ito__parts *list) {
    if (x->op == ITO__OP_SLICE && l->apart[x->id])
        return append(l, x->in[0], x->attr.range.begin + first, count, operand, list);
    if (!l->apart[x->id]) {
        if (list->n == ITO__STEP_PARTS) return false;
        list->of[list->n++] =
            (ito__step_part){.operand = operand,
                             .value = ito__operand(l, x, l->plan->block),
                             .moments = -1,
                             .as = {.channels = x->shape.dim[1], .first = first, .count = count}};
        return true;
    }
    for (int i = 0; i < x->n_in; i++) {
        const int64_t channels = x->in[i]->shape.dim[1], from = first > 0 ? first : 0;
        const int64_t to = first + count < channels ? first + count : channels;
        if (from < to && !append(l, x->in[i], from, to - from, operand, list)) return false;
        first -= channels;
    }
    return true;
}

bool ito__parts_of(ito__lowering *l, const ito_node *x, int operand, ito__parts *list) {
    const int n = list->n;
    if (append(l, x, 0, x->shape.dim[1], operand, list)) return true;
    list->n = n;
    return false;
}

void ito__keep_parts(ito__lowering *l, ito__step *s, const ito__parts *list) {
    const size_t bytes = (size_t)list->n * sizeof *s->parts;
    if (list->n == 0 || l->status != ITO_OK) return;
    s->parts = ito__alloc(1, bytes);
    if (!s->parts) {
        ito__fail(l, ITO_E_NOMEM, "plan: out of memory for a step: free some");
        return;
    }
    memcpy(s->parts, list->of, bytes);
    s->n_parts = list->n;
}
