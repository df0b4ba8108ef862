/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets as image files in folders. With a folder train or test inside, each split is the folder of its
 * name; without, all files are for training, unless the set is one whose published division goes by number.
 */
#include "core/memory.h"
#include "data/catalog.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The folder of a split; *divided: the split has one of its own. */
static ito_status locate(const ito__source *s, const char *path, const char *split,
                         char folder[ITO__FILE_PATH], bool *divided, ito_error *err) {
    const char *const other = strcmp(split, "train") == 0 ? "test" : "train";
    ito_status st;
    if (!is_folder(path)) return ito__source_missing(s, path, "the folder with its images", err);
    if ((st = ito__source_path(path, other, folder, err)) != ITO_OK) return st;
    *divided = is_folder(folder);
    if ((st = ito__source_path(path, split, folder, err)) != ITO_OK) return st;
    if (is_folder(folder)) {
        *divided = true;
        return ITO_OK;
    }
    if (*divided) return ito__source_missing(s, folder, "a folder with train and test in it", err);
    (void)snprintf(folder, ITO__FILE_PATH, "%s", path);
    return ITO_OK;
}

/* Keeps files from .. from + n - 1. */
static void keep(ito__file_list *l, int64_t from, int64_t n) {
    memmove(l->name, l->name + from, (size_t)n * sizeof *l->name);
    l->n = n;
}

static ito_status divide(const ito__source *s, const char *path, const char *split, ito__file_list *l,
                         ito_error *err) {
    bool train = strcmp(split, "train") == 0;
    if (s->whole > 0 && l->n == s->whole) {
        keep(l, train ? 0 : l->n - s->last, train ? s->first : s->last);
        return ITO_OK;
    }
    if (train) return ITO_OK;
    return ito_error_set(err, ITO_E_IO,
                         "%.700s/test: is missing, and the images of the folder are for training: put images "
                         "for tests there and the others into %.700s/train",
                         path, path);
}

/* Sub-folders are classes, numbered in the order of their names, in which the files are sorted. */
static ito_status label(ito__raw *out, ito_error *err) {
    const char *last = NULL;
    size_t length = 0;
    out->labels = ito__alloc((size_t)out->n, sizeof *out->labels);
    if (out->labels == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "data: no memory for %lld labels: close other programs",
                             (long long)out->n);
    for (int64_t i = 0; i < out->n; i++) {
        const char *name = out->files.name[i], *slash = strchr(name, '/');
        if (slash == NULL)
            return ito_error_set(err, ITO_E_FORMAT,
                                 "%.600s/%.600s: is in no sub-folder, which would be its class: move it into "
                                 "one, or set data.class_folders to false",
                                 out->files.folder, name);
        if (last == NULL || (size_t)(slash - name) != length || strncmp(name, last, length) != 0)
            out->classes++;
        last = name;
        length = (size_t)(slash - name);
        out->labels[i] = (int32_t)(out->classes - 1);
    }
    return ITO_OK;
}

ito_status ito__folder_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                                const char *split, ito__raw *out, ito_error *err) {
    char folder[ITO__FILE_PATH];
    bool divided = false;
    ito_status st;
    if ((st = locate(s, path, split, folder, &divided, err)) != ITO_OK) return st;
    if ((st = ito__file_list_find(folder, &out->files, err)) != ITO_OK) return st;
    if (!divided && (st = divide(s, path, split, &out->files, err)) != ITO_OK) return st;
    out->n = out->files.n;
    return config->class_folders ? label(out, err) : ITO_OK;
}
