/* SPDX-License-Identifier: Apache-2.0
 *
 * Points as data: files of three kinds, draws of a mixture, their training streams, and refusals by name.
 */
#include "unit/formats/scratch.h"

#include <ito/analytic.h>
#include <ito/data.h>
#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { N = 37, DIM = 3 };

static double value(int64_t row, int64_t column) {
    return (double)row + (double)column / 8 - 10;
}

/* The same rows as .csv, .npy and .npz, the last under a name of their own. */
static int write_files(void **state) {
    static const char *const names[DIM] = {"a", "b", "c"};
    double x[N * DIM];
    float f[N * DIM];
    if (scratch_make(state) != 0) return 1;
    for (int j = 0; j < N * DIM; j++) {
        x[j] = value(j / DIM, j % DIM);
        f[j] = (float)x[j];
    }
    const ito_tensor t = {
        .name = "tabular", .dtype = ITO_DTYPE_F32, .rank = 2, .dim = {N, DIM}, .count = N * DIM, .data = f};
    return ito_csv_write(scratch_path("x.csv"), N, DIM, names, x, NULL) != ITO_OK ||
           ito_npy_write(scratch_path("x.npy"), &t, NULL) != ITO_OK ||
           ito_npz_write(scratch_path("x.npz"), 1, &t, NULL) != ITO_OK;
}

static ito_data_config config_of(const char *dataset, const char *file) {
    ito_data_config c = {.image_size = 1, .channels = file ? DIM : 2, .centered = true};
    snprintf(c.dataset, sizeof c.dataset, "%s", dataset);
    if (file) snprintf(c.path, sizeof c.path, "%s", scratch_path(file));
    return c;
}

static ito_dataset *open_as(const ito_data_config *config, const char *split) {
    ito_dataset *d = NULL;
    ito_error err = {0};
    if (ito_dataset_open(config, split, &d, &err) != ITO_OK) fail_msg("%s", err.message);
    return d;
}

static void every_kind_of_file_gives_its_rows(void **state) {
    static const char *const files[] = {"x.csv", "x.npy", "x.npz"};
    (void)state;
    for (int k = 0; k < 3; k++) {
        const ito_data_config config = config_of("points", files[k]);
        ito_dataset *d = open_as(&config, "train");
        double x[N * DIM];
        assert_int_equal(ito_dataset_size(d), N);
        assert_int_equal(ito_dataset_channels(d), DIM);
        assert_int_equal(ito_dataset_image_size(d), 1);
        assert_int_equal(ito_dataset_classes(d), 0);
        assert_int_equal(ito_dataset_image(d, 0, (uint8_t[DIM]){0}, NULL), ITO_E_ARG);
        assert_int_equal(ito_dataset_points(d, 0, 0, N, x, NULL), ITO_OK);
        for (int j = 0; j < N * DIM; j++) assert_true(x[j] == value(j / DIM, j % DIM));
        assert_int_equal(ito_dataset_points(d, 0, N - 1, 2, x, NULL), ITO_E_ARG);
        ito_dataset_close(d);
    }
}

static void an_epoch_shows_every_row_once_in_any_batch(void **state) {
    ito_data_config config = config_of("points", "x.csv");
    ito_dataset *d = open_as(&config, "train");
    float x[2 * N * DIM], part[5 * DIM];
    int seen[2][N] = {{0}}, kept = 0;
    (void)state;
    assert_int_equal(ito_dataset_batch(d, 4, 0, 2 * N, x, NULL), ITO_OK);
    for (int k = 0; k < 2 * N; k++) {
        const int row = (int)lround((double)x[k * DIM] + 10);
        for (int j = 0; j < DIM; j++) assert_true(x[k * DIM + j] == (float)value(row, j));
        assert_int_equal(seen[k / N][row]++, 0);
        kept += k >= N && x[k * DIM] == x[(k - N) * DIM];
    }
    assert_true(kept < 10); /* 1 is expected */
    for (int first = 0; first + 5 <= 2 * N; first += 3) {
        assert_int_equal(ito_dataset_batch(d, 4, first, 5, part, NULL), ITO_OK);
        assert_memory_equal(part, x + first * DIM, sizeof part);
    }
    ito_dataset_close(d);
    config.limit = 5;
    d = open_as(&config, "train");
    assert_int_equal(ito_dataset_size(d), 5);
    ito_dataset_close(d);
}

/* Example i of a seed is sample i of the mixture, in any batch, without end. */
static void draws_are_a_function_of_seed_and_number(void **state) {
    const ito_data_config config = config_of("gmm:moons", NULL);
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_dataset *d = open_as(&config, "train"), *test = open_as(&config, "test");
    ito_density *density = NULL;
    double x[200], y[200];
    float batch[200];
    (void)state;
    assert_int_equal(ito_mixture_named(&sde, "moons", &density, NULL), ITO_OK);
    assert_int_equal(ito_density_sample(density, 7, 1000000, 0, 100, x, NULL), ITO_OK);
    assert_int_equal(ito_dataset_batch(d, 7, 1000000, 100, batch, NULL), ITO_OK);
    for (int j = 0; j < 200; j++) assert_true(batch[j] == (float)x[j]);
    assert_int_equal(ito_dataset_batch(d, 7, 1000040, 3, batch, NULL), ITO_OK);
    for (int j = 0; j < 6; j++) assert_true(batch[j] == (float)x[80 + j]);
    /* Other seeds and the test split have other points. */
    assert_int_equal(ito_dataset_points(d, 7, 0, 100, x, NULL), ITO_OK);
    assert_int_equal(ito_dataset_points(d, 8, 0, 100, y, NULL), ITO_OK);
    assert_memory_not_equal(x, y, sizeof x);
    assert_int_equal(ito_dataset_points(test, 7, 0, 100, y, NULL), ITO_OK);
    assert_memory_not_equal(x, y, sizeof x);
    ito_density_free(density);
    ito_dataset_close(test);
    ito_dataset_close(d);
}

