/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies from file to file: any number of slices, progress that adds up, and a disk that gives back something
 * else than was written is noticed before the file has its name.
 *
 * Linked with --wrap for write, which then damages one byte of one call.
 */
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int calls, damage_at;

ssize_t __real_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length);
ssize_t __wrap_write(int fd, const void *data, size_t length) {
    if (++calls != damage_at || length == 0) return __real_write(fd, data, length);
    unsigned char *other = malloc(length);
    memcpy(other, data, length);
    other[length / 2] ^= 4;
    ssize_t n = __real_write(fd, other, length);
    free(other);
    return n;
}

enum { LONG = (2 << 20) + 3, SHORT = 5 }; /* elements: three slices, and one */

/* "a" [LONG] float, "b" [SHORT] double. */
static ito_tensor_file *open_source(const char *path) {
    static float a[LONG];
    static const double b[SHORT] = {1, 2, 3, 4, 5};
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    for (int i = 0; i < LONG; i++) a[i] = (float)i;
    const ito_tensor tensors[] = {{"a", ITO_DTYPE_F32, 1, {LONG}, LONG, a},
                                  {"b", ITO_DTYPE_F64, 1, {SHORT}, SHORT, b}};
    if (ito_safetensors_write(path, 2, tensors, 0, NULL, &err) != ITO_OK) fail_msg("%s", err.message);
    if (ito_safetensors_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    return f;
}

static const ito_tensor targets[] = {
    {.name = "x", .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {LONG}, .count = LONG},
    {.name = "y", .dtype = ITO_DTYPE_BF16, .rank = 1, .dim = {SHORT}, .count = SHORT},
    {.name = "z", .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {SHORT}, .count = SHORT}};

typedef struct heard {
    int64_t done, total, times;
} heard;

static ito_status hear(void *self, int64_t done, int64_t total) {
    heard *h = self;
    assert_true(done > h->done && done <= total);
    *h = (heard){done, total, h->times + 1};
    return ITO_OK;
}

static void every_slice_arrives(void **state) {
    (void)state;
    ito_error err = {0};
    heard h = {0, 0, 0};
    ito_tensor_file *from = open_source(scratch_path("from.safetensors")), *to = NULL;
    const ito_tensor *sources[] = {ito_tensor_file_at(from, 0), ito_tensor_file_at(from, 1), NULL};
    const char *path = scratch_path("to.safetensors");
    if (ito_safetensors_copy(path, from, 3, targets, sources, 0, NULL, (ito_progress){&h, hear}, &err) !=
        ITO_OK)
        fail_msg("%s", err.message);
    print_message("  %lld reports of %lld bytes\n", (long long)h.times, (long long)h.total);
    assert_int_equal(h.total, 2 * (4 * LONG + 2 * SHORT + 4 * SHORT));
    assert_int_equal(h.done, h.total);
    assert_int_equal(h.times, 2 * (3 + 1 + 1));
    if (ito_safetensors_open(path, &to, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_memory_equal(ito_tensor_file_find(to, "x")->data, sources[0]->data, 4 * LONG);
    float y[SHORT], z[SHORT];
    ito_tensor_read_f32(ito_tensor_file_find(to, "y"), y);
    ito_tensor_read_f32(ito_tensor_file_find(to, "z"), z);
    for (int i = 0; i < SHORT; i++) assert_true(y[i] == (float)(i + 1) && z[i] == 0);
    ito_tensor_file_close(to);
    ito_tensor_file_close(from);
}

/* Header, three slices of x, y, z: each call of write in turn. */
static void what_does_not_read_back_gets_no_name(void **state) {
    (void)state;
    ito_tensor_file *from = open_source(scratch_path("from.safetensors"));
    const ito_tensor *sources[] = {ito_tensor_file_at(from, 0), ito_tensor_file_at(from, 1), NULL};
    int entries = scratch_entries(), damaged = 0;
    for (int at = 1; at <= 6; at++) {
        ito_error err = {0};
        calls = 0;
        damage_at = at;
        ito_status st = ito_safetensors_copy(scratch_path("damaged.safetensors"), from, 3, targets, sources,
                                             0, NULL, (ito_progress){0}, &err);
        damage_at = 0;
        assert_int_equal(st, ITO_E_IO);
        assert_non_null(strstr(err.message, "does not read back"));
        assert_int_equal(scratch_entries(), entries);
        damaged++;
    }
    print_message("  %d damaged writes noticed\n", damaged);
    ito_tensor_file_close(from);
}

static void impossible_copies_are_refused(void **state) {
    (void)state;
    ito_error err = {0};
    ito_tensor_file *from = open_source(scratch_path("from.safetensors"));
    const ito_tensor *sources[] = {ito_tensor_file_at(from, 1)};
    assert_int_equal(ito_safetensors_copy(scratch_path("no.safetensors"), from, 1, targets, sources, 0, NULL,
                                          (ito_progress){0}, &err),
                     ITO_E_ARG);
    ito_tensor whole = targets[1];
    whole.dtype = ITO_DTYPE_I64;
    assert_int_equal(ito_safetensors_copy(scratch_path("no.safetensors"), from, 1, &whole, sources, 0, NULL,
                                          (ito_progress){0}, &err),
                     ITO_E_ARG);
    ito_tensor_file_close(from);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slice_arrives),
        cmocka_unit_test(what_does_not_read_back_gets_no_name),
        cmocka_unit_test(impossible_copies_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
