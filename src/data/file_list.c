/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding image files: one walk that gathers names in one block, then a sort of pointers into it.
 */
#include "data/file_list.h"

#include "core/memory.h"
#include "formats/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEEPEST = 32 };

typedef struct walk {
    char path[ITO__FILE_PATH];
    size_t root; /* letters of the folder and its slash */
    char *names; /* the names found, each with its NUL */
    size_t used, room;
    int64_t n;
} walk;

static ito_status no_memory(const char *folder, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for the names of its files: close other programs",
                         folder);
}

static bool is_image(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".webp"};
    const char *dot = strrchr(name, '.');
    for (size_t k = 0; dot != NULL && k < sizeof endings / sizeof endings[0]; k++)
        if (strcasecmp(dot, endings[k]) == 0) return true;
    return false;
}

/* Appends the path below the root. */
static ito_status note(walk *w, ito_error *err) {
    const char *name = w->path + w->root;
    size_t length = strlen(name) + 1;
    if (w->room - w->used < length) {
        size_t room = 2 * w->room + ITO__FILE_PATH;
        char *larger = ito__alloc(room, 1);
        if (larger == NULL) return no_memory(w->path, err);
        if (w->used > 0) memcpy(larger, w->names, w->used);
        ito__free(w->names);
        w->names = larger;
        w->room = room;
    }
    memcpy(w->names + w->used, name, length);
    w->used += length;
    w->n++;
    return ITO_OK;
}

/* All below w->path, whose length is given. */
static ito_status enter(walk *w, size_t length, int depth, ito_error *err) {
    ito_status st = ITO_OK;
    DIR *folder = opendir(w->path);
    if (folder == NULL) return ito__file_error(err, w->path, "opened", errno);
    for (struct dirent *entry; st == ITO_OK && (entry = readdir(folder)) != NULL;) {
        struct stat info;
        if (entry->d_name[0] == '.') continue;
        int more = snprintf(w->path + length, sizeof w->path - length, "/%s", entry->d_name);
        if (more < 0 || (size_t)more >= sizeof w->path - length)
            st = ito_error_set(err, ITO_E_ARG, "%.900s...: is longer than %d letters: move the folder up",
                               w->path, ITO__FILE_PATH - 1);
        else if (is_image(entry->d_name))
            st = note(w, err);
        else if (stat(w->path, &info) != 0 || !S_ISDIR(info.st_mode))
            continue;
        else if (depth >= DEEPEST)
            st = ito_error_set(err, ITO_E_ARG,
                               "%.900s: lies %d folders deep: look for a link that leads back, or move it up",
                               w->path, DEEPEST);
        else
            st = enter(w, length + (size_t)more, depth + 1, err);
    }
    closedir(folder);
    w->path[length] = '\0';
    return st;
}

/* A slash comes before every letter, so that a folder stays together and folders sort by their names. */
static int by_name(const void *a, const void *b) {
    const unsigned char *x = *(unsigned char *const *)a, *y = *(unsigned char *const *)b;
    while (*x != '\0' && *x == *y) x++, y++;
    int left = *x == '/' ? 1 : *x, right = *y == '/' ? 1 : *y;
    return left - right;
}

static ito_status sort(walk *w, const char *folder, ito__file_list *out, ito_error *err) {
    char **name = ito__alloc((size_t)w->n, sizeof *name), *copy = ito__strdup(folder);
    if (name == NULL || copy == NULL) {
        ito__free(copy);
        ito__free(name);
        return no_memory(folder, err);
    }
    char *next = w->names;
    for (int64_t i = 0; i < w->n; i++, next += strlen(next) + 1) name[i] = next;
    qsort(name, (size_t)w->n, sizeof *name, by_name);
    *out = (ito__file_list){w->n, name, w->names, copy};
    w->names = NULL;
    return ITO_OK;
}

ito_status ito__file_list_find(const char *folder, ito__file_list *out, ito_error *err) {
    ito_status st;
    walk *w = ito__calloc(1, sizeof *w);
    if (w == NULL) return no_memory(folder, err);
    int length = snprintf(w->path, sizeof w->path, "%s", folder);
    if (length < 0 || (size_t)length >= sizeof w->path) {
        st = ito_error_set(err, ITO_E_ARG, "data.path: is longer than %d letters: use a shorter one",
                           ITO__FILE_PATH - 1);
        goto done;
    }
    w->root = (size_t)length + 1;
    if ((st = enter(w, (size_t)length, 0, err)) != ITO_OK) goto done;
    if (w->n == 0) {
        st = ito_error_set(err, ITO_E_FORMAT,
                           "%s: has no .png, .jpg, .jpeg or .webp in it or below: put the images there, or "
                           "set data.path to where they are",
                           folder);
        goto done;
    }
    st = sort(w, folder, out, err);
done:
    ito__free(w->names);
    ito__free(w);
    return st;
}

void ito__file_list_path(const ito__file_list *l, int64_t i, char path[ITO__FILE_PATH]) {
    (void)snprintf(path, ITO__FILE_PATH, "%s/%s", l->folder, l->name[i]); /* it fitted when it was found */
}

void ito__file_list_release(ito__file_list *l) {
    ito__free(l->folder);
    ito__free(l->names);
    ito__free(l->name);
    *l = (ito__file_list){0};
}
