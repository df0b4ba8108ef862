/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting, resizing and padding of pictures.
 *
 * Resizing is separable: along each axis, pixel i of the result is the mean of source pixels around (i + 1/2)
 * r - 1/2, r the ratio of the lengths, weighted by the filter and divided by the sum of the weights, which
 * also takes care of the borders. In double, rounded once at the end.
 */
#include "data/picture.h"

#include "core/memory.h"

#include <math.h>
#include <string.h>

ito__picture ito__picture_of(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels,
                             bool planar) {
    return (ito__picture){
        .pixels = pixels,
        .height = height,
        .width = width,
        .channels = channels,
        .row_step = planar ? width : width * channels,
        .column_step = planar ? 1 : channels,
        .channel_step = planar ? height * width : 1,
    };
}

/* ---- filters */

static double triangle(double x) {
    return x < 1 ? 1 - x : 0;
}

static double box(double x) {
    return x <= 0.5 ? 1 : 0;
}

static double cubic(double x) {
    if (x >= 2) return 0;
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2;
}

static const struct {
    double radius;
    double (*value)(double distance);
} filters[ITO__FILTER_COUNT] = {
    [ITO__FILTER_TRIANGLE] = {1, triangle},
    [ITO__FILTER_BOX] = {0.5, box},
    [ITO__FILTER_CUBIC] = {2, cubic},
};

/* ---- one axis */

/* Pixels first .. first + count - 1 of the source become `total`, of which those from `skip` on are taken. */
typedef struct span {
    int64_t first, count, total, skip;
} span;

/* What each of `size` pixels of the result is made of. */
typedef struct axis {
    int64_t taps;
    int64_t *first, *count; /* [size] source pixels, counted from the picture's border */
    double *weight;         /* [size, taps] */
} axis;

static void axis_release(axis *a) {
    ito__free(a->weight);
    ito__free(a->count);
    ito__free(a->first);
}

static void weigh(axis *a, const span *s, ito__filter filter, int64_t i) {
    double ratio = (double)s->count / (double)s->total, stretch = ratio > 1 ? ratio : 1;
    double centre = ((double)(i + s->skip) + 0.5) * ratio, radius = filters[filter].radius * stretch;
    int64_t first = (int64_t)ceil(centre - radius - 0.5), last = (int64_t)floor(centre + radius - 0.5);
    if (first < 0) first = 0;
    if (last > s->count - 1) last = s->count - 1;
    double *weight = a->weight + i * a->taps, sum = 0;
    for (int64_t k = first; k <= last; k++) {
        double w = filters[filter].value(fabs((double)k + 0.5 - centre) / stretch);
        if (w == 0 && sum == 0 && k < last) { /* leading zeros are not worth a product */
            first = k + 1;
            continue;
        }
        weight[k - first] = w;
        sum += w;
    }
    while (last > first && weight[last - first] == 0) last--;
    for (int64_t k = first; k <= last; k++) weight[k - first] /= sum;
    a->first[i] = s->first + first;
    a->count[i] = last - first + 1;
}

/* False when memory runs out. */
static bool axis_init(axis *a, const span *s, ito__filter filter, int64_t size) {
    double ratio = (double)s->count / (double)s->total;
    a->taps = 2 * (int64_t)ceil(filters[filter].radius * (ratio > 1 ? ratio : 1)) + 1;
    a->first = ito__alloc((size_t)size, sizeof *a->first);
    a->count = ito__alloc((size_t)size, sizeof *a->count);
    a->weight = ito__alloc((size_t)(size * a->taps), sizeof *a->weight);
    if (a->first == NULL || a->count == NULL || a->weight == NULL) return false;
    for (int64_t i = 0; i < size; i++) weigh(a, s, filter, i);
    return true;
}

static double dot(const axis *a, int64_t i, const double *values, int64_t step) {
    const double *weight = a->weight + i * a->taps;
    double sum = 0;
    for (int64_t k = 0; k < a->count[i]; k++) sum += weight[k] * values[(a->first[i] + k) * step];
    return sum;
}

/* ---- pictures */

