/* SPDX-License-Identifier: Apache-2.0
 *
 * The SDEs obey their own laws: a and b solve the equations that f1 and g pose, the chain leads to the same
 * marginals, the index of a table entry's own time is that entry.
 */
#include "support/sde_example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/dynamics.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static double constant(const void *self, double t) {
    (void)t;
    return *(const double *)self;
}

static void names_round_trip(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        ito_sde_kind found = ITO_SDE_COUNT;
        ito_error err;
        assert_int_equal(ito_sde_from_name(ito_sde_name((ito_sde_kind)kind), &found, &err), ITO_OK);
        assert_int_equal(found, kind);
    }
}

static void unknown_name_lists_the_known_ones(void **state) {
    (void)state;
    ito_sde_kind kind = ITO_SDE_COUNT;
    ito_error err;
    assert_int_equal(ito_sde_from_name("vpsde", &kind, &err), ITO_E_ARG);
    assert_int_equal(kind, ITO_SDE_COUNT);
    assert_string_equal(err.message, "sde: \"vpsde\" is not known: use one of ve, vp, subvp, ou, "
                                     "contractive_ou, contractive_subvp, edm, affine");
}

static void defaults_pass_the_check(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = sde_example(kind);
        assert_int_equal(ito_sde_check(&sde, NULL), ITO_OK);
    }
}

static void check_names_the_bad_field(void **state) {
    (void)state;
    const ito_sde ve = ito_sde_default(ITO_SDE_VE), vp = ito_sde_default(ITO_SDE_VP);
    const ito_sde ou = ito_sde_default(ITO_SDE_OU), cou = ito_sde_default(ITO_SDE_CONTRACTIVE_OU);
    const ito_sde csub = ito_sde_default(ITO_SDE_CONTRACTIVE_SUBVP), edm = ito_sde_default(ITO_SDE_EDM);
    const ito_sde affine = sde_example(ITO_SDE_AFFINE);
    const double zero = 0, huge = 1e6;
    ito_sde bad[] = {ve, ve,  ve,   ve,   ve,  vp,     vp,     vp,     ve,    ou,
                     ou, cou, csub, csub, edm, affine, affine, affine, affine};
    bad[0].steps = 1;
    bad[1].T = 2;
    bad[2].sigma_min = 0;
    bad[3].sigma_max = bad[3].sigma_min;
    bad[4].sigma_max = NAN;
    bad[5].beta_min = -1;
    bad[6].beta_max = 0.05;
    bad[7].beta_max = INFINITY;
    bad[8].kind = (ito_sde_kind)77;
    bad[9].theta = 0;
    bad[10].sigma = -1;
    bad[11].data_std = NAN;
    bad[12].T = 10;
    bad[13].beta_min = 0;
    bad[14].T = -80;
    bad[15].f1 = NULL;
    bad[16].g = NULL;
    bad[17].g = constant, bad[17].affine_self = &zero, bad[17].f1 = constant;
    bad[18].g = constant, bad[18].affine_self = &huge, bad[18].f1 = constant;
    const char *const field[] = {
        "steps:",    "T:",    "sigma_min:", "sigma_max:", "sigma_max:", "beta_min:", "beta_max:",
        "beta_max:", "kind:", "theta:",     "sigma:",     "data_std:",  "T:",        "beta_min:",
        "T:",        "f1:",   "g:",         "g:",         "f1, g:"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ito_error err;
        assert_int_equal(ito_sde_check(&bad[i], &err), ITO_E_ARG);
        assert_int_equal(strncmp(err.message, field[i], strlen(field[i])), 0);
    }
}

/* One Runge-Kutta step of (a, b^2)' = (f1 a, 2 f1 b^2 + g^2). */
static void moments_step(const ito_sde *sde, double t, double h, double y[2]) {
    const double weight[4] = {1, 2, 2, 1}, node[4] = {0, 0.5, 0.5, 1};
    double k[2] = {0}, sum[2] = {0};
    for (int stage = 0; stage < 4; stage++) {
        const double at = t + node[stage] * h, f1 = ito_sde_drift(sde, at), g = ito_sde_diffusion(sde, at);
        const double a = y[0] + node[stage] * h * k[0], b2 = y[1] + node[stage] * h * k[1];
        k[0] = f1 * a;
        k[1] = 2 * f1 * b2 + g * g;
        for (int c = 0; c < 2; c++) sum[c] += weight[stage] * k[c] / 6;
    }
    for (int c = 0; c < 2; c++) y[c] += h * sum[c];
}

