/* SPDX-License-Identifier: Apache-2.0
 *
 * A Brownian path has the covariance min(s, t), whatever the order of questions.
 *
 * Ten moments over 20,000 values, each within 5 standard errors: false alarm below 1e-5 per
 * seed; the seed is fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/brownian.h"
#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { n = 10000, dim = 2 };

static const double length = 3;

static void ask(int64_t sample, double u, double *w) {
    double end[dim], z[dim];
    ito__brownian((ito_stream){7, ITO_RNG_PREDICTOR, sample}, length, u, dim, w, end, z);
}

static void increments_are_independent_and_of_the_right_size(void **state) {
    (void)state;
    /* Neighbours in the tree and far apart, shallow and deep. */
    const double u[5] = {0, 0x5p-12, 0.25, 0.25 + 0x1p-20, 1};
    double moment[4][4] = {{0}};
    for (int64_t k = 0; k < n; k++) {
        double w[5][dim];
        for (int i = 4; i >= 0; i--) ask(k, u[i], w[i]);
        for (int d = 0; d < dim; d++)
            for (int i = 0; i < 4; i++)
                for (int j = 0; j <= i; j++) {
                    const double a = (w[i + 1][d] - w[i][d]) / sqrt(length * (u[i + 1] - u[i]));
                    const double b = (w[j + 1][d] - w[j][d]) / sqrt(length * (u[j + 1] - u[j]));
                    moment[i][j] += a * b / (n * dim);
                }
    }
    double worst = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j <= i; j++)
            worst = fmax(worst, fabs(moment[i][j] - (i == j)) * sqrt(n * dim / (i == j ? 2.0 : 1.0)));
    print_message("moments off by %.2f standard errors (bound 5)\n", worst);
    assert_true(worst < 5);
}

static void the_path_does_not_depend_on_the_questions(void **state) {
    (void)state;
    double w[dim], again[dim], end[dim];
    ask(3, 0.375, w);
    ask(3, 1, end);
    ask(3, 0.375, again);
    assert_memory_equal(w, again, sizeof w);
    ask(3, 0, again);
    assert_true(again[0] == 0 && again[1] == 0);
    /* As fine as draws can be named, the path is still near its neighbour. */
    ask(3, 0.375 + 0x1p-31, again);
    assert_true(again[0] != w[0] && fabs(again[0] - w[0]) < 6 * sqrt(length * 0x1p-31));
    ask(3, 1 - 0x1p-31, again);
    assert_true(again[1] != end[1] && fabs(again[1] - end[1]) < 6 * sqrt(length * 0x1p-31));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(increments_are_independent_and_of_the_right_size),
        cmocka_unit_test(the_path_does_not_depend_on_the_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