/* The parts of both axes that fill the square. */
static void choose(const ito__picture *from, const ito__preparation *how, int64_t size, span *down,
                   span *right) {
    int64_t height = from->height, width = from->width, shorter = height < width ? height : width;
    if (how->resize_first) {
        double ratio = (double)size / (double)shorter;
        int64_t total_down = lrint((double)height * ratio), total_right = lrint((double)width * ratio);
        *down = (span){0, height, total_down, (total_down - size) / 2};
        *right = (span){0, width, total_right, (total_right - size) / 2};
        return;
    }
    int64_t crop = how->crop > 0 && how->crop < shorter ? how->crop : shorter;
    *down = (span){(height - crop) / 2, crop, size, 0};
    *right = (span){(width - crop) / 2, crop, size, 0};
}

/* One row of channel c of the result's `channels`. */
static void read_row(const ito__picture *from, int64_t row, int64_t c, int64_t channels, double *line) {
    const uint8_t *at = from->pixels + row * from->row_step;
    const int64_t step = from->column_step, next = from->channel_step;
    if (channels == 1 && from->channels == 3) {
        for (int64_t j = 0; j < from->width; j++, at += step)
            line[j] = 0.299 * at[0] + 0.587 * at[next] + 0.114 * at[2 * next];
        return;
    }
    if (from->channels > 1) at += c * next;
    for (int64_t j = 0; j < from->width; j++, at += step) line[j] = *at;
}

static uint8_t byte_of(double x) {
    return x <= 0 ? 0 : x >= 255 ? 255 : (uint8_t)lrint(x);
}

static ito_status resize(const ito__picture *from, const span *down, const span *right, ito__filter filter,
                         int64_t channels, int64_t size, uint8_t *planes, ito_error *err) {
    axis a = {0}, b = {0};
    double *line = NULL, *rows = NULL;
    ito_status st = ITO_OK;
    line = ito__alloc((size_t)from->width, sizeof *line);
    rows = ito__alloc((size_t)(from->height * size), sizeof *rows); /* those needed, each already short */
    if (!axis_init(&a, down, filter, size) || !axis_init(&b, right, filter, size) || line == NULL ||
        rows == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM,
                           "data: no memory to resize a picture of %lld x %lld: close other programs",
                           (long long)from->height, (long long)from->width);
        goto done;
    }
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t row = a.first[0]; row < a.first[size - 1] + a.count[size - 1]; row++) {
            read_row(from, row, c, channels, line);
            for (int64_t j = 0; j < size; j++) rows[row * size + j] = dot(&b, j, line, 1);
        }
        for (int64_t i = 0; i < size; i++)
            for (int64_t j = 0; j < size; j++) *planes++ = byte_of(dot(&a, i, rows + j, size));
    }
done:
    ito__free(rows);
    ito__free(line);
    axis_release(&b);
    axis_release(&a);
    return st;
}

/* The rectangle of the source at (top, left), as it is, into the middle of the square. */
static void copy(const ito__picture *from, int64_t top, int64_t left, int64_t height, int64_t width,
                 int64_t channels, int64_t size, uint8_t *planes) {
    int64_t down = (size - height) / 2, right = (size - width) / 2;
    for (int64_t c = 0; c < channels; c++) {
        const uint8_t *plane = from->pixels + (from->channels > 1 ? c * from->channel_step : 0);
        for (int64_t i = 0; i < height; i++) {
            const uint8_t *at = plane + (top + i) * from->row_step + left * from->column_step;
            uint8_t *to = planes + (c * size + down + i) * size + right;
            for (int64_t j = 0; j < width; j++, at += from->column_step) to[j] = *at;
        }
    }
}

ito_status ito__prepare(const ito__picture *from, const ito__preparation *how, int64_t channels, int64_t size,
                        uint8_t *planes, ito_error *err) {
    span down, right;
    if (how->pad) {
        memset(planes, 0, (size_t)(channels * size * size));
        copy(from, 0, 0, from->height, from->width, channels, size, planes);
        return ITO_OK;
    }
    choose(from, how, size, &down, &right);
    bool same = down.count == down.total && right.count == right.total && channels >= from->channels;
    if (!same) return resize(from, &down, &right, how->filter, channels, size, planes, err);
    copy(from, down.first + down.skip, right.first + right.skip, size, size, channels, size, planes);
    return ITO_OK;
}
