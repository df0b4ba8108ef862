/* SPDX-License-Identifier: Apache-2.0
 *
 * The largest pixel of a window, and the transpose. An image is [planes, height, width, B]: a pixel is B
 * floats, B the block, and every lane has a largest of its own. A plane is one piece of work, since windows
 * of neighbouring lines meet in the transpose.
 */
#ifndef ITO_ENGINE_FAST_MAX_H
#define ITO_ENGINE_FAST_MAX_H

#include "engine/kernels/fast_math.h"

/* The part of a window that lies inside the plane: [top, bottom) x [left, right). */
typedef struct window {
    int64_t top, bottom, left, right;
} window;

static inline window window_at(int64_t i, int64_t j, int64_t h, int64_t w, int64_t reach) {
    return (window){i > reach ? i - reach : 0, i + reach < h ? i + reach + 1 : h, j > reach ? j - reach : 0,
                    j + reach < w ? j + reach + 1 : w};
}

/* place[l]: of lane l's largest, counted through the window in reading order; the first of equals, and NaN
 * is largest, as in the plain kernel. */
static inline void find_largest(const element *x, int64_t w, window v, int64_t block, int32_t *place) {
    float best[LANES];
    int32_t count = 0;
    SIMD for (int64_t l = 0; l < block; l++) {
        best[l] = widen(x[(v.top * w + v.left) * block + l]);
        place[l] = 0;
    }
    for (int64_t a = v.top; a < v.bottom; a++)
        for (int64_t b = v.left; b < v.right; b++, count++) {
            const element *pixel = x + (a * w + b) * block;
            SIMD for (int64_t l = 0; l < block; l++) {
                float value = widen(pixel[l]);
                int larger = (value > best[l]) | (value != value);
                best[l] = larger ? value : best[l];
                place[l] = larger ? count : place[l];
            }
        }
}

static inline void max_pool_plane(const ito__call *c, int64_t plane, int64_t block) {
    int64_t h = c->node->shape.dim[2], w = c->node->shape.dim[3], start = plane * h * w * block;
    const element *x = IN(0) + start, *v = IN(1) + start;
    element *out = OUT + start;
    int32_t place[LANES];
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < w; j++, out += block) {
            window box = window_at(i, j, h, w, c->node->attr.factor / 2);
            int64_t across = box.right - box.left;
            find_largest(x, w, box, block, place);
            for (int64_t l = 0; l < block; l++) {
                int64_t a = box.top + place[l] / across, b = box.left + place[l] % across;
                out[l] = v[(a * w + b) * block + l];
            }
        }
}

#ifndef BFLOAT16 /* sums in place want floats */
static inline void max_pool_grad_plane(const ito__call *c, int64_t plane, int64_t block) {
    int64_t h = c->node->shape.dim[2], w = c->node->shape.dim[3], start = plane * h * w * block;
    const float *x = IN(0) + start, *g = IN(1) + start;
    float *out = OUT + start;
    int32_t place[LANES];
    memset(out, 0, (size_t)(h * w * block) * sizeof *out);
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < w; j++, g += block) {
            window box = window_at(i, j, h, w, c->node->attr.factor / 2);
            int64_t across = box.right - box.left;
            find_largest(x, w, box, block, place);
            for (int64_t l = 0; l < block; l++) {
                int64_t a = box.top + place[l] / across, b = box.left + place[l] % across;
                out[(a * w + b) * block + l] += g[l];
            }
        }
}

#endif

/* Defines kernel k_name over name_plane with the block a constant where it is 1, 8 or 16. */
#define PER_PLANE(name)                                                                                      \
    static void k_##name(const ito__call *c) {                                                               \
        int64_t n = ito_shape_count(c->node->shape), block = c->block;                                       \
        int64_t planes = n / (c->node->shape.dim[2] * c->node->shape.dim[3] * block);                        \
        _Pragma("omp parallel for if (n > PARALLEL)") for (int64_t plane = 0; plane < planes; plane++) {     \
            if (block == 16)                                                                                 \
                name##_plane(c, plane, 16);                                                                  \
            else if (block == 8)                                                                             \
                name##_plane(c, plane, 8);                                                                   \
            else                                                                                             \
                name##_plane(c, plane, 1);                                                                   \
        }                                                                                                    \
    }

PER_PLANE(max_pool)
#ifndef BFLOAT16
PER_PLANE(max_pool_grad)
#endif

#undef PER_PLANE

#endif
