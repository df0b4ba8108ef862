/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution with 3x3 kernels by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016): with d a
 * patch of the image, g a kernel and y a tile of the result,
 *
 *     y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A,     * element by element,
 *
 * which takes 36 products instead of 144. Each of the 36 points is a product of matrices, tiles by channels
 * and channels by channels.
 *
 * A unit of work is a strip of result channels of a span of tiles. It transforms patches and kernels on the
 * way, a few channels of the image at a time, and everything that it works on stays in the second cache: no
 * other copy of the weights exists, and caches that neighbours share are left alone, at the price of
 * transforming the same patches for every strip. The gradient by the image is the same with the kernels
 * turned about and channels exchanged. Where a kernel is dilated, so are patches and tiles.
 */
#ifndef ITO_ENGINE_FAST_WINOGRAD_H
#define ITO_ENGINE_FAST_WINOGRAD_H

#include "engine/kernels/fast_moments.h"
#include "engine/kernels/fast_vector.h"
#include "engine/kernels/winograd.h"

enum {
    OUTPUT = ITO__WINOGRAD_OUTPUT,
    PATCH = ITO__WINOGRAD_PATCH,
    POINTS = ITO__WINOGRAD_POINTS,
    TAPS = 9,
    PANEL = 2 * WIDE, /* columns of a product of matrices */
    STRIP = ITO__WINOGRAD_STRIP,
    SPAN = ITO__WINOGRAD_SPAN,
    DEPTH = ITO__WINOGRAD_DEPTH,
    /* Floats from point to point. */
    PATCH_STEP = SPAN * DEPTH + ITO__WINOGRAD_APART,
    KERNEL_STEP = STRIP * DEPTH + ITO__WINOGRAD_APART,
    PRODUCT_STEP = SPAN * STRIP + ITO__WINOGRAD_APART
};

/* The transforms evaluate polynomials at 0, +-5/8, +-3/2 and infinity. Of the points whose squares are short
 * these lose least: a third of the rounding error of 0, +-1, +-2 and infinity. G divides by the derivative of
 * x (x^2 - 25/64) (x^2 - 9/4). */
#define NEAR        0.625f
#define FAR         1.5f
#define NEAR2       (NEAR * NEAR)
#define FAR2        (FAR * FAR)
#define ZERO_WEIGHT (1 / (NEAR2 * FAR2))
#define NEAR_WEIGHT (0.5f / (NEAR2 * (NEAR2 - FAR2)))
#define FAR_WEIGHT  (0.5f / (FAR2 * (FAR2 - NEAR2)))

typedef struct winograd {
    ito__winograd of;
    int64_t block, strip; /* channels of a strip: STRIP, or fewer when the result has no more */
    const element *x;
    const float *weights, *bias; /* bias NULL: none */
    element *y;
    double *moments;  /* of y; NULL: not wanted */
    int64_t from, to; /* weights between channels of the image, and of the result */
    bool turned;
} winograd;

static winograd winograd_of(const ito__call *c) {
    const ito_node *y = c->node;
    const bool gradient = y->op == ITO__OP_CONV2D_GRAD_X;
    winograd p = {
        .of = ito__winograd_of(y), .block = c->block, .y = OUT, .moments = c->moments, .turned = gradient};
    p.strip = ito__winograd_strip(p.of.out);
    p.x = IN(gradient ? 1 : 0);
    p.weights = NUMBERS(gradient ? 0 : 1);
    p.bias = y->n_in == 3 ? NUMBERS(2) : NULL;
    p.from = gradient ? p.of.out * TAPS : TAPS;
    p.to = gradient ? TAPS : p.of.in * TAPS;
    return p;
}

static inline int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Where a tile begins: its image, and the first row and column of the result. */
typedef struct corner {
    int64_t image, row, column;
} corner;

/* The first pixel along a side of tile k of that side. */
static inline int64_t first_of(int64_t k, int64_t dilation) {
    return dilation == 1 ? k * OUTPUT : k / dilation * dilation * OUTPUT + k % dilation;
}

static inline corner corner_of(const ito__winograd *p, int64_t tile) {
    const int64_t in_image = tile % (p->down * p->across);
    return (corner){tile / (p->down * p->across), first_of(in_image / p->across, p->dilation),
                    first_of(in_image % p->across, p->dilation)};
}

/* Element `channel` of the first pixel of an image with so many channels. */
static inline int64_t plane_of(const winograd *p, int64_t image, int64_t channels, int64_t channel) {
    return (image * channels + channel / p->block * p->block) * p->of.height * p->of.width +
           channel % p->block;
}

/* ---- patches ---- */

