/* SPDX-License-Identifier: Apache-2.0
 *
 * Time grids: their ends, their spacing, and runs over them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/grid.h"
#include "support/mixture.h"
#include "support/sde_example.h"
#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { N = 17 };

static double step_in(const char *grid, const ito_sde *sde, double t0, double t1) {
    const double r0 = ito__sde_ratio(sde, t0), r1 = ito__sde_ratio(sde, t1);
    if (strcmp(grid, "karras") == 0) return pow(r1, 1.0 / 7) - pow(r0, 1.0 / 7);
    if (strcmp(grid, "log_snr") == 0) return log(r1) - log(r0);
    return t1 - t0;
}

static void grids_have_both_ends_and_equal_steps_in_their_coordinate(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = sde_example(kind);
        const double eps = ito_sde_sampling_eps(&sde);
        for (int g = 0; ito_grid_name(g) != NULL; g++) {
            const char *grid = ito_grid_name(g);
            double t[N], worst = 0;
            assert_int_equal(ito_grid_fill(&sde, grid, eps, N, t, NULL), ITO_OK);
            assert_true(t[0] == sde.T && t[N - 1] == eps);
            const double mean = step_in(grid, &sde, sde.T, eps) / (N - 1);
            for (int i = 1; i < N; i++) {
                assert_true(t[i] < t[i - 1]);
                worst = fmax(worst, fabs(step_in(grid, &sde, t[i - 1], t[i]) / mean - 1));
            }
            print_message("%-17s %-8s worst step off by %.1e (bound 1e-8)\n",
                          ito_sde_name((ito_sde_kind)kind), grid, worst);
            assert_true(worst < 1e-8);
        }
    }
}

static void karras_grid_of_edm_is_the_published_one(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_EDM);
    double t[18];
    assert_int_equal(ito_grid_fill(&sde, "karras", 0.002, 18, t, NULL), ITO_OK);
    /* [EDM] Eq 5 with sigma 0.002 to 80, rho 7: t_1 and t_17, worked out by hand. */
    const double first = pow(pow(80, 1.0 / 7) + (pow(0.002, 1.0 / 7) - pow(80, 1.0 / 7)) / 17, 7);
    assert_true(fabs(t[1] / first - 1) < 1e-12);
    assert_true(t[17] == 0.002);
}

static void chain_methods_run_on_every_grid(void **state) {
    (void)state;
    const double one = 1, m[2] = {0.3, -0.2}, s = 0.5;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int g = 1; ito_grid_name(g) != NULL; g++) {
            mixture mix = {
                .sde = ito_sde_default((ito_sde_kind)kind), .K = 1, .dim = 2, .w = &one, .m = m, .s = &s};
            const ito_score score = mixture_score(&mix);
            ito_pc_options options = ito_pc_default(&mix.sde);
            options.predictor = "probability_flow";
            options.corrector = "none";
            options.grid = ito_grid_name(g);
            options.steps = 4000;
            const double start[2] = {0.5, 1};
            options.prior_noise = start;
            double x[2];
            ito_sample_report report;
            assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, &report, NULL), ITO_OK);
            assert_int_equal(report.nfe, 4000);
            /* The ODE of Gaussian data maps quantile to quantile; Tweedie's mean at eps moves it little. */
            const double T = mix.sde.T, a = ito_sde_mean(&mix.sde, T);
            const double v = hypot(a * s, ito_sde_std(&mix.sde, T));
            double worst = 0;
            for (int j = 0; j < 2; j++) {
                const double exact = m[j] + s * (ito_sde_prior_std(&mix.sde) * start[j] - a * m[j]) / v;
                worst = fmax(worst, fabs(x[j] - exact));
            }
            print_message("%-5s %-8s off by %.4f (bound 0.02)\n", ito_sde_name((ito_sde_kind)kind),
                          options.grid, worst);
            assert_true(worst < 0.02);
        }
}

static void ancestral_keeps_to_the_uniform_grid(void **state) {
    (void)state;
    const double one = 1, m = 0, s = 0.5;
    mixture mix = {.sde = ito_sde_default(ITO_SDE_VP), .K = 1, .dim = 1, .w = &one, .m = &m, .s = &s};
    const ito_score score = mixture_score(&mix);
    ito_pc_options options = ito_pc_default(&mix.sde);
    options.predictor = "ancestral";
    options.grid = "karras";
    double x;
    ito_error err;
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, &x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "grid: ancestral walks the chain's own times"));
}

static void bad_arguments_are_named(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    double t[4];
    ito_error err;
    assert_int_equal(ito_grid_fill(&sde, "cosine", 1e-3, 4, t, &err), ITO_E_ARG);
    assert_string_equal(err.message, "grid: \"cosine\" is not known: use one of uniform, karras, log_snr");
    assert_int_equal(ito_grid_fill(&sde, "uniform", 1e-3, 1, t, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "N: is 1"));
    assert_int_equal(ito_grid_fill(&sde, "uniform", 1, 4, t, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "eps: is 1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grids_have_both_ends_and_equal_steps_in_their_coordinate),
        cmocka_unit_test(karras_grid_of_edm_is_the_published_one),
        cmocka_unit_test(chain_methods_run_on_every_grid),
        cmocka_unit_test(ancestral_keeps_to_the_uniform_grid),
        cmocka_unit_test(bad_arguments_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
