/* SPDX-License-Identifier: Apache-2.0
 *
 * A data set, and the endless training stream drawn from it. Images that come in few files are prepared once,
 * on opening; image files are read and prepared when they are asked for, and kept as far as a cache goes.
 * Points are those of points.c.
 *
 * Example number p of the stream is image perm_e(p mod size) of epoch e = p / size. Its flip and its
 * dequantization come from streams whose sample is p, so a row does not depend on the batch around it.
 */
#include "core/memory.h"
#include "data/cache.h"
#include "data/catalog.h"
#include "data/points.h"

#include <ito/data.h>
#include <string.h>

struct ito_dataset {
    ito_data_config config;
    int64_t size, padding;
    int64_t classes;
    int64_t dim; /* numbers of one example: C * S * S */
    const ito__preparation *prepare;
    uint8_t *bytes; /* [size, C, S, S], or NULL: */
    ito__file_list files;
    ito__cache *cache;
    int32_t *labels;     /* NULL: none */
    ito__points *points; /* instead of all these, where the data are points */
};

static ito_status no_memory(ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM,
                         "data: memory ran out: use a smaller data.limit or close other programs");
}

/* ---- opening */

static ito_status check_config(const ito_data_config *c, ito_error *err) {
    if (c->limit >= 0) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "data.limit: is %lld: use 0 for all images, or a count",
                         (long long)c->limit);
}

static ito_status check_images(const ito_data_config *c, const char *split, ito_error *err) {
    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0)
        return ito_error_set(err, ITO_E_ARG, "split: \"%.64s\" is not known: use train or test", split);
    if (c->cache_mb < 0 || c->cache_mb > INT32_MAX)
        return ito_error_set(err, ITO_E_ARG, "data.cache_mb: is %lld: use 0 for no cache, or megabytes",
                             (long long)c->cache_mb);
    if (c->image_size < 1 || c->image_size > 4096)
        return ito_error_set(err, ITO_E_SHAPE, "data.image_size: is %lld: use at most 4096, and at least 1",
                             (long long)c->image_size);
    return ITO_OK;
}

static ito_status check_channels(const ito__source *s, const ito_data_config *c, ito_error *err) {
    if (s->channels != 0 && c->channels != s->channels)
        return ito_error_set(err, ITO_E_SHAPE,
                             "data.channels: is %lld, images of %s have %lld: set it to %lld",
                             (long long)c->channels, s->name, (long long)s->channels, (long long)s->channels);
    if (c->channels != 1 && c->channels != 3)
        return ito_error_set(err, ITO_E_SHAPE, "data.channels: is %lld: use 1 for grey or 3 for colour",
                             (long long)c->channels);
    return ITO_OK;
}

/* Sets that are padded, never resized. */
static ito_status check_padding(const ito_data_config *c, const ito__picture *first, ito_error *err) {
    if (first->height != first->width)
        return ito_error_set(err, ITO_E_SHAPE,
                             "data.dataset: images of %s are %lld x %lld: only square ones can be used",
                             c->dataset, (long long)first->height, (long long)first->width);
    if (c->image_size < first->width)
        return ito_error_set(err, ITO_E_SHAPE,
                             "data.image_size: is %lld, images of %s are %lld wide: use at least that",
                             (long long)c->image_size, c->dataset, (long long)first->width);
    if ((c->image_size - first->width) % 2 != 0)
        return ito_error_set(
            err, ITO_E_SHAPE,
            "data.image_size: is %lld, images of %s are %lld wide and cannot be padded evenly: use %lld",
            (long long)c->image_size, c->dataset, (long long)first->width, (long long)c->image_size + 1);
    return ITO_OK;
}

static ito_status prepare_all(ito_dataset *d, const ito__raw *raw, ito_error *err) {
    ito_status st = ITO_OK;
    ito__picture picture = raw->first;
    if (d->prepare->pad) {
        if ((st = check_padding(&d->config, &picture, err)) != ITO_OK) return st;
        d->padding = (d->config.image_size - picture.width) / 2;
    }
    d->bytes = ito__alloc((size_t)d->size, (size_t)d->dim);
    if (d->bytes == NULL) return no_memory(err);
    for (int64_t i = 0; i < d->size && st == ITO_OK; i++) {
        st = ito__prepare(&picture, d->prepare, d->config.channels, d->config.image_size,
                          d->bytes + i * d->dim, err);
        picture.pixels += picture.height * picture.width * picture.channels;
    }
    return st;
}

