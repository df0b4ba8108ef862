/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors: 8 bytes little-endian header length N, N bytes of JSON, then the tensors' bytes.
 *
 * The header is one object: name -> {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, offsets
 * counted from the end of the header, and "__metadata__" -> object of strings. The tensors must tile the data
 * exactly, without holes or overlaps, so a file cut short or glued together is noticed on opening.
 * Source: the format description of huggingface/safetensors.
 * Our files: header padded with spaces until the data begin at a multiple of 64 bytes.
 */
#include "formats/safetensors.h"
#include "core/memory.h"
#include "formats/files.h"
#include "formats/tensor_file.h"

#include <cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char metadata_key[] = "__metadata__";
static const size_t max_header = 100 << 20; /* the limit of the format's own reader */
static const double max_offset = 0x1p53;    /* JSON numbers are doubles: beyond this they skip integers */

enum { PREFIX = 8, DATA_ALIGNMENT = 64 };

/* ---- reading ---- */

static ito_status damaged(const char *path, const char *name, const char *what, ito_error *err) {
    return ito_error_set(err, ITO_E_FORMAT, "%s: tensor \"%.200s\" %s: the file is damaged, get it again",
                         path, name, what);
}

static bool read_integer(const cJSON *item, int64_t *out) {
    if (!cJSON_IsNumber(item)) return false;
    double value = item->valuedouble;
    if (!(value >= 0 && value <= max_offset) || value != floor(value)) return false;
    *out = (int64_t)value;
    return true;
}

static bool read_dtype(const cJSON *item, ito_dtype *out) {
    if (!cJSON_IsString(item)) return false;
    if (strcmp(item->valuestring, "BOOL") == 0) { /* bytes 0 and 1 */
        *out = ITO_DTYPE_U8;
        return true;
    }
    for (int k = 0; k < ITO_DTYPE_COUNT; k++) {
        if (strcmp(item->valuestring, ito_dtype_name((ito_dtype)k)) == 0) {
            *out = (ito_dtype)k;
            return true;
        }
    }
    return false;
}

static ito_status read_shape(const char *path, const cJSON *entry, ito_tensor *t, ito_error *err) {
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *item;
    if (!cJSON_IsArray(shape)) return damaged(path, t->name, "has no shape", err);
    t->rank = 0;
    cJSON_ArrayForEach(item, shape) {
        if (t->rank == ITO_TENSOR_MAX_RANK)
            return ito_error_set(
                err, ITO_E_UNSUPPORTED,
                "%s: tensor \"%.200s\" has more than %d dimensions: reshape it before storing", path, t->name,
                ITO_TENSOR_MAX_RANK);
        if (!read_integer(item, &t->dim[t->rank])) return damaged(path, t->name, "has a bad shape", err);
        t->rank++;
    }
    return ITO_OK;
}

/* Header entry -> tensor whose bytes are checked to lie within `data`. */
static ito_status read_tensor(const char *path, const cJSON *entry, const unsigned char *data, size_t length,
                              ito_tensor *t, ito_error *err) {
    int64_t begin, end;
    ito_status st;
    *t = (ito_tensor){.name = entry->string};
    if (!cJSON_IsObject(entry)) return damaged(path, t->name, "is not described by an object", err);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    if (!read_dtype(dtype, &t->dtype))
        return ito_error_set(
            err, cJSON_IsString(dtype) ? ITO_E_UNSUPPORTED : ITO_E_FORMAT,
            "%s: tensor \"%.200s\" has dtype \"%.20s\": store it as F64, F32, F16, BF16, I64, I32, U8 or "
            "BOOL",
            path, t->name, cJSON_IsString(dtype) ? dtype->valuestring : "none");
    if ((st = read_shape(path, entry, t, err)) != ITO_OK) return st;
    if (!ito__tensor_count(t, &t->count)) return damaged(path, t->name, "has an impossible shape", err);

    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !read_integer(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !read_integer(cJSON_GetArrayItem(offsets, 1), &end))
        return damaged(path, t->name, "has bad data offsets", err);
    if (begin > end || (uint64_t)end > length)
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: tensor \"%.200s\" is at bytes %lld to %lld of %zu: the file is cut short or damaged, "
            "get it again",
            path, t->name, (long long)begin, (long long)end, length);
    if (end - begin != t->count * (int64_t)ito_dtype_size(t->dtype))
        return damaged(path, t->name, "has a size other than its shape says", err);
    t->data = data + begin;
    return ITO_OK;
}

