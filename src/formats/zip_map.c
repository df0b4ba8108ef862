/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip directories, read backwards from the end: end record, its zip64 form where there is one, central
 * directory, and each entry's local header for the place of its data.
 */
#include "formats/zip_map.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_SIZE = 22,
    END_COMMENT_MAX = 65535,
    LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
    ZIP64_EXTRA = 1
};
static const uint32_t end_mark = 0x06054b50, locator_mark = 0x07064b50, end64_mark = 0x06064b50,
                      central_mark = 0x02014b50, local_mark = 0x04034b50;
static const uint64_t in_zip64 = 0xffffffff; /* a 32-bit field that says: look in the zip64 record */

/* An unsigned little-endian number of n <= 8 bytes. */
static uint64_t number(const unsigned char *b, int n) {
    uint64_t value = 0;
    for (int i = 0; i < n; i++) value |= (uint64_t)b[i] << (8 * i);
    return value;
}

static ito_status damaged(const char *path, const char *what, ito_error *err) {
    return ito_error_set(err, ITO_E_FORMAT, "%s: is a damaged zip archive (%s): get the file again", path,
                         what);
}

/* Where the end record begins: it is the last thing in the file but for a comment, whose length it states. */
static bool find_end(const unsigned char *bytes, size_t length, size_t *at) {
    if (length < END_SIZE) return false;
    for (size_t comment = 0; comment <= END_COMMENT_MAX && comment + END_SIZE <= length; comment++) {
        const unsigned char *end = bytes + length - END_SIZE - comment;
        if (number(end, 4) != end_mark || number(end + 20, 2) != comment) continue;
        *at = (size_t)(end - bytes);
        return true;
    }
    return false;
}

bool ito__zip_is(const unsigned char *bytes, size_t length) {
    size_t at = 0;
    return find_end(bytes, length, &at);
}

/* The central directory: where it begins and how many entries it claims. */
typedef struct directory {
    uint64_t count, size, offset;
} directory;

static ito_status read_end(const char *path, const unsigned char *bytes, size_t length, directory *d,
                           ito_error *err) {
    size_t at = 0;
    if (!find_end(bytes, length, &at)) return damaged(path, "it has no end record", err);
    const unsigned char *end = bytes + at;
    *d = (directory){number(end + 10, 2), number(end + 12, 4), number(end + 16, 4)};
    if (at >= LOCATOR_SIZE && number(end - LOCATOR_SIZE, 4) == locator_mark) {
        uint64_t place = number(end - LOCATOR_SIZE + 8, 8);
        if (length < END64_SIZE || place > length - END64_SIZE || number(bytes + place, 4) != end64_mark)
            return damaged(path, "its zip64 record is missing", err);
        *d = (directory){number(bytes + place + 32, 8), number(bytes + place + 40, 8),
                         number(bytes + place + 48, 8)};
    }
    if (d->offset > at || d->size > at - d->offset)
        return damaged(path, "its directory lies outside the file", err);
    if (d->count > d->size / CENTRAL_SIZE)
        return damaged(path, "it claims more entries than its directory can hold", err);
    return ITO_OK;
}

/* The next 8 bytes of a zip64 extra field, for a 32-bit field that points there. */
static bool widen(uint64_t *value, const unsigned char **extra, size_t *left) {
    if (*value != in_zip64) return true;
    if (*left < 8) return false;
    *value = number(*extra, 8);
    *extra += 8;
    *left -= 8;
    return true;
}

/* Sizes and offset of a central entry that do not fit 32 bits stand in its zip64 extra field. */
static bool read_zip64(const unsigned char *extra, size_t length, uint64_t *size, uint64_t *stored,
                       uint64_t *offset) {
    while (length >= 4) {
        size_t n = (size_t)number(extra + 2, 2);
        if (n > length - 4) return false;
        if (number(extra, 2) == ZIP64_EXTRA) {
            const unsigned char *field = extra + 4;
            return widen(size, &field, &n) && widen(stored, &field, &n) && widen(offset, &field, &n);
        }
        extra += 4 + n;
        length -= 4 + n;
    }
    return *size != in_zip64 && *stored != in_zip64 && *offset != in_zip64;
}

