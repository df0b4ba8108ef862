/* SPDX-License-Identifier: Apache-2.0
 *
 * From a picture of any size to the square planes that a network takes.
 */
#ifndef ITO_DATA_PICTURE_H
#define ITO_DATA_PICTURE_H

#include <ito/status.h>
#include <stdbool.h>
#include <stdint.h>

/* Bytes in any order: channel c of a pixel is at pixels[row * row_step + column * column_step + c *
 * channel_step]. */
typedef struct ito__picture {
    const uint8_t *pixels; /* borrowed */
    int64_t height, width, channels;
    int64_t row_step, column_step, channel_step;
} ito__picture;

/* [height, width, channels], or [channels, height, width] when planar. */
ito__picture ito__picture_of(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels,
                             bool planar);

/* Kernels of resizing, as a function of the distance in pixels of the result or, where the picture grows, of
 * the source: their support stretches with the ratio, so that shrinking averages ("antialiased"). */
typedef enum ito__filter {
    ITO__FILTER_TRIANGLE, /* 1 - |x| */
    ITO__FILTER_BOX,      /* 1 up to 1/2: the mean of the pixels below one of the result */
    ITO__FILTER_CUBIC,    /* [Keys] with a = -1/2 */
    ITO__FILTER_COUNT
} ito__filter;

typedef struct ito__preparation {
    bool pad;     /* never resize: put the picture into the middle of a square of zeros */
    int64_t crop; /* otherwise cut this square out of the middle, or what there is of it; 0: the largest */
    bool resize_first; /* resize the shorter side, then cut; crop is not used */
    ito__filter filter;
} ito__preparation;

/* planes: [channels, size, size]. Grey becomes colour by repetition, colour grey as 0.299 R + 0.587 G +
 * 0.114 B (ITU-R BT.601); results are clamped and rounded to the nearest byte, ties to even. A picture to pad
 * is at most as large as the square. Errors: NOMEM alone. */
ito_status ito__prepare(const ito__picture *from, const ito__preparation *how, int64_t channels, int64_t size,
                        uint8_t *planes, ito_error *err);

#endif