static ito_status read_metadata(ito_tensor_file *f, const cJSON *pairs, ito_error *err) {
    const cJSON *pair;
    ito_status st;
    if (!cJSON_IsObject(pairs) || f->metadata_count > 0)
        return ito_error_set(err, ITO_E_FORMAT, "%s: its metadata are no single object: get the file again",
                             f->path);
    cJSON_ArrayForEach(pair, pairs) {
        if (!cJSON_IsString(pair))
            return ito_error_set(err, ITO_E_FORMAT,
                                 "%s: metadata \"%.200s\" is no string: get the file again", f->path,
                                 pair->string);
        if ((st = ito__tensor_file_add_metadata(f, pair->string, pair->valuestring, err)) != ITO_OK)
            return st;
    }
    return ITO_OK;
}

static int by_begin(const void *a, const void *b) {
    const ito_tensor *s = *(const ito_tensor *const *)a, *t = *(const ito_tensor *const *)b;
    const unsigned char *x = s->data, *y = t->data;
    if (x != y) return x < y ? -1 : 1;
    /* An empty tensor goes before the one that begins where it lies. */
    return (s->count > 0) - (t->count > 0);
}

/* Together the tensors cover the data once. */
static ito_status check_tiling(const ito_tensor_file *f, const unsigned char *data, size_t length,
                               ito_error *err) {
    ito_status st = ITO_OK;
    const unsigned char *end = data;
    const ito_tensor **order = ito__alloc((size_t)f->count, sizeof *order);
    if (order == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                             f->path);
    for (int i = 0; i < f->count; i++) order[i] = &f->tensors[i];
    if (f->count > 0) qsort(order, (size_t)f->count, sizeof *order, by_begin);
    for (int i = 0; i < f->count; i++) {
        const unsigned char *begin = order[i]->data;
        if (begin != end) {
            st = damaged(f->path, order[i]->name,
                         begin < end ? "overlaps another" : "follows a hole in the data", err);
            goto done;
        }
        end = begin + (size_t)order[i]->count * ito_dtype_size(order[i]->dtype);
    }
    if (end != data + length)
        st = ito_error_set(err, ITO_E_FORMAT,
                           "%s: has %zu bytes after its last tensor: the file is damaged, get it "
                           "again",
                           f->path, (size_t)(data + length - end));
done:
    ito__free(order);
    return st;
}

/* The header's JSON, or NULL after setting err. The text must end with the object, but for padding. */
static cJSON *parse_header(const char *path, const char *text, size_t length, ito_error *err) {
    const char *end = NULL;
    cJSON *header = cJSON_ParseWithLengthOpts(text, length, &end, false);
    bool good = cJSON_IsObject(header);
    for (; good && end < text + length; end++)
        good = *end == ' ' || *end == '\n' || *end == '\t' || *end == '\r';
    if (good) return header;
    cJSON_Delete(header);
    ito_error_set(err, ITO_E_FORMAT, "%s: its header is no JSON object: check that it is a safetensors file",
                  path);
    return NULL;
}

