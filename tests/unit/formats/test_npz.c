/* SPDX-License-Identifier: Apache-2.0
 *
 * .npz and .npy: round trips, headers as other writers print them, damage.
 */
#include "formats/npy.h"
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zip.h>

#include <cmocka.h>

static const float f32[6] = {0, 1, -2, 3.5f, 1e-20f, 7};
static const double f64[1] = {0.1};
static const uint8_t u8[4] = {0, 1, 128, 255};
static const int64_t i64[2] = {-1, INT64_MAX};
static const int32_t i32[2] = {-1, INT32_MAX};
static const ito_tensor arrays[] = {
    {"samples", ITO_DTYPE_F32, 2, {2, 3}, 6, f32},    {"nfe", ITO_DTYPE_F64, 0, {0}, 1, f64},
    {"images", ITO_DTYPE_U8, 4, {1, 2, 2, 1}, 4, u8}, {"labels", ITO_DTYPE_I64, 1, {2}, 2, i64},
    {"steps", ITO_DTYPE_I32, 2, {2, 1}, 2, i32},      {"none", ITO_DTYPE_F32, 2, {0, 3}, 0, NULL},
};
enum { ARRAYS = sizeof arrays / sizeof arrays[0] };

static void expect_equal(const ito_tensor *t, const ito_tensor *expected) {
    assert_non_null(t);
    assert_int_equal(t->dtype, expected->dtype);
    assert_int_equal(t->rank, expected->rank);
    assert_int_equal(t->count, expected->count);
    for (int k = 0; k < t->rank; k++) assert_int_equal(t->dim[k], expected->dim[k]);
    assert_memory_equal(t->data, t->count ? expected->data : "", (size_t)t->count * ito_dtype_size(t->dtype));
}

static void arrays_read_back_as_written(void **state) {
    const char *path = scratch_path("example.npz");
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    (void)state;
    assert_int_equal(ito_npz_write(path, ARRAYS, arrays, &err), ITO_OK);
    assert_int_equal(ito_npz_open(path, &f, &err), ITO_OK);
    assert_int_equal(ito_tensor_file_count(f), ARRAYS);
    for (int i = 0; i < ARRAYS; i++) {
        expect_equal(ito_tensor_file_find(f, arrays[i].name), &arrays[i]);
    }
    ito_tensor_file_close(f);
}

static void single_arrays_read_back_as_written(void **state) {
    (void)state;
    for (int i = 0; i < ARRAYS; i++) {
        const char *path = scratch_path("single.npy");
        ito_tensor_file *f = NULL;
        assert_int_equal(ito_npy_write(path, &arrays[i], NULL), ITO_OK);
        assert_int_equal(ito_npy_open(path, "mine", &f, NULL), ITO_OK);
        assert_int_equal(ito_tensor_file_count(f), 1);
        expect_equal(ito_tensor_file_find(f, "mine"), &arrays[i]);
        ito_tensor_file_close(f);
    }
}

static void damaged_single_arrays_are_refused(void **state) {
    const char *path = scratch_path("damaged.npy");
    size_t length = 0;
    ito_error err;
    (void)state;
    assert_int_equal(ito_npy_write(path, &arrays[0], NULL), ITO_OK);
    unsigned char *whole = scratch_read(path, &length);
    for (size_t cut = 0; cut < length; cut++) {
        ito_tensor_file *f = (ito_tensor_file *)whole;
        assert_int_equal(ito_file_write(path, whole, cut, NULL), ITO_OK);
        assert_int_equal(ito_npy_open(path, "x", &f, &err), ITO_E_FORMAT);
        assert_null(f);
        assert_non_null(strstr(err.message, "damaged.npy: "));
    }
    ito_tensor_file *f = NULL;
    assert_int_equal(ito_npy_open(scratch_path("missing.npy"), "x", &f, &err), ITO_E_IO);
    free(whole);
}

