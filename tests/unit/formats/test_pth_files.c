/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that PyTorch itself wrote, old and new, in every form: one and the same checkpoint comes out of each.
 * tests/golden/pth/README.md says how they were made.
 */
#include "unit/formats/scratch.h"

#include <ito/formats.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER "tests/golden/pth/"

static void compare(const char *path, const ito_tensor_file *expected) {
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    if (ito_pth_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_int_equal(ito_tensor_file_count(f), ito_tensor_file_count(expected));
    for (int i = 0; i < ito_tensor_file_count(expected); i++) {
        const ito_tensor *a = ito_tensor_file_at(expected, i), *b = ito_tensor_file_find(f, a->name);
        if (!b) fail_msg("%s: no tensor %s", path, a->name);
        bool same = a->dtype == b->dtype && a->rank == b->rank &&
                    memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0 &&
                    memcmp(a->data, b->data, (size_t)a->count * ito_dtype_size(a->dtype)) == 0;
        if (!same) fail_msg("%s: %s differs", path, a->name);
    }
    for (int i = 0; i < ito_tensor_file_count(f); i++)
        if (ito_tensor_file_check(f, ito_tensor_file_at(f, i), &err) != ITO_OK) fail_msg("%s", err.message);
    for (int i = 0; i < ito_tensor_file_metadata_count(expected); i++) {
        ito_metadata pair = ito_tensor_file_metadata_at(expected, i);
        const char *got = ito_tensor_file_metadata(f, pair.key);
        if (!got || strtod(got, NULL) != strtod(pair.value, NULL))
            fail_msg("%s: %s is %s, expected %s", path, pair.key, got ? got : "missing", pair.value);
    }
    print_message("  %-40s %d tensors\n", path, ito_tensor_file_count(f));
    ito_tensor_file_close(f);
}

static void every_form_gives_the_same_checkpoint(void **state) {
    (void)state;
    static const char *const names[] = {
        FOLDER "old_zip.pth",       FOLDER "old_legacy.pth", FOLDER "old_parameters.pth",
        FOLDER "new_zip.pth",       FOLDER "new_legacy.pth", FOLDER "new_parameters.pth",
        FOLDER "new_protocol4.pth",
    };
    ito_tensor_file *expected = NULL;
    ito_error err = {0};
    if (ito_safetensors_open(FOLDER "expected.safetensors", &expected, &err) != ITO_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) compare(names[i], expected);
    ito_tensor_file_close(expected);
}

/* What a broken copy of a file leads to: a sentence, or values that nothing could tell from good ones. */
static ito_status read_broken(const char *path, const unsigned char *data, size_t length) {
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    scratch_write(path, data, length);
    ito_status st = ito_pth_open(path, &f, &err);
    for (int i = 0; st == ITO_OK && i < ito_tensor_file_count(f); i++)
        st = ito_tensor_file_check(f, ito_tensor_file_at(f, i), &err);
    assert_int_equal(st != ITO_OK, err.message[0] != '\0');
    ito_tensor_file_close(f);
    return st;
}

static void damage_is_refused_or_survived(void **state) {
    (void)state;
    static const char *const names[] = {FOLDER "new_zip.pth", FOLDER "old_legacy.pth"};
    for (int k = 0; k < 2; k++) {
        size_t length, cuts = 0, flips = 0, refused = 0;
        const char *path = scratch_path("broken.pth");
        unsigned char *data = scratch_read(names[k], &length);
        for (size_t n = 0; n < length; n += 13, cuts++) {
            ito_status st = read_broken(path, data, n);
            if (st != ITO_E_FORMAT) fail_msg("%s cut to %zu bytes: status %d", names[k], n, (int)st);
        }
        for (size_t n = 0; n < length; n += 11, flips++) {
            data[n] ^= (unsigned char)(1 + n % 255);
            refused += read_broken(path, data, length) != ITO_OK;
            data[n] ^= (unsigned char)(1 + n % 255);
        }
        print_message("  %s: %zu truncations refused, %zu of %zu flipped bytes\n", names[k], cuts, refused,
                      flips);
        free(data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_gives_the_same_checkpoint),
        cmocka_unit_test(damage_is_refused_or_survived),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
