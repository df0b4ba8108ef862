/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes over long runs of values, compiled for each instruction set from rows_lanes.h. All tables give the
 * same bits: sums run in ITO__PARTS partial sums whatever the width of a vector.
 */
#ifndef ITO_DYNAMICS_ROWS_H
#define ITO_DYNAMICS_ROWS_H

#include "core/isa.h"
#include <stdbool.h>
#include <stdint.h>

enum { ITO__PARTS = 16 };

typedef struct ito__row_kernel {
    bool (*all_finite)(int64_t count, const double *v);
    double (*sum_of_squares)(int64_t count, const double *v);
    /* x_mean = A x + S s;  x = x_mean + Z z.  z may be NULL: x = x_mean. */
    void (*update)(int64_t count, double A, double S, double Z, const double *s, const double *z, double *x,
                   double *x_mean);
    /* out[j] = sum of c[k] v[k][first + j]; out may be v[k] + first of some k. */
    void (*combine)(int64_t count, int terms, const double *c, const double *const *v, int64_t first,
                    double *out);
} ito__row_kernel;

/* Tables for another processor family have NULL in them and are never chosen. */
extern const ito__row_kernel ito__rows_plain, ito__rows_avx2, ito__rows_avx512;
/* The best of them up to `limit`. */
const ito__row_kernel *ito__rows_for(ito__isa limit);

#endif
