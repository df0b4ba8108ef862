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
    const element *x = IN(0) + line / f * w * block;
    element *out = OUT + line * w * f * block;
    if (f == 2 && block == 1) {
        SIMD for (int64_t j = 0; j < w; j++) out[2 * j] = out[2 * j + 1] = x[j];
        return;
    }
    for (int64_t j = 0; j < w; j++, x += block)
        for (int64_t b = 0; b < f; b++, out += block) {
            SIMD for (int64_t l = 0; l < block; l++) out[l] = x[l];
        }
}

PER_BLOCK(upsample)

/* Sums of f x f blocks. */
static inline void pool_line(const ito__call *c, int64_t line, int64_t block) {
    int64_t f = c->node->attr.factor, w = c->node->shape.dim[3];
    const element *x = IN(0) + line * f * w * f * block, *below = x + w * f * block;
    element *out = OUT + line * w * block;
    if (f == 2 && block == 1) {
        SIMD for (int64_t j = 0; j < w; j++) out[j] =
            narrow((widen(x[2 * j]) + widen(x[2 * j + 1])) + (widen(below[2 * j]) + widen(below[2 * j + 1])));
        return;
    }
    for (int64_t j = 0; j < w; j++, x += f * block, out += block) {
        float sum[LANES] = {0};
        for (int64_t a = 0; a < f; a++)
            for (int64_t b = 0; b < f; b++) {
                SIMD for (int64_t l = 0; l < block; l++) sum[l] += widen(x[(a * w * f + b) * block + l]);
            }
        SIMD for (int64_t l = 0; l < block; l++) out[l] = narrow(sum[l]);
    }
}

PER_BLOCK(pool)

/* ---- up, filter, down ---- */

/* The taps that meet a pixel of the result along an axis: of the filter every up-th from `first` on, with the
 * pixels from `begin` on. */
typedef struct taps {
    int64_t first, begin, count;
} taps;

/* For the pixel at `i`, as if the axis had no ends; at i + up the same taps meet the pixels `down` further
 * on. */
static taps taps_at(const ito_fir *f, int64_t i) {
    int64_t p = i * f->down - f->pad_before; /* among pixels with up - 1 zeros after each */
    int64_t first = ((-p) % f->up + f->up) % f->up;
    return (taps){first, (p + first) / f->up, (f->ntaps - first + f->up - 1) / f->up};
}

/* Those that meet pixels 0 .. size. */
static inline taps within(taps t, int64_t up, int64_t size) {
    int64_t skip = t.begin < 0 ? -t.begin : 0;
    t.first += skip * up;
    t.begin += skip;
    t.count -= skip;
    if (t.count > size - t.begin) t.count = size - t.begin;
    return t;
}

/* What a line of the result needs: the planes' sizes, the taps in the order they are read, the rows that they
 * meet. */
typedef struct fir_line {
    const ito_fir *fir;
    const element *x; /* the first of the rows */
    element *out;
    int64_t width, from; /* of the result, of the operand */
    int64_t rows;
    float tap[8], row_tap[8];
} fir_line;

static fir_line fir_line_of(const ito__call *c, int64_t line, int64_t block) {
    const ito_fir *f = &c->node->attr.upfirdn.fir;
    ito_shape in = c->node->in[0]->shape, s = c->node->shape;
    taps rows = within(taps_at(f, line % s.dim[2]), f->up, in.dim[2]);
    fir_line v = {.fir = f, .width = s.dim[3], .from = in.dim[3], .rows = rows.count > 0 ? rows.count : 0};
    v.x = IN(0) + (line / s.dim[2] * in.dim[2] + (v.rows ? rows.begin : 0)) * v.from * block;
    v.out = OUT + line * v.width * block;
    for (int i = 0; i < f->ntaps; i++)
        v.tap[i] = (float)f->taps[c->node->attr.upfirdn.reversed ? f->ntaps - 1 - i : i];
    for (int64_t a = 0; a < v.rows; a++) v.row_tap[a] = v.tap[rows.first + a * f->up];
    return v;
}

/* Pixel by pixel, a pixel being a vector. */
static inline void fir_blocks(const fir_line *restrict v, int64_t phase, int64_t block) {
    int64_t up = v->fir->up;
    taps t = taps_at(v->fir, phase);
    for (int64_t j = phase; j < v->width; j += up, t.begin += v->fir->down) {
        taps columns = within(t, up, v->from);
        float sum[LANES] = {0};
        for (int64_t a = 0; a < v->rows; a++) {
            const element *row = v->x + a * v->from * block;
            for (int64_t b = 0; b < columns.count; b++) {
                float weight = v->row_tap[a] * v->tap[columns.first + b * up];
                const element *pixel = row + (columns.begin + b) * block;
                SIMD for (int64_t l = 0; l < block; l++) sum[l] += weight * widen(pixel[l]);
            }
        }
        SIMD for (int64_t l = 0; l < block; l++) v->out[j * block + l] = narrow(sum[l]);
    }
}

/* sum[i] += weight x[i step], out[i step] = sum[i]: loops for the steps that networks use. */
static inline void add_tap(float *restrict sum, const element *restrict x, int64_t n, int64_t step,
                           float weight) {
    if (step == 1) {
        SIMD for (int64_t i = 0; i < n; i++) sum[i] += weight * widen(x[i]);
    } else if (step == 2) {
        SIMD for (int64_t i = 0; i < n; i++) sum[i] += weight * widen(x[2 * i]);
    } else {
        for (int64_t i = 0; i < n; i++) sum[i] += weight * widen(x[i * step]);
    }
}

static inline void spread(element *restrict out, const float *restrict sum, int64_t n, int64_t step) {
    if (step == 1) {
        SIMD for (int64_t i = 0; i < n; i++) out[i] = narrow(sum[i]);
    } else {
        for (int64_t i = 0; i < n; i++) out[i * step] = narrow(sum[i]);
    }
}

/* Tap by tap over the pixels of a phase, which are neighbours in the vectors. */
static void fir_plane(const fir_line *restrict v, int64_t phase) {
    enum { WIDTH = 128 };
    int64_t up = v->fir->up, down = v->fir->down, n = (v->width - phase + up - 1) / up;
    taps t = taps_at(v->fir, phase);
    for (int64_t j = 0; j < n; j += WIDTH, t.begin += WIDTH * down) {
        float sum[WIDTH] = {0};
        int64_t m = n - j < WIDTH ? n - j : WIDTH;
        for (int64_t b = 0; b < t.count; b++) {
            int64_t at = t.begin + b, last = v->from - 1 - at;
            int64_t low = at < 0 ? (-at + down - 1) / down : 0, high = last < 0 ? 0 : last / down + 1;
            if (high > m) high = m;
            for (int64_t a = 0; a < v->rows; a++) {
                float weight = v->row_tap[a] * v->tap[t.first + b * up];
                if (low < high)
                    add_tap(sum + low, v->x + a * v->from + at + low * down, high - low, down, weight);
            }
        }
        spread(v->out + j * up + phase, sum, m, up);
    }
}

static inline void upfirdn_line(const ito__call *c, int64_t line, int64_t block) {
    fir_line v = fir_line_of(c, line, block);
    for (int64_t phase = 0; phase < v.fir->up; phase++) {
        if (block == 1)
            fir_plane(&v, phase);
        else
            fir_blocks(&v, phase, block);
    }
}

PER_BLOCK(upfirdn)

#undef PER_BLOCK

#endif
