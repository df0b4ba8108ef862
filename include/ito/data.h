/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets: images as bytes, prepared for a network, or points, handed out as batches of floats in the order
 * of a shuffled epoch. docs/data.md says which sets there are, where their files go and how they are
 * prepared.
 *
 * Image sets of few files (IDX, CIFAR-10, arrays) are held in memory; folders of image files are read when an
 * image is asked for.
 *
 * Points are rows of numbers, taken as they are: states of `channels` numbers and image_size 1. They come
 * from a file ("points": the array "points", or the only one, [n, d] of a .npz or .npy, or the rows of a
 * .csv), or are drawn ("gmm:NAME": the mixture of ito_mixture_named; example i of a training is sample i of
 * its seed, so there are no epochs unless `limit` makes them). A file is one set, without a test split.
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
    char dataset[64];   /* "fashion_mnist"; a name of ito_dataset_name, "points" or "gmm:NAME" */
    char path[1024];    /* where its files are; "" = data/NAME, or where the Debian package puts them */
    int64_t image_size; /* 32; how images come to it depends on the set */
    int64_t channels;   /* 1; 3 for colour */
    bool centered;      /* states in [-1, 1]; otherwise [0, 1] */
    bool uniform_dequantization; /* (byte + u) / 256 */
    bool random_flip;
    bool class_folders; /* of image files: each sub-folder is a class, in the order of their names */
    int64_t limit;      /* use the first `limit` images or points only; 0 = all */
    int64_t cache_mb;   /* 512; of image files: keep so many megabytes of prepared images */
} ito_data_config;

bool ito_data_is_points(const ito_data_config *config);
/* NAME of "gmm:NAME"; NULL for other data. Borrowed from config. */
const char *ito_data_density(const ito_data_config *config);

typedef struct ito_dataset ito_dataset; /* threads may share it once it is open */

/* split: "train" or "test". Errors: IO/FORMAT name the file and how to get it; SHAPE when image_size or
 * channels do not suit the set. */
ito_status ito_dataset_open(const ito_data_config *config, const char *split, ito_dataset **out,
                            ito_error *err);
void ito_dataset_close(ito_dataset *d);
int64_t ito_dataset_size(const ito_dataset *d);
int64_t ito_dataset_classes(const ito_dataset *d);      /* 0 if unlabelled */
int ito_dataset_label(const ito_dataset *d, int64_t i); /* -1 if unlabelled */
int64_t ito_dataset_padding(const ito_dataset *d);      /* pixels added on each side */
int64_t ito_dataset_channels(const ito_dataset *d);
int64_t ito_dataset_image_size(const ito_dataset *d); /* padding included */
/* Image i, prepared: bytes [C, size, size]. IO or FORMAT name an image file that cannot be read; ARG: the
 * data are points. */
ito_status ito_dataset_image(const ito_dataset *d, int64_t i, uint8_t *bytes, ito_error *err);
/* x [n, channels]: points first .. first + n - 1 of the set in its own order; the seed is that of draws,
 * whose test split no training meets. ARG: of images, or points that are not there. */
ito_status ito_dataset_points(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, double *x,
                              ito_error *err);

/* Example number `position` of an endless training stream: epoch e = position / size shuffled by stream
 * (seed, ORDER) step e. index: [n] image numbers of positions first .. first + n - 1. */
ito_status ito_dataset_order(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, int64_t *index,
                             ito_error *err);
/* x [n, C, S, S] states of training examples first .. first + n - 1: flipped (FLIP), dequantized
 * (DEQUANTIZE), scaled; points as they are. A pure function of (data, seed, first + k): row k is the same in
 * any batch. Errors: as of ito_dataset_order and ito_dataset_image. */
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
