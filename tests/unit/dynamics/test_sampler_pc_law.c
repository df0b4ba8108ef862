/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of Gaussian data have the mean and variance of that data, for every SDE, predictor and corrector;
 * and a sampler broken on purpose does not pass.
 *
 * A run draws 16 samples of 256 values, N(m_j, 0.5^2). Their pooled mean and variance are compared with the
 * truth within 5 standard errors plus an allowance for the bias of 1000 steps. Under the null each of the two
 * comparisons of a run fails with probability below 6e-7, so the runs that must pass, fewer than 60, raise a
 * false alarm for less than one seed in 10,000; the seed is fixed, so they either do or do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/broken.h"
#include "support/mixture.h"
#include <cmocka.h>

#include <math.h>

enum { dim = 256, samples = 16, values = samples * dim, seed = 20 };

static const double data_std = 0.5, one = 1;
/* The moments of these linear recursions, worked out without sampling, are off by at most 0.015 data_std (the
 * prior's mean is 0, that of p_T is not) and 4.3 % (the ODE of VP by reverse diffusion). */
static const double allowance_mean = 0.015, allowance_variance = 0.05;

static mixture gaussian(ito_sde_kind kind, double m[dim]) {
    for (int j = 0; j < dim; j++) m[j] = 0.4 + 0.003 * j;
    return (mixture){.sde = ito_sde_default(kind), .K = 1, .dim = dim, .w = &one, .m = m, .s = &data_std};
}

static ito_pc_options settings(const ito_sde *sde, const char *predictor, const char *corrector) {
    ito_pc_options options = ito_pc_default(sde);
    options.predictor = predictor;
    options.corrector = corrector;
    options.steps = 1000;
    /* Langevin of ratio r inflates the variance by about r^2; its per-sample step by (1 + 2/D)^2 besides. */
    options.snr = 0.05;
    return options;
}

typedef struct law {
    double mean_error, mean_bound;         /* in units of data_std */
    double variance_error, variance_bound; /* relative */
} law;

static law measure(const double *x, const double *m) {
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < samples; k++)
        for (int64_t j = 0; j < dim; j++) {
            const double d = (x[k * dim + j] - m[j]) / data_std;
            sum += d;
            squares += d * d;
        }
    const double mean = sum / values;
    return (law){.mean_error = fabs(mean),
                 .mean_bound = 5 / sqrt(values) + allowance_mean,
                 .variance_error = fabs(squares / values - mean * mean - 1),
                 .variance_bound = 5 * sqrt(2.0 / values) + allowance_variance};
}

/* Written so that a NaN does not pass. */
static bool passes(law l) {
    return l.mean_error < l.mean_bound && l.variance_error < l.variance_bound;
}

static law run(const ito_sde *sde, const ito_score *score, const ito_pc_options *options, ito__noise noise,
               const double *m) {
    static double x[values];
    ito_error err = {0};
    const ito_status st = ito__pc_sample(sde, score, options, noise, samples, x, NULL, &err);
    if (st == ITO_E_NUMERIC) return (law){.mean_error = NAN, .variance_error = NAN};
    if (st != ITO_OK) fail_msg("%s", err.message);
    return measure(x, m);
}

static void expect_data_law(ito_sde_kind kind, const char *predictor, const char *corrector, bool ode) {
    double m[dim];
    mixture mix = gaussian(kind, m);
    const ito_score score = mixture_score(&mix);
    ito_pc_options options = settings(&mix.sde, predictor, corrector);
    options.probability_flow = ode;
    ito__philox philox = {.seed = seed};
    const law l = run(&mix.sde, &score, &options, ito__philox_noise(&philox), m);
    print_message("%-5s %-17s %-8s %s mean %.4f (%.4f) variance %.4f (%.4f)\n", ito_sde_name(kind), predictor,
                  corrector, ode ? "ODE" : "SDE", l.mean_error, l.mean_bound, l.variance_error,
                  l.variance_bound);
    assert_true(passes(l));
}

static void every_predictor_draws_the_data_under_every_sde(void **state) {
    (void)state;
    const ito__method *predictor;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const ito_sde sde = ito_sde_default((ito_sde_kind)kind);
        for (int p = 0; (predictor = ito__predictor_at(p)) != NULL; p++)
            if (predictor_applies(predictor, &sde))
                expect_data_law((ito_sde_kind)kind, predictor->name, "none", false);
    }
}

static void probability_flow_draws_the_data_under_every_sde(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        expect_data_law((ito_sde_kind)kind, "euler_maruyama", "none", true);
        expect_data_law((ito_sde_kind)kind, "reverse_diffusion", "none", true);
    }
}

static void correctors_keep_the_law_under_every_sde(void **state) {
    (void)state;
    const ito__method *corrector;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int c = 0; (corrector = ito__corrector_at(c)) != NULL; c++)
            if (corrector->score_calls > 0)
                expect_data_law((ito_sde_kind)kind, "reverse_diffusion", corrector->name, false);
}

/* ---- the power of the tests above: the same comparison with the sampler broken ---- */

static void expect_failure(ito_sde_kind kind, const char *predictor, const char *corrector, bool ode,
                           double score_factor, ito_purpose silent, const char *what) {
    double m[dim];
    mixture mix = gaussian(kind, m);
    scaled_score scaled = {mixture_score(&mix), score_factor};
    const ito_score score = scaled_score_of(&scaled);
    ito_pc_options options = settings(&mix.sde, predictor, corrector);
    options.probability_flow = ode;
    ito__philox philox = {.seed = seed};
    muted_noise noise = {ito__philox_noise(&philox), silent};
    const law l = run(&mix.sde, &score, &options, muted_noise_of(&noise), m);
    print_message("%-5s %-17s %-8s %s %s: mean %.3g variance %.3g\n", ito_sde_name(kind), predictor,
                  corrector, ode ? "ODE" : "SDE", what, l.mean_error, l.variance_error);
    assert_false(passes(l));
}

static void broken_samplers_fail(void **state) {
    (void)state;
    for (int k = 0; k < ITO_SDE_NETWORK_COUNT; k++) {
        const ito_sde_kind kind = (ito_sde_kind)k;
        const char *const rd = "reverse_diffusion";
        expect_failure(kind, rd, "none", false, -1, ITO_RNG_USER, "wrong sign");
        expect_failure(kind, rd, "none", false, 0.5, ITO_RNG_USER, "factor 1/2 too many");
        expect_failure(kind, rd, "none", true, 2, ITO_RNG_USER, "factor 1/2 missing");
        expect_failure(kind, rd, "none", false, 1, ITO_RNG_PREDICTOR, "no noise");
        expect_failure(kind, rd, "none", true, 1, ITO_RNG_PRIOR, "no prior");
        expect_failure(kind, rd, "ald", false, 1, ITO_RNG_CORRECTOR, "no noise in the corrector");
        expect_failure(kind, rd, "langevin", false, -1, ITO_RNG_USER, "wrong sign");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_predictor_draws_the_data_under_every_sde),
        cmocka_unit_test(probability_flow_draws_the_data_under_every_sde),
        cmocka_unit_test(correctors_keep_the_law_under_every_sde),
        cmocka_unit_test(broken_samplers_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
