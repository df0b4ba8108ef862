/* SPDX-License-Identifier: Apache-2.0
 *
 * Named point sets: each lies where its definition puts it, around 0, the same however a batch is split.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/analytic.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { n = 20000 };
static double x[2 * n];

static void draw(const char *name) {
    assert_int_equal(ito_points_sample(name, 3, 0, n, x, NULL), ITO_OK);
}

/* The largest distance of a mean from 0 is the swiss roll's, 0.28. */
static void every_set_is_around_zero_and_inside_three(void **state) {
    (void)state;
    const char *name;
    int count = 0;
    for (; (name = ito_points_name(count)) != NULL; count++) {
        double sum[2] = {0}, squares = 0, reach = 0;
        draw(name);
        for (int j = 0; j < 2 * n; j++) {
            sum[j % 2] += x[j];
            squares += x[j] * x[j];
            reach = fmax(reach, fabs(x[j]));
        }
        const double std = sqrt(squares / (2 * n));
        print_message("%-12s mean (%.2f, %.2f) deviation %.2f reach %.2f\n", name, sum[0] / n, sum[1] / n,
                      std, reach);
        assert_true(hypot(sum[0], sum[1]) / n < 0.35 && std > 0.5 && std < 1.5 && reach < 3);
        assert_non_null(ito_points_summary(count));
    }
    assert_int_equal(count, 6);
    assert_null(ito_points_name(-1));
    assert_null(ito_points_summary(count));
}

static void draws_do_not_depend_on_the_batch(void **state) {
    (void)state;
    const char *name;
    double parts[2 * 10];
    for (int i = 0; (name = ito_points_name(i)) != NULL; i++) {
        draw(name);
        assert_int_equal(ito_points_sample(name, 3, 0, 4, parts, NULL), ITO_OK);
        assert_int_equal(ito_points_sample(name, 3, 4, 6, parts + 8, NULL), ITO_OK);
        assert_memory_equal(parts, x, sizeof parts);
    }
}

static void unknown_set_lists_the_known_ones(void **state) {
    (void)state;
    ito_error err;
    x[0] = 77;
    assert_int_equal(ito_points_sample("circles", 0, 0, 1, x, &err), ITO_E_ARG);
    assert_true(x[0] == 77);
    assert_string_equal(err.message, "points: \"circles\" is not known: use one of swissroll, checkerboard, "
                                     "8gaussians, moons, spirals, pinwheel");
}

/* Eight squares hold n/8 points each; a count off by 5 deviations has probability 6e-7, one of eight 5e-6. */
static void checkerboard_fills_its_squares_evenly(void **state) {
    (void)state;
    int count[4][4] = {{0}};
    draw("checkerboard");
    for (int k = 0; k < n; k++) count[(int)floor(x[2 * k] + 2)][(int)floor(x[2 * k + 1] + 2)]++;
    const double expected = n / 8.0, bound = 5 * sqrt(expected * 7 / 8);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            if ((i + j) % 2 == 0)
                assert_true(fabs(count[i][j] - expected) < bound);
            else
                assert_int_equal(count[i][j], 0);
        }
}

/* A point of a curve with noise of deviation s is within 5 s of it but for one of a million. */
static void moons_and_spirals_lie_on_their_curves(void **state) {
    (void)state;
    draw("moons");
    for (int k = 0; k < n; k++) {
        const double side = hypot(x[2 * k] + 0.5, x[2 * k + 1] + 0.25);
        const double other = hypot(x[2 * k] - 0.5, x[2 * k + 1] - 0.25);
        assert_true(fmin(fabs(side - 1), fabs(other - 1)) < 0.4);
    }
    const char *const curves[] = {"spirals", "swissroll"};
    const double pi = 3.14159265358979323846;
    for (int c = 0; c < 2; c++) {
        draw(curves[c]);
        for (int k = 0; k < n; k++) {
            const double radius = hypot(x[2 * k], x[2 * k + 1]), angle = atan2(x[2 * k + 1], x[2 * k]);
            const double gap = c == 0 ? pi : 2 * pi; /* of angle between turns */
            const double slope = c == 0 ? 2 / (3 * pi) : 2 / (4.5 * pi);
            const double off = remainder(radius / slope - angle, gap) * slope;
            assert_true(fabs(off) < 0.36 || radius < 0.4);
        }
    }
}

