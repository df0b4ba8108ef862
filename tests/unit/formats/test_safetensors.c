/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors: round trips, files written by hand, and damage of every kind.
 */
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const float weights[6] = {0, 1, -2, 3.5f, 1e-20f, 7};
static const uint8_t bytes3[3] = {1, 2, 255};
static const double half = 0.5;
static const ito_metadata pairs[] = {
    {"recipe", "name: \"x\"\n\tpath: a\\b"}, {"step", "12"}, {"grüße", "\xe2\x88\x80"}};

/* A file of four tensors: an odd length, a scalar, an empty one. */
static void write_example(const char *path) {
    const ito_tensor tensors[] = {
        {"enc.0.weight", ITO_DTYPE_F32, 2, {2, 3}, 6, weights},
        {"u \"quoted\"", ITO_DTYPE_U8, 1, {3}, 3, bytes3},
        {"empty", ITO_DTYPE_I64, 2, {0, 5}, 0, NULL},
        {"scalar", ITO_DTYPE_F64, 0, {0}, 1, &half},
    };
    ito_error err = {0};
    ito_status st = ito_safetensors_write(path, 4, tensors, 3, pairs, &err);
    if (st != ITO_OK) print_error("%s\n", err.message);
    assert_int_equal(st, ITO_OK);
}

/* A file of the given header and `length` zero bytes. */
static void write_raw(const char *path, const char *header, size_t length) {
    char file[4096] = {0};
    uint64_t n = strlen(header);
    memcpy(file, &n, 8);
    memcpy(file + 8, header, n);
    scratch_write(path, file, 8 + (size_t)n + length);
}

static void a_file_reads_back_as_written(void **state) {
    const char *path = scratch_path("example");
    ito_tensor_file *f = NULL;
    ito_error err;
    double value;
    (void)state;
    write_example(path);
    assert_int_equal(ito_safetensors_open(path, &f, &err), ITO_OK);
    assert_int_equal(ito_tensor_file_count(f), 4);
    const ito_tensor *t = ito_tensor_file_at(f, 0);
    assert_string_equal(t->name, "enc.0.weight");
    assert_int_equal(t->dtype, ITO_DTYPE_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->dim[0], 2);
    assert_int_equal(t->dim[1], 3);
    assert_int_equal(t->count, 6);
    assert_memory_equal(t->data, weights, sizeof weights);
    assert_memory_equal(ito_tensor_file_find(f, "u \"quoted\"")->data, bytes3, 3);
    assert_int_equal(ito_tensor_file_find(f, "empty")->count, 0);
    ito_tensor_read_f64(ito_tensor_file_find(f, "scalar"), &value);
    assert_true(value == half);
    assert_null(ito_tensor_file_find(f, "enc"));
    assert_null(ito_tensor_file_at(f, 4));
    assert_null(ito_tensor_file_at(f, -1));
    assert_int_equal(ito_tensor_file_metadata_count(f), 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(ito_tensor_file_metadata_at(f, i).key, pairs[i].key);
        assert_string_equal(ito_tensor_file_metadata(f, pairs[i].key), pairs[i].value);
    }
    assert_null(ito_tensor_file_metadata(f, "absent"));
    ito_tensor_file_close(f);
}

static void data_begin_at_a_multiple_of_64(void **state) {
    const char *path = scratch_path("aligned");
    (void)state;
    for (int letters = 1; letters < 130; letters++) {
        char name[140];
        uint64_t header = 0;
        size_t length = 0;
        memset(name, 'n', sizeof name);
        name[letters] = '\0';
        ito_tensor t = {name, ITO_DTYPE_F32, 1, {6}, 6, weights};
        assert_int_equal(ito_safetensors_write(path, 1, &t, 0, NULL, NULL), ITO_OK);
        unsigned char *file = scratch_read(path, &length);
        memcpy(&header, file, 8);
        assert_int_equal((8 + header) % 64, 0);
        assert_int_equal(length, 8 + header + sizeof weights);
        assert_int_equal(file[8], '{');
        free(file);
    }
}

