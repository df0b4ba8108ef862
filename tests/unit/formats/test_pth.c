/* SPDX-License-Identifier: Apache-2.0
 *
 * Published checkpoints: what they hold is found, what they must not hold is refused, and damage of any kind
 * ends in a sentence. The checkpoints are written here, opcode by opcode.
 */
#include <ito/formats.h>

#include "formats/pickle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cmocka.h>

static char path[64];

/* ---- a pickle writer ---- */

typedef struct bytes {
    unsigned char data[8192];
    size_t n;
} bytes;

static void put(bytes *b, const void *data, size_t n) {
    assert_true(b->n + n <= sizeof b->data);
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void op(bytes *b, int opcode) {
    unsigned char c = (unsigned char)opcode;
    put(b, &c, 1);
}

static void integer(bytes *b, int32_t value) {
    op(b, 'J');
    put(b, &value, 4);
}

static void text(bytes *b, const char *s) {
    uint32_t n = (uint32_t)strlen(s);
    op(b, 'X');
    put(b, &n, 4);
    put(b, s, n);
}

static void global(bytes *b, const char *module, const char *name) {
    op(b, 'c');
    put(b, module, strlen(module));
    op(b, '\n');
    put(b, name, strlen(name));
    op(b, '\n');
}

static void integers(bytes *b, int n, const int *values) {
    op(b, '(');
    for (int i = 0; i < n; i++) integer(b, values[i]);
    op(b, 't');
}

/* A tensor of a storage with `count` elements. */
static void tensor(bytes *b, const char *class, const char *key, int count, int offset, int rank,
                   const int *dim, const int *stride) {
    global(b, "torch._utils", "_rebuild_tensor_v2");
    op(b, '(');
    op(b, '(');
    text(b, "storage");
    global(b, "torch", class);
    text(b, key);
    text(b, "cuda:0");
    integer(b, count);
    op(b, 't');
    op(b, 'Q');
    integer(b, offset);
    integers(b, rank, dim);
    integers(b, rank, stride);
    op(b, 0x89);
    global(b, "collections", "OrderedDict");
    op(b, ')');
    op(b, 'R');
    op(b, 't');
    op(b, 'R');
}

/* ---- a checkpoint ---- */

/* Storage i of a checkpoint holds these numbers, 100 i + 0, 1, 2, ...; storage 9 is double. */
enum { STORAGES = 10, STORED = 12 };

static void write_zip(const bytes *pickle, int compression) {
    static float single[STORAGES][STORED];
    static double wide[STORED];
    int code = 0;
    remove(path);
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    assert_non_null(z);
    zip_int64_t at =
        zip_file_add(z, "any/data.pkl", zip_source_buffer(z, pickle->data, pickle->n, 0), ZIP_FL_ENC_UTF_8);
    assert_true(at >= 0);
    zip_set_file_compression(z, (zip_uint64_t)at, compression, 0);
    for (int i = 0; i < STORAGES; i++) {
        char name[32];
        snprintf(name, sizeof name, "any/data/%d", i);
        for (int j = 0; j < STORED; j++) single[i][j] = (float)(100 * i + j), wide[j] = 900 + j;
        zip_source_t *source = i == 9 ? zip_source_buffer(z, wide, sizeof wide, 0)
                                      : zip_source_buffer(z, single[i], sizeof single[i], 0);
        at = zip_file_add(z, name, source, ZIP_FL_ENC_UTF_8);
        assert_true(at >= 0);
        zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_STORE, 0);
    }
    assert_int_equal(zip_close(z), 0);
}

/* {"model": {sigmas, embedding.W, conv.weight, shared.bias, turned.weight}, "step": -5, "ema": {...}}; all
 * but the first two are trainable. */