/* Takes the list, and reads the first image: what is wrong with all is said now. */
static ito_status take_files(ito_dataset *d, ito__raw *raw, ito_error *err) {
    d->files = raw->files;
    raw->files = (ito__file_list){0};
    uint8_t *image = ito__alloc((size_t)d->dim, 1);
    d->cache = ito__cache_create(d->size, (size_t)d->dim, (size_t)d->config.cache_mb << 20);
    ito_status st = image != NULL && d->cache != NULL ? ito_dataset_image(d, 0, image, err) : no_memory(err);
    ito__free(image);
    return st;
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
    const ito__source *s = NULL;
    ito__raw raw = {0};
    ito_dataset *d = NULL;
    ito_status st;
    *out = NULL;
    if ((st = check_config(config, err)) != ITO_OK) return st;
    if (ito_data_is_points(config)) return open_points(config, split, out, err);
    if ((st = check_images(config, split, err)) != ITO_OK) return st;
    if ((st = ito__source_find(config->dataset, &s, err)) != ITO_OK) return st;
    if ((st = check_channels(s, config, err)) != ITO_OK) return st;
    const char *path = config->path[0] != '\0' ? config->path : s->path;
    if (path == NULL)
        return ito_error_set(err, ITO_E_ARG,
                             "data.path: is empty: set it to where the images of data.dataset %s are",
                             s->name);
    if ((st = s->read(s, config, path, split, &raw, err)) != ITO_OK) goto done;
    d = ito__calloc(1, sizeof *d);
    if (d == NULL) {
        st = no_memory(err);
        goto done;
    }
    d->config = *config;
    d->size = config->limit > 0 && config->limit < raw.n ? config->limit : raw.n;
    d->classes = raw.classes;
    d->dim = config->channels * config->image_size * config->image_size;
    d->prepare = s->other_size == config->image_size ? &s->prepare_other : &s->prepare;
    d->labels = raw.labels;
    raw.labels = NULL;
    st = raw.first.pixels != NULL ? prepare_all(d, &raw, err) : take_files(d, &raw, err);
    if (st != ITO_OK) goto done;
    *out = d;
    d = NULL;
done:
    ito_dataset_close(d);
    ito__raw_release(&raw);
    return st;
}

void ito_dataset_close(ito_dataset *d) {
    if (d == NULL) return;
    ito__points_close(d->points);
    ito__cache_free(d->cache);
    ito__file_list_release(&d->files);
    ito__free(d->labels);
    ito__free(d->bytes);
    ito__free(d);
}

/* ---- images */

int64_t ito_dataset_size(const ito_dataset *d) {
    return d->size;
}

int64_t ito_dataset_classes(const ito_dataset *d) {
    return d->classes;
}

int ito_dataset_label(const ito_dataset *d, int64_t i) {
    return d->labels != NULL ? d->labels[i] : -1;
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

ito_status ito_dataset_image(const ito_dataset *d, int64_t i, uint8_t *bytes, ito_error *err) {
    char path[ITO__FILE_PATH];
    ito_images im = {0};
    ito_status st;
    if (d->points != NULL)
        return ito_error_set(err, ITO_E_ARG, "data: %s holds points, not images: read those",
                             d->config.dataset);
    if (d->bytes != NULL) {
        memcpy(bytes, d->bytes + i * d->dim, (size_t)d->dim);
        return ITO_OK;
    }
    if (ito__cache_find(d->cache, i, bytes)) return ITO_OK;
    ito__file_list_path(&d->files, i, path);
    if ((st = ito_image_read(path, &im, err)) != ITO_OK) return st;
    ito__picture picture = ito__picture_of(im.pixels, im.height, im.width, im.channels, false);
    st = ito__prepare(&picture, d->prepare, d->config.channels, d->config.image_size, bytes, err);
    if (st == ITO_OK) ito__cache_keep(d->cache, i, bytes);
    ito_images_release(&im);
    return st;
}

ito_status ito_dataset_points(const ito_dataset *d, uint64_t seed, int64_t first, int64_t n, double *x,
                              ito_error *err) {
    if (!d->points)
        return ito_error_set(err, ITO_E_ARG, "data: %s holds images, not points: read those",
                             d->config.dataset);
    return ito__points_read(d->points, seed, first, n, x, err);
}

/* ---- the training stream */

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

/* The state of example `position` from its bytes; u [dim] is room for its draws, or zeros. */
static void example(const ito_dataset *d, uint64_t seed, int64_t position, const uint8_t *bytes, double *u,
                    float *x) {
    const ito_data_config *c = &d->config;
    const int64_t size = c->image_size;
    uint32_t flip = 0;
    if (c->random_flip) ito_random_bits((ito_stream){seed, ITO_RNG_FLIP, position}, 0, 1, &flip);
    if (c->uniform_dequantization)
        ito_random_uniform((ito_stream){seed, ITO_RNG_DEQUANTIZE, position}, 0, d->dim, u);
    /* The lowest bit decides; a flipped row is read backwards. */
    for (int64_t row = 0; row < c->channels * size; row++) {
        for (int64_t j = 0; j < size; j++) {
            int64_t column = flip & 1 ? size - 1 - j : j, at = row * size + j;
            x[at] = state_of(c, bytes[row * size + column], u[at]);
        }
    }
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
    ito_status st;
    int64_t *index = ito__alloc((size_t)n, sizeof *index);
    double *u = ito__calloc((size_t)d->dim, sizeof *u); /* stays zero without dequantization */
    uint8_t *bytes = ito__alloc((size_t)d->dim, 1);
    if (index == NULL || u == NULL || bytes == NULL) {
        st = no_memory(err);
        goto done;
    }
    if ((st = ito_dataset_order(d, seed, first, n, index, err)) != ITO_OK) goto done;
    if (d->points) {
        st = points_batch(d, seed, n, index, x, err);
        goto done;
    }
    for (int64_t k = 0; k < n; k++) {
        if ((st = ito_dataset_image(d, index[k], bytes, err)) != ITO_OK) goto done;
        example(d, seed, first + k, bytes, u, x + k * d->dim);
    }
done:
    ito__free(bytes);
    ito__free(u);
    ito__free(index);
    return st;
}