static void eight_gaussians_are_the_mixture_of_that_name(void **state) {
    (void)state;
    static double y[2 * n], t[n], log_p[n];
    const ito_sde sde = ito_sde_default(ITO_SDE_VP); /* b(0) = 0 */
    ito_density *density;
    assert_int_equal(ito_mixture_named(&sde, "8gaussians", &density, NULL), ITO_OK);
    assert_int_equal(ito_density_sample(density, 3, 0, 0, n, y, NULL), ITO_OK);
    draw("8gaussians");
    double worst = 0, sum = 0;
    for (int j = 0; j < 2 * n; j++) worst = fmax(worst, fabs(x[j] - y[j]));
    assert_true(worst < 1e-14);
    /* Components hardly overlap, so the mean of log p is that of one Gaussian, -1 - log(2 pi s^2), less log
     * 8; its deviation is 1: 5 standard errors. */
    ito_density_log(density, n, x, t, log_p);
    for (int k = 0; k < n; k++) sum += log_p[k];
    const double expected = -1 - log(2 * 3.14159265358979323846 * 0.04) - log(8);
    print_message("mean log p %.4f, expected %.4f\n", sum / n, expected);
    assert_true(fabs(sum / n - expected) < 5 / sqrt(n) + 1e-3);
    ito_density_free(density);
}

/* Mean of exp(i w x) over points [count, 2]. */
static void characteristic(int64_t count, const double *points, double w0, double w1, double phi[2]) {
    phi[0] = phi[1] = 0;
    for (int64_t k = 0; k < count; k++) {
        const double phase = w0 * points[2 * k] + w1 * points[2 * k + 1];
        phi[0] += cos(phase) / (double)count;
        phi[1] += sin(phase) / (double)count;
    }
}

/* Characteristic functions of independent samples of set and mixture at 24 frequencies. The real and the
 * imaginary part of a difference deviate by at most sqrt(2 / count): one of the 288 values leaves 5
 * deviations with probability 2e-4. Where the laws differ, as the edges of the checkerboard, that is below
 * the bound. */
static void every_mixture_has_the_law_of_its_set(void **state) {
    (void)state;
    enum { count = 20000 };
    static double points[2 * count], draws[2 * count];
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    const double bound = 5 * sqrt(2.0 / count);
    const char *name;
    for (int i = 0; (name = ito_points_name(i)) != NULL; i++) {
        ito_density *density;
        assert_int_equal(ito_mixture_named(&sde, name, &density, NULL), ITO_OK);
        assert_int_equal(ito_density_sample(density, 4, 0, 0, count, draws, NULL), ITO_OK);
        assert_int_equal(ito_points_sample(name, 5, 0, count, points, NULL), ITO_OK);
        double worst = 0;
        for (int w0 = 0; w0 < 5; w0++)
            for (int w1 = 0; w1 < 5; w1++) {
                double p[2], q[2];
                characteristic(count, points, w0, w1, p);
                characteristic(count, draws, w0, w1, q);
                worst = fmax(worst, fmax(fabs(p[0] - q[0]), fabs(p[1] - q[1])));
            }
        print_message("%-12s largest difference %.4f, bound %.4f\n", name, worst, bound);
        assert_true(worst < bound);
        ito_density_free(density);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_is_around_zero_and_inside_three),
        cmocka_unit_test(draws_do_not_depend_on_the_batch),
        cmocka_unit_test(unknown_set_lists_the_known_ones),
        cmocka_unit_test(checkerboard_fills_its_squares_evenly),
        cmocka_unit_test(moons_and_spirals_lie_on_their_curves),
        cmocka_unit_test(eight_gaussians_are_the_mixture_of_that_name),
        cmocka_unit_test(every_mixture_has_the_law_of_its_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
