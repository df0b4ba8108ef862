/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets: the training stream on a small set of our own files, the real Fashion-MNIST where Debian's
 * package is installed, and files that are missing or damaged.
 */
#include "unit/formats/scratch.h"

#include <ito/data.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

enum { IMAGES = 37, SIDE = 28, PADDED = 32, PIXELS = SIDE * SIDE, DIM = PADDED * PADDED };

static uint8_t pixel(int64_t image, int64_t row, int64_t column) {
    return (uint8_t)(1 + (image * 131 + row * 29 + column * 7) % 255); /* never the background's 0 */
}

static void write_gz(const char *name, const void *bytes, size_t length) {
    gzFile out = gzopen(scratch_path(name), "wb1");
    if (out == NULL || gzwrite(out, bytes, (unsigned)length) != (int)length || gzclose(out) != Z_OK) abort();
}

/* IMAGES numbered images as Fashion-MNIST's files; image i has label i % 10. */
static int write_files(void **state) {
    static uint8_t images[16 + IMAGES * PIXELS] = {0, 0, 8, 3, 0, 0, 0, IMAGES, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
    uint8_t labels[8 + IMAGES] = {0, 0, 8, 1, 0, 0, 0, IMAGES};
    if (scratch_make(state) != 0) return 1;
    for (int i = 0; i < IMAGES; i++) {
        labels[8 + i] = (uint8_t)(i % 10);
        for (int row = 0; row < SIDE; row++)
            for (int column = 0; column < SIDE; column++)
                images[16 + i * PIXELS + row * SIDE + column] = pixel(i, row, column);
    }
    write_gz("train-images-idx3-ubyte.gz", images, sizeof images);
    write_gz("train-labels-idx1-ubyte.gz", labels, sizeof labels);
    write_gz("t10k-images-idx3-ubyte.gz", images, sizeof images);
    scratch_write(scratch_path("t10k-labels-idx1-ubyte"), labels, sizeof labels); /* plain: found as well */
    return 0;
}

static ito_data_config small_config(void) {
    ito_data_config c = {.dataset = "fashion_mnist", .image_size = PADDED, .channels = 1, .centered = true};
    snprintf(c.path, sizeof c.path, "%s", scratch_folder);
    return c;
}

static ito_dataset *open_small(const ito_data_config *config) {
    ito_dataset *d = NULL;
    ito_error err = {0};
    ito_status st = ito_dataset_open(config, "train", &d, &err);
    if (st != ITO_OK) print_error("%s\n", err.message);
    assert_int_equal(st, ITO_OK);
    return d;
}

/* The bytes of image i; good until the next. */
static const uint8_t *image_of(const ito_dataset *d, int64_t i) {
    static uint8_t bytes[DIM];
    assert_int_equal(ito_dataset_image(d, i, bytes, NULL), ITO_OK);
    return bytes;
}

static void images_are_padded_evenly(void **state) {
    ito_data_config config = small_config();
    ito_dataset *d = open_small(&config);
    (void)state;
    assert_int_equal(ito_dataset_size(d), IMAGES);
    assert_int_equal(ito_dataset_classes(d), 10);
    assert_int_equal(ito_dataset_padding(d), 2);
    for (int i = 0; i < IMAGES; i++) {
        const uint8_t *bytes = image_of(d, i);
        assert_int_equal(ito_dataset_label(d, i), i % 10);
        for (int row = 0; row < PADDED; row++) {
            for (int column = 0; column < PADDED; column++) {
                bool inside = row >= 2 && row < 30 && column >= 2 && column < 30;
                assert_int_equal(bytes[row * PADDED + column], inside ? pixel(i, row - 2, column - 2) : 0);
            }
        }
    }
    ito_dataset_close(d);
}

static void both_splits_and_unpacked_files_are_found(void **state) {
    ito_data_config config = small_config();
    ito_dataset *d = NULL;
    ito_error err;
    (void)state;
    assert_int_equal(ito_dataset_open(&config, "test", &d, &err), ITO_OK);
    ito_dataset_close(d);
    assert_int_equal(ito_dataset_open(&config, "valid", &d, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "use train or test"));
    assert_null(d);
}

static void limit_takes_the_first_images(void **state) {
    ito_data_config config = small_config();
    (void)state;
    config.limit = 5;
    ito_dataset *d = open_small(&config);
    assert_int_equal(ito_dataset_size(d), 5);
    assert_int_equal(image_of(d, 4)[2 * PADDED + 2], pixel(4, 0, 0));
    ito_dataset_close(d);
    config.limit = 1000;
    d = open_small(&config);
    assert_int_equal(ito_dataset_size(d), IMAGES);
    ito_dataset_close(d);
}

static void every_epoch_shows_every_image_once_in_an_order_of_its_own(void **state) {
    ito_data_config config = small_config();
    ito_dataset *d = open_small(&config);
    int64_t index[4 * IMAGES];
    int same = 0;
    (void)state;
    assert_int_equal(ito_dataset_order(d, 3, 0, 4 * IMAGES, index, NULL), ITO_OK);
    for (int epoch = 0; epoch < 4; epoch++) {
        int seen[IMAGES] = {0};
        for (int i = 0; i < IMAGES; i++) {
            assert_int_equal(seen[index[epoch * IMAGES + i]]++, 0);
            same += epoch > 0 && index[i] == index[epoch * IMAGES + i];
        }
    }
    printf("%d of %d places keep their image from epoch to epoch; 3 are expected, 15 has a chance of 1e-6\n",
           same, 3 * IMAGES);
    assert_true(same < 15);
    for (int first = 0; first < 3 * IMAGES; first += 5) { /* any part of the stream is the same part */
        int64_t part[IMAGES];
        assert_int_equal(ito_dataset_order(d, 3, first, IMAGES, part, NULL), ITO_OK);
        assert_memory_equal(part, index + first, sizeof part);
    }
    assert_int_equal(ito_dataset_order(d, 3, -1, 1, index, NULL), ITO_E_ARG);
    assert_int_equal(ito_dataset_order(d, 3, INT64_MAX, 2, index, NULL), ITO_E_ARG);
    ito_dataset_close(d);
}

static void a_row_is_the_same_in_any_batch(void **state) {
    enum { N = 50 };
    static float whole[N * DIM], part[7 * DIM];
    ito_data_config config = small_config();
    config.random_flip = config.uniform_dequantization = true;
    ito_dataset *d = open_small(&config);
    (void)state;
    assert_int_equal(ito_dataset_batch(d, 9, 11, N, whole, NULL), ITO_OK);
    for (int first = 0; first + 7 <= N; first += 6) {
        assert_int_equal(ito_dataset_batch(d, 9, 11 + first, 7, part, NULL), ITO_OK);
        assert_memory_equal(part, whole + first * DIM, sizeof part);
    }
    assert_int_equal(ito_dataset_batch(d, 10, 11, 7, part, NULL), ITO_OK);
    assert_memory_not_equal(part, whole, sizeof part);
    ito_dataset_close(d);
}

static void bytes_become_states_in_their_range(void **state) {
    static float x[IMAGES * DIM];
    int64_t index[IMAGES];
    (void)state;
    for (int centered = 0; centered < 2; centered++) {
        ito_data_config config = small_config();
        config.centered = centered;
        ito_dataset *d = open_small(&config);
        assert_int_equal(ito_dataset_batch(d, 1, 0, IMAGES, x, NULL), ITO_OK);
        assert_int_equal(ito_dataset_order(d, 1, 0, IMAGES, index, NULL), ITO_OK);
        for (int k = 0; k < IMAGES; k++) {
            const uint8_t *bytes = image_of(d, index[k]);
            for (int i = 0; i < DIM; i++) {
                double want = bytes[i] / 255.0;
                if (centered) want = 2 * want - 1;
                assert_true(fabs((double)x[k * DIM + i] - want) < 1e-6);
            }
        }
        ito_dataset_close(d);
    }
}

/* Dequantized values stay in their grey level's cell and fill it evenly: the mean of u is 1/2 within 5
 * standard errors (false-alarm rate 6e-7). */
static void dequantization_fills_the_cells(void **state) {
    static float x[IMAGES * DIM];
    int64_t index[IMAGES];
    double sum = 0;
    ito_data_config config = small_config();
    config.uniform_dequantization = true;
    config.centered = false;
    ito_dataset *d = open_small(&config);
    (void)state;
    assert_int_equal(ito_dataset_batch(d, 1, 0, IMAGES, x, NULL), ITO_OK);
    assert_int_equal(ito_dataset_order(d, 1, 0, IMAGES, index, NULL), ITO_OK);
    for (int k = 0; k < IMAGES; k++) {
        const uint8_t *bytes = image_of(d, index[k]);
        for (int i = 0; i < DIM; i++) {
            double u = 256 * (double)x[k * DIM + i] - bytes[i];
            assert_true(u >= -1e-4 && u <= 1 + 1e-4); /* floats near 1 round by 256 * 6e-8 */
            sum += u;
        }
    }
    double mean = sum / (IMAGES * DIM), bound = 5 * sqrt(1.0 / 12 / (IMAGES * DIM));
    printf("mean place in a cell: %.5f, expected 0.5 +- %.5f\n", mean, bound);
    assert_true(fabs(mean - 0.5) < bound);
    ito_dataset_close(d);
}

static void half_of_the_images_are_mirrored(void **state) {
    enum { N = 20 * IMAGES };
    static float x[N * DIM];
    static int64_t index[N];
    int flipped = 0, straight = 0;
    ito_data_config config = small_config();
    config.random_flip = true;
    config.centered = false;
    ito_dataset *d = open_small(&config);
    (void)state;
    assert_int_equal(ito_dataset_batch(d, 1, 0, N, x, NULL), ITO_OK);
    assert_int_equal(ito_dataset_order(d, 1, 0, N, index, NULL), ITO_OK);
    for (int k = 0; k < N; k++) {
        const uint8_t *image = image_of(d, index[k]);
        bool is_straight = true, is_flipped = true;
        for (int row = 0; row < PADDED; row++) {
            for (int column = 0; column < PADDED; column++) {
                const uint8_t *bytes = image + row * PADDED;
                long byte = lrint(255 * (double)x[k * DIM + row * PADDED + column]);
                is_straight = is_straight && byte == bytes[column];
                is_flipped = is_flipped && byte == bytes[PADDED - 1 - column];
            }
        }
        assert_true(is_straight != is_flipped);
        flipped += is_flipped;
        straight += is_straight;
    }
    double bound = 5 * sqrt(N) / 2; /* 5 standard errors */
    printf("%d of %d mirrored, expected %d +- %.0f\n", flipped, N, N / 2, bound);
    assert_true(fabs(flipped - N / 2.0) < bound);
    ito_dataset_close(d);
}

static void configurations_that_do_not_fit_name_their_field(void **state) {
    static const struct {
        int64_t image_size, channels, limit;
        const char *dataset;
        ito_status status;
        const char *message;
    } cases[] = {
        {26, 1, 0, "fashion_mnist", ITO_E_SHAPE, "data.image_size: is 26"},
        {31, 1, 0, "fashion_mnist", ITO_E_SHAPE, "cannot be padded evenly: use 32"},
        {1 << 20, 1, 0, "fashion_mnist", ITO_E_SHAPE, "use at most 4096"},
        {32, 3, 0, "fashion_mnist", ITO_E_SHAPE, "data.channels: is 3"},
        {32, 1, -1, "fashion_mnist", ITO_E_ARG, "data.limit: is -1"},
        {32, 1, 0, "fashion", ITO_E_ARG,
         "data.dataset: \"fashion\" is not known: use one of fashion_mnist, mnist, cifar10"},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        ito_data_config config = small_config();
        ito_dataset *d = (ito_dataset *)1;
        ito_error err;
        config.image_size = cases[k].image_size;
        config.channels = cases[k].channels;
        config.limit = cases[k].limit;
        snprintf(config.dataset, sizeof config.dataset, "%s", cases[k].dataset);
        assert_int_equal(ito_dataset_open(&config, "train", &d, &err), cases[k].status);
        assert_non_null(strstr(err.message, cases[k].message));
        assert_null(d);
    }
}

static void missing_files_name_the_package(void **state) {
    ito_data_config config = small_config();
    ito_dataset *d = NULL;
    ito_error err;
    (void)state;
    strcat(config.path, "/nowhere");
    assert_int_equal(ito_dataset_open(&config, "train", &d, &err), ITO_E_IO);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "nowhere/train-images-idx3-ubyte.gz: is missing"));
    assert_non_null(strstr(err.message, "apt-get install dataset-fashion-mnist"));
    assert_non_null(strstr(err.message, "data.path"));
    assert_null(d);
}

