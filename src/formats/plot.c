/* SPDX-License-Identifier: Apache-2.0
 *
 * A line chart of 960 x 540 pixels: title, axes with round ticks, light grid, curves, legend.
 */
#include "formats/canvas.h"

#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 960,
    HEIGHT = 540,
    MAX_TICKS = 64,
    MOST_DOTTED = 32 /* curves of at most so many points show each as a dot */
};

static const double thin = 1.3, curve = 1.9, dot = 5.5;
/* Values beyond this are treated like infinities: their differences must not overflow. */
static const double huge = 1e300;

static const ito__colour text_colour = {51, 51, 51}, axis_colour = {102, 102, 102},
                         grid_colour = {228, 228, 228}, white = {255, 255, 255};
/* The colour-blind-safe set of Okabe and Ito; black, grey and brown for the curves of a full plot. */
static const ito__colour palette[] = {{0, 114, 178},   {213, 94, 0},    {0, 158, 115},
                                      {204, 121, 167}, {86, 180, 233},  {230, 159, 0},
                                      {0, 0, 0},       {140, 140, 140}, {120, 60, 40}};
enum { COLOURS = sizeof palette / sizeof palette[0] };

/* One axis: values from low to high (of their logarithms, when log) go to pixels from first to last. */
typedef struct axis {
    bool log;
    double low, high, first, last;
    int ticks;
    double tick[MAX_TICKS];
    char label[MAX_TICKS][24]; /* "^" starts a superscript */
} axis;

/* ---- scales ---- */

static bool drawable(double value, bool log) {
    return fabs(value) < huge && (!log || value > 0);
}

static double to_scale(const axis *a, double value) {
    return a->log ? log10(value) : value;
}

static double to_pixel(const axis *a, double value) {
    return a->first + (to_scale(a, value) - a->low) / (a->high - a->low) * (a->last - a->first);
}

static bool point_of(const ito_plot *plot, const ito_series *s, int64_t i) {
    return drawable(s->x[i], plot->log_x) && drawable(s->y[i], plot->log_y);
}

/* The range of all drawable points, margin of it added on both sides. False when there are none. */
static bool find_range(const ito_plot *plot, bool vertical, double margin, axis *a) {
    a->log = vertical ? plot->log_y : plot->log_x;
    a->low = INFINITY;
    a->high = -INFINITY;
    for (int k = 0; k < plot->n; k++) {
        const ito_series *s = &plot->series[k];
        for (int64_t i = 0; i < s->n; i++) {
            if (!point_of(plot, s, i)) continue;
            double value = to_scale(a, vertical ? s->y[i] : s->x[i]);
            a->low = fmin(a->low, value);
            a->high = fmax(a->high, value);
        }
    }
    if (!(a->low <= a->high)) return false;
    double extent = a->high - a->low;
    /* A constant gets some room on both sides; so does what differs in its last digits only. */
    if (extent <= 1e-12 * fmax(fabs(a->low), fabs(a->high)) || extent == 0) {
        extent = a->low == 0 || a->log ? 1 : fabs(a->low);
        margin = 0.5;
    }
    a->low -= margin * extent;
    a->high += margin * extent;
    return true;
}

/* ---- ticks ---- */

/* 1, 2 or 5 times a power of ten: about `count` of them in the extent. */
static double round_step(double extent, int count) {
    double step = extent / count, power = pow(10, floor(log10(step)));
    double lead = step / power;
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
}

/* A value as short as its step allows; thousands and millions by a letter. */
static void print_value(double value, double step, double largest, char *out, size_t room) {
    const char *unit = "";
    double divisor = 1;
    if (largest >= 1e10 || largest < 1e-4) {
        int exponent = (int)floor(log10(largest));
        double power = pow(10, exponent);
        int digits = (int)fmax(0, ceil(-log10(step / power) - 1e-9));
        if (value == 0)
            snprintf(out, room, "0");
        else
            snprintf(out, room, "%.*fe%d", digits, value / power, exponent);
        return;
    }
    if (largest >= 1e6) {
        unit = "M";
        divisor = 1e6;
    } else if (largest >= 1e4) {
        unit = "k";
        divisor = 1e3;
    }
    int digits = (int)fmax(0, ceil(-log10(step / divisor) - 1e-9));
    snprintf(out, room, "%.*f%s", digits, value / divisor, value == 0 ? "" : unit);
}

/* low and high are values here, whatever the scale of the axis. */
static void linear_ticks(axis *a, double low, double high, int count) {
    double step = round_step(high - low, count), largest = fmax(fabs(low), fabs(high));
    for (double k = ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && a->ticks < MAX_TICKS; k++) {
        a->tick[a->ticks] = k == 0 ? 0 : k * step; /* not -0 */
        print_value(a->tick[a->ticks], step, largest, a->label[a->ticks], sizeof a->label[0]);
        a->ticks++;
    }
}

