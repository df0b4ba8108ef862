/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy, and .npz: a zip of .npy arrays, through libzip. Entries are stored without compression and all carry
 * the same date, so equal arrays give equal files.
 */
#include "core/memory.h"
#include "formats/checksums.h"
#include "formats/files.h"
#include "formats/npy.h"
#include "formats/tensor_file.h"

#include <stdio.h>
#include <string.h>
#include <zip.h>

static const char suffix[] = ".npy";

enum {
    DOS_EPOCH = 1 << 5 | 1, /* 1 January 1980, as month << 5 | day */
    MAX_NAME = 1000,
    MOST_EXPANSION = 1032 /* deflate's limit */
};

static ito_status no_memory(const char *path, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out: use fewer or smaller arrays", path);
}

/* ---- writing ---- */

/* The header of an array, kept until libzip has read it. */
typedef struct npy_header {
    char text[ITO__NPY_HEADER_MAX];
    size_t length;
} npy_header;

static ito_status add_array(zip_t *zip, const char *path, const ito_tensor *t, const npy_header *header,
                            ito_error *err) {
    char name[MAX_NAME + sizeof suffix];
    zip_error_t error;
    /* libzip's fragments are not const although it only reads them: hence the casts. */
    zip_buffer_fragment_t parts[2] = {
        {(zip_uint8_t *)(uintptr_t)header->text, header->length},
        {(zip_uint8_t *)(uintptr_t)t->data, (size_t)t->count * ito_dtype_size(t->dtype)},
    };
    if (strlen(t->name) > MAX_NAME)
        return ito_error_set(err, ITO_E_ARG, "%s: the name \"%.40s...\" is too long: use at most %d letters",
                             path, t->name, MAX_NAME);
    snprintf(name, sizeof name, "%s%s", t->name, suffix);
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_fragment_create(parts, t->count > 0 ? 2 : 1, 0, &error);
    zip_error_fini(&error);
    if (source == NULL) return no_memory(path, err);
    zip_int64_t index = zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source); /* zip_file_add owns it on success only */
        return ito_error_set(err, ITO_E_ARG, "%s: array \"%.200s\" cannot be added (%s): use another name",
                             path, t->name, zip_strerror(zip));
    }
    if (zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)index, 0, DOS_EPOCH, 0) != 0)
        return no_memory(path, err);
    return ITO_OK;
}

/* Copies the finished archive from memory to its file. */
static ito_status write_archive(zip_source_t *archive, const char *path, ito_error *err) {
    enum { CHUNK = 1 << 16 };
    ito__output o = {0};
    ito_status st;
    zip_int64_t n = 0;
    bool opened = false;
    char *chunk = ito__alloc(CHUNK, 1);
    if (chunk == NULL || zip_source_open(archive) != 0) {
        st = no_memory(path, err);
        goto done;
    }
    opened = true;
    if ((st = ito__output_open(&o, path, err)) != ITO_OK) goto done;
    while ((n = zip_source_read(archive, chunk, CHUNK)) > 0)
        if ((st = ito__output_write(&o, chunk, (size_t)n, err)) != ITO_OK) goto done;
    st = n < 0 ? no_memory(path, err) : ito__output_commit(&o, err);
done:
    ito__output_release(&o);
    if (opened) zip_source_close(archive);
    ito__free(chunk);
    return st;
}

static ito_status check_array(const char *path, const ito_tensor *t, ito_error *err) {
    int64_t count;
    if (t->rank >= 0 && t->rank <= ITO_TENSOR_MAX_RANK && (unsigned)t->dtype < ITO_DTYPE_COUNT &&
        ito__tensor_count(t, &count) && count == t->count)
        return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "%s: shape and count of array \"%.200s\" disagree: correct the call",
                         path, t->name);
}

