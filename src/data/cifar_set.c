/* SPDX-License-Identifier: Apache-2.0
 *
 * CIFAR-10 in its binary version: records of a label byte and 3 x 32 x 32 bytes, channel by channel, in five
 * files for training and one for tests.
 */
#include "core/memory.h"
#include "data/catalog.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    SIDE = 32,
    IMAGE = 3 * SIDE * SIDE,
    RECORD = 1 + IMAGE,
    MOST_FILES = 5,
    LARGEST = 1 << 30 /* a file's bytes; the published ones have 30730000 */
};

static const char *const train[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                    "data_batch_4.bin", "data_batch_5.bin", NULL};
static const char *const test[] = {"test_batch.bin", NULL};

/* In the folder, or in the one that the archive unpacks to. */
static ito_status locate(const ito__source *s, const char *folder, const char *name,
                         char path[ITO__FILE_PATH], ito_error *err) {
    ito_status st;
    char inner[64];
    (void)snprintf(inner, sizeof inner, "cifar-10-batches-bin/%s", name);
    if ((st = ito__source_path(folder, inner, path, err)) != ITO_OK || access(path, F_OK) == 0) return st;
    if ((st = ito__source_path(folder, name, path, err)) != ITO_OK || access(path, F_OK) == 0) return st;
    return ito__source_missing(s, path, "the folder that has it", err);
}

static ito_status check(const ito__source *s, const char *path, const uint8_t *bytes, size_t length,
                        ito_error *err) {
    if (length == 0 || length % RECORD != 0)
        return ito_error_set(err, ITO_E_FORMAT, "%s: has %zu bytes, expected a multiple of %d: %s", path,
                             length, RECORD, s->again);
    for (size_t i = 0; i < length / RECORD; i++) {
        if (bytes[i * RECORD] >= s->classes)
            return ito_error_set(err, ITO_E_FORMAT, "%s: label %zu is %d, expected 0 to %lld: %s", path, i,
                                 bytes[i * RECORD], (long long)s->classes - 1, s->again);
    }
    return ITO_OK;
}

/* The records of all files as images and labels. */
static ito_status gather(const ito__source *s, int files, char *const *bytes, const size_t *length,
                         ito__raw *out, ito_error *err) {
    uint8_t *labels = NULL;
    ito_status st;
    for (int k = 0; k < files; k++) out->n += (int64_t)(length[k] / RECORD);
    out->pixels = ito__alloc((size_t)out->n, IMAGE);
    labels = ito__alloc((size_t)out->n, 1);
    if (out->pixels == NULL || labels == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "data: no memory for %lld images: close other programs",
                           (long long)out->n);
        goto done;
    }
    uint8_t *pixels = out->pixels, *label = labels;
    for (int k = 0; k < files; k++) {
        for (size_t at = 0; at < length[k]; at += RECORD, pixels += IMAGE) {
            *label++ = (uint8_t)bytes[k][at];
            memcpy(pixels, bytes[k] + at + 1, IMAGE);
        }
    }
    out->first = ito__picture_of(out->pixels, SIDE, SIDE, 3, true);
    st = ito__raw_label(out, labels, s->classes, err);
done:
    ito__free(labels);
    return st;
}

ito_status ito__cifar_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                               const char *split, ito__raw *out, ito_error *err) {
    const char *const *names = strcmp(split, "train") == 0 ? train : test;
    char *bytes[MOST_FILES] = {NULL}, file[ITO__FILE_PATH];
    size_t length[MOST_FILES];
    int files = 0;
    ito_status st = ITO_OK;
    (void)config;
    for (; names[files] != NULL && st == ITO_OK; files++) {
        if ((st = locate(s, path, names[files], file, err)) == ITO_OK &&
            (st = ito_file_read(file, LARGEST, &bytes[files], &length[files], err)) == ITO_OK)
            st = check(s, file, (const uint8_t *)bytes[files], length[files], err);
    }
    if (st == ITO_OK) st = gather(s, files, bytes, length, out, err);
    for (int k = 0; k < MOST_FILES; k++) ito__free(bytes[k]);
    return st;
}
