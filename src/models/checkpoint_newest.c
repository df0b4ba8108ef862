/* SPDX-License-Identifier: Apache-2.0
 *
 * The newest checkpoint of a folder that can be used. Writers rename whole files into place, so a damaged one
 * comes from outside (a full disk below the file system, a copy cut short); the one before it then serves.
 */
#include "core/memory.h"
#include "core/text.h"
#include "models/model_path.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ito/formats.h>
#include <ito/recipe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct names {
    char **name;
    size_t count, room;
} names;

/* The number that a name carries ("step_00001200.safetensors"): its last run of digits; -1 without one. */
static long long step_of(const char *name) {
    const char *end = name + strlen(name);
    while (end > name && !isdigit((unsigned char)end[-1])) end--;
    const char *start = end;
    while (start > name && isdigit((unsigned char)start[-1])) start--;
    return start < end ? strtoll(start, NULL, 10) : -1;
}

/* By step, newest first; names without a step come last, in order. */
static int newer_first(const void *pa, const void *pb) {
    const char *a = *(char *const *)pa, *b = *(char *const *)pb;
    long long sa = step_of(a), sb = step_of(b);
    return sa != sb ? (sa < sb) - (sa > sb) : strcmp(a, b);
}

static bool append(names *list, const char *name) {
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 16;
        char **bigger = ito__calloc(room, sizeof *bigger);
        if (!bigger) return false;
        if (list->count) memcpy(bigger, list->name, list->count * sizeof *bigger);
        ito__free(list->name);
        list->name = bigger;
        list->room = room;
    }
    list->name[list->count] = ito__strdup(name);
    return list->name[list->count] ? ++list->count : false;
}

static ito_status list_folder(const char *folder, names *list, ito_error *err) {
    DIR *d = opendir(folder);
    if (!d) {
        return ito_error_set(err, ITO_E_IO, "%.600s: cannot be read as a folder: %s: check the path", folder,
                             strerror(errno));
    }
    ito_status st = ITO_OK;
    for (struct dirent *e; st == ITO_OK && (e = readdir(d));) {
        if (e->d_name[0] == '.' || !ito__ends_with(e->d_name, ".safetensors")) continue;
        if (!append(list, e->d_name)) {
            st = ito_error_set(err, ITO_E_NOMEM, "%.600s: memory ran out while listing: free some", folder);
        }
    }
    closedir(d);
    return st;
}

/* Opening compares the header's sizes with the file's length; the recipe tells a checkpoint from any other
 * tensors. */
static bool reads_back(const char *path) {
    ito_tensor_file *f = NULL;
    bool good = ito_safetensors_open(path, &f, NULL) == ITO_OK && ito_tensor_file_metadata(f, "recipe") &&
                ito_tensor_file_count(f) > 0;
    ito_tensor_file_close(f);
    return good;
}

/* folder/name for the caller to free(). */
static char *path_of(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s/%s", folder, name);
    return path;
}

ito_status ito_checkpoint_newest(const char *folder, char **path, char **skipped, ito_error *err) {
    names list = {0};
    char *good = NULL, *damaged = NULL;
    *path = NULL;
    if (skipped) *skipped = NULL;
    ito_status st = list_folder(folder, &list, err);
    if (st != ITO_OK) goto done;
    if (list.count) qsort(list.name, list.count, sizeof *list.name, newer_first);
    for (size_t i = 0; i < list.count && !good; i++) {
        char *candidate = path_of(folder, list.name[i]);
        if (!candidate) {
            st = ito_error_set(err, ITO_E_NOMEM, "%.600s: memory ran out while listing: free some", folder);
            goto done;
        }
        if (reads_back(candidate)) {
            good = candidate;
        } else if (!damaged) {
            damaged = candidate;
        } else {
            free(candidate);
        }
    }
    *path = good;
    good = NULL;
    if (skipped) {
        *skipped = damaged;
        damaged = NULL;
    }
done:
    free(good);
    free(damaged);
    for (size_t i = 0; i < list.count; i++) ito__free(list.name[i]);
    ito__free(list.name);
    return st;
}
