/* SPDX-License-Identifier: Apache-2.0
 *
 * SDEs, their chains, tables and time grids, against recorded numbers. Bound 1e-12 of each value, or of the
 * largest where the recording subtracts nearly equal numbers (1 - exp(-B), sqrt(1 - beta) - 1), which costs
 * it up to 1e-10 of a single small value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dynamics/pc.h"
#include "golden_file.h"
#include <math.h>
#include <string.h>

enum { points = 16, dim = 48, max_N = 1000 };

static const double bound = 1e-12;

static void coefficients_and_chain_match(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("sde", (ito_sde_kind)kind, &g);
        const ito_sde *sde = &g.mix.sde;
        const double *t = golden_get(&g, "t"), *x = golden_get(&g, "x");
        double drift[points * dim], mean[points * dim], step[points * dim];
        double g_t[points], std[points], G[points], index[points];
        for (int64_t k = 0; k < points; k++) {
            double F;
            ito_sde_discretize(sde, t[k], &F, &G[k]);
            for (int64_t j = k * dim; j < (k + 1) * dim; j++) {
                drift[j] = ito_sde_drift(sde, t[k]) * x[j];
                mean[j] = ito_sde_mean(sde, t[k]) * x[j];
                step[j] = F * x[j];
            }
            g_t[k] = ito_sde_diffusion(sde, t[k]);
            std[k] = ito_sde_std(sde, t[k]);
            index[k] = (double)ito_sde_index(sde, t[k]);
        }
        const int64_t parts = kind == ITO_SDE_SUBVP ? 1 : points;
        golden_compare(&g, "drift", points, points * dim, drift, golden_get(&g, "drift"), bound);
        golden_compare(&g, "diffusion", parts, points, g_t, golden_get(&g, "diffusion"), bound);
        golden_compare(&g, "mean", points, points * dim, mean, golden_get(&g, "mean"), bound);
        golden_compare(&g, "std", 1, points, std, golden_get(&g, "std"), bound);
        golden_compare(&g, "disc_f", 1, points * dim, step, golden_get(&g, "disc_f"), bound);
        golden_compare(&g, "disc_G", parts, points, G, golden_get(&g, "disc_G"), bound);
        golden_compare(&g, "timestep", 1, points, index, golden_get(&g, "timestep"), 0);
        golden_close(&g);
    }
}

static void tables_match(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("sde", (ito_sde_kind)kind, &g);
        const ito_sde *sde = &g.mix.sde;
        double sigma[max_N], beta[max_N], alpha[max_N];
        for (int64_t i = 0; i < max_N; i++) {
            const double t = (double)i / (max_N - 1);
            double F, G;
            ito_sde_discretize(sde, t, &F, &G);
            sigma[i] = ito_sde_std(sde, t);
            beta[i] = G * G;
            alpha[i] = ito_sde_alpha(sde, t);
        }
        if (kind == ITO_SDE_VE)
            golden_compare(&g, "discrete_sigmas", max_N, max_N, sigma, golden_get(&g, "discrete_sigmas"),
                           bound);
        if (kind == ITO_SDE_VP)
            golden_compare(&g, "discrete_betas", max_N, max_N, beta, golden_get(&g, "discrete_betas"), bound);
        if (kind != ITO_SDE_VE)
            golden_compare(&g, "alphas", max_N, max_N, alpha, golden_get(&g, "alphas"), bound);
        golden_close(&g);
    }
}

static void time_grid_and_its_indices_match(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("sde", (ito_sde_kind)kind, &g);
        const double eps = golden_get(&g, "grid.eps")[0];
        assert_true(eps == ito_sde_sampling_eps(&g.mix.sde));
        double t[max_N], index[max_N];
        assert_int_equal(ito_grid_fill(&g.mix.sde, "uniform", eps, max_N, t, NULL), ITO_OK);
        for (int64_t i = 0; i < max_N; i++) index[i] = (double)ito_sde_index(&g.mix.sde, t[i]);
        golden_compare(&g, "grid.t", 1, max_N, t, golden_get(&g, "grid.t"), 4e-16);
        golden_compare(&g, "grid.index", max_N, max_N, index, golden_get(&g, "grid.index"), 0);
        golden_close(&g);
    }
}

/* The recording holds the raw truncation, which is one too small at five of the table's own times. */
static void guarded_index_repairs_the_rounding_hazard(void **state) {
    (void)state;
    golden_file g;
    golden_open("sde", ITO_SDE_VP, &g);
    const double *t = golden_get(&g, "hazard.t"), *raw = golden_get(&g, "hazard.index");
    int repaired = 0;
    for (int64_t k = 0; k < max_N; k++) {
        assert_int_equal(ito_sde_index(&g.mix.sde, t[k]), k);
        repaired += (int64_t)raw[k] != k;
    }
    assert_int_equal(repaired, 5);
    golden_close(&g);
}

static void prior_density_matches(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("sde", (ito_sde_kind)kind, &g);
        const double *z = golden_get(&g, "prior_z"), s = ito_sde_prior_std(&g.mix.sde);
        double logp[points];
        for (int64_t k = 0; k < points; k++) {
            double squares = 0;
            for (int64_t j = k * dim; j < (k + 1) * dim; j++) squares += z[j] * z[j];
            logp[k] = -dim / 2.0 * log(2 * acos(-1) * s * s) - squares / (2 * s * s);
        }
        golden_compare(&g, "prior_logp", points, points, logp, golden_get(&g, "prior_logp"), bound);
        golden_close(&g);
    }
}

/* Of the tests' own analytic score, on which the other comparisons stand. */
static void mixture_score_and_density_match(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("sde", (ito_sde_kind)kind, &g);
        const double *t = golden_get(&g, "t"), *x = golden_get(&g, "x");
        const ito_score score = mixture_score(&g.mix);
        double s[points * dim], logp[points];
        assert_int_equal(score.eval(score.self, points, x, t, s, NULL), ITO_OK);
        for (int64_t k = 0; k < points; k++) logp[k] = mixture_log_density(&g.mix, x + k * dim, t[k]);
        golden_compare(&g, "score", points, points * dim, s, golden_get(&g, "score"), bound);
        golden_compare(&g, "logp", points, points, logp, golden_get(&g, "logp"), bound);
        golden_close(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coefficients_and_chain_match),
        cmocka_unit_test(tables_match),
        cmocka_unit_test(time_grid_and_its_indices_match),
        cmocka_unit_test(guarded_index_repairs_the_rounding_hazard),
        cmocka_unit_test(prior_density_matches),
        cmocka_unit_test(mixture_score_and_density_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