static void a_file_without_tensors_is_good(void **state) {
    const char *path = scratch_path("none");
    ito_tensor_file *f = NULL;
    (void)state;
    assert_int_equal(ito_safetensors_write(path, 0, NULL, 1, pairs, NULL), ITO_OK);
    assert_int_equal(ito_safetensors_open(path, &f, NULL), ITO_OK);
    assert_int_equal(ito_tensor_file_count(f), 0);
    assert_null(ito_tensor_file_find(f, "x"));
    assert_string_equal(ito_tensor_file_metadata(f, "recipe"), pairs[0].value);
    ito_tensor_file_close(f);
}

static void many_tensors_are_found_by_name(void **state) {
    enum { MANY = 3000 };
    static char names[MANY][24];
    static ito_tensor tensors[MANY];
    const char *path = scratch_path("many");
    ito_tensor_file *f = NULL;
    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "layer.%d", (i * 7919) % MANY);
        tensors[i] = (ito_tensor){names[i], ITO_DTYPE_F32, 1, {1 + i % 6}, 1 + i % 6, weights};
    }
    assert_int_equal(ito_safetensors_write(path, MANY, tensors, 0, NULL, NULL), ITO_OK);
    assert_int_equal(ito_safetensors_open(path, &f, NULL), ITO_OK);
    for (int i = 0; i < MANY; i++) {
        const ito_tensor *t = ito_tensor_file_find(f, names[i]);
        assert_non_null(t);
        assert_int_equal(t->count, tensors[i].count);
        assert_string_equal(ito_tensor_file_at(f, i)->name, names[i]); /* the order is kept */
    }
    ito_tensor_file_close(f);
}

static void tensors_in_any_order_of_offsets_are_read(void **state) {
    const char *path = scratch_path("order");
    ito_tensor_file *f = NULL;
    (void)state;
    write_raw(path,
              "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[3,5]},"
              "\"e\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[3,3]},"
              "\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}   \n",
              5);
    assert_int_equal(ito_safetensors_open(path, &f, NULL), ITO_OK);
    assert_int_equal(ito_tensor_file_count(f), 3);
    assert_true((const char *)ito_tensor_file_find(f, "b")->data ==
                (const char *)ito_tensor_file_find(f, "a")->data + 3);
    ito_tensor_file_close(f);
}

