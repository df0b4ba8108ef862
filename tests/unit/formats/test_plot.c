/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts: what is drawn where, and what cannot be drawn. Looks are judged by eye.
 */
#include "formats/canvas.h"
#include "formats/font.h"
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void draw(const ito_plot *plot, ito_images *out) {
    const char *path = scratch_path("plot.png");
    ito_error err = {0};
    ito_status st = ito_plot_write(path, plot, &err);
    if (st != ITO_OK) print_error("%s\n", err.message);
    assert_int_equal(st, ITO_OK);
    assert_int_equal(ito_png_read(path, out, &err), ITO_OK);
    assert_int_equal(out->height, 540);
    assert_int_equal(out->width, 960);
    assert_int_equal(out->channels, 3);
}

/* Pixels in which blue, the first curve's colour, is much stronger than red; the box and centre of them. */
static int blue_pixels(const ito_images *im, double *mean_x, double *mean_y) {
    int count = 0;
    double x = 0, y = 0;
    for (int i = 0; i < 540; i++) {
        for (int j = 0; j < 960; j++) {
            const uint8_t *p = im->pixels + 3 * (960 * i + j);
            if (p[2] < p[0] + 80) continue;
            count++;
            x += j;
            y += i;
        }
    }
    *mean_x = x / count;
    *mean_y = y / count;
    return count;
}

static void a_rising_line_crosses_the_middle(void **state) {
    const double x[] = {0, 1, 2, 3, 4}, y[] = {0, 1, 2, 3, 4};
    const ito_series s = {NULL, 5, x, y};
    const ito_plot plot = {.n = 1, .series = &s};
    ito_images im;
    double mean_x, mean_y;
    (void)state;
    draw(&plot, &im);
    int count = blue_pixels(&im, &mean_x, &mean_y);
    printf("%d blue pixels about (%.1f, %.1f)\n", count, mean_x, mean_y);
    assert_in_range(count, 900, 4000); /* a line of 890 columns, 2 pixels thick, and five dots */
    assert_true(fabs(mean_x - 485) < 15 && fabs(mean_y - 262) < 10);
    ito_images_release(&im);
}

static void equal_plots_give_equal_files(void **state) {
    const double x[] = {1, 10, 100}, y[] = {1e-3, 1, 20};
    const ito_series s = {"loss", 3, x, y};
    const ito_plot plot = {
        .title = "title", .x_label = "x", .y_label = "y", .log_x = true, .log_y = true, .n = 1, .series = &s};
    ito_images one, two;
    (void)state;
    draw(&plot, &one);
    draw(&plot, &two);
    assert_memory_equal(one.pixels, two.pixels, 960 * 540 * 3);
    ito_images_release(&two);
    ito_images_release(&one);
}

static void a_logarithmic_axis_straightens_a_power(void **state) {
    enum { N = 40 }; /* no dots */
    double x[N], y[N];
    ito_images im;
    (void)state;
    for (int i = 0; i < N; i++) {
        x[i] = pow(10, i / 10.0);
        y[i] = 3 / (x[i] * x[i]);
    }
    const ito_series s = {NULL, N, x, y};
    const ito_plot plot = {.log_x = true, .log_y = true, .n = 1, .series = &s};
    double mean_x, mean_y;
    draw(&plot, &im);
    blue_pixels(&im, &mean_x, &mean_y);
    /* Every blue pixel lies near the diagonal through the centre. */
    double slope = 0, squares = 0, worst = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < 540; i++) {
            for (int j = 0; j < 960; j++) {
                const uint8_t *p = im.pixels + 3 * (960 * i + j);
                if (p[2] < p[0] + 80) continue;
                if (pass == 0) {
                    slope += (j - mean_x) * (i - mean_y);
                    squares += (j - mean_x) * (j - mean_x);
                } else {
                    worst = fmax(worst, fabs(i - mean_y - slope / squares * (j - mean_x)));
                }
            }
        }
    }
    printf("largest distance from a straight line: %.2f pixels, bound 3\n", worst);
    assert_true(slope > 0 && worst < 3);
    ito_images_release(&im);
}