static ito_status read_file(ito_tensor_file *f, cJSON **header, ito_error *err) {
    ito_status st;
    const cJSON *entry;
    uint64_t header_length = 0;
    if ((st = ito__tensor_file_map(f, err)) != ITO_OK) return st;
    if (f->map_length < PREFIX + 2)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: is %zu bytes long, too short for a safetensors file: get it again", f->path,
                             f->map_length);
    const unsigned char *bytes = f->map;
    memcpy(&header_length, bytes, PREFIX);
    if (header_length > max_header)
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: its header would be %llu bytes, at most %zu are allowed: check that it is a "
            "safetensors file",
            f->path, (unsigned long long)header_length, max_header);
    if (header_length > f->map_length - PREFIX)
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: ends within its header, after %zu of %llu bytes: it is cut short, get it again", f->path,
            f->map_length - PREFIX, (unsigned long long)header_length);
    *header = parse_header(f->path, (const char *)bytes + PREFIX, (size_t)header_length, err);
    if (*header == NULL) return ITO_E_FORMAT;

    const unsigned char *data = bytes + PREFIX + header_length;
    size_t length = f->map_length - PREFIX - (size_t)header_length;
    cJSON_ArrayForEach(entry, *header) {
        ito_tensor t;
        if (strcmp(entry->string, metadata_key) == 0) {
            if ((st = read_metadata(f, entry, err)) != ITO_OK) return st;
            continue;
        }
        if ((st = read_tensor(f->path, entry, data, length, &t, err)) != ITO_OK) return st;
        if ((st = ito__tensor_file_add(f, &t, err)) != ITO_OK) return st;
    }
    if ((st = check_tiling(f, data, length, err)) != ITO_OK) return st;
    return ito__tensor_file_finish(f, err);
}

ito_status ito_safetensors_open(const char *path, ito_tensor_file **out, ito_error *err) {
    ito_tensor_file *f = NULL;
    cJSON *header = NULL;
    ito_status st;
    *out = NULL;
    if ((st = ito__tensor_file_create(path, &f, err)) != ITO_OK) return st;
    if ((st = read_file(f, &header, err)) != ITO_OK) goto done;
    *out = f;
    f = NULL;
done:
    cJSON_Delete(header);
    ito_tensor_file_close(f);
    return st;
}

/* ---- writing ---- */

static int compare_strings(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names are keys of one JSON object, so they must differ. */
static ito_status check_names(const char *path, const char **names, int n, ito_error *err) {
    if (n > 0) qsort(names, (size_t)n, sizeof *names, compare_strings);
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], metadata_key) == 0)
            return ito_error_set(err, ITO_E_ARG,
                                 "%s: a tensor is named %s, which the format reserves: rename it", path,
                                 metadata_key);
        if (i > 0 && strcmp(names[i - 1], names[i]) == 0)
            return ito_error_set(err, ITO_E_ARG, "%s: the name \"%.200s\" is given twice: rename one", path,
                                 names[i]);
    }
    return ITO_OK;
}

static ito_status check_tensors(const char *path, int n, const ito_tensor *tensors, int n_metadata,
                                const ito_metadata *metadata, ito_error *err) {
    ito_status st = ITO_OK;
    const char **names = ito__alloc((size_t)(n > n_metadata ? n : n_metadata), sizeof *names);
    if (names == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write it: close other programs", path);
    for (int i = 0; i < n; i++) {
        const ito_tensor *t = &tensors[i];
        int64_t count;
        if (t->rank < 0 || t->rank > ITO_TENSOR_MAX_RANK || (unsigned)t->dtype >= ITO_DTYPE_COUNT ||
            !ito__tensor_count(t, &count) || count != t->count) {
            st = ito_error_set(err, ITO_E_ARG,
                               "%s: shape and count of tensor \"%.200s\" disagree: correct the call", path,
                               t->name);
            goto done;
        }
        names[i] = t->name;
    }
    if ((st = check_names(path, names, n, err)) != ITO_OK) goto done;
    for (int i = 0; i < n_metadata; i++) names[i] = metadata[i].key;
    st = check_names(path, names, n_metadata, err);
done:
    ito__free(names);
    return st;
}

/* Adds one tensor's entry and moves *offset past its bytes. False when out of memory. */
static bool describe(cJSON *header, const ito_tensor *t, int64_t *offset) {
    int64_t end = *offset + t->count * (int64_t)ito_dtype_size(t->dtype);
    cJSON *entry = cJSON_AddObjectToObject(header, t->name);
    if (cJSON_AddStringToObject(entry, "dtype", ito_dtype_name(t->dtype)) == NULL) return false;
    cJSON *shape = cJSON_AddArrayToObject(entry, "shape");
    if (shape == NULL) return false;
    for (int k = 0; k < t->rank; k++)
        if (!cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)t->dim[k]))) return false;
    cJSON *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
    if (offsets == NULL) return false;
    if (!cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)*offset))) return false;
    if (!cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)end))) return false;
    *offset = end;
    return true;
}

