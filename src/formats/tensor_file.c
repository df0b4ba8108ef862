/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of named tensors in memory: built by the readers of this room, walked through include/ito/formats.h.
 */
#include "formats/tensor_file.h"

#include "core/memory.h"
#include "formats/checksums.h"
#include "formats/files.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static ito_status out_of_memory(const ito_tensor_file *f, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                         f->path);
}

/* Room for one more entry in a growing list of entries of `size` bytes. */
static bool reserve(void **list, int count, int *capacity, size_t size) {
    if (count < *capacity) return true;
    if (*capacity > INT32_MAX / 2) return false;
    int larger = *capacity == 0 ? 16 : 2 * *capacity;
    void *moved = ito__alloc((size_t)larger, size);
    if (moved == NULL) return false;
    if (count > 0) memcpy(moved, *list, (size_t)count * size);
    ito__free(*list);
    *list = moved;
    *capacity = larger;
    return true;
}

ito_status ito__tensor_file_create(const char *path, ito_tensor_file **out, ito_error *err) {
    *out = NULL;
    ito_tensor_file *f = ito__calloc(1, sizeof *f);
    char *copy = ito__strdup(path);
    if (f == NULL || copy == NULL) {
        ito__free(f);
        ito__free(copy);
        return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while opening it: close other programs",
                             path);
    }
    f->path = copy;
    *out = f;
    return ITO_OK;
}

ito_status ito__tensor_file_map(ito_tensor_file *f, ito_error *err) {
    return ito__file_map(f->path, &f->map, &f->map_length, err);
}

ito_status ito__tensor_file_take(ito_tensor_file *f, void *block, ito_error *err) {
    void *list = f->blocks;
    if (block == NULL) return out_of_memory(f, err);
    if (!reserve(&list, f->block_count, &f->block_capacity, sizeof *f->blocks)) {
        ito__free(block);
        return out_of_memory(f, err);
    }
    f->blocks = list;
    f->blocks[f->block_count++] = block;
    return ITO_OK;
}

/* A copy of a string that lives as long as the file. */
static char *keep_string(ito_tensor_file *f, const char *s) {
    char *copy = ito__strdup(s);
    return ito__tensor_file_take(f, copy, NULL) == ITO_OK ? copy : NULL;
}

bool ito__tensor_count(const ito_tensor *t, int64_t *count) {
    int64_t most = (int64_t)(PTRDIFF_MAX / ito_dtype_size(t->dtype));
    int64_t product = 1;
    for (int k = 0; k < t->rank; k++) {
        if (t->dim[k] < 0) return false;
        if (t->dim[k] > 0 && product > most / t->dim[k]) return false;
        product *= t->dim[k];
    }
    *count = product;
    return true;
}

ito_status ito__tensor_file_add(ito_tensor_file *f, const ito_tensor *t, ito_error *err) {
    return ito__tensor_file_add_copy(f, t, t->data, err);
}

ito_status ito__tensor_file_add_copy(ito_tensor_file *f, const ito_tensor *t, const void *origin,
                                     ito_error *err) {
    void *list = f->tensors, *origins = f->origins;
    int64_t count;
    if (t->rank < 0 || t->rank > ITO_TENSOR_MAX_RANK)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "%s: tensor \"%.200s\" has %d dimensions, ito handles at most %d: reshape it",
                             f->path, t->name, t->rank, ITO_TENSOR_MAX_RANK);
    if (!ito__tensor_count(t, &count))
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: tensor \"%.200s\" has an impossible shape: the file is damaged, get it again", f->path,
            t->name);
    if (!reserve(&list, f->count, &f->capacity, sizeof *f->tensors)) return out_of_memory(f, err);
    f->tensors = list;
    if (!reserve(&origins, f->count, &f->origin_capacity, sizeof *f->origins)) return out_of_memory(f, err);
    f->origins = origins;
    char *name = keep_string(f, t->name);
    if (name == NULL) return out_of_memory(f, err);
    f->origins[f->count] = origin;
    ito_tensor *added = &f->tensors[f->count++];
    *added = *t;
    added->name = name;
    added->count = count;
    return ITO_OK;
}

ito_status ito__tensor_file_add_metadata(ito_tensor_file *f, const char *key, const char *value,
                                         ito_error *err) {
    void *list = f->metadata;
    if (!reserve(&list, f->metadata_count, &f->metadata_capacity, sizeof *f->metadata))
        return out_of_memory(f, err);
    f->metadata = list;
    ito_metadata pair = {keep_string(f, key), keep_string(f, value)};
    if (pair.key == NULL || pair.value == NULL) return out_of_memory(f, err);
    f->metadata[f->metadata_count++] = pair;
    return ITO_OK;
}

