/* SPDX-License-Identifier: Apache-2.0
 *
 * A small drawing surface: strokes gather as coverage and are blended in one colour at a time, so lines that
 * join or cross within a figure do not darken where they meet.
 *
 *   ito__canvas_line / ito__canvas_text ...  ito__canvas_ink(&c, colour)      once per colour
 *
 * Coordinates are pixels from the top left corner; (0.5, 0.5) is the centre of the first pixel.
 */
#ifndef ITO_FORMATS_CANVAS_H
#define ITO_FORMATS_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ito__colour {
    uint8_t red, green, blue;
} ito__colour;

typedef struct ito__canvas {
    int width, height;
    uint8_t *pixels;              /* [height, width, 3] */
    double *coverage;             /* [height, width], of the strokes since the last ink */
    int left, top, right, bottom; /* no stroke leaves this box: [left, right) x [top, bottom) */
} ito__canvas;

/* White, unclipped. False when out of memory. */
bool ito__canvas_init(ito__canvas *c, int width, int height);
void ito__canvas_release(ito__canvas *c);
void ito__canvas_clip(ito__canvas *c, double left, double top, double right, double bottom);
void ito__canvas_unclip(ito__canvas *c);
/* A line with round ends, `thickness` pixels wide. Equal ends give a dot. */
void ito__canvas_line(ito__canvas *c, double x0, double y0, double x1, double y1, double thickness);
/* Blends the gathered strokes in and forgets them. */
void ito__canvas_ink(ito__canvas *c, ito__colour colour);
/* Fills a box at once, opacity 0..1, edges on whole pixels. */
void ito__canvas_fill(ito__canvas *c, int left, int top, int right, int bottom, ito__colour colour,
                      double opacity);

/* Blends a disc in at once, so that discs darken where they overlap. */
void ito__canvas_dot(ito__canvas *c, double x, double y, double radius, ito__colour colour, double opacity);

typedef enum ito__anchor { ITO__LEFT, ITO__MIDDLE, ITO__RIGHT } ito__anchor;
/* Text whose baseline goes through (x, y); capitals are 10 * scale pixels high. upward: turned by a quarter
 * to read from bottom to top. Letters outside printable ASCII are drawn as '?'. */
void ito__canvas_text(ito__canvas *c, const char *text, double x, double y, double scale, double thickness,
                      ito__anchor anchor, bool upward);
double ito__text_width(const char *text, double scale);

#endif
