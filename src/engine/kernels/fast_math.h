/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fast kernels share: the elements of images, exponentials without branches, so that loops over them
 * vectorize, and loops over lanes.
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

/* IN and OUT are images, of floats or (the tables of bf16_*.c, for blocked images alone) of bfloat16. What
 * belongs to a channel, a group or a sample is float in both. */
#define IN(i)       ((const element *)c->in[i])
#define OUT         ((element *)c->out)
#define NUMBERS(i)  ((const float *)c->in[i])
#define OUT_NUMBERS ((float *)c->out)

#ifdef BFLOAT16
#define LANES 32 /* of a vector's elements, which fill two vectors of floats */
#else
#define LANES 16
#endif
#define PIECE    16384 /* floats that one thread takes at a time; a multiple of LANES */
#define STRETCH  1024  /* floats summed in float before they join a sum in double; a multiple of LANES */
#define PARALLEL 32768 /* floats from which threads pay */

#define LOG2_E 1.44269504f

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

/* ---- elements ---- */

#ifdef BFLOAT16
typedef uint16_t element; /* the upper half of a float */

static inline float widen(element x) {
    return float_of_bits((uint32_t)x << 16);
}

/* To the nearest, ties to even; a NaN stays one. */
static inline element narrow(float x) {
    uint32_t bits = (uint32_t)bits_of_float(x), tie = bits >> 16 & 1;
    return (element)(x == x ? (bits + 0x7fff + tie) >> 16 : bits >> 16 | 0x40);
}
#else
typedef float element;

static inline float widen(element x) {
    return x;
}

static inline element narrow(float x) {
    return x;
}
#endif

/* ---- panels of operands ---- */

/* The part of an operand that has a channel, which becomes that channel of the part's image. */
static inline const ito__part *part_with(const ito__part *part, int64_t *channel) {
    for (; *channel >= part->count; part++) *channel -= part->count;
    *channel += part->first;
    return part;
}

/* Where panel number `panel` of an image operand lies. */
static inline const element *panel_of(const ito__call *c, int operand, int64_t panel) {
    const ito_shape s = c->node->in[operand]->shape;
    const int64_t blocks = s.dim[1] / c->block, pixels = s.dim[2] * s.dim[3];
    if (!c->parts[operand]) return IN(operand) + panel * pixels * c->block;
    int64_t channel = panel % blocks * c->block;
    const ito__part *part = part_with(c->parts[operand], &channel);
    return (const element *)part->image + (panel / blocks * part->channels + channel) * pixels;
}

/* ---- exponentials ---- */

/* x = n ln 2 + r with |r| <= ln(2) / 2: returns e^r - 1 and n. Adding 1.5 * 2^23 rounds to an
 * integer, which is then in the low bits; n times the head of ln 2 is exact. */
static inline float reduced_expm1(float x, int32_t *n) {
    const float rounder = 12582912.0f;
    float shifted = x * LOG2_E + rounder, whole = shifted - rounder;
    float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    /* (e^r - 1 - r) / r^2 interpolated at Chebyshev points: relative error of e^r 1e-8 */
    float q = 0.5f + r * (0.166665763f + r * (0.0416665524f + r * (0.00836324692f + r * 0.00139262679f)));
    *n = bits_of_float(shifted) - bits_of_float(rounder);
    return r + r * r * q;
}

static inline float power_of_two(int32_t n) { /* -126 <= n <= 127 */
    return float_of_bits((uint32_t)(n + 127) << 23);
}

/* x with a magnitude of at most `limit`. Compared as integers, because compilers turn a clamp of floats into
 * branches that repeat what follows it. A NaN is lost. */
static inline float clamp(float x, float limit) {
    int32_t bits = bits_of_float(x), size = bits & 0x7fffffff, most = bits_of_float(limit);
    return float_of_bits((uint32_t)(size < most ? size : most) | ((uint32_t)bits & 0x80000000u));
}

/* e^x within 2 ulp, subnormal results included; 0 and infinity where a float ends; NaN stays NaN. */
static inline float fast_exp(float x) {
    int32_t n;
    float e = 1.0f + reduced_expm1(clamp(x, 104.0f), &n);
    e = e * power_of_two(n >> 1) * power_of_two(n - (n >> 1));
    return x == x ? e : x;
}

/* e^x for |x| <= 87; beyond, the value there. The argument is rounded once, so that the relative error grows
 * with |x|: 2e-7 at 8 and 1.2e-6 at 87 with fused multiply-add, 5e-7 and 4e-6 without. */
static inline float fast_exp_rough(float x) {
    const float rounder = 12582912.0f;
    x = clamp(x, 87.0f);
    float shifted = x * LOG2_E + rounder, f = x * LOG2_E - (shifted - rounder);
    /* 2^f = 1 + f q(f), interpolated at Chebyshev points */
    float q = 0.240226507f +
              f * (0.0555035695f + f * (0.00961808302f + f * (0.00133908633f + f * 0.000154531634f)));
    float p = 1.0f + f * (0.693147182f + f * q);
    return float_of_bits((uint32_t)bits_of_float(p) + ((uint32_t)bits_of_float(shifted) << 23));
}

/* x, or e^x - 1 for x <= 0 with an error relative to the result. */
static inline float fast_elu(float x) {
    int32_t n;
    float e = reduced_expm1(clamp(x, 87.0f), &n), scale = power_of_two(n);
    return x <= 0.0f ? e * scale + (scale - 1.0f) : x;
}

static inline float fast_sigmoid(float x) {
    float s = 1.0f / (1.0f + fast_exp_rough(-x));
    return x == x ? s : x;
}

static inline float fast_silu(float x) {
    return x / (1.0f + fast_exp_rough(-x));
}

/* d silu / dx */
static inline float fast_silu_slope(float x) {
    float s = 1.0f / (1.0f + fast_exp_rough(-x));
    return s * (1.0f + (x - x * s));
}

/* An odd series near 0, where 1 - 2 / (e^2|x| + 1) would cancel. */
static inline float fast_tanh(float x) {
    float z = x * x, a = fabsf(x);
    float series =
        x + x * z *
                (-0.333333284f +
                 z * (0.133327186f + z * (-0.0538432635f + z * (0.0209613293f + z * -0.00604516501f))));
    float far = copysignf(1.0f - 2.0f / (1.0f + fast_exp_rough(a + a)), x);
    return a >= 0.625f ? far : series; /* a NaN takes the series */
}

#endif
