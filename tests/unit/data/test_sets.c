/* SPDX-License-Identifier: Apache-2.0
 *
 * CIFAR-10, arrays and folders: what is read, how it is divided and labelled, and what is refused.
 */
#include "unit/data/small_sets.h"

#include "data/catalog.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static ito_dataset *open_set(const ito_data_config *config, const char *split) {
    ito_dataset *d = NULL;
    ito_error err = {0};
    if (ito_dataset_open(config, split, &d, &err) != ITO_OK) fail_msg("%s", err.message);
    return d;
}

/* Opening fails with `st` and a sentence that has all the words, separated by |. */
static void refuses(const ito_data_config *config, const char *split, ito_status st, const char *words) {
    char copy[256];
    ito_dataset *d = (ito_dataset *)1;
    ito_error err = {0};
    assert_int_equal(ito_dataset_open(config, split, &d, &err), st);
    assert_null(d);
    printf("%s\n", err.message);
    snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strtok(copy, "|"); word != NULL; word = strtok(NULL, "|"))
        if (strstr(err.message, word) == NULL) fail_msg("\"%s\" is not said", word);
}

static void assert_picture(const ito_dataset *d, int64_t i, int64_t picture) {
    uint8_t bytes[IMAGE];
    assert_int_equal(ito_dataset_image(d, i, bytes, NULL), ITO_OK);
    for (int64_t j = 0; j < IMAGE; j++)
        assert_int_equal(bytes[j], small_pixel(picture, j / AREA, j % AREA / SIDE, j % SIDE));
}

/* ---- CIFAR-10 */

static void cifar10_is_read_as_stored_in_the_order_of_its_files(void **state) {
    (void)state;
    small_cifar("cifar");
    ito_data_config config = small_config("cifar10", "cifar");
    ito_dataset *d = open_set(&config, "train");
    assert_int_equal(ito_dataset_size(d), CIFAR);
    assert_int_equal(ito_dataset_classes(d), 10);
    assert_int_equal(ito_dataset_padding(d), 0);
    for (int64_t i = 0; i < CIFAR; i++) {
        assert_picture(d, i, i);
        assert_int_equal(ito_dataset_label(d, i), i % 10);
    }
    ito_dataset_close(d);
    d = open_set(&config, "test");
    assert_int_equal(ito_dataset_size(d), 4);
    assert_picture(d, 3, 103);
    ito_dataset_close(d);
}

static void cifar10_is_found_where_its_archive_unpacks_to(void **state) {
    (void)state;
    small_folder("unpacked");
    small_cifar("unpacked/cifar-10-batches-bin");
    ito_data_config config = small_config("cifar10", "unpacked");
    ito_dataset_close(open_set(&config, "train"));
    config.image_size = 16; /* resized, as every set but MNIST's family */
    ito_dataset_close(open_set(&config, "test"));
}

static void damaged_cifar10_is_refused(void **state) {
    const char *file = "broken/data_batch_3.bin";
    uint8_t record[RECORD + 1] = {10};
    (void)state;
    small_cifar("broken");
    ito_data_config config = small_config("cifar10", "broken");
    unlink(scratch_path(file));
    refuses(&config, "train", ITO_E_IO, "data_batch_3.bin: is missing|cifar-10-binary.tar.gz|data.path");
    scratch_write(scratch_path(file), record, RECORD);
    refuses(&config, "train", ITO_E_FORMAT, "data_batch_3.bin: label 0 is 10, expected 0 to 9|again");
    scratch_write(scratch_path(file), record, RECORD + 1);
    refuses(&config, "train", ITO_E_FORMAT, "has 3074 bytes, expected a multiple of 3073|again");
    scratch_write(scratch_path(file), record, 0);
    refuses(&config, "train", ITO_E_FORMAT, "has 0 bytes");
    config.channels = 1;
    refuses(&config, "train", ITO_E_SHAPE, "data.channels: is 1, images of cifar10 have 3");
}

/* ---- arrays */

