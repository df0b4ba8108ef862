/* SPDX-License-Identifier: Apache-2.0
 *
 * Seconds of a clock that never jumps, for measuring.
 */
#ifndef ITO_CORE_CLOCK_H
#define ITO_CORE_CLOCK_H

#include <time.h>

static inline double ito__now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