/* A copy of the small set in a folder of its own, with one file replaced. */
static void open_with_file(const char *name, const void *bytes, size_t length, const char *message) {
    static const char *const files[] = {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"};
    ito_data_config config = small_config();
    ito_dataset *d = (ito_dataset *)1;
    ito_error err;
    char path[700];
    strcat(config.path, "/damaged");
    mkdir(config.path, 0777);
    for (int k = 0; k < 2; k++) {
        size_t n = 0;
        unsigned char *copy = scratch_read(scratch_path(files[k]), &n);
        snprintf(path, sizeof path, "%s/%s", scratch_path("damaged"), files[k]);
        scratch_write(path, copy, n);
        free(copy);
    }
    snprintf(path, sizeof path, "%s/%s", scratch_path("damaged"), name);
    scratch_write(path, bytes, length);
    assert_int_equal(ito_dataset_open(&config, "train", &d, &err), ITO_E_FORMAT);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, name));
    assert_non_null(strstr(err.message, message));
    assert_non_null(strstr(err.message, "apt-get install --reinstall dataset-fashion-mnist"));
    assert_null(d);
}

static void damaged_files_name_themselves_and_the_remedy(void **state) {
    static const uint8_t few[8 + 3] = {0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3};
    static uint8_t wrong[8 + IMAGES] = {0, 0, 8, 1, 0, 0, 0, IMAGES, 10};
    size_t length = 0;
    (void)state;
    unsigned char *images = scratch_read(scratch_path("train-images-idx3-ubyte.gz"), &length);
    open_with_file("train-images-idx3-ubyte.gz", images, length / 2, "cut short");
    open_with_file("train-images-idx3-ubyte.gz", images, length - 1, "cut short");
    open_with_file("train-images-idx3-ubyte.gz", "hello", 5, "expected 00 00 08");
    open_with_file("train-images-idx3-ubyte.gz", few, sizeof few, "has 1 dimensions, expected 3");
    open_with_file("train-labels-idx1-ubyte.gz", few, sizeof few, "holds 3 labels for 37 images");
    open_with_file("train-labels-idx1-ubyte.gz", wrong, sizeof wrong, "label 0 is 10, expected 0 to 9");
    free(images);
}

