/* SPDX-License-Identifier: Apache-2.0
 *
 * DDIM, DPM-Solver++ and UniPC step by step: updates worked out by hand, in Newton's form of the polynomials,
 * and what they integrate exactly.
 *
 * Under VE with sigma 8 to 1 and N = 4 the log_snr grid has b = 8, 4, 2, 1: steps h = ln 2 in lambda, in
 * which
 *     I0 = integral of e^(u - h) du = 1/2,  I1 (times u) = h - 1/2,  I2 (times u^2) = h^2 - 2 h + 1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/grid.h"
#include "dynamics/multistep.h"
#include "support/mixture.h"
#include "support/sde_example.h"
#include <cmocka.h>

#include <math.h>
#include <string.h>

/* A data prediction that depends on lambda alone; its score. */
typedef struct prescribed {
    const ito_sde *sde;
    double (*D)(double lambda);
} prescribed;

static ito_status eval(void *self, int64_t n, const double *x, const double *t, double *score,
                       ito_error *err) {
    (void)err;
    const prescribed *p = self;
    for (int64_t k = 0; k < n; k++) {
        const double a = ito_sde_mean(p->sde, t[k]), b = ito_sde_std(p->sde, t[k]);
        score[k] = (a * p->D(log(a / b)) - x[k]) / (b * b);
    }
    return ITO_OK;
}

static void all_ones(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim, double *out) {
    (void)self, (void)purpose, (void)step;
    for (int64_t j = 0; j < n * dim; j++) out[j] = 1;
}

typedef struct course {
    const char *predictor, *grid;
    double eta, eps;
    int64_t steps;
} course;

/* x after each grid point of a run of one value from prior_std * 1, all normals 1. */
static void trace(const ito_sde *sde, double (*D)(double), course c, double *path) {
    prescribed p = {sde, D};
    const ito_score score = {.self = &p, .dim = 1, .eval = eval};
    ito_pc_options options = ito_pc_default(sde);
    options.predictor = c.predictor;
    options.corrector = "none";
    options.grid = c.grid;
    options.steps = c.steps;
    options.eps = c.eps;
    options.eta = c.eta;
    options.denoise = false;
    ito__pc pc;
    ito_error err = {0};
    if (ito__pc_open(&pc, sde, &score, &options, (ito__noise){NULL, all_ones}, 1, &err) != ITO_OK)
        fail_msg("%s", err.message);
    for (path[0] = pc.x[0]; pc.i < c.steps - 1; path[pc.i] = pc.x[0])
        assert_int_equal(ito__pc_advance(&pc, &err), ITO_OK);
    ito__pc_close(&pc);
}

static ito_sde halving(void) {
    ito_sde sde = ito_sde_default(ITO_SDE_VE);
    sde.sigma_max = 8;
    sde.sigma_min = 0.5;
    return sde;
}
static const double when_1 = 0.25; /* sigma(t) = 1 */

/* D = 1, 3, 2 at b = 8, 4, 2. */
static double three_values(double lambda) {
    const double b = exp(-lambda);
    return b > 6 ? 1 : b > 3 ? 3 : 2;
}

static void expect_path(const char *predictor, double eta, const double expected[4]) {
    const ito_sde sde = halving();
    double path[4];
    trace(&sde, three_values, (course){predictor, "log_snr", eta, when_1, 4}, path);
    for (int i = 0; i < 4; i++) {
        print_message("%-12s step %d: %.15g, by hand %.15g\n", predictor, i, path[i], expected[i]);
        assert_true(fabs(path[i] - expected[i]) < 1e-13 * fabs(expected[i]));
    }
}

static void ddim_takes_the_steps_worked_out_by_hand(void **state) {
    (void)state;
    /* x' = D + (x - D) / 2. */
    expect_path("ddim", 0, (const double[]){8, 4.5, 3.75, 2.875});
    /* c = b' sqrt(3)/2, and half of b' is left: x' = D + (x - D) / 4 + c. */
    const double c = sqrt(3) / 2, x1 = 1 + 7.0 / 4 + 4 * c, x2 = 3 + (x1 - 3) / 4 + 2 * c;
    expect_path("ddim", 1, (const double[]){8, x1, x2, 2 + (x2 - 2) / 4 + c});
}

