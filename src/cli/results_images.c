/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples as images: a grid, single pictures, bytes.
 */
#include "cli.h"
#include "results.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 2 };

static ito_status init(cli_results *r, ito_error *err) {
    const ito_data_config *data = &r->recipe->data;
    const int64_t side = data->image_size - 2 * r->crop;
    if (side < 1) {
        return ito_error_set(err, ITO_E_ARG,
                             "--crop: %lld pixels on every side leave nothing of %lld: use less",
                             (long long)r->crop, (long long)data->image_size);
    }
    return ito_images_init(&r->images, r->count, side, side, data->channels, err);
}

static void release(cli_results *r) {
    ito_images_release(&r->images);
}

static ito_status images_of(ito_images *out, const cli_results *r, int64_t count, int64_t crop,
                            const double *x, ito_error *err) {
    const ito_data_config *data = &r->recipe->data;
    return ito_images_from_states(out, count, data->channels, data->image_size, crop, data->centered, x, err);
}

static int64_t bytes_of_one(const ito_images *im) {
    return im->height * im->width * im->channels;
}

static ito_status take(void *self, int64_t begin, int64_t n, const double *x, ito_error *err) {
    cli_results *r = self;
    ito_images finished = {0};
    const int64_t one = bytes_of_one(&r->images);
    const ito_status st = images_of(&finished, r, n, r->crop, x, err);
    if (st == ITO_OK) memcpy(r->images.pixels + begin * one, finished.pixels, (size_t)(n * one));
    ito_images_release(&finished);
    return st;
}

static ito_status write_arrays(const cli_results *r, const char *path, ito_error *err) {
    const ito_images *im = &r->images;
    const ito_tensor images = {.name = "images",
                               .dtype = ITO_DTYPE_U8,
                               .rank = 4,
                               .dim = {im->n, im->height, im->width, im->channels},
                               .count = im->n * bytes_of_one(im),
                               .data = im->pixels};
    return cli_ends_with(path, ".npy") ? ito_npy_write(path, &images, err)
                                       : ito_npz_write(path, 1, &images, err);
}

static ito_status write_picture(const cli_results *r, const char *path, ito_error *err) {
    return ito_png_write_grid(path, &r->images, r->columns, r->zoom, GAP, err);
}

static ito_status write_singles(const cli_results *r, const char *folder, ito_error *err) {
    const ito_images *im = &r->images;
    ito_status st = ITO_OK;
    for (int64_t i = 0; i < im->n && st == ITO_OK; i++) {
        char path[CLI_PATH_MAX];
        st = cli_path(path, sizeof path, err, "%s/%06lld.png", folder, (long long)(r->first + i));
        if (st == ITO_OK)
            st = ito_png_write(path, im->pixels + i * bytes_of_one(im), im->height, im->width, im->channels,
                               err);
    }
    return st;
}

/* ---- films */

/* Frame f as images of the network's full size. */
static ito_status frame_images(const cli_results *r, const cli_film *film, int64_t f, ito_images *out,
                               ito_error *err) {
    double *x = calloc((size_t)film->rows, (size_t)film->dim * sizeof *x);
    if (!x) return ito_error_set(err, ITO_E_NOMEM, "--trajectory, --animation: memory ran out: draw fewer");
    cli_film_frame(film, f, x);
    const ito_status st = images_of(out, r, film->rows, 0, x, err);
    free(x);
    return st;
}

/* One row of pictures per sample. */
static ito_status write_trajectory(const cli_results *r, const cli_film *film, const char *path,
                                   ito_error *err) {
    const ito_data_config *data = &r->recipe->data;
    ito_images table = {0}, now = {0};
    ito_status st = ito_images_init(&table, film->frames * film->rows, data->image_size, data->image_size,
                                    data->channels, err);
    for (int64_t f = 0; f < film->frames && st == ITO_OK; f++) {
        if ((st = frame_images(r, film, f, &now, err)) != ITO_OK) break;
        const int64_t one = bytes_of_one(&now);
        for (int64_t k = 0; k < film->rows; k++)
            memcpy(table.pixels + (k * film->frames + f) * one, now.pixels + k * one, (size_t)one);
        ito_images_release(&now);
    }
    if (st == ITO_OK) st = ito_png_write_grid(path, &table, film->frames, r->zoom, GAP, err);
    ito_images_release(&table);
    return st;
}

/* The grid of samples moves. */
static ito_status write_animation(const cli_results *r, const cli_film *film, const char *path,
                                  ito_error *err) {
    ito_images frames = {0};
    ito_status st = ITO_OK;
    for (int64_t f = 0; f < film->frames && st == ITO_OK; f++) {
        ito_images now = {0}, grid = {0};
        st = frame_images(r, film, f, &now, err);
        if (st == ITO_OK) st = ito_images_grid(&now, 0, r->zoom, GAP, &grid, err);
        if (st == ITO_OK && f == 0)
            st = ito_images_init(&frames, film->frames, grid.height, grid.width, grid.channels, err);
        if (st == ITO_OK)
            memcpy(frames.pixels + f * bytes_of_one(&grid), grid.pixels, (size_t)bytes_of_one(&grid));
        ito_images_release(&grid);
        ito_images_release(&now);
    }
    if (st == ITO_OK) st = ito_webp_write(path, &frames, CLI_FRAME_MS, CLI_LAST_FRAME_MS, err);
    ito_images_release(&frames);
    return st;
}

const cli_results_kind cli_image_results = {
    .unit = "images",
    .count = 64,
    .batch = 64,
    .columns = 10,
    .trajectory_rows = 8,
    .animation_rows = 64,
    .init = init,
    .release = release,
    .take = take,
    .write_arrays = write_arrays,
    .write_picture = write_picture,
    .write_singles = write_singles,
    .write_trajectory = write_trajectory,
    .write_animation = write_animation,
};