#define ONE(dtype, shape, offsets)                                                                           \
    "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void bad_headers_are_refused_with_their_reason(void **state) {
    static const struct {
        const char *header;
        size_t data;
        ito_status status;
        const char *reason;
    } cases[] = {
        {"", 8, ITO_E_FORMAT, "no JSON object"},
        {"[]", 0, ITO_E_FORMAT, "no JSON object"},
        {"{} x", 0, ITO_E_FORMAT, "no JSON object"},
        {"{}", 1, ITO_E_FORMAT, "1 bytes after its last tensor"},
        {"{\"x\":3}", 0, ITO_E_FORMAT, "not described by an object"},
        {"{\"x\":{}}", 0, ITO_E_FORMAT, "dtype \"none\""},
        {ONE("7", "[1]", "[0,4]"), 4, ITO_E_FORMAT, "dtype"},
        {ONE("\"F8_E4M3\"", "[4]", "[0,4]"), 4, ITO_E_UNSUPPORTED, "dtype \"F8_E4M3\": store it as F64"},
        {ONE("\"F32\"", "4", "[0,4]"), 4, ITO_E_FORMAT, "no shape"},
        {ONE("\"F32\"", "[-1]", "[0,4]"), 4, ITO_E_FORMAT, "bad shape"},
        {ONE("\"F32\"", "[1.5]", "[0,4]"), 4, ITO_E_FORMAT, "bad shape"},
        {ONE("\"F32\"", "[\"1\"]", "[0,4]"), 4, ITO_E_FORMAT, "bad shape"},
        {ONE("\"F32\"", "[1e300]", "[0,4]"), 4, ITO_E_FORMAT, "bad shape"},
        {ONE("\"F32\"", "[9007199254740992,9007199254740992]", "[0,4]"), 4, ITO_E_FORMAT, "impossible shape"},
        {ONE("\"F32\"", "[2147483648,2147483648]", "[0,0]"), 0, ITO_E_FORMAT, "impossible shape"},
        {ONE("\"F32\"", "[4294967296,1073741824]", "[0,0]"), 0, ITO_E_FORMAT, "impossible shape"},
        {ONE("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, ITO_E_UNSUPPORTED, "more than 8 dimensions"},
        {ONE("\"F32\"", "[1]", "[0]"), 4, ITO_E_FORMAT, "bad data offsets"},
        {ONE("\"F32\"", "[1]", "[0,4,8]"), 4, ITO_E_FORMAT, "bad data offsets"},
        {ONE("\"F32\"", "[1]", "[-4,0]"), 4, ITO_E_FORMAT, "bad data offsets"},
        {ONE("\"F32\"", "[1]", "[0,1e400]"), 4, ITO_E_FORMAT, "bad data offsets"},
        {ONE("\"F32\"", "[1]", "[0,18446744073709551620]"), 4, ITO_E_FORMAT, "bad data offsets"},
        {ONE("\"F32\"", "[1]", "[4,0]"), 4, ITO_E_FORMAT, "bytes 4 to 0 of 4"},
        {ONE("\"F32\"", "[2]", "[0,8]"), 4, ITO_E_FORMAT, "bytes 0 to 8 of 4"},
        {ONE("\"F32\"", "[2]", "[0,4]"), 4, ITO_E_FORMAT, "size other than its shape"},
        {ONE("\"U8\"", "[2]", "[1,3]"), 3, ITO_E_FORMAT, "follows a hole"},
        {ONE("\"U8\"", "[2]", "[0,2]"), 3, ITO_E_FORMAT, "1 bytes after its last tensor"},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         3, ITO_E_FORMAT, "overlaps another"},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
         2, ITO_E_FORMAT, "\"x\" occurs twice"},
        {"{\"__metadata__\":[]}", 0, ITO_E_FORMAT, "metadata"},
        {"{\"__metadata__\":{\"a\":1}}", 0, ITO_E_FORMAT, "metadata \"a\" is no string"},
    };
    const char *path = scratch_path("bad");
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ito_tensor_file *f = (ito_tensor_file *)1;
        ito_error err = {0};
        write_raw(path, cases[k].header, cases[k].data);
        ito_status st = ito_safetensors_open(path, &f, &err);
        if (st != cases[k].status || strstr(err.message, cases[k].reason) == NULL)
            print_error("header %s: got %s (%s), expected %s\n", cases[k].header, ito_status_name(st),
                        err.message, cases[k].reason);
        assert_int_equal(st, cases[k].status);
        assert_non_null(strstr(err.message, cases[k].reason));
        assert_non_null(strstr(err.message, path));
        assert_null(f);
    }
}

static void absurd_header_lengths_are_refused(void **state) {
    const uint64_t lengths[] = {3, 100, 100 << 20, (100 << 20) + 1, INT64_MAX, UINT64_MAX, UINT64_MAX - 7};
    const char *path = scratch_path("absurd");
    (void)state;
    for (int k = 0; k < 7; k++) {
        unsigned char file[10];
        ito_tensor_file *f = NULL;
        ito_error err;
        memcpy(file, &lengths[k], 8);
        memcpy(file + 8, "{}", 2);
        scratch_write(path, file, 10);
        assert_int_equal(ito_safetensors_open(path, &f, &err), ITO_E_FORMAT);
        assert_non_null(
            strstr(err.message, lengths[k] > 100 << 20 ? "are allowed" : "ends within its header"));
    }
}