static double constant(double lambda) {
    (void)lambda;
    return 0.7;
}

/* [DDPM] Eq 7 with abar = a^2. */
static void ddim_with_all_the_noise_is_the_posterior_of_ddpm(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    const double eps = 0.3, T = sde.T;
    const double abar = pow(ito_sde_mean(&sde, T), 2), abar_next = pow(ito_sde_mean(&sde, eps), 2);
    const double alpha = abar / abar_next, beta = 1 - alpha;
    const double expected = sqrt(abar_next) * beta / (1 - abar) * constant(0) +
                            sqrt(alpha) * (1 - abar_next) / (1 - abar) +
                            sqrt((1 - abar_next) / (1 - abar) * beta);
    double path[2];
    trace(&sde, constant, (course){"ddim", "log_snr", 1, eps, 2}, path);
    print_message("ddim %.15g, posterior %.15g\n", path[1], expected);
    assert_true(path[0] == 1);
    assert_true(fabs(path[1] - expected) < 1e-12);
}

static void ddim_refuses_more_noise_than_the_posterior(void **state) {
    (void)state;
    const ito_sde sde = halving();
    prescribed p = {&sde, constant};
    const ito_score score = {.self = &p, .dim = 1, .eval = eval};
    ito_pc_options options = ito_pc_default(&sde);
    options.predictor = "ddim";
    options.eta = 1.5;
    double x;
    ito_error err;
    assert_int_equal(ito_pc_sample(&sde, &score, &options, 1, &x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "eta: is 1.5: ddim takes 0"));
}

static void dpmpp_2m_takes_the_steps_worked_out_by_hand(void **state) {
    (void)state;
    /* x' = (x + E) / 2 with E = 1, 3 + 2/2, 2 - 1/2. */
    expect_path("dpmpp_2m", -1, (const double[]){8, 4.5, 4.25, 2.875});
}

static void dpmpp_sde_2m_takes_the_steps_worked_out_by_hand(void **state) {
    (void)state;
    /* x' = x / 4 + 3 E / 4 + b' sqrt(3)/2. */
    const double c = sqrt(3) / 2, x1 = 2.75 + 4 * c, x2 = x1 / 4 + 3 + 2 * c;
    expect_path("dpmpp_sde_2m", -1, (const double[]){8, x1, x2, x2 / 4 + 1.125 + c});
}

/* Newton's form: first and second differences, their integrals divided by h and 2 h^2. */
static double newton_1(void) {
    const double h = log(2);
    return (h - 0.5) / h;
}

static double newton_2(void) {
    const double h = log(2), I1 = h - 0.5, I2 = h * h - 2 * h + 1;
    return (I2 + h * I1) / (2 * h * h);
}

static void dpmpp_3m_takes_the_steps_worked_out_by_hand(void **state) {
    (void)state;
    const double x1 = 4.5, corrected = x1 + newton_1() * (3 - 1);
    const double x2 = corrected / 2 + 3.0 / 2 + newton_1() * (3 - 1);
    const double x3 = x2 / 2 + 2.0 / 2 + newton_1() * (2 - 3) + newton_2() * (2 - 2 * 3 + 1);
    expect_path("dpmpp_3m", -1, (const double[]){8, x1, x2, x3});
}

/* A correction is the highest difference, new D included, times the integral of the product of u - u_k over
 * the nodes without it: nodes 0 and -h after the second step. */
static void unipc_takes_the_steps_worked_out_by_hand(void **state) {
    (void)state;
    const double x1 = 4.5, corrected_1 = x1 + newton_1() * (3 - 1);
    const double x2 = corrected_1 / 2 + 3.0 / 2 + newton_1() * (3 - 1);
    const double corrected_2 = x2 + newton_2() * (2 - 2 * 3 + 1);
    const double x3 = corrected_2 / 2 + 2.0 / 2 + newton_1() * (2 - 3) + newton_2() * (2 - 2 * 3 + 1);
    expect_path("unipc", -1, (const double[]){8, x1, x2, x3});
}

