/* SPDX-License-Identifier: Apache-2.0
 *
 * What the statistics of a norm are made of: the sums of x and of x^2 over each channel. A kernel that makes
 * an image takes them while its pixels are in a near cache, or a pass of the norm's own does; the bits are
 * the same, since all go by the same pieces.
 */
#ifndef ITO_ENGINE_FAST_MOMENTS_H
#define ITO_ENGINE_FAST_MOMENTS_H

#include "engine/kernels/fast_math.h"

/* Per lane: the sums of d and of d^2, d = x - shift, over n elements, a multiple of 2 LANES. Even and odd
 * strips have sums of their own, which hides half of the time of an addition. */
static void moments_of_stretch(const element *x, int64_t n, const float *restrict shift,
                               float *restrict first, float *restrict second) {
    float a[LANES] = {0}, b[LANES] = {0}, aa[LANES] = {0}, bb[LANES] = {0};
    for (int64_t i = 0; i < n; i += 2 * LANES) {
        SIMD for (int l = 0; l < LANES; l++) {
            float d = widen(x[i + l]) - shift[l], e = widen(x[i + LANES + l]) - shift[l];
            a[l] += d;
            b[l] += e;
            aa[l] += d * d;
            bb[l] += e * e;
        }
    }
    for (int l = 0; l < LANES; l++) {
        first[l] = a[l] + b[l];
        second[l] = aa[l] + bb[l];
    }
}

/* Per lane: the sums of x and of x^2 over n elements. They are collected in float by stretches, each around
 * the mean of the one before, which is near enough to the values for nothing to cancel; the very first,
 * around its own. */
static void add_moments(const element *x, int64_t n, double *restrict sum, double *restrict square) {
    enum { LONG_STRETCH = 4 * STRETCH, STEP = 2 * LANES };
    float shift[LANES] = {0}, first[LANES], second[LANES];
    if (n >= STEP) {
        int64_t start = n < STRETCH ? n / STEP * STEP : STRETCH;
        moments_of_stretch(x, start, shift, first, second);
        for (int l = 0; l < LANES; l++) shift[l] = first[l] * ((float)LANES / (float)start);
    }
    for (int64_t length; n >= STEP; x += length, n -= length) {
        length = n < LONG_STRETCH ? n / STEP * STEP : LONG_STRETCH;
        moments_of_stretch(x, length, shift, first, second);
        double count = (double)(length / LANES), share = 1 / count;
        for (int l = 0; l < LANES; l++) {
            double s = (double)shift[l], d = (double)first[l];
            sum[l] += count * s + d;
            square[l] += (count * s + 2 * d) * s + (double)second[l];
            shift[l] = (float)(s + d * share);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        double v = (double)widen(x[i]);
        sum[i % LANES] += v;
        square[i % LANES] += v * v;
    }
}

/* Adds the moments of a piece of a panel to [block, 2]. One piece of code for all callers: inlined, it could
 * be rounded in two ways. */
static __attribute__((noinline)) void piece_moments(const element *x, int64_t pixels, int64_t block,
                                                    double *moments) {
    double sum[LANES] = {0}, square[LANES] = {0};
    add_moments(x, pixels * block, sum, square);
    for (int lane = 0; lane < LANES; lane++) {
        moments[lane % block * 2] += sum[lane];
        moments[lane % block * 2 + 1] += square[lane];
    }
}

/* Pixels of a panel that come next, of so many that are left. */
static inline int64_t next_pixels(int64_t left) {
    return left < ITO__MOMENT_PIXELS ? left : ITO__MOMENT_PIXELS;
}

/* The moments of a panel: [block, 2]. */
static void panel_moments(const element *x, int64_t pixels, int64_t block, double *moments) {
    memset(moments, 0, (size_t)(2 * block) * sizeof *moments);
    for (int64_t n; pixels > 0; x += n * block, pixels -= n) {
        n = block > 1 ? next_pixels(pixels) : pixels;
        piece_moments(x, n, block, moments);
    }
}

/* Where the moments of a channel are in [bands, images, channels, 2]. */
static inline int64_t moments_at(int64_t images, int64_t channels, int64_t band, int64_t image,
                                 int64_t channel) {
    return 2 * ((band * images + image) * channels + channel);
}

/* The moments of a panel of a result of one band, set to zero. */
static inline double *result_moments(const ito__call *c, int64_t panel) {
    const ito_shape s = c->node->shape;
    double *moments = c->moments + moments_at(s.dim[0], s.dim[1], 0, 0, panel * c->block);
    return memset(moments, 0, (size_t)(2 * c->block) * sizeof *moments);
}

#endif
