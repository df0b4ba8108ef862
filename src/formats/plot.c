/* SPDX-License-Identifier: Apache-2.0
 *
 * Line charts of 960 x 540 pixels: title, axes with round ticks, light grid, curves, legend. Several stand
 * below one another, their axes aligned.
 */
#include "formats/canvas.h"
#include "formats/plot_axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 960,
    HEIGHT = 540,
    MOST_DOTTED = 32, /* curves of at most so many points mark each */
    LINE = 22,        /* from row to row of a legend, where there is room */
    LEAST_LINE = 15,
    SAMPLE = 28, /* a legend's piece of curve */
    PAD = 12,
    GAP = 10
};

static const double thin = 1.3, curve = 1.9, mark_size = 5.5;

static const ito__colour text_colour = {51, 51, 51}, axis_colour = {102, 102, 102},
                         grid_colour = {228, 228, 228}, band_colour = {150, 150, 150},
                         white = {255, 255, 255};
/* The colour-blind-safe set of Okabe and Ito without its yellow, and a dark grey and a brown. */
static const ito__colour palette[] = {{0, 114, 178},  {213, 94, 0},  {0, 158, 115}, {204, 121, 167},
                                      {86, 180, 233}, {230, 159, 0}, {60, 60, 60},  {140, 86, 48}};
enum { COLOURS = sizeof palette / sizeof palette[0] };

/* How curve k looks: the colours in turn, and with each round of them another line and another mark. */
static const struct style {
    double dash, space; /* pixels; space 0: one line throughout */
    enum { DOT, SQUARE, CROSS } mark;
} styles[] = {{1, 0, DOT}, {9, 6, SQUARE}, {2, 5, CROSS}};
enum { STYLES = sizeof styles / sizeof styles[0] };

static ito__colour colour_of(int k) {
    return palette[k % COLOURS];
}

static struct style style_of(int k) {
    return styles[k / COLOURS % STYLES];
}

/* A chart in its place. */
typedef struct chart {
    const ito_plot *plot;
    int top; /* of its part of the picture */
    ito__axis x, y;
} chart;

/* ---- axes ---- */

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

static void draw_grid(ito__canvas *c, const ito__axis *x, const ito__axis *y) {
    for (int k = 0; k < x->ticks; k++) {
        const double at = crisp(ito__axis_pixel(x, x->tick[k]));
        ito__canvas_line(c, at, y->last, at, y->first, 1);
    }
    for (int k = 0; k < y->ticks; k++) {
        const double at = crisp(ito__axis_pixel(y, y->tick[k]));
        ito__canvas_line(c, x->first, at, x->last, at, 1);
    }
    ito__canvas_ink(c, grid_colour);
}

static void draw_frame(ito__canvas *c, const chart *h) {
    const ito_plot *plot = h->plot;
    const ito__axis *x = &h->x, *y = &h->y;
    ito__canvas_line(c, crisp(x->first), y->last, crisp(x->first), y->first, 1);
    ito__canvas_line(c, x->first, crisp(y->first), x->last, crisp(y->first), 1);
    ito__canvas_ink(c, axis_colour);
    for (int k = 0; k < x->ticks; k++)
        draw_label(c, x->label[k], ito__axis_pixel(x, x->tick[k]) - label_width(x->label[k]) / 2,
                   y->first + 22);
    for (int k = 0; k < y->ticks; k++)
        draw_label(c, y->label[k], x->first - 10 - label_width(y->label[k]),
                   ito__axis_pixel(y, y->tick[k]) + 5);
    if (plot->x_label != NULL)
        ito__canvas_text(c, plot->x_label, (x->first + x->last) / 2, h->top + HEIGHT - 16, 1.1, thin,
                         ITO__MIDDLE, false);
    if (plot->y_label != NULL)
        ito__canvas_text(c, plot->y_label, 26, (y->first + y->last) / 2, 1.1, thin, ITO__MIDDLE, true);
    if (plot->title != NULL)
        ito__canvas_text(c, plot->title, x->first, h->top + 34, 1.4, 2, ITO__LEFT, false);
    ito__canvas_ink(c, text_colour);
}

/* ---- curves ---- */

/* One dash after another; *walked is how far the pen came since the curve began. */
static void draw_stroke(ito__canvas *c, struct style s, double x0, double y0, double x1, double y1,
                        double *walked) {
    const double length = hypot(x1 - x0, y1 - y0), period = s.dash + s.space;
    if (s.space == 0 || !(length < 1e5)) { /* far out of the chart, dashes could not be counted */
        ito__canvas_line(c, x0, y0, x1, y1, curve);
        return;
    }
    for (double at = -fmod(*walked, period); at < length; at += period) {
        const double from = fmax(at, 0) / length, to = fmin(at + s.dash, length) / length;
        if (to > from)
            ito__canvas_line(c, x0 + from * (x1 - x0), y0 + from * (y1 - y0), x0 + to * (x1 - x0),
                             y0 + to * (y1 - y0), curve);
    }
    *walked += length;
}

