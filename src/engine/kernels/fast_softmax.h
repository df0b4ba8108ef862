/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast softmax, on rows of floats.
 */
#ifndef ITO_ENGINE_FAST_SOFTMAX_H
#define ITO_ENGINE_FAST_SOFTMAX_H

#include "engine/kernels/fast_reduce.h"

/* Over the last axis: the row's maximum, exponentials and their sum, then the quotient. */
static void softmax_row(const float *x, float *out, int64_t n) {
    float top[LANES];
    double sum[LANES] = {0}, total = 0;
    for (int l = 0; l < LANES; l++) top[l] = x[0];
    FOR_LANES(n, top[l] = x[i + l] > top[l] ? x[i + l] : top[l];);
    float largest = top[0];
    for (int l = 1; l < LANES; l++) largest = top[l] > largest ? top[l] : largest;
    SIMD for (int64_t i = 0; i < n; i++) out[i] = fast_exp(x[i] - largest);
    add_panel(out, n, sum);
    for (int l = 0; l < LANES; l++) total += sum[l];
    float scale = (float)(1 / total);
    SIMD for (int64_t i = 0; i < n; i++) out[i] *= scale;
}

static void k_softmax(const ito__call *c) {
    ito_shape s = c->node->shape;
    int64_t n = ito_shape_count(s), length = s.rank ? s.dim[s.rank - 1] : 1;
    const float *in = NUMBERS(0);
    float *out = OUT_NUMBERS;
#pragma omp parallel for if (n > PARALLEL)
    for (int64_t row = 0; row < n / length; row++) softmax_row(in + row * length, out + row * length, length);
}

#endif
