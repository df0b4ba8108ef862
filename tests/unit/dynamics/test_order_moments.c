/* SPDX-License-Identifier: Apache-2.0
 *
 * Predictors of the reverse SDE converge weakly with the orders claimed for them. On Gaussian data a run is a
 * linear function of its normals, so mean and variance of its law come without sampling error: from a row
 * without noise, and one row for each normal set to 1.
 *
 * Truth: the reverse family multiplies a deviation from a(t) m by (v(eps)/v(T))^((1 + eta^2)/2) times
 * (a(T)/a(eps))^(eta^2), v being the variance a^2 s^2 + b^2 of p_t, and keeps p_t as its law.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/pc.h"
#include "support/mixture.h"
#include "support/slope.h"
#include <cmocka.h>

#include <math.h>
#include <string.h>

enum { first_steps = 64, most_steps = 512, most_points = 4, most_rows = most_steps + 2 };

static const double bound = 0.15; /* of a slope */

static const double one = 1, mean = 0.6, std = 0.5;

/* Row 0 has no noise, row 1 the prior's, row 2 + i that of step i. */
static void one_at_a_time(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                          double *out) {
    (void)self, (void)dim;
    const int64_t row = purpose == ITO_RNG_PRIOR ? 1 : 2 + (int64_t)step;
    for (int64_t k = 0; k < n; k++) out[k] = k == row;
}

typedef struct law {
    double mean, variance;
} law;

static law of_run(mixture *mix, const char *predictor, double eta, int64_t steps, double eps) {
    static double x[most_rows];
    const ito_score score = mixture_score(mix);
    ito_pc_options options = ito_pc_default(&mix->sde);
    options.predictor = predictor;
    options.corrector = "none";
    options.grid = "log_snr";
    options.steps = steps + 1;
    options.eps = eps;
    if (strcmp(predictor, "ddim") == 0) options.eta = eta;
    options.denoise = false;
    const int64_t n = steps + 2;
    const ito__noise noise = {NULL, one_at_a_time};
    ito_error err = {0};
    if (ito__pc_sample(&mix->sde, &score, &options, noise, n, x, NULL, &err) != ITO_OK)
        fail_msg("%s", err.message);
    law l = {.mean = x[0]};
    for (int64_t k = 1; k < n; k++) l.variance += (x[k] - x[0]) * (x[k] - x[0]);
    return l;
}

static double variance_at(const ito_sde *sde, double t) {
    return pow(ito_sde_mean(sde, t) * std, 2) + pow(ito_sde_std(sde, t), 2);
}

static law of_sde(const ito_sde *sde, double eta, double eps) {
    const double T = sde->T, a_T = ito_sde_mean(sde, T), a = ito_sde_mean(sde, eps);
    const double v_T = variance_at(sde, T), v = variance_at(sde, eps),
                 shrink = pow(v / v_T, (1 + eta * eta) / 2) * pow(a_T / a, eta * eta);
    const double prior = pow(ito_sde_prior_std(sde), 2);
    return (law){.mean = a * mean - shrink * a_T * mean, .variance = v + shrink * shrink * (prior - v_T)};
}

/* The noise never drowns the data, so that the start matters too. */
static ito_sde weak_noise(ito_sde_kind kind) {
    ito_sde sde = ito_sde_default(kind);
    sde.sigma_min = 0.05;
    sde.sigma_max = 2;
    sde.beta_max = 4;
    return sde;
}

/* Under the reverse SDE itself, eta = 1, D is a martingale: a step that holds D, or extrapolates it, has its
 * mean exactly. */
static void expect_order(ito_sde_kind kind, const char *predictor, double eta, int theory, bool exact_mean) {
    mixture mix = {.sde = weak_noise(kind), .K = 1, .dim = 1, .w = &one, .m = &mean, .s = &std};
    const double eps = 0.05;
    const law truth = of_sde(&mix.sde, eta, eps);
    double N[most_points], mean_error[most_points], variance_error[most_points], worst_mean = 0;
    int n = 0;
    for (int64_t steps = first_steps; steps <= most_steps; steps *= 2, n++) {
        const law l = of_run(&mix, predictor, eta, steps, eps);
        N[n] = (double)steps;
        mean_error[n] = fabs(l.mean - truth.mean);
        variance_error[n] = fabs(l.variance - truth.variance);
        worst_mean = fmax(worst_mean, mean_error[n]);
    }
    const double order = slope_order(n, N, variance_error);
    print_message(
        "order %-12s weak %-5s eta %.1f theory %d measured %.3f (bound %.2f), errors %.1e to %.1e\n",
        predictor, ito_sde_name(kind), eta, theory, order, bound, variance_error[0], variance_error[n - 1]);
    assert_true(fabs(order - theory) < bound);
    if (exact_mean) {
        print_message("    mean off by %.1e (bound 1e-12)\n", worst_mean);
        assert_true(worst_mean < 1e-12);
    } else {
        const double order_mean = slope_order(n, N, mean_error);
        print_message("    mean: measured %.3f, last error %.1e\n", order_mean, mean_error[n - 1]);
        assert_true(fabs(order_mean - theory) < bound);
    }
}

static void ddim_has_weak_order_1_along_the_reverse_family(void **state) {
    (void)state;
    for (int kind = ITO_SDE_VE; kind <= ITO_SDE_SUBVP; kind++) {
        expect_order((ito_sde_kind)kind, "ddim", 0, 1, false);
        expect_order((ito_sde_kind)kind, "ddim", 0.5, 1, false);
        expect_order((ito_sde_kind)kind, "ddim", 1, 1, true);
    }
}

/* The difference of the last two D's carries what the noise of the last step did to D within it. */
static void dpmpp_sde_2m_has_weak_order_2(void **state) {
    (void)state;
    for (int kind = ITO_SDE_VE; kind <= ITO_SDE_SUBVP; kind++)
        expect_order((ito_sde_kind)kind, "dpmpp_sde_2m", 1, 2, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ddim_has_weak_order_1_along_the_reverse_family),
        cmocka_unit_test(dpmpp_sde_2m_has_weak_order_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
