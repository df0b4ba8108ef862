/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder of its own for the files of a test program, under $TMPDIR, or in memory where Linux offers it:
 * tests that try thousands of damaged files should not wait for a disk.
 *
 * Group set-up scratch_make and tear-down scratch_remove; scratch_path("x.png") names a file in it.
 */
#ifndef ITO_TESTS_SCRATCH_H
#define ITO_TESTS_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_folder[512];

static int scratch_make(void **state) {
    const char *base = getenv("TMPDIR");
    (void)state;
    if (base == NULL) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(scratch_folder, sizeof scratch_folder, "%s/ito-test-XXXXXX", base);
    return mkdtemp(scratch_folder) == NULL;
}

/* The name is good until four more have been asked for. */
static const char *scratch_path(const char *name) {
    static char paths[4][1024];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

/* Files in the scratch folder, folders included. */
static inline int scratch_entries(void) {
    int count = 0;
    DIR *folder = opendir(scratch_folder);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (folder != NULL) closedir(folder);
    return count;
}

static void scratch_remove_all(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return;
    if (S_ISDIR(info.st_mode)) {
        DIR *folder = opendir(path);
        for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
            char inner[1600];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
            scratch_remove_all(inner);
        }
        if (folder != NULL) closedir(folder);
        rmdir(path);
    } else {
        unlink(path);
    }
}

static int scratch_remove(void **state) {
    (void)state;
    scratch_remove_all(scratch_folder);
    return 0;
}

/* A file of exactly these bytes, written without the library. */
static inline void scratch_write(const char *path, const void *bytes, size_t length) {
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes, 1, length, f) != length || fclose(f) != 0) abort();
}

/* The bytes of a file; free(). */
static inline unsigned char *scratch_read(const char *path, size_t *length) {
    struct stat info;
    FILE *f = fopen(path, "rb");
    if (f == NULL || fstat(fileno(f), &info) != 0) abort();
    unsigned char *bytes = malloc((size_t)info.st_size + 1);
    *length = fread(bytes, 1, (size_t)info.st_size, f);
    fclose(f);
    return bytes;
}

#endif
