/* SPDX-License-Identifier: Apache-2.0
 *
 * The directory of a zip archive that lies in memory: where each stored entry's bytes are, without a copy.
 * Zip64 and data descriptors are understood (sizes come from the central directory), compression is not.
 * Source: PKWARE's APPNOTE.TXT, sections 4.3 to 4.5.
 */
#ifndef ITO_FORMATS_ZIP_MAP_H
#define ITO_FORMATS_ZIP_MAP_H

#include <ito/status.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct ito__zip_entry {
    const char *name; /* borrowed from the archive, no NUL */
    size_t name_length;
    const unsigned char *data; /* stored only */
    size_t size;
    uint32_t crc;
    bool stored; /* neither compressed nor encrypted */
} ito__zip_entry;

typedef struct ito__zip {
    ito__zip_entry *entry; /* sorted by name; ito__free */
    size_t count;
} ito__zip;

/* Whether the bytes end like a zip archive. */
bool ito__zip_is(const unsigned char *bytes, size_t length);
/* Every stored entry lies inside the bytes. FORMAT for damage. path is for messages. */
ito_status ito__zip_init(ito__zip *z, const char *path, const unsigned char *bytes, size_t length,
                         ito_error *err);
void ito__zip_release(ito__zip *z);
/* NULL when there is none. */
const ito__zip_entry *ito__zip_find(const ito__zip *z, const char *name);

#endif