/* B^T d */
static inline __attribute__((always_inline)) void patch_points(vector d[PATCH]) {
    const vector a = d[4] - FAR2 * d[2], b = d[3] - FAR2 * d[1];
    const vector e = d[4] - NEAR2 * d[2], f = d[3] - NEAR2 * d[1];
    d[0] = NEAR2 * FAR2 * d[0] + (d[4] - (NEAR2 + FAR2) * d[2]);
    d[5] = NEAR2 * FAR2 * d[1] + (d[5] - (NEAR2 + FAR2) * d[3]);
    d[1] = a + NEAR * b;
    d[2] = a - NEAR * b;
    d[3] = e + FAR * f;
    d[4] = e - FAR * f;
}

/* Calls what transforms a patch or tile with its dilation, as a constant where it is 1: addresses are then
 * worked out by the compiler. */
#define BY_DILATION(p, call, ...)                                                                            \
    ((p)->of.dilation == 1 ? call(p, __VA_ARGS__, 1) : call(p, __VA_ARGS__, (p)->of.dilation))

static inline __attribute__((always_inline)) void patch_apart(const winograd *p, const element *x, corner at,
                                                              float *restrict out, int64_t apart) {
    static const element outside[PATCH * ITO__WINOGRAD_DILATION * ITO__WINOGRAD_BLOCK]; /* rows of zeros */
    const int64_t height = p->of.height, width = p->of.width, step = apart * p->block;
    const element *rows[PATCH];
    vector patch[PATCH][PATCH];
    for (int i = 0; i < PATCH; i++) {
        const int64_t row = at.row + (i - 1) * apart;
        const bool inside = row >= 0 && row < height;
        rows[i] = inside ? x + (row * width + at.column) * p->block : outside + step;
    }
    for (int j = 0; j < PATCH; j++) {
        const int64_t column = at.column + (j - 1) * apart;
        vector d[PATCH] = {{0}};
        if (column >= 0 && column < width)
            for (int i = 0; i < PATCH; i++) d[i] = load_vector(rows[i] + (j - 1) * step);
        patch_points(d);
        for (int i = 0; i < PATCH; i++) patch[i][j] = d[i];
    }
    for (int i = 0; i < PATCH; i++) {
        patch_points(patch[i]);
        for (int j = 0; j < PATCH; j++) *(vector *)(out + (i * PATCH + j) * PATCH_STEP) = patch[i][j];
    }
}

/* WIDE channels from x on of the patch that makes the tile at `at`; out: the first of POINTS numbers. */
static inline void transform_patch(const winograd *p, const element *x, corner at, float *restrict out) {
    BY_DILATION(p, patch_apart, x, at, out);
}

/* `count` tiles from `tile` on, `depth` channels from `channel` on: [POINTS, count, apart], of which `depth`
 * are written. */
static void transform_patches(const winograd *p, int64_t tile, int64_t count, int64_t channel, int64_t depth,
                              int64_t apart, float *out) {
    for (int64_t t = 0; t < count; t++) {
        const corner at = corner_of(&p->of, tile + t);
        for (int64_t c = 0; c < depth; c += WIDE)
            transform_patch(p, p->x + plane_of(p, at.image, p->of.in, channel + c), at, out + t * apart + c);
    }
}

/* ---- kernels ---- */

/* G g */
static inline __attribute__((always_inline)) void kernel_points(const vector g[3], vector u[PATCH]) {
    const vector a = (g[0] + NEAR2 * g[2]) * NEAR_WEIGHT, b = (g[0] + FAR2 * g[2]) * FAR_WEIGHT;
    u[0] = g[0] * ZERO_WEIGHT;
    u[1] = a + g[1] * (NEAR * NEAR_WEIGHT);
    u[2] = a - g[1] * (NEAR * NEAR_WEIGHT);
    u[3] = b + g[1] * (FAR * FAR_WEIGHT);
    u[4] = b - g[1] * (FAR * FAR_WEIGHT);
    u[5] = g[2];
}

/* kernel: [TAPS, PANEL]; out: the first of POINTS rows. */
static inline void transform_kernel(const float *kernel, float *restrict out) {
    vector half[PATCH][3], g[3], u[PATCH];
    for (int j = 0; j < 3; j++) {
        for (int i = 0; i < 3; i++) g[i] = *(const vector *)(kernel + (i * 3 + j) * PANEL);
        kernel_points(g, u);
        for (int i = 0; i < PATCH; i++) half[i][j] = u[i];
    }
    for (int i = 0; i < PATCH; i++) {
        kernel_points(half[i], u);
        for (int j = 0; j < PATCH; j++) *(vector *)(out + (i * PATCH + j) * KERNEL_STEP) = u[j];
    }
}

