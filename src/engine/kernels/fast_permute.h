/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast permutations of floats that swap two runs of neighbouring axes: transposes of many matrices.
 */
#ifndef ITO_ENGINE_FAST_PERMUTE_H
#define ITO_ENGINE_FAST_PERMUTE_H

#include "engine/kernels/fast_math.h"

/* Rows, columns and the number of matrices of a permutation that swaps two runs of neighbouring axes at the
 * end. */
typedef struct transposition {
    int64_t batch, rows, columns;
} transposition;

static bool transposes(ito_shape in, const int *order, transposition *t) {
    int lead = 0, cut;
    *t = (transposition){1, 1, 1};
    for (; lead < in.rank && order[lead] == lead; lead++) t->batch *= in.dim[lead];
    if (lead == in.rank) return false;
    cut = order[lead];
    for (int i = lead; i < in.rank; i++) {
        if (order[i] != (i - lead < in.rank - cut ? cut + i - lead : i - (in.rank - cut))) return false;
        if (i < cut)
            t->rows *= in.dim[i];
        else
            t->columns *= in.dim[i];
    }
    return true;
}

/* Tiles of LANES x LANES: whole cache lines are read and written. */
static void transpose_tile(const float *x, float *out, int64_t rows, int64_t columns, int64_t height,
                           int64_t width) {
    float tile[LANES * LANES];
    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++) tile[j * LANES + i] = x[i * columns + j];
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < height; i++) out[j * rows + i] = tile[j * LANES + i];
}

static void k_permute(const ito__call *c) {
    transposition t;
    if (!transposes(c->node->in[0]->shape, c->node->attr.order, &t)) {
        ito__plain_f32[ITO__OP_PERMUTE](c);
        return;
    }
    const float *in = NUMBERS(0);
    float *out = OUT_NUMBERS;
    int64_t strips = (t.rows + LANES - 1) / LANES;
#pragma omp parallel for if (t.batch * t.rows * t.columns > PARALLEL)
    for (int64_t u = 0; u < t.batch * strips; u++) {
        int64_t matrix = u / strips * t.rows * t.columns, i = u % strips * LANES;
        int64_t height = t.rows - i < LANES ? t.rows - i : LANES;
        for (int64_t j = 0; j < t.columns; j += LANES)
            transpose_tile(in + matrix + i * t.columns + j, out + matrix + j * t.rows + i, t.rows, t.columns,
                           height, t.columns - j < LANES ? t.columns - j : LANES);
    }
}

#endif