/* The JSON text of the header, cJSON_free; NULL when out of memory. */
static char *print_header(int n, const ito_tensor *tensors, int n_metadata, const ito_metadata *metadata) {
    char *text = NULL;
    int64_t offset = 0;
    cJSON *header = cJSON_CreateObject();
    if (header == NULL) goto done;
    if (n_metadata > 0) {
        cJSON *pairs = cJSON_AddObjectToObject(header, metadata_key);
        for (int i = 0; i < n_metadata; i++)
            if (cJSON_AddStringToObject(pairs, metadata[i].key, metadata[i].value) == NULL) goto done;
    }
    for (int i = 0; i < n; i++)
        if (!describe(header, &tensors[i], &offset)) goto done;
    text = cJSON_PrintUnformatted(header);
done:
    cJSON_Delete(header);
    return text;
}

ito_status ito__safetensors_header(const char *path, int n, const ito_tensor *tensors, int n_metadata,
                                   const ito_metadata *metadata, unsigned char **out, size_t *length,
                                   ito_error *err) {
    char *text = NULL;
    unsigned char *header = NULL;
    ito_status st;
    if ((st = check_tensors(path, n, tensors, n_metadata, metadata, err)) != ITO_OK) return st;
    text = print_header(n, tensors, n_metadata, metadata);
    size_t used = text ? strlen(text) : 0, over = (PREFIX + used) % DATA_ALIGNMENT;
    uint64_t padded = used + (over == 0 ? 0 : DATA_ALIGNMENT - over);
    header = text ? ito__alloc(PREFIX + (size_t)padded, 1) : NULL;
    if (header == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write it: close other programs", path);
        goto done;
    }
    memcpy(header, &padded, PREFIX);
    memcpy(header + PREFIX, text, used);
    memset(header + PREFIX + used, ' ', (size_t)padded - used);
    *out = header;
    *length = PREFIX + (size_t)padded;
done:
    cJSON_free(text);
    return st;
}

ito_status ito__safetensors_put(ito__output *o, int n, const ito_tensor *tensors, int n_metadata,
                                const ito_metadata *metadata, ito_error *err) {
    unsigned char *header = NULL;
    size_t length = 0;
    ito_status st = ito__safetensors_header(o->path, n, tensors, n_metadata, metadata, &header, &length, err);
    if (st != ITO_OK) return st;
    if ((st = ito__output_write(o, header, length, err)) != ITO_OK) goto done;
    for (int i = 0; i < n; i++) {
        size_t bytes = (size_t)tensors[i].count * ito_dtype_size(tensors[i].dtype);
        if ((st = ito__output_write(o, tensors[i].data, bytes, err)) != ITO_OK) goto done;
    }
done:
    ito__free(header);
    return st;
}

ito_status ito_safetensors_write(const char *path, int n, const ito_tensor *tensors, int n_metadata,
                                 const ito_metadata *metadata, ito_error *err) {
    ito__output o = {0};
    ito_status st = ito__output_open(&o, path, err);
    if (st == ITO_OK) st = ito__safetensors_put(&o, n, tensors, n_metadata, metadata, err);
    if (st == ITO_OK) st = ito__output_commit(&o, err);
    ito__output_release(&o);
    return st;
}
