/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction set runs: detection, names, and the choice of kernel table.
 */
#include "engine/plan.h"

const char *ito_isa_name(ito_isa isa) {
    static const char *const names[ITO_ISA_COUNT] = {"auto", "plain", "avx2", "avx512"};
    return isa >= 0 && isa < ITO_ISA_COUNT ? names[isa] : "unknown";
}

ito_isa ito_isa_detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return ITO_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return ITO_ISA_AVX2;
#endif
    return ITO_ISA_PLAIN;
}

const ito__kernel *ito__fast_kernels(ito_isa isa) {
    ito_isa best = ito_isa_detect();
    if (isa == ITO_ISA_AUTO || isa > best) isa = best;
    if (isa == ITO_ISA_AVX512) return ito__fast_avx512;
    return isa == ITO_ISA_AVX2 ? ito__fast_avx2 : ito__fast_plain;
}

/* The blocking that oneDNN's own kernels use on this processor (its limit by environment included). */
int64_t ito__channel_block(void) {
#if defined(__x86_64__)
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core ? 16 : 8;
#else
    return 1;
#endif
}
