/* SPDX-License-Identifier: Apache-2.0
 *
 * Sizes at both ends: a million points of the plane, one image of three million values, and products that no
 * machine holds. A large run agrees with small ones in every bit that they share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ito/analytic.h>

static ito_pc_options short_run(const ito_sde *sde, const char *predictor, const char *corrector) {
    ito_pc_options options = ito_pc_default(sde);
    options.predictor = predictor;
    options.corrector = corrector;
    options.steps = 2;
    options.seed = 3;
    return options;
}

static void draw(const ito_sde *sde, const ito_score *score, const ito_pc_options *options, int64_t n,
                 double *x) {
    ito_error err;
    if (ito_pc_sample(sde, score, options, n, x, NULL, &err) != ITO_OK) fail_msg("%s", err.message);
}

static void a_million_points_are_those_drawn_alone(void **state) {
    (void)state;
    const int64_t n = 1000000, alone[] = {0, 1, 499999, 65535, 65536, 999999};
    const ito_sde sde = ito_sde_default(ITO_SDE_VE);
    ito_density *density;
    assert_int_equal(ito_mixture_named(&sde, "8gaussians", &density, NULL), ITO_OK);
    const ito_score score = ito_density_score(density);
    ito_pc_options options = short_run(&sde, "euler_maruyama", "langevin");
    double *x = malloc((size_t)n * 2 * sizeof *x), one[2];
    draw(&sde, &score, &options, n, x);
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        options.first_sample = alone[i];
        draw(&sde, &score, &options, 1, one);
        assert_memory_equal(one, x + 2 * alone[i], sizeof one);
    }
    free(x);
    ito_density_free(density);
}

/* That of N(0, I), where OU comes to rest, value by value. */
static ito_status normal_score(void *self, int64_t n, const double *x, const double *t, double *score,
                               ito_error *err) {
    const int64_t dim = *(const int64_t *)self;
    (void)t, (void)err;
    for (int64_t i = 0; i < n * dim; i++) score[i] = -x[i];
    return ITO_OK;
}

static void three_million_values_begin_with_those_of_a_small_image(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_OU);
    const ito_pc_options options = short_run(&sde, "euler_maruyama", "ald");
    int64_t large = 3 * 1024 * 1024, small = 1001;
    double *x = malloc((size_t)large * sizeof *x), y[1001], square = 0;
    const ito_score large_score = {.self = &large, .dim = large, .eval = normal_score};
    const ito_score small_score = {.self = &small, .dim = small, .eval = normal_score};
    draw(&sde, &large_score, &options, 1, x);
    draw(&sde, &small_score, &options, 1, y);
    assert_memory_equal(x, y, sizeof y);
    for (int64_t j = 0; j < large; j++) square += x[j] * x[j] / (double)large;
    print_message("mean square of %lld values: %.4f\n", (long long)large, square);
    assert_true(square > 0 && square < 1e6);
    free(x);
}

static void sizes_that_no_machine_holds_are_refused(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    const ito_pc_options options = short_run(&sde, "euler_maruyama", "none");
    /* Products past 2^63, a multiple of 2^64, and past the address space alone. */
    const int64_t sizes[][2] = {{INT64_C(1) << 40, INT64_C(1) << 40},
                                {INT64_C(1) << 20, INT64_C(1) << 44},
                                {1, INT64_MAX},
                                {1, INT64_C(1) << 58}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int64_t dim = sizes[i][1];
        const ito_score score = {.self = &dim, .dim = dim, .eval = normal_score};
        double x = 7;
        ito_error err = {0};
        assert_int_equal(ito_pc_sample(&sde, &score, &options, sizes[i][0], &x, NULL, &err), ITO_E_NOMEM);
        print_message("%s\n", err.message);
        assert_true(x == 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_points_are_those_drawn_alone),
        cmocka_unit_test(three_million_values_begin_with_those_of_a_small_image),
        cmocka_unit_test(sizes_that_no_machine_holds_are_refused),
    };
    return cmocka_run_group_tests_name("sampler_sizes", tests, NULL, NULL);
}
