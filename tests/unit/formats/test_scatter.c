/* SPDX-License-Identifier: Apache-2.0
 *
 * Scatter pictures: points and density lie where the axes say, whatever the size. Looks are judged by eye.
 */
#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ito_images draw(const ito_scatter *s, int size) {
    ito_images im;
    ito_error err;
    if (ito_scatter_draw(s, size, &im, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_true(im.n == 1 && im.height == size && im.width == size && im.channels == 3);
    return im;
}

static ito_images empty(double half, int size) {
    const ito_scatter none = {.half = half};
    return draw(&none, size);
}

/* The centre of what `with` has and `without` lacks, in pixels from the top left corner. */
static double centre(const ito_images *with, const ito_images *without, double *x, double *y) {
    double sum = 0;
    *x = *y = 0;
    for (int64_t i = 0; i < with->height; i++)
        for (int64_t j = 0; j < with->width; j++) {
            double weight = 0;
            for (int64_t c = 0; c < 3; c++) {
                const int64_t at = (i * with->width + j) * 3 + c;
                weight += abs(with->pixels[at] - without->pixels[at]);
            }
            sum += weight;
            *x += weight * ((double)j + 0.5);
            *y += weight * ((double)i + 0.5);
        }
    *x /= sum;
    *y /= sum;
    return sum;
}

static void where(double half, int size, const double point[2], double *x, double *y) {
    const ito_scatter s = {.half = half, .n = 1, .x = point};
    ito_images with = draw(&s, size), without = empty(half, size);
    assert_true(centre(&with, &without, x, y) > 100);
    ito_images_release(&with);
    ito_images_release(&without);
}

/* The frame's middle and its scale follow from two points; a third must agree, in both directions. */
static void points_lie_where_the_axes_say(void **state) {
    const int sizes[] = {100, 260, 480, 720};
    (void)state;
    for (int k = 0; k < 4; k++) {
        const double half = 3, origin[2] = {0, 0}, right[2] = {2, 0}, up[2] = {-1, 2.5};
        double x0, y0, x1, y1, x2, y2;
        where(half, sizes[k], origin, &x0, &y0);
        where(half, sizes[k], right, &x1, &y1);
        where(half, sizes[k], up, &x2, &y2);
        const double scale = (x1 - x0) / 2;
        const double off = fmax(fabs(x2 - (x0 - scale)), fabs(y2 - (y0 - 2.5 * scale)));
        printf("%d pixels: %.1f a unit, a point off by %.2f pixels, bound 0.6\n", sizes[k], scale, off);
        assert_true(scale * 2 * half > 0.8 * sizes[k] && scale * 2 * half < sizes[k]);
        assert_true(fabs(y1 - y0) < 0.6 && off < 0.6);
    }
}

/* One bright cell pulls the shade to itself: its centre is where a point there would be. */
static void density_lies_under_its_points(void **state) {
    enum { SIDE = 10, ROW = 7, COLUMN = 2, SIZE = 480 };
    double density[SIDE * SIDE] = {0};
    const double half = 2;
    const double point[2] = {half * (2 * (COLUMN + 0.5) / SIDE - 1), half * (2 * (ROW + 0.5) / SIDE - 1)};
    (void)state;
    density[ROW * SIDE + COLUMN] = 5;
    const ito_scatter s = {.half = half, .side = SIDE, .density = density};
    ito_images with = draw(&s, SIZE), without = empty(half, SIZE);
    double x, y, px, py;
    centre(&with, &without, &x, &y);
    where(half, SIZE, point, &px, &py);
    printf("shade at (%.1f, %.1f), point at (%.1f, %.1f), bound 1.5\n", x, y, px, py);
    assert_true(fabs(x - px) < 1.5 && fabs(y - py) < 1.5);
    ito_images_release(&with);
    ito_images_release(&without);
}

static void the_unit_of_a_density_does_not_matter(void **state) {
    const double one[] = {0, 1, 2, 3}, other[] = {0, 0x1p-600, 0x2p-600, 0x3p-600};
    const ito_scatter a = {.half = 1, .side = 2, .density = one},
                      b = {.half = 1, .side = 2, .density = other};
    (void)state;
    ito_images x = draw(&a, 200), y = draw(&b, 200);
    assert_memory_equal(x.pixels, y.pixels, 200 * 200 * 3);
    ito_images_release(&x);
    ito_images_release(&y);
}

static void points_outside_and_nan_leave_no_mark(void **state) {
    const double x[] = {3.1, 0, 0, -3.1, NAN, 0, 0, INFINITY, 1e300, -1e300};
    const ito_scatter s = {.half = 3, .n = 5, .x = x};
    const double dark[] = {0, 0, 0, 0}, odd[] = {NAN, 0, -1, 0};
    const ito_scatter zero = {.half = 3, .side = 2, .density = dark},
                      strange = {.half = 3, .side = 2, .density = odd};
    (void)state;
    ito_images without = empty(3, 300), im[] = {draw(&s, 300), draw(&zero, 300), draw(&strange, 300)};
    for (int k = 0; k < 3; k++) {
        assert_memory_equal(im[k].pixels, without.pixels, 300 * 300 * 3);
        ito_images_release(&im[k]);
    }
    ito_images_release(&without);
}

/* A million points still show where they are many: the ink of a crowd grows with it, but is not full at once.
 */
static void crowds_keep_their_shades(void **state) {
    enum { N = 100000, SIZE = 480 };
    double *x = calloc(N, 2 * sizeof *x);
    (void)state;
    assert_non_null(x);
    for (int k = 0; k < N; k++) { /* twice as many on the right */
        const double u = fmod(k * 0.61803398875, 1), v = fmod(k * 0.41421356237, 1);
        x[2 * k] = k % 3 == 0 ? -u : u;
        x[2 * k + 1] = 2 * v - 1;
    }
    const ito_scatter s = {.half = 1.2, .n = N, .x = x};
    ito_images im = draw(&s, SIZE), without = empty(1.2, SIZE);
    const double origin[2] = {0, 0};
    double left = 0, right = 0, middle, unused;
    where(1.2, SIZE, origin, &middle, &unused);
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++)
            (j < middle ? &left : &right)[0] +=
                without.pixels[3 * (SIZE * i + j)] - im.pixels[3 * (SIZE * i + j)];
    printf("ink on the left / on the right: %.2f, bounds 0.45 and 0.85\n", left / right);
    assert_true(left / right > 0.45 && left / right < 0.85);
    ito_images_release(&im);
    ito_images_release(&without);
    free(x);
}

