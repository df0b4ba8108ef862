/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranges and round ticks, linear and logarithmic.
 */
#include "formats/plot_axis.h"

#include <math.h>
#include <stdio.h>

/* Values beyond this are treated like infinities: their differences must not overflow. */
static const double huge = 1e300;

static bool drawable(double value, bool log) {
    return fabs(value) < huge && (!log || value > 0);
}

static double to_scale(const ito__axis *a, double value) {
    return a->log ? log10(value) : value;
}

double ito__axis_pixel(const ito__axis *a, double value) {
    return a->first + (to_scale(a, value) - a->low) / (a->high - a->low) * (a->last - a->first);
}

bool ito__axis_point(const ito_plot *plot, const ito_series *s, int64_t i) {
    return drawable(s->x[i], plot->log_x) && drawable(s->y[i], plot->log_y);
}

bool ito__axis_range(ito__axis *a, const ito_plot *plot, bool vertical, double margin) {
    a->log = vertical ? plot->log_y : plot->log_x;
    a->low = INFINITY;
    a->high = -INFINITY;
    for (int k = 0; k < plot->n; k++) {
        const ito_series *s = &plot->series[k];
        for (int64_t i = 0; i < s->n; i++) {
            if (!ito__axis_point(plot, s, i)) continue;
            double value = to_scale(a, vertical ? s->y[i] : s->x[i]);
            a->low = fmin(a->low, value);
            a->high = fmax(a->high, value);
        }
    }
    if (!(a->low <= a->high)) return false;
    if (vertical && plot->y_low < plot->y_high) {
        a->low = to_scale(a, plot->y_low);
        a->high = to_scale(a, plot->y_high);
        return true;
    }
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
static void linear_ticks(ito__axis *a, double low, double high, int count) {
    double step = round_step(high - low, count), largest = fmax(fabs(low), fabs(high));
    for (double k = ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && a->ticks < ITO__MAX_TICKS;
         k++) {
        a->tick[a->ticks] = k == 0 ? 0 : k * step; /* not -0 */
        print_value(a->tick[a->ticks], step, largest, a->label[a->ticks], sizeof a->label[0]);
        a->ticks++;
    }
}

/* Decades, thinned to about eight; with 2 and 5 between when they are few. */
static void decade_ticks(ito__axis *a) {
    static const double leads[] = {1, 2, 5};
    int lowest = (int)floor(a->low), highest = (int)ceil(a->high), stride = 1 + (highest - lowest) / 8;
    int between = a->high - a->low <= 2.5 ? 3 : 1;
    /* 0.0001 and 10000 are still read at a glance, one digit more is not. */
    bool plain = lowest >= -4 && highest <= 5;
    for (int e = lowest; e <= highest; e++) {
        if (e % stride != 0) continue;
        for (int k = 0; k < between && a->ticks < ITO__MAX_TICKS; k++) {
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

void ito__axis_ticks(ito__axis *a, int count) {
    a->ticks = 0;
    if (!a->log)
        linear_ticks(a, a->low, a->high, count);
    else if (a->high - a->low < 1)
        linear_ticks(a, pow(10, a->low), pow(10, a->high), count);
    else
        decade_ticks(a);
}
