/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files, read and written with every call checked.
 */
#define _DEFAULT_SOURCE /* madvise: POSIX's own form does nothing in glibc */

#include "formats/files.h"

#include "core/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <ito/formats.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

ito_status ito__file_error(ito_error *err, const char *path, const char *done, int number) {
    char reason[128] = "unknown error";
    const char *remedy = "check path, permission and space";
    (void)strerror_r(number, reason, sizeof reason); /* on failure the words above stand */
    switch (number) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG: remedy = "check the path"; break;
    case EACCES:
    case EPERM:
    case EROFS: remedy = "check its permissions or use another place"; break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: remedy = "free some space or use another disk"; break;
    case ENOMEM: remedy = "close other programs"; break;
    default: break;
    }
    return ito_error_set(err, ITO_E_IO, "%s: cannot be %s: %s: %s", path, done, reason, remedy);
}

/* ---- reading ---- */

ito_status ito__file_open(const char *path, int *fd, size_t *length, ito_error *err) {
    struct stat info;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang us */
    if (opened < 0) return ito__file_error(err, path, "opened", errno);
    if (fstat(opened, &info) != 0) {
        ito_status st = ito__file_error(err, path, "inspected", errno);
        close(opened);
        return st;
    }
    if (!S_ISREG(info.st_mode)) {
        close(opened);
        return ito_error_set(err, ITO_E_IO, "%s: is %s, not a file: check the path", path,
                             S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    }
    *fd = opened;
    *length = (size_t)info.st_size;
    return ITO_OK;
}

ito_status ito__file_map(const char *path, void **map, size_t *length, ito_error *err) {
    int fd = -1;
    size_t size = 0;
    void *mapped = NULL;
    ito_status st;
    if ((st = ito__file_open(path, &fd, &size, err)) != ITO_OK) return st;
    if (size > 0) mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) {
        st = ito__file_error(err, path, "mapped", errno);
    } else {
        *map = mapped;
        *length = size;
    }
    close(fd);
    return st;
}

void ito__file_unmap(void *map, size_t length) {
    if (map != NULL) munmap(map, length);
}

/* The pages that data and length touch, or, for letting go, only those that lie wholly inside. */
static void advise(void *map, size_t map_length, const void *data, size_t length, bool inside, int advice) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)map;
    uintptr_t begin = (uintptr_t)data, end = begin + length;
    if (map == NULL || begin < from || begin - from > map_length || length > map_length - (begin - from))
        return;
    begin = (inside ? begin + page - 1 : begin) / page * page;
    end = inside ? end / page * page : end;
    if (begin < end) (void)madvise((unsigned char *)map + (begin - from), end - begin, advice); /* a hint */
}

void ito__file_expect(void *map, size_t map_length, const void *data, size_t length) {
    advise(map, map_length, data, length, false, MADV_WILLNEED);
}

void ito__file_forget(void *map, size_t map_length, const void *data, size_t length) {
    advise(map, map_length, data, length, true, MADV_DONTNEED);
}

/* Reads up to `length` bytes; fewer only at the end of the file. */
static ito_status read_fully(int fd, const char *path, char *out, size_t length, size_t *got,
                             ito_error *err) {
    size_t done = 0;
    while (done < length) {
        ssize_t n = read(fd, out + done, length - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ito__file_error(err, path, "read", errno);
        if (n == 0) break;
        done += (size_t)n;
    }
    *got = done;
    return ITO_OK;
}

ito_status ito_file_read(const char *path, size_t max, char **text, size_t *length, ito_error *err) {
    int fd = -1;
    size_t size = 0;
    char *bytes = NULL;
    ito_status st;
    *text = NULL;
    if ((st = ito__file_open(path, &fd, &size, err)) != ITO_OK) return st;
    if (size > max) {
        st = ito_error_set(err, ITO_E_FORMAT,
                           "%s: is %zu bytes long, expected at most %zu: check that it is the file "
                           "you mean",
                           path, size, max);
        goto done;
    }
    bytes = ito__alloc(size + 1, 1);
    if (bytes == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its %zu bytes: close other programs", path,
                           size);
        goto done;
    }
    if ((st = read_fully(fd, path, bytes, size, &size, err)) != ITO_OK) goto done;
    bytes[size] = '\0';
    *text = bytes;
    bytes = NULL;
    if (length != NULL) *length = size;
done:
    ito__free(bytes);
    close(fd);
    return st;
}