static void values_that_cannot_be_drawn_are_left_out(void **state) {
    const double x[] = {1, 2, 3, 4, 5, 6, 7}, y[] = {1, NAN, INFINITY, -1, 0, 1e301, 2};
    const ito_series s = {"holes", 7, x, y};
    const ito_plot plot = {
        .title = "t", .x_label = "x", .y_label = "y", .log_x = false, .log_y = true, .n = 1, .series = &s};
    ito_images im;
    (void)state;
    draw(&plot, &im);
    ito_images_release(&im);
}

static void odd_ranges_are_drawn(void **state) {
    static const double ranges[][2] = {{0, 0},          {5, 5},         {-3, -3},        {1e-300, 2e-300},
                                       {-9e299, 9e299}, {1, 1 + 1e-15}, {1e9, 2e9},      {123456, 654321},
                                       {-1e-7, 1e-7},   {1e-12, 1e12},  {99999, 100001}, {1e15, 1e16}};
    (void)state;
    for (size_t k = 0; k < sizeof ranges / sizeof ranges[0]; k++) {
        const ito_series s = {"range", 2, ranges[k], ranges[k]};
        for (int log = 0; log < 2; log++) {
            const ito_plot plot = {.title = "odd",
                                   .x_label = "x",
                                   .y_label = "y",
                                   .log_x = log,
                                   .log_y = log,
                                   .n = 1,
                                   .series = &s};
            ito_images im;
            if (log && ranges[k][0] <= 0) continue;
            draw(&plot, &im);
            ito_images_release(&im);
        }
    }
}

static void a_plot_without_points_is_refused(void **state) {
    const double bad[] = {NAN, -1, 0};
    const ito_series none = {"none", 0, NULL, NULL}, undrawable = {"bad", 3, bad, bad};
    const ito_plot plots[] = {
        {.n = 0}, {.n = 1, .series = &none}, {.log_y = true, .n = 1, .series = &undrawable}};
    (void)state;
    for (int k = 0; k < 3; k++) {
        ito_error err;
        assert_int_equal(ito_plot_write(scratch_path("none.png"), &plots[k], &err), ITO_E_ARG);
        assert_non_null(strstr(err.message, "no point to draw"));
        assert_int_not_equal(access(scratch_path("none.png"), F_OK), 0);
    }
}

static void many_curves_and_strange_labels_do_no_harm(void **state) {
    enum { MANY = 60 };
    static const double x[] = {0, 1}, y[] = {0, 1};
    ito_series s[MANY];
    char label[300];
    ito_images im;
    (void)state;
    for (int i = 0; i < 299; i++) label[i] = (char)(i + 1);
    label[299] = '\0';
    for (int k = 0; k < MANY; k++) s[k] = (ito_series){label, 2, x, y};
    const ito_plot plot = {.title = label,
                           .x_label = label,
                           .y_label = label,
                           .log_x = false,
                           .log_y = false,
                           .n = MANY,
                           .series = s};
    draw(&plot, &im);
    ito_images_release(&im);
    const ito_plot three = {.title = label,
                            .x_label = label,
                            .y_label = label,
                            .log_x = false,
                            .log_y = false,
                            .n = 3,
                            .series = s};
    draw(&three, &im);
    ito_images_release(&im);
}

/* Pixels of a colour within a box. */
static int count_near(const ito_images *im, int top, int bottom, int red, int green, int blue) {
    int count = 0;
    for (int i = top; i < bottom; i++) {
        for (int j = 0; j < im->width; j++) {
            const uint8_t *p = im->pixels + 3 * (im->width * i + j);
            count += abs(p[0] - red) < 8 && abs(p[1] - green) < 8 && abs(p[2] - blue) < 8;
        }
    }
    return count;
}

