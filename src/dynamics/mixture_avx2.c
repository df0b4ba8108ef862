/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of mixtures for x86-64 with AVX2; elsewhere there are none.
 */
#if defined(__x86_64__)
#define SCORES ito__mixture_scores_avx2
#include "dynamics/mixture_lanes.h"
#else
#include "dynamics/mixture.h"
#include <stddef.h>
ito__mixture_scores *const ito__mixture_scores_avx2 = NULL;
#endif
