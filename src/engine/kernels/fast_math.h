/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fast kernels share: exponentials without branches, so that loops over them vectorize, and loops
 * over lanes.
 *
 * A panel is a run of memory in which element i belongs to lane i mod LANES. A blocked image [N, C/B, H W, B]
 * is one panel per image and block, a row-major one is a panel per image and channel; B divides LANES, so
 * that whatever belongs to a channel (a coefficient, a sum) sits in an array of LANES numbers that repeats
 * with period B, in every layout alike. Results may lie over an operand of the same shape, so only arrays of
 * lanes are restrict.
 */
#ifndef ITO_ENGINE_FAST_MATH_H
#define ITO_ENGINE_FAST_MATH_H

#include "engine/kernels/kernel.h"
#include "engine/kernels/mask.h"

#include <math.h>
#include <string.h>

#define IN(i) ((const float *)c->in[i])
#define OUT   ((float *)c->out)

#define LANES    16
#define PIECE    16384 /* floats that one thread takes at a time; a multiple of LANES */
#define STRETCH  1024  /* floats summed in float before they join a sum in double; a multiple of LANES */
#define PARALLEL 32768 /* floats from which threads pay */

#define SIMD _Pragma("omp simd")

/* Runs a statement for every element i + l of a panel of n floats, l being its lane. */
#define FOR_LANES(n, ...)                                                                                    \
    do {                                                                                                     \
        int64_t i = 0;                                                                                       \
        for (; i + LANES <= (n); i += LANES) {                                                               \
            SIMD for (int l = 0; l < LANES; l++) {                                                           \
                __VA_ARGS__                                                                                  \
            }                                                                                                \
        }                                                                                                    \
        for (int l = 0; i + l < (n); l++) {                                                                  \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    } while (0)

/* Repeats the first `period` lanes over the rest. */
static inline void repeat_lanes(float *v, int64_t period) {
    for (int64_t l = period; l < LANES; l++) v[l] = v[l - period];
}

static inline int64_t pieces_of(int64_t n) {
    return (n + PIECE - 1) / PIECE;
}

/* Length of piece `i` of a run of n floats. */
static inline int64_t piece_length(int64_t n, int64_t i) {
    return n - i * PIECE < PIECE ? n - i * PIECE : PIECE;
}

/* ---- exponentials ---- */

static inline float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline int32_t bits_of_float(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* x = n ln 2 + r with |r| <= ln(2) / 2: returns e^r - 1 and n. A NaN stays in the result.
 * Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits; n times the head of ln 2 is exact.
 */
static inline float reduced_expm1(float x, int32_t *n) {
    const float rounder = 12582912.0f;
    float shifted = x * 1.44269504f + rounder, whole = shifted - rounder;
    float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    /* (e^r - 1 - r) / r^2 interpolated at Chebyshev points: relative error of e^r 1e-8 */
    float q = 0.5f + r * (0.166665763f + r * (0.0416665524f + r * (0.00836324692f + r * 0.00139262679f)));
    *n = bits_of_float(shifted) - bits_of_float(rounder);
    return r + r * r * q;
}

static inline float power_of_two(int32_t n) { /* -126 <= n <= 127 */
    return float_of_bits((uint32_t)(n + 127) << 23);
}

/* e^x within 2 ulp, subnormal results included; 0 and infinity where a float ends; NaN stays NaN. */
static inline float fast_exp(float x) {
    int32_t n;
    x = 89.0f < x ? 89.0f : x;
    x = -104.0f > x ? -104.0f : x;
    float e = 1.0f + reduced_expm1(x, &n);
    return e * power_of_two(n >> 1) * power_of_two(n - (n >> 1));
}

/* e^x where the result is normal: arguments beyond [-87, 88] count as those. */
static inline float fast_exp_normal(float x) {
    int32_t n;
    x = 88.0f < x ? 88.0f : x;
    x = -87.0f > x ? -87.0f : x;
    float e = 1.0f + reduced_expm1(x, &n);
    return e * power_of_two(n);
}

/* e^x - 1 for x <= 0, relative to the result. */
static inline float fast_expm1_negative(float x) {
    int32_t n;
    x = -87.0f > x ? -87.0f : x;
    float e = reduced_expm1(x, &n), scale = power_of_two(n);
    return e * scale + (scale - 1.0f);
}

static inline float fast_sigmoid(float x) {
    return 1.0f / (1.0f + fast_exp_normal(-x));
}

static inline float fast_silu(float x) {
    return x / (1.0f + fast_exp_normal(-x));
}

/* d silu / dx */
static inline float fast_silu_slope(float x) {
    float s = fast_sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
}

/* An odd series near 0, where 1 - 2 / (e^2|x| + 1) would cancel. */
static inline float fast_tanh(float x) {
    float z = x * x, a = fabsf(x);
    float series =
        x + x * z *
                (-0.333333284f +
                 z * (0.133327186f + z * (-0.0538432635f + z * (0.0209613293f + z * -0.00604516501f))));
    float far = copysignf(1.0f - 2.0f / (1.0f + fast_exp_normal(a + a)), x);
    return a < 0.625f ? series : far;
}

#endif
