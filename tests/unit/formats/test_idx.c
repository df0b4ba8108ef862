/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX files, plain and gzipped: values, and damage.
 */
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

/* Two images of 2 x 3. */
static const unsigned char example[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0,  0,  2,  0,   0,
                                        0, 3, 0, 1, 2, 3, 4, 5, 6, 70, 80, 90, 100, 255};

static void write_gz(const char *path, const void *bytes, size_t length) {
    gzFile out = gzopen(path, "wb9");
    assert_int_equal(gzwrite(out, bytes, (unsigned)length), (int)length);
    assert_int_equal(gzclose(out), Z_OK);
}

/* Whatever is accepted must be the example. */
static ito_status read_status(const char *path, ito_error *err) {
    int rank = -7;
    int64_t dims[3] = {-7, -7, -7};
    uint8_t *bytes = (uint8_t *)1;
    ito_status st = ito_idx_read(path, &rank, dims, &bytes, err);
    if (st == ITO_OK) {
        assert_true(rank == 3 && dims[0] == 2 && dims[1] == 2 && dims[2] == 3);
        assert_memory_equal(bytes, example + 16, 12);
    } else {
        assert_null(bytes);
        assert_int_equal(rank, -7);
    }
    free(bytes);
    return st;
}

static void plain_and_gzipped_files_give_the_same_values(void **state) {
    const char *paths[] = {scratch_path("plain"), scratch_path("zipped.gz")};
    (void)state;
    scratch_write(paths[0], example, sizeof example);
    write_gz(paths[1], example, sizeof example);
    for (int k = 0; k < 2; k++) {
        int rank = 0;
        int64_t dims[3];
        uint8_t *bytes = NULL;
        assert_int_equal(ito_idx_read(paths[k], &rank, dims, &bytes, NULL), ITO_OK);
        assert_int_equal(rank, 3);
        assert_int_equal(dims[0], 2);
        assert_int_equal(dims[1], 2);
        assert_int_equal(dims[2], 3);
        assert_memory_equal(bytes, example + 16, 12);
        free(bytes);
    }
}

static void every_truncation_is_noticed(void **state) {
    const char *gz = scratch_path("whole.gz"), *cut = scratch_path("cut.gz");
    size_t length = 0;
    ito_error err;
    (void)state;
    for (size_t n = 0; n < sizeof example; n++) {
        scratch_write(cut, example, n);
        assert_int_equal(read_status(cut, &err), ITO_E_FORMAT);
        assert_non_null(strstr(err.message, cut));
    }
    write_gz(gz, example, sizeof example);
    unsigned char *file = scratch_read(gz, &length);
    for (size_t n = 0; n < length; n++) {
        scratch_write(cut, file, n);
        assert_int_equal(read_status(cut, &err), ITO_E_FORMAT);
    }
    free(file);
}

/* Dates and names in the gzip header and the bits that fill its last byte may change; nothing else, since the
 * checksum covers the values. */
static void damaged_bytes_are_noticed_or_do_not_matter(void **state) {
    const char *gz = scratch_path("whole.gz"), *damaged = scratch_path("damaged.gz");
    size_t length = 0;
    int accepted = 0;
    ito_error err;
    (void)state;
    write_gz(gz, example, sizeof example);
    unsigned char *file = scratch_read(gz, &length);
    for (size_t i = 0; i < length; i++) {
        for (int bit = 0; bit < 8; bit++) {
            file[i] ^= (unsigned char)(1 << bit);
            scratch_write(damaged, file, length);
            ito_status st = read_status(damaged, &err);
            assert_true(st == ITO_OK || st == ITO_E_FORMAT);
            accepted += st == ITO_OK && i >= 10; /* the header has ten bytes */
            file[i] ^= (unsigned char)(1 << bit);
        }
    }
    printf("%d of %zu flipped bits behind the header accepted, bound 7\n", accepted, 8 * length - 80);
    assert_true(accepted <= 7);
    free(file);
}

