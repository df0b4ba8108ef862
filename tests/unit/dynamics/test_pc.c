/* SPDX-License-Identifier: Apache-2.0
 *
 * The passes over rows that methods are written in, at every place where a loop has its end.
 */
#include "dynamics/pc.h"
#include "dynamics/rows.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every position of a short array, and of a long one those around the pieces that threads take. */
static void a_value_that_is_not_finite_is_found_wherever_it_is(void **state) {
    (void)state;
    const int64_t shapes[][2] = {{1, 1}, {1, 40}, {8, 3}, {20, 2}, {5, 16}, {9000, 2}, {3, 4097}};
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int64_t n = shapes[i][0], dim = shapes[i][1], count = n * dim;
        double *v = malloc((size_t)count * sizeof *v);
        for (int64_t j = 0; j < count; j++) v[j] = (j % 2 ? 1e308 : -1e308);
        assert_int_equal(ito__first_bad_row(n, dim, v), n);
        for (int64_t j = 0; j<count; j += count> 1000 && j % 4096 > 40 && j % 4096 < 4050 ? 37 : 1)
            for (int b = 0; b < 3; b++) {
                const double kept[2] = {v[j], v[count - 1]};
                v[count - 1] = NAN; /* the first of two counts */
                v[j] = bad[b];
                assert_int_equal(ito__first_bad_row(n, dim, v), j / dim);
                v[count - 1] = kept[1];
                v[j] = kept[0];
            }
        free(v);
    }
}

static void norms_are_those_of_a_plain_sum(void **state) {
    (void)state;
    double worst = 0;
    for (int64_t dim = 1; dim <= 100; dim++) {
        double v[300], norm[3];
        ito_random_normal((ito_stream){1, ITO_RNG_USER, dim}, 0, 3 * dim, v);
        ito__row_norms(3, dim, v, norm);
        for (int64_t k = 0; k < 3; k++) {
            long double sum = 0;
            for (int64_t j = 0; j < dim; j++) sum += (long double)v[k * dim + j] * v[k * dim + j];
            worst = fmax(worst, (double)fabsl(norm[k] / sqrtl(sum) - 1));
            assert_true(norm[k] == ito__norm(dim, v + k * dim));
        }
    }
    /* The sum of 100 squares rounds up to 100 / 16 + 16 times, which the root halves. */
    print_message("norm: off by %.1e (bound 2e-15)\n", worst);
    assert_true(worst < 2e-15);
}

enum { LONGEST = 1100, TERMS = 3 };

/* What every pass makes of `count` values of v, and what lies behind its results. */
typedef struct passes {
    bool finite[2];
    double squares, x[2][LONGEST + 1], x_mean[2][LONGEST + 1], combined[LONGEST + 1];
} passes;

static void run(const ito__row_kernel *kernel, int64_t count, double v[TERMS + 1][LONGEST + 1], passes *p) {
    const double c[TERMS] = {0.3, -1.7, 0.9};
    const double *const terms[TERMS] = {v[0], p->combined, v[2]};
    memset(p, 0x5a, sizeof *p);
    p->finite[0] = kernel->all_finite(count, v[0]);
    p->finite[1] = kernel->all_finite(count, v[TERMS]); /* which ends in a NaN */
    p->squares = kernel->sum_of_squares(count, v[0]);
    for (int i = 0; i < 2; i++) {
        memcpy(p->x[i], v[1], (size_t)count * sizeof *v[1]);
        kernel->update(count, 0.99, 0.37, 0.41, v[0], i ? v[2] : NULL, p->x[i], p->x_mean[i]);
    }
    memcpy(p->combined, v[1], (size_t)count * sizeof *v[1]);
    kernel->combine(count, TERMS, c, terms, 0, p->combined);
}

static void every_instruction_set_gives_the_same_bits(void **state) {
    (void)state;
    static double v[TERMS + 1][LONGEST + 1];
    static passes plain, fast;
    for (int k = 0; k <= TERMS; k++) ito_random_normal((ito_stream){2, ITO_RNG_USER, k}, 0, LONGEST, v[k]);
    for (int64_t count = 1; count <= LONGEST; count += count < 70 || count > 1000 ? 1 : 37) {
        const double last = v[TERMS][count - 1];
        v[TERMS][count - 1] = NAN;
        run(&ito__rows_plain, count, v, &plain);
        assert_true(plain.finite[0] && !plain.finite[1]);
        for (int64_t j = 0; j < count; j++) {
            assert_true(plain.x_mean[1][j] == 0.99 * v[1][j] + 0.37 * v[0][j]);
            assert_true(plain.x[0][j] == plain.x_mean[0][j] && plain.x_mean[0][j] == plain.x_mean[1][j]);
            assert_true(plain.x[1][j] == plain.x_mean[1][j] + 0.41 * v[2][j]);
            assert_true(plain.combined[j] == 0.3 * v[0][j] + -1.7 * v[1][j] + 0.9 * v[2][j]);
        }
        for (int isa = ITO__ISA_PLAIN + 1; isa <= (int)ito__isa_detect(); isa++) {
            run(ito__rows_for((ito__isa)isa), count, v, &fast);
            assert_memory_equal(&fast, &plain, sizeof plain);
        }
        v[TERMS][count - 1] = last;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_is_not_finite_is_found_wherever_it_is),
        cmocka_unit_test(norms_are_those_of_a_plain_sum),
        cmocka_unit_test(every_instruction_set_gives_the_same_bits),
    };
    return cmocka_run_group_tests_name("pc", tests, NULL, NULL);
}
