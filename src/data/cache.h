/* SPDX-License-Identifier: Apache-2.0
 *
 * Prepared images of a folder that are kept in memory, up to a limit. The stream visits every image once an
 * epoch in an order of its own, so no image is likelier than another to be wanted soon: what came first
 * stays, nothing is thrown out, and the share of hits is the share that fits.
 */
#ifndef ITO_DATA_CACHE_H
#define ITO_DATA_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ito__cache ito__cache;

/* For n images of `image` bytes, of which at most `limit` bytes are kept. NULL when memory runs out. */
ito__cache *ito__cache_create(int64_t n, size_t image, size_t limit);
void ito__cache_free(ito__cache *c);
/* Both may be called from several threads. */
bool ito__cache_find(ito__cache *c, int64_t i, uint8_t *bytes); /* copies image i if it is there */
void ito__cache_keep(ito__cache *c, int64_t i, const uint8_t *bytes);

#endif
