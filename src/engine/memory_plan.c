/* SPDX-License-Identifier: Apache-2.0
 *
 * Where values live: lifetimes, results computed in place, and offsets in one arena (largest first, each at
 * the lowest offset that is free during its whole life).
 */
#include "engine/plan.h"

#include "core/memory.h"

#include <limits.h>
#include <stdlib.h>

enum { ALIGN = 64 };

int ito__root(const ito_plan *p, int v) {
    while (p->values[v].alias >= 0) v = p->values[v].alias;
    return v;
}

/* A chain is one moment: what a link touches lives from its first link to its last. */
static void touch(ito_plan *p, int v, int step) {
    if (v < 0) return;
    ito__value *x = &p->values[ito__root(p, v)];
    const int first = step - p->steps[step].link, last = first + p->steps[step].links - 1;
    if (first < x->first) x->first = first;
    if (last > x->last) x->last = last;
}

static void find_lifetimes(ito_plan *p) {
    for (int v = 0; v < p->n_values; v++) {
        p->values[v].first = INT_MAX;
        p->values[v].last = -1;
    }
    for (int i = 0; i < p->n_steps; i++) {
        const ito__step *s = &p->steps[i];
        for (int k = 0; k < ito__n_read(s); k++) touch(p, ito__read(s, k), i);
        touch(p, s->out, i);
        touch(p, s->scratch, i);
        touch(p, s->moments, i);
    }
}

/* May a chain, or a single step, compute its result over this value: does it read it by element alone? */
static bool may_overwrite(const ito_plan *p, int first, int last, int root) {
    for (int i = first; i <= last; i++)
        for (int k = 0; k < ito__n_read(&p->steps[i]); k++) {
            const int v = ito__read(&p->steps[i], k);
            const bool by_element = k < p->steps[i].n_in && ito__by_element(p->steps[i].node, k);
            if (v >= 0 && ito__root(p, v) == root && !by_element) return false;
        }
    return true;
}

/* An operand that dies with the chain and has the size of its result; -1: none. */
static int dying_operand(const ito_plan *p, int first, int last) {
    const ito__value *y = &p->values[p->steps[last].out];
    for (int i = first; i <= last; i++)
        for (int k = 0; k < p->steps[i].n_in; k++) {
            if (p->steps[i].in[k] < 0) continue;
            const int root = ito__root(p, p->steps[i].in[k]);
            const ito__value *x = &p->values[root];
            if (x->place != ITO__ARENA || x->last != last || x == y) continue;
            if (x->bytes != y->bytes || x->block != y->block) continue;
            if (may_overwrite(p, first, last, root)) return root;
        }
    return -1;
}

/* A result takes over the memory of an operand that dies with the step. In a chain that is the last step's:
 * what a chain touches dies with its last link. */
static void compute_in_place(ito_plan *p) {
    for (int last = 0; last < p->n_steps; last++) {
        const ito__step *s = &p->steps[last];
        const int first = last - s->link;
        ito__value *y = &p->values[s->out];
        if (!s->kernel || y->place != ITO__ARENA || y->alias >= 0 || y->first != first) continue;
        const int root = dying_operand(p, first, last);
        if (root < 0) continue;
        p->values[root].last = y->last;
        y->alias = root;
    }
}

static size_t aligned(size_t bytes) {
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

typedef struct placed {
    size_t offset, bytes;
    int first, last, value;
} placed;

static int larger_first(const void *a, const void *b) {
    const placed *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->value - y->value;
}

static int by_offset(const placed *a, const placed *b) {
    return a->offset < b->offset;
}

/* Lowest offset where `item` fits beside the items placed before it that live at the same time; those are
 * kept sorted by offset in `order`. */
static size_t lowest_fit(const placed *items, const int *order, int count, const placed *item) {
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        const placed *other = &items[order[i]];
        if (other->last < item->first || item->last < other->first) continue;
        if (other->offset >= offset + item->bytes) break;
        if (other->offset + other->bytes > offset) offset = other->offset + other->bytes;
    }
    return offset;
}

static void pack_arena(ito_plan *p, placed *items, int *order, int count) {
    qsort(items, (size_t)count, sizeof *items, larger_first);
    for (int i = 0; i < count; i++) {
        items[i].offset = lowest_fit(items, order, i, &items[i]);
        int k = i;
        for (; k > 0 && by_offset(&items[i], &items[order[k - 1]]); k--) order[k] = order[k - 1];
        order[k] = i;
        p->values[items[i].value].offset = items[i].offset;
        size_t end = items[i].offset + items[i].bytes;
        if (end > p->arena_bytes) p->arena_bytes = end;
    }
}

ito_status ito__place_values(ito_plan *p, ito_error *err) {
    find_lifetimes(p);
    compute_in_place(p);
    placed *items = ito__alloc((size_t)p->n_values + 1, sizeof *items);
    int *order = ito__alloc((size_t)p->n_values + 1, sizeof *order);
    int count = 0;
    if (!items || !order) {
        ito__free(items);
        ito__free(order);
        return ito_error_set(err, ITO_E_NOMEM, "plan: out of memory for %d values: free some", p->n_values);
    }
    for (int v = 0; v < p->n_values; v++) {
        ito__value *x = &p->values[v];
        if (x->alias >= 0 || x->place == ITO__BOUND || x->place == ITO__TILE) continue;
        if (x->place == ITO__CONSTANT) {
            x->offset = p->constant_bytes;
            p->constant_bytes += aligned(x->bytes);
        } else if (x->last >= 0) {
            items[count++] = (placed){0, aligned(x->bytes), x->first, x->last, v};
        }
    }
    pack_arena(p, items, order, count);
    ito__free(items);
    ito__free(order);
    return ITO_OK;
}
