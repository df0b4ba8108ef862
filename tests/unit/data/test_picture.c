/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures become squares: numbers worked out by hand, a direct sum over the plane, and what must not change.
 */
#include "data/picture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void prepare(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels,
                    const ito__preparation *how, int64_t out_channels, int64_t size, uint8_t *planes) {
    ito__picture p = ito__picture_of(pixels, height, width, channels, false);
    assert_int_equal(ito__prepare(&p, how, out_channels, size, planes, NULL), ITO_OK);
}

/* A square of equal rows, so that the rows of the result show one axis. */
static void one_axis(const uint8_t *row, int64_t n, ito__filter filter, int64_t size, const uint8_t *want) {
    uint8_t pixels[64] = {0}, planes[64];
    const ito__preparation how = {.filter = filter};
    for (int64_t i = 0; i < n; i++) memcpy(pixels + i * n, row, (size_t)n);
    prepare(pixels, n, n, 1, &how, 1, size, planes);
    for (int64_t i = 0; i < size; i++) {
        for (int64_t j = 0; j < size; j++) {
            if (planes[i * size + j] != want[j])
                print_error("filter %d, pixel %d: %d instead of %d\n", filter, (int)j, planes[i * size + j],
                            want[j]);
            assert_int_equal(planes[i * size + j], want[j]);
        }
    }
    for (int64_t i = 0; i < n; i++) memset(pixels + i * n, row[i], (size_t)n); /* and down the other */
    prepare(pixels, n, n, 1, &how, 1, size, planes);
    for (int64_t i = 0; i < size * size; i++) assert_int_equal(planes[i], want[i / size]);
}

/* Four pixels to two. Triangle: the weights 3/4, 3/4, 1/4 over their sum. Cubic: 0.8671875 twice, 0.2265625
 * and -0.0703125 over 1.890625, which undershoots and overshoots at steps. */
static void resizing_gives_the_numbers_worked_out_by_hand(void **state) {
    static const uint8_t ramp[] = {0, 70, 140, 210}, drop[] = {255, 0, 0, 0}, rise[] = {0, 255, 255, 255};
    (void)state;
    one_axis(ramp, 4, ITO__FILTER_TRIANGLE, 2, (const uint8_t[]){50, 160});
    one_axis(ramp, 4, ITO__FILTER_BOX, 2, (const uint8_t[]){35, 175});
    one_axis(ramp, 4, ITO__FILTER_CUBIC, 2, (const uint8_t[]){41, 169});
    one_axis(drop, 4, ITO__FILTER_CUBIC, 2, (const uint8_t[]){117, 0});
    one_axis(rise, 4, ITO__FILTER_CUBIC, 2, (const uint8_t[]){138, 255});
    one_axis((const uint8_t[]){0, 100}, 2, ITO__FILTER_TRIANGLE, 4, (const uint8_t[]){0, 25, 75, 100});
    one_axis((const uint8_t[]){1, 2, 6, 50, 70, 90}, 6, ITO__FILTER_BOX, 2, (const uint8_t[]){3, 70});
    one_axis((const uint8_t[]){1, 2, 2, 3}, 4, ITO__FILTER_BOX, 2,
             (const uint8_t[]){2, 2}); /* ties to even */
}

static double kernel(ito__filter filter, double x) {
    x = fabs(x);
    switch (filter) {
    case ITO__FILTER_TRIANGLE: return fmax(0, 1 - x);
    case ITO__FILTER_BOX: return x <= 0.5;
    default:
        if (x < 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
        return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
    }
}

/* The definition: a weighted mean over all pixels of the plane at once. */
static double direct(const uint8_t *pixels, int64_t n, ito__filter filter, int64_t size, int64_t i,
                     int64_t j) {
    double ratio = (double)n / (double)size, stretch = fmax(1, ratio), sum = 0, weights = 0;
    for (int64_t row = 0; row < n; row++) {
        for (int64_t column = 0; column < n; column++) {
            double w = kernel(filter, ((double)row + 0.5 - ((double)i + 0.5) * ratio) / stretch) *
                       kernel(filter, ((double)column + 0.5 - ((double)j + 0.5) * ratio) / stretch);
            weights += w;
            sum += w * pixels[row * n + column];
        }
    }
    return fmin(255, fmax(0, sum / weights));
}

static void resizing_equals_the_direct_sum(void **state) {
    enum { MOST = 23 };
    static const int64_t sizes[][2] = {{7, 5}, {16, 5}, {MOST, 4}, {5, 7}, {3, 16}, {9, 1}, {1, 6}};
    uint8_t pixels[MOST * MOST], planes[MOST * MOST];
    double worst = 0;
    (void)state;
    for (int i = 0; i < MOST * MOST; i++) pixels[i] = (uint8_t)(i * i * 37 + i / 5);
    for (int filter = 0; filter < ITO__FILTER_COUNT; filter++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            const int64_t n = sizes[k][0], size = sizes[k][1];
            const ito__preparation how = {.filter = (ito__filter)filter};
            prepare(pixels, n, n, 1, &how, 1, size, planes);
            for (int64_t i = 0; i < size * size; i++) {
                double off =
                    fabs(planes[i] - direct(pixels, n, (ito__filter)filter, size, i / size, i % size));
                if (off > worst) worst = off;
            }
        }
    }
    printf("largest distance from the direct sum: %.12f levels, bound 0.5 by rounding\n", worst);
    assert_true(worst <= 0.5 + 1e-9);
}