static void equal_arrays_give_equal_files(void **state) {
    size_t one_length = 0, two_length = 0;
    (void)state;
    assert_int_equal(ito_npz_write(scratch_path("one.npz"), ARRAYS, arrays, NULL), ITO_OK);
    setenv("TZ", "Asia/Tokyo", 1);
    assert_int_equal(ito_npz_write(scratch_path("two.npz"), ARRAYS, arrays, NULL), ITO_OK);
    unsigned char *one = scratch_read(scratch_path("one.npz"), &one_length);
    unsigned char *two = scratch_read(scratch_path("two.npz"), &two_length);
    assert_int_equal(one_length, two_length);
    assert_memory_equal(one, two, one_length);
    assert_memory_equal(one + 10, "\0\0\x21\0",
                        4); /* time and date of the first entry: midnight, 1 January 1980 */
    free(two);
    free(one);
}

static void headers_are_laid_out_as_numpy_does(void **state) {
    char header[ITO__NPY_HEADER_MAX];
    size_t length = 0;
    (void)state;
    assert_int_equal(ito__npy_header("x", &arrays[0], header, &length, NULL), ITO_OK);
    assert_int_equal(length, 128);
    assert_memory_equal(header,
                        "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 69);
    assert_int_equal(header[127], '\n');
    assert_int_equal(header[126], ' ');
}

static void an_array_alone_is_header_and_data(void **state) {
    (void)state;
    for (int i = 0; i < ARRAYS; i++) {
        char header[ITO__NPY_HEADER_MAX];
        size_t length, head, bytes = (size_t)arrays[i].count * ito_dtype_size(arrays[i].dtype);
        assert_int_equal(ito_npy_write(scratch_path("one.npy"), &arrays[i], NULL), ITO_OK);
        unsigned char *file = scratch_read(scratch_path("one.npy"), &length);
        assert_int_equal(ito__npy_header("one.npy", &arrays[i], header, &head, NULL), ITO_OK);
        assert_int_equal(length, head + bytes);
        assert_memory_equal(file, header, head);
        assert_memory_equal(file + head, bytes ? arrays[i].data : "", bytes);
        free(file);
    }
    const ito_tensor wrong = {"wrong", ITO_DTYPE_F64, 1, {2}, 1, f64};
    ito_error err;
    assert_int_equal(ito_npy_write(scratch_path("wrong.npy"), &wrong, &err), ITO_E_ARG);
    assert_int_not_equal(access(scratch_path("wrong.npy"), F_OK), 0);
}

static void bfloat16_is_refused(void **state) {
    const ito_tensor t = {"w", ITO_DTYPE_BF16, 1, {2}, 2, u8};
    ito_error err;
    (void)state;
    assert_int_equal(ito_npz_write(scratch_path("bf16.npz"), 1, &t, &err), ITO_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "\"w\" is BF16"));
    assert_int_not_equal(access(scratch_path("bf16.npz"), F_OK), 0);
}

static void an_archive_of_nothing_is_refused(void **state) {
    (void)state;
    assert_int_equal(ito_npz_write(scratch_path("nothing.npz"), 0, NULL, NULL), ITO_E_ARG);
}

static void names_that_clash_are_refused(void **state) {
    const ito_tensor twice[] = {arrays[0], arrays[0]};
    ito_tensor wrong = arrays[0];
    ito_error err;
    (void)state;
    wrong.count = 5;
    assert_int_equal(ito_npz_write(scratch_path("twice.npz"), 2, twice, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "samples"));
    assert_int_equal(ito_npz_write(scratch_path("twice.npz"), 1, &wrong, &err), ITO_E_ARG);
    assert_int_not_equal(access(scratch_path("twice.npz"), F_OK), 0);
}

/* Parses a .npy of this dictionary, padded by nothing, with `values` bytes behind it. */
static ito_status parse(const char *dictionary, size_t values, ito_tensor *t, ito_error *err) {
    static char file[1024];
    size_t n = strlen(dictionary);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (char)n;
    file[9] = (char)(n >> 8);
    memcpy(file + 10, dictionary, n);
    *t = (ito_tensor){.name = "x"};
    return ito__npy_parse("f.npz", file, 10 + n + values, t, err);
}

