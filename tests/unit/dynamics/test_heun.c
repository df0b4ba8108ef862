/* SPDX-License-Identifier: Apache-2.0
 *
 * The predictor heun is [EDM] Algorithm 2: written out here for the EDM SDE, the same under every other SDE,
 * of 2N - 1 score calls, and of the right law with churn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/grid.h"
#include "dynamics/pc.h"
#include "support/mixture.h"
#include "support/sde_example.h"
#include <cmocka.h>

#include <math.h>
#include <string.h>

static const double weights[2] = {0.3, 0.7}, means[2] = {-0.7, 0.5}, stds[2] = {0.2, 0.3};

static mixture example(const ito_sde *sde) {
    return (mixture){.sde = *sde, .K = 2, .dim = 1, .w = weights, .m = means, .s = stds};
}

static ito_pc_options heun_options(const ito_sde *sde, int64_t steps) {
    ito_pc_options options = ito_pc_default(sde);
    options.predictor = "heun";
    options.corrector = "none";
    options.grid = "karras";
    options.steps = steps;
    return options;
}

/* Normals of one sample, the same for every SDE, counted. */
static void some_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim, double *out) {
    int *draws = self;
    if (purpose == ITO_RNG_PREDICTOR) (*draws)++;
    for (int64_t j = 0; j < n * dim; j++) out[j] = sin(3.0 * step + purpose);
}

static double score_of(mixture *mix, double x, double t) {
    const ito_score score = mixture_score(mix);
    double s;
    assert_int_equal(score.eval(score.self, 1, &x, &t, &s, NULL), ITO_OK);
    return s;
}

/* Lines 2-12 of Algorithm 2 with D(x, sigma) = x + sigma^2 s, t_i of Eq 5, t_N = 0. */
static double algorithm_2(mixture *mix, const ito_pc_options *o, double x) {
    const int64_t N = o->steps;
    double t[64], S_noise = o->churn_noise;
    assert_int_equal(ito_grid_fill(&mix->sde, "karras", 0.002, N, t, NULL), ITO_OK);
    t[N] = 0;
    for (int64_t i = 0; i < N; i++) {
        double gamma = t[i] >= o->churn_min && t[i] <= o->churn_max ? o->churn / (double)N : 0;
        if (gamma > sqrt(2) - 1) gamma = sqrt(2) - 1;
        if (i == 0) gamma = 0; /* our departure */
        const double t_hat = t[i] + gamma * t[i];
        const double z = sin(3.0 * (double)i + ITO_RNG_PREDICTOR);
        if (gamma > 0) x += sqrt(t_hat * t_hat - t[i] * t[i]) * S_noise * z;
        const double D = x + t_hat * t_hat * score_of(mix, x, t_hat), d = (x - D) / t_hat;
        double next = x + (t[i + 1] - t_hat) * d;
        if (t[i + 1] != 0) {
            const double D1 = next + t[i + 1] * t[i + 1] * score_of(mix, next, t[i + 1]);
            const double d1 = (next - D1) / t[i + 1];
            next = x + (t[i + 1] - t_hat) * (d / 2 + d1 / 2);
        }
        x = next;
    }
    return x;
}

static void a_run_is_that_of_algorithm_2(void **state) {
    (void)state;
    const double bound = 1e-12, churn[] = {0, 6, 40};
    for (int c = 0; c < 3; c++) {
        const ito_sde sde = ito_sde_default(ITO_SDE_EDM);
        mixture mix = example(&sde);
        ito_pc_options options = heun_options(&sde, 18);
        options.churn = churn[c];
        options.churn_min = 0.05;
        options.churn_max = 50;
        options.churn_noise = 1.003;
        const ito_score score = mixture_score(&mix);
        const double start = 0.4;
        options.prior_noise = &start;
        int draws = 0;
        double x;
        ito_sample_report report;
        assert_int_equal(
            ito__pc_sample(&sde, &score, &options, (ito__noise){&draws, some_normal}, 1, &x, &report, NULL),
            ITO_OK);
        const double expected = algorithm_2(&mix, &options, sde.T * start);
        print_message("churn %-2g: %.15f, Algorithm 2 %.15f (bound %.0e), NFE %lld, %d draws\n", churn[c], x,
                      expected, bound, (long long)report.nfe, draws);
        assert_true(fabs(x - expected) < bound);
        assert_int_equal(report.nfe, 2 * 18 - 1);
        assert_int_equal(draws == 0, churn[c] == 0);
    }
}

/* x/a where the ratio b/a is 0.02, from x/a = 1.1 where it is 2, by the steps of the EDM SDE's karras grid.
 */
static double end_of_path(const ito_sde *sde) {
    enum { N = 24 };
    mixture mix = example(sde);
    const ito_score score = mixture_score(&mix);
    ito_pc_options options = heun_options(sde, N);
    options.churn = 4;
    options.churn_max = 1.6; /* no raised ratio is above 2, where one SDE of these ends */
    options.eps = ito__sde_time_of_ratio(sde, 0.02, sde->T * 1e-9, sde->T);
    int draws = 0;
    ito__pc pc;
    assert_int_equal(ito__pc_open(&pc, sde, &score, &options, (ito__noise){&draws, some_normal}, 1, NULL),
                     ITO_OK);
    for (int i = 0; i < N; i++) {
        const double u = pow(2, 1.0 / 7) + (double)i / (N - 1) * (pow(0.02, 1.0 / 7) - pow(2, 1.0 / 7));
        pc.grid[i] = ito__sde_time_of_ratio(sde, pow(u, 7), sde->T * 1e-9, sde->T);
    }
    pc.x[0] = ito_sde_mean(sde, pc.grid[0]) * 1.1;
    while (pc.i < N - 1) assert_int_equal(ito__pc_advance(&pc, NULL), ITO_OK);
    const double end = pc.x[0] / ito_sde_mean(sde, pc.grid[N - 1]);
    ito__pc_close(&pc);
    return end;
}

