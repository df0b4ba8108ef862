/* SPDX-License-Identifier: Apache-2.0
 *
 * The axes of a chart: range of the points, round ticks and their labels, values to pixels.
 */
#ifndef ITO_FORMATS_PLOT_AXIS_H
#define ITO_FORMATS_PLOT_AXIS_H

#include <ito/formats.h>

enum { ITO__MAX_TICKS = 64 };

/* Values from low to high (of their logarithms, when log) go to pixels from first to last. */
typedef struct ito__axis {
    bool log;
    double low, high, first, last;
    int ticks;
    double tick[ITO__MAX_TICKS];
    char label[ITO__MAX_TICKS][24]; /* "^" starts a superscript */
} ito__axis;

/* The range of all points that can be drawn, margin of it added on both sides; vertically, that which the
 * plot asks for. False when there are no points. */
bool ito__axis_range(ito__axis *a, const ito_plot *plot, bool vertical, double margin);
/* About `count` ticks at round values. */
void ito__axis_ticks(ito__axis *a, int count);
double ito__axis_pixel(const ito__axis *a, double value);
/* False for a point that is not finite, or not positive on a logarithmic axis. */
bool ito__axis_point(const ito_plot *plot, const ito_series *s, int64_t i);

#endif
