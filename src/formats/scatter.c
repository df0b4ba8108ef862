/* SPDX-License-Identifier: Apache-2.0
 *
 * A square picture of points of the plane: title, light grid with its numbers, the density beneath as shades,
 * the points as small translucent dots.
 */
#include "formats/canvas.h"

#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_SIZE = 64, MOST_SIZE = 8192, LABELLED = 400 /* smaller pictures have no numbers */ };

static const ito__colour text_colour = {51, 51, 51}, frame_colour = {153, 153, 153},
                         grid_colour = {228, 228, 228}, shade_colour = {240, 150, 40},
                         dot_colour = {0, 90, 160};
static const double shade_opacity = 0.8;

/* Where the plane lies in the picture: x goes to left + (x + half) * scale. */
typedef struct frame {
    double left, top, right, bottom, half, scale;
} frame;

static frame place(const ito_scatter *s, int size) {
    const bool labelled = size >= LABELLED;
    const double title = s->title == NULL ? 0 : labelled ? 30 : 22, margin = labelled ? 14 : 4;
    const double numbers_left = labelled ? 38 : 0, numbers_below = labelled ? 26 : 0;
    const double wide = size - 2 * margin - numbers_left, high = size - 2 * margin - title - numbers_below;
    const double side = floor(fmin(wide, high));
    frame f = {.left = floor(margin + numbers_left + (wide - side) / 2), .top = floor(margin + title)};
    f.right = f.left + side;
    f.bottom = f.top + side;
    f.half = s->half;
    f.scale = side / (2 * s->half);
    return f;
}

static double to_column(const frame *f, double x) {
    return f->left + (x + f->half) * f->scale;
}

static double to_row(const frame *f, double y) {
    return f->bottom - (y + f->half) * f->scale;
}

/* ---- the density ---- */

/* Between the centres of four cells, linear in both directions; constant beyond the outermost. */
static double shade_at(const ito_scatter *s, double u, double v) {
    const int64_t last = s->side - 1;
    const double x = fmin(fmax(u * (double)s->side - 0.5, 0), (double)last);
    const double y = fmin(fmax(v * (double)s->side - 0.5, 0), (double)last);
    const int64_t i = (int64_t)y, j = (int64_t)x;
    const int64_t below = i < last ? i + 1 : i, right = j < last ? j + 1 : j;
    const double *d = s->density, part_x = x - (double)j, part_y = y - (double)i;
    const double upper = (1 - part_x) * d[i * s->side + j] + part_x * d[i * s->side + right];
    const double lower = (1 - part_x) * d[below * s->side + j] + part_x * d[below * s->side + right];
    return (1 - part_y) * upper + part_y * lower;
}

static void draw_density(ito__canvas *c, const ito_scatter *s, const frame *f) {
    double most = 0;
    for (int64_t k = 0; k < s->side * s->side; k++) most = fmax(most, s->density[k]);
    if (!(most > 0 && isfinite(most))) return;
    const int top = (int)f->top, left = (int)f->left;
    const double side = f->right - f->left;
    for (int row = top; row < (int)f->bottom; row++)
        for (int column = left; column < (int)f->right; column++) {
            const double u = (column - left + 0.5) / side, v = 1 - (row - top + 0.5) / side;
            /* The root keeps the feet of a density visible beside its peaks. */
            const double shade = sqrt(fmax(shade_at(s, u, v), 0) / most);
            ito__canvas_fill(c, column, row, column + 1, row + 1, shade_colour, shade_opacity * shade);
        }
}

/* ---- grid and numbers ---- */

/* 1, 2 or 5 times a power of ten: three to seven lines on either side of 0. */
static double line_step(double half) {
    const double power = pow(10, floor(log10(half / 3))), lead = half / 3 / power;
    return power * (lead < 2 ? 1 : lead < 5 ? 2 : 5);
}

static void draw_grid(ito__canvas *c, const ito_scatter *s, const frame *f) {
    const double step = line_step(s->half);
    const int most = (int)floor(s->half / step);
    for (int k = -most; k <= most; k++) {
        const double column = floor(to_column(f, k * step)) + 0.5, row = floor(to_row(f, k * step)) + 0.5;
        ito__canvas_line(c, column, f->top, column, f->bottom, 1);
        ito__canvas_line(c, f->left, row, f->right, row, 1);
    }
    ito__canvas_ink(c, grid_colour);
}

