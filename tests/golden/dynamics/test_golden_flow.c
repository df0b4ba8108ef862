/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling and likelihood by the probability-flow ODE, against SciPy's solver on the published right-hand
 * side: counts, attempts, states and log-densities with the recorded probes, and the exact density.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "solver_log.h"
#include <ito/flow.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { batch = 4, dim = 48, state_size = batch * dim };

/* Of the final states; those on the way follow the step sequence, which amplifies rounding. */
static const double bound = 1e-8;

static void scaled_prior(const golden_file *g, double *noise) {
    const double *z = golden_get(g, "z");
    for (int j = 0; j < state_size; j++) noise[j] = z[j] / ito_sde_prior_std(&g->mix.sde);
}

static void compare_samples(golden_file *g, int tolerance) {
    static solver_log log;
    char prefix[16], what[32];
    snprintf(prefix, sizeof prefix, "tol%d", tolerance);
    const ito_score score = mixture_score(&g->mix);
    double noise[state_size], x[state_size];
    scaled_prior(g, noise);
    for (int denoise = 0; denoise < 2; denoise++) {
        ito_flow_options options = ito_flow_default();
        options.ode = solver_log_options(g, prefix, "", &log);
        options.eps = golden_get(g, "eps")[0];
        options.prior_noise = noise;
        options.denoise = denoise;
        ito_flow_report report;
        ito_error err;
        if (ito_ode_sample(&g->mix.sde, &score, &options, batch, x, &report, &err) != ITO_OK)
            fail_msg("%s", err.message);
        assert_int_equal(report.nfe, report.ode.nfev + denoise);
        solver_log_compare(g, prefix, &log, &report.ode);
        snprintf(what, sizeof what, "%s.%s", prefix, denoise ? "x_denoised" : "x");
        golden_compare(g, what, batch, state_size, x, golden_get(g, "%s", what), bound);
    }
}

static void samples_are_those_of_scipy(void **state) {
    (void)state;
    static golden_file g;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_open("ode", (ito_sde_kind)kind, &g);
        for (int tolerance = 0; tolerance < 3; tolerance++) compare_samples(&g, tolerance);
        golden_close(&g);
    }
}

typedef struct answers {
    double log_p[batch], bpd[batch], prior_logp[batch], delta_logp[batch], z[state_size];
} answers;

static void evaluate(golden_file *g, const char *run, const char *divergence, answers *a) {
    static solver_log log;
    const ito_score score = mixture_score(&g->mix);
    ito_likelihood_options options = ito_likelihood_default();
    options.ode = solver_log_options(g, run, "", &log);
    options.eps = golden_get(g, "eps")[0];
    options.divergence = divergence;
    if (strcmp(divergence, "exact") != 0) options.probe_values = golden_get(g, "%s.epsilon", run);
    const ito_likelihood_result result = {.log_p = a->log_p,
                                          .bits_per_dim = a->bpd,
                                          .prior_log_p = a->prior_logp,
                                          .delta = a->delta_logp,
                                          .z = a->z};
    ito_flow_report report;
    ito_error err;
    if (ito_likelihood(&g->mix.sde, &score, &options, batch, golden_get(g, "data"), &result, &report, &err) !=
        ITO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(report.nfe, report.ode.nfev);
    assert_int_equal(report.vjps, report.nfe * (options.probe_values == NULL ? dim : 1));
    solver_log_compare(g, run, &log, &report.ode);
}

static void compare_values(const golden_file *g, const char *run, const answers *a) {
    const double *const ours[] = {a->bpd, a->prior_logp, a->delta_logp, a->z};
    const char *const name[] = {"bpd", "prior_logp", "delta_logp", "z"};
    for (int i = 0; i < 4; i++) {
        char what[48];
        snprintf(what, sizeof what, "%s.%s", run, name[i]);
        golden_compare(g, what, batch, i == 3 ? state_size : batch, ours[i], golden_get(g, "%s", what),
                       bound);
    }
}

/* With the mixture's own density at T for the prior, the answer is the log-density of the data at eps. */
static void compare_exact_density(const golden_file *g, const answers *a) {
    const double *exact = golden_get(g, "exact.logp_eps"), nats = 1e-5;
    double worst = 0;
    for (int k = 0; k < batch; k++) {
        const double log_p = mixture_log_density(&g->mix, a->z + k * dim, 1) + a->delta_logp[k];
        worst = fmax(worst, fabs(log_p - exact[k]));
    }
    print_message("%-16s log-density is exact to %.1e nats (bound %.0e)\n", g->name, worst, nats);
    assert_true(worst < nats);
}

static void likelihoods_are_those_of_scipy_and_the_density(void **state) {
    (void)state;
    static golden_file g;
    answers a;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_open("likelihood", (ito_sde_kind)kind, &g);
        evaluate(&g, "rademacher", "rademacher", &a);
        compare_values(&g, "rademacher", &a);
        evaluate(&g, "gaussian", "gaussian", &a);
        compare_values(&g, "gaussian", &a);
        evaluate(&g, "exact_trace_loose", "exact", &a);
        compare_values(&g, "exact_trace_loose", &a);
        evaluate(&g, "exact_trace", "exact", &a);
        compare_values(&g, "exact_trace", &a);
        compare_exact_density(&g, &a);
        golden_close(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_are_those_of_scipy),
        cmocka_unit_test(likelihoods_are_those_of_scipy_and_the_density),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