static void every_truncation_is_noticed(void **state) {
    const char *path = scratch_path("whole"), *cut = scratch_path("cut");
    size_t length = 0;
    ito_tensor_file *f = NULL;
    ito_error err;
    (void)state;
    write_example(path);
    unsigned char *file = scratch_read(path, &length);
    for (size_t n = 0; n < length; n++) {
        scratch_write(cut, file, n);
        assert_int_equal(ito_safetensors_open(cut, &f, &err), ITO_E_FORMAT);
        assert_null(f);
    }
    free(file);
}

/* Every bit of length and header flipped: an error or a good file, never a crash, and never data outside. */
static void flipped_header_bits_do_no_harm(void **state) {
    const char *path = scratch_path("whole"), *flipped = scratch_path("flipped");
    size_t length = 0;
    int opened = 0, tried = 0;
    (void)state;
    write_example(path);
    unsigned char *file = scratch_read(path, &length);
    uint64_t header = 0;
    memcpy(&header, file, 8);
    for (size_t i = 0; i < 8 + header; i++) {
        for (int bit = 0; bit < 8; bit++) {
            ito_tensor_file *f = NULL;
            ito_error err;
            double sum = 0;
            file[i] ^= (unsigned char)(1 << bit);
            scratch_write(flipped, file, length);
            ito_status st = ito_safetensors_open(flipped, &f, &err);
            assert_true(st == ITO_OK || st == ITO_E_FORMAT || st == ITO_E_UNSUPPORTED);
            assert_int_equal(st == ITO_OK, f != NULL);
            for (int k = 0; f != NULL && k < ito_tensor_file_count(f); k++) {
                double values[64];
                const ito_tensor *t = ito_tensor_file_at(f, k);
                assert_in_range(t->count, 0, 64);
                ito_tensor_read_f64(t, values); /* the sanitizers see a read outside */
                for (int j = 0; j < t->count; j++) sum += values[j];
            }
            opened += st == ITO_OK;
            tried++;
            ito_tensor_file_close(f);
            file[i] ^= (unsigned char)(1 << bit);
        }
    }
    printf("%d of %d flipped headers are still valid\n", opened, tried);
    assert_true(opened < tried / 2);
    free(file);
}

static void bad_calls_of_the_writer_are_refused(void **state) {
    const char *path = scratch_path("refused");
    const ito_tensor good = {"a", ITO_DTYPE_F32, 1, {6}, 6, weights};
    const ito_metadata twice[] = {{"k", "1"}, {"k", "2"}};
    ito_tensor bad[6] = {good, good, good, good, good, good};
    ito_error err;
    (void)state;
    bad[0].count = 5;
    bad[1].rank = 9;
    bad[2].dim[0] = -6;
    bad[3].dtype = ITO_DTYPE_COUNT;
    bad[4].name = "__metadata__";
    bad[5].rank = 0;
    for (int k = 0; k < 6; k++)
        assert_int_equal(ito_safetensors_write(path, 1, &bad[k], 0, NULL, &err), ITO_E_ARG);
    const ito_tensor same[] = {good, good};
    assert_int_equal(ito_safetensors_write(path, 2, same, 0, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "\"a\" is given twice"));
    assert_int_equal(ito_safetensors_write(path, 1, &good, 2, twice, &err), ITO_E_ARG);
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_reads_back_as_written),
        cmocka_unit_test(data_begin_at_a_multiple_of_64),
        cmocka_unit_test(a_file_without_tensors_is_good),
        cmocka_unit_test(many_tensors_are_found_by_name),
        cmocka_unit_test(tensors_in_any_order_of_offsets_are_read),
        cmocka_unit_test(bad_headers_are_refused_with_their_reason),
        cmocka_unit_test(absurd_header_lengths_are_refused),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(flipped_header_bits_do_no_harm),
        cmocka_unit_test(bad_calls_of_the_writer_are_refused),
    };
    return cmocka_run_group_tests_name("safetensors", tests, scratch_make, scratch_remove);
}
