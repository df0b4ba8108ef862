/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading samples and making states of them.
 */
#include "input.h"
#include "output.h"

#include <stdlib.h>
#include <string.h>

enum { DRAWS = 1000, MOST_CHANNELS = 64 };

static ito_status no_memory(const char *name, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its samples: use fewer", name);
}

/* ---- files */

/* Copies n images into the middle of zeroed ones of the source's size, as data sets are padded. */
static ito_status pad_images(cli_input *in, const char *name, int64_t n, int64_t height, int64_t width,
                             int64_t channels, const uint8_t *pixels, ito_error *err) {
    const ito_data_config *data = &in->source->recipe.data;
    int64_t S = data->image_size, C = data->channels, top = (S - height) / 2, left = (S - width) / 2;
    if (channels != C || height > S || width > S || (S - height) % 2 != 0 || (S - width) % 2 != 0) {
        return ito_error_set(err, ITO_E_SHAPE,
                             "%s: holds images of %lldx%lld with %lld channels, the model takes %lldx%lld "
                             "with %lld: convert them (an even number of missing pixels is padded)",
                             name, (long long)height, (long long)width, (long long)channels, (long long)S,
                             (long long)S, (long long)C);
    }
    ito_status st = ito_images_init(&in->images, n, S, S, C, err);
    if (st != ITO_OK) return st;
    memset(in->images.pixels, 0, (size_t)(n * S * S * C));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t row = 0; row < height; row++) {
            memcpy(in->images.pixels + ((i * S + top + row) * S + left) * C,
                   pixels + (i * height + row) * width * C, (size_t)(width * C));
        }
    }
    in->n = n;
    return ITO_OK;
}

static bool is_image(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".webp"};
    for (size_t k = 0; k < sizeof endings / sizeof endings[0]; k++)
        if (cli_ends_with(name, endings[k])) return true;
    return false;
}

static ito_status open_image(cli_input *in, const char *name, ito_error *err) {
    ito_images im = {0};
    ito_status st = ito_image_read(name, &im, err);
    if (st == ITO_OK) st = pad_images(in, name, im.n, im.height, im.width, im.channels, im.pixels, err);
    ito_images_release(&im);
    return st;
}

static ito_status open_arrays(cli_input *in, const char *name, ito_error *err) {
    ito_tensor_file *file = NULL;
    if (!in->source->images) return cli_states_read(name, "points", in->source, &in->n, &in->points, err);
    ito_status st = cli_arrays_open(name, "images", &file, err);
    const ito_tensor *t = st == ITO_OK ? ito_tensor_file_find(file, "images") : NULL;
    if (t && t->dtype == ITO_DTYPE_U8 && t->rank == 4 && t->count > 0) {
        st = pad_images(in, name, t->dim[0], t->dim[1], t->dim[2], t->dim[3], t->data, err);
    } else if (st == ITO_OK) {
        st = ito_error_set(err, ITO_E_FORMAT, "%s: has no array \"images\" of bytes [n,H,W,C]: write one",
                           name);
    }
    ito_tensor_file_close(file);
    return st;
}

static ito_status open_table(cli_input *in, const char *name, ito_error *err) {
    int64_t columns = 0;
    double *x = NULL;
    ito_status st = ito_csv_read(name, &in->n, &columns, &x, err);
    if (st != ITO_OK) return st;
    if (columns != in->source->dim) {
        free(x);
        return ito_error_set(err, ITO_E_SHAPE, "%s: has %lld columns, %s takes %lld: use its own model", name,
                             (long long)columns, in->source->name, (long long)in->source->dim);
    }
    in->points = x;
    return ITO_OK;
}

/* ---- any */

static bool is_split(const char *name) {
    return strcmp(name, "test") == 0 || strcmp(name, "train") == 0;
}

static ito_status open_named(cli_input *in, const char *name, ito_error *err) {
    const cli_source *source = in->source;
    if (is_split(name) && source->density) {
        return ito_error_set(err, ITO_E_ARG,
                             "--data: %s has no data set: leave it out for exact draws, or give a file",
                             source->name);
    }
    if (is_split(name)) {
        ito_status st = ito_dataset_open(&source->recipe.data, name, &in->set, err);
        if (st == ITO_OK) in->n = ito_dataset_size(in->set);
        return st;
    }
    if (source->images && is_image(name)) return open_image(in, name, err);
    if (cli_ends_with(name, ".npz") || cli_ends_with(name, ".npy")) return open_arrays(in, name, err);
    if (!source->images && cli_ends_with(name, ".csv")) return open_table(in, name, err);
    return ito_error_set(err, ITO_E_ARG, "%s: is none of %s.npz and .npy: choose one", name,
                         source->images    ? "test, train, .png, .jpg, .webp, "
                         : source->density ? ".csv, "
                                           : "test, train, .csv, ");
}

/* Of a split, the first images and how many there are: image files are too slow to read all. */
static ito_status look_at_images(cli_input *in, size_t image, ito_error *err) {
    enum { MOST = 4096 };
    ito_status st = ITO_OK;
    uint8_t *bytes = malloc(image);
    if (!bytes) return no_memory("--data", err);
    in->contents = cli_fingerprint_add(in->contents, &in->n, sizeof in->n);
    for (int64_t i = 0; i < in->n && i < MOST && st == ITO_OK; i++) {
        st = ito_dataset_image(in->set, i, bytes, err);
        if (st == ITO_OK) in->contents = cli_fingerprint_add(in->contents, bytes, image);
    }
    free(bytes);
    return st;
}