/* Composite Simpson rule, exact to 1e-12 here. */
static double integral(double h, int power) {
    enum { panels = 2000 };
    double sum = 0;
    for (int p = 0; p <= panels; p++) {
        const double u = h * p / panels;
        sum += (p == 0 || p == panels ? 1 : p % 2 ? 4 : 2) * exp(u - h) * pow(u / h, power);
    }
    return sum / 3 / panels;
}

static void weights_integrate_polynomials_exactly(void **state) {
    (void)state;
    const double nodes[2][4] = {{0, -0.8, -2.1, -2.9}, {1, 0, -1.3, -1.9}};
    const double lengths[] = {0.05, 0.7, 3};
    double worst = 0;
    for (int l = 0; l < 3; l++)
        for (int set = 0; set < 2; set++)
            for (int count = 1; count <= 4; count++) {
                const double h = lengths[l], *r = nodes[set];
                double w[4];
                ito__multistep_weights(h, count, r, w);
                for (int power = 0; power < count; power++) {
                    double sum = 0;
                    for (int k = 0; k < count; k++) sum += w[k] * pow(r[k], power);
                    worst = fmax(worst, fabs(sum - integral(h, power)));
                }
            }
    print_message("worst weight sum off by %.1e (bound 1e-11)\n", worst);
    assert_true(worst < 1e-11);
}

/* Steps of lengths that differ: EDM's uniform grid b = 8, 4.5, 1. */
static void two_steps_heed_the_ratio_of_their_lengths(void **state) {
    (void)state;
    ito_sde sde = ito_sde_default(ITO_SDE_EDM);
    sde.T = 8;
    const double E = 3 + (3 - 1) * log(4.5) / log(8 / 4.5) / 2;
    double path[3];
    trace(&sde, three_values, (course){"dpmpp_2m", "uniform", -1, 1, 3}, path);
    const double x1 = 4.5 + 3.5 / 8, x2 = x1 / 4.5 + 3.5 / 4.5 * E;
    print_message("dpmpp_2m     %.15g, %.15g, by hand %.15g, %.15g\n", path[1], path[2], x1, x2);
    assert_true(fabs(path[1] - x1) < 1e-13 && fabs(path[2] - x2) < 1e-13);

    trace(&sde, three_values, (course){"dpmpp_sde_2m", "uniform", -1, 1, 3}, path);
    const double q = 4.5 * 4.5, y1 = 8 * q / 64 + (1 - q / 64) + 4.5 * sqrt(1 - q / 64);
    const double y2 = y1 / q + (1 - 1 / q) * E + sqrt(1 - 1 / q);
    print_message("dpmpp_sde_2m %.15g, %.15g, by hand %.15g, %.15g\n", path[1], path[2], y1, y2);
    assert_true(fabs(path[1] - y1) < 1e-13 && fabs(path[2] - y2) < 1e-13);
}

/* The solution through x(T) for D = c0 + c1 lambda + c2 lambda^2 is a Q(lambda) + const b, Q + Q' = D. */
static double linear(double lambda) {
    return 0.3 - 0.2 * lambda;
}
static double linear_Q(double lambda) {
    return linear(lambda) + 0.2;
}
static double quadratic(double lambda) {
    return 0.3 - 0.2 * lambda + 0.1 * lambda * lambda;
}
static double quadratic_Q(double lambda) {
    return quadratic(lambda) + 0.2 - 0.2 * lambda + 0.2;
}

/* Largest change of (x - a Q)/b, which the exact flow keeps, from grid point `from` to the last. */
static double drift_off(int kind, const char *predictor, double (*D)(double), double (*Q)(double), int from) {
    enum { steps = 12 };
    const ito_sde sde = sde_example(kind);
    const double eps = 20 * ito_sde_sampling_eps(&sde);
    double path[steps], t[steps], first = 0, worst = 0, size = 0;
    trace(&sde, D, (course){predictor, "karras", -1, eps, steps}, path);
    assert_int_equal(ito_grid_fill(&sde, "karras", eps, steps, t, NULL), ITO_OK);
    for (int i = from; i < steps; i++) {
        const double a = ito_sde_mean(&sde, t[i]), b = ito_sde_std(&sde, t[i]), q = a * Q(log(a / b));
        const double kept = (path[i] - q) / b;
        if (i == from) first = kept;
        worst = fmax(worst, fabs(kept - first));
        size = fmax(size, (fabs(path[i]) + fabs(q)) / b);
    }
    return worst / size;
}

