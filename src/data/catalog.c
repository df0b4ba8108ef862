/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding and reading the files of a named data set.
 */
#include "data/catalog.h"

#include "core/memory.h"

#include <ito/data.h>
#include <ito/formats.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const ito__source sources[] = {
    {
        .name = "fashion_mnist",
        .classes = 10,
        .folder = "/usr/share/datasets/fashion-mnist",
        .package = "dataset-fashion-mnist",
        .train = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
        .test = {"t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"},
    },
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

const char *ito_dataset_name(int index) {
    return index >= 0 && index < SOURCES ? sources[index].name : NULL;
}

ito_status ito__source_find(const char *name, const ito__source **out, ito_error *err) {
    char known[256] = "";
    for (int i = 0; i < SOURCES; i++) {
        if (strcmp(sources[i].name, name) == 0) {
            *out = &sources[i];
            return ITO_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", sources[i].name);
    }
    return ito_error_set(err, ITO_E_ARG, "data.dataset: \"%.64s\" is not known: use one of %s", name, known);
}

/* folder/name, or without its ".gz" if only the unpacked file is there. */
static ito_status locate(const ito__source *source, const char *folder, const char *name, char *path,
                         size_t room, ito_error *err) {
    int length = snprintf(path, room, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= room)
        return ito_error_set(err, ITO_E_ARG, "data.path: is longer than %zu letters: use a shorter one",
                             room);
    if (access(path, F_OK) == 0) return ITO_OK;
    path[length - (int)strlen(".gz")] = '\0';
    if (access(path, F_OK) == 0) return ITO_OK;
    path[length - (int)strlen(".gz")] = '.';
    return ito_error_set(
        err, ITO_E_IO,
        "%s: is missing: get it with \"apt-get install %s\", or set data.path to the folder that "
        "has it",
        path, source->package);
}

/* Reads one IDX file of the given rank. */
static ito_status read_idx(const ito__source *source, const char *path, int rank, int64_t dims[3],
                           uint8_t **bytes, ito_error *err) {
    ito_error inner;
    int got = 0;
    ito_status st = ito_idx_read(path, &got, dims, bytes, &inner);
    if (st != ITO_OK)
        return ito_error_set(err, st, "%.800s (\"apt-get install --reinstall %s\")", inner.message,
                             source->package);
    if (got == rank) return ITO_OK;
    ito__free(*bytes);
    *bytes = NULL;
    return ito_error_set(
        err, ITO_E_FORMAT,
        "%s: has %d dimensions, expected %d: get it again with \"apt-get install --reinstall %s\"", path, got,
        rank, source->package);
}

ito_status ito__source_read(const ito__source *source, const char *folder, const char *split,
                            ito__raw_images *out, ito_error *err) {
    char path[2][1200];
    int64_t dims[3], label_dims[3];
    uint8_t *pixels = NULL, *labels = NULL;
    const char *const *files = strcmp(split, "train") == 0 ? source->train : source->test;
    ito_status st;
    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
        return ito_error_set(err, ITO_E_ARG, "split: \"%.64s\" is not known: use train or test", split);
    if (folder[0] == '\0') folder = source->folder;
    for (int k = 0; k < 2; k++)
        if ((st = locate(source, folder, files[k], path[k], sizeof path[k], err)) != ITO_OK) goto done;
    if ((st = read_idx(source, path[0], 3, dims, &pixels, err)) != ITO_OK) goto done;
    if ((st = read_idx(source, path[1], 1, label_dims, &labels, err)) != ITO_OK) goto done;
    if (dims[0] != label_dims[0] || dims[0] < 1 || dims[1] < 1 || dims[2] < 1) {
        st = ito_error_set(
            err, ITO_E_FORMAT,
            "%s: holds %lld labels for %lld images of %lld x %lld: get both files again with \"apt-get "
            "install --reinstall %s\"",
            path[1], (long long)label_dims[0], (long long)dims[0], (long long)dims[1], (long long)dims[2],
            source->package);
        goto done;
    }
    for (int64_t i = 0; i < dims[0]; i++) {
        if (labels[i] < source->classes) continue;
        st = ito_error_set(
            err, ITO_E_FORMAT,
            "%s: label %lld is %d, expected 0 to %d: get it again with \"apt-get install --reinstall "
            "%s\"",
            path[1], (long long)i, labels[i], source->classes - 1, source->package);
        goto done;
    }
    *out = (ito__raw_images){dims[0], dims[1], dims[2], pixels, labels};
    pixels = labels = NULL;
done:
    ito__free(labels);
    ito__free(pixels);
    return st;
}