ito_status ito__tensor_file_guard(ito_tensor_file *f, const unsigned char *data, size_t size, uint32_t crc,
                                  ito_error *err) {
    void *list = f->guards;
    if (!reserve(&list, f->guard_count, &f->guard_capacity, sizeof *f->guards)) return out_of_memory(f, err);
    f->guards = list;
    f->guards[f->guard_count++] = (ito__guard){.data = data, .size = size, .crc = crc};
    return ITO_OK;
}

/* Sorted by place; of those that begin at one place, the longest is last. */
static int compare_guards(const void *a, const void *b) {
    const ito__guard *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

/* qsort has no argument for the tensors, so it sorts these and their numbers are kept. */
typedef struct named {
    const char *name;
    int number;
} named;

static int compare_named(const void *a, const void *b) {
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

ito_status ito__tensor_file_finish(ito_tensor_file *f, ito_error *err) {
    ito_status st = ITO_OK;
    if (f->guard_count > 0) qsort(f->guards, (size_t)f->guard_count, sizeof *f->guards, compare_guards);
    named *sorted = ito__alloc((size_t)f->count, sizeof *sorted);
    int *by_name = ito__alloc((size_t)f->count, sizeof *by_name);
    if (sorted == NULL || by_name == NULL) {
        st = out_of_memory(f, err);
        goto done;
    }
    for (int i = 0; i < f->count; i++) sorted[i] = (named){f->tensors[i].name, i};
    if (f->count > 0) qsort(sorted, (size_t)f->count, sizeof *sorted, compare_named);
    for (int i = 0; i < f->count; i++) {
        if (i > 0 && strcmp(sorted[i - 1].name, sorted[i].name) == 0) {
            st = ito_error_set(err, ITO_E_FORMAT,
                               "%s: tensor \"%.200s\" occurs twice: the file is damaged, get it again",
                               f->path, sorted[i].name);
            goto done;
        }
        by_name[i] = sorted[i].number;
    }
    f->by_name = by_name;
    by_name = NULL;
done:
    ito__free(by_name);
    ito__free(sorted);
    return st;
}

void ito_tensor_file_close(ito_tensor_file *f) {
    if (f == NULL) return;
    ito__file_unmap(f->map, f->map_length);
    for (int i = 0; i < f->block_count; i++) ito__free(f->blocks[i]);
    ito__free(f->blocks);
    ito__free(f->guards);
    ito__free(f->by_name);
    ito__free(f->metadata);
    ito__free(f->origins);
    ito__free(f->tensors);
    ito__free(f->path);
    ito__free(f);
}

bool ito__checksum_fits(const unsigned char *data, size_t size, uint32_t crc) {
    return !ITO__CHECKSUMS_COUNT || crc32_z(crc32_z(0, NULL, 0), data, size) == crc;
}

/* The guard of the bytes at data: the last one that begins there or before. NULL if there is none. */
static ito__guard *find_guard(const ito_tensor_file *f, const unsigned char *data) {
    int low = 0, high = f->guard_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (f->guards[middle].data <= data)
            low = middle + 1;
        else
            high = middle;
    }
    ito__guard *g = low > 0 ? &f->guards[low - 1] : NULL;
    return g && (size_t)(data - g->data) < g->size ? g : NULL;
}

ito_status ito_tensor_file_check(ito_tensor_file *f, const ito_tensor *t, ito_error *err) {
    ito__guard *g = t->count > 0 ? find_guard(f, f->origins[t - f->tensors]) : NULL;
    if (!g || g->good) return ITO_OK;
    g->good = ito__checksum_fits(g->data, g->size, g->crc);
    if (g->good) return ITO_OK;
    return ito_error_set(
        err, ITO_E_FORMAT,
        "%s: the data of \"%.200s\" do not match their checksum: the file is damaged, get it "
        "again",
        f->path, t->name);
}

int ito_tensor_file_count(const ito_tensor_file *f) {
    return f->count;
}

const ito_tensor *ito_tensor_file_at(const ito_tensor_file *f, int i) {
    return i >= 0 && i < f->count ? &f->tensors[i] : NULL;
}

const ito_tensor *ito_tensor_file_find(const ito_tensor_file *f, const char *name) {
    int low = 0, high = f->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        const ito_tensor *t = &f->tensors[f->by_name[middle]];
        int order = strcmp(name, t->name);
        if (order == 0) return t;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *ito_tensor_file_metadata(const ito_tensor_file *f, const char *key) {
    for (int i = 0; i < f->metadata_count; i++)
        if (strcmp(f->metadata[i].key, key) == 0) return f->metadata[i].value;
    return NULL;
}

int ito_tensor_file_metadata_count(const ito_tensor_file *f) {
    return f->metadata_count;
}

ito_metadata ito_tensor_file_metadata_at(const ito_tensor_file *f, int i) {
    if (i < 0 || i >= f->metadata_count) return (ito_metadata){NULL, NULL};
    return f->metadata[i];
}