static void draw_mark(ito__canvas *c, struct style s, double x, double y) {
    const double r = mark_size / 2, corner[][2] = {{-r, -r}, {r, -r}, {r, r}, {-r, r}};
    if (s.mark == DOT) ito__canvas_line(c, x, y, x, y, mark_size);
    for (int k = 0; k < 4 && s.mark == SQUARE; k++) {
        const double *a = corner[k], *b = corner[(k + 1) % 4];
        ito__canvas_line(c, x + a[0], y + a[1], x + b[0], y + b[1], thin);
    }
    for (int k = 0; k < 2 && s.mark == CROSS; k++) {
        const double *a = corner[k], *b = corner[k + 2];
        ito__canvas_line(c, x + a[0], y + a[1], x + b[0], y + b[1], thin);
    }
}

static void draw_band(ito__canvas *c, const chart *h) {
    const ito_plot *plot = h->plot;
    if (!(plot->band_low < plot->band_high)) return;
    const double lowest = h->y.log ? pow(10, h->y.low) : h->y.low;
    const double from = ito__axis_pixel(&h->y, fmax(plot->band_low, lowest));
    const double to = ito__axis_pixel(&h->y, fmax(plot->band_high, lowest));
    ito__canvas_fill(c, (int)h->x.first, (int)fmax(to, h->y.last), (int)h->x.last, (int)from, band_colour,
                     0.35);
}

/* Points that cannot be drawn break the line. */
static void draw_series(ito__canvas *c, const chart *h, int k) {
    const ito_series *s = &h->plot->series[k];
    const struct style style = style_of(k);
    bool down = false;
    double from_x = 0, from_y = 0, walked = 0;
    ito__canvas_clip(c, h->x.first - mark_size, h->y.last - mark_size, h->x.last + mark_size,
                     h->y.first + mark_size);
    for (int64_t i = 0; i < s->n; i++) {
        if (!ito__axis_point(h->plot, s, i)) {
            down = false;
            continue;
        }
        double to_x = ito__axis_pixel(&h->x, s->x[i]), to_y = ito__axis_pixel(&h->y, s->y[i]);
        if (down) draw_stroke(c, style, from_x, from_y, to_x, to_y, &walked);
        if (s->n <= MOST_DOTTED)
            draw_mark(c, style, to_x, to_y);
        else if (!down)
            ito__canvas_line(c, to_x, to_y, to_x, to_y, curve);
        from_x = to_x;
        from_y = to_y;
        down = true;
    }
    ito__canvas_ink(c, colour_of(k));
    ito__canvas_unclip(c);
}

/* ---- legend ---- */

static const char *series_label(const ito_plot *plot, int k) {
    const char *label = k < plot->n ? plot->series[k].label : plot->band_label;
    return label != NULL ? label : "";
}

/* The box of the rows that have a label: the curves, and the band as row n. Rows stand closer where that
 * makes them fit into `room`; *line from row to row. */