/* Decades, thinned to about eight; with 2 and 5 between when they are few. */
static void decade_ticks(axis *a) {
    static const double leads[] = {1, 2, 5};
    int lowest = (int)floor(a->low), highest = (int)ceil(a->high), stride = 1 + (highest - lowest) / 8;
    int between = a->high - a->low <= 2.5 ? 3 : 1;
    /* 0.0001 and 10000 are still read at a glance, one digit more is not. */
    bool plain = lowest >= -4 && highest <= 5;
    for (int e = lowest; e <= highest; e++) {
        if (e % stride != 0) continue;
        for (int k = 0; k < between && a->ticks < MAX_TICKS; k++) {
            double place = e + log10(leads[k]);
            if (place < a->low - 1e-9 || place > a->high + 1e-9) continue;
            a->tick[a->ticks] = pow(10, place);
            if (plain)
                snprintf(a->label[a->ticks], sizeof a->label[0], "%g", leads[k] * pow(10, e));
            else if (k == 0)
                snprintf(a->label[a->ticks], sizeof a->label[0], "10^%d", e);
            else
                a->label[a->ticks][0] = '\0';
            a->ticks++;
        }
    }
}

static void find_ticks(axis *a, int count) {
    a->ticks = 0;
    if (!a->log)
        linear_ticks(a, a->low, a->high, count);
    else if (a->high - a->low < 1)
        linear_ticks(a, pow(10, a->low), pow(10, a->high), count);
    else
        decade_ticks(a);
}

/* ---- drawing ---- */

static const double superscript = 0.72;

static double label_width(const char *label) {
    const char *power = strchr(label, '^');
    char base[24];
    if (power == NULL) return ito__text_width(label, 1);
    snprintf(base, sizeof base, "%.*s", (int)(power - label), label);
    return ito__text_width(base, 1) + 2 + ito__text_width(power + 1, superscript);
}

/* Draws a tick's label with its left end at x. */
static void draw_label(ito__canvas *c, const char *label, double x, double y) {
    const char *power = strchr(label, '^');
    char base[24];
    snprintf(base, sizeof base, "%.*s", power == NULL ? (int)strlen(label) : (int)(power - label), label);
    ito__canvas_text(c, base, x, y, 1, thin, ITO__LEFT, false);
    if (power != NULL)
        ito__canvas_text(c, power + 1, x + ito__text_width(base, 1) + 2, y - 6, superscript, 1.1, ITO__LEFT,
                         false);
}

/* A line of one whole pixel: its centre lies on a pixel's. */
static double crisp(double x) {
    return floor(x) + 0.5;
}

static void draw_grid(ito__canvas *c, const axis *x, const axis *y) {
    for (int k = 0; k < x->ticks; k++)
        ito__canvas_line(c, crisp(to_pixel(x, x->tick[k])), y->last, crisp(to_pixel(x, x->tick[k])), y->first,
                         1);
    for (int k = 0; k < y->ticks; k++)
        ito__canvas_line(c, x->first, crisp(to_pixel(y, y->tick[k])), x->last, crisp(to_pixel(y, y->tick[k])),
                         1);
    ito__canvas_ink(c, grid_colour);
}

static void draw_frame(ito__canvas *c, const ito_plot *plot, const axis *x, const axis *y) {
    ito__canvas_line(c, crisp(x->first), y->last, crisp(x->first), y->first, 1);
    ito__canvas_line(c, x->first, crisp(y->first), x->last, crisp(y->first), 1);
    ito__canvas_ink(c, axis_colour);
    for (int k = 0; k < x->ticks; k++)
        draw_label(c, x->label[k], to_pixel(x, x->tick[k]) - label_width(x->label[k]) / 2, y->first + 22);
    for (int k = 0; k < y->ticks; k++)
        draw_label(c, y->label[k], x->first - 10 - label_width(y->label[k]), to_pixel(y, y->tick[k]) + 5);
    if (plot->x_label != NULL)
        ito__canvas_text(c, plot->x_label, (x->first + x->last) / 2, HEIGHT - 16, 1.1, thin, ITO__MIDDLE,
                         false);
    if (plot->y_label != NULL)
        ito__canvas_text(c, plot->y_label, 26, (y->first + y->last) / 2, 1.1, thin, ITO__MIDDLE, true);
    if (plot->title != NULL) ito__canvas_text(c, plot->title, x->first, 34, 1.4, 2, ITO__LEFT, false);
    ito__canvas_ink(c, text_colour);
}

