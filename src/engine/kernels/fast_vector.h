/* SPDX-License-Identifier: Apache-2.0
 *
 * What products of matrices are made of: a register of floats, and how many of them hold the sums of a tile.
 */
#ifndef ITO_ENGINE_FAST_VECTOR_H
#define ITO_ENGINE_FAST_VECTOR_H

#include "engine/kernels/fast_math.h"

#include <omp.h>

/* As many floats as a register holds, and as many rows of a tile, two registers wide, as keep its sums in
 * registers. */
#if defined(__AVX512F__)
enum { WIDE = 16, TILE = 8 };
#elif defined(__AVX2__)
enum { WIDE = 8, TILE = 6 };
#else
enum { WIDE = 4, TILE = 4 };
#endif
typedef float vector __attribute__((vector_size(WIDE * sizeof(float)), aligned(4), may_alias));
typedef int32_t lane_numbers __attribute__((vector_size(WIDE * sizeof(int32_t)))); /* which of a register */

/* WIDE elements of an image, and back. */
#ifdef BFLOAT16
typedef uint16_t half_vector __attribute__((vector_size(WIDE * sizeof(uint16_t)), aligned(2), may_alias));
typedef uint32_t whole_vector __attribute__((vector_size(WIDE * sizeof(uint32_t))));

static inline vector load_vector(const element *x) {
    return (vector)(__builtin_convertvector(*(const half_vector *)x, whole_vector) << 16);
}
#else
static inline vector load_vector(const element *x) {
    return *(const vector *)x;
}
#endif

static inline void store_vector(element *y, vector x) {
    SIMD for (int l = 0; l < WIDE; l++) y[l] = narrow(x[l]);
}

/* Threads that scratch memory is there for. */
static inline int threads_of(const ito__call *c) {
    int most = omp_get_max_threads();
    return most < c->threads ? most : c->threads;
}

#endif
