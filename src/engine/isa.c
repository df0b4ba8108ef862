/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction set runs: names, and the choice of kernel table.
 */
#include "core/isa.h"
#include "engine/plan.h"

#include <assert.h>

const char *ito_isa_name(ito_isa isa) {
    static const char *const names[ITO_ISA_COUNT] = {"auto", "plain", "avx2", "avx512"};
    return isa >= 0 && isa < ITO_ISA_COUNT ? names[isa] : "unknown";
}

/* Both enumerations rise in the same steps; the public one begins with AUTO. */
static_assert(ITO_ISA_AVX512 - ITO_ISA_PLAIN == ITO__ISA_AVX512 - ITO__ISA_PLAIN, "the same steps");
static_assert(ITO_ISA_AVX2 - ITO_ISA_PLAIN == ITO__ISA_AVX2 - ITO__ISA_PLAIN, "the same steps");

ito_isa ito_isa_detect(void) {
    return (ito_isa)(ITO_ISA_PLAIN + (int)ito__isa_detect());
}

const ito__kernel *ito__fast_kernels(ito_isa isa, bool bf16) {
    static const ito__kernel *const tables[ITO_ISA_COUNT][2] = {
        [ITO_ISA_PLAIN] = {ito__fast_plain, ito__bf16_plain},
        [ITO_ISA_AVX2] = {ito__fast_avx2, ito__bf16_avx2},
        [ITO_ISA_AVX512] = {ito__fast_avx512, ito__bf16_avx512},
    };
    ito_isa best = ito_isa_detect();
    return tables[isa == ITO_ISA_AUTO || isa > best ? best : isa][bf16];
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