static void arrays_of_bytes_are_read_with_their_labels(void **state) {
    (void)state;
    small_npz("set.npz");
    ito_data_config config = small_config("npz", "set.npz");
    ito_dataset *d = open_set(&config, "train");
    assert_int_equal(ito_dataset_size(d), PICTURES);
    assert_int_equal(ito_dataset_classes(d), 3);
    for (int64_t i = 0; i < PICTURES; i++) {
        assert_picture(d, i, i);
        assert_int_equal(ito_dataset_label(d, i), i % 3);
    }
    ito_dataset_close(d);
    refuses(&config, "test", ITO_E_ARG, "is for training alone|test.npz");
    small_folder("split");
    small_npz("split/train.npz");
    config = small_config("npz", "split");
    ito_dataset_close(open_set(&config, "train"));
    refuses(&config, "test", ITO_E_IO, "split/test.npz: is missing|data.path");
    small_npz("split/test.npz");
    ito_dataset_close(open_set(&config, "test"));
}

/* Writes one array and opens the set of it: NULL words when that has to work. */
static void try_array(ito_tensor array, const char *words) {
    array.count = 1;
    for (int k = 0; k < array.rank; k++) array.count *= array.dim[k];
    assert_int_equal(ito_npz_write(scratch_path("one.npz"), 1, &array, NULL), ITO_OK);
    ito_data_config config = small_config("npz", "one.npz");
    config.image_size = 2;
    config.channels = 1;
    if (words != NULL)
        refuses(&config, "train", ITO_E_FORMAT, words);
    else
        ito_dataset_close(open_set(&config, "train"));
}

static void arrays_of_other_kinds_are_understood_or_refused(void **state) {
    static const float values[12] = {0, 1, 0.5f, 0.25f, 1, 1, 1, 1.5f, 0, 0, 0, (float)0x1p-9};
    static const int32_t whole[4];
    uint8_t bytes[4];
    (void)state;
    try_array((ito_tensor){"anything", ITO_DTYPE_F32, 3, {1, 2, 2}, 0, values}, NULL);
    ito_data_config config = small_config("npz", "one.npz");
    config.image_size = 2;
    config.channels = 1;
    ito_dataset *d = open_set(&config, "train");
    assert_int_equal(ito_dataset_image(d, 0, bytes, NULL), ITO_OK);
    assert_memory_equal(bytes, ((const uint8_t[]){0, 255, 128, 64}), 4);
    assert_int_equal(ito_dataset_classes(d), 0);
    assert_int_equal(ito_dataset_label(d, 0), -1);
    ito_dataset_close(d);
    assert_int_equal(ito_npy_write(scratch_path("one.npy"),
                                   &(ito_tensor){"", ITO_DTYPE_F32, 3, {1, 2, 2}, 4, values}, NULL),
                     ITO_OK);
    snprintf(config.path, sizeof config.path, "%s", scratch_path("one.npy"));
    ito_dataset_close(open_set(&config, "train"));
    try_array((ito_tensor){"images", ITO_DTYPE_F32, 4, {3, 2, 2, 1}, 0, values}, "image 1 has the value 1.5");
    try_array((ito_tensor){"images", ITO_DTYPE_F32, 4, {3, 2, 1, 2}, 0, values}, "with 1 or 3 channels");
    try_array((ito_tensor){"images", ITO_DTYPE_F32, 2, {3, 4}, 0, values}, "no array \"images\"");
    try_array((ito_tensor){"images", ITO_DTYPE_I32, 3, {1, 2, 2}, 0, whole}, "has elements I32|uint8");
    snprintf(config.path, sizeof config.path, "%s", scratch_path("text.npz"));
    scratch_write(config.path, "hello", 5);
    refuses(&config, "train", ITO_E_FORMAT, "text.npz");
}