/* Points that cannot be drawn break the line. */
static void draw_series(ito__canvas *c, const ito_plot *plot, int k, const axis *x, const axis *y) {
    const ito_series *s = &plot->series[k];
    bool down = false;
    double from_x = 0, from_y = 0;
    ito__canvas_clip(c, x->first - dot, y->last - dot, x->last + dot, y->first + dot);
    for (int64_t i = 0; i < s->n; i++) {
        if (!point_of(plot, s, i)) {
            down = false;
            continue;
        }
        double to_x = to_pixel(x, s->x[i]), to_y = to_pixel(y, s->y[i]);
        if (down) ito__canvas_line(c, from_x, from_y, to_x, to_y, curve);
        if (s->n <= MOST_DOTTED || !down)
            ito__canvas_line(c, to_x, to_y, to_x, to_y, s->n <= MOST_DOTTED ? dot : curve);
        from_x = to_x;
        from_y = to_y;
        down = true;
    }
    ito__canvas_ink(c, palette[k % COLOURS]);
    ito__canvas_unclip(c);
}

static const char *series_label(const ito_plot *plot, int k) {
    return plot->series[k].label != NULL ? plot->series[k].label : "";
}

/* Pixels of a box that a curve has coloured: those darker than the grid in some channel. */
static int curve_pixels(const ito__canvas *c, int left, int top, int width, int height) {
    int count = 0;
    for (int row = top; row < top + height; row++) {
        for (int column = left > 0 ? left : 0; column < left + width; column++) {
            const uint8_t *p = c->pixels + 3 * (row * c->width + column);
            count += p[0] < 200 || p[1] < 200 || p[2] < 200;
        }
    }
    return count;
}

/* In the corner with the least of the curves, the upper right one if all are alike, on a nearly opaque
 * ground. Called while the canvas holds grid and curves only. */
static void draw_legend(ito__canvas *c, const ito_plot *plot, const axis *x, const axis *y) {
    enum { LINE = 22, SAMPLE = 28, PAD = 12, GAP = 10, MARGIN = 4, CORNERS = 4 };
    double widest = 0;
    int rows = 0, least = INT32_MAX, left = 0, top = 0;
    for (int k = 0; k < plot->n; k++) {
        if (series_label(plot, k)[0] == '\0') continue;
        widest = fmax(widest, ito__text_width(series_label(plot, k), 1));
        rows++;
    }
    int width = (int)ceil(widest) + SAMPLE + GAP + 2 * PAD, height = rows * LINE + PAD;
    if (rows == 0 || height > (int)(y->first - y->last)) return; /* more curves than a legend could name */
    for (int corner = 0; corner < CORNERS; corner++) {
        int at_left = corner % 2 == 0 ? (int)x->last - width - MARGIN : (int)x->first + MARGIN;
        int at_top = corner / 2 == 0 ? (int)y->last + MARGIN : (int)y->first - height - MARGIN;
        int count = curve_pixels(c, at_left, at_top, width, height);
        if (count >= least) continue;
        least = count;
        left = at_left;
        top = at_top;
    }
    ito__canvas_fill(c, left, top, left + width, top + height, white, 0.88);
    int baseline = top + LINE;
    for (int k = 0; k < plot->n; k++) {
        if (series_label(plot, k)[0] == '\0') continue;
        ito__canvas_line(c, left + PAD, baseline - 5, left + PAD + SAMPLE, baseline - 5, 2.5);
        ito__canvas_ink(c, palette[k % COLOURS]);
        ito__canvas_text(c, series_label(plot, k), left + PAD + SAMPLE + GAP, baseline, 1, thin, ITO__LEFT,
                         false);
        ito__canvas_ink(c, text_colour);
        baseline += LINE;
    }
}

ito_status ito_plot_write(const char *path, const ito_plot *plot, ito_error *err) {
    axis x, y;
    ito__canvas c;
    double widest = 0;
    if (!find_range(plot, false, 0, &x) || !find_range(plot, true, 0.05, &y))
        return ito_error_set(err, ITO_E_ARG,
                             "%s: there is no point to draw, all are NaN, infinite%s or absent: give "
                             "at least one",
                             path, plot->log_x || plot->log_y ? ", not positive" : "");
    find_ticks(&x, 8);
    find_ticks(&y, 6);
    for (int k = 0; k < y.ticks; k++) widest = fmax(widest, label_width(y.label[k]));
    x.first = 22 + (plot->y_label != NULL ? 22 : 0) + widest + 10;
    x.last = WIDTH - 32;
    y.first = HEIGHT - 40 - (plot->x_label != NULL ? 28 : 0);
    y.last = plot->title != NULL ? 58 : 24;
    if (!ito__canvas_init(&c, WIDTH, HEIGHT))
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to draw it: close other programs", path);
    draw_grid(&c, &x, &y);
    for (int k = 0; k < plot->n; k++) draw_series(&c, plot, k, &x, &y);
    draw_legend(&c, plot, &x, &y);
    draw_frame(&c, plot, &x, &y);
    ito_status st = ito_png_write(path, c.pixels, HEIGHT, WIDTH, 3, err);
    ito__canvas_release(&c);
    return st;
}
