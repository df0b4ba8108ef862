/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out anywhere in a reader or writer: the first allocation fails, then the second, until a
 * run meets no fault. Each run ends well or with NOMEM, its outputs empty, and (under the sanitizers) leaks
 * nothing.
 *
 * Linked with --wrap for the library's allocator.
 */
#include "core/memory.h"

#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int calls, fail_at, alive;

static void *give(void *p) {
    alive += p != NULL;
    return p;
}

void *__real_ito__alloc(size_t count, size_t size);
void *__wrap_ito__alloc(size_t count, size_t size);
void *__wrap_ito__alloc(size_t count, size_t size) {
    return ++calls == fail_at ? NULL : give(__real_ito__alloc(count, size));
}

void *__real_ito__calloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size) {
    return ++calls == fail_at ? NULL : give(__real_ito__calloc(count, size));
}

char *__real_ito__strdup(const char *s);
char *__wrap_ito__strdup(const char *s);
char *__wrap_ito__strdup(const char *s) {
    return ++calls == fail_at ? NULL : give(__real_ito__strdup(s));
}

void __real_ito__free(void *p);
void __wrap_ito__free(void *p);
void __wrap_ito__free(void *p) {
    alive -= p != NULL;
    __real_ito__free(p);
}

static const float values[4] = {1, 2, 3, 4};
static const ito_tensor tensors[] = {{"a", ITO_DTYPE_F32, 1, {4}, 4, values},
                                     {"b", ITO_DTYPE_F32, 2, {2, 2}, 4, values}};
static const ito_metadata pair = {"key", "value"};
static const uint8_t idx[] = {0, 0, 8, 1, 0, 0, 0, 2, 5, 6};

static ito_status write_safetensors(const char *path, ito_error *err) {
    return ito_safetensors_write(path, 2, tensors, 1, &pair, err);
}

static ito_status write_npz(const char *path, ito_error *err) {
    return ito_npz_write(path, 2, tensors, err);
}

static ito_status write_png(const char *path, ito_error *err) {
    ito_images im;
    ito_status st = ito_images_init(&im, 2, 3, 3, 1, err);
    if (st == ITO_OK) st = ito_png_write_grid(path, &im, 2, 2, 1, err);
    ito_images_release(&im);
    return st;
}

static ito_status write_webp(const char *path, ito_error *err) {
    ito_images im;
    ito_status st = ito_images_init(&im, 2, 3, 3, 1, err);
    if (st == ITO_OK) st = ito_webp_write(path, &im, 50, 50, err);
    ito_images_release(&im);
    return st;
}

static ito_status write_plot(const char *path, ito_error *err) {
    static const double x[] = {1, 2};
    const ito_series s = {"s", 2, x, x};
    const ito_plot plot = {.title = "t", .x_label = "x", .y_label = "y", .n = 1, .series = &s};
    return ito_plot_write(path, &plot, err);
}

static ito_status write_scatter(const char *path, ito_error *err) {
    static const double x[] = {0, 0.5}, density[] = {1};
    const ito_scatter s = {.title = "t", .half = 1, .n = 1, .x = x, .side = 1, .density = density};
    ito_images im;
    ito_status st = ito_scatter_draw(&s, 64, &im, err);
    assert_int_equal(st == ITO_OK, im.pixels != NULL);
    if (st == ITO_OK) st = ito_png_write(path, im.pixels, 64, 64, 3, err);
    ito_images_release(&im);
    return st;
}

static ito_status write_npy(const char *path, ito_error *err) {
    return ito_npy_write(path, &tensors[0], err);
}

static ito_status write_csv(const char *path, ito_error *err) {
    static const char *const names[] = {"x"};
    return ito_csv_write(path, 1, 1, names, (const double[]){1}, err);
}

static ito_status read_csv(const char *path, ito_error *err) {
    int64_t n, columns;
    double *x = NULL;
    ito_status st = ito_csv_read(path, &n, &columns, &x, err);
    assert_int_equal(st == ITO_OK, x != NULL);
    ito__free(x);
    return st;
}

static ito_status write_idx(const char *path, ito_error *err) {
    return ito_file_write(path, idx, sizeof idx, err);
}

