/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers for x86-64 with AVX2; elsewhere the table is empty and never chosen.
 */
#if defined(__x86_64__)
#define TABLE ito__random_avx2
#include "core/random_fast.h"
#else
#include "core/random_kernel.h"
#include <stddef.h>
const ito__random_kernel ito__random_avx2 = {NULL};
#endif
