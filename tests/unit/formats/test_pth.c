/* SPDX-License-Identifier: Apache-2.0
 *
 * Published checkpoints: what they hold is found, what they must not hold is refused, and damage of any kind
 * ends in a sentence. The checkpoints are written here, opcode by opcode.
 */
#include "unit/formats/pickle_writer.h"
#include "unit/formats/scratch.h"

#include <ito/formats.h>

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

static char path[1024];

/* ---- a checkpoint ---- */

/* Storage i of a checkpoint holds these numbers, 100 i + 0, 1, 2, ...; storage 9 is double. */
enum { STORAGES = 10, STORED = 12 };

static void write_zip(const buffer *pickle, int compression) {
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
static buffer checkpoint(void) {
    buffer b = {0};
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
static buffer one_tensor(int count, int offset, int rank, const int *dim, const int *stride) {
    buffer b = {0};
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
    for (int i = 0; st == ITO_OK && i < ito_tensor_file_count(f); i++)
        st = ito_tensor_file_check(f, ito_tensor_file_at(f, i), err);
    ito_tensor_file_close(f);
    return st;
}

static void expect_refusal(const buffer *pickle, ito_status status, const char *words) {
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
    buffer b = checkpoint();
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

/* Wherever a file keeps a pickle, a name in it that no tensor needs is said and nothing else happens. */
static void a_foreign_global_is_refused_by_name_in_every_container(void **state) {
    (void)state;
    static const unsigned char magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                          0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
    ito_error err = {0};
    buffer evil = {0};
    op(&evil, 0x80), op(&evil, 2);
    global(&evil, "os", "system");
    text(&evil, "touch /tmp/ito-was-here");
    op(&evil, 0x85), op(&evil, 'R'), op(&evil, '.');
    expect_refusal(&evil, ITO_E_UNSUPPORTED, "\"os.system\"");

    scratch_write(path, evil.data, evil.n); /* a pickle and nothing else */
    assert_int_equal(open_status(&err), ITO_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "\"os.system\""));

    for (int pickles = 0; pickles < 4; pickles++) { /* before the evil one, in the legacy form */
        buffer b = {0};
        put(&b, magic, sizeof magic);
        if (pickles > 0) put(&b, "\x80\x02M\xe9\x03.", 6);
        for (int i = 1; i < pickles; i++) put(&b, "\x80\x02}.", 4);
        put(&b, evil.data, evil.n);
        scratch_write(path, b.data, b.n);
        assert_int_equal(open_status(&err), ITO_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, "\"os.system\""));
    }

    buffer b = checkpoint(); /* behind good tensors: {"model": ..., "ema": ..., "args": os.system(...)} */
    b.n -= 2;
    text(&b, "args");
    put(&b, evil.data + 2, evil.n - 3);
    op(&b, 'u'), op(&b, '.');
    expect_refusal(&b, ITO_E_UNSUPPORTED, "\"os.system\"");
    assert_int_not_equal(access("/tmp/ito-was-here", F_OK), 0);
}

/* A legacy file whose one tensor {2, 2} begins at element `offset` of a storage that is elements first to
 * first + count of another with 12. */
static void write_legacy_part(int first, int count, int offset) {
    static const unsigned char magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                          0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
    const int64_t elements = STORED;
    buffer b = {0};
    put(&b, magic, sizeof magic);
    put(&b, "\x80\x02M\xe9\x03.", 6);
    put(&b, "\x80\x02}.", 4);
    op(&b, 0x80), op(&b, 2), op(&b, '}'), text(&b, "x");
    global(&b, "torch._utils", "_rebuild_tensor"), op(&b, '('), op(&b, '(');
    text(&b, "storage"), global(&b, "torch", "FloatStorage"), text(&b, "root"), text(&b, "cpu");
    integer(&b, STORED);
    op(&b, '('), text(&b, "part"), integer(&b, first), integer(&b, count), op(&b, 't');
    op(&b, 't'), op(&b, 'Q'), integer(&b, offset);
    integers(&b, 2, (int[]){2, 2}), integers(&b, 2, (int[]){2, 1});
    op(&b, 't'), op(&b, 'R'), op(&b, 's'), op(&b, '.');
    op(&b, 0x80), op(&b, 2), op(&b, ']'), text(&b, "root"), op(&b, 'a'), op(&b, '.');
    put(&b, &elements, sizeof elements);
    for (int i = 0; i < STORED; i++) put(&b, &(float){(float)i}, sizeof(float));
    scratch_write(path, b.data, b.n);
}

static void a_legacy_storage_may_be_part_of_another(void **state) {
    (void)state;
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    write_legacy_part(3, 6, 2);
    if (ito_pth_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    expect_values(f, "model/x", 4, (double[]){5, 6, 7, 8});
    ito_tensor_file_close(f);
    write_legacy_part(3, 6, 3); /* a fourth element would lie outside the part, though inside the whole */
    assert_int_equal(open_status(&err), ITO_E_FORMAT);
    write_legacy_part(3, 10, 2);
    assert_int_equal(open_status(&err), ITO_E_FORMAT);
    assert_non_null(strstr(err.message, "reaches outside another"));
}

static void views_stay_inside_their_storage(void **state) {
    (void)state;
    buffer b = one_tensor(12, 1, 1, (int[]){12}, (int[]){1});
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
    buffer b = checkpoint();
    /* Cut the last tensor out of the list: everything from its global up to the closing opcodes. */
    buffer last = {0};
    tensor(&last, "FloatStorage", "5", 12, 0, 2, (int[]){3, 2}, (int[]){2, 1});
    b.n -= last.n + 4;
    op(&b, 'e'), op(&b, 'u'), op(&b, 'u'), op(&b, '.');
    expect_refusal(&b, ITO_E_FORMAT, "fewer tensors");
    b.n -= 4;
    tensor(&b, "FloatStorage", "5", 12, 0, 2, (int[]){2, 3}, (int[]){3, 1});
    op(&b, 'e'), op(&b, 'u'), op(&b, 'u'), op(&b, '.');
    expect_refusal(&b, ITO_E_SHAPE, "entry 2 of the EMA list is [2,3], but parameter \"turned.weight\"");
}

static void a_compressed_entry_is_refused(void **state) {
    (void)state;
    ito_error err = {0};
    buffer b = checkpoint();
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

static void every_truncation_is_refused(void **state) {
    (void)state;
    buffer b = checkpoint();
    size_t length;
    write_zip(&b, ZIP_CM_STORE);
    unsigned char *data = scratch_read(path, &length);
    for (size_t n = 0; n < length; n++) {
        ito_error err = {0};
        scratch_write(path, data, n);
        ito_status st = open_status(&err);
        if (st != ITO_E_FORMAT && st != ITO_E_IO)
            fail_msg("cut to %zu of %zu bytes: status %d", n, length, (int)st);
        assert_true(err.message[0]);
    }
    print_message("  %zu lengths\n", length);
    free(data);
}

/* Data are compared with the checksum of their storage once someone asks. */
static void damaged_data_are_found_when_asked_for(void **state) {
    (void)state;
    size_t length, place = 0;
    ito_error err = {0};
    ito_tensor_file *f = NULL;
    buffer b = checkpoint();
    write_zip(&b, ZIP_CM_STORE);
    unsigned char *data = scratch_read(path, &length);
    const float number = 206; /* of storage 2, which turned.weight is a copy from */
    while (memcmp(data + place, &number, sizeof number) != 0) place++;
    data[place] ^= 1;
    scratch_write(path, data, length);
    free(data);
    if (ito_pth_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    for (int i = 0; i < ito_tensor_file_count(f); i++) {
        bool damaged = strcmp(ito_tensor_file_at(f, i)->name, "model/turned.weight") == 0;
        assert_int_equal(ito_tensor_file_check(f, ito_tensor_file_at(f, i), &err),
                         damaged ? ITO_E_FORMAT : ITO_OK);
    }
    print_message("  %s\n", err.message);
    ito_tensor_file_close(f);
}

/* A damaged byte anywhere gives an error or, where nothing checks it, other values; never a crash. */
static void every_flipped_byte_is_survived(void **state) {
    (void)state;
    buffer b = checkpoint();
    size_t length, refused = 0;
    write_zip(&b, ZIP_CM_STORE);
    unsigned char *data = scratch_read(path, &length);
    for (size_t n = 0; n < length; n++) {
        ito_error err = {0};
        data[n] ^= (unsigned char)(1 + n % 255);
        scratch_write(path, data, length);
        refused += open_status(&err) != ITO_OK;
        data[n] ^= (unsigned char)(1 + n % 255);
    }
    print_message("  %zu of %zu flips refused\n", refused, length);
    assert_true(refused > length / 2);
    free(data);
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

static int prepare(void **state) {
    if (scratch_make(state) != 0) return 1;
    snprintf(path, sizeof path, "%s", scratch_path("checkpoint.pth"));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_reads_as_named_tensors),
        cmocka_unit_test(a_foreign_global_is_refused_by_name_in_every_container),
        cmocka_unit_test(a_legacy_storage_may_be_part_of_another),
        cmocka_unit_test(views_stay_inside_their_storage),
        cmocka_unit_test(an_ema_list_must_match_the_model),
        cmocka_unit_test(a_compressed_entry_is_refused),
        cmocka_unit_test(a_missing_file_is_an_io_error),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(damaged_data_are_found_when_asked_for),
        cmocka_unit_test(every_flipped_byte_is_survived),
        cmocka_unit_test(a_published_checkpoint_equals_its_safetensors),
    };
    return cmocka_run_group_tests(tests, prepare, scratch_remove);
}
