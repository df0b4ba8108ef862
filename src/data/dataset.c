/* SPDX-License-Identifier: Apache-2.0
 *
 * A data set in memory, padded once on opening, and the endless training stream drawn from it.
 *
 * Example number p of the stream is image perm_e(p mod size) of epoch e = p / size. Its flip and its
 * dequantization come from streams whose sample is p, so a row does not depend on the batch around it.
 */
#include "core/memory.h"
#include "data/catalog.h"
#include "data/points.h"

#include <ito/data.h>
#include <string.h>

struct ito_dataset {
    ito_data_config config;
    int64_t size, padding;
    int64_t classes;
    int64_t dim;    /* bytes of one image: C * S * S */
    uint8_t *bytes; /* [size, C, S, S] */
    uint8_t *labels;
    ito__points *points; /* instead of bytes, where the data are points */
};

static ito_status no_memory(ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM,
                         "data: memory ran out: use a smaller data.limit or close other programs");
}

static ito_status check_shapes(const ito_data_config *c, const ito__raw_images *raw, ito_error *err) {
    if (raw->height != raw->width)
        return ito_error_set(err, ITO_E_SHAPE,
                             "data.dataset: images of %s are %lld x %lld: only square ones can be used",
                             c->dataset, (long long)raw->height, (long long)raw->width);
    if (c->channels != 1)
        return ito_error_set(err, ITO_E_SHAPE, "data.channels: is %lld, images of %s have 1: set it to 1",
                             (long long)c->channels, c->dataset);
    if (c->image_size < raw->width)
        return ito_error_set(err, ITO_E_SHAPE,
                             "data.image_size: is %lld, images of %s are %lld wide: use at least that",
                             (long long)c->image_size, c->dataset, (long long)raw->width);
    if ((c->image_size - raw->width) % 2 != 0)
        return ito_error_set(
            err, ITO_E_SHAPE,
            "data.image_size: is %lld, images of %s are %lld wide and cannot be padded evenly: use %lld",
            (long long)c->image_size, c->dataset, (long long)raw->width, (long long)c->image_size + 1);
    if (c->image_size > 4096)
        return ito_error_set(err, ITO_E_SHAPE, "data.image_size: is %lld: use at most 4096",
                             (long long)c->image_size);
    return ITO_OK;
}

/* Copies the images into the middle of zeroed squares. */
static ito_status pad(ito_dataset *d, const ito__raw_images *raw, ito_error *err) {
    int64_t size = d->config.image_size;
    d->bytes = ito__calloc((size_t)d->size, (size_t)d->dim);
    if (d->bytes == NULL) return no_memory(err);
    for (int64_t i = 0; i < d->size; i++) {
        for (int64_t row = 0; row < raw->height; row++) {
            uint8_t *to = d->bytes + i * d->dim + (row + d->padding) * size + d->padding;
            memcpy(to, raw->pixels + (i * raw->height + row) * raw->width, (size_t)raw->width);
        }
    }
    return ITO_OK;
}

static ito_status open_points(const ito_data_config *config, const char *split, ito_dataset **out,
                              ito_error *err) {
    ito_dataset *d = ito__calloc(1, sizeof *d);
    if (d == NULL) return no_memory(err);
    const ito_status st = ito__points_open(config, split, &d->points, err);
    if (st == ITO_OK) {
        d->config = *config;
        d->size = ito__points_size(d->points);
        d->dim = config->channels;
        *out = d;
        d = NULL;
    }
    ito_dataset_close(d);
    return st;
}

ito_status ito_dataset_open(const ito_data_config *config, const char *split, ito_dataset **out,
                            ito_error *err) {
    const ito__source *source = NULL;
    ito__raw_images raw = {0};
    ito_dataset *d = NULL;
    ito_status st;
    *out = NULL;
    if (config->limit < 0)
        return ito_error_set(err, ITO_E_ARG, "data.limit: is %lld: use 0 for all images, or a count",
                             (long long)config->limit);
    if (ito_data_is_points(config)) return open_points(config, split, out, err);
    if ((st = ito__source_find(config->dataset, &source, err)) != ITO_OK) return st;
    if ((st = ito__source_read(source, config->path, split, &raw, err)) != ITO_OK) goto done;
    if ((st = check_shapes(config, &raw, err)) != ITO_OK) goto done;
    d = ito__calloc(1, sizeof *d);
    if (d == NULL) {
        st = no_memory(err);
        goto done;
    }
    d->config = *config;
    d->size = config->limit > 0 && config->limit < raw.n ? config->limit : raw.n;
    d->padding = (config->image_size - raw.width) / 2;
    d->classes = source->classes;
    d->dim = config->channels * config->image_size * config->image_size;
    if ((st = pad(d, &raw, err)) != ITO_OK) goto done;
    d->labels = raw.labels;
    raw.labels = NULL;
    *out = d;
    d = NULL;
done:
    ito_dataset_close(d);
    ito__free(raw.labels);
    ito__free(raw.pixels);
    return st;
}

