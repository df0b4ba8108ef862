/* SPDX-License-Identifier: Apache-2.0
 *
 * What every reader of named tensors builds: a list of tensors, metadata pairs, and the memory behind them.
 *
 *   ito__tensor_file_create(path, &f, err);
 *   ito__tensor_file_take(f, block, err)  or  ito__tensor_file_map(f, err);      the data
 *   ito__tensor_file_add(f, &tensor, err) ...  ito__tensor_file_add_metadata(f, key, value, err) ...
 *   ito__tensor_file_finish(f, err);                                             now it may be handed out
 *
 * After any failure: ito_tensor_file_close(f), which also frees a half-built file. Names, keys and values are
 * copied; data is not, and must lie in a block taken or in the mapping.
 */
#ifndef ITO_FORMATS_TENSOR_FILE_H
#define ITO_FORMATS_TENSOR_FILE_H

#include <ito/formats.h>

/* Bytes of the mapping that the file has a checksum for. */
typedef struct ito__guard {
    const unsigned char *data;
    size_t size;
    uint32_t crc;
    bool good; /* compared before */
} ito__guard;

struct ito_tensor_file {
    char *path; /* for messages */
    ito_tensor *tensors;
    const void **origins; /* of each tensor: its data, or the mapped bytes that its data are a copy from */
    int count, capacity, origin_capacity;
    ito_metadata *metadata;
    int metadata_count, metadata_capacity;
    int *by_name;  /* tensor numbers sorted by name; NULL until finished */
    void **blocks; /* from ito__alloc; freed on close */
    int block_count, block_capacity;
    ito__guard *guards; /* sorted by place once finished */
    int guard_count, guard_capacity;
    void *map; /* the whole file, read-only; NULL if not mapped */
    size_t map_length;
};

ito_status ito__tensor_file_create(const char *path, ito_tensor_file **out, ito_error *err);
/* Maps the file at f->path: f->map, f->map_length. IO if it cannot; an empty file has map NULL, length 0. */
ito_status ito__tensor_file_map(ito_tensor_file *f, ito_error *err);
/* The file becomes the owner of block (from ito__alloc), on failure too: it is freed at once then. A NULL
 * block is NOMEM, so the result of an allocation may be passed on unchecked. */
ito_status ito__tensor_file_take(ito_tensor_file *f, void *block, ito_error *err);
/* Appends a copy of t (its count is computed from its dims here; data is borrowed). FORMAT if a dim is
 * negative or the size in bytes overflows, UNSUPPORTED beyond ITO_TENSOR_MAX_RANK. */
ito_status ito__tensor_file_add(ito_tensor_file *f, const ito_tensor *t, ito_error *err);
/* The same for data that are a copy from somewhere in the mapping. */
ito_status ito__tensor_file_add_copy(ito_tensor_file *f, const ito_tensor *t, const void *origin,
                                     ito_error *err);
ito_status ito__tensor_file_add_metadata(ito_tensor_file *f, const char *key, const char *value,
                                         ito_error *err);
/* Remembers a CRC-32 for ito_tensor_file_check. One of these bytes again is no harm. */
ito_status ito__tensor_file_guard(ito_tensor_file *f, const unsigned char *data, size_t size, uint32_t crc,
                                  ito_error *err);
/* Whether bytes have that CRC-32. */
bool ito__checksum_fits(const unsigned char *data, size_t size, uint32_t crc);
/* Sorts the names. FORMAT names a tensor that occurs twice. */
ito_status ito__tensor_file_finish(ito_tensor_file *f, ito_error *err);

/* count = product of dims; false when a dim is negative or count * size of dtype exceeds PTRDIFF_MAX. */
bool ito__tensor_count(const ito_tensor *t, int64_t *count);

#endif
