/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache of decoded images: a slot per image, filled once by whichever thread comes first.
 */
#include "data/cache.h"

#include "core/memory.h"

#include <stdatomic.h>
#include <string.h>

struct ito__cache {
    int64_t n;
    size_t image;
    atomic_llong room;      /* images that still fit */
    uint8_t *_Atomic *slot; /* [n]; NULL: not kept */
};

ito__cache *ito__cache_create(int64_t n, size_t image, size_t limit) {
    ito__cache *c = ito__calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->n = n;
    c->image = image;
    atomic_init(&c->room, (long long)(limit / image));
    c->slot = ito__calloc((size_t)n, sizeof *c->slot);
    if (c->slot != NULL) return c;
    ito__free(c);
    return NULL;
}

void ito__cache_free(ito__cache *c) {
    if (c == NULL) return;
    for (int64_t i = 0; i < c->n; i++) ito__free(c->slot[i]);
    ito__free(c->slot);
    ito__free(c);
}

bool ito__cache_find(ito__cache *c, int64_t i, uint8_t *bytes) {
    const uint8_t *kept = atomic_load_explicit(&c->slot[i], memory_order_acquire);
    if (kept != NULL) memcpy(bytes, kept, c->image);
    return kept != NULL;
}

void ito__cache_keep(ito__cache *c, int64_t i, const uint8_t *bytes) {
    if (atomic_fetch_sub(&c->room, 1) > 0) {
        uint8_t *copy = ito__alloc(c->image, 1), *expected = NULL;
        if (copy != NULL) {
            memcpy(copy, bytes, c->image);
            if (atomic_compare_exchange_strong(&c->slot[i], &expected, copy)) return;
            ito__free(copy); /* another thread was faster */
        }
    }
    atomic_fetch_add(&c->room, 1); /* without memory or room the image is read again next time */
}