/* Follows the offset to the local header: name and extra field there have lengths of their own. */
static bool place_data(ito__zip_entry *e, const unsigned char *bytes, size_t length, uint64_t offset) {
    if (length < LOCAL_SIZE || offset > length - LOCAL_SIZE || number(bytes + offset, 4) != local_mark)
        return false;
    const unsigned char *local = bytes + offset;
    uint64_t start = offset + LOCAL_SIZE + number(local + 26, 2) + number(local + 28, 2);
    if (start > length || e->size > length - start) return false;
    e->data = bytes + start;
    return true;
}

/* One entry at *at of the directory, and moves on. */
static ito_status read_entry(const char *path, const unsigned char *bytes, size_t length, size_t *at,
                             size_t end, ito__zip_entry *e, ito_error *err) {
    const unsigned char *c = bytes + *at;
    if (end - *at < CENTRAL_SIZE || number(c, 4) != central_mark)
        return damaged(path, "its directory is cut short", err);
    size_t name = (size_t)number(c + 28, 2), extra = (size_t)number(c + 30, 2);
    size_t whole = CENTRAL_SIZE + name + extra + (size_t)number(c + 32, 2);
    if (whole > end - *at) return damaged(path, "its directory is cut short", err);
    uint64_t stored = number(c + 20, 4), size = number(c + 24, 4), offset = number(c + 42, 4);
    if (!read_zip64(c + CENTRAL_SIZE + name, extra, &size, &stored, &offset))
        return damaged(path, "an entry's size is missing", err);
    bool encrypted = number(c + 8, 2) & 1;
    *e = (ito__zip_entry){.name = (const char *)c + CENTRAL_SIZE,
                          .name_length = name,
                          .size = (size_t)size,
                          .crc = (uint32_t)number(c + 16, 4),
                          .stored = number(c + 10, 2) == 0 && !encrypted};
    if (e->stored && (size != stored || !place_data(e, bytes, length, offset)))
        return damaged(path, "an entry lies outside the file", err);
    *at += whole;
    return ITO_OK;
}

static int compare(const char *a, size_t n, const char *b, size_t m) {
    int order = memcmp(a, b, n < m ? n : m);
    return order != 0 ? order : (n > m) - (n < m);
}

static int by_name(const void *a, const void *b) {
    const ito__zip_entry *x = a, *y = b;
    return compare(x->name, x->name_length, y->name, y->name_length);
}

ito_status ito__zip_init(ito__zip *z, const char *path, const unsigned char *bytes, size_t length,
                         ito_error *err) {
    directory d = {0};
    ito_status st = read_end(path, bytes, length, &d, err);
    *z = (ito__zip){NULL, 0};
    if (st != ITO_OK) return st;
    ito__zip_entry *entry = ito__alloc((size_t)d.count, sizeof *entry);
    if (!entry)
        return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                             path);
    size_t at = (size_t)d.offset, end = (size_t)(d.offset + d.size);
    for (uint64_t i = 0; i < d.count; i++) {
        if ((st = read_entry(path, bytes, length, &at, end, &entry[i], err)) != ITO_OK) {
            ito__free(entry);
            return st;
        }
    }
    if (d.count > 0) qsort(entry, (size_t)d.count, sizeof *entry, by_name);
    *z = (ito__zip){entry, (size_t)d.count};
    return ITO_OK;
}

void ito__zip_release(ito__zip *z) {
    ito__free(z->entry);
    *z = (ito__zip){NULL, 0};
}

const ito__zip_entry *ito__zip_find(const ito__zip *z, const char *name) {
    size_t low = 0, high = z->count, n = strlen(name);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const ito__zip_entry *e = &z->entry[middle];
        int order = compare(name, n, e->name, e->name_length);
        if (order == 0) return e;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