static ito_status read_tensors(ito_status (*open)(const char *, ito_tensor_file **, ito_error *),
                               const char *path, ito_error *err) {
    ito_tensor_file *f = NULL;
    ito_status st = open(path, &f, err);
    assert_int_equal(st == ITO_OK, f != NULL);
    for (int i = 0; f != NULL && i < ito_tensor_file_metadata_count(f); i++)
        assert_string_equal(ito_tensor_file_metadata_at(f, i).value, pair.value);
    ito_tensor_file_close(f);
    return st;
}

static ito_status read_safetensors(const char *path, ito_error *err) {
    return read_tensors(ito_safetensors_open, path, err);
}

static ito_status read_npz(const char *path, ito_error *err) {
    return read_tensors(ito_npz_open, path, err);
}

/* Both containers of a file by PyTorch; the path is that of a file which is not needed. */
static ito_status open_pth(const char *path, ito_error *err) {
    ito_tensor_file *f = NULL;
    ito_status st = ito_pth_open(path, &f, err);
    assert_int_equal(st == ITO_OK, f != NULL);
    ito_tensor_file_close(f);
    return st;
}

static ito_status read_pth(const char *path, ito_error *err) {
    (void)path;
    return open_pth("tests/golden/pth/new_zip.pth", err);
}

static ito_status read_legacy_pth(const char *path, ito_error *err) {
    (void)path;
    return open_pth("tests/golden/pth/old_legacy.pth", err);
}

static ito_status read_png(const char *path, ito_error *err) {
    ito_images im;
    ito_status st = ito_png_read(path, &im, err);
    assert_int_equal(st == ITO_OK, im.pixels != NULL);
    ito_images_release(&im);
    return st;
}

static ito_status read_idx(const char *path, ito_error *err) {
    int rank;
    int64_t dims[3];
    uint8_t *bytes = NULL;
    ito_status st = ito_idx_read(path, &rank, dims, &bytes, err);
    assert_int_equal(st == ITO_OK, bytes != NULL);
    ito__free(bytes);
    return st;
}

static ito_status read_text(const char *path, ito_error *err) {
    char *text = NULL;
    ito_status st = ito_file_read(path, 1000000, &text, NULL, err);
    assert_int_equal(st == ITO_OK, text != NULL);
    ito__free(text);
    return st;
}

static ito_status make_folder(const char *path, ito_error *err) {
    char folder[700];
    snprintf(folder, sizeof folder, "%s-folder", path);
    return ito_directory_make(folder, err);
}

/* What a failed directory sync costs is durability alone, so that allocation may fail unnoticed. */
static void try_all(const char *name, ito_status (*use)(const char *, ito_error *), const char *path) {
    int reported = 0, n = 0;
    bool met = true;
    while (met) {
        ito_error err = {0};
        int before = alive;
        calls = 0;
        fail_at = ++n;
        ito_status st = use(path, &err);
        met = calls >= fail_at;
        fail_at = 0;
        assert_true(st == ITO_OK || (met && st == ITO_E_NOMEM));
        assert_int_equal(st != ITO_OK, err.message[0] != '\0');
        assert_int_equal(alive, before);
        reported += st != ITO_OK;
    }
    printf("%s: %d allocations, %d failures reported\n", name, n - 1, reported);
    assert_true(reported >= n - 2 && reported > 0);
}

static void every_failing_allocation_is_reported(void **state) {
    static const struct {
        const char *file;
        ito_status (*write)(const char *, ito_error *), (*read)(const char *, ito_error *);
    } cases[] = {
        {"x.safetensors", write_safetensors, read_safetensors},
        {"x.npz", write_npz, read_npz},
        {"x.png", write_png, read_png},
        {"x.webp", write_webp, read_text},
        {"plot.png", write_plot, read_png},
        {"scatter.png", write_scatter, read_png},
        {"x.npy", write_npy, read_text},
        {"x.csv", write_csv, read_csv},
        {"pth", write_csv, read_pth},
        {"legacy pth", write_csv, read_legacy_pth},
        {"x-idx", write_idx, read_idx},
        {"folder", make_folder, make_folder},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const char *path = scratch_path(cases[k].file);
        int entries = scratch_entries();
        try_all(cases[k].file, cases[k].write, path);
        assert_int_equal(scratch_entries(), entries + 1); /* the file and nothing beside it */
        try_all(cases[k].file, cases[k].read, path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failing_allocation_is_reported)};
    return cmocka_run_group_tests_name("faults", tests, scratch_make, scratch_remove);
}