static void draw_frame(ito__canvas *c, const ito_scatter *s, const frame *f, int size) {
    const double left = f->left + 0.5, top = f->top + 0.5, right = f->right - 0.5, bottom = f->bottom - 0.5;
    ito__canvas_line(c, left, top, right, top, 1);
    ito__canvas_line(c, right, top, right, bottom, 1);
    ito__canvas_line(c, right, bottom, left, bottom, 1);
    ito__canvas_line(c, left, bottom, left, top, 1);
    ito__canvas_ink(c, frame_colour);
    const bool labelled = size >= LABELLED;
    if (s->title != NULL)
        ito__canvas_text(c, s->title, labelled ? f->left : (f->left + f->right) / 2,
                         f->top - (labelled ? 12 : 7), labelled ? 1.2 : 1, labelled ? 1.7 : 1.3,
                         labelled ? ITO__LEFT : ITO__MIDDLE, false);
    const double step = line_step(s->half);
    const int most = labelled ? (int)floor(s->half / step) : -1;
    for (int k = -most; k <= most; k++) {
        char number[24];
        snprintf(number, sizeof number, "%g", k * step);
        ito__canvas_text(c, number, to_column(f, k * step), f->bottom + 20, 1, 1.3, ITO__MIDDLE, false);
        ito__canvas_text(c, number, f->left - 9, to_row(f, k * step) + 5, 1, 1.3, ITO__RIGHT, false);
    }
    ito__canvas_ink(c, text_colour);
}

/* ---- points ---- */

static bool inside(const ito_scatter *s, int64_t k) {
    return fabs(s->x[2 * k]) <= s->half && fabs(s->x[2 * k + 1]) <= s->half;
}

static void draw_points(ito__canvas *c, const ito_scatter *s, const frame *f) {
    /* Many points are drawn smaller and fainter: their ink then covers no more than a few times the area. */
    const double side = f->right - f->left, crowd = sqrt((double)s->n) / side;
    const double radius = fmin(fmax(0.16 / crowd, 0.9), side / 130 + 0.6);
    const double opacity = fmin(fmax(0.02 / crowd / crowd / radius / radius, 0.02), 0.6);
    ito__canvas_clip(c, f->left + 1, f->top + 1, f->right - 1, f->bottom - 1);
    for (int64_t k = 0; k < s->n; k++) {
        if (!inside(s, k)) continue; /* also NaN */
        ito__canvas_dot(c, to_column(f, s->x[2 * k]), to_row(f, s->x[2 * k + 1]), radius, dot_colour,
                        opacity);
    }
    ito__canvas_unclip(c);
}

ito_status ito_scatter_draw(const ito_scatter *s, int size, ito_images *out, ito_error *err) {
    ito__canvas c;
    *out = (ito_images){0};
    if (size < LEAST_SIZE || size > MOST_SIZE)
        return ito_error_set(err, ITO_E_ARG, "scatter: size is %d pixels: use %d to %d", size, LEAST_SIZE,
                             MOST_SIZE);
    if (!(s->half > 0 && isfinite(s->half)) || s->n < 0 || s->side < 0)
        return ito_error_set(err, ITO_E_ARG,
                             "scatter: half is %g for %lld points on %lld cells a side: use a positive half",
                             s->half, (long long)s->n, (long long)s->side);
    const ito_status st = ito_images_init(out, 1, size, size, 3, err);
    if (st != ITO_OK) return st;
    if (!ito__canvas_init(&c, size, size)) {
        ito_images_release(out);
        return ito_error_set(err, ITO_E_NOMEM, "scatter: no memory to draw it: use a smaller size");
    }
    const frame f = place(s, size);
    draw_grid(&c, s, &f);
    if (s->side > 0) draw_density(&c, s, &f);
    draw_points(&c, s, &f);
    draw_frame(&c, s, &f, size);
    memcpy(out->pixels, c.pixels, (size_t)size * (size_t)size * 3);
    ito__canvas_release(&c);
    return ITO_OK;
}
