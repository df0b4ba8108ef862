/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a model is looked for.
 */
#include "models/model_path.h"
#include "core/text.h"

#include <dirent.h>
#include <ito/recipe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool ito__is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static ito_status join(char *out, size_t size, const char *folder, const char *name, const char *ending,
                       ito_error *err) {
    int n = snprintf(out, size, "%s/%s%s", folder, name, ending);
    if (n >= 0 && (size_t)n < size) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG,
                         "%.200s/%.200s%s: the path has %d bytes, at most %zu fit: use a shorter one", folder,
                         name, ending, n, size - 1);
}

/* Folders of bundled models, best first; NULL past the last. */
static const char *bundled_folder(int index) {
    const char *chosen = getenv("ITO_MODELS");
    if (chosen && chosen[0]) return index == 0 ? chosen : NULL;
    static const char *const folders[] = {ITO_INSTALLED_MODELS, ITO_SOURCE_MODELS};
    return index < 2 ? folders[index] : NULL;
}

/* "cifar, fashion" from the folders' *.safetensors; "none" when there are none. */
static void list_bundled(char *out, size_t size) {
    static const char ending[] = ".safetensors";
    const char *folder;
    size_t used = 0;
    snprintf(out, size, "none");
    for (int i = 0; used == 0 && (folder = bundled_folder(i)); i++) {
        DIR *d = opendir(folder);
        if (!d) continue;
        for (struct dirent *e; (e = readdir(d));) {
            size_t stem = strlen(e->d_name);
            if (!ito__ends_with(e->d_name, ending) || used + stem + 4 > size) continue;
            stem -= sizeof ending - 1;
            used +=
                (size_t)snprintf(out + used, size - used, "%s%.*s", used ? ", " : "", (int)stem, e->d_name);
        }
        closedir(d);
    }
}

static ito_status find_bundled(const char *name, char *out, size_t size, ito_error *err) {
    const char *folder;
    char names[300];
    ito_status st;
    bool plain = name[0] && !strchr(name, '/');
    for (int i = 0; plain && (folder = bundled_folder(i)); i++) {
        if ((st = join(out, size, folder, name, ".safetensors", err)) != ITO_OK) return st;
        if (access(out, F_OK) == 0) return ITO_OK;
    }
    list_bundled(names, sizeof names);
    const char *chosen = getenv("ITO_MODELS");
    return ito_error_set(
        err, ITO_E_IO,
        "%.400s: no file, run directory or bundled model of that name: check the path; bundled models "
        "are %s%s%.200s",
        name, names, chosen && chosen[0] ? " in " : "", chosen && chosen[0] ? chosen : "");
}

/* A run directory, or the checkpoints folder itself. */
static ito_status find_in_directory(const char *path, char *out, size_t size, ito_error *err) {
    char folder[4096];
    char *newest = NULL, *skipped = NULL;
    ito_status st = join(folder, sizeof folder, path, "checkpoints", "", err);
    if (st != ITO_OK) return st;
    if (!ito__is_directory(folder)) snprintf(folder, sizeof folder, "%s", path);
    if ((st = ito_checkpoint_newest(folder, &newest, &skipped, err)) != ITO_OK) goto done;
    if (newest) {
        st = (size_t)snprintf(out, size, "%s", newest) < size
                 ? ITO_OK
                 : ito_error_set(err, ITO_E_ARG, "%.400s: the path is too long: use a shorter one", newest);
        goto done;
    }
    if ((st = join(out, size, path, "model.safetensors", "", err)) != ITO_OK) goto done;
    if (access(out, F_OK) != 0) {
        st = ito_error_set(err, ITO_E_IO,
                           "%.400s: holds no checkpoint that reads back whole%s%.300s: train first, or name "
                           "a model file",
                           path, skipped ? "; damaged: " : "", skipped ? skipped : "");
    }
done:
    free(newest);
    free(skipped);
    return st;
}

ito_status ito__model_find(const char *path, char *out, size_t size, ito_error *err) {
    if (ito__is_directory(path)) return find_in_directory(path, out, size, err);
    if (access(path, F_OK) != 0) return find_bundled(path, out, size, err);
    if ((size_t)snprintf(out, size, "%s", path) < size) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "%.400s: the path is longer than %zu bytes: use a shorter one", path,
                         size - 1);
}
