/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes over long runs of values. The file that includes this names its TABLE.
 */
#include "dynamics/rows.h"

#include <stddef.h>

#define LANES _Pragma("omp simd")

enum { PARTS = ITO__PARTS, TILE = 512 };

static double total(const double *sum) {
    double all = 0;
    for (int l = 0; l < PARTS; l++) all += sum[l];
    return all;
}

/* v - v is 0 for a finite v, else NaN, which no sum loses. */
static bool all_finite(int64_t count, const double *v) {
    double sum[PARTS] = {0}, rest = 0;
    const int64_t whole = count / PARTS * PARTS;
    for (int64_t j = 0; j < whole; j += PARTS)
        LANES for (int l = 0; l < PARTS; l++) sum[l] += v[j + l] - v[j + l];
    for (int64_t j = whole; j < count; j++) rest += v[j] - v[j];
    return total(sum) + rest == 0;
}

static double sum_of_squares(int64_t count, const double *v) {
    const int64_t whole = count / PARTS * PARTS;
    double rest = 0;
    for (int64_t j = whole; j < count; j++) rest += v[j] * v[j];
    if (whole == 0) return rest; /* points of the plane come by the million */
    double sum[PARTS] = {0};
    for (int64_t j = 0; j < whole; j += PARTS)
        LANES for (int l = 0; l < PARTS; l++) sum[l] += v[j + l] * v[j + l];
    return total(sum) + rest;
}

static void update(int64_t count, double A, double S, double Z, const double *restrict s,
                   const double *restrict z, double *restrict x, double *restrict x_mean) {
    if (z == NULL) {
        LANES for (int64_t j = 0; j < count; j++) x[j] = x_mean[j] = A * x[j] + S * s[j];
        return;
    }
    LANES for (int64_t j = 0; j < count; j++) {
        x_mean[j] = A * x[j] + S * s[j];
        x[j] = x_mean[j] + Z * z[j];
    }
}

/* Sums wait in a tile, since out may lie over a term that is still to be read. */
static void combine(int64_t count, int terms, const double *c, const double *const *v, int64_t first,
                    double *out) {
    for (int64_t i = 0; i < count; i += TILE) {
        const int64_t n = count - i < TILE ? count - i : TILE;
        double sum[TILE];
        LANES for (int64_t j = 0; j < n; j++) sum[j] = 0;
        for (int k = 0; k < terms; k++) {
            const double *term = v[k] + first + i;
            LANES for (int64_t j = 0; j < n; j++) sum[j] += c[k] * term[j];
        }
        LANES for (int64_t j = 0; j < n; j++) out[i + j] = sum[j];
    }
}

const ito__row_kernel TABLE = {
    .all_finite = all_finite, .sum_of_squares = sum_of_squares, .update = update, .combine = combine};
