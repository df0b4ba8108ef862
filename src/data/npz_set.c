/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets as arrays: images [n,H,W,C] or [n,H,W], bytes or numbers in [0, 1], and perhaps labels [n].
 *
 * data.path is the file, which is then for training, or a folder with train.npz and test.npz.
 */
#include "core/memory.h"
#include "core/text.h"
#include "data/catalog.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ito_status locate(const ito__source *s, const char *path, const char *split, char file[ITO__FILE_PATH],
                         ito_error *err) {
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode)) {
        (void)snprintf(file, ITO__FILE_PATH, "%s", path); /* fits: data.path is shorter */
        if (strcmp(split, "train") == 0) return ITO_OK;
        return ito_error_set(err, ITO_E_ARG,
                             "%.700s: is for training alone: make it train.npz of a folder, beside test.npz, "
                             "and set data.path to that folder",
                             path);
    }
    char name[16];
    (void)snprintf(name, sizeof name, "%s.npz", split);
    ito_status st = ito__source_path(path, name, file, err);
    if (st != ITO_OK || access(file, F_OK) == 0) return st;
    return ito__source_missing(s, file, "the file itself", err);
}

/* The array of that name, or the only one. */
static const ito_tensor *find_images(const ito_tensor_file *f) {
    const ito_tensor *t = ito_tensor_file_find(f, "images");
    return t == NULL && ito_tensor_file_count(f) == 1 ? ito_tensor_file_at(f, 0) : t;
}

/* Numbers in [0, 1] as the nearest of 256 levels. */
static ito_status round_images(const ito_tensor *t, const char *path, ito__raw *out, ito_error *err) {
    double *values = ito__alloc((size_t)t->count, sizeof *values);
    ito_status st = ITO_OK;
    out->pixels = ito__alloc((size_t)t->count, 1);
    if (values == NULL || out->pixels == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its images: store them as bytes", path);
        goto done;
    }
    ito_tensor_read_f64(t, values);
    for (int64_t i = 0; i < t->count; i++) {
        if (!(values[i] >= 0 && values[i] <= 1)) { /* NaN as well */
            st = ito_error_set(err, ITO_E_FORMAT,
                               "%s: image %lld has the value %g, expected numbers in [0, 1]: scale them, or "
                               "store bytes (uint8)",
                               path, (long long)(i / (t->count / t->dim[0])), values[i]);
            goto done;
        }
        out->pixels[i] = (uint8_t)lrint(255 * values[i]);
    }
done:
    ito__free(values);
    return st;
}

static ito_status read_images(const ito_tensor *t, const char *path, ito__raw *out, ito_error *err) {
    const uint8_t *pixels = NULL;
    ito_status st = ITO_OK;
    if (t == NULL || t->rank < 3 || t->rank > 4 || t->count < 1 ||
        (t->rank == 4 && t->dim[3] != 1 && t->dim[3] != 3))
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: has no array \"images\" [n,H,W,C] with 1 or 3 channels, nor one alone: "
                             "write one",
                             path);
    switch (t->dtype) {
    case ITO_DTYPE_U8: pixels = t->data; break;
    case ITO_DTYPE_F16:
    case ITO_DTYPE_F32:
    case ITO_DTYPE_F64:
        st = round_images(t, path, out, err);
        pixels = out->pixels;
        break;
    default:
        st = ito_error_set(err, ITO_E_FORMAT,
                           "%s: \"%.64s\" has elements %s: store bytes (uint8), or floats in [0, 1]", path,
                           t->name, ito_dtype_name(t->dtype));
    }
    if (st != ITO_OK) return st;
    out->n = t->dim[0];
    out->first = ito__picture_of(pixels, t->dim[1], t->dim[2], t->rank == 4 ? t->dim[3] : 1, false);
    return ITO_OK;
}

static ito_status read_labels(const ito_tensor *t, const char *path, ito__raw *out, ito_error *err) {
    enum { MOST = 1 << 20 }; /* as network.classes */
    if (t == NULL) return ITO_OK;
    if (t->rank != 1 || t->count != out->n)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: labels have %d dimensions and %lld entries, expected one for each of %lld "
                             "images: write them anew or leave them out",
                             path, t->rank, (long long)t->count, (long long)out->n);
    double *values = ito__alloc((size_t)t->count, sizeof *values);
    out->labels = ito__alloc((size_t)t->count, sizeof *out->labels);
    ito_status st = ITO_OK;
    if (values == NULL || out->labels == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its labels: close other programs", path);
        goto done;
    }
    ito_tensor_read_f64(t, values);
    for (int64_t i = 0; i < t->count; i++) {
        if (!(values[i] >= 0 && values[i] < MOST && values[i] == floor(values[i]))) {
            st = ito_error_set(err, ITO_E_FORMAT,
                               "%s: label %lld is %g, expected a whole number from 0 to %d: "
                               "number the classes from 0",
                               path, (long long)i, values[i], MOST - 1);
            goto done;
        }
        out->labels[i] = (int32_t)values[i];
        if (out->labels[i] >= out->classes) out->classes = out->labels[i] + 1;
    }
done:
    ito__free(values);
    return st;
}

ito_status ito__npz_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                             const char *split, ito__raw *out, ito_error *err) {
    char file[ITO__FILE_PATH];
    ito_status st;
    (void)config;
    if ((st = locate(s, path, split, file, err)) != ITO_OK) return st;
    st = ito__ends_with(file, ".npy") ? ito_npy_open(file, "images", &out->file, err)
                                      : ito_npz_open(file, &out->file, err);
    if (st == ITO_OK) st = read_images(find_images(out->file), file, out, err);
    if (st == ITO_OK) st = read_labels(ito_tensor_file_find(out->file, "labels"), file, out, err);
    return st;
}