/* A limit makes a finite set of them, with epochs. */
static void limited_draws_come_again_every_epoch(void **state) {
    enum { SIZE = 20 };
    ito_data_config config = config_of("gmm:8gaussians", NULL);
    float x[3 * SIZE * 2];
    double all[SIZE * 2];
    (void)state;
    config.limit = SIZE;
    ito_dataset *d = open_as(&config, "train");
    assert_int_equal(ito_dataset_size(d), SIZE);
    assert_int_equal(ito_dataset_batch(d, 3, 0, 3 * SIZE, x, NULL), ITO_OK);
    assert_int_equal(ito_dataset_points(d, 3, 0, SIZE, all, NULL), ITO_OK);
    for (int epoch = 0; epoch < 3; epoch++) {
        for (int i = 0; i < SIZE; i++) {
            int found = 0;
            for (int k = 0; k < SIZE; k++) found += x[2 * (epoch * SIZE + k)] == (float)all[2 * i];
            assert_int_equal(found, 1);
        }
    }
    ito_dataset_close(d);
}

static void refused(ito_data_config config, const char *split, ito_status status, const char *says) {
    ito_dataset *d = NULL;
    ito_error err = {0};
    assert_int_equal(ito_dataset_open(&config, split, &d, &err), status);
    if (!strstr(err.message, says)) fail_msg("not \"%s\": %s", says, err.message);
    assert_null(d);
}

static void what_does_not_fit_is_refused_by_name(void **state) {
    ito_data_config file = config_of("points", "x.csv"), drawn = config_of("gmm:moons", NULL), c;
    (void)state;
    c = file, c.image_size = 32;
    refused(c, "train", ITO_E_ARG, "data.image_size: is 32");
    c = file, c.centered = false;
    refused(c, "train", ITO_E_ARG, "data.centered");
    c = file, c.random_flip = true;
    refused(c, "train", ITO_E_ARG, "data.random_flip");
    c = drawn, c.uniform_dequantization = true;
    refused(c, "train", ITO_E_ARG, "data.uniform_dequantization");
    c = file, c.channels = 2;
    refused(c, "train", ITO_E_SHAPE, "data.channels: is 2");
    c = drawn, c.channels = 3;
    refused(c, "train", ITO_E_SHAPE, "data.channels: is 3");
    c = file, c.path[0] = '\0';
    refused(c, "train", ITO_E_ARG, "data.path: is empty");
    refused(file, "test", ITO_E_ARG, "is one set of points");
    refused(drawn, "valid", ITO_E_ARG, "\"valid\"");
    refused(config_of("points", "x.txt"), "train", ITO_E_ARG, "ends in none of");
    refused(config_of("points", "absent.csv"), "train", ITO_E_IO, "absent.csv");
    c = drawn, snprintf(c.dataset, sizeof c.dataset, "gmm:moon");
    refused(c, "train", ITO_E_ARG, "gmm:moon");
    c = drawn, snprintf(c.path, sizeof c.path, "x");
    refused(c, "train", ITO_E_ARG, "data.path");
    const float nan[4] = {0, 1, NAN, 2};
    const ito_tensor bad = {
        .name = "points", .dtype = ITO_DTYPE_F32, .rank = 2, .dim = {2, 2}, .count = 4, .data = nan};
    assert_int_equal(ito_npz_write(scratch_path("nan.npz"), 1, &bad, NULL), ITO_OK);
    refused(config_of("points", "nan.npz"), "train", ITO_E_FORMAT, "row 1 holds");
    const ito_tensor flat = {
        .name = "points", .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {2}, .count = 2, .data = nan};
    assert_int_equal(ito_npz_write(scratch_path("flat.npz"), 1, &flat, NULL), ITO_OK);
    refused(config_of("points", "flat.npz"), "train", ITO_E_FORMAT, "no array \"points\" of rows");
}

static void names_tell_points_from_images(void **state) {
    ito_data_config c = config_of("gmm:pinwheel", NULL);
    (void)state;
    assert_true(ito_data_is_points(&c));
    assert_string_equal(ito_data_density(&c), "pinwheel");
    c = config_of("points", "x.csv");
    assert_true(ito_data_is_points(&c));
    assert_null(ito_data_density(&c));
    c = config_of("fashion_mnist", NULL);
    assert_false(ito_data_is_points(&c));
    assert_null(ito_data_density(&c));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_gives_its_rows),
        cmocka_unit_test(an_epoch_shows_every_row_once_in_any_batch),
        cmocka_unit_test(draws_are_a_function_of_seed_and_number),
        cmocka_unit_test(limited_draws_come_again_every_epoch),
        cmocka_unit_test(what_does_not_fit_is_refused_by_name),
        cmocka_unit_test(names_tell_points_from_images),
    };
    return cmocka_run_group_tests_name("points", tests, write_files, scratch_remove);
}