/* Exchanges bit d of the number of a row with bit d of that of a lane; all bits in turn transpose. */
#define FROM_EVEN(l, d) ((l) & (d) ? WIDE + (l) - (d) : (l))
#define FROM_ODD(l, d)  ((l) & (d) ? WIDE + (l) : (l) + (d))
#define EXCHANGE(x, d)                                                                                       \
    for (int i = 0; i < WIDE; i++) {                                                                         \
        if (i & (d)) continue;                                                                               \
        const vector even = x[i], odd = x[i + (d)];                                                          \
        x[i] = __builtin_shufflevector(even, odd, EACH_LANE(FROM_EVEN, d));                                  \
        x[i + (d)] = __builtin_shufflevector(even, odd, EACH_LANE(FROM_ODD, d));                             \
    }

/* WIDE rows of WIDE numbers become columns. */
static inline void transpose(const float *rows, int64_t from, float *columns, int64_t to) {
    vector x[WIDE];
    for (int l = 0; l < WIDE; l++) x[l] = *(const vector *)(rows + l * from);
    EXCHANGE(x, 1)
    EXCHANGE(x, 2)
#if defined(__AVX2__)
    EXCHANGE(x, 4)
#endif
#if defined(__AVX512F__)
    EXCHANGE(x, 8)
#endif
    for (int l = 0; l < WIDE; l++) *(vector *)(columns + l * to) = x[l];
}

/* Kernels from WIDE channels of the image to PANEL channels of the result: [WIDE, TAPS, PANEL]. */
static void gather_kernels(const winograd *p, int64_t from, int64_t to, float *out) {
    const float *w = p->weights + to * p->to + from * p->from;
    if (!p->turned) { /* taps of one channel follow those of another */
        for (int k = 0; k < TAPS * WIDE; k += WIDE)
            for (int half = 0; half < PANEL; half += WIDE) {
                const float *rows = w + half * p->to + k;
                transpose(rows, p->to, out + k * PANEL + half, PANEL);
                /* For the next channels: no stream is long enough for the processor to see it. */
                for (int l = 0; l < WIDE; l++) __builtin_prefetch(rows + l * p->to + TAPS * WIDE);
            }
        return;
    }
    for (int c = 0; c < WIDE; c++)
        for (int l = 0; l < PANEL; l++)
            for (int k = 0; k < TAPS; k++)
                out[(c * TAPS + TAPS - 1 - k) * PANEL + l] = w[c * p->from + l * p->to + k];
}

/* Kernels from `depth` channels of the image to a panel of the result: [POINTS, depth, PANEL]. */
static void transform_kernels(const winograd *p, int64_t from, int64_t depth, int64_t to, float *out) {
    float kernels[WIDE * TAPS][PANEL];
    for (int64_t c = 0; c < depth; c++) {
        if (c % WIDE == 0) gather_kernels(p, from + c, to, kernels[0]);
        for (int half = 0; half < PANEL; half += WIDE)
            transform_kernel(kernels[c % WIDE * TAPS] + half, out + c * PANEL + half);
    }
}

/* ---- products ---- */

/* Of every point the product of a left matrix, `rows` by k with strides am and ak, and a right one, k by
 * strip in panels [strip / PANEL, DEPTH, PANEL]: products [POINTS, strip / PANEL, SPAN, PANEL]. The last tile
 * may reach into rows that are nobody's. */
static inline __attribute__((always_inline)) void multiply_points(const float *left, int64_t am, int64_t ak,
                                                                  int64_t rows, const float *right,
                                                                  int64_t strip, int64_t k, bool add,
                                                                  float *products) {
    for (int point = 0; point < POINTS; point++)
        for (int64_t c = 0; c < strip; c += PANEL) {
            const product q = {.a = left + point * PATCH_STEP,
                               .am = am,
                               .ak = ak,
                               .b = right + point * KERNEL_STEP + c * DEPTH,
                               .ldb = PANEL,
                               .c = products + point * PRODUCT_STEP + c * SPAN,
                               .ldc = PANEL,
                               .k = k,
                               .add = add};
            int64_t r = 0;
            for (; r < rows && r + TILE <= SPAN; r += TILE) tile_of(&q, r, 0, TILE);
            for (; r < rows; r += 2) tile_of(&q, r, 0, 2);
        }
}

/* ---- results ---- */

