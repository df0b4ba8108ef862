/* SPDX-License-Identifier: Apache-2.0
 *
 * Predictor-corrector samples of a mixture follow its law under every SDE; with the score broken they do not.
 *
 * The largest distance of the 1024 samples' distribution function from the exact one (Kolmogorov-Smirnov) has
 * the bound 2.7 / sqrt(n), which samples of the truth exceed with probability 2 exp(-2 2.7^2) < 1e-6, and an
 * allowance for the bias of 500 steps. The runs that must pass, fewer than 100, raise a false alarm for less
 * than one seed in 10,000; the seed is fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/broken.h"
#include "support/two_peaks.h"

enum { n = 1024 };

static const double allowance = 0.02;

/* EDM's uniform steps from 80 would be too long for these data. */
static ito_sde example(int kind) {
    ito_sde sde = two_peaks_sde(kind);
    if (kind == ITO_SDE_EDM) sde.T = 10;
    return sde;
}

/* The Kolmogorov-Smirnov distance of a run; 1 when it diverges. */
static double distance(int kind, const char *predictor, const char *corrector, bool ode,
                       double score_factor) {
    static double x[n];
    const ito_sde sde = example(kind);
    ito_density *density = two_peaks(&sde);
    ito_error err = {0};
    scaled_score scaled = {ito_density_score(density), score_factor};
    const ito_score score = scaled_score_of(&scaled);
    ito_pc_options options = ito_pc_default(&sde);
    options.predictor = predictor;
    options.corrector = corrector;
    options.probability_flow = ode;
    options.steps = 500;
    options.snr = 0.1;
    options.seed = 7;
    options.denoise = false;
    const ito_status st = ito_pc_sample(&sde, &score, &options, n, x, NULL, &err);
    ito_density_free(density);
    if (st == ITO_E_NUMERIC) return 1;
    if (st != ITO_OK) fail_msg("%s", err.message);

    const double largest = two_peaks_distance(&sde, n, x);
    print_message("%-17s %-17s %-5s %s score x %-4g: %.3f\n", ito_sde_name((ito_sde_kind)kind), predictor,
                  corrector, ode ? "ODE" : "SDE", score_factor, largest);
    return largest;
}

static double bound(void) {
    return 2.7 / sqrt(n) + allowance;
}

static void every_predictor_draws_the_mixture_under_every_sde(void **state) {
    (void)state;
    const ito__method *predictor;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = example(kind);
        for (int p = 0; (predictor = ito__predictor_at(p)) != NULL; p++)
            if (predictor_applies(predictor, &sde))
                assert_true(distance(kind, predictor->name, "none", false, 1) < bound());
    }
}

static void the_ode_draws_the_mixture_under_every_sde(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++)
        assert_true(distance(kind, "euler_maruyama", "none", true, 1) < bound());
}

static void annealed_langevin_keeps_the_mixture_under_every_sde(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++)
        assert_true(distance(kind, "euler_maruyama", "ald", false, 1) < bound());
}

static void broken_scores_fail_under_every_sde(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        assert_true(distance(kind, "euler_maruyama", "none", false, -1) > bound());
        assert_true(distance(kind, "euler_maruyama", "none", false, 0.5) > bound());
        assert_true(distance(kind, "euler_maruyama", "none", true, 2) > bound());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_predictor_draws_the_mixture_under_every_sde),
        cmocka_unit_test(the_ode_draws_the_mixture_under_every_sde),
        cmocka_unit_test(annealed_langevin_keeps_the_mixture_under_every_sde),
        cmocka_unit_test(broken_scores_fail_under_every_sde),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
