/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples as points: a table, and scatter pictures of the plane, over the exact density of their time where
 * it is known.
 */
#include "cli.h"
#include "results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURE = 720, PANEL = 260, ANIMATED = 480 }; /* pixels a side */
enum { CELLS = 192, PANEL_CELLS = 96 };              /* of the density beneath */
static const double view = 3.4;                      /* holds every named point set */

static ito_status no_memory(const cli_results *r, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "--count: no memory for %lld points: draw fewer",
                         (long long)r->count);
}

static ito_status init(cli_results *r, ito_error *err) {
    r->points = calloc((size_t)r->count, (size_t)r->dim * sizeof *r->points);
    return r->points ? ITO_OK : no_memory(r, err);
}

static void release(cli_results *r) {
    free(r->points);
    r->points = NULL;
}

static ito_status take(void *self, int64_t begin, int64_t n, const double *x, ito_error *err) {
    cli_results *r = self;
    (void)err;
    memcpy(r->points + begin * r->dim, x, (size_t)(n * r->dim) * sizeof *x);
    return ITO_OK;
}

/* x, y of the plane; x0, x1, ... of other spaces. */
static ito_status write_table(const cli_results *r, const char *path, ito_error *err) {
    enum { MOST = 128 };
    char text[MOST][16];
    const char *names[MOST];
    if (r->dim > MOST)
        return ito_error_set(err, ITO_E_ARG,
                             "--out: %s: points have %lld numbers, a table %d columns at most: "
                             "use .npz",
                             path, (long long)r->dim, MOST);
    for (int j = 0; j < (int)r->dim; j++) {
        snprintf(text[j], sizeof text[j], "x%d", j);
        names[j] = r->dim == 2 ? (j == 0 ? "x" : "y") : text[j];
    }
    return ito_csv_write(path, r->count, (int)r->dim, names, r->points, err);
}

static ito_status write_arrays(const cli_results *r, const char *path, ito_error *err) {
    const ito_tensor points = {.name = "points",
                               .dtype = ITO_DTYPE_F64,
                               .rank = 2,
                               .dim = {r->count, r->dim},
                               .count = r->count * r->dim,
                               .data = r->points};
    if (cli_ends_with(path, ".csv")) return write_table(r, path, err);
    if (cli_ends_with(path, ".npy")) return ito_npy_write(path, &points, err);
    return ito_npz_write(path, 1, &points, err);
}

/* ---- pictures */

