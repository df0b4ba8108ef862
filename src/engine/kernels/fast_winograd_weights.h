/* SPDX-License-Identifier: Apache-2.0
 *
 * The gradient of a 3x3 convolution by its weights, in the domain of fast_winograd.h. There
 *
 *     y = A^T [ (G g G^T) * (B^T d B) ] A   gives   dg = G^T [ sum over tiles of (A dy A^T) * (B^T d B) ] G,
 *
 * products of matrices again: channels of the image by tiles, and tiles by channels of the result. A unit of
 * work is a block of the weights; where there are few blocks, the tiles are shared out too, and the parts are
 * added in an order of their own.
 */
#ifndef ITO_ENGINE_FAST_WINOGRAD_WEIGHTS_H
#define ITO_ENGINE_FAST_WINOGRAD_WEIGHTS_H

#include "engine/kernels/fast_winograd.h"

/* Tiles at a time: memory is that of the forward pass, with the roles of tiles and channels of the image
 * exchanged. */
enum { TILES = DEPTH };

typedef struct weights_gradient {
    winograd forward; /* weights NULL */
    const element *dy;
    float *dw;
    int64_t rows, parts; /* channels of the image in a block; parts of the tiles */
} weights_gradient;

static weights_gradient weights_gradient_of(const ito__call *c) {
    winograd f = {.of = ito__winograd_of(c->node), .block = c->block, .x = IN(0)};
    f.strip = ito__winograd_strip(f.of.out);
    f.from = TAPS, f.to = f.of.in * TAPS;
    return (weights_gradient){f, IN(1), OUT_NUMBERS, ito__winograd_strip(f.of.in),
                              ito__winograd_parts(&f.of)};
}

/* A m */
static inline __attribute__((always_inline)) void result_points(const vector y[OUTPUT], vector m[PATCH]) {
    const vector a = y[0] + NEAR2 * y[2], b = y[1] + NEAR2 * y[3];
    const vector e = y[0] + FAR2 * y[2], f = y[1] + FAR2 * y[3];
    m[0] = y[0];
    m[1] = a + NEAR * b;
    m[2] = a - NEAR * b;
    m[3] = e + FAR * f;
    m[4] = e - FAR * f;
    m[5] = y[3];
}

static inline __attribute__((always_inline)) void tile_apart(const winograd *p, const element *dy, corner at,
                                                             float *restrict out, int64_t apart) {
    const int64_t height = p->of.height, width = p->of.width, step = apart * p->block;
    vector half[PATCH][OUTPUT], y[OUTPUT], m[PATCH];
    dy += (at.row * width + at.column) * p->block;
    for (int j = 0; j < OUTPUT; j++) {
        for (int i = 0; i < OUTPUT; i++) {
            const bool inside = at.row + i * apart < height && at.column + j * apart < width;
            y[i] = inside ? load_vector(dy + (i * width + j) * step) : (vector){0};
        }
        result_points(y, m);
        for (int i = 0; i < PATCH; i++) half[i][j] = m[i];
    }
    for (int i = 0; i < PATCH; i++) {
        result_points(half[i], m);
        for (int j = 0; j < PATCH; j++) *(vector *)(out + (i * PATCH + j) * KERNEL_STEP) = m[j];
    }
}

/* WIDE channels from dy on of the tile at `at`; out: the first of POINTS numbers. */
static inline void transform_tile(const winograd *p, const element *dy, corner at, float *restrict out) {
    BY_DILATION(p, tile_apart, dy, at, out);
}

/* `count` tiles from `tile` on, a strip of channels from `first` on: [POINTS, strip / PANEL, TILES, PANEL].
 */
static void transform_tiles(const weights_gradient *g, int64_t tile, int64_t count, int64_t first,
                            float *out) {
    const winograd *p = &g->forward;
    for (int64_t t = 0; t < count; t++) {
        const corner at = corner_of(&p->of, tile + t);
        for (int64_t c = 0; c < p->strip; c += WIDE)
            transform_tile(p, g->dy + plane_of(p, at.image, p->of.out, first + c), at,
                           out + (c / PANEL * TILES + t) * PANEL + c % PANEL);
    }
}

/* G^T u */
static inline __attribute__((always_inline)) void kernel_taps(const vector u[PATCH], vector g[3]) {
    const vector s = (u[1] + u[2]) * NEAR_WEIGHT, d = (u[1] - u[2]) * NEAR_WEIGHT;
    const vector t = (u[3] + u[4]) * FAR_WEIGHT, e = (u[3] - u[4]) * FAR_WEIGHT;
    g[0] = u[0] * ZERO_WEIGHT + s + t;
    g[1] = NEAR * d + FAR * e;
    g[2] = NEAR2 * s + (FAR2 * t + u[5]);
}