static void labels_that_do_not_fit_are_refused(void **state) {
    static const uint8_t pixels[8];
    static const float half[] = {0, 0.5f};
    static const int32_t below[] = {-1, 0}, wide[] = {0, 299};
    ito_tensor arrays[] = {{"images", ITO_DTYPE_U8, 3, {2, 2, 2}, 8, pixels},
                           {"labels", ITO_DTYPE_F32, 1, {2}, 2, half}};
    (void)state;
    ito_data_config config = small_config("npz", "labels.npz");
    config.image_size = 2;
    config.channels = 1;
    ito_npz_write(scratch_path("labels.npz"), 2, arrays, NULL);
    refuses(&config, "train", ITO_E_FORMAT, "label 1 is 0.5, expected a whole number");
    arrays[1] = (ito_tensor){"labels", ITO_DTYPE_I32, 1, {2}, 2, below};
    ito_npz_write(scratch_path("labels.npz"), 2, arrays, NULL);
    refuses(&config, "train", ITO_E_FORMAT, "label 0 is -1");
    arrays[1] = (ito_tensor){"labels", ITO_DTYPE_I32, 1, {1}, 1, wide};
    ito_npz_write(scratch_path("labels.npz"), 2, arrays, NULL);
    refuses(&config, "train", ITO_E_FORMAT, "1 entries, expected one for each of 2 images");
    arrays[1] = (ito_tensor){"labels", ITO_DTYPE_I32, 1, {2}, 2, wide};
    ito_npz_write(scratch_path("labels.npz"), 2, arrays, NULL);
    ito_dataset *d = open_set(&config, "train");
    assert_int_equal(ito_dataset_classes(d), 300);
    assert_int_equal(ito_dataset_label(d, 1), 299);
    ito_dataset_close(d);
}

/* ---- folders */

static void a_folder_is_sorted_by_path_and_labelled_by_folder(void **state) {
    (void)state;
    small_pngs("pngs");
    scratch_write(scratch_path("pngs/cat/notes.txt"), "x", 1);
    scratch_write(scratch_path("pngs/cat/.hidden.png"), "x", 1);
    ito_data_config config = small_config("folder", "pngs");
    ito_dataset *d = open_set(&config, "train");
    assert_int_equal(ito_dataset_size(d), PICTURES);
    assert_int_equal(ito_dataset_classes(d), 0);
    for (int64_t i = 0; i < PICTURES; i++) assert_picture(d, i, i);
    ito_dataset_close(d);
    config.class_folders = true;
    config.limit = 10;
    d = open_set(&config, "train");
    assert_int_equal(ito_dataset_size(d), 10);
    assert_int_equal(ito_dataset_classes(d), 3);
    for (int64_t i = 0; i < 10; i++) assert_int_equal(ito_dataset_label(d, i), i / 4);
    ito_dataset_close(d);
    refuses(&config, "test", ITO_E_IO, "pngs/test: is missing|pngs/train");
}

/* Folders train and test, each with a file at the top: no classes there. */
static void splits_are_folders_if_there_are_any(void **state) {
    uint8_t pixels[IMAGE];
    (void)state;
    small_folder("divided");
    small_folder("divided/train");
    small_picture(5, 3, pixels);
    ito_png_write(scratch_path("divided/train/5.png"), pixels, SIDE, SIDE, 3, NULL);
    ito_png_write(scratch_path("divided/outside.png"), pixels, SIDE, SIDE, 3, NULL);
    ito_data_config config = small_config("folder", "divided");
    refuses(&config, "test", ITO_E_IO, "divided/test: is missing|train and test");
    small_folder("divided/test");
    refuses(&config, "test", ITO_E_FORMAT, "divided/test: has no .png");
    small_picture(6, 3, pixels);
    ito_png_write(scratch_path("divided/test/6.png"), pixels, SIDE, SIDE, 3, NULL);
    ito_dataset *d = open_set(&config, "train");
    assert_int_equal(ito_dataset_size(d), 1);
    assert_picture(d, 0, 5);
    ito_dataset_close(d);
    d = open_set(&config, "test");
    assert_picture(d, 0, 6);
    ito_dataset_close(d);
    config.class_folders = true;
    refuses(&config, "train", ITO_E_FORMAT, "5.png: is in no sub-folder|data.class_folders");
}

/* CelebA's division, with other numbers: files 0..5 are for training, the last four for tests. */
static void a_published_division_goes_by_number(void **state) {
    static const ito__source source = {.name = "x", .get = "y", .whole = PICTURES, .first = 6, .last = 4};
    static const struct {
        const char *split, *first;
        int64_t n;
    } cases[] = {{"train", "cat/00.png", 6}, {"test", "dog/08.png", 4}};
    ito_data_config config = small_config("folder", "pngs");
    (void)state;
    for (int k = 0; k < 2; k++) {
        ito__raw raw = {0};
        ito_error err = {0};
        if (ito__folder_set_read(&source, &config, config.path, cases[k].split, &raw, &err) != ITO_OK)
            fail_msg("%s", err.message);
        assert_int_equal(raw.n, cases[k].n);
        assert_string_equal(raw.files.name[0], cases[k].first);
        ito__raw_release(&raw);
    }
}

