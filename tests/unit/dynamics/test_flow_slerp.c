/* SPDX-License-Identifier: Apache-2.0
 *
 * Spherical interpolation: ends, lengths, angles, and the vectors where the usual formula divides by 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/flow.h>
#include <ito/random.h>

#include <math.h>
#include <string.h>

enum { dim = 64 };
static const double bound = 1e-13, pi = 3.14159265358979323846;

static void draw(int64_t sample, double *x) {
    ito_random_normal((ito_stream){.seed = 9, .purpose = ITO_RNG_USER, .sample = sample}, 0, dim, x);
}

static double dot(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += a[j] * b[j];
    return sum;
}

static double length(int64_t n, const double *a) {
    return sqrt(dot(n, a, a));
}

static void scale_to(double target, double *x) {
    const double now = length(dim, x);
    for (int j = 0; j < dim; j++) x[j] *= target / now;
}

static void ends_are_exact(void **state) {
    (void)state;
    double a[dim], b[dim], out[dim];
    draw(0, a);
    draw(1, b);
    ito_slerp(dim, a, b, 0, out);
    assert_memory_equal(out, a, sizeof a);
    ito_slerp(dim, a, b, 1, out);
    assert_memory_equal(out, b, sizeof b);
}

static void length_is_kept_and_the_angle_is_even(void **state) {
    (void)state;
    double a[dim], b[dim], out[dim], worst_length = 0, worst_angle = 0;
    draw(0, a);
    draw(1, b);
    scale_to(5, a);
    scale_to(5, b);
    const double theta = acos(dot(dim, a, b) / 25);
    for (int i = 1; i < 20; i++) {
        const double w = i / 20.0;
        ito_slerp(dim, a, b, w, out);
        worst_length = fmax(worst_length, fabs(length(dim, out) - 5));
        worst_angle = fmax(worst_angle, fabs(acos(dot(dim, a, out) / 25) - w * theta));
        worst_angle = fmax(worst_angle, fabs(acos(dot(dim, b, out) / 25) - (1 - w) * theta));
    }
    print_message("length off by %.1e, angle by %.1e, bound %.0e\n", worst_length, worst_angle, bound);
    assert_true(worst_length < bound && worst_angle < bound);
}

/* sin((1 - w) theta) / sin(theta) a + sin(w theta) / sin(theta) b where that is well defined. */
static void agrees_with_the_published_formula(void **state) {
    (void)state;
    double a[dim], b[dim], out[dim], worst = 0;
    draw(2, a);
    draw(3, b);
    scale_to(2, a);
    scale_to(2, b);
    const double theta = acos(dot(dim, a, b) / 4), w = 0.3;
    ito_slerp(dim, a, b, w, out);
    for (int j = 0; j < dim; j++) {
        const double expected = (sin((1 - w) * theta) * a[j] + sin(w * theta) * b[j]) / sin(theta);
        worst = fmax(worst, fabs(out[j] - expected));
    }
    print_message("largest difference %.1e, bound %.0e\n", worst, bound);
    assert_true(worst < bound);
}

static void lengths_are_interpolated_evenly(void **state) {
    (void)state;
    double a[dim], b[dim], out[dim];
    draw(4, a);
    draw(5, b);
    scale_to(1, a);
    scale_to(3, b);
    ito_slerp(dim, a, b, 0.25, out);
    assert_true(fabs(length(dim, out) - 1.5) < bound);
}

/* From equal vectors over nearly equal to opposite ones: length and angles hold, nothing is NaN. */
static void parallel_vectors_need_no_care(void **state) {
    (void)state;
    static const double offs[] = {0, 1e-300, 1e-17, 1e-13, 1e-11, 1e-9, 1e-6};
    double a[dim], b[dim], across[dim], out[dim], worst = 0;
    draw(6, a);
    draw(7, across);
    scale_to(1, a);
    const double along = dot(dim, a, across);
    for (int j = 0; j < dim; j++) across[j] -= along * a[j];
    scale_to(1, across);
    for (int side = -1; side <= 1; side += 2)
        for (size_t i = 0; i < sizeof offs / sizeof offs[0]; i++) {
            for (int j = 0; j < dim; j++) b[j] = side * a[j] + offs[i] * across[j];
            scale_to(1, b);
            ito_slerp(dim, a, b, 0.5, out);
            worst = fmax(worst, fabs(length(dim, out) - 1));
            const double off_b =
                fabs(dot(dim, a, out) - dot(dim, b, out)); /* the middle is as far from both */
            worst = fmax(worst, off_b);
            const double half = side > 0 ? 0 : pi / 2;
            worst = fmax(worst, fabs(acos(fmin(1, dot(dim, a, out))) - half) - fmax(offs[i], 3e-8));
        }
    print_message("largest error %.1e, bound 1e-11\n", worst);
    assert_true(worst < 1e-11);
}

static void zero_goes_straight(void **state) {
    (void)state;
    const double a[3] = {0}, b[3] = {2, -4, 6}, expected[3] = {0.5, -1, 1.5};
    double out[3];
    ito_slerp(3, a, b, 0.25, out);
    assert_memory_equal(out, expected, sizeof out);
    ito_slerp(3, b, a, 0.75, out);
    assert_memory_equal(out, expected, sizeof out);
}

static void one_dimension_stays_finite(void **state) {
    (void)state;
    const double a = 2, b = 4, c = -2;
    double out;
    ito_slerp(1, &a, &b, 0.5, &out);
    assert_true(fabs(out - 3) < bound);
    ito_slerp(1, &a, &c, 0.5, &out);
    assert_true(fabs(out) < bound);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_exact),
        cmocka_unit_test(length_is_kept_and_the_angle_is_even),
        cmocka_unit_test(agrees_with_the_published_formula),
        cmocka_unit_test(lengths_are_interpolated_evenly),
        cmocka_unit_test(parallel_vectors_need_no_care),
        cmocka_unit_test(zero_goes_straight),
        cmocka_unit_test(one_dimension_stays_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
