/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets: images held as bytes in memory, handed out as batches of floats in the order of a shuffled
 * epoch.
 */
#ifndef ITO_DATA_H
#define ITO_DATA_H

#include <ito/random.h>
#include <ito/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_data_config {
    char dataset[64];   /* "fashion_mnist"; a name of ito_dataset_name */
    char path[1024];    /* folder of its files; "" = where the Debian package puts them */
    int64_t image_size; /* 32; smaller images are padded with their background (0) on all sides, evenly */
    int64_t channels;   /* 1 */
    bool centered;      /* states in [-1, 1]; otherwise [0, 1] */
    bool uniform_dequantization; /* (byte + u) / 256 */
    bool random_flip;
    int64_t limit; /* use the first `limit` images only; 0 = all */
} ito_data_config;

typedef struct ito_dataset ito_dataset; /* immutable once open */

/* split: "train" or "test". Errors: IO/FORMAT name the file and how to get it; SHAPE when image_size is too
 * small. */
ito_status ito_dataset_open(const ito_data_config *config, const char *split, ito_dataset **out,
                            ito_error *err);
void ito_dataset_close(ito_dataset *d);
int64_t ito_dataset_size(const ito_dataset *d);
int64_t ito_dataset_classes(const ito_dataset *d); /* 0 if unlabelled */
int ito_dataset_label(const ito_dataset *d, int64_t i);
int64_t ito_dataset_padding(const ito_dataset *d); /* pixels added on each side */
int64_t ito_dataset_channels(const ito_dataset *d);
int64_t ito_dataset_image_size(const ito_dataset *d); /* padding included */
/* The padded image as bytes, [C, size, size]; borrowed. */
const uint8_t *ito_dataset_bytes(const ito_dataset *d, int64_t i);

/* Example number `position` of an endless training stream: epoch e = position / size shuffled by stream
 * (seed, ORDER) step e. index: [n] image numbers of positions first .. first + n - 1. */
ito_status ito_dataset_order(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, int64_t *index,
                             ito_error *err);
/* x [n, C, S, S] states of training examples first .. first + n - 1: flipped (FLIP), dequantized
 * (DEQUANTIZE), scaled. A pure function of (data, seed, first + k): row k is the same in any batch. */
ito_status ito_dataset_batch(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, float *x,
                             ito_error *err);

const char *ito_dataset_name(int index); /* known data sets by index, NULL past the last */

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
