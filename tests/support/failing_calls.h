/* SPDX-License-Identifier: Apache-2.0
 *
 * System calls that write, counted, one of them failing at a time. The linker sends the library's calls
 * through failing_calls.c:
 *
 *     target_link_options(test LINKER:--wrap=open,--wrap=write,--wrap=fsync,--wrap=close,--wrap=rename)
 */
#ifndef ITO_TESTS_FAILING_CALLS_H
#define ITO_TESTS_FAILING_CALLS_H

#include <stdbool.h>

/* Zeroed, nothing fails. */
typedef struct failing_calls {
    int fail_at, calls,
        number;        /* the call that fails, from 1 over all kinds, 0 none; calls so far; its errno */
    bool short_writes; /* a write stores half of its bytes */
    bool written_since_sync, renamed_unsynced;
} failing_calls;

extern failing_calls fault;

#endif