static void pictures_of_all_sizes_and_kinds_share_a_folder(void **state) {
    uint8_t pixels[3 * 50 * 40], bytes[IMAGE];
    (void)state;
    small_folder("mixed");
    memset(pixels, 77, sizeof pixels);
    ito_png_write(scratch_path("mixed/a.png"), pixels, 50, 40, 3, NULL);
    ito_png_write(scratch_path("mixed/b.png"), pixels, 7, 9, 1, NULL);
    jpeg_write(scratch_path("mixed/c.JPG"), pixels, 33, 31, 3, 95);
    jpeg_write(scratch_path("mixed/d.jpeg"), pixels, 32, 64, 1, 95);
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        ito_data_config config = small_config("folder", "mixed");
        config.channels = channels;
        ito_dataset *d = open_set(&config, "train");
        assert_int_equal(ito_dataset_size(d), 4);
        for (int64_t i = 0; i < 4; i++) {
            assert_int_equal(ito_dataset_image(d, i, bytes, NULL), ITO_OK);
            for (int64_t j = 0; j < channels * AREA; j++) assert_in_range(bytes[j], 76, 78);
        }
        ito_dataset_close(d);
    }
}

/* The first image is read on opening; a later one stops the batch that needs it. */
static void damaged_images_are_named(void **state) {
    float x[4 * IMAGE];
    ito_error err = {0};
    (void)state;
    small_pngs("torn");
    scratch_write(scratch_path("torn/dog/11.PNG"), "\x89PNG\r\n\x1a\n", 8);
    ito_data_config config = small_config("folder", "torn");
    ito_dataset *d = open_set(&config, "train");
    ito_status st = ITO_OK;
    for (int64_t first = 0; first < PICTURES && st == ITO_OK; first += 4)
        st = ito_dataset_batch(d, 1, first, 4, x, &err);
    assert_int_equal(st, ITO_E_FORMAT);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "torn/dog/11.PNG"));
    ito_dataset_close(d);
    scratch_write(scratch_path("torn/cat/00.png"), "", 0);
    refuses(&config, "train", ITO_E_FORMAT, "torn/cat/00.png: is empty");
}

static void folders_without_images_are_refused(void **state) {
    (void)state;
    small_folder("empty");
    ito_data_config config = small_config("folder", "empty");
    refuses(&config, "train", ITO_E_FORMAT, "empty: has no .png, .jpg, .jpeg or .webp|data.path");
    assert_int_equal(symlink(".", scratch_path("empty/again")), 0);
    refuses(&config, "train", ITO_E_ARG, "folders deep: look for a link");
    config.path[0] = '\0';
    refuses(&config, "train", ITO_E_ARG, "data.path: is empty");
}

static void every_known_set_says_what_to_put_where(void **state) {
    (void)state;
    for (int k = 0; ito_dataset_name(k) != NULL; k++) {
        ito_data_config config = small_config(ito_dataset_name(k), "nowhere");
        if (strstr(config.dataset, "mnist")) config.channels = 1;
        refuses(&config, "train", ITO_E_IO, "nowhere|: is missing: |, or set data.path to ");
    }
}

/* ---- the stream */

/* The same pictures from an array, and from files with room in memory for none, 341 or all of them: the same
 * batches, flipped and dequantized, whatever was read before. */