ito_status ito_npz_write(const char *path, int n, const ito_tensor *arrays, ito_error *err) {
    zip_error_t error;
    zip_t *zip = NULL;
    ito_status st = ITO_OK;
    if (n < 1)
        return ito_error_set(err, ITO_E_ARG, "%s: there is no array to write: give at least one", path);
    zip_error_init(&error);
    npy_header *headers = ito__calloc((size_t)n, sizeof *headers);
    zip_source_t *archive = zip_source_buffer_create(NULL, 0, 0, &error);
    if (headers == NULL || archive == NULL) {
        st = no_memory(path, err);
        goto done;
    }
    zip_source_keep(archive); /* one reference is the zip's, one ours */
    zip = zip_open_from_source(archive, ZIP_TRUNCATE, &error);
    if (zip == NULL) {
        zip_source_free(archive);
        st = no_memory(path, err);
        goto done;
    }
    for (int i = 0; i < n; i++) {
        if ((st = check_array(path, &arrays[i], err)) != ITO_OK) goto done;
        if ((st = ito__npy_header(path, &arrays[i], headers[i].text, &headers[i].length, err)) != ITO_OK)
            goto done;
        if ((st = add_array(zip, path, &arrays[i], &headers[i], err)) != ITO_OK) goto done;
    }
    if (zip_close(zip) != 0) {
        st = no_memory(path, err);
        goto done;
    }
    zip = NULL;
    st = write_archive(archive, path, err);
done:
    if (zip != NULL) zip_discard(zip);
    if (archive != NULL) zip_source_free(archive);
    ito__free(headers);
    zip_error_fini(&error);
    return st;
}

ito_status ito_npy_write(const char *path, const ito_tensor *array, ito_error *err) {
    npy_header header;
    ito__output o = {0};
    ito_status st;
    if ((st = check_array(path, array, err)) != ITO_OK) return st;
    if ((st = ito__npy_header(path, array, header.text, &header.length, err)) != ITO_OK) return st;
    const size_t bytes = (size_t)array->count * ito_dtype_size(array->dtype);
    if ((st = ito__output_open(&o, path, err)) == ITO_OK)
        st = ito__output_write(&o, header.text, header.length, err);
    if (st == ITO_OK && bytes > 0) st = ito__output_write(&o, array->data, bytes, err);
    if (st == ITO_OK) st = ito__output_commit(&o, err);
    ito__output_release(&o);
    return st;
}

/* ---- reading ---- */

static ito_status unreadable(const char *path, const char *reason, ito_error *err) {
    return ito_error_set(err, ITO_E_FORMAT,
                         "%s: cannot be read as .npz (%s): it is damaged or something else, get it "
                         "again",
                         path, reason);
}

/* Unpacks an entry into a block that the file owns. libzip compares the checksum at the entry's end. */
static ito_status unpack(zip_t *zip, zip_uint64_t index, size_t size, ito_tensor_file *f, unsigned char **out,
                         ito_error *err) {
    unsigned char *block = ito__alloc(size, 1), extra;
    size_t done = 0;
    zip_int64_t n = 0;
    ito_status st;
    if ((st = ito__tensor_file_take(f, block, err)) != ITO_OK) return st;
    zip_file_t *entry = zip_fopen_index(zip, index, 0);
    if (entry == NULL) return unreadable(f->path, zip_strerror(zip), err);
    while (done < size && (n = zip_fread(entry, block + done, size - done)) > 0) done += (size_t)n;
    if (n >= 0) n = zip_fread(entry, &extra, 1);
    if (n < 0 && !ITO__CHECKSUMS_COUNT && zip_error_code_zip(zip_file_get_error(entry)) == ZIP_ER_CRC) n = 0;
    if (done < size || n != 0)
        st = unreadable(f->path, n < 0 ? zip_file_strerror(entry) : "an entry's length", err);
    zip_fclose(entry);
    *out = block;
    return st;
}