static ito_status look_at_points(cli_input *in, ito_error *err) {
    ito_status st = ITO_OK;
    for (int64_t i = 0; i < in->n && st == ITO_OK; i++) {
        double x[MOST_CHANNELS];
        st = ito_dataset_points(in->set, 0, i, 1, x, err);
        if (st == ITO_OK)
            in->contents = cli_fingerprint_add(in->contents, x, (size_t)in->source->dim * sizeof *x);
    }
    return st;
}

static ito_status look_at(cli_input *in, ito_error *err) {
    const ito_data_config *data = &in->source->recipe.data;
    size_t image = (size_t)(data->image_size * data->image_size * data->channels), n = (size_t)in->n;
    in->contents = cli_fingerprint_start();
    if (in->set && in->source->images) return look_at_images(in, image, err);
    /* Draws follow from the seed, which callers know; the order of a file's points is its own. */
    if (in->set) return ito_data_density(data) ? ITO_OK : look_at_points(in, err);
    if (in->points)
        in->contents =
            cli_fingerprint_add(in->contents, in->points, n * (size_t)in->source->dim * sizeof *in->points);
    if (in->images.pixels) in->contents = cli_fingerprint_add(in->contents, in->images.pixels, n * image);
    return ITO_OK;
}

bool cli_input_drawn(const cli_source *source, const char *name) {
    if (source->density) return !name;
    return ito_data_density(&source->recipe.data) && (!name || is_split(name));
}

ito_status cli_input_open(cli_input *in, const cli_source *source, const char *name, int64_t count,
                          uint64_t seed, double t, ito_error *err) {
    *in = (cli_input){.source = source, .seed = seed, .t = t};
    if (!name && source->density) {
        in->n = count > 0 ? count : DRAWS;
        return ITO_OK;
    }
    if (!name) name = "test";
    ito_status st = open_named(in, name, err);
    if (st == ITO_OK) st = look_at(in, err);
    if (st != ITO_OK) return st;
    if (count > in->n) {
        return ito_error_set(err, ITO_E_ARG, "--count: is %lld, %s has %lld: use at most that",
                             (long long)count, name, (long long)in->n);
    }
    if (count > 0)
        in->n = count;
    else if (cli_input_drawn(source, name) && in->n > DRAWS)
        in->n = DRAWS;
    return ITO_OK;
}

void cli_input_release(cli_input *in) {
    ito_dataset_close(in->set);
    ito_images_release(&in->images);
    free(in->points);
    *in = (cli_input){0};
}

/* ---- states */

/* One image: channel by channel, from [C, S, S] of a split or [S, S, C] of a file. */
static void state_of_image(const cli_input *in, const uint8_t *bytes, const double *u, double *x) {
    const ito_data_config *data = &in->source->recipe.data;
    int64_t C = data->channels, area = data->image_size * data->image_size;
    for (int64_t j = 0; j < C * area; j++) {
        int byte = in->set ? bytes[j] : bytes[j % area * C + j / area];
        double value = u ? (byte + u[j]) / 256 : byte / 255.0;
        x[j] = data->centered ? 2 * value - 1 : value;
    }
}

/* image: room for one of a split. u: for its draws, or NULL. */
static ito_status read_states(const cli_input *in, int64_t first, int64_t n, int64_t draw, uint8_t *image,
                              double *u, double *x, ito_error *err) {
    int64_t dim = in->source->dim;
    ito_status st = ITO_OK;
    for (int64_t k = 0; k < n; k++) {
        ito_stream stream = {.seed = in->seed, .purpose = ITO_RNG_DEQUANTIZE, .sample = first + k};
        if (u) ito_random_uniform(stream, (uint32_t)draw, dim, u);
        if (in->set && (st = ito_dataset_image(in->set, first + k, image, err)) != ITO_OK) return st;
        state_of_image(in, in->set ? image : in->images.pixels + (first + k) * dim, u, x + k * dim);
    }
    return st;
}

ito_status cli_input_states(const cli_input *in, int64_t first, int64_t n, int64_t draw, double *x,
                            ito_error *err) {
    int64_t dim = in->source->dim;
    if (in->points) {
        memcpy(x, in->points + first * dim, (size_t)(n * dim) * sizeof *x);
        return ITO_OK;
    }
    if (in->set && !in->source->images) return ito_dataset_points(in->set, in->seed, first, n, x, err);
    if (!in->set && !in->images.pixels)
        return ito_density_sample(in->source->density, in->seed, first, in->t, n, x, err);
    double *u = draw >= 0 ? malloc((size_t)dim * sizeof *u) : NULL;
    uint8_t *image = malloc((size_t)dim);
    ito_status st = image && (draw < 0 || u) ? read_states(in, first, n, draw, image, u, x, err)
                                             : no_memory("--data", err);
    free(image);
    free(u);
    return st;
}
