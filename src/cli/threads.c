/* SPDX-License-Identifier: Apache-2.0
 *
 * Pinning by the system's own call, since OpenMP reads its environment before main starts. See threads.h.
 */
#define _GNU_SOURCE /* cpu_set_t */
#include "threads.h"

#include <omp.h>
#include <sched.h>
#include <stdlib.h>

static int nth_processor(const cpu_set_t *set, int n) {
    int cpu = 0;
    while (!CPU_ISSET(cpu, set) || n-- > 0) cpu++;
    return cpu;
}

void cli_threads_pin(long long threads) {
    cpu_set_t all;
    if (getenv("OMP_PROC_BIND") || sched_getaffinity(0, sizeof all, &all) != 0) return;
    const int team = threads > 0 && threads <= CPU_SETSIZE ? (int)threads : omp_get_max_threads();
    if (team < 2 || team != CPU_COUNT(&all)) return;
#pragma omp parallel num_threads(team)
    if (omp_get_thread_num() > 0) {
        cpu_set_t own;
        CPU_ZERO(&own);
        CPU_SET(nth_processor(&all, omp_get_thread_num()), &own);
        (void)sched_setaffinity(0, sizeof own, &own); /* what stays unpinned runs all the same */
    }
}
