/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise steps joined into chains: a step that reads what another makes element by element is computed
 * together with it, tile by tile, so that it finds its operand in the first cache. A result that no other
 * step wants never gets to memory at all (ITO__TILE).
 *
 * A chain is a run of consecutive steps. To bring two links together, the steps between them go ahead of the
 * chain or, where they need something of it, behind. Only steps that make small results and read no image but
 * the chain's own are passed by, so that images live no longer than before. Values are still without a place,
 * each written once: any order that has operands before their readers is good. The bits of results do not
 * change (fast_chain.h).
 */
#include "engine/plan.h"

#include "core/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct joining {
    ito_plan *p;
    int first, links; /* the chain that grows */
    int *origin;      /* by value: the first result of the last chain that it came of, if of any */
    bool *behind;     /* by step after the chain: it needs something of the chain */
    ito__step *moved; /* room for all steps */
} joining;

/* ---- what may join ---- */

static bool is_link(const ito_plan *p, const ito__step *s) {
    const ito__op op = s->node->op;
    const ito__kernel *table = s->block > 1 ? p->image : p->fast;
    return s->kernel && !s->constant && s->kernel == table[op] && s->kernel != p->plain[op] &&
           ito__is_link(s->node, s->block);
}

static bool came_of_chain(const joining *j, int value) {
    return value >= 0 && j->origin[ito__root(j->p, value)] == j->p->steps[j->first].out;
}

/* Does the step need something of the chain? */
static bool needs_chain(const joining *j, const ito__step *s) {
    for (int k = 0; k < ito__n_read(s); k++)
        if (came_of_chain(j, ito__read(s, k))) return true;
    return false;
}

static bool is_made_by_link(const joining *j, int value) {
    for (int i = j->first; i < j->first + j->links; i++)
        if (j->p->steps[i].out == value) return true;
    return false;
}

/* Does the step take on what the last link makes, and whatever else of the chain it reads, by element? */
static bool may_join(const joining *j, const ito__step *s) {
    const ito__step *last = &j->p->steps[j->first + j->links - 1];
    bool takes_on = false;
    if (!is_link(j->p, s) || s->block != last->block || !ito_shape_equal(s->node->shape, last->node->shape))
        return false;
    for (int k = 0; k < ito__n_read(s); k++) {
        const int v = ito__read(s, k);
        if (!came_of_chain(j, v)) continue;
        if (k >= s->n_in || !is_made_by_link(j, v) || !ito__by_element(s->node, k)) return false;
        takes_on |= v == last->out;
    }
    return takes_on;
}

/* ---- what stands between ---- */

static bool is_large(const joining *j, int value) {
    const ito__value *values = j->p->values;
    return value >= 0 && values[value].bytes >= values[j->p->steps[j->first].out].bytes;
}

/* Does the step read an image that is not of the chain, or make one? */
static bool has_image(const joining *j, const ito__step *s) {
    for (int k = 0; k < ito__n_read(s); k++)
        if (is_large(j, ito__read(s, k)) && !came_of_chain(j, ito__read(s, k))) return true;
    return is_large(j, s->out) || is_large(j, s->scratch) || is_large(j, s->moments);
}

static void mark(joining *j, const ito__step *s) {
    const int chain = j->p->steps[j->first].out;
    j->origin[s->out] = chain;
    if (s->moments >= 0) j->origin[s->moments] = chain;
}

/* The step that becomes the next link; -1: there is none. */
static int find_next(joining *j) {
    const ito_plan *p = j->p;
    const int end = j->first + j->links;
    if (j->links == ITO__CHAIN_LINKS || p->steps[end - 1].moments >= 0) return -1;
    for (int i = end; i < p->n_steps; i++) {
        const ito__step *s = &p->steps[i];
        if (s->links > 1) return -1;
        if (may_join(j, s)) return i;
        j->behind[i] = needs_chain(j, s);
        if (j->behind[i]) mark(j, s);
        if (!s->constant && has_image(j, s)) return -1;
    }
    return -1;
}

