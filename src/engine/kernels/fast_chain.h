/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver of chains: the calls from c on, joined by `next`, tile by tile. Between two links a result is in
 * a buffer that stays in the first cache, unless another step wants it too: then it is in its own memory, and
 * read from there while it is near. A single op is a chain of one link. A link computes an element from its
 * operands alone and rounds it to what an image has, so that the bits do not depend on how ops are joined.
 */
#ifndef ITO_ENGINE_FAST_CHAIN_H
#define ITO_ENGINE_FAST_CHAIN_H

#include "engine/kernels/fast_norm.h"
#include "engine/kernels/fast_pointwise.h"

#define CHAIN_TILE 2048 /* elements; a multiple of LANES */

typedef struct chain {
    int links;
    chain_link link[ITO__CHAIN_LINKS];
    int64_t count, length; /* elements of the result, and of a panel: the shortest run */
} chain;

static chain_link link_of(const ito__call *c) {
    const ito_node *y = c->node;
    const int64_t count = ito_shape_count(y->shape);
    const bool apart = c->parts[0] || c->parts[1];
    chain_link k = {.call = c, .in = {IN(0), IN(0)}, .cycle = {count, count}, .run = count};
    if (apart) k.panel = y->shape.dim[2] * y->shape.dim[3] * c->block;
    if (ito__is_binary(y->op))
        make_binary(&k);
    else if (ito__is_unary(y->op))
        make_unary(&k);
    else if (y->op == ITO__OP_DROPOUT)
        make_dropout(&k);
    else
        make_norm(&k);
    if (apart && k.panel < k.run) k.run = k.panel;
    return k;
}

static chain chain_of(const ito__call *c) {
    chain h = {.count = ito_shape_count(c->node->shape)};
    h.length = h.count;
    for (; c; c = c->next) {
        const chain_link k = h.link[h.links++] = link_of(c);
        if (k.run < h.length) h.length = k.run;
    }
    return h;
}

static inline const element *operand_at(const chain_link *k, int operand, int64_t at, const element *tile) {
    const int64_t cycle = k->cycle[operand];
    if (k->call->parts[operand]) return panel_of(k->call, operand, at / k->panel) + at % k->panel;
    return k->in[operand] ? k->in[operand] + (at < cycle ? at : at % cycle) : tile;
}

static inline element *result_at(const chain_link *k, int64_t at, element *tile) {
    return k->call->out ? (element *)k->call->out + at : tile;
}

/* n < LANES elements, which end a panel, in a vector of their own: a loop that ended with fewer might round
 * differently there, and where panels end depends on what is joined. */
static void compute_rest(const chain_link *k, const link_lanes *v, int64_t at, int64_t n, element *tile) {
    element a[LANES] = {0}, b[LANES] = {0}, out[LANES];
    const size_t bytes = (size_t)n * sizeof *out;
    memcpy(a, operand_at(k, 0, at, tile), bytes);
    memcpy(b, operand_at(k, 1, at, tile), bytes);
    k->compute(k, v, a, b, out, at, LANES);
    memcpy(result_at(k, at, tile), out, bytes);
}

/* Elements at .. end, of one panel. */
static void compute_tiles(const chain *h, int64_t at, int64_t end) {
    link_lanes lanes[ITO__CHAIN_LINKS];
    _Alignas(64) element tile[CHAIN_TILE];
    for (int i = 0; i < h->links; i++)
        if (h->link[i].ready) h->link[i].ready(&h->link[i], at, &lanes[i]);
    for (int64_t n; at < end; at += n) {
        n = end - at < CHAIN_TILE ? end - at : CHAIN_TILE;
        if (n > LANES) n -= n % LANES;
        for (int i = 0; i < h->links; i++) {
            const chain_link *k = &h->link[i];
            if (n < LANES)
                compute_rest(k, &lanes[i], at, n, tile);
            else
                k->compute(k, &lanes[i], operand_at(k, 0, at, tile), operand_at(k, 1, at, tile),
                           result_at(k, at, tile), at, n);
        }
    }
}

/* Each piece as soon as it is made: c is the call of the last link. */
static void compute_with_moments(const chain *h, const ito__call *c) {
    const ito_shape s = c->node->shape;
    const int64_t length = s.dim[2] * s.dim[3] * c->block;
#pragma omp parallel for if (h->count > PARALLEL)
    for (int64_t u = 0; u < h->count / length; u++) {
        double *moments = result_moments(c, u);
        for (int64_t i = u * length, end = i + length, n; i < end; i += n * c->block) {
            n = next_pixels((end - i) / c->block);
            compute_tiles(h, i, i + n * c->block);
            piece_moments(OUT + i, n, c->block, moments);
        }
    }
}

static void k_chain(const ito__call *c) {
    const chain h = chain_of(c);
    const int64_t pieces = pieces_of(h.length), units = h.count / h.length * pieces;
    const ito__call *last = h.link[h.links - 1].call;
    if (last->moments) {
        compute_with_moments(&h, last);
        return;
    }
#pragma omp parallel for if (h.count > PARALLEL)
    for (int64_t u = 0; u < units; u++) {
        const int64_t at = u / pieces * h.length + u % pieces * PIECE;
        compute_tiles(&h, at, at + piece_length(h.length, u % pieces));
    }
}

/* ---- ops of which some nodes are no links ---- */

static void k_binary(const ito__call *c) {
    (ito__is_link(c->node, c->block) ? k_chain : ito__plain_f32[c->node->op])(c);
}

static void k_norm(const ito__call *c) {
    k_chain(c);
    if (!ito__is_link(c->node, c->block)) drop_after_norm(c);
}

static void k_dropout(const ito__call *c) {
    (ito__is_link(c->node, c->block) ? k_chain : drop_rows)(c);
}

#endif
