/* SPDX-License-Identifier: Apache-2.0
 *
 * Logarithm, sine and cosine, exponential of doubles for loops over lanes: without branches and calls, so
 * that the loops vectorize, and made of operations that IEEE 754 rounds in one way only, so that every
 * compiler and instruction set gives the same bits. A file that includes this is compiled with
 * -ffp-contract=off: a fused multiply-add would round once where others round twice.
 *
 * The polynomials are minimax (Remez), of the relative error of the result; their own errors are below 2^-57.
 * Measured against libm: log 1.6, sine and cosine 1.6, exp 1.0 units in the last place at most.
 */
#ifndef ITO_CORE_LANE_MATH_H
#define ITO_CORE_LANE_MATH_H

#include <stdint.h>
#include <string.h>

#define LANES _Pragma("omp simd")

static inline uint64_t lane_bits(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double lane_double(uint64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* i < 2^52, exactly: the low bits of 2^52 + i are i. Instruction sets before AVX-512 convert no 64-bit
 * integer. */
static inline double lane_integer(uint64_t i) {
    return lane_double(i | UINT64_C(0x4330000000000000)) - 0x1p52;
}

/* x rounded to an integer and, in the low bits of *bits, that integer modulo 2^32; |x| < 2^51. */
static inline double lane_round(double x, uint64_t *bits) {
    const double shifted = x + 0x1.8p52;
    *bits = lane_bits(shifted);
    return shifted - 0x1.8p52;
}

/* The logarithm of a normal number x > 0. With x = 2^e m, sqrt(1/2) <= m < sqrt(2), and s = (m - 1) / (m +
 * 1): log x = e log 2 + 2 s (1 + s^2 P(s^2)). Near x = 1 the first term is 0, and nothing cancels. */
static inline double lane_log(double x) {
    const uint64_t root_half = UINT64_C(0x3fe6a09e667f3bcd), fraction = UINT64_C(0x000fffffffffffff);
    const uint64_t shifted = lane_bits(x) - root_half + UINT64_C(0x3ff0000000000000);
    const double e = lane_integer(shifted >> 52) - 1023;
    const double f = lane_double((shifted & fraction) + root_half) - 1;
    const double s = f / (f + 2), z = s * s;
    double p = 0.07397974751373448;
    p = p * z + 0.0765702528164224;
    p = p * z + 0.09091782163034771;
    p = p * z + 0.11111099286588615;
    p = p * z + 0.1428571437119389;
    p = p * z + 0.19999999999707338;
    p = p * z + 0.3333333333333367;
    return e * 0.6931471805599453 + 2 * (s + s * (z * p));
}

/* Sine and cosine of 2 pi u, |u| <= 1. A turn less the nearest quarter is exact, and so is every zero. */
static inline void lane_sincos_turn(double u, double *sine, double *cosine) {
    uint64_t quarter;
    const double r = u - lane_round(4 * u, &quarter) * 0.25, y = r * r;
    double s = 3.780726176843008, c = -1.697020086539994;
    s = s * y + -15.09379750551969;
    s = s * y + 42.058684902060016;
    s = s * y + -76.70585970331518;
    s = s * y + 81.60524927594452;
    s = s * y + -41.341702240399634;
    s = s * y + 6.283185307179586;
    c = c * y + 7.9031016384311625;
    c = c * y + -26.42625114044036;
    c = c * y + 60.2446413316118;
    c = c * y + -85.45681720654005;
    c = c * y + 64.93939402266801;
    c = c * y + -19.739208802178716;

    /* An odd quarter swaps the two; quarters 2, 3 turn the sine, 1, 2 the cosine. */
    const uint64_t s_bits = lane_bits(s * r), c_bits = lane_bits(c * y + 1);
    const uint64_t swap = (s_bits ^ c_bits) & (UINT64_C(0) - (quarter & 1));
    *sine = lane_double(s_bits ^ swap ^ (quarter & 2) << 62);
    *cosine = lane_double(c_bits ^ swap ^ ((quarter + 1) & 2) << 62);
}

/* e^x for x <= 0; 0 where the result would be below 2^-1021, and for NaN. With x = n log 2 + r, |r| <= log(2)
 * / 2: e^x = 2^n (1 + r + r^2 P(r)). */
static inline double lane_exp_negative(double x) {
    const double within = x > -707.7 ? x : -707.7;
    uint64_t n;
    const double whole = lane_round(within * 1.4426950408889634, &n);
    /* The head of log 2 has 32 bits, so that its product with n is exact. */
    const double r = (within - whole * 0x1.62e42feep-1) - whole * 1.9082149292705877e-10;
    double p = 2.5000070890407448e-08;
    p = p * r + 2.763023394297613e-07;
    p = p * r + 2.7557586268526606e-06;
    p = p * r + 2.4801493136109498e-05;
    p = p * r + 0.0001984126950678065;
    p = p * r + 0.001388888894359778;
    p = p * r + 0.008333333333494331;
    p = p * r + 0.041666666666530267;
    p = p * r + 0.16666666666666413;
    p = p * r + 0.5000000000000011;
    const double e = lane_double(lane_bits(1 + (r + r * r * p)) + (n << 52));
    return x > -707.7 ? e : 0;
}

#endif
