/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast kernels on bfloat16 images for x86-64 with AVX2; elsewhere the table is empty and never chosen.
 */
#if defined(__x86_64__)
#define BFLOAT16
#define TABLE ito__bf16_avx2
#include "engine/kernels/fast.h"
#else
#include "engine/kernels/kernel.h"
const ito__kernel ito__bf16_avx2[ITO__OP_COUNT] = {NULL};
#endif
