/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation inside the library: 64-byte aligned, sizes multiplied with a check. The only file that calls the
 * C allocator is memory.c, so a test that replaces its functions fails any allocation it likes.
 */
#ifndef ITO_CORE_MEMORY_H
#define ITO_CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* count * size bytes, zeroed, 64-byte aligned; NULL when out of memory or when the product overflows. Free
 * with ito__free. count = 0 gives a valid pointer. */
void *ito__calloc(size_t count, size_t size);
/* The same, not zeroed. */
void *ito__alloc(size_t count, size_t size);
/* Blocks come from aligned_alloc, so where a public header promises free() its caller may use that. */
void ito__free(void *p);
/* Copies of strings, ito__free. */
char *ito__strdup(const char *s);
/* *product = a * b; false on overflow. */
bool ito__mul_size(size_t a, size_t b, size_t *product);

#endif