static int rising(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of data whose law is not known: all but the farthest of the finished samples. */
static double half_of_samples(const cli_results *r) {
    const int64_t count = r->count * r->dim;
    double *sizes = malloc((size_t)count * sizeof *sizes), half = view;
    for (int64_t j = 0; j < count && sizes; j++) sizes[j] = isfinite(r->points[j]) ? fabs(r->points[j]) : 0;
    if (sizes) {
        qsort(sizes, (size_t)count, sizeof *sizes, rising);
        half = 1.15 * sizes[(count - 1) - count / 500];
    }
    free(sizes);
    return half > 0 && isfinite(half) ? half : view;
}

/* The view widens with the noise: N(0, 1) data would keep filling it. */
static double half_of(const cli_results *r, double t) {
    const double half = r->density ? view : half_of_samples(r);
    const double a = ito_sde_mean(&r->recipe->sde, t), b = ito_sde_std(&r->recipe->sde, t);
    return fmax(half, hypot(half * a, view * b));
}

/* p_t at the centres of cells x cells squares of [-half, half]^2. free(). */
static double *density_of(const cli_results *r, double t, double half, int cells) {
    const int64_t n = (int64_t)cells * cells;
    double *x = malloc((size_t)(2 * n) * sizeof *x), *times = malloc((size_t)n * sizeof *times);
    double *p = malloc((size_t)n * sizeof *p);
    for (int64_t k = 0; k < n && x && times && p; k++) {
        x[2 * k] = half * (2 * ((double)(k % cells) + 0.5) / cells - 1);
        x[2 * k + 1] = half * (2 * ((double)(k / cells) + 0.5) / cells - 1);
        times[k] = t;
    }
    if (x && times && p) {
        ito_density_log(r->density, n, x, times, p);
        for (int64_t k = 0; k < n; k++) p[k] = exp(p[k]);
    } else {
        free(p);
        p = NULL;
    }
    free(times);
    free(x);
    return p;
}

/* The first two numbers of each point; those of a line lie on y = 0. free(). */
static double *plane_of(const cli_results *r, int64_t n, const double *x) {
    double *plane = calloc((size_t)n, 2 * sizeof *plane);
    for (int64_t k = 0; k < n && plane; k++)
        for (int64_t j = 0; j < 2 && j < r->dim; j++) plane[2 * k + j] = x[k * r->dim + j];
    return plane;
}

static ito_status draw(const cli_results *r, const char *title, double t, int64_t n, const double *x,
                       int size, ito_images *out, ito_error *err) {
    const int cells = size < PICTURE ? PANEL_CELLS : CELLS;
    ito_scatter s = {.title = title, .half = half_of(r, t), .n = n};
    double *plane = plane_of(r, n, x), *density = NULL;
    ito_status st = plane ? ITO_OK : no_memory(r, err);
    if (st == ITO_OK && r->density) {
        s.density = density = density_of(r, t, s.half, cells);
        s.side = cells;
        if (!density) st = no_memory(r, err);
    }
    s.x = plane;
    if (st == ITO_OK) st = ito_scatter_draw(&s, size, out, err);
    free(density);
    free(plane);
    return st;
}

static ito_status write_picture(const cli_results *r, const char *path, ito_error *err) {
    char title[96];
    ito_images picture = {0};
    snprintf(title, sizeof title, "%.40s: %lld samples%s", r->name, (long long)r->count,
             r->density   ? " over the density"
             : r->dim > 2 ? ", first two numbers"
                          : "");
    ito_status st = draw(r, title, 0, r->count, r->points, PICTURE, &picture, err);
    if (st == ITO_OK) st = ito_png_write(path, picture.pixels, PICTURE, PICTURE, 3, err);
    ito_images_release(&picture);
    return st;
}

/* The film's frames as pictures of their own. */
static ito_status draw_film(const cli_results *r, const cli_film *film, int size, ito_images *out,
                            ito_error *err) {
    const size_t one = (size_t)size * (size_t)size * 3;
    double *x = calloc((size_t)film->rows, (size_t)film->dim * sizeof *x);
    ito_status st = x ? ito_images_init(out, film->frames, size, size, 3, err) : no_memory(r, err);
    for (int64_t f = 0; f < film->frames && st == ITO_OK; f++) {
        char title[32];
        ito_images frame = {0};
        snprintf(title, sizeof title, "t = %.3g", film->t[f]);
        cli_film_frame(film, f, x);
        st = draw(r, title, film->t[f], film->rows, x, size, &frame, err);
        if (st == ITO_OK) memcpy(out->pixels + (size_t)f * one, frame.pixels, one);
        ito_images_release(&frame);
    }
    free(x);
    return st;
}

static ito_status write_trajectory(const cli_results *r, const cli_film *film, const char *path,
                                   ito_error *err) {
    ito_images panels = {0};
    ito_status st = draw_film(r, film, PANEL, &panels, err);
    if (st == ITO_OK) st = ito_png_write_grid(path, &panels, film->frames, 1, 0, err);
    ito_images_release(&panels);
    return st;
}

static ito_status write_animation(const cli_results *r, const cli_film *film, const char *path,
                                  ito_error *err) {
    ito_images frames = {0};
    ito_status st = draw_film(r, film, ANIMATED, &frames, err);
    if (st == ITO_OK) st = ito_webp_write(path, &frames, CLI_FRAME_MS, CLI_LAST_FRAME_MS, err);
    ito_images_release(&frames);
    return st;
}

const cli_results_kind cli_point_results = {
    .unit = "points",
    .count = 2000,
    .batch = 4096, /* its arrays stay in a processor's cache */
    .columns = 8,
    .trajectory_rows = 4000,
    .animation_rows = 4000,
    .init = init,
    .release = release,
    .take = take,
    .write_arrays = write_arrays,
    .write_picture = write_picture,
    .write_trajectory = write_trajectory,
    .write_animation = write_animation,
};