static ito_status read_array(zip_t *zip, zip_uint64_t index, ito_tensor_file *f, ito_error *err) {
    zip_stat_t entry;
    char name[MAX_NAME + 1];
    unsigned char *bytes = NULL;
    ito_tensor t = {.name = name};
    ito_status st;
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if (zip_stat_index(zip, index, 0, &entry) != 0 || (entry.valid & needed) != needed)
        return unreadable(f->path, zip_strerror(zip), err);
    size_t length = strlen(entry.name), tail = strlen(suffix);
    if (length <= tail || length - tail > MAX_NAME || strcmp(entry.name + length - tail, suffix) != 0)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: its entry \"%.200s\" is no .npy array: check that it is an .npz", f->path,
                             entry.name);
    if (entry.comp_size > f->map_length || entry.size / MOST_EXPANSION > entry.comp_size)
        return unreadable(f->path, "an entry is larger than the file can hold", err);
    memcpy(name, entry.name, length - tail);
    name[length - tail] = '\0';
    if ((st = unpack(zip, index, (size_t)entry.size, f, &bytes, err)) != ITO_OK) return st;
    if ((st = ito__npy_parse(f->path, bytes, (size_t)entry.size, &t, err)) != ITO_OK) return st;
    return ito__tensor_file_add(f, &t, err);
}

static ito_status read_archive(ito_tensor_file *f, ito_error *err) {
    zip_error_t error;
    zip_t *zip = NULL;
    ito_status st;
    zip_error_init(&error);
    if ((st = ito__tensor_file_map(f, err)) != ITO_OK) goto done;
    if (f->map_length == 0) { /* libzip takes nothing for an archive of nothing */
        st = unreadable(f->path, "it is empty", err);
        goto done;
    }
    zip_source_t *archive = zip_source_buffer_create(f->map, f->map_length, 0, &error);
    if (archive == NULL) {
        st = no_memory(f->path, err);
        goto done;
    }
    zip = zip_open_from_source(archive, ZIP_RDONLY, &error);
    if (zip == NULL) {
        zip_source_free(archive);
        st = unreadable(f->path, zip_error_strerror(&error), err);
        goto done;
    }
    zip_int64_t n = zip_get_num_entries(zip, 0);
    for (zip_int64_t i = 0; i < n; i++)
        if ((st = read_array(zip, (zip_uint64_t)i, f, err)) != ITO_OK) goto done;
    st = ito__tensor_file_finish(f, err);
done:
    if (zip != NULL) zip_discard(zip);
    zip_error_fini(&error);
    return st;
}

ito_status ito_npz_open(const char *path, ito_tensor_file **out, ito_error *err) {
    ito_tensor_file *f = NULL;
    ito_status st;
    *out = NULL;
    if ((st = ito__tensor_file_create(path, &f, err)) != ITO_OK) return st;
    if ((st = read_archive(f, err)) != ITO_OK) {
        ito_tensor_file_close(f);
        return st;
    }
    *out = f;
    return ITO_OK;
}

ito_status ito_npy_open(const char *path, const char *name, ito_tensor_file **out, ito_error *err) {
    ito_tensor_file *f = NULL;
    ito_tensor t = {.name = name};
    ito_status st;
    *out = NULL;
    if ((st = ito__tensor_file_create(path, &f, err)) != ITO_OK) return st;
    if ((st = ito__tensor_file_map(f, err)) != ITO_OK) goto done;
    if (f->map_length == 0) {
        st = ito_error_set(err, ITO_E_FORMAT, "%s: is empty, expected a .npy array: get it again", path);
        goto done;
    }
    if ((st = ito__npy_parse(path, f->map, f->map_length, &t, err)) != ITO_OK) goto done;
    if ((st = ito__tensor_file_add(f, &t, err)) != ITO_OK) goto done;
    if ((st = ito__tensor_file_finish(f, err)) != ITO_OK) goto done;
    *out = f;
    f = NULL;
done:
    ito_tensor_file_close(f);
    return st;
}
