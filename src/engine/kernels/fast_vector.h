/* SPDX-License-Identifier: Apache-2.0
 *
 * What products of matrices are made of: a register of floats, and the tile of a product whose sums stay in
 * registers.
 */
#ifndef ITO_ENGINE_FAST_VECTOR_H
#define ITO_ENGINE_FAST_VECTOR_H

#include "engine/kernels/fast_math.h"

#include <omp.h>

/* As many floats as a register holds, and as many rows of a tile, two registers wide, as keep its sums in
 * registers. */
#if defined(__AVX512F__)
enum { WIDE = 16, TILE = 8 };
#define EACH_LANE(f, d) EIGHT_LANES(f, 0, d), EIGHT_LANES(f, 8, d)
#elif defined(__AVX2__)
enum { WIDE = 8, TILE = 6 };
#define EACH_LANE(f, d) EIGHT_LANES(f, 0, d)
#else
enum { WIDE = 4, TILE = 4 };
#define EACH_LANE(f, d) FOUR_LANES(f, 0, d)
#endif
/* f(l, d) of every lane l: compilers want the lanes of a shuffle as a list of constants. */
#define FOUR_LANES(f, l, d)  f(l, d), f(l + 1, d), f(l + 2, d), f(l + 3, d)
#define EIGHT_LANES(f, l, d) FOUR_LANES(f, l, d), FOUR_LANES(f, l + 4, d)
typedef float vector __attribute__((vector_size(WIDE * sizeof(float)), aligned(4), may_alias));

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

/* C += A B or C = A B: A [m, k] with strides am and ak, B [k, n] and C [m, n] with rows ldb and ldc apart. */
typedef struct product {
    const float *a, *b;
    float *c;
    int64_t am, ak, ldb, ldc, m, n, k;
    bool add;
} product;

/* TILE rows, or fewer, of two vectors at row i, column j. */
static inline __attribute__((always_inline)) void tile_of(const product *p, int64_t i, int64_t j, int rows) {
    const float *a = p->a + i * p->am, *b = p->b + j;
    float *c = p->c + i * p->ldc + j;
    vector sum[TILE][2];
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 2; v++)
            sum[r][v] = p->add ? *(const vector *)(c + r * p->ldc + v * WIDE) : (vector){0};
    for (int64_t l = 0; l < p->k; l++) {
        const vector left = *(const vector *)(b + l * p->ldb);
        const vector right = *(const vector *)(b + l * p->ldb + WIDE);
        for (int r = 0; r < rows; r++) {
            float x = a[r * p->am + l * p->ak];
            sum[r][0] += left * x;
            sum[r][1] += right * x;
        }
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < 2; v++) *(vector *)(c + r * p->ldc + v * WIDE) = sum[r][v];
}

/* Threads that scratch memory is there for. */
static inline int threads_of(const ito__call *c) {
    int most = omp_get_max_threads();
    return most < c->threads ? most : c->threads;
}

#endif
