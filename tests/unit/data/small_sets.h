/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets of a few numbered pictures, in every form that is read, in the scratch folder.
 */
#ifndef ITO_TESTS_SMALL_SETS_H
#define ITO_TESTS_SMALL_SETS_H

#include "support/jpeg.h"
#include "unit/formats/scratch.h"

#include <ito/data.h>
#include <ito/formats.h>
#include <stdint.h>

enum {
    SIDE = 32,
    AREA = SIDE * SIDE,
    IMAGE = 3 * AREA,
    RECORD = 1 + IMAGE,
    BATCH_RECORDS = 3,
    CIFAR = 5 * BATCH_RECORDS,
    PICTURES = 12
};

static uint8_t small_pixel(int64_t image, int64_t c, int64_t row, int64_t column) {
    return (uint8_t)(image * 97 + c * 53 + row * 5 + column * 7);
}

/* [SIDE, SIDE, channels] */
static void small_picture(int64_t image, int64_t channels, uint8_t *pixels) {
    for (int64_t i = 0; i < AREA; i++)
        for (int64_t c = 0; c < channels; c++)
            pixels[i * channels + c] = small_pixel(image, c, i / SIDE, i % SIDE);
}

static void small_folder(const char *name) {
    if (mkdir(scratch_path(name), 0777) != 0) abort();
}

/* Pictures first .. first + n - 1, labels their numbers modulo 10. */
static void small_cifar_file(const char *name, int64_t first, int64_t n) {
    uint8_t *bytes = malloc((size_t)n * RECORD);
    for (int64_t k = 0; k < n; k++) {
        bytes[k * RECORD] = (uint8_t)((first + k) % 10);
        for (int64_t j = 0; j < IMAGE; j++)
            bytes[k * RECORD + 1 + j] = small_pixel(first + k, j / AREA, j % AREA / SIDE, j % SIDE);
    }
    scratch_write(scratch_path(name), bytes, (size_t)n * RECORD);
    free(bytes);
}

/* Folder `name` with pictures 0 .. CIFAR - 1 for training, 100 .. 103 for tests. */
static void small_cifar(const char *name) {
    char file[128];
    small_folder(name);
    for (int k = 0; k < 5; k++) {
        snprintf(file, sizeof file, "%s/data_batch_%d.bin", name, k + 1);
        small_cifar_file(file, BATCH_RECORDS * k, BATCH_RECORDS);
    }
    snprintf(file, sizeof file, "%s/test_batch.bin", name);
    small_cifar_file(file, 100, 4);
}

/* Pictures 0 .. PICTURES - 1 as `images` and labels modulo 3. */
static void small_npz(const char *name) {
    static uint8_t pixels[PICTURES * IMAGE];
    int32_t labels[PICTURES];
    for (int64_t k = 0; k < PICTURES; k++) {
        small_picture(k, 3, pixels + k * IMAGE);
        labels[k] = (int32_t)(k % 3);
    }
    const ito_tensor arrays[] = {
        {"images", ITO_DTYPE_U8, 4, {PICTURES, SIDE, SIDE, 3}, PICTURES * IMAGE, pixels},
        {"labels", ITO_DTYPE_I32, 1, {PICTURES}, PICTURES, labels}};
    if (ito_npz_write(scratch_path(name), 2, arrays, NULL) != ITO_OK) abort();
}

/* The same pictures as PNG: four in each of three folders, whose order is that of the numbers. */
static void small_pngs(const char *name) {
    static const char *const folders[] = {"cat", "cat-big", "dog"};
    uint8_t pixels[IMAGE];
    char file[128];
    small_folder(name);
    for (int k = 0; k < 3; k++) {
        snprintf(file, sizeof file, "%s/%s", name, folders[k]);
        small_folder(file);
    }
    for (int k = PICTURES - 1; k >= 0; k--) {
        snprintf(file, sizeof file, "%s/%s/%02d.%s", name, folders[k / 4], k, k % 2 ? "PNG" : "png");
        small_picture(k, 3, pixels);
        if (ito_png_write(scratch_path(file), pixels, SIDE, SIDE, 3, NULL) != ITO_OK) abort();
    }
}

static ito_data_config small_config(const char *dataset, const char *name) {
    ito_data_config c = {.image_size = SIDE, .channels = 3, .centered = true, .cache_mb = 1};
    snprintf(c.dataset, sizeof c.dataset, "%s", dataset);
    snprintf(c.path, sizeof c.path, "%s", scratch_path(name));
    return c;
}

#endif