/* Fourth order with 2000 steps leaves 1e-12; a wrong factor anywhere in f1, g, a or b leaves 1e-2. */
static void mean_and_std_solve_the_equations_of_drift_and_diffusion(void **state) {
    (void)state;
    const double bound = 1e-9;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = sde_example(kind);
        const double b0 = ito_sde_std(&sde, 0);
        double y[2] = {1, b0 * b0}, worst = 0;
        const int steps = 2000;
        for (int i = 0; i < steps; i++) {
            moments_step(&sde, sde.T * i / steps, sde.T / steps, y);
            const double t = sde.T * (i + 1) / steps, b = ito_sde_std(&sde, t);
            worst = fmax(worst, fabs(ito_sde_mean(&sde, t) / y[0] - 1));
            worst = fmax(worst, fabs(b * b / y[1] - 1));
        }
        print_message("%s: a, b^2 differ by %.1e (bound %.0e)\n", ito_sde_name(sde.kind), worst, bound);
        assert_true(worst < bound);
    }
}

static void std_keeps_its_digits_at_small_times(void **state) {
    (void)state;
    const double bound = 4e-16;
    for (double t = 1e-9; t < 1; t *= 3) {
        const ito_sde vp = ito_sde_default(ITO_SDE_VP), subvp = ito_sde_default(ITO_SDE_SUBVP);
        const long double B =
            t * ((long double)vp.beta_min + t * ((long double)vp.beta_max - vp.beta_min) / 2);
        const long double b2 = -expm1l(-B);
        assert_true(fabsl(ito_sde_std(&vp, t) / sqrtl(b2) - 1) < (long double)bound);
        assert_true(fabsl(ito_sde_std(&subvp, t) / b2 - 1) < (long double)bound);
    }
}

static void marginal_at_T_is_the_prior(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = sde_example(kind);
        const bool keeps_data = kind == ITO_SDE_CONTRACTIVE_OU || kind == ITO_SDE_CONTRACTIVE_SUBVP;
        const double share = keeps_data ? ito_sde_mean(&sde, sde.T) * sde.data_std : 0;
        const double distance = fabs(hypot(share, ito_sde_std(&sde, sde.T)) / ito_sde_prior_std(&sde) - 1);
        print_message("%s: p_T is the prior to %.1e (bound 1e-4)\n", ito_sde_name(sde.kind), distance);
        assert_true(distance < 1e-4);
    }
}

/* Runs the moments of the forward chain. SMLD adds up to sigma_max exactly; the other chains are
 * first-order discretizations, so their error halves when N doubles. */
static void forward_chain_reaches_the_marginal(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        double error[2];
        for (int doubling = 0; doubling < 2; doubling++) {
            ito_sde sde = sde_example(kind);
            sde.steps = 1000 << doubling;
            double b2 = 0;
            for (int64_t i = 0; i < sde.steps; i++) {
                double F, G;
                ito_sde_discretize(&sde, sde.T * (double)i / (double)(sde.steps - 1), &F, &G);
                b2 = (1 + F) * (1 + F) * b2 + G * G;
            }
            error[doubling] = fabs(b2 / pow(ito_sde_std(&sde, sde.T), 2) - 1);
        }
        print_message("%s: b^2 of the chain is off by %.1e with 1000 steps, %.1e with 2000\n",
                      ito_sde_name((ito_sde_kind)kind), error[0], error[1]);
        assert_true(error[0] < (kind == ITO_SDE_VE ? 1e-12 : 2e-2));
        assert_true(error[1] < 0.6 * error[0] || error[1] < 1e-12);
    }
}

static void affine_sde_of_vp_is_vp(void **state) {
    (void)state;
    const double bound = 1e-10;
    const ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_sde affine = sde_example(ITO_SDE_AFFINE);
    affine.data_std = 1; /* of which VP keeps the variance */
    double worst = fabs(ito_sde_prior_std(&affine) - 1);
    for (double t = 1e-9; t < 1; t *= 1.7) {
        worst = fmax(worst, fabs(ito_sde_mean(&affine, t) / ito_sde_mean(&vp, t) - 1));
        worst = fmax(worst, fabs(ito_sde_std(&affine, t) / ito_sde_std(&vp, t) - 1));
    }
    print_message("a, b and prior differ by %.1e (bound %.0e)\n", worst, bound);
    assert_true(worst < bound);
}

static double step_noise(const void *self, double t) {
    (void)self;
    return t < 1.0 / 3 ? 1 : 2;
}

static void affine_sde_that_does_not_settle_is_refused(void **state) {
    (void)state;
    ito_sde sde = sde_example(ITO_SDE_AFFINE);
    sde.g = step_noise;
    ito_error err;
    assert_int_equal(ito_sde_check(&sde, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "still change"));
}