/* Known facts of the real set: 60,000 and 10,000 images, every class equally often, mean grey 72.94 of 255 in
 * the training images. */
static void the_real_fashion_mnist_is_what_it_should_be(void **state) {
    ito_data_config config = {.dataset = "fashion_mnist", .image_size = PADDED, .channels = 1};
    const char *const splits[] = {"train", "test"};
    (void)state;
    for (int k = 0; k < 2; k++) {
        ito_dataset *d = NULL;
        ito_error err;
        int64_t count[10] = {0};
        double sum = 0;
        ito_status st = ito_dataset_open(&config, splits[k], &d, &err);
        if (st == ITO_E_IO) {
            print_message("%s\n", err.message);
            skip();
        }
        assert_int_equal(st, ITO_OK);
        int64_t n = ito_dataset_size(d);
        assert_int_equal(n, k == 0 ? 60000 : 10000);
        for (int64_t i = 0; i < n; i++) {
            count[ito_dataset_label(d, i)]++;
            const uint8_t *bytes = image_of(d, i);
            for (int j = 0; j < DIM; j++) sum += bytes[j];
        }
        for (int c = 0; c < 10; c++) assert_int_equal(count[c], n / 10);
        double mean = sum / (double)(n * PIXELS);
        printf("%s: mean grey %.3f\n", splits[k], mean);
        if (k == 0) assert_true(fabs(mean - 72.94) < 0.01);
        ito_dataset_close(d);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_padded_evenly),
        cmocka_unit_test(both_splits_and_unpacked_files_are_found),
        cmocka_unit_test(limit_takes_the_first_images),
        cmocka_unit_test(every_epoch_shows_every_image_once_in_an_order_of_its_own),
        cmocka_unit_test(a_row_is_the_same_in_any_batch),
        cmocka_unit_test(bytes_become_states_in_their_range),
        cmocka_unit_test(dequantization_fills_the_cells),
        cmocka_unit_test(half_of_the_images_are_mirrored),
        cmocka_unit_test(configurations_that_do_not_fit_name_their_field),
        cmocka_unit_test(missing_files_name_the_package),
        cmocka_unit_test(damaged_files_name_themselves_and_the_remedy),
        cmocka_unit_test(the_real_fashion_mnist_is_what_it_should_be),
    };
    return cmocka_run_group_tests_name("dataset", tests, write_files, scratch_remove);
}