static void a_folder_gives_the_stream_of_an_array(void **state) {
    enum { N = 2 * PICTURES + 5 };
    static float want[N * IMAGE], x[N * IMAGE];
    (void)state;
    ito_data_config config = small_config("npz", "set.npz");
    config.random_flip = config.uniform_dequantization = true;
    ito_dataset *d = open_set(&config, "train");
    assert_int_equal(ito_dataset_batch(d, 4, 0, N, want, NULL), ITO_OK);
    ito_dataset_close(d);
    snprintf(config.dataset, sizeof config.dataset, "folder");
    snprintf(config.path, sizeof config.path, "%s", scratch_path("pngs"));
    for (config.cache_mb = 0; config.cache_mb < 2; config.cache_mb++) {
        d = open_set(&config, "train");
        for (int64_t first = 0; first < N; first += 7) {
            int64_t n = first + 7 < N ? 7 : N - first;
            assert_int_equal(ito_dataset_batch(d, 4, first, n, x, NULL), ITO_OK);
            assert_memory_equal(x, want + first * IMAGE, (size_t)(n * IMAGE) * sizeof *x);
        }
        ito_dataset_close(d);
    }
}

/* Once an image is kept its file is not needed any more; beyond the limit it is. */
static void the_cache_keeps_what_fits(void **state) {
    enum { SIZE = 512, MEGABYTE = 1 }; /* 786432 bytes an image: one fits */
    static uint8_t pixels[4], bytes[3 * SIZE * SIZE];
    ito_error err;
    (void)state;
    small_folder("few");
    ito_png_write(scratch_path("few/a.png"), pixels, 2, 2, 1, NULL);
    ito_png_write(scratch_path("few/b.png"), pixels, 2, 2, 1, NULL);
    ito_data_config config = small_config("folder", "few");
    config.image_size = SIZE;
    config.cache_mb = MEGABYTE;
    ito_dataset *d = open_set(&config, "train"); /* reads a */
    assert_int_equal(ito_dataset_image(d, 1, bytes, &err), ITO_OK);
    unlink(scratch_path("few/a.png"));
    unlink(scratch_path("few/b.png"));
    assert_int_equal(ito_dataset_image(d, 0, bytes, &err), ITO_OK);
    assert_int_equal(ito_dataset_image(d, 1, bytes, &err), ITO_E_IO);
    ito_dataset_close(d);
}

enum { THREADS = 4, READS = 10 * PICTURES };

/* Reads all pictures several times; NULL if all are right. */
static void *read_all(void *set) {
    for (int64_t k = 0; k < READS; k++) {
        uint8_t bytes[IMAGE];
        int64_t i = k % PICTURES;
        if (ito_dataset_image(set, i, bytes, NULL) != ITO_OK || bytes[77] != small_pixel(i, 0, 2, 13))
            return set;
    }
    return NULL;
}

static void threads_may_share_a_folder(void **state) {
    pthread_t threads[THREADS];
    (void)state;
    ito_data_config config = small_config("folder", "pngs");
    ito_dataset *d = open_set(&config, "train");
    for (int k = 0; k < THREADS; k++) assert_int_equal(pthread_create(&threads[k], NULL, read_all, d), 0);
    for (int k = 0; k < THREADS; k++) {
        void *wrong = d;
        assert_int_equal(pthread_join(threads[k], &wrong), 0);
        assert_null(wrong);
    }
    ito_dataset_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cifar10_is_read_as_stored_in_the_order_of_its_files),
        cmocka_unit_test(cifar10_is_found_where_its_archive_unpacks_to),
        cmocka_unit_test(damaged_cifar10_is_refused),
        cmocka_unit_test(arrays_of_bytes_are_read_with_their_labels),
        cmocka_unit_test(arrays_of_other_kinds_are_understood_or_refused),
        cmocka_unit_test(labels_that_do_not_fit_are_refused),
        cmocka_unit_test(a_folder_is_sorted_by_path_and_labelled_by_folder),
        cmocka_unit_test(splits_are_folders_if_there_are_any),
        cmocka_unit_test(a_published_division_goes_by_number),
        cmocka_unit_test(pictures_of_all_sizes_and_kinds_share_a_folder),
        cmocka_unit_test(damaged_images_are_named),
        cmocka_unit_test(folders_without_images_are_refused),
        cmocka_unit_test(every_known_set_says_what_to_put_where),
        cmocka_unit_test(a_folder_gives_the_stream_of_an_array),
        cmocka_unit_test(the_cache_keeps_what_fits),
        cmocka_unit_test(threads_may_share_a_folder),
    };
    return cmocka_run_group_tests_name("sets", tests, scratch_make, scratch_remove);
}
