/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast concatenation and slices of images along the channels, blocked or not: runs of memory.
 */
#ifndef ITO_ENGINE_FAST_LAYOUT_H
#define ITO_ENGINE_FAST_LAYOUT_H

#include "engine/kernels/fast_math.h"

/* Elements in one step along an axis of a row-major array; blocks of channels are one step of as many. */
static int64_t below_axis(ito_shape s, int axis) {
    int64_t n = 1;
    for (int i = axis + 1; i < s.rank; i++) n *= s.dim[i];
    return n;
}

static void k_concat(const ito__call *c) {
    ito_shape s = c->node->shape;
    int axis = c->node->attr.range.axis, n_in = c->node->n_in;
    int64_t n = ito_shape_count(s), inner = below_axis(s, axis), row = inner * s.dim[axis];
#pragma omp parallel for collapse(2) if (n > PARALLEL)
    for (int64_t i = 0; i < n / row; i++)
        for (int p = 0; p < n_in; p++) {
            int64_t before = 0, chunk = c->node->in[p]->shape.dim[axis] * inner;
            for (int k = 0; k < p; k++) before += c->node->in[k]->shape.dim[axis] * inner;
            memcpy(OUT + i * row + before, IN(p) + i * chunk, (size_t)chunk * sizeof(element));
        }
}

static void k_slice(const ito__call *c) {
    ito_shape s = c->node->shape, from = c->node->in[0]->shape;
    int axis = c->node->attr.range.axis;
    int64_t n = ito_shape_count(s), inner = below_axis(s, axis), chunk = inner * s.dim[axis];
    const element *in = IN(0) + c->node->attr.range.begin * inner;
#pragma omp parallel for if (n > PARALLEL)
    for (int64_t i = 0; i < n / chunk; i++)
        memcpy(OUT + i * chunk, in + i * inner * from.dim[axis], (size_t)chunk * sizeof(element));
}

#endif
