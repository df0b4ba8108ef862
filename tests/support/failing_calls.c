/* SPDX-License-Identifier: Apache-2.0
 *
 * The calls of the library that make, fill and name files.
 */
#include "support/failing_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

failing_calls fault;

static bool fails(void) {
    if (fault.fail_at == 0 || ++fault.calls != fault.fail_at) return false;
    errno = fault.number;
    return true;
}

int __real_open(const char *path, int flags, mode_t mode);
ssize_t __real_write(int fd, const void *data, size_t length);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_open(const char *path, int flags, mode_t mode);
ssize_t __wrap_write(int fd, const void *data, size_t length);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_rename(const char *from, const char *to);

int __wrap_open(const char *path, int flags, mode_t mode) {
    return (flags & O_CREAT) && fails() ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t length) {
    if (fails()) return -1;
    fault.written_since_sync = true;
    return __real_write(fd, data, fault.short_writes && length > 1 ? length / 2 : length);
}

int __wrap_fsync(int fd) {
    fault.written_since_sync = false;
    return fails() ? -1 : __real_fsync(fd);
}

/* A failing close still gives the descriptor back, as Linux does. */
int __wrap_close(int fd) {
    bool failed = fails();
    int number = errno, closed = __real_close(fd);
    errno = number;
    return failed ? -1 : closed;
}

int __wrap_rename(const char *from, const char *to) {
    fault.renamed_unsynced |= fault.written_since_sync;
    return fails() ? -1 : __real_rename(from, to);
}
