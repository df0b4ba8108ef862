/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out on request. The linker sends the library's allocations through this file:
 *
 *     target_link_options(test
 * LINKER:--wrap=ito__alloc,--wrap=ito__calloc,--wrap=ito__strdup,--wrap=ito__free)
 */
#ifndef ITO_TESTS_FAILING_MEMORY_H
#define ITO_TESTS_FAILING_MEMORY_H

#include <ito/status.h>

/* Something that allocates and leaves no block behind. */
typedef ito_status (*memory_attempt)(void *subject, ito_error *err);

/* Runs it once, which has to go well, then with its first allocation failing, its second, and so on: each run
 * ends with NOMEM and a sentence, or well where it can do without, and frees what it had taken. The number of
 * allocations. */
int64_t walk_failed_allocations(memory_attempt run, void *subject);

/* Since the program began: the difference tells what a part of a run takes. */
int64_t allocations_so_far(void);

/* Of one run that goes well. */
int64_t count_allocations(memory_attempt run, void *subject);

#endif