/* ---- writing ---- */

ito_status ito__output_open(ito__output *o, const char *path, ito_error *err) {
    enum { ATTEMPTS = 100 };
    struct stat info;
    size_t room = strlen(path) + 48;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return ito_error_set(err, ITO_E_IO, "%s: is %s: give the name of a file", path,
                             S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe");
    char *temporary = ito__alloc(room, 1);
    if (temporary == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write it: close other programs", path);
    /* O_EXCL keeps writers of one name apart; a name left by a killed process is stepped over. */
    int fd = -1;
    for (int attempt = 0; attempt < ATTEMPTS && fd < 0; attempt++) {
        snprintf(temporary, room, "%s.%ld-%d.part", path, (long)getpid(), attempt);
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) {
        ito_status st = ito__file_error(err, path, "created", errno);
        ito__free(temporary);
        return st;
    }
    *o = (ito__output){fd, temporary, path};
    return ITO_OK;
}

ito_status ito__output_write(ito__output *o, const void *data, size_t length, ito_error *err) {
    const char *next = data;
    while (length > 0) {
        /* Linux moves at most 2 GiB a call anyway. */
        ssize_t n = write(o->fd, next, length < (size_t)1 << 30 ? length : (size_t)1 << 30);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ito__file_error(err, o->path, "written", errno);
        next += n;
        length -= (size_t)n;
    }
    return ITO_OK;
}

/* Makes a rename durable. The file is complete under its name already and some file systems refuse to sync a
 * folder, so a failure here is no failure of the write. */
static void sync_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = ito__strdup(path);
    if (folder == NULL) return;
    if (slash == NULL)
        memcpy(folder, ".", 2); /* a name that could be created has at least one letter, so "." fits */
    else
        folder[slash == path ? 1 : slash - path] = '\0';
    int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    ito__free(folder);
}

ito_status ito__output_commit(ito__output *o, ito_error *err) {
    if (fsync(o->fd) != 0) return ito__file_error(err, o->path, "written", errno);
    int closed = close(o->fd);
    o->fd = -1;
    if (closed != 0) return ito__file_error(err, o->path, "written", errno);
    if (rename(o->temporary, o->path) != 0) return ito__file_error(err, o->path, "renamed into place", errno);
    ito__free(o->temporary);
    o->temporary = NULL;
    sync_folder(o->path);
    return ITO_OK;
}

void ito__output_release(ito__output *o) {
    if (o->temporary == NULL) return;
    if (o->fd >= 0) close(o->fd);
    unlink(o->temporary);
    ito__free(o->temporary);
    *o = (ito__output){0};
}

ito_status ito_file_write(const char *path, const void *data, size_t length, ito_error *err) {
    ito__output o = {0};
    ito_status st;
    if ((st = ito__output_open(&o, path, err)) != ITO_OK) goto done;
    if ((st = ito__output_write(&o, data, length, err)) != ITO_OK) goto done;
    st = ito__output_commit(&o, err);
done:
    ito__output_release(&o);
    return st;
}

/* mkdir of one level; a folder that is there already is fine. */
static ito_status make_level(const char *path, ito_error *err) {
    struct stat info;
    if (mkdir(path, 0777) == 0) return ITO_OK;
    int number = errno;
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode)) return ITO_OK;
        return ito_error_set(err, ITO_E_IO,
                             "%s: is a file, a folder is needed there: move it or use another name", path);
    }
    return ito__file_error(err, path, "made", number);
}

ito_status ito_directory_make(const char *path, ito_error *err) {
    ito_status st = ITO_OK;
    char *level = ito__strdup(path);
    if (level == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its name: close other programs", path);
    for (char *slash = strchr(level + (level[0] == '/'), '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if ((st = make_level(level, err)) != ITO_OK) goto done;
        *slash = '/';
    }
    st = make_level(level, err);
done:
    ito__free(level);
    return st;
}
