/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's only calls of the C allocator.
 */
#include "core/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    ALIGNMENT = 64,      /* a cache line, and the widest vector register */
    HUGE_PAGE = 1 << 21, /* of x86-64, and of arm64 with pages of 4 KB */
    LARGE = 4 * HUGE_PAGE
};

bool ito__mul_size(size_t a, size_t b, size_t *product) {
    if (a != 0 && b > SIZE_MAX / a) return false;
    *product = a * b;
    return true;
}

void *ito__alloc(size_t count, size_t size) {
    size_t bytes;
    /* Past PTRDIFF_MAX pointer differences overflow, so such a block is refused like one past SIZE_MAX. */
    if (!ito__mul_size(count, size, &bytes) || bytes > PTRDIFF_MAX - HUGE_PAGE) return NULL;
    /* aligned_alloc wants a multiple of the alignment; an empty block still gets an address of its own. */
    bytes = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (bytes < LARGE) return aligned_alloc(ALIGNMENT, bytes);
    /* Kernels walk through large blocks with strides that small pages would cost them dearly. Where the
     * system has no huge pages to give, nothing changes. */
    void *p = aligned_alloc(HUGE_PAGE, (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    if (p) (void)madvise(p, bytes, MADV_HUGEPAGE);
#endif
    return p;
}

void *ito__calloc(size_t count, size_t size) {
    void *p = ito__alloc(count, size);
    if (p != NULL) memset(p, 0, count * size);
    return p;
}

void ito__free(void *p) {
    free(p);
}

char *ito__strdup(const char *s) {
    size_t bytes = strlen(s) + 1;
    char *copy = ito__alloc(bytes, 1);
    if (copy != NULL) memcpy(copy, s, bytes);
    return copy;
}
