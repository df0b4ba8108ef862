/* SPDX-License-Identifier: Apache-2.0
 *
 * Anti-aliased lines and text by distance: a pixel is covered by as much of its width as lies within half a
 * line's thickness of the line.
 */
#include "formats/canvas.h"

#include "core/memory.h"
#include "formats/font.h"

#include <math.h>
#include <string.h>

bool ito__canvas_init(ito__canvas *c, int width, int height) {
    size_t pixels = (size_t)width * (size_t)height;
    *c = (ito__canvas){.width = width, .height = height};
    c->pixels = ito__alloc(pixels, 3);
    c->coverage = ito__calloc(pixels, sizeof *c->coverage);
    if (c->pixels == NULL || c->coverage == NULL) {
        ito__canvas_release(c);
        return false;
    }
    memset(c->pixels, 255, 3 * pixels);
    ito__canvas_unclip(c);
    return true;
}

void ito__canvas_release(ito__canvas *c) {
    ito__free(c->pixels);
    ito__free(c->coverage);
    *c = (ito__canvas){0};
}

static int within(double x, int low, int high) {
    return x < low ? low : x > high ? high : (int)x;
}

void ito__canvas_clip(ito__canvas *c, double left, double top, double right, double bottom) {
    c->left = within(floor(left), 0, c->width);
    c->top = within(floor(top), 0, c->height);
    c->right = within(ceil(right), 0, c->width);
    c->bottom = within(ceil(bottom), 0, c->height);
}

void ito__canvas_unclip(ito__canvas *c) {
    ito__canvas_clip(c, 0, 0, c->width, c->height);
}

/* Distance of (x, y) from the segment from (x0, y0) along (dx, dy). */
static double distance(double x, double y, double x0, double y0, double dx, double dy) {
    double length2 = dx * dx + dy * dy;
    double along = length2 > 0 ? ((x - x0) * dx + (y - y0) * dy) / length2 : 0;
    along = fmin(fmax(along, 0), 1);
    return hypot(x - x0 - along * dx, y - y0 - along * dy);
}

void ito__canvas_line(ito__canvas *c, double x0, double y0, double x1, double y1, double thickness) {
    double reach = thickness / 2 + 0.5; /* beyond it a pixel is not touched */
    double dx = x1 - x0, dy = y1 - y0;
    int top = within(floor(fmin(y0, y1) - reach), c->top, c->bottom);
    int bottom = within(ceil(fmax(y0, y1) + reach), c->top, c->bottom);
    for (int row = top; row < bottom; row++) {
        /* The part of the line near this row bounds the columns, which keeps long diagonals cheap. */
        double a = 0, b = 1;
        if (fabs(dy) > 1e-9) {
            double first = (row + 0.5 - reach - y0) / dy, last = (row + 0.5 + reach - y0) / dy;
            a = fmin(fmax(fmin(first, last), 0), 1);
            b = fmin(fmax(fmax(first, last), 0), 1);
        }
        int left = within(floor(fmin(x0 + a * dx, x0 + b * dx) - reach), c->left, c->right);
        int right = within(ceil(fmax(x0 + a * dx, x0 + b * dx) + reach), c->left, c->right);
        for (int column = left; column < right; column++) {
            double *covered = &c->coverage[(size_t)row * (size_t)c->width + (size_t)column];
            double part = reach - distance(column + 0.5, row + 0.5, x0, y0, dx, dy);
            *covered = fmin(fmax(*covered, part), 1);
        }
    }
}

static uint8_t blend(uint8_t below, uint8_t above, double opacity) {
    return (uint8_t)lrint(below + (above - below) * opacity);
}

static void blend_pixel(uint8_t *pixel, ito__colour colour, double opacity) {
    pixel[0] = blend(pixel[0], colour.red, opacity);
    pixel[1] = blend(pixel[1], colour.green, opacity);
    pixel[2] = blend(pixel[2], colour.blue, opacity);
}

void ito__canvas_ink(ito__canvas *c, ito__colour colour) {
    size_t pixels = (size_t)c->width * (size_t)c->height;
    for (size_t i = 0; i < pixels; i++)
        if (c->coverage[i] > 0) blend_pixel(c->pixels + 3 * i, colour, c->coverage[i]);
    memset(c->coverage, 0, pixels * sizeof *c->coverage);
}

void ito__canvas_fill(ito__canvas *c, int left, int top, int right, int bottom, ito__colour colour,
                      double opacity) {
    for (int row = within(top, 0, c->height); row < within(bottom, 0, c->height); row++)
        for (int column = within(left, 0, c->width); column < within(right, 0, c->width); column++)
            blend_pixel(c->pixels + 3 * ((size_t)row * (size_t)c->width + (size_t)column), colour, opacity);
}

void ito__canvas_dot(ito__canvas *c, double x, double y, double radius, ito__colour colour, double opacity) {
    const double reach = radius + 0.5;
    const int top = within(floor(y - reach), c->top, c->bottom),
              bottom = within(ceil(y + reach), c->top, c->bottom);
    const int left = within(floor(x - reach), c->left, c->right),
              right = within(ceil(x + reach), c->left, c->right);
    for (int row = top; row < bottom; row++)
        for (int column = left; column < right; column++) {
            const double part = reach - hypot(column + 0.5 - x, row + 0.5 - y);
            if (part > 0)
                blend_pixel(c->pixels + 3 * ((size_t)row * (size_t)c->width + (size_t)column), colour,
                            opacity * fmin(part, 1));
        }
}

double ito__text_width(const char *text, double scale) {
    double width = 0;
    for (; *text != '\0'; text++) width += ito__glyph_of(*text).width + ITO__GLYPH_GAP;
    return width == 0 ? 0 : scale * (width - ITO__GLYPH_GAP);
}

void ito__canvas_text(ito__canvas *c, const char *text, double x, double y, double scale, double thickness,
                      ito__anchor anchor, bool upward) {
    double shift = ito__text_width(text, scale) * (anchor == ITO__LEFT ? 0 : anchor == ITO__MIDDLE ? 0.5 : 1);
    double pen = -shift; /* along the baseline */
    for (; *text != '\0'; text++) {
        ito__glyph glyph = ito__glyph_of(*text);
        double from_x = 0, from_y = 0;
        bool down = false;
        for (const char *s = glyph.strokes; *s != '\0'; s++) {
            if (*s == ' ') {
                down = false;
                continue;
            }
            double along = pen + scale * (s[0] - '0'), up = scale * (s[1] - ITO__BASELINE);
            double to_x = upward ? x - up : x + along, to_y = upward ? y - along : y - up;
            if (down) ito__canvas_line(c, from_x, from_y, to_x, to_y, thickness);
            from_x = to_x;
            from_y = to_y;
            down = true;
            s++; /* a point is two letters */
        }
        pen += scale * (glyph.width + ITO__GLYPH_GAP);
    }
}