/* A cut takes the middle and nothing of what is around it; the right size is copied as it is. */
static void the_middle_is_cut_out(void **state) {
    enum { H = 218, W = 178, CROP = 140, S = 64 };
    static uint8_t pixels[H * W], planes[CROP * CROP];
    ito__preparation how = {.crop = CROP};
    (void)state;
    memset(pixels, 255, sizeof pixels);
    for (int i = 39; i < 39 + CROP; i++)
        for (int j = 19; j < 19 + CROP; j++) pixels[i * W + j] = (uint8_t)(i == 39 || j == 19 ? 10 : 20);
    prepare(pixels, H, W, 1, &how, 1, CROP, planes);
    for (int i = 0; i < CROP * CROP; i++) assert_int_equal(planes[i], i < CROP || i % CROP == 0 ? 10 : 20);
    prepare(pixels, H, W, 1, &how, 1, S, planes);
    for (int i = 0; i < S * S; i++) assert_in_range(planes[i], 10, 20);
    how.crop = 0;
    prepare(pixels, 3, 5, 1, &how, 1, 3, planes); /* the largest square: columns 1 to 3 */
    for (int i = 0; i < 9; i++) assert_int_equal(planes[i], pixels[i / 3 * 5 + 1 + i % 3]);
    how.crop = 140; /* more than there is: the largest square again */
    prepare(pixels, 3, 5, 1, &how, 1, 3, planes);
    assert_int_equal(planes[0], pixels[1]);
}

/* 4 x 6 to 2: columns become 3, of which the first two are taken; cutting first gives other numbers. */
static void resizing_before_cutting_is_another_thing(void **state) {
    uint8_t pixels[24], planes[4];
    (void)state;
    for (int i = 0; i < 24; i++) pixels[i] = (uint8_t)(i % 6 * 30);
    prepare(pixels, 4, 6, 1, &(ito__preparation){.resize_first = true}, 1, 2, planes);
    assert_memory_equal(planes, ((const uint8_t[]){21, 75, 21, 75}), 4);
    prepare(pixels, 4, 6, 1, &(ito__preparation){0}, 1, 2, planes);
    assert_memory_equal(planes, ((const uint8_t[]){51, 99, 51, 99}), 4);
}

static void channels_are_repeated_or_mixed(void **state) {
    static const uint8_t colours[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 200, 200, 200}, grey[] = {1, 2, 3, 4};
    static const ito__preparation how = {0};
    uint8_t planes[12];
    (void)state;
    prepare(colours, 2, 2, 3, &how, 1, 2, planes);
    assert_memory_equal(planes, ((const uint8_t[]){76, 150, 29, 200}), 4);
    prepare(grey, 2, 2, 1, &how, 3, 2, planes);
    assert_memory_equal(planes, ((const uint8_t[]){1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}), 12);
    prepare(colours, 2, 2, 3, &how, 3, 2, planes);
    assert_memory_equal(planes, ((const uint8_t[]){255, 0, 0, 200, 0, 255, 0, 200, 0, 0, 255, 200}), 12);
    prepare(colours, 2, 2, 3, &how, 3, 1, planes); /* each plane for itself: (255 + 200) / 4 */
    assert_memory_equal(planes, ((const uint8_t[]){114, 114, 114}), 3);
    prepare(grey, 2, 2, 1, &how, 3, 1, planes);
    assert_memory_equal(planes, ((const uint8_t[]){2, 2, 2}), 3); /* 2.5, to even */
}

static void padding_leaves_the_picture_alone(void **state) {
    static const uint8_t grey[] = {1, 2, 3, 4};
    uint8_t planes[16];
    (void)state;
    prepare(grey, 2, 2, 1, &(ito__preparation){.pad = true}, 1, 4, planes);
    assert_memory_equal(planes, ((const uint8_t[]){0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0}), 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resizing_gives_the_numbers_worked_out_by_hand),
        cmocka_unit_test(resizing_equals_the_direct_sum),
        cmocka_unit_test(the_middle_is_cut_out),
        cmocka_unit_test(resizing_before_cutting_is_another_thing),
        cmocka_unit_test(channels_are_repeated_or_mixed),
        cmocka_unit_test(padding_leaves_the_picture_alone),
    };
    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
