/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets in the files of MNIST: images and labels of each split as IDX, gzip or plain.
 */
#include "core/memory.h"
#include "data/catalog.h"

#include <string.h>
#include <unistd.h>

/* folder/name, or without its ".gz" if only the unpacked file is there. */
static ito_status locate(const ito__source *s, const char *folder, const char *name,
                         char path[ITO__FILE_PATH], ito_error *err) {
    ito_status st = ito__source_path(folder, name, path, err);
    if (st != ITO_OK || access(path, F_OK) == 0) return st;
    char *ending = path + strlen(path) - strlen(".gz");
    *ending = '\0';
    if (access(path, F_OK) == 0) return ITO_OK;
    *ending = '.';
    return ito__source_missing(s, path, "the folder that has it", err);
}

/* Reads one file of the given rank. */
static ito_status read_idx(const ito__source *s, const char *path, int rank, int64_t dims[3], uint8_t **bytes,
                           ito_error *err) {
    ito_error inner;
    int got = 0;
    ito_status st = ito_idx_read(path, &got, dims, bytes, &inner);
    if (st != ITO_OK) return ito_error_set(err, st, "%.800s (%s)", inner.message, s->again);
    if (got == rank) return ITO_OK;
    ito__free(*bytes);
    *bytes = NULL;
    return ito_error_set(err, ITO_E_FORMAT, "%s: has %d dimensions, expected %d: %s", path, got, rank,
                         s->again);
}

static ito_status check(const ito__source *s, const char *path, const int64_t dims[3], int64_t label_count,
                        const uint8_t *labels, ito_error *err) {
    if (dims[0] != label_count || dims[0] < 1 || dims[1] < 1 || dims[2] < 1)
        return ito_error_set(err, ITO_E_FORMAT, "%s: holds %lld labels for %lld images of %lld x %lld: %s",
                             path, (long long)label_count, (long long)dims[0], (long long)dims[1],
                             (long long)dims[2], s->again);
    for (int64_t i = 0; i < label_count; i++) {
        if (labels[i] >= s->classes)
            return ito_error_set(err, ITO_E_FORMAT, "%s: label %lld is %d, expected 0 to %lld: %s", path,
                                 (long long)i, labels[i], (long long)s->classes - 1, s->again);
    }
    return ITO_OK;
}

ito_status ito__idx_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                             const char *split, ito__raw *out, ito_error *err) {
    char images[ITO__FILE_PATH], classes[ITO__FILE_PATH];
    int64_t dims[3], label_dims[3];
    uint8_t *labels = NULL;
    const char *const *files = strcmp(split, "train") == 0 ? s->train : s->test;
    ito_status st;
    (void)config;
    if ((st = locate(s, path, files[0], images, err)) != ITO_OK) return st;
    if ((st = locate(s, path, files[1], classes, err)) != ITO_OK) return st;
    if ((st = read_idx(s, images, 3, dims, &out->pixels, err)) != ITO_OK) return st;
    if ((st = read_idx(s, classes, 1, label_dims, &labels, err)) != ITO_OK) return st;
    if ((st = check(s, classes, dims, label_dims[0], labels, err)) == ITO_OK) {
        out->n = dims[0];
        out->first = ito__picture_of(out->pixels, dims[1], dims[2], 1, true);
        st = ito__raw_label(out, labels, s->classes, err);
    }
    ito__free(labels);
    return st;
}
