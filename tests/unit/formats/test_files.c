/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole files: what was written is read back, and no failing call leaves half a file or a stray one.
 *
 * The program is linked with --wrap for the calls below; fail_at counts them and makes one fail.
 */
#include "formats/files.h"

#include "unit/formats/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <ito/formats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int calls, fail_at, fail_with;

static bool must_fail(void) {
    if (++calls != fail_at) return false;
    errno = fail_with;
    return true;
}

#define WRAPPED(type, name, parameters, arguments)                                                           \
    type __real_##name parameters;                                                                           \
    type __wrap_##name parameters;                                                                           \
    type __wrap_##name parameters {                                                                          \
        return must_fail() ? -1 : __real_##name arguments;                                                   \
    }
WRAPPED(int, fsync, (int fd), (fd))
WRAPPED(int, rename, (const char *from, const char *to), (from, to))

/* A failed close still closes, as on Linux. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    bool fail = must_fail();
    int number = errno, closed = __real_close(fd);
    errno = number;
    return fail ? -1 : closed;
}

/* Writes half of what it is asked to, so that the loop around it is needed. */
ssize_t __real_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length) {
    return must_fail() ? -1 : __real_write(fd, data, (length + 1) / 2);
}

static int reset(void **state) {
    (void)state;
    calls = fail_at = 0;
    return 0;
}

static void what_is_written_is_read_back(void **state) {
    const char *path = scratch_path("text");
    char *text = NULL;
    size_t length = 0;
    ito_error err;
    (void)state;
    assert_int_equal(ito_file_write(path, "line\nnext\0end", 13, &err), ITO_OK);
    assert_int_equal(ito_file_read(path, 100, &text, &length, &err), ITO_OK);
    assert_int_equal(length, 13);
    assert_memory_equal(text, "line\nnext\0end", 14);
    free(text);
    assert_int_equal(ito_file_write(path, "", 0, &err), ITO_OK);
    assert_int_equal(ito_file_read(path, 0, &text, NULL, &err), ITO_OK);
    assert_string_equal(text, "");
    free(text);
}

static void a_longer_file_than_allowed_is_refused(void **state) {
    const char *path = scratch_path("long");
    char *text = (char *)1;
    ito_error err;
    (void)state;
    scratch_write(path, "123456", 6);
    assert_int_equal(ito_file_read(path, 5, &text, NULL, &err), ITO_E_FORMAT);
    assert_null(text);
    assert_non_null(strstr(err.message, path));
}

static void unreadable_paths_are_named(void **state) {
    char *text = (char *)1;
    ito_error err;
    (void)state;
    assert_int_equal(ito_file_read(scratch_path("absent"), 9, &text, NULL, &err), ITO_E_IO);
    assert_non_null(
        strstr(err.message, "absent: cannot be opened: No such file or directory: check the path"));
    assert_null(text);
    assert_int_equal(ito_file_read(scratch_folder, 9, &text, NULL, &err), ITO_E_IO);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(ito_file_read("/dev/null", 9, &text, NULL, &err), ITO_E_IO);
}

/* Overwrites `path` with one call failing after the other until none does; the old content must survive. */
static void every_failing_call_leaves_the_old_file(void **state) {
    const char *path = scratch_path("kept");
    ito_status st = ITO_E_IO;
    ito_error err;
    int failures = 0;
    (void)state;
    scratch_write(path, "old", 3);
    int entries = scratch_entries();
    fail_with = ENOSPC;
    for (fail_at = 1; st != ITO_OK; fail_at++) {
        size_t length = 0;
        calls = 0;
        st = ito_file_write(path, "the new content", 15, &err);
        assert_int_equal(scratch_entries(), entries);
        if (st == ITO_OK) break;
        failures++;
        assert_int_equal(st, ITO_E_IO);
        assert_non_null(strstr(err.message, "kept: cannot be "));
        assert_non_null(strstr(err.message, "No space left on device: free some space"));
        char *content = (char *)scratch_read(path, &length);
        assert_int_equal(length, 3);
        assert_memory_equal(content, "old", 3);
        free(content);
        assert_in_range(fail_at, 1, 20);
    }
    printf("%d failing calls survived\n", failures);
    assert_true(failures >= 7); /* four writes or more, fsync, close, rename */
    assert_true(st == ITO_OK);
}

static void a_folder_or_device_is_not_replaced(void **state) {
    ito_error err;
    struct stat info;
    (void)state;
    assert_int_equal(ito_file_write(scratch_folder, "x", 1, &err), ITO_E_IO);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(ito_file_write("/dev/null", "x", 1, &err), ITO_E_IO);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_int_equal(ito_file_write(scratch_path("no/such/folder"), "x", 1, &err), ITO_E_IO);
    assert_non_null(strstr(err.message, "check the path"));
}

static void a_killed_writers_leftover_is_stepped_over(void **state) {
    const char *path = scratch_path("again");
    char leftover[600];
    ito_error err;
    (void)state;
    snprintf(leftover, sizeof leftover, "%s.%ld-0.part", path, (long)getpid());
    scratch_write(leftover, "half", 4);
    assert_int_equal(ito_file_write(path, "x", 1, &err), ITO_OK);
    assert_int_equal(unlink(leftover), 0);
    assert_int_equal(access(path, R_OK), 0);
}

static void new_files_obey_the_umask(void **state) {
    struct stat info;
    ito_error err;
    mode_t before = umask(0027);
    (void)state;
    assert_int_equal(ito_file_write(scratch_path("mode"), "x", 1, &err), ITO_OK);
    umask(before);
    assert_int_equal(stat(scratch_path("mode"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
}

static void folders_are_made_with_their_parents(void **state) {
    struct stat info;
    ito_error err;
    (void)state;
    assert_int_equal(ito_directory_make(scratch_path("a/b/c"), &err), ITO_OK);
    assert_int_equal(stat(scratch_path("a/b/c"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_int_equal(ito_directory_make(scratch_path("a/b/c"), &err), ITO_OK);
    assert_int_equal(ito_directory_make(scratch_path("a//d/"), &err), ITO_OK);
    assert_int_equal(stat(scratch_path("a/d"), &info), 0);
    assert_int_equal(ito_directory_make("/", &err), ITO_OK);
}

static void a_file_in_the_way_of_a_folder_is_named(void **state) {
    ito_error err;
    (void)state;
    scratch_write(scratch_path("file"), "x", 1);
    assert_int_equal(ito_directory_make(scratch_path("file/inner"), &err), ITO_E_IO);
    assert_non_null(strstr(err.message, "/file: is a file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_written_is_read_back, reset),
        cmocka_unit_test_setup(a_longer_file_than_allowed_is_refused, reset),
        cmocka_unit_test_setup(unreadable_paths_are_named, reset),
        cmocka_unit_test_setup(every_failing_call_leaves_the_old_file, reset),
        cmocka_unit_test_setup(a_folder_or_device_is_not_replaced, reset),
        cmocka_unit_test_setup(a_killed_writers_leftover_is_stepped_over, reset),
        cmocka_unit_test_setup(new_files_obey_the_umask, reset),
        cmocka_unit_test_setup(folders_are_made_with_their_parents, reset),
        cmocka_unit_test_setup(a_file_in_the_way_of_a_folder_is_named, reset),
    };
    return cmocka_run_group_tests_name("files", tests, scratch_make, scratch_remove);
}
