/* SPDX-License-Identifier: Apache-2.0
 *
 * What this processor offers: AVX2 with FMA and BMI2, AVX-512 with all of x86-64-v4.
 */
#include "core/isa.h"

ito__isa ito__isa_detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return ITO__ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return ITO__ISA_AVX2;
#endif
    return ITO__ISA_PLAIN;
}

ito__isa ito__isa_within(ito__isa limit) {
    const ito__isa best = ito__isa_detect();
    return limit < best ? limit : best;
}
