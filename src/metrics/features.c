/* SPDX-License-Identifier: Apache-2.0
 *
 * Feature space "ito-1": where an image is bright, and which way its edges run. To change what it computes is
 * to make another space, with another name: distances in two spaces cannot be compared.
 */
#include "core/memory.h"

#include <ito/metrics.h>
#include <math.h>

enum { TILES = 4, QUARTERS = 2, DIRECTIONS = 4, SCALES = 2 };

int64_t ito_image_features_count(int64_t channels) {
    return TILES * TILES * channels + SCALES * QUARTERS * QUARTERS * DIRECTIONS;
}

/* out [TILES, TILES, channels]: mean of each tile over 255. Tiles differ by a pixel where 4 does not divide
 * the size. */
static void tile_means(int64_t H, int64_t W, int64_t C, const uint8_t *pixels, double *out) {
    for (int64_t r = 0; r < TILES; r++)
        for (int64_t s = 0; s < TILES; s++)
            for (int64_t c = 0; c < C; c++) {
                const int64_t top = r * H / TILES, bottom = (r + 1) * H / TILES;
                const int64_t left = s * W / TILES, right = (s + 1) * W / TILES;
                double sum = 0;
                for (int64_t i = top; i < bottom; i++)
                    for (int64_t j = left; j < right; j++) sum += pixels[(i * W + j) * C + c];
                out[(r * TILES + s) * C + c] = sum / (255.0 * (double)((bottom - top) * (right - left)));
            }
}

static void grey_of(int64_t H, int64_t W, int64_t C, const uint8_t *pixels, double *grey) {
    for (int64_t k = 0; k < H * W; k++) {
        double sum = 0;
        for (int64_t c = 0; c < C; c++) sum += pixels[k * C + c];
        grey[k] = sum / (255.0 * (double)C);
    }
}

/* In place: out [H / 2, W / 2], means of 2 x 2; a last odd row or column is left out. Each value is read
 * before its place is written. */
static void halve(int64_t H, int64_t W, double *grey) {
    for (int64_t i = 0; i < H / 2; i++)
        for (int64_t j = 0; j < W / 2; j++) {
            const double *at = grey + 2 * i * W + 2 * j;
            grey[i * (W / 2) + j] = (at[0] + at[1] + at[W] + at[W + 1]) / 4;
        }
}

/* out [QUARTERS, QUARTERS, DIRECTIONS]: mean of |d . gradient| over each quarter, d at 0, 45, 90, 135
 * degrees, the gradient by central differences inside the border. */
static void edge_strengths(int64_t H, int64_t W, const double *grey, double *out) {
    const double diagonal = sqrt(0.5);
    double pixels[QUARTERS * QUARTERS] = {0};
    for (int k = 0; k < QUARTERS * QUARTERS * DIRECTIONS; k++) out[k] = 0;
    for (int64_t i = 1; i < H - 1; i++)
        for (int64_t j = 1; j < W - 1; j++) {
            const double *at = grey + i * W + j;
            const double across = (at[1] - at[-1]) / 2, down = (at[W] - at[-W]) / 2;
            const int64_t quarter = i * QUARTERS / H * QUARTERS + j * QUARTERS / W;
            double *bin = out + quarter * DIRECTIONS;
            bin[0] += fabs(across);
            bin[1] += fabs(across + down) * diagonal;
            bin[2] += fabs(down);
            bin[3] += fabs(across - down) * diagonal;
            pixels[quarter]++;
        }
    for (int q = 0; q < QUARTERS * QUARTERS; q++)
        for (int d = 0; d < DIRECTIONS; d++) out[q * DIRECTIONS + d] /= pixels[q];
}

ito_status ito_image_features(int64_t n, int64_t height, int64_t width, int64_t channels,
                              const uint8_t *pixels, double *features, ito_error *err) {
    if (height < 8 || width < 8 || channels < 1)
        return ito_error_set(err, ITO_E_SHAPE, "images: are %lld x %lld x %lld: use at least 8 x 8 x 1",
                             (long long)height, (long long)width, (long long)channels);
    const int64_t H = height, W = width, C = channels, count = ito_image_features_count(C);
    double *grey = ito__alloc((size_t)(H * W), sizeof *grey);
    if (grey == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "images: no memory for one of %lld x %lld: use smaller ones",
                             (long long)H, (long long)W);
    for (int64_t k = 0; k < n; k++) {
        const uint8_t *image = pixels + k * H * W * C;
        double *edges = features + k * count + TILES * TILES * C;
        tile_means(H, W, C, image, features + k * count);
        grey_of(H, W, C, image, grey);
        edge_strengths(H, W, grey, edges);
        halve(H, W, grey);
        edge_strengths(H / 2, W / 2, grey, edges + QUARTERS * QUARTERS * DIRECTIONS);
    }
    ito__free(grey);
    return ITO_OK;
}
