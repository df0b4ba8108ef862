/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX, the format of the MNIST family: two zero bytes, a type (8: unsigned byte), the rank, big-endian 32-bit
 * dimensions, the values; as it is or through gzip.
 */
#include "core/memory.h"
#include "formats/files.h"

#include <ito/formats.h>
#include <limits.h>
#include <unistd.h>
#include <zlib.h>

enum {
    UNSIGNED_BYTE = 8,
    MAX_RANK = 3,
    /* Deflate cannot shrink data more than 1032 times: dimensions beyond that are lies, not worth allocating.
     */
    MOST_EXPANSION = 1032
};

static ito_status cut_short(const char *path, ito_error *err) {
    return ito_error_set(err, ITO_E_FORMAT, "%s: ends before its last value: it is cut short, get it again",
                         path);
}

/* Reads exactly `length` bytes. */
static ito_status read_exactly(gzFile in, const char *path, void *out, size_t length, ito_error *err) {
    unsigned char *next = out;
    while (length > 0) {
        int n = gzread(in, next, length < INT_MAX ? (unsigned)length : INT_MAX);
        if (n <= 0) {
            int code = Z_OK;
            const char *reason = gzerror(in, &code);
            if (code == Z_OK || code == Z_BUF_ERROR) return cut_short(path, err);
            if (code == Z_MEM_ERROR)
                return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to unpack it: close other programs",
                                     path);
            return ito_error_set(err, ITO_E_FORMAT, "%s: cannot be unpacked (%.200s): get it again", path,
                                 reason);
        }
        next += n;
        length -= (size_t)n;
    }
    return ITO_OK;
}

static ito_status read_header(gzFile in, const char *path, size_t file_length, int *rank,
                              int64_t dims[MAX_RANK], size_t *size, ito_error *err) {
    unsigned char magic[4], word[4];
    ito_status st;
    if ((st = read_exactly(in, path, magic, sizeof magic, err)) != ITO_OK) return st;
    if (magic[0] != 0 || magic[1] != 0 || magic[2] != UNSIGNED_BYTE || magic[3] < 1 || magic[3] > MAX_RANK)
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: begins with %02x %02x %02x %02x, expected 00 00 08 and a rank of 1 to 3: check that "
            "it is an IDX file of unsigned bytes",
            path, magic[0], magic[1], magic[2], magic[3]);
    *rank = magic[3];
    *size = 1;
    for (int k = 0; k < MAX_RANK; k++) dims[k] = 1;
    for (int k = 0; k < *rank; k++) {
        if ((st = read_exactly(in, path, word, sizeof word, err)) != ITO_OK) return st;
        dims[k] = (int64_t)word[0] << 24 | (int64_t)word[1] << 16 | (int64_t)word[2] << 8 | word[3];
        if (!ito__mul_size(*size, (size_t)dims[k], size) || *size / MOST_EXPANSION > file_length)
            return ito_error_set(
                err, ITO_E_FORMAT,
                "%s: promises more values than its %zu bytes can hold: it is damaged, get it again", path,
                file_length);
    }
    return ITO_OK;
}

static ito_status read_values(gzFile in, const char *path, size_t size, uint8_t *values, ito_error *err) {
    unsigned char extra;
    ito_status st;
    if ((st = read_exactly(in, path, values, size, err)) != ITO_OK) return st;
    /* Reading on to the end makes zlib check the length and checksum that close the file. */
    int n = gzread(in, &extra, 1);
    if (n > 0)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: goes on after its last value: it is damaged, get it again", path);
    if (n < 0)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: its checksum does not match: it is damaged, get it again", path);
    return ITO_OK;
}

ito_status ito_idx_read(const char *path, int *rank, int64_t dims[3], uint8_t **bytes, ito_error *err) {
    int fd = -1, read_rank = 0;
    int64_t read_dims[MAX_RANK];
    size_t file_length = 0, size = 0;
    uint8_t *values = NULL;
    gzFile in = NULL;
    ito_status st;
    *bytes = NULL;
    if ((st = ito__file_open(path, &fd, &file_length, err)) != ITO_OK) return st;
    in = gzdopen(fd, "rb"); /* reads plain files as they are */
    if (in == NULL) {
        close(fd);
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to unpack it: close other programs", path);
    }
    if ((st = read_header(in, path, file_length, &read_rank, read_dims, &size, err)) != ITO_OK) goto done;
    values = ito__alloc(size, 1);
    if (values == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its %zu bytes: close other programs", path,
                           size);
        goto done;
    }
    if ((st = read_values(in, path, size, values, err)) != ITO_OK) goto done;
    /* Z_BUF_ERROR: the gzip stream stops before its trailer. */
    int closed = gzclose_r(in);
    in = NULL;
    if (closed != Z_OK) {
        st = cut_short(path, err);
        goto done;
    }
    *rank = read_rank;
    for (int k = 0; k < MAX_RANK; k++) dims[k] = read_dims[k];
    *bytes = values;
    values = NULL;
done:
    if (in != NULL) gzclose_r(in);
    ito__free(values);
    return st;
}
