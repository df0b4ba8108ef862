/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files: mapping one for reading, and writing one so that its final name never holds half of it.
 *
 *   ito__output o = {0};
 *   ito__output_open(&o, path, err);  ito__output_write(&o, data, length, err) ...  ito__output_commit(&o,
 * err); ito__output_release(&o);       always: drops what was not committed
 */
#ifndef ITO_FORMATS_FILES_H
#define ITO_FORMATS_FILES_H

#include <ito/status.h>
#include <stddef.h>

/* IO with "<path>: cannot be <done>: <reason of errno number>: <remedy>". */
ito_status ito__file_error(ito_error *err, const char *path, const char *done, int number);

/* Opens a regular file for reading: its descriptor and its length. Folders, devices and pipes are IO. */
ito_status ito__file_open(const char *path, int *fd, size_t *length, ito_error *err);

/* A regular file, mapped read-only. An empty one gives NULL and 0. */
ito_status ito__file_map(const char *path, void **map, size_t *length, ito_error *err);
void ito__file_unmap(void *map, size_t length);
/* Hints about the bytes at data, where they lie inside the mapping; elsewhere nothing happens. They will be
 * needed soon; they are not needed any more and stay in the system's cache alone. */
void ito__file_expect(void *map, size_t map_length, const void *data, size_t length);
void ito__file_forget(void *map, size_t map_length, const void *data, size_t length);

/* A file being written under a temporary name beside its final one. Zero-initialise. */
typedef struct ito__output {
    int fd;           /* valid while temporary is not NULL */
    char *temporary;  /* "<path>.<process>-<attempt>.part" */
    const char *path; /* borrowed */
} ito__output;

/* IO when path exists and is no regular file (renaming onto a device would replace it). */
ito_status ito__output_open(ito__output *o, const char *path, ito_error *err);
ito_status ito__output_write(ito__output *o, const void *data, size_t length, ito_error *err);
/* fsync, close, rename, fsync of the folder. */
ito_status ito__output_commit(ito__output *o, ito_error *err);
void ito__output_release(ito__output *o);

#endif