static void dictionaries_of_other_writers_are_read(void **state) {
    ito_tensor t;
    (void)state;
    assert_int_equal(parse("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }   \n", 24, &t, NULL),
                     ITO_OK);
    assert_int_equal(t.rank, 2);
    assert_int_equal(t.count, 6);
    assert_int_equal(parse("{\"shape\":(3,),\"fortran_order\":True,\"descr\":\"|u1\"}", 3, &t, NULL), ITO_OK);
    assert_int_equal(t.dtype, ITO_DTYPE_U8);
    assert_int_equal(parse("{'descr': '|b1', 'fortran_order': False, 'shape': ()}", 1, &t, NULL), ITO_OK);
    assert_int_equal(t.rank, 0);
    assert_int_equal(t.count, 1);
}

#define SHAPED(shape) "{'descr': '<f4', 'fortran_order': False, 'shape': " shape "}"

static void bad_dictionaries_are_refused(void **state) {
    static const struct {
        const char *dictionary;
        ito_status status;
    } cases[] = {
        {"", ITO_E_FORMAT},
        {"{}", ITO_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False}", ITO_E_FORMAT},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", ITO_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", ITO_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}", ITO_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()", ITO_E_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", ITO_E_FORMAT},
        {"{'descr': '<f4", ITO_E_FORMAT},
        {"{'descr': 'a very long description', 'fortran_order': False, 'shape': ()}", ITO_E_FORMAT},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", ITO_E_FORMAT},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': ()}", ITO_E_UNSUPPORTED},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': ()}", ITO_E_UNSUPPORTED},
        {"{'descr': '|O', 'fortran_order': False, 'shape': ()}", ITO_E_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}", ITO_E_UNSUPPORTED},
        {SHAPED("(2,)"), ITO_E_FORMAT}, /* four bytes follow: too few, too many */
        {SHAPED("(0,)"), ITO_E_FORMAT},
        {SHAPED("(-1,)"), ITO_E_FORMAT},
        {SHAPED("(1"), ITO_E_FORMAT},
        {SHAPED("(,)"), ITO_E_FORMAT},
        {SHAPED("(1 1)"), ITO_E_FORMAT},
        {SHAPED("1"), ITO_E_FORMAT},
        {SHAPED("(1,1,1,1,1,1,1,1,1)"), ITO_E_FORMAT},
        {SHAPED("(99999999999999999999999999,)"), ITO_E_FORMAT},
        {SHAPED("(9223372036854775807, 9223372036854775807)"), ITO_E_FORMAT},
        {SHAPED("(4611686018427387905,)"), ITO_E_FORMAT}, /* times 4 bytes wraps to 4 */
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ito_tensor t;
        ito_error err = {0};
        ito_status st = parse(cases[k].dictionary, 4, &t, &err);
        if (st != cases[k].status)
            print_error("%s: %s (%s)\n", cases[k].dictionary, ito_status_name(st), err.message);
        assert_int_equal(st, cases[k].status);
        assert_non_null(strstr(err.message, "f.npz: array \"x\" "));
    }
}

static void every_truncation_is_noticed(void **state) {
    const char *path = scratch_path("whole.npz"), *cut = scratch_path("cut.npz");
    size_t length = 0;
    (void)state;
    assert_int_equal(ito_npz_write(path, ARRAYS, arrays, NULL), ITO_OK);
    unsigned char *file = scratch_read(path, &length);
    for (size_t n = 0; n < length; n++) {
        ito_tensor_file *f = NULL;
        ito_error err;
        scratch_write(cut, file, n);
        assert_int_equal(ito_npz_open(cut, &f, &err), ITO_E_FORMAT);
        assert_null(f);
    }
    free(file);
}

/* Every byte of the archive damaged in four ways: an error or the right values (some bytes, dates for one, do
 * not matter), never a crash. The checksum guards the data. */