/* ---- chains ---- */

/* Orders the steps from the chain to `next`: those that do not need the chain, the chain, next, the others.
 */
static void add_link(joining *j, int next) {
    ito__step *steps = j->p->steps;
    const int begin = j->first, end = begin + j->links;
    int n = 0;
    for (int i = end; i < next; i++)
        if (!j->behind[i]) j->moved[n++] = steps[i];
    j->first += n;
    for (int i = begin; i < end; i++) j->moved[n++] = steps[i];
    j->moved[n++] = steps[next];
    for (int i = end; i < next; i++)
        if (j->behind[i]) j->moved[n++] = steps[i];
    memcpy(steps + begin, j->moved, (size_t)n * sizeof *steps);
    mark(j, &steps[j->first + j->links++]);
}

/* "norm+mul+add+elu" */
static const char *chain_kind(const ito_plan *p, const ito__step *s, int links) {
    char text[128];
    size_t length = 0;
    for (int i = 0; i < links && length < sizeof text; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s%s", i ? "+" : "", s[i].kind);
    return ito__graph_text(p->graph, text);
}

/* Returns whether more than one step is in it. */
static bool grow_chain(joining *j, int first) {
    ito_plan *p = j->p;
    *j = (joining){p, first, 1, j->origin, j->behind, j->moved};
    mark(j, &p->steps[first]);
    for (int next = find_next(j); next >= 0; next = find_next(j)) add_link(j, next);
    ito__step *s = &p->steps[j->first];
    if (j->links > 1) s->chain = chain_kind(p, s, j->links);
    for (int i = 0; i < j->links; i++) {
        s[i].link = i;
        s[i].links = j->links;
    }
    return j->links > 1;
}

/* Results that only the next link reads; reader: room by value. */
static void leave_in_tiles(ito_plan *p, int *reader) {
    enum { NOBODY = -1, SEVERAL = -2 };
    for (int v = 0; v < p->n_values; v++) reader[v] = NOBODY;
    for (int i = 0; i < p->n_steps; i++)
        for (int k = 0; k < ito__n_read(&p->steps[i]); k++) {
            const int v = ito__read(&p->steps[i], k);
            int *r = v < 0 ? NULL : &reader[ito__root(p, v)];
            if (r) *r = *r == NOBODY || *r == i ? i : SEVERAL;
        }
    for (int i = 0; i < p->n_steps; i++) {
        const ito__step *s = &p->steps[i];
        ito__value *y = &p->values[s->out];
        if (s->link + 1 < s->links && y->place == ITO__ARENA && reader[s->out] == i + 1) y->place = ITO__TILE;
    }
}

ito_status ito__join_chains(ito_plan *p, ito_error *err) {
    joining j = {.p = p};
    j.origin = ito__alloc((size_t)p->n_values + 1, sizeof *j.origin);
    j.behind = ito__alloc((size_t)p->n_steps + 1, sizeof *j.behind);
    j.moved = ito__alloc((size_t)p->n_steps + 1, sizeof *j.moved);
    ito_status st = ITO_OK;
    if (!j.origin || !j.behind || !j.moved) {
        st = ito_error_set(err, ITO_E_NOMEM, "plan: out of memory for %d steps: free some", p->n_steps);
        goto done;
    }
    for (int v = 0; v < p->n_values; v++) j.origin[v] = -1;
    for (int i = 0; i < p->n_steps;) { /* where a chain grew, other steps may have moved to its place */
        const bool grew = p->steps[i].links == 1 && is_link(p, &p->steps[i]) && grow_chain(&j, i);
        if (!grew) i += p->steps[i].links;
    }
    leave_in_tiles(p, j.origin);
done:
    ito__free(j.origin);
    ito__free(j.behind);
    ito__free(j.moved);
    return st;
}