/* m: the first of POINTS numbers; kernel: [TAPS, PANEL]. */
static inline void taps_of(const float *m, float *kernel) {
    vector half[3][PATCH], column[PATCH], g[3];
    for (int j = 0; j < PATCH; j++) {
        for (int i = 0; i < PATCH; i++) column[i] = *(const vector *)(m + (i * PATCH + j) * PRODUCT_STEP);
        kernel_taps(column, g);
        for (int i = 0; i < 3; i++) half[i][j] = g[i];
    }
    for (int i = 0; i < 3; i++) {
        kernel_taps(half[i], g);
        for (int j = 0; j < 3; j++) *(vector *)(kernel + (i * 3 + j) * PANEL) = g[j];
    }
}

/* A block of the weights from its products. */
static void write_block(const weights_gradient *g, int64_t from, int64_t first, const float *products) {
    float kernels[WIDE * TAPS][PANEL];
    for (int64_t c = 0; c < g->forward.strip; c += PANEL)
        for (int64_t r = 0; r < g->rows; r += WIDE) {
            const float *m = products + c * SPAN + r * PANEL;
            float *w = g->dw + (first + c) * g->forward.to + (from + r) * TAPS;
            for (int k = 0; k < WIDE; k++)
                for (int half = 0; half < PANEL; half += WIDE)
                    taps_of(m + k * PANEL + half, kernels[k * TAPS] + half);
            for (int k = 0; k < TAPS * WIDE; k += WIDE)
                for (int half = 0; half < PANEL; half += WIDE)
                    transpose(kernels[k] + half, PANEL, w + half * g->forward.to + k, g->forward.to);
        }
}

/* The products of a block over one part of the tiles. */
static void multiply_block(const weights_gradient *g, int64_t from, int64_t first, int64_t part,
                           float *patches, float *products) {
    const int64_t all = (g->forward.of.tiles + TILES - 1) / TILES;
    const int64_t begin = all * part / g->parts * TILES;
    const int64_t end = least(all * (part + 1) / g->parts * TILES, g->forward.of.tiles);
    float *tiles = patches + POINTS * PATCH_STEP;
    for (int64_t t = begin; t < end; t += TILES) {
        const int64_t count = least(TILES, end - t);
        transform_patches(&g->forward, t, count, from, g->rows, SPAN, patches);
        transform_tiles(g, t, count, first, tiles);
        multiply_points(patches, 1, SPAN, g->rows, tiles, g->forward.strip, count, t > begin, products);
    }
}

static void add_parts(const weights_gradient *g, float *products) {
    for (int64_t part = 1; part < g->parts; part++)
        for (int point = 0; point < POINTS; point++)
            for (int64_t c = 0; c < g->forward.strip; c += PANEL) {
                float *sum = products + point * PRODUCT_STEP + c * SPAN;
                const float *other = sum + part * POINTS * PRODUCT_STEP;
                SIMD for (int64_t i = 0; i < g->rows * PANEL; i++) sum[i] += other[i];
            }
}

static void k_winograd_weights(const ito__call *c) {
    const weights_gradient g = weights_gradient_of(c);
    const int64_t across = g.forward.of.in / g.rows, blocks = across * (g.forward.of.out / g.forward.strip);
    float *shared = (float *)c->scratch + c->threads * ITO__WINOGRAD_FLOATS;
#pragma omp parallel num_threads(threads_of(c))
    {
        float *own = (float *)c->scratch + omp_get_thread_num() * ITO__WINOGRAD_FLOATS;
#pragma omp for
        for (int64_t u = 0; u < blocks * g.parts; u++) {
            const int64_t from = u / g.parts % across * g.rows,
                          first = u / g.parts / across * g.forward.strip;
            float *products =
                g.parts > 1 ? shared + u * POINTS * PRODUCT_STEP : own + POINTS * (PATCH_STEP + KERNEL_STEP);
            multiply_block(&g, from, first, u % g.parts, own, products);
            if (g.parts == 1) write_block(&g, from, first, products);
        }
#pragma omp for
        for (int64_t b = 0; b < (g.parts > 1 ? blocks : 0); b++) {
            float *products = shared + b * g.parts * POINTS * PRODUCT_STEP;
            add_parts(&g, products);
            write_block(&g, b % across * g.rows, b / across * g.forward.strip, products);
        }
    }
}

#endif