static void damaged_bytes_do_no_harm(void **state) {
    static const unsigned char patterns[] = {0x01, 0x80, 0xff, 0x55};
    const char *path = scratch_path("whole.npz"), *damaged = scratch_path("damaged.npz");
    size_t length = 0;
    int wrong = 0;
    (void)state;
    assert_int_equal(ito_npz_write(path, ARRAYS, arrays, NULL), ITO_OK);
    unsigned char *file = scratch_read(path, &length);
    for (size_t i = 0; i < length; i++) {
        for (int k = 0; k < 4; k++) {
            ito_tensor_file *f = NULL;
            ito_error err;
            file[i] ^= patterns[k];
            scratch_write(damaged, file, length);
            ito_status st = ito_npz_open(damaged, &f, &err);
            assert_int_equal(st == ITO_OK, f != NULL);
            if (f != NULL) {
                const ito_tensor *t = ito_tensor_file_find(f, "samples");
                wrong += t != NULL && (t->count != 6 || memcmp(t->data, f32, sizeof f32) != 0);
            }
            ito_tensor_file_close(f);
            file[i] ^= patterns[k];
        }
    }
    assert_int_equal(wrong, 0);
    free(file);
}

/* A zip with one entry; compressed so that its size can be a lie told by megabytes of zeroes. */
static void write_zip(const char *path, const char *name, const void *data, size_t length) {
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    zip_source_t *source = zip_source_buffer(zip, data, length, 0);
    assert_true(zip_file_add(zip, name, source, 0) >= 0);
    assert_int_equal(zip_close(zip), 0);
}

static void compressed_arrays_are_read(void **state) {
    const char *path = scratch_path("deflated.npz");
    char file[4096] = {0}, header[ITO__NPY_HEADER_MAX];
    const ito_tensor t = {"z", ITO_DTYPE_U8, 1, {3000}, 3000, NULL};
    size_t length = 0;
    ito_tensor_file *f = NULL;
    (void)state;
    ito__npy_header("x", &t, header, &length, NULL);
    memcpy(file, header, length);
    write_zip(path, "z.npy", file, length + 3000);
    assert_int_equal(ito_npz_open(path, &f, NULL), ITO_OK);
    assert_int_equal(ito_tensor_file_find(f, "z")->count, 3000);
    ito_tensor_file_close(f);
}

static void what_is_no_array_is_refused(void **state) {
    const char *path = scratch_path("odd.npz");
    ito_tensor_file *f = NULL;
    ito_error err;
    (void)state;
    write_zip(path, "readme.txt", "hello", 5);
    assert_int_equal(ito_npz_open(path, &f, &err), ITO_E_FORMAT);
    assert_non_null(strstr(err.message, "\"readme.txt\" is no .npy array"));
    write_zip(path, "x.npy", "hello", 5);
    assert_int_equal(ito_npz_open(path, &f, &err), ITO_E_FORMAT);
    assert_non_null(strstr(err.message, "no .npy header"));
    scratch_write(path, "hello", 5);
    assert_int_equal(ito_npz_open(path, &f, &err), ITO_E_FORMAT);
    assert_int_equal(ito_npz_open(scratch_path("absent.npz"), &f, &err), ITO_E_IO);
    assert_null(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_read_back_as_written),
        cmocka_unit_test(single_arrays_read_back_as_written),
        cmocka_unit_test(damaged_single_arrays_are_refused),
        cmocka_unit_test(equal_arrays_give_equal_files),
        cmocka_unit_test(headers_are_laid_out_as_numpy_does),
        cmocka_unit_test(an_array_alone_is_header_and_data),
        cmocka_unit_test(bfloat16_is_refused),
        cmocka_unit_test(an_archive_of_nothing_is_refused),
        cmocka_unit_test(names_that_clash_are_refused),
        cmocka_unit_test(dictionaries_of_other_writers_are_read),
        cmocka_unit_test(bad_dictionaries_are_refused),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(damaged_bytes_do_no_harm),
        cmocka_unit_test(compressed_arrays_are_read),
        cmocka_unit_test(what_is_no_array_is_refused),
    };
    return cmocka_run_group_tests_name("npz", tests, scratch_make, scratch_remove);
}
