/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes over values for x86-64 with AVX2; elsewhere the table is empty and never chosen.
 */
#if defined(__x86_64__)
#define TABLE ito__rows_avx2
#include "dynamics/rows_lanes.h"
#else
#include "dynamics/rows.h"
#include <stddef.h>
const ito__row_kernel ito__rows_avx2 = {NULL};
#endif