void ito_dataset_close(ito_dataset *d) {
    if (d == NULL) return;
    ito__points_close(d->points);
    ito__free(d->labels);
    ito__free(d->bytes);
    ito__free(d);
}

int64_t ito_dataset_size(const ito_dataset *d) {
    return d->size;
}

int64_t ito_dataset_classes(const ito_dataset *d) {
    return d->classes;
}

int ito_dataset_label(const ito_dataset *d, int64_t i) {
    return d->labels[i];
}

int64_t ito_dataset_padding(const ito_dataset *d) {
    return d->padding;
}

int64_t ito_dataset_channels(const ito_dataset *d) {
    return d->config.channels;
}

int64_t ito_dataset_image_size(const ito_dataset *d) {
    return d->config.image_size;
}

const uint8_t *ito_dataset_bytes(const ito_dataset *d, int64_t i) {
    return d->points ? NULL : d->bytes + i * d->dim;
}

ito_status ito_dataset_points(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, double *x,
                              ito_error *err) {
    if (!d->points)
        return ito_error_set(err, ITO_E_ARG, "data: %s holds images: read its bytes", d->config.dataset);
    return ito__points_read(d->points, seed, first, n, x, err);
}

/* ---- the training stream ---- */

ito_status ito_dataset_order(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, int64_t *index,
                             ito_error *err) {
    ito_stream stream = {.seed = seed, .purpose = ITO_RNG_ORDER};
    int64_t shuffled_epoch = -1;
    if (first < 0 || n < 0 || first > INT64_MAX - n || (first + n) / d->size > UINT32_MAX)
        return ito_error_set(err, ITO_E_ARG,
                             "data: examples %lld and %lld more are outside the stream: start from 0",
                             (long long)first, (long long)n);
    if (d->points && ito__points_endless(d->points)) {
        for (int64_t k = 0; k < n; k++) index[k] = first + k;
        return ITO_OK;
    }
    int64_t *permutation = ito__alloc((size_t)d->size, sizeof *permutation);
    if (permutation == NULL) return no_memory(err);
    for (int64_t k = 0; k < n; k++) {
        int64_t epoch = (first + k) / d->size;
        if (epoch != shuffled_epoch) ito_random_permutation(stream, (uint32_t)epoch, d->size, permutation);
        shuffled_epoch = epoch;
        index[k] = permutation[(first + k) % d->size];
    }
    ito__free(permutation);
    return ITO_OK;
}

/* State of one byte: in [0, 1] or [-1, 1], u its place within the grey level. */
static float state_of(const ito_data_config *c, uint8_t byte, double u) {
    double value = c->uniform_dequantization ? (byte + u) / 256 : byte / 255.0;
    return (float)(c->centered ? 2 * value - 1 : value);
}

static ito_status points_batch(const ito_dataset *d, uint64_t seed, int64_t n, const int64_t *index, float *x,
                               ito_error *err) {
    double *rows = ito__alloc((size_t)n, (size_t)d->dim * sizeof *rows);
    ito_status st = rows ? ITO_OK : no_memory(err);
    for (int64_t k = 0, run; k < n && st == ITO_OK; k += run) {
        for (run = 1; k + run < n && index[k + run] == index[k] + run;) run++;
        st = ito__points_read(d->points, seed, index[k], run, rows + k * d->dim, err);
    }
    for (int64_t j = 0; j < n * d->dim && st == ITO_OK; j++) x[j] = (float)rows[j];
    ito__free(rows);
    return st;
}

ito_status ito_dataset_batch(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, float *x,
                             ito_error *err) {
    const ito_data_config *c = &d->config;
    ito_status st;
    int64_t *index = ito__alloc((size_t)n, sizeof *index);
    double *u = ito__calloc((size_t)d->dim, sizeof *u); /* stays zero without dequantization */
    if (index == NULL || u == NULL) {
        st = no_memory(err);
        goto done;
    }
    if ((st = ito_dataset_order(d, seed, first, n, index, err)) != ITO_OK) goto done;
    if (d->points) {
        st = points_batch(d, seed, n, index, x, err);
        goto done;
    }
    for (int64_t k = 0; k < n; k++) {
        const uint8_t *bytes = ito_dataset_bytes(d, index[k]);
        uint32_t flip = 0;
        if (c->random_flip) ito_random_bits((ito_stream){seed, ITO_RNG_FLIP, first + k}, 0, 1, &flip);
        if (c->uniform_dequantization)
            ito_random_uniform((ito_stream){seed, ITO_RNG_DEQUANTIZE, first + k}, 0, d->dim, u);
        /* The lowest bit decides; j runs backwards through the source row of a flipped image. */
        for (int64_t row = 0; row < c->channels * c->image_size; row++) {
            const uint8_t *from = bytes + row * c->image_size;
            for (int64_t j = 0; j < c->image_size; j++) {
                int64_t column = flip & 1 ? c->image_size - 1 - j : j;
                int64_t at = row * c->image_size + j;
                x[k * d->dim + at] = state_of(c, from[column], u[at]);
            }
        }
    }
done:
    ito__free(u);
    ito__free(index);
    return st;
}