static void measure_legend(const ito_plot *plot, double room, int *width, int *height, int *line) {
    double widest = 0;
    int rows = 0;
    for (int k = 0; k <= plot->n; k++) {
        if (series_label(plot, k)[0] == '\0') continue;
        widest = fmax(widest, ito__text_width(series_label(plot, k), 1));
        rows++;
    }
    *line = rows * LINE + PAD <= room ? LINE : (int)fmax((room - PAD) / rows, LEAST_LINE);
    *width = rows == 0 ? 0 : (int)ceil(widest) + SAMPLE + GAP + 2 * PAD;
    *height = rows == 0 ? 0 : rows * *line + PAD;
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

/* The corner with the least of the curves, the upper right one if all are alike. Called while the canvas
 * holds grid and curves only. */
static void find_corner(const ito__canvas *c, const chart *h, int width, int height, int *left, int *top) {
    enum { MARGIN = 4, CORNERS = 4 };
    int least = INT32_MAX;
    for (int corner = 0; corner < CORNERS; corner++) {
        int at_left = corner % 2 == 0 ? (int)h->x.last - width - MARGIN : (int)h->x.first + MARGIN;
        int at_top = corner / 2 == 0 ? (int)h->y.last + MARGIN : (int)h->y.first - height - MARGIN;
        int count = curve_pixels(c, at_left, at_top, width, height);
        if (count >= least) continue;
        least = count;
        *left = at_left;
        *top = at_top;
    }
}

static void draw_legend_row(ito__canvas *c, const ito_plot *plot, int k, int left, int baseline) {
    const double middle = baseline - 5, end = left + SAMPLE;
    double walked = 0;
    if (k == plot->n) {
        ito__canvas_fill(c, left, baseline - 11, left + SAMPLE, baseline + 1, band_colour, 0.35);
    } else {
        draw_stroke(c, style_of(k), left, middle, end, middle, &walked);
        if (plot->series[k].n <= MOST_DOTTED) draw_mark(c, style_of(k), left + SAMPLE / 2.0, middle);
        ito__canvas_ink(c, colour_of(k));
    }
    ito__canvas_text(c, series_label(plot, k), end + GAP, baseline, 1, thin, ITO__LEFT, false);
    ito__canvas_ink(c, text_colour);
}

/* On a nearly opaque ground: in a corner, or beside the chart and down to the end of its part. More curves
 * than fit are not named. */
static void draw_legend(ito__canvas *c, const chart *h) {
    const ito_plot *plot = h->plot;
    int width, height, line, left = (int)h->x.last + GAP, top = (int)h->y.last - PAD / 2;
    const double room = plot->legend_beside ? h->top + HEIGHT - top : h->y.first - h->y.last;
    measure_legend(plot, room, &width, &height, &line);
    if (height == 0 || height > room) return;
    if (!plot->legend_beside) find_corner(c, h, width, height, &left, &top);
    ito__canvas_fill(c, left, top, left + width, top + height, white, 0.88);
    for (int k = 0, baseline = top + line; k <= plot->n; k++) {
        if (series_label(plot, k)[0] == '\0') continue;
        draw_legend_row(c, plot, k, left + PAD, baseline);
        baseline += line;
    }
}

/* ---- the picture ---- */

static ito_status place(chart *h, const char *path, ito_error *err) {
    const ito_plot *plot = h->plot;
    if (!ito__axis_range(&h->x, plot, false, 0) || !ito__axis_range(&h->y, plot, true, 0.05))
        return ito_error_set(err, ITO_E_ARG,
                             "%s: there is no point to draw, all are NaN, infinite%s or absent: give "
                             "at least one",
                             path, plot->log_x || plot->log_y ? ", not positive" : "");
    ito__axis_ticks(&h->x, 8);
    ito__axis_ticks(&h->y, 6);
    h->y.first = h->top + HEIGHT - 40 - (plot->x_label != NULL ? 28 : 0);
    h->y.last = h->top + (plot->title != NULL ? 58 : 24);
    return ITO_OK;
}

/* Left and right ends that suit all charts. */
static void align(int n, chart *charts) {
    double left = 0, right = 32;
    for (int i = 0; i < n; i++) {
        const chart *h = &charts[i];
        int width, height, line;
        double widest = 0;
        for (int k = 0; k < h->y.ticks; k++) widest = fmax(widest, label_width(h->y.label[k]));
        left = fmax(left, 32 + (h->plot->y_label != NULL ? 22 : 0) + widest);
        measure_legend(h->plot, HEIGHT, &width, &height, &line);
        if (h->plot->legend_beside) right = fmax(right, fmin(GAP + width, WIDTH / 2));
    }
    for (int i = 0; i < n; i++) {
        charts[i].x.first = left;
        charts[i].x.last = WIDTH - right;
    }
}

ito_status ito_plots_write(const char *path, int n, const ito_plot *plots, ito_error *err) {
    enum { MOST = 8 };
    chart charts[MOST];
    ito__canvas c;
    ito_status st = ITO_OK;
    if (n < 1 || n > MOST)
        return ito_error_set(err, ITO_E_ARG, "%s: %d charts in a picture: use 1 to %d", path, n, (int)MOST);
    for (int i = 0; i < n && st == ITO_OK; i++) {
        charts[i] = (chart){.plot = &plots[i], .top = i * HEIGHT};
        st = place(&charts[i], path, err);
    }
    if (st != ITO_OK) return st;
    align(n, charts);
    if (!ito__canvas_init(&c, WIDTH, n * HEIGHT))
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to draw it: close other programs", path);
    for (int i = 0; i < n; i++) {
        draw_grid(&c, &charts[i].x, &charts[i].y);
        draw_band(&c, &charts[i]);
        for (int k = 0; k < plots[i].n; k++) draw_series(&c, &charts[i], k);
        draw_legend(&c, &charts[i]);
        draw_frame(&c, &charts[i]);
    }
    st = ito_png_write(path, c.pixels, c.height, WIDTH, 3, err);
    ito__canvas_release(&c);
    return st;
}

ito_status ito_plot_write(const char *path, const ito_plot *plot, ito_error *err) {
    return ito_plots_write(path, 1, plot, err);
}