static void exact_methods_are_exact(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        /* From the start; after the first correction; with three D's that are right. */
        const double ddim = drift_off(kind, "ddim", constant, constant, 0);
        const double linear_3m = drift_off(kind, "dpmpp_3m", linear, linear_Q, 2);
        const double three = drift_off(kind, "dpmpp_3m", quadratic, quadratic_Q, 3);
        const double unipc = drift_off(kind, "unipc", quadratic, quadratic_Q, 3);
        /* 2M's midpoint rule is not the integral. */
        const double two = drift_off(kind, "dpmpp_2m", linear, linear_Q, 2);
        print_message("%-17s ddim, constant D %.1e; 3m, linear %.1e, quadratic %.1e; unipc, quadratic %.1e "
                      "(bounds 1e-12); 2m, linear %.1e\n",
                      ito_sde_name((ito_sde_kind)kind), ddim, linear_3m, three, unipc, two);
        assert_true(ddim < 1e-12 && linear_3m < 1e-12 && three < 1e-12 && unipc < 1e-12);
        assert_true(two > 1e-4);
    }
}

static const double one = 1, mean[2] = {0.3, -0.2}, std = 0.5;

/* The correction is an increment: with correctors between the steps the law stays that of the data. */
static void every_ode_method_runs_with_langevin(void **state) {
    (void)state;
    enum { n = 4096 };
    static double x[2 * n];
    const char *const methods[] = {"ddim", "dpmpp_2m", "dpmpp_3m", "unipc"};
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int m = 0; m < 4; m++) {
            mixture mix = {.sde = ito_sde_default((ito_sde_kind)kind),
                           .K = 1,
                           .dim = 2,
                           .w = &one,
                           .m = mean,
                           .s = &std};
            const ito_score score = mixture_score(&mix);
            ito_pc_options options = ito_pc_default(&mix.sde);
            options.predictor = methods[m];
            options.corrector = "ald";
            options.marginal_alpha = true;
            options.grid = "log_snr";
            options.steps = 60;
            options.snr = 0.1;
            options.seed = 3;
            ito_sample_report report;
            ito_error err = {0};
            if (ito_pc_sample(&mix.sde, &score, &options, n, x, &report, &err) != ITO_OK)
                fail_msg("%s", err.message);
            assert_int_equal(report.nfe, 60 * 2);
            double sum = 0, squares = 0;
            for (int j = 0; j < 2 * n; j++) {
                const double d = (x[j] - mean[j % 2]) / std;
                sum += d;
                squares += d * d;
            }
            const double off = sum / (2 * n), variance = squares / (2 * n) - off * off;
            print_message("%-5s %-9s mean off by %.4f, variance %.4f\n", ito_sde_name((ito_sde_kind)kind),
                          methods[m], off, variance);
            /* 5 standard errors are 0.055 and 0.078; 0.03 for the bias of 60 steps. */
            assert_true(fabs(off) < 0.085 && fabs(variance - 1) < 0.108);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ddim_takes_the_steps_worked_out_by_hand),
        cmocka_unit_test(ddim_with_all_the_noise_is_the_posterior_of_ddpm),
        cmocka_unit_test(ddim_refuses_more_noise_than_the_posterior),
        cmocka_unit_test(dpmpp_2m_takes_the_steps_worked_out_by_hand),
        cmocka_unit_test(dpmpp_sde_2m_takes_the_steps_worked_out_by_hand),
        cmocka_unit_test(dpmpp_3m_takes_the_steps_worked_out_by_hand),
        cmocka_unit_test(unipc_takes_the_steps_worked_out_by_hand),
        cmocka_unit_test(two_steps_heed_the_ratio_of_their_lengths),
        cmocka_unit_test(weights_integrate_polynomials_exactly),
        cmocka_unit_test(exact_methods_are_exact),
        cmocka_unit_test(every_ode_method_runs_with_langevin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