/* A^T m */
static inline __attribute__((always_inline)) void result_rows(const vector m[PATCH], vector y[OUTPUT]) {
    const vector s = m[1] + m[2], d = m[1] - m[2], t = m[3] + m[4], e = m[3] - m[4];
    y[0] = m[0] + s + t;
    y[1] = NEAR * d + FAR * e;
    y[2] = NEAR2 * s + FAR2 * t;
    y[3] = NEAR * NEAR2 * d + (FAR * FAR2 * e + m[5]);
}

static inline __attribute__((always_inline)) void result_apart(const winograd *p, const float *m, vector bias,
                                                               corner at, element *y, int64_t apart) {
    const int64_t height = p->of.height, width = p->of.width, step = apart * p->block;
    vector half[OUTPUT][PATCH], column[PATCH], out[OUTPUT];
    for (int j = 0; j < PATCH; j++) {
        for (int i = 0; i < PATCH; i++) column[i] = *(const vector *)(m + (i * PATCH + j) * PRODUCT_STEP);
        result_rows(column, out);
        for (int i = 0; i < OUTPUT; i++) half[i][j] = out[i];
    }
    y += (at.row * width + at.column) * p->block;
    for (int i = 0; i < OUTPUT && at.row + i * apart < height; i++) {
        result_rows(half[i], out);
        for (int j = 0; j < OUTPUT && at.column + j * apart < width; j++)
            store_vector(y + (i * width + j) * step, out[j] + bias);
    }
}

/* A tile of WIDE channels from the row of its products. */
static inline void transform_result(const winograd *p, const float *m, vector bias, corner at, element *y) {
    BY_DILATION(p, result_apart, m, bias, at, y);
}

/* `count` tiles from `tile` on, PANEL channels from `first` on. */
static void transform_results(const winograd *p, int64_t tile, int64_t count, int64_t first,
                              const float *products) {
    for (int half = 0; half < PANEL; half += WIDE) {
        const vector bias = p->bias ? *(const vector *)(p->bias + first + half) : (vector){0};
        for (int64_t t = 0; t < count; t++) {
            const corner at = corner_of(&p->of, tile + t);
            transform_result(p, products + t * PANEL + half, bias, at,
                             p->y + plane_of(p, at.image, p->of.out, first + half));
        }
    }
}

/* The moments of PANEL channels or a block, whichever is more, of what was just written. */
static void take_moments(const winograd *p, int64_t tile, int64_t count, int64_t first, int64_t channels) {
    const int64_t in_image = p->of.down * p->of.across, tiles = least(in_image, SPAN);
    for (int64_t t = 0; t < count; t += tiles) {
        const corner at = corner_of(&p->of, tile + t);
        const int64_t band = (tile + t) % in_image / tiles;
        for (int64_t c = first; c < first + channels; c += p->block) {
            const element *y = p->y + plane_of(p, at.image, p->of.out, c) + at.row * p->of.width * p->block;
            double *moments = p->moments + moments_at(p->of.images, p->of.out, band, at.image, c);
            panel_moments(y, tiles * OUTPUT * OUTPUT, p->block, moments);
        }
    }
}

/* ---- the whole ---- */

static void make_unit(const winograd *p, int64_t tile, int64_t first, float *patches) {
    float *kernels = patches + POINTS * PATCH_STEP, *products = kernels + POINTS * KERNEL_STEP;
    const int64_t count = least(SPAN, p->of.tiles - tile);
    for (int64_t from = 0; from < p->of.in; from += DEPTH) {
        const int64_t depth = least(DEPTH, p->of.in - from);
        transform_patches(p, tile, count, from, depth, DEPTH, patches);
        for (int64_t c = 0; c < p->strip; c += PANEL)
            transform_kernels(p, from, depth, first + c, kernels + c * DEPTH);
        multiply_points(patches, DEPTH, 1, count, kernels, p->strip, depth, from > 0, products);
    }
    const int64_t group = PANEL < p->block ? p->block : PANEL;
    for (int64_t c = 0; c < p->strip; c += group) {
        for (int64_t k = c; k < c + group; k += PANEL)
            transform_results(p, tile, count, first + k, products + k * SPAN);
        if (p->moments) take_moments(p, tile, count, first + c, group);
    }
}

static void k_winograd(const ito__call *c) {
    const winograd p = winograd_of(c);
    const int64_t strips = p.of.out / p.strip, spans = (p.of.tiles + SPAN - 1) / SPAN;
#pragma omp parallel for num_threads(threads_of(c))
    for (int64_t u = 0; u < strips * spans; u++)
        make_unit(&p, u / strips * SPAN, u % strips * p.strip,
                  (float *)c->scratch + omp_get_thread_num() * ITO__WINOGRAD_FLOATS);
}

#endif