static bytes checkpoint(void) {
    bytes b = {0};
    op(&b, 0x80), op(&b, 2), op(&b, '}'), op(&b, 'q'), op(&b, 0), op(&b, '(');
    text(&b, "model");
    global(&b, "collections", "OrderedDict");
    op(&b, ')'), op(&b, 'R'), op(&b, '(');
    text(&b, "module.sigmas");
    tensor(&b, "DoubleStorage", "9", 12, 0, 1, (int[]){12}, (int[]){1});
    text(&b, "module.embedding.W");
    tensor(&b, "FloatStorage", "0", 12, 0, 1, (int[]){4}, (int[]){1});
    text(&b, "module.conv.weight");
    tensor(&b, "FloatStorage", "1", 12, 0, 3, (int[]){2, 3, 2}, (int[]){6, 2, 1});
    text(&b, "module.shared.bias");
    tensor(&b, "FloatStorage", "1", 12, 5, 1, (int[]){7}, (int[]){1});
    text(&b, "module.turned.weight");
    tensor(&b, "FloatStorage", "2", 12, 1, 2, (int[]){3, 2}, (int[]){1, 4});
    op(&b, 'u');
    op(&b, '}'), text(&b, "_metadata"), op(&b, '}'), op(&b, 's'), op(&b, 'b'); /* attributes, to be ignored */
    text(&b, "step");
    op(&b, 0x8a), op(&b, 1), op(&b, 0xfb); /* LONG1 -5 */
    text(&b, "ema");
    op(&b, '}'), op(&b, '(');
    text(&b, "decay");
    op(&b, 'G'), put(&b, "\x3f\xef\xff\x2e\x48\xe8\xa7\x1e", 8); /* 0.9999 */
    text(&b, "num_updates");
    op(&b, 'M'), op(&b, 0x39), op(&b, 0x30); /* 12345 */
    text(&b, "shadow_params");
    op(&b, ']'), op(&b, '(');
    tensor(&b, "FloatStorage", "3", 12, 0, 3, (int[]){2, 3, 2}, (int[]){6, 2, 1});
    tensor(&b, "FloatStorage", "4", 12, 0, 1, (int[]){7}, (int[]){1});
    tensor(&b, "FloatStorage", "5", 12, 0, 2, (int[]){3, 2}, (int[]){2, 1});
    op(&b, 'e'), op(&b, 'u'), op(&b, 'u'), op(&b, '.');
    return b;
}

/* {"model": {"x": <one tensor>}} */
static bytes one_tensor(int count, int offset, int rank, const int *dim, const int *stride) {
    bytes b = {0};
    op(&b, 0x80), op(&b, 2), op(&b, '}'), text(&b, "model"), op(&b, '}'), text(&b, "x");
    tensor(&b, "FloatStorage", "1", count, offset, rank, dim, stride);
    op(&b, 's'), op(&b, 's'), op(&b, '.');
    return b;
}

static void expect_values(const ito_tensor_file *f, const char *name, int n, const double *want) {
    double got[STORED];
    const ito_tensor *t = ito_tensor_file_find(f, name);
    if (!t) fail_msg("no tensor %s", name);
    assert_int_equal(t->count, n);
    ito_tensor_read_f64(t, got);
    for (int i = 0; i < n; i++) assert_true(got[i] == want[i]);
}

static ito_status open_status(ito_error *err) {
    ito_tensor_file *f = NULL;
    ito_status st = ito_pth_open(path, &f, err);
    assert_true((st == ITO_OK) == (f != NULL));
    ito_tensor_file_close(f);
    return st;
}

static void expect_refusal(const bytes *pickle, ito_status status, const char *words) {
    ito_error err = {0};
    write_zip(pickle, ZIP_CM_STORE);
    assert_int_equal(open_status(&err), status);
    print_message("  %s\n", err.message);
    if (!strstr(err.message, words)) fail_msg("the message lacks \"%s\"", words);
}

/* ---- the claims ---- */

