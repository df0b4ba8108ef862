/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast attention (ops/attention.c has the formulas). A unit of work is one head of one image; its queries are
 * taken ROWS at a time, so that of the matrix of weights only a strip exists, in scratch memory that stays in
 * the second cache. Products run in float over panels gathered from the images, whatever their layout.
 */
#ifndef ITO_ENGINE_FAST_ATTENTION_H
#define ITO_ENGINE_FAST_ATTENTION_H

#include "engine/kernels/fast_vector.h"

/* ---- products of matrices ---- */

/* What no tile covers: columns from j on. */
static void edge(const product *p, int64_t j) {
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t n = j; n < p->n; n++) {
            float sum = p->add ? p->c[i * p->ldc + n] : 0;
            for (int64_t l = 0; l < p->k; l++) sum += p->a[i * p->am + l * p->ak] * p->b[l * p->ldb + n];
            p->c[i * p->ldc + n] = sum;
        }
}

static void multiply(const product *p) {
    int64_t j = 0;
    for (; j + 2 * WIDE <= p->n; j += 2 * WIDE) {
        int64_t i = 0;
        for (; i + TILE <= p->m; i += TILE) tile_of(p, i, j, TILE);
        for (; i < p->m; i++) tile_of(p, i, j, 1);
    }
    if (j < p->n) edge(p, j);
}

/* ---- panels ---- */

enum { ROWS = ITO__ATTENTION_ROWS };

typedef struct attention_shape {
    int64_t images, channels, heads, width, pixels, block;
    float scale;
} attention_shape;

static attention_shape attention_of(const ito_node *y, int64_t block) {
    ito_shape s = y->in[0]->shape;
    int64_t width = y->attr.attention.width;
    return (attention_shape){.images = s.dim[0],
                             .channels = s.dim[1],
                             .heads = s.dim[1] / width,
                             .width = width,
                             .pixels = s.dim[2] * s.dim[3],
                             .block = block,
                             .scale = (float)y->attr.attention.scale};
}

/* Channels of a head that lie side by side in memory: those of a block, from channel `first` + c on. */
static inline int64_t run_at(const attention_shape *s, int64_t first, int64_t c) {
    int64_t run = s->block - (first + c) % s->block;
    return run < s->width - c ? run : s->width - c;
}

static inline int64_t place_of(const attention_shape *s, int64_t channel) {
    return channel / s->block * s->block * s->pixels + channel % s->block;
}

/* Pixels i .. i + n of a head, times `scale`, as [n, width]. x: the image. */
static void gather_pixels(const attention_shape *s, const element *x, int64_t first, int64_t i, int64_t n,
                          float scale, float *restrict out) {
    for (int64_t c = 0, run; c < s->width; c += run) {
        run = run_at(s, first, c);
        const element *from = x + place_of(s, first + c) + i * s->block;
        for (int64_t k = 0; k < n; k++) {
            SIMD for (int64_t r = 0; r < run; r++) out[k * s->width + c + r] =
                scale * widen(from[k * s->block + r]);
        }
    }
}

/* The head as [width, pixels]. */
static void gather_channels(const attention_shape *s, const element *x, int64_t first, float *restrict out) {
    for (int64_t c = 0, run; c < s->width; c += run) {
        run = run_at(s, first, c);
        const element *from = x + place_of(s, first + c);
        for (int64_t r = 0; r < run; r++)
            for (int64_t k = 0; k < s->pixels; k++)
                out[(c + r) * s->pixels + k] = widen(from[k * s->block + r]);
    }
}

static void scatter_pixels(const attention_shape *s, const float *restrict in, int64_t first, int64_t i,
                           int64_t n, float scale, element *x) {
    for (int64_t c = 0, run; c < s->width; c += run) {
        run = run_at(s, first, c);
        element *to = x + place_of(s, first + c) + i * s->block;
        for (int64_t k = 0; k < n; k++) {
            SIMD for (int64_t r = 0; r < run; r++) to[k * s->block + r] =
                narrow(scale * in[k * s->width + c + r]);
        }
    }
}

/* ---- the strip of weights ---- */

/* softmax of n numbers in place. */
static void soften(float *x, int64_t n) {
    float top = x[0], total = 0;
    _Pragma("omp simd reduction(max : top)") for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    _Pragma("omp simd reduction(+ : total)") for (int64_t i = 0; i < n; i++) {
        x[i] = fast_exp(x[i] - top);
        total += x[i];
    }
    float scale = 1 / total;
    SIMD for (int64_t i = 0; i < n; i++) x[i] *= scale;
}

/* Weights of `rows` queries q [rows, width] against keys [width, pixels]. */
static void weights_of(const attention_shape *s, const float *q, const float *keys, int64_t rows,
                       float *strip) {
    multiply(&(product){.a = q,
                        .am = s->width,
                        .ak = 1,
                        .b = keys,
                        .ldb = s->pixels,
                        .c = strip,
                        .ldc = s->pixels,
                        .m = rows,
                        .n = s->pixels,
                        .k = s->width});
    for (int64_t r = 0; r < rows; r++) soften(strip + r * s->pixels, s->pixels);
}