/* The prior's log-density integrates to one, and its samples have its deviation: of 100,000 normals the
 * sample variance is off by 5 standard errors with probability 6e-7. */
static void prior_samples_have_the_prior_density(void **state) {
    (void)state;
    enum { n = 50000, dim = 2, points = 4001 };
    static double x[n * dim], grid[points], log_density[points];
    const double bound = 5 * sqrt(2.0 / (n * dim));
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = sde_example(kind);
        const double std = ito_sde_prior_std(&sde), h = 20 * std / (points - 1);
        double squares = 0, mass = 0;
        ito_sde_prior_sample(&sde, 5, 0, n, dim, x);
        for (int64_t j = 0; j < n * dim; j++) squares += x[j] * x[j];
        for (int64_t i = 0; i < points; i++) grid[i] = -10 * std + h * (double)i;
        ito_sde_prior_log_density(&sde, points, 1, grid, log_density);
        for (int64_t i = 0; i < points; i++) mass += h * exp(log_density[i]);
        const double error = fabs(squares / (n * dim * std * std) - 1);
        print_message("%s: variance off by %.4f (bound %.4f), mass by %.1e (bound 1e-12)\n",
                      ito_sde_name(sde.kind), error, bound, fabs(mass - 1));
        assert_true(error < bound && fabs(mass - 1) < 1e-12);
        double both[1], parts[2];
        ito_sde_prior_log_density(&sde, 1, 2, x, both);
        ito_sde_prior_log_density(&sde, 2, 1, x, parts);
        assert_true(fabs(both[0] - parts[0] - parts[1]) < 1e-12);
    }
}

/* Data N(0, v) have the score -x / (a^2 v + b^2), so the family's second moment, run back over dt, must
 * change as p_t's does for every eta. A wrong factor in A, S or Z shifts it by more than 1e-2 of its size. */
static void reverse_family_keeps_the_marginals_for_every_eta(void **state) {
    (void)state;
    const double v = 0.25, etas[] = {0, 0.3, 1, 2};
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = sde_example(kind);
        const double t = 0.4 * sde.T, a = ito_sde_mean(&sde, t), b = ito_sde_std(&sde, t);
        const double f1 = ito_sde_drift(&sde, t), g = ito_sde_diffusion(&sde, t);
        const double second = a * a * v + b * b, forward = 2 * f1 * second + g * g;
        for (size_t e = 0; e < sizeof etas / sizeof etas[0]; e++) {
            double A, S, Z;
            ito_sde_reverse(&sde, etas[e], t, &A, &S, &Z);
            const double backward = 2 * (A * second - S) - Z * Z;
            assert_true(fabs(backward - forward) < 1e-12 * (fabs(2 * f1 * second) + (1 + Z * Z) * g * g));
        }
    }
}

static void each_table_time_has_its_own_index(void **state) {
    (void)state;
    const int64_t lengths[] = {2, 3, 50, 1000, 2000, 4001, 100000};
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) {
        ito_sde sde = ito_sde_default(ITO_SDE_VP);
        sde.steps = lengths[l];
        for (int64_t k = 0; k < sde.steps; k++) {
            const double t = (double)k / (double)(sde.steps - 1);
            assert_int_equal(ito_sde_index(&sde, t), k);
            if (k > 0) assert_int_equal(ito_sde_index(&sde, t - 1e-3 / (double)sde.steps), k - 1);
        }
    }
}

static void index_stays_inside_the_table(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    assert_int_equal(ito_sde_index(&sde, 1 + 1e-12), sde.steps - 1);
    assert_int_equal(ito_sde_index(&sde, 2), sde.steps - 1);
    assert_int_equal(ito_sde_index(&sde, -1e-12), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(unknown_name_lists_the_known_ones),
        cmocka_unit_test(defaults_pass_the_check),
        cmocka_unit_test(check_names_the_bad_field),
        cmocka_unit_test(mean_and_std_solve_the_equations_of_drift_and_diffusion),
        cmocka_unit_test(std_keeps_its_digits_at_small_times),
        cmocka_unit_test(marginal_at_T_is_the_prior),
        cmocka_unit_test(forward_chain_reaches_the_marginal),
        cmocka_unit_test(affine_sde_of_vp_is_vp),
        cmocka_unit_test(affine_sde_that_does_not_settle_is_refused),
        cmocka_unit_test(prior_samples_have_the_prior_density),
        cmocka_unit_test(reverse_family_keeps_the_marginals_for_every_eta),
        cmocka_unit_test(each_table_time_has_its_own_index),
        cmocka_unit_test(index_stays_inside_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