static void a_checkpoint_reads_as_named_tensors(void **state) {
    (void)state;
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    bytes b = checkpoint();
    write_zip(&b, ZIP_CM_STORE);
    if (ito_pth_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_int_equal(ito_tensor_file_count(f), 10);
    expect_values(f, "model/sigmas", 12,
                  (double[]){900, 901, 902, 903, 904, 905, 906, 907, 908, 909, 910, 911});
    expect_values(f, "model/embedding.W", 4, (double[]){0, 1, 2, 3});
    expect_values(f, "model/conv.weight", 12,
                  (double[]){100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111});
    expect_values(f, "model/shared.bias", 7, (double[]){105, 106, 107, 108, 109, 110, 111});
    expect_values(f, "model/turned.weight", 6, (double[]){201, 205, 202, 206, 203, 207});
    /* The EMA list has no names: they come from the model, passing over what is not trained. */
    expect_values(f, "ema/embedding.W", 4, (double[]){0, 1, 2, 3});
    expect_values(f, "ema/shared.bias", 7, (double[]){400, 401, 402, 403, 404, 405, 406});
    expect_values(f, "ema/turned.weight", 6, (double[]){500, 501, 502, 503, 504, 505});
    assert_int_equal(ito_tensor_file_find(f, "model/conv.weight")->dim[1], 3);
    assert_string_equal(ito_tensor_file_metadata(f, "step"), "-5");
    assert_string_equal(ito_tensor_file_metadata(f, "ema_num_updates"), "12345");
    assert_string_equal(ito_tensor_file_metadata(f, "ema_decay"), "0.9999");
    ito_tensor_file_close(f);
}

static void a_foreign_global_is_refused_by_name(void **state) {
    (void)state;
    bytes b = {0};
    op(&b, 0x80), op(&b, 2);
    global(&b, "posix", "system");
    text(&b, "true");
    op(&b, 0x85), op(&b, 'R'), op(&b, '.');
    expect_refusal(&b, ITO_E_UNSUPPORTED, "\"posix system\"");
}

static void a_foreign_opcode_is_refused(void **state) {
    (void)state;
    bytes b = {0};
    op(&b, 0x80), op(&b, 2), op(&b, 'i'); /* INST calls a class */
    expect_refusal(&b, ITO_E_UNSUPPORTED, "opcode 0x69");
    b.n = 1, op(&b, 4);
    expect_refusal(&b, ITO_E_UNSUPPORTED, "protocol 4");
}

static void views_stay_inside_their_storage(void **state) {
    (void)state;
    bytes b = one_tensor(12, 1, 1, (int[]){12}, (int[]){1});
    expect_refusal(&b, ITO_E_FORMAT, "outside its storage");
    b = one_tensor(12, 0, 2, (int[]){2, 3}, (int[]){2147483647, 1});
    expect_refusal(&b, ITO_E_FORMAT, "outside its storage");
    b = one_tensor(13, 0, 1, (int[]){1}, (int[]){1});
    expect_refusal(&b, ITO_E_FORMAT, "too short");
    b = one_tensor(12, 0, 8, (int[]){65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536},
                   (int[]){0, 0, 0, 0, 0, 0, 0, 0});
    expect_refusal(&b, ITO_E_FORMAT, "impossible shape");
    b = one_tensor(12, 0, 1, (int[]){1000000000}, (int[]){0}); /* one number, repeated into 4 GB */
    expect_refusal(&b, ITO_E_FORMAT, "more elements");
}

static void an_ema_list_must_match_the_model(void **state) {
    (void)state;
    bytes b = checkpoint();
    /* Cut the last tensor out of the list: everything from its global up to the closing opcodes. */
    bytes last = {0};
    tensor(&last, "FloatStorage", "5", 12, 0, 2, (int[]){3, 2}, (int[]){2, 1});
    b.n -= last.n + 4;
    op(&b, 'e'), op(&b, 'u'), op(&b, 'u'), op(&b, '.');
    expect_refusal(&b, ITO_E_FORMAT, "fewer tensors");
    b.n -= 4;
    tensor(&b, "FloatStorage", "5", 12, 0, 2, (int[]){2, 3}, (int[]){3, 1});
    op(&b, 'e'), op(&b, 'u'), op(&b, 'u'), op(&b, '.');
    expect_refusal(&b, ITO_E_FORMAT, "another shape");
}

static void a_compressed_entry_is_refused(void **state) {
    (void)state;
    ito_error err = {0};
    bytes b = checkpoint();
    write_zip(&b, ZIP_CM_DEFLATE);
    assert_int_equal(open_status(&err), ITO_E_FORMAT);
    assert_non_null(strstr(err.message, "compressed"));
}

static void a_missing_file_is_an_io_error(void **state) {
    (void)state;
    ito_error err = {0};
    remove(path);
    assert_int_equal(open_status(&err), ITO_E_IO);
    print_message("  %s\n", err.message);
    assert_non_null(strstr(err.message, path));
}

static unsigned char *read_whole(size_t *length) {
    FILE *f = fopen(path, "rb");
    struct stat info;
    assert_true(f && stat(path, &info) == 0);
    unsigned char *data = malloc((size_t)info.st_size);
    assert_non_null(data);
    *length = (size_t)info.st_size;
    assert_int_equal(fread(data, 1, *length, f), *length);
    fclose(f);
    return data;
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    bytes b = checkpoint();
    size_t length;
    write_zip(&b, ZIP_CM_STORE);
    unsigned char *data = read_whole(&length);
    for (size_t n = 0; n < length; n++) {
        ito_error err = {0};
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, n, f), n);
        fclose(f);
        ito_status st = open_status(&err);
        if (st != ITO_E_FORMAT && st != ITO_E_IO)
            fail_msg("cut to %zu of %zu bytes: status %d", n, length, (int)st);
        assert_true(err.message[0]);
    }
    print_message("  %zu lengths\n", length);
    free(data);
}