/* Queries `begin` .. `end` of head u. */
static void attend(const ito__call *c, const attention_shape *s, int64_t u, int64_t begin, int64_t end,
                   float *scratch) {
    int64_t image = u / s->heads * s->channels * s->pixels, first = u % s->heads * s->width;
    float *keys = scratch, *values = keys + s->width * s->pixels, *q = values + s->width * s->pixels;
    float *out = q + ROWS * s->width, *strip = out + ROWS * s->width;
    gather_channels(s, IN(1) + image, first, keys);
    gather_pixels(s, IN(2) + image, first, 0, s->pixels, 1, values);
    for (int64_t i = begin; i < end; i += ROWS) {
        int64_t rows = end - i < ROWS ? end - i : ROWS;
        gather_pixels(s, IN(0) + image, first, i, rows, s->scale, q);
        weights_of(s, q, keys, rows, strip);
        multiply(&(product){.a = strip,
                            .am = s->pixels,
                            .ak = 1,
                            .b = values,
                            .ldb = s->width,
                            .c = out,
                            .ldc = s->width,
                            .m = rows,
                            .n = s->width,
                            .k = s->pixels});
        scatter_pixels(s, out, first, i, rows, 1, OUT + image);
    }
}

static void k_attention(const ito__call *c) {
    enum { UNITS = 8 }; /* enough for several threads: a few heads are cut by their queries */
    attention_shape s = attention_of(c->node, c->block);
    int64_t units = s.images * s.heads, strips = (s.pixels + ROWS - 1) / ROWS;
    int64_t cuts = units < UNITS ? (UNITS + units - 1) / units : 1, floats = ito__attention_floats(c->node);
    if (cuts > strips) cuts = strips;
#pragma omp parallel for num_threads(threads_of(c)) if (units * s.pixels * s.width > PARALLEL / 8)
    for (int64_t u = 0; u < units * cuts; u++) {
        int64_t begin = strips * (u % cuts) / cuts * ROWS, end = strips * (u % cuts + 1) / cuts * ROWS;
        attend(c, &s, u / cuts, begin, end < s.pixels ? end : s.pixels,
               (float *)c->scratch + omp_get_thread_num() * floats);
    }
}

/* ---- the gradient ---- */

/* dS = P (dP - rowsum(P dP)), over dP. */
static void through_softmax(const float *restrict p, float *restrict dp, int64_t n) {
    float mean = 0;
    _Pragma("omp simd reduction(+ : mean)") for (int64_t j = 0; j < n; j++) mean += p[j] * dp[j];
    SIMD for (int64_t j = 0; j < n; j++) dp[j] = p[j] * (dp[j] - mean);
}

static void attend_back(const ito__call *c, const attention_shape *s, int64_t u, float *scratch) {
    int64_t size = s->channels * s->pixels, image = u / s->heads * size, first = u % s->heads * s->width;
    int64_t panel = s->width * s->pixels, strip_of = ROWS * s->pixels;
    float *keys = scratch, *values = keys + panel, *key_pixels = values + panel, *dk = key_pixels + panel;
    float *dv = dk + panel, *q = dv + panel, *g = q + ROWS * s->width, *dq = g + ROWS * s->width;
    float *p = dq + ROWS * s->width, *ds = p + strip_of;
    gather_channels(s, IN(1) + image, first, keys);
    gather_channels(s, IN(2) + image, first, values);
    gather_pixels(s, IN(1) + image, first, 0, s->pixels, 1, key_pixels);
    for (int64_t i = 0; i < s->pixels; i += ROWS) {
        int64_t rows = s->pixels - i < ROWS ? s->pixels - i : ROWS;
        gather_pixels(s, IN(0) + image, first, i, rows, s->scale, q);
        gather_pixels(s, IN(3) + image, first, i, rows, 1, g);
        weights_of(s, q, keys, rows, p);
        multiply(&(product){.a = g,
                            .am = s->width,
                            .ak = 1,
                            .b = values,
                            .ldb = s->pixels,
                            .c = ds,
                            .ldc = s->pixels,
                            .m = rows,
                            .n = s->pixels,
                            .k = s->width});
        for (int64_t r = 0; r < rows; r++) through_softmax(p + r * s->pixels, ds + r * s->pixels, s->pixels);
        multiply(&(product){.a = ds,
                            .am = s->pixels,
                            .ak = 1,
                            .b = key_pixels,
                            .ldb = s->width,
                            .c = dq,
                            .ldc = s->width,
                            .m = rows,
                            .n = s->width,
                            .k = s->pixels});
        multiply(&(product){.a = ds,
                            .am = 1,
                            .ak = s->pixels,
                            .b = q,
                            .ldb = s->width,
                            .c = dk,
                            .ldc = s->width,
                            .m = s->pixels,
                            .n = s->width,
                            .k = rows,
                            .add = i > 0});
        multiply(&(product){.a = p,
                            .am = 1,
                            .ak = s->pixels,
                            .b = g,
                            .ldb = s->width,
                            .c = dv,
                            .ldc = s->width,
                            .m = s->pixels,
                            .n = s->width,
                            .k = rows,
                            .add = i > 0});
        scatter_pixels(s, dq, first, i, rows, s->scale, OUT + 3 * image);
    }
    scatter_pixels(s, dk, first, 0, s->pixels, 1, OUT + 3 * image + size);
    scatter_pixels(s, dv, first, 0, s->pixels, 1, OUT + 3 * image + 2 * size);
}

static void k_attention_grad(const ito__call *c) {
    attention_shape s = attention_of(c->node, c->block);
    int64_t units = s.images * s.heads, floats = ito__attention_floats(c->node);
#pragma omp parallel for num_threads(threads_of(c)) if (units * s.pixels * s.width > PARALLEL / 8)
    for (int64_t u = 0; u < units; u++)
        attend_back(c, &s, u, (float *)c->scratch + omp_get_thread_num() * floats);
}

#endif
