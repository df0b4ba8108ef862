/* SPDX-License-Identifier: Apache-2.0
 *
 * The likelihood of a point does not depend on the SDE that carries it to noise: under every SDE it is the
 * exact density of the data.
 *
 * What the solver integrates, delta = log p_eps(x) - log p_T(x(T)), is held to 1e-5 with the exact p_T of the
 * mixture. Data at time eps are those at 0 with noise of deviation 2e-5, which changes the densities here by
 * less than 1e-6. The prior that ito_likelihood takes for p_T is off by more; that is measured, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/grid.h"
#include "support/sde_example.h"
#include "support/three_bumps.h"
#include <cmocka.h>
#include <ito/flow.h>
#include <math.h>

enum { dim = 2, points = 6 };

/* Modes, valleys, and out in the tails. */
static const double at[points * dim] = {-0.6, -0.3, 0, 0.45, 0, 0, 0.3, -0.1, 1.2, -0.8, -0.5, 1};

static const double noise = 2e-7, bound = 1e-5;

/* VE's noise begins at sigma_min whatever t; EDM's prior is as wide as VE's. */
static ito_sde example(int kind) {
    ito_sde sde = sde_example(kind);
    sde.sigma_min = noise / 2;
    sde.data_std = 0.5;
    if (kind == ITO_SDE_EDM) sde.T = 50;
    return sde;
}

static double largest_difference(const double *a, const double *b) {
    double worst = 0;
    for (int k = 0; k < points; k++) worst = fmax(worst, fabs(a[k] - b[k]));
    return worst;
}

static void every_sde_gives_the_exact_density(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = example(kind);
        ito_density *density = three_bumps(&sde);
        const ito_score score = ito_density_score(density);
        ito_likelihood_options options = ito_likelihood_default();
        options.ode.rtol = options.ode.atol = 1e-9;
        options.divergence = "exact";
        options.eps = ito__sde_time_of_ratio(&sde, noise, 1e-16, sde.T);

        double log_p[points], delta[points], z[points * dim], found[points], exact[points], terminal[points];
        const ito_likelihood_result result = {.log_p = log_p, .delta = delta, .z = z};
        ito_flow_report report;
        ito_error err;
        if (ito_likelihood(&sde, &score, &options, points, at, &result, &report, &err) != ITO_OK)
            fail_msg("%s", err.message);

        const double zero[points] = {0};
        double T[points];
        for (int k = 0; k < points; k++) T[k] = sde.T;
        ito_density_log(density, points, at, zero, exact);
        ito_density_log(density, points, z, T, terminal);
        for (int k = 0; k < points; k++) found[k] = delta[k] + terminal[k];
        const double worst = largest_difference(found, exact);
        print_message(
            "%-17s log-density off by %.1e (bound %.0e), with the prior for p_T by %.1e; %lld calls\n",
            ito_sde_name((ito_sde_kind)kind), worst, bound, largest_difference(log_p, exact),
            (long long)report.nfe);
        assert_true(worst < bound);
        ito_density_free(density);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_sde_gives_the_exact_density)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