static void titles_and_odd_ranges_are_drawn(void **state) {
    const double halves[] = {1e-300, 1e-5, 0.7, 9.99, 170, 1e9, 1e300}, x[] = {0, 0};
    (void)state;
    for (int k = 0; k < 7; k++)
        for (int size = 64; size <= 464; size += 200) {
            const ito_scatter s = {
                .title = "t = 0.5, and words that do not fit", .half = halves[k], .n = 1, .x = x};
            ito_images im = draw(&s, size);
            ito_images_release(&im);
        }
}

static void what_cannot_be_drawn_is_named(void **state) {
    const ito_scatter good = {.half = 1},
                      bad[] = {{.half = 0}, {.half = NAN}, {.half = -1}, {.half = INFINITY}};
    ito_images im;
    ito_error err;
    (void)state;
    for (int k = 0; k < 4; k++) {
        assert_int_equal(ito_scatter_draw(&bad[k], 200, &im, &err), ITO_E_ARG);
        assert_non_null(strstr(err.message, "half"));
        assert_null(im.pixels);
    }
    assert_int_equal(ito_scatter_draw(&good, 63, &im, &err), ITO_E_ARG);
    assert_int_equal(ito_scatter_draw(&good, 8193, &im, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "size is 8193"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_lie_where_the_axes_say),
        cmocka_unit_test(density_lies_under_its_points),
        cmocka_unit_test(the_unit_of_a_density_does_not_matter),
        cmocka_unit_test(points_outside_and_nan_leave_no_mark),
        cmocka_unit_test(crowds_keep_their_shades),
        cmocka_unit_test(titles_and_odd_ranges_are_drawn),
        cmocka_unit_test(what_cannot_be_drawn_is_named),
    };
    return cmocka_run_group_tests_name("scatter", tests, NULL, NULL);
}
