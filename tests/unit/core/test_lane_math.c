/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions of lane_math.h against libm in long double, in units of the last place of a double.
 */
#include "core/lane_math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <ito/random.h>

enum { COUNT = 1 << 18, PIECE = 1 << 10 };

static double ulps(double x, long double exact) {
    int exponent;
    frexpl(exact, &exponent);
    return (double)(fabsl((long double)x - exact) / ldexpl(1, exponent - 53));
}

/* The largest error of a measure over uniforms u in (0, 1). */
static double worst_of(double (*error)(double u)) {
    static double u[PIECE];
    double worst = 0;
    for (uint32_t step = 0; step < COUNT / PIECE; step++) {
        ito_random_uniform((ito_stream){2, ITO_RNG_USER, 0}, step, PIECE, u);
        for (int i = 0; i < PIECE; i++) worst = fmax(worst, error(u[i]));
    }
    return worst;
}

static void expect(const char *what, double (*error)(double u), double bound) {
    const double worst = worst_of(error);
    print_message("%s: %.2f units of the last place (bound %g)\n", what, worst, bound);
    assert_true(worst < bound);
}

static double log_below_one(double u) {
    return ulps(lane_log(u), logl(u));
}

/* Where log x is small its error stays relative: x = 1 +- 2^-51 .. 1. */
static double log_near_one(double u) {
    const double step = ldexp(1, -(int)(51 * u)), x = u < 0.5 ? 1 + step : 1 - step / 2;
    return ulps(lane_log(x), logl(x));
}

static double log_everywhere(double u) {
    const double x = ldexp(1 + u, (int)(2000 * u) - 1000);
    return ulps(lane_log(x), logl(x));
}

static void log_is_within_three_units(void **state) {
    (void)state;
    expect("log on (0, 1)", log_below_one, 3);
    expect("log near 1", log_near_one, 3);
    expect("log of 2^-1000 to 2^1000", log_everywhere, 3);
    assert_true(lane_log(1) == 0);
}

static const long double two_pi = 6.28318530717958647692528676655900577L;

/* The turn less its nearest quarter q / 4 is exact; sin(2 pi u + q pi / 2) from there. Taken whole, 2 pi u in
 * long double would lose digits next to the axes. */
static long double sine_of(double u, int quarters) {
    const int q = (int)floor(4 * u + 0.5);
    const long double angle = two_pi * (u - q / 4.0);
    const long double turned[4] = {sinl(angle), cosl(angle), -sinl(angle), -cosl(angle)};
    return turned[(q + quarters) % 4];
}

static double sine_error(double u) {
    double s, c;
    lane_sincos_turn(u, &s, &c);
    return ulps(s, sine_of(u, 0));
}

static double cosine_error(double u) {
    double s, c;
    lane_sincos_turn(u, &s, &c);
    return ulps(c, sine_of(u, 1));
}

static void sine_and_cosine_are_within_three_units(void **state) {
    (void)state;
    expect("sine of a turn", sine_error, 3);
    expect("cosine of a turn", cosine_error, 3);
}

static void quarter_turns_are_exact(void **state) {
    (void)state;
    const double want[5][2] = {{0, 1}, {1, 0}, {0, -1}, {-1, 0}, {0, 1}};
    for (int q = 0; q < 5; q++) {
        double s, c;
        lane_sincos_turn(q * 0.25, &s, &c);
        assert_true(s == want[q][0] && c == want[q][1]);
    }
}

static double exp_error(double u) {
    return ulps(lane_exp_negative(-707 * u), expl(-707 * (long double)u));
}

static double exp_near_zero(double u) {
    return ulps(lane_exp_negative(-u), expl(-(long double)u));
}

static void exp_is_within_two_units(void **state) {
    (void)state;
    expect("exp on (-707, 0)", exp_error, 2);
    expect("exp on (-1, 0)", exp_near_zero, 2);
    assert_true(lane_exp_negative(0) == 1);
}

static void exp_ends_in_zero(void **state) {
    (void)state;
    assert_true(lane_exp_negative(-707) > 0);
    assert_true(lane_exp_negative(-708) == 0);
    assert_true(lane_exp_negative(-1e300) == 0);
    assert_true(lane_exp_negative(-INFINITY) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_is_within_three_units), cmocka_unit_test(sine_and_cosine_are_within_three_units),
        cmocka_unit_test(quarter_turns_are_exact),   cmocka_unit_test(exp_is_within_two_units),
        cmocka_unit_test(exp_ends_in_zero),
    };
    return cmocka_run_group_tests_name("lane_math", tests, NULL, NULL);
}