/* zlib unpacks in pieces of 8192 bytes, or twice that: some of these files end in a piece of their own, which
 * is read after the last value has been handed out. */
static void a_wrong_checksum_is_noticed_wherever_it_lies(void **state) {
    enum { MOST = 5 * 8192 };
    static uint8_t file[8 + MOST];
    const char *gz = scratch_path("long.gz");
    uint32_t random = 1;
    (void)state;
    for (int i = 0; i < MOST; i++) { /* incompressible, by a linear congruence */
        random = random * 1664525 + 1013904223;
        file[8 + i] = (uint8_t)(random >> 24);
    }
    for (int end = 8192; end <= MOST; end += 8192) {
        for (int values = end - 60; values <= end; values++) {
            const uint8_t header[8] = {0, 0, 8, 1, 0, 0, (uint8_t)(values >> 8), (uint8_t)values};
            size_t length = 0;
            ito_error err;
            memcpy(file, header, sizeof header);
            write_gz(gz, file, 8 + (size_t)values);
            unsigned char *packed = scratch_read(gz, &length);
            packed[length - 8] ^= 1;
            scratch_write(gz, packed, length);
            free(packed);
            assert_int_equal(read_status(gz, &err), ITO_E_FORMAT);
        }
    }
}

static void a_file_that_goes_on_is_refused(void **state) {
    unsigned char longer[sizeof example + 1] = {0};
    ito_error err;
    (void)state;
    memcpy(longer, example, sizeof example);
    scratch_write(scratch_path("longer"), longer, sizeof longer);
    assert_int_equal(read_status(scratch_path("longer"), &err), ITO_E_FORMAT);
    assert_non_null(strstr(err.message, "goes on"));
}

static void absurd_sizes_are_refused_before_allocating(void **state) {
    static const unsigned char huge[] = {0,    0,    8,    3,    0xff, 0xff, 0xff, 0xff,
                                         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const unsigned char large[] = {0, 0, 8, 1, 0, 1, 0, 0}; /* 64 KiB from 8 bytes */
    ito_error err;
    (void)state;
    scratch_write(scratch_path("huge"), huge, sizeof huge);
    write_gz(scratch_path("huge.gz"), huge, sizeof huge);
    scratch_write(scratch_path("large"), large, sizeof large);
    const char *names[] = {"huge", "huge.gz", "large"};
    for (int k = 0; k < 3; k++) {
        assert_int_equal(read_status(scratch_path(names[k]), &err), ITO_E_FORMAT);
        assert_non_null(strstr(err.message, "promises more values"));
    }
}

static void other_types_and_ranks_are_refused(void **state) {
    static const unsigned char headers[][8] = {{1, 0, 8, 1, 0, 0, 0, 0},
                                               {0, 0, 13, 1, 0, 0, 0, 0},
                                               {0, 0, 8, 0, 0, 0, 0, 0},
                                               {0, 0, 8, 4, 0, 0, 0, 0}};
    ito_error err;
    (void)state;
    for (int k = 0; k < 4; k++) {
        scratch_write(scratch_path("odd"), headers[k], 8);
        assert_int_equal(read_status(scratch_path("odd"), &err), ITO_E_FORMAT);
        assert_non_null(strstr(err.message, "expected 00 00 08"));
    }
    assert_int_equal(read_status(scratch_path("absent"), &err), ITO_E_IO);
    assert_int_equal(read_status(scratch_folder, &err), ITO_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_gzipped_files_give_the_same_values),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(damaged_bytes_are_noticed_or_do_not_matter),
        cmocka_unit_test(a_wrong_checksum_is_noticed_wherever_it_lies),
        cmocka_unit_test(a_file_that_goes_on_is_refused),
        cmocka_unit_test(absurd_sizes_are_refused_before_allocating),
        cmocka_unit_test(other_types_and_ranks_are_refused),
    };
    return cmocka_run_group_tests_name("idx", tests, scratch_make, scratch_remove);
}