/* A damaged byte anywhere gives an error or, where nothing checks it, other values; never a crash. */
static void every_flipped_byte_is_survived(void **state) {
    (void)state;
    bytes b = checkpoint();
    size_t length, refused = 0;
    write_zip(&b, ZIP_CM_STORE);
    unsigned char *data = read_whole(&length);
    for (size_t n = 0; n < length; n++) {
        ito_error err = {0};
        data[n] ^= (unsigned char)(1 + n % 255);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, length, f), length);
        fclose(f);
        refused += open_status(&err) != ITO_OK;
        data[n] ^= (unsigned char)(1 + n % 255);
    }
    print_message("  %zu of %zu flips refused\n", refused, length);
    assert_true(refused > length / 2);
    free(data);
}

/* Runs of opcodes in any order, with a checksum that fits: only the pickle machine stands in their way. */
static void any_opcodes_are_survived(void **state) {
    (void)state;
    static const char opcodes[] = "((NN)]}KMJGXqqhhtaesuRbQ.c\x85\x86\x87\x88\x8a";
    const char *const globals[] = {"a b", NULL};
    uint64_t random = 1;
    int parsed = 0;
    for (int run = 0; run < 200000; run++) {
        unsigned char data[64];
        size_t n = 0;
        while (n < sizeof data - 8) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            data[n++] = (unsigned char)opcodes[(random >> 33) % (sizeof opcodes - 1)];
            if (data[n - 1] == 'q' || data[n - 1] == 'h' || data[n - 1] == 'K')
                data[n++] = (random >> 60) & 7;
            if (data[n - 1] == 'c') memcpy(data + n, "a\nb\n", 4), n += 4;
            if (data[n - 1] == 'X') memcpy(data + n, "\1\0\0\0z", 5), n += 5;
        }
        ito__pickle *p = NULL;
        parsed += ito__pickle_parse("random", data, n, globals, &p, NULL) == ITO_OK;
        ito__pickle_free(p);
    }
    print_message("  %d of 200000 random pickles are valid\n", parsed);
    assert_true(parsed > 1000);
}

/* The published format at full size, where the reference files lie beside the project. */
static void a_published_checkpoint_equals_its_safetensors(void **state) {
    (void)state;
    ito_tensor_file *pth = NULL, *plain = NULL;
    ito_error err = {0};
    if (ito_pth_open("../shared/golden/networks/ddpmpp_vp/checkpoint.pth", &pth, &err) == ITO_E_IO) skip();
    if (!pth) fail_msg("%s", err.message);
    if (ito_safetensors_open("tests/golden/networks/ddpmpp_vp/weights.safetensors", &plain, &err) != ITO_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < ito_tensor_file_count(plain); i++) {
        const ito_tensor *a = ito_tensor_file_at(plain, i), *b = ito_tensor_file_find(pth, a->name);
        if (!b) fail_msg("no tensor %s", a->name);
        assert_int_equal(a->dtype, b->dtype);
        assert_int_equal(a->rank, b->rank);
        assert_memory_equal(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]);
        assert_memory_equal(a->data, b->data, (size_t)a->count * sizeof(float));
    }
    print_message("  %d tensors\n", ito_tensor_file_count(plain));
    assert_int_equal(ito_tensor_file_count(plain), 540);
    ito_tensor_file_close(plain);
    ito_tensor_file_close(pth);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_reads_as_named_tensors),
        cmocka_unit_test(a_foreign_global_is_refused_by_name),
        cmocka_unit_test(a_foreign_opcode_is_refused),
        cmocka_unit_test(views_stay_inside_their_storage),
        cmocka_unit_test(an_ema_list_must_match_the_model),
        cmocka_unit_test(a_compressed_entry_is_refused),
        cmocka_unit_test(a_missing_file_is_an_io_error),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_byte_is_survived),
        cmocka_unit_test(any_opcodes_are_survived),
        cmocka_unit_test(a_published_checkpoint_equals_its_safetensors),
    };
    snprintf(path, sizeof path, "/tmp/ito-test-pth-%ld.pth", (long)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove(path);
    return failed;
}
