/* SPDX-License-Identifier: Apache-2.0
 *
 * Images as bytes: their memory, states turned into them, and several laid out as one.
 */
#include "core/memory.h"

#include <ito/formats.h>
#include <math.h>
#include <string.h>

enum { WHITE = 255 };

ito_status ito_images_init(ito_images *im, int64_t n, int64_t height, int64_t width, int64_t channels,
                           ito_error *err) {
    size_t size = 0;
    *im = (ito_images){0};
    if (n < 1 || height < 1 || width < 1 || (channels != 1 && channels != 3))
        return ito_error_set(
            err, ITO_E_SHAPE,
            "images: %lld of %lld x %lld with %lld channels: use at least one, with 1 or 3 channels",
            (long long)n, (long long)height, (long long)width, (long long)channels);
    bool fits = ito__mul_size((size_t)n, (size_t)height, &size) &&
                ito__mul_size(size, (size_t)width, &size) && ito__mul_size(size, (size_t)channels, &size);
    uint8_t *pixels = fits ? ito__calloc(size, 1) : NULL;
    if (pixels == NULL)
        return ito_error_set(err, ITO_E_NOMEM,
                             "images: no memory for %lld of %lld x %lld: use fewer or smaller ones",
                             (long long)n, (long long)height, (long long)width);
    *im = (ito_images){n, height, width, channels, pixels};
    return ITO_OK;
}

void ito_images_release(ito_images *im) {
    ito__free(im->pixels);
    *im = (ito_images){0};
}

static uint8_t byte_of(double x, bool centered) {
    double grey = centered ? (x + 1) * 127.5 : x * 255;
    if (!(grey > 0)) return 0; /* NaN as well */
    return grey < 255 ? (uint8_t)lrint(grey) : 255;
}

ito_status ito_images_from_states(ito_images *im, int64_t n, int64_t channels, int64_t size, int64_t crop,
                                  bool centered, const double *x, ito_error *err) {
    ito_status st;
    int64_t side = size - 2 * crop;
    if (crop < 0 || side < 1) {
        *im = (ito_images){0};
        return ito_error_set(err, ITO_E_SHAPE,
                             "images: cropping %lld pixels leaves nothing of %lld: crop less",
                             (long long)crop, (long long)size);
    }
    if ((st = ito_images_init(im, n, side, side, channels, err)) != ITO_OK) return st;
    uint8_t *out = im->pixels;
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = crop; i < size - crop; i++)
            for (int64_t j = crop; j < size - crop; j++)
                for (int64_t c = 0; c < channels; c++)
                    *out++ = byte_of(x[((k * channels + c) * size + i) * size + j], centered);
    return ITO_OK;
}

/* Copies image k into the canvas at (top, left), every pixel repeated zoom x zoom times. */
static void paste(const ito_images *im, int64_t k, int zoom, ito_images *canvas, int64_t top, int64_t left) {
    size_t pixel = (size_t)im->channels;
    for (int64_t i = 0; i < im->height * zoom; i++) {
        const uint8_t *from = im->pixels + (k * im->height + i / zoom) * im->width * im->channels;
        uint8_t *to = canvas->pixels + ((top + i) * canvas->width + left) * im->channels;
        for (int64_t j = 0; j < im->width * zoom; j++)
            memcpy(to + j * im->channels, from + j / zoom * im->channels, pixel);
    }
}

ito_status ito_images_grid(const ito_images *im, int64_t columns, int zoom, int gap, ito_images *out,
                           ito_error *err) {
    enum { MOST = 1 << 20 }; /* keeps the products below far from overflow */
    ito_status st;
    *out = (ito_images){0};
    if (zoom < 1 || gap < 0 || columns < 0 || zoom > MOST || gap > MOST || im->n > MOST ||
        im->height > MOST || im->width > MOST)
        return ito_error_set(
            err, ITO_E_ARG,
            "grid: %lld columns, zoom %d, gap %d for %lld images: use columns >= 0, zoom >= 1, gap >= 0",
            (long long)columns, zoom, gap, (long long)im->n);
    if (columns == 0) columns = (int64_t)ceil(sqrt((double)im->n));
    if (columns > im->n) columns = im->n;
    int64_t rows = columns == 0 ? 0 : (im->n + columns - 1) / columns;
    int64_t step_down = im->height * zoom + gap, step_right = im->width * zoom + gap;
    if ((st = ito_images_init(out, 1, rows * step_down - gap, columns * step_right - gap, im->channels,
                              err)) != ITO_OK)
        return st;
    memset(out->pixels, WHITE, (size_t)(out->height * out->width * out->channels));
    for (int64_t k = 0; k < im->n; k++)
        paste(im, k, zoom, out, k / columns * step_down, k % columns * step_right);
    return ITO_OK;
}

ito_status ito_png_write_grid(const char *path, const ito_images *im, int64_t columns, int zoom, int gap,
                              ito_error *err) {
    ito_images grid = {0};
    ito_status st = ito_images_grid(im, columns, zoom, gap, &grid, err);
    if (st == ITO_OK) st = ito_png_write(path, grid.pixels, grid.height, grid.width, grid.channels, err);
    ito_images_release(&grid);
    return st;
}
