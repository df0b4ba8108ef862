/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast image resampling. An image is [planes, height, width, B]: a pixel is B floats, B the block. The loops
 * are written once with B as an argument and compiled for each B, so that a pixel is one vector.
 */
#ifndef ITO_ENGINE_FAST_IMAGE_H
#define ITO_ENGINE_FAST_IMAGE_H

#include "engine/kernels/fast_math.h"

/* Calls row(call, line, block) for every line of the result, `line` counting through all planes. */
static inline void each_line(const ito__call *c,
                             void (*row)(const ito__call *c, int64_t line, int64_t block)) {
    ito_shape s = c->node->shape;
    int64_t n = ito_shape_count(s), lines = n / (s.dim[3] * c->block);
#pragma omp parallel for if (n > PARALLEL)
    for (int64_t line = 0; line < lines; line++) row(c, line, c->block);
}

/* Defines kernel k_name over name_line with the block a constant where it is 1, 8 or 16. */
#define PER_BLOCK(name)                                                                                      \
    static void name##_row(const ito__call *c, int64_t line, int64_t block) {                                \
        if (block == 16)                                                                                     \
            name##_line(c, line, 16);                                                                        \
        else if (block == 8)                                                                                 \
            name##_line(c, line, 8);                                                                         \
        else                                                                                                 \
            name##_line(c, line, 1);                                                                         \
    }                                                                                                        \
    static void k_##name(const ito__call *c) {                                                               \
        each_line(c, name##_row);                                                                            \
    }

/* ---- nearest neighbour ---- */

static inline void upsample_line(const ito__call *c, int64_t line, int64_t block) {
    int64_t f = c->node->attr.factor, w = c->node->shape.dim[3] / f;
    const float *x = IN(0) + line / f * w * block;
    float *out = OUT + line * w * f * block;
    if (f == 2) {
        SIMD for (int64_t j = 0; j < w * block; j++) {
            int64_t at = j / block * 2 * block + j % block;
            out[at] = out[at + block] = x[j];
        }
        return;
    }
    for (int64_t j = 0; j < w; j++)
        for (int64_t b = 0; b < f; b++)
            for (int64_t l = 0; l < block; l++) out[(j * f + b) * block + l] = x[j * block + l];
}

PER_BLOCK(upsample)

/* Sums of f x f blocks. */
static inline void pool_line(const ito__call *c, int64_t line, int64_t block) {
    int64_t f = c->node->attr.factor, w = c->node->shape.dim[3];
    const float *x = IN(0) + line * f * w * f * block;
    float *out = OUT + line * w * block;
    if (f == 2) {
        const float *below = x + 2 * w * block;
        SIMD for (int64_t j = 0; j < w * block; j++) {
            int64_t at = j / block * 2 * block + j % block;
            out[j] = (x[at] + x[at + block]) + (below[at] + below[at + block]);
        }
        return;
    }
    for (int64_t j = 0; j < w; j++) {
        float sum[LANES] = {0};
        for (int64_t a = 0; a < f; a++)
            for (int64_t b = 0; b < f; b++)
                for (int64_t l = 0; l < block; l++) sum[l] += x[((a * w + j) * f + b) * block + l];
        for (int64_t l = 0; l < block; l++) out[j * block + l] = sum[l];
    }
}

PER_BLOCK(pool)

/* ---- up, filter, down ---- */

/* The taps that meet a pixel: of the filter every up-th from `first` on, of the line the pixels from `begin`
 * on. */
typedef struct taps {
    int first;
    int64_t begin, count;
} taps;

/* For the result at `i` along an axis of `size` pixels. */
static taps taps_at(const ito_fir *f, int64_t i, int64_t size) {
    int64_t p = i * f->down - f->pad_before; /* in the line with zeros between its pixels */
    int64_t first = p > 0 ? (f->up - p % f->up) % f->up : -p;
    int64_t begin = (p + first) / f->up;
    int64_t count = first < f->ntaps ? (f->ntaps - first - 1) / f->up + 1 : 0;
    if (begin + count > size) count = size - begin;
    return (taps){(int)first, begin, count > 0 ? count : 0};
}

static inline void upfirdn_line(const ito__call *c, int64_t line, int64_t block) {
    const ito_fir *f = &c->node->attr.upfirdn.fir;
    int64_t H = c->node->in[0]->shape.dim[2], W = c->node->in[0]->shape.dim[3];
    int64_t h = c->node->shape.dim[2], w = c->node->shape.dim[3];
    const float *x = IN(0) + line / h * H * W * block;
    float *out = OUT + line * w * block, tap[8];
    for (int i = 0; i < f->ntaps; i++)
        tap[i] = (float)f->taps[c->node->attr.upfirdn.reversed ? f->ntaps - 1 - i : i];
    taps down = taps_at(f, line % h, H);
    for (int64_t j = 0; j < w; j++) {
        float sum[LANES] = {0};
        taps right = taps_at(f, j, W);
        for (int64_t a = 0; a < down.count; a++) {
            const float *row = x + ((down.begin + a) * W + right.begin) * block;
            for (int64_t b = 0; b < right.count; b++) {
                float weight = tap[down.first + a * f->up] * tap[right.first + b * f->up];
                SIMD for (int64_t l = 0; l < block; l++) sum[l] += weight * row[b * block + l];
            }
        }
        for (int64_t l = 0; l < block; l++) out[j * block + l] = sum[l];
    }
}

PER_BLOCK(upfirdn)

#undef PER_BLOCK

/* ---- transposes ---- */

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
    const float *in = IN(0);
    float *out = OUT;
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