/* Two charts, the second with a band over the lower half of its range and a legend beside. */
static void charts_stand_below_one_another(void **state) {
    const double x[] = {1, 2, 3, 4}, y[] = {1, 4, 2, 3};
    const ito_series s[] = {{"first", 4, x, y}, {"second", 4, x, x}};
    const ito_plot plots[] = {{.title = "upper", .n = 1, .series = s},
                              {.title = "lower",
                               .n = 2,
                               .series = s,
                               .y_low = 1,
                               .y_high = 5,
                               .band_label = "band",
                               .band_low = 1,
                               .band_high = 3,
                               .legend_beside = true}};
    ito_images im;
    ito_error err;
    (void)state;
    assert_int_equal(ito_plots_write(scratch_path("two.png"), 2, plots, &err), ITO_OK);
    assert_int_equal(ito_png_read(scratch_path("two.png"), &im, &err), ITO_OK);
    assert_int_equal(im.height, 1080);
    int above = count_near(&im, 0, 540, 218, 218, 218), below = count_near(&im, 540, 1080, 218, 218, 218);
    int orange = count_near(&im, 540, 1080, 213, 94, 0);
    printf("%d and %d pixels of the band, %d of the second curve\n", above, below, orange);
    assert_true(above < 500 && below > 700 * 200 && below < 820 * 240 && orange > 500);
    ito_images_release(&im);
    assert_int_equal(ito_plots_write(scratch_path("two.png"), 9, plots, &err), ITO_E_ARG);
}

/* Two dozen curves: rows of the legend stand closer, and the last colour is there too. */
static void many_curves_are_named_beside(void **state) {
    enum { MANY = 24 };
    const double x[] = {1, 2}, y[] = {1, 2};
    ito_series s[MANY];
    ito_images im;
    int brown = 0;
    (void)state;
    for (int k = 0; k < MANY; k++) s[k] = (ito_series){"curve", 2, x, y};
    const ito_plot plot = {.n = MANY, .series = s, .legend_beside = true};
    draw(&plot, &im);
    for (int i = 0; i < 540; i++) {
        for (int j = 860; j < 960; j++) { /* right of the chart */
            const uint8_t *p = im.pixels + 3 * (960 * i + j);
            brown += p[0] == 140 && p[1] == 86 && p[2] == 48;
        }
    }
    printf("%d brown pixels in the legend, bound 15\n", brown); /* of curves 8, 16 and 24 */
    assert_true(brown > 15);
    ito_images_release(&im);
}

static void every_letter_has_a_drawing_of_its_own(void **state) {
    (void)state;
    for (int a = '!'; a <= '~'; a++) {
        const char *strokes = ito__glyph_of((char)a).strokes;
        size_t n = strlen(strokes);
        assert_true(n >= 4);
        for (int b = '!'; b < a; b++) assert_string_not_equal(strokes, ito__glyph_of((char)b).strokes);
        for (size_t i = 0; i < n; i += 2) { /* pairs of x and y; a space stands alone */
            if (strokes[i] == ' ') i++;
            assert_in_range(strokes[i], '0', '0' + ito__glyph_of((char)a).width);
            assert_in_range(strokes[i + 1], 'a', 'o');
        }
    }
    assert_string_equal(ito__glyph_of('\xe2').strokes, ito__glyph_of('?').strokes);
}

static void lines_cover_their_area(void **state) {
    (void)state;
    for (int k = 0; k < 12; k++) {
        ito__canvas c;
        double sum = 0, angle = k * 0.27, length = 60, thickness = 3;
        assert_true(ito__canvas_init(&c, 100, 100));
        ito__canvas_line(&c, 50 - length / 2 * cos(angle), 50 - length / 2 * sin(angle),
                         50 + length / 2 * cos(angle), 50 + length / 2 * sin(angle), thickness);
        for (int i = 0; i < 10000; i++) sum += c.coverage[i];
        double area = length * thickness + 3.14159265 * thickness * thickness / 4; /* with round ends */
        printf("line at %.2f rad: area %.1f, expected %.1f +- 3 %%\n", angle, sum, area);
        assert_true(fabs(sum - area) < 0.03 * area);
        ito__canvas_release(&c);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rising_line_crosses_the_middle),
        cmocka_unit_test(equal_plots_give_equal_files),
        cmocka_unit_test(a_logarithmic_axis_straightens_a_power),
        cmocka_unit_test(values_that_cannot_be_drawn_are_left_out),
        cmocka_unit_test(odd_ranges_are_drawn),
        cmocka_unit_test(a_plot_without_points_is_refused),
        cmocka_unit_test(many_curves_and_strange_labels_do_no_harm),
        cmocka_unit_test(charts_stand_below_one_another),
        cmocka_unit_test(many_curves_are_named_beside),
        cmocka_unit_test(every_letter_has_a_drawing_of_its_own),
        cmocka_unit_test(lines_cover_their_area),
    };
    return cmocka_run_group_tests_name("plot", tests, scratch_make, scratch_remove);
}