static void every_sde_takes_the_same_path_in_x_over_a(void **state) {
    (void)state;
    const double bound = 1e-12; /* what times of ratios and an affine SDE's integrals are good to */
    ito_sde edm = ito_sde_default(ITO_SDE_EDM);
    edm.T = 2;
    const double expected = end_of_path(&edm);
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = sde_example(kind);
        if (ito__sde_ratio(&sde, sde.T) < 2) continue; /* contractive OU */
        const double found = end_of_path(&sde);
        print_message("%-17s x/a = %.13f, off by %.1e (bound %.0e)\n", ito_sde_name(sde.kind), found,
                      fabs(found - expected), bound);
        assert_true(fabs(found - expected) < bound);
    }
}

/* Row 0 without noise, row 1 with the prior's alone, row 2 + k with the normal of grid point k alone. */
static void response_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                            double *out) {
    (void)self, (void)purpose, (void)dim;
    for (int64_t k = 0; k < n; k++) out[k] = k == 2 + (int64_t)step;
}

/* Relative error of the variance at eps for Gaussian data, of which a run is affine in its normals, so that
 * the responses to each give it exactly. */
static double variance_error(const ito_sde *sde, double churn, double churn_noise) {
    enum { steps = 400 };
    const double one = 1, m = 0.3, s = 0.5;
    mixture mix = {.sde = *sde, .K = 1, .dim = 1, .w = &one, .m = &m, .s = &s};
    const ito_score score = mixture_score(&mix);
    ito_pc_options options = heun_options(sde, steps);
    options.churn = churn;
    options.churn_noise = churn_noise;
    options.denoise = false;
    static double z[steps + 2], x[steps + 2];
    z[1] = 1;
    options.prior_noise = z;
    assert_int_equal(
        ito__pc_sample(sde, &score, &options, (ito__noise){NULL, response_normal}, steps + 2, x, NULL, NULL),
        ITO_OK);
    double variance = 0;
    for (int k = 1; k < steps + 2; k++) variance += (x[k] - x[0]) * (x[k] - x[0]);
    const double eps = ito_sde_sampling_eps(sde), a = ito_sde_mean(sde, eps), b = ito_sde_std(sde, eps);
    return variance / (a * a * s * s + b * b) - 1;
}

static void churn_keeps_the_variance_and_without_its_noise_does_not(void **state) {
    (void)state;
    const double bound = 4e-3;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        ito_sde sde = sde_example(kind);
        sde.data_std = 0.5;
        /* Contractive priors keep some of the data, an affine SDE is slow. */
        if (kind == ITO_SDE_CONTRACTIVE_OU || kind == ITO_SDE_CONTRACTIVE_SUBVP || kind == ITO_SDE_AFFINE)
            continue;
        const double right = variance_error(&sde, 40, 1), broken = variance_error(&sde, 40, 0.9);
        print_message("%-17s variance off by %+.1e (bound %.0e), with 0.9 of the noise by %+.1e\n",
                      ito_sde_name((ito_sde_kind)kind), right, bound, broken);
        assert_true(fabs(right) < bound);
        assert_true(fabs(broken) > 10 * bound);
    }
}

static void bad_churn_is_named(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    mixture mix = example(&sde);
    const ito_score score = mixture_score(&mix);
    enum { count = 9 };
    ito_pc_options bad[count];
    for (int i = 0; i < count; i++) bad[i] = heun_options(&sde, 20);
    bad[0].churn = -1;
    bad[1].churn = INFINITY;
    bad[2].churn_min = -1;
    bad[3].churn_max = -1;
    bad[4].churn_max = NAN;
    bad[5].churn_noise = -1;
    bad[6].churn_noise = NAN;
    bad[7].churn = 10;
    bad[7].predictor = "euler_maruyama";
    bad[8].churn = 10;
    bad[8].probability_flow = true;
    const char *const name[count] = {"churn: is -1",
                                     "churn: is inf",
                                     "churn_min: is -1",
                                     "churn_max: is -1",
                                     "churn_max: is nan",
                                     "churn_noise: is -1",
                                     "churn_noise: is nan",
                                     "churn: is 10, but euler_maruyama has none",
                                     "churn: is 10, but probability_flow"};
    for (int i = 0; i < count; i++) {
        double x = 7;
        ito_error err;
        assert_int_equal(ito_pc_sample(&sde, &score, &bad[i], 1, &x, NULL, &err), ITO_E_ARG);
        assert_int_equal(strncmp(err.message, name[i], strlen(name[i])), 0);
        assert_true(x == 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_that_of_algorithm_2),
        cmocka_unit_test(every_sde_takes_the_same_path_in_x_over_a),
        cmocka_unit_test(churn_keeps_the_variance_and_without_its_noise_does_not),
        cmocka_unit_test(bad_churn_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
