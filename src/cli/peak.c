/* SPDX-License-Identifier: Apache-2.0
 *
 * Peak arithmetic by instruction set. A multiply-add takes some 4 cycles and a core starts up to 2 a cycle,
 * so 12 independent sums keep it busy and still fit the registers, factors included. Every sum runs a <- a b
 * + c with b < 1, which stays near c / (1 - b).
 */
#include "peak.h"

#include <ito/engine.h>

enum { SUMS = 12 };

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

__attribute__((target("avx512f"))) static double f32_avx512(int64_t turns) {
    const __m512 b = _mm512_set1_ps(0.5F), c = _mm512_set1_ps(1.0F);
    __m512 a[SUMS];
    for (int k = 0; k < SUMS; k++) a[k] = _mm512_set1_ps((float)k);
    for (int64_t i = 0; i < turns; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < SUMS; k++) a[k] = _mm512_fmadd_ps(a[k], b, c);
    }
    for (int k = 1; k < SUMS; k++) a[0] = _mm512_add_ps(a[0], a[k]);
    return (double)_mm512_reduce_add_ps(a[0]);
}

__attribute__((target("avx2,fma"))) static double f32_avx2(int64_t turns) {
    const __m256 b = _mm256_set1_ps(0.5F), c = _mm256_set1_ps(1.0F);
    __m256 a[SUMS];
    float lane[8];
    double sum = 0;
    for (int k = 0; k < SUMS; k++) a[k] = _mm256_set1_ps((float)k);
    for (int64_t i = 0; i < turns; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < SUMS; k++) a[k] = _mm256_fmadd_ps(a[k], b, c);
    }
    for (int k = 1; k < SUMS; k++) a[0] = _mm256_add_ps(a[0], a[k]);
    _mm256_storeu_ps(lane, a[0]);
    for (int l = 0; l < 8; l++) sum += (double)lane[l];
    return sum;
}

/* Sums grow by one a turn, which float holds up to 2^24. */
__attribute__((target("avx512f,avx512bf16"))) static double bf16_avx512(int64_t turns) {
    const __m512bh half = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5F), _mm512_set1_ps(0.5F));
    const __m512bh one = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1.0F), _mm512_set1_ps(1.0F));
    __m512 a[SUMS];
    for (int k = 0; k < SUMS; k++) a[k] = _mm512_set1_ps((float)k);
    for (int64_t i = 0; i < turns; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < SUMS; k++) a[k] = _mm512_dpbf16_ps(a[k], half, one);
    }
    for (int k = 1; k < SUMS; k++) a[0] = _mm512_add_ps(a[0], a[k]);
    return (double)_mm512_reduce_add_ps(a[0]);
}

cli_peak_loop cli_peak_find(cli_peak_kind kind, double *flops) {
    const ito_isa isa = ito_isa_detect();
    if (kind == CLI_PEAK_BF16) {
        *flops = SUMS * 16 * 2 * 2; /* two products a lane */
        return isa == ITO_ISA_AVX512 && __builtin_cpu_supports("avx512bf16") ? bf16_avx512 : NULL;
    }
    *flops = SUMS * 2 * (isa == ITO_ISA_AVX512 ? 16 : 8);
    if (isa == ITO_ISA_AVX512) return f32_avx512;
    return isa == ITO_ISA_AVX2 ? f32_avx2 : NULL;
}

#else

cli_peak_loop cli_peak_find(cli_peak_kind kind, double *flops) {
    (void)kind, (void)flops;
    return NULL;
}

#endif
