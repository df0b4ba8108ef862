/* SPDX-License-Identifier: Apache-2.0
 *
 * Analytic densities, under every SDE: the score is the gradient of the log-density, vjp and divergence are
 * those of the score, the log-density obeys the Fokker-Planck equation of f1 and g, and samples have the
 * moments of a(t) x(0) + b(t) z.
 */
#include "support/sde_example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/analytic.h>
#include <math.h>
#include <string.h>

enum { dim = 3, components = 4, points = 5 };

static const double mean3[dim] = {0.3, -0.2, 0.1};
static const double covariance[dim * dim] = {0.5, 0.2, -0.1, 0.2, 0.3, 0.05, -0.1, 0.05, 0.2};
static const double weights[components] = {1, 2, 3, 4};
static const double means[components * dim] = {1, 0, 0, -1, 0.5, 0, 0, -1, 0.4, 0.2, 0.3, -0.8};
static const double stds[components] = {0.3, 0.3, 0.5, 0.4};

enum { GAUSSIAN, MIXTURE, families };

static ito_density *density_of(int family, const ito_sde *sde) {
    ito_density *density = NULL;
    ito_error err = {0};
    const ito_status st =
        family == GAUSSIAN ? ito_gaussian_create(sde, dim, mean3, covariance, &density, &err)
                           : ito_mixture_create(sde, components, dim, weights, means, stds, &density, &err);
    if (st != ITO_OK) fail_msg("%s", err.message);
    assert_int_equal(ito_density_dim(density), dim);
    return density;
}

/* Points about where p_t has its mass, and times over the whole range. */
typedef struct probe {
    ito_sde sde;
    ito_density *density;
    ito_score score;
    double x[points * dim], t[points];
} probe;

static probe probe_of(int family, int kind) {
    probe p = {.sde = sde_example(kind)};
    p.density = density_of(family, &p.sde);
    p.score = ito_density_score(p.density);
    const double share[points] = {0.03, 0.1, 0.3, 0.6, 0.95};
    for (int k = 0; k < points; k++) {
        p.t[k] = share[k] * p.sde.T;
        assert_int_equal(ito_density_sample(p.density, 11, k, p.t[k], 1, p.x + k * dim, NULL), ITO_OK);
    }
    return p;
}

/* A length over which p_t hardly changes. */
static double scale_at(const probe *p, double t) {
    return hypot(0.3 * ito_sde_mean(&p->sde, t), ito_sde_std(&p->sde, t));
}

typedef void (*claim)(const probe *p, int k, double *error);

/* The largest error of a claim over families, SDEs and points. */
static void expect(claim measure, const char *what, double bound) {
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        double worst = 0;
        for (int family = 0; family < families; family++) {
            probe p = probe_of(family, kind);
            for (int k = 0; k < points; k++) {
                double error = NAN;
                measure(&p, k, &error);
                if (!isnan(worst) && !(error <= worst)) worst = error;
            }
            ito_density_free(p.density);
        }
        print_message("%-17s %s: off by %.1e (bound %.0e)\n", ito_sde_name((ito_sde_kind)kind), what, worst,
                      bound);
        assert_true(worst < bound);
    }
}

/* Central differences with steps h = 1e-4 of the scale leave h^2 and round-off over h, each about 1e-8. */
static void score_claim(const probe *p, int k, double *error) {
    const double scale = scale_at(p, p->t[k]), h = 1e-4 * scale;
    double s[dim], log_p[2], worst = 0;
    p->score.eval(p->score.self, 1, p->x + k * dim, p->t + k, s, NULL);
    for (int j = 0; j < dim; j++) {
        for (int side = 0; side < 2; side++) {
            double x[dim];
            memcpy(x, p->x + k * dim, sizeof x);
            x[j] += side ? h : -h;
            ito_density_log(p->density, 1, x, p->t + k, log_p + side);
        }
        worst = fmax(worst, fabs((log_p[1] - log_p[0]) / (2 * h) - s[j]) * scale);
    }
    *error = worst;
}

static void score_is_the_gradient_of_the_log_density(void **state) {
    (void)state;
    expect(score_claim, "score", 1e-6);
}

static void vjp_claim(const probe *p, int k, double *error) {
    const double scale = scale_at(p, p->t[k]), h = 1e-4 * scale, v[dim] = {0.7, -1.1, 0.4};
    double out[dim], s[2][dim], worst = 0;
    p->score.vjp(p->score.self, 1, p->x + k * dim, p->t + k, v, out, NULL);
    for (int j = 0; j < dim; j++) {
        double difference = 0;
        for (int side = 0; side < 2; side++) {
            double x[dim];
            memcpy(x, p->x + k * dim, sizeof x);
            x[j] += side ? h : -h;
            p->score.eval(p->score.self, 1, x, p->t + k, s[side], NULL);
        }
        for (int i = 0; i < dim; i++) difference += v[i] * (s[1][i] - s[0][i]) / (2 * h);
        worst = fmax(worst, fabs(difference - out[j]) * scale * scale);
    }
    *error = worst;
}

static void vjp_is_the_derivative_of_the_score(void **state) {
    (void)state;
    expect(vjp_claim, "vjp", 1e-6);
}

static void divergence_claim(const probe *p, int k, double *error) {
    const double scale = scale_at(p, p->t[k]);
    double divergence, trace = 0;
    assert_int_equal(ito_density_divergence(p->density, 1, p->x + k * dim, p->t + k, &divergence, NULL),
                     ITO_OK);
    for (int j = 0; j < dim; j++) {
        double v[dim] = {0}, out[dim];
        v[j] = 1;
        p->score.vjp(p->score.self, 1, p->x + k * dim, p->t + k, v, out, NULL);
        trace += out[j];
    }
    *error = fabs(divergence - trace) * scale * scale;
}

static void divergence_is_the_trace_of_the_jacobian(void **state) {
    (void)state;
    expect(divergence_claim, "divergence", 1e-12);
}

/* d log p / dt = -dim f1 - f1 x.s + g^2 / 2 (div s + |s|^2), times a time over which p_t changes. */
static void fokker_planck_claim(const probe *p, int k, double *error) {
    const double t = p->t[k], h = 1e-4 * t, *x = p->x + k * dim;
    const double f1 = ito_sde_drift(&p->sde, t), g = ito_sde_diffusion(&p->sde, t);
    double s[dim], divergence, log_p[2], xs = 0, ss = 0;
    for (int side = 0; side < 2; side++) {
        const double at = side ? t + h : t - h;
        ito_density_log(p->density, 1, x, &at, log_p + side);
    }
    p->score.eval(p->score.self, 1, x, &t, s, NULL);
    ito_density_divergence(p->density, 1, x, &t, &divergence, NULL);
    for (int j = 0; j < dim; j++) {
        xs += x[j] * s[j];
        ss += s[j] * s[j];
    }
    const double expected = -dim * f1 - f1 * xs + g * g / 2 * (divergence + ss);
    const double size = dim * fabs(f1) + fabs(f1 * xs) + g * g / 2 * (fabs(divergence) + ss);
    *error = fabs((log_p[1] - log_p[0]) / (2 * h) - expected) / size;
}

static void log_density_obeys_the_fokker_planck_equation(void **state) {
    (void)state;
    expect(fokker_planck_claim, "Fokker-Planck", 1e-6);
}

/* The trapezoid rule over a smooth density that vanishes at both ends is exact to round-off. */
static void densities_integrate_to_one(void **state) {
    (void)state;
    enum { n = 4001 };
    const double m[2] = {-1, 0.5}, w[2] = {0.3, 0.7}, s[2] = {0.2, 0.4}, v = 0.3;
    const ito_sde sde = ito_sde_default(ITO_SDE_OU);
    for (int family = 0; family < families; family++) {
        ito_density *density;
        assert_int_equal(family == GAUSSIAN ? ito_gaussian_create(&sde, 1, m, &v, &density, NULL)
                                            : ito_mixture_create(&sde, 2, 1, w, m, s, &density, NULL),
                         ITO_OK);
        static double x[n], t[n], log_p[n];
        double mass = 0;
        for (int i = 0; i < n; i++) {
            x[i] = -10 + 20.0 * i / (n - 1);
            t[i] = 0.4;
        }
        ito_density_log(density, n, x, t, log_p);
        for (int i = 0; i < n; i++) mass += 20.0 / (n - 1) * exp(log_p[i]);
        assert_true(fabs(mass - 1) < 1e-12);
        ito_density_free(density);
    }
}

/* In 40 dimensions with eigenvalues from 0 to 40: (a^2 C + b^2 I) score = a m - x, without a decomposition.
 */
static void score_of_a_large_gaussian_solves_its_equation(void **state) {
    (void)state;
    enum { D = 40, rank = 30 };
    static double root[rank * D], C[D * D], m[D], x[D], s[D];
    const ito_stream stream = {.seed = 4, .purpose = ITO_RNG_USER};
    ito_random_normal(stream, 0, rank * D, root);
    ito_random_normal(stream, 1, D, m);
    ito_random_normal(stream, 2, D, x);
    for (int i = 0; i < D; i++)
        for (int j = 0; j < D; j++) {
            C[i * D + j] = 0;
            for (int r = 0; r < rank; r++) C[i * D + j] += root[r * D + i] * root[r * D + j] / 2;
        }
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    const double t = 0.2, a = ito_sde_mean(&sde, t), b = ito_sde_std(&sde, t);
    ito_density *density;
    assert_int_equal(ito_gaussian_create(&sde, D, m, C, &density, NULL), ITO_OK);
    const ito_score score = ito_density_score(density);
    assert_int_equal(score.eval(score.self, 1, x, &t, s, NULL), ITO_OK);
    double worst = 0;
    for (int i = 0; i < D; i++) {
        double sum = b * b * s[i];
        for (int j = 0; j < D; j++) sum += a * a * C[i * D + j] * s[j];
        worst = fmax(worst, fabs(sum - (a * m[i] - x[i])));
    }
    print_message("residual %.1e (bound 1e-11)\n", worst);
    assert_true(worst < 1e-11);
    ito_density_free(density);
}

/* The first and second moments of 40,000 draws against a m and a^2 C + b^2 I. Of the 18 comparisons each is
 * off by 5 standard errors with probability below 1e-6 (the fourth moment bounds that of a second moment). */
static void samples_have_the_moments_of_the_density(void **state) {
    (void)state;
    enum { n = 40000 };
    static double x[n * dim];
    const ito_sde sde = ito_sde_default(ITO_SDE_CONTRACTIVE_OU);
    const double t = 0.05, a = ito_sde_mean(&sde, t), b = ito_sde_std(&sde, t);
    for (int family = 0; family < families; family++) {
        double m[dim] = {0}, C[dim * dim] = {0}, total = 0;
        for (int k = 0; k < components; k++) total += weights[k];
        for (int i = 0; i < dim; i++)
            for (int k = 0; k < components; k++) m[i] += weights[k] / total * means[k * dim + i];
        for (int i = 0; i < dim; i++)
            for (int j = 0; j < dim; j++)
                for (int k = 0; k < components; k++)
                    C[i * dim + j] += weights[k] / total *
                                      ((means[k * dim + i] - m[i]) * (means[k * dim + j] - m[j]) +
                                       (i == j ? stds[k] * stds[k] : 0));
        if (family == GAUSSIAN) {
            memcpy(m, mean3, sizeof m);
            memcpy(C, covariance, sizeof C);
        }
        ito_density *density = density_of(family, &sde);
        assert_int_equal(ito_density_sample(density, 8, 0, t, n, x, NULL), ITO_OK);
        for (int i = 0; i < dim; i++) {
            double sum = 0, squares = 0;
            for (int k = 0; k < n; k++) {
                const double d = x[k * dim + i] - a * m[i];
                sum += d;
                squares += d * d;
            }
            assert_true(fabs(sum / n) < 5 * sqrt(squares / n / n));
            for (int j = 0; j <= i; j++) {
                const double truth = a * a * C[i * dim + j] + (i == j ? b * b : 0);
                double product = 0, fourth = 0;
                for (int k = 0; k < n; k++) {
                    const double d = (x[k * dim + i] - a * m[i]) * (x[k * dim + j] - a * m[j]);
                    product += d;
                    fourth += d * d;
                }
                print_message("(%d, %d): %.4f, truth %.4f, bound %.4f\n", i, j, product / n, truth,
                              5 * sqrt(fourth / n / n));
                assert_true(fabs(product / n - truth) < 5 * sqrt(fourth / n / n));
            }
        }
        ito_density_free(density);
    }
}

static void one_component_is_a_gaussian(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_SUBVP);
    const double C[4] = {0.25, 0, 0, 0.25}, m[2] = {1, -1}, w = 3, s = 0.5, x[4] = {0.2, 0.4, -3, 8};
    const double t[2] = {0.1, 0.7};
    ito_density *gaussian, *mixture;
    double out[2][4], divergence[2][2], log_p[2][2];
    assert_int_equal(ito_gaussian_create(&sde, 2, m, C, &gaussian, NULL), ITO_OK);
    assert_int_equal(ito_mixture_create(&sde, 1, 2, &w, m, &s, &mixture, NULL), ITO_OK);
    ito_density *const both[2] = {gaussian, mixture};
    for (int f = 0; f < 2; f++) {
        const ito_score score = ito_density_score(both[f]);
        score.eval(score.self, 2, x, t, out[f], NULL);
        ito_density_divergence(both[f], 2, x, t, divergence[f], NULL);
        ito_density_log(both[f], 2, x, t, log_p[f]);
        ito_density_free(both[f]);
    }
    for (int j = 0; j < 4; j++) assert_true(fabs(out[0][j] / out[1][j] - 1) < 1e-13);
    for (int k = 0; k < 2; k++) {
        assert_true(fabs(divergence[0][k] / divergence[1][k] - 1) < 1e-13);
        assert_true(fabs(log_p[0][k] / log_p[1][k] - 1) < 1e-13);
    }
}

/* Far out every exp(term) is 0 in double; the nearest component alone counts. */
static void score_far_from_the_data_stays_finite(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VE);
    const double x[dim] = {3e4, -2e4, 1e4}, t = 0.01;
    ito_density *density = density_of(MIXTURE, &sde);
    const ito_score score = ito_density_score(density);
    double s[dim], log_p;
    score.eval(score.self, 1, x, &t, s, NULL);
    ito_density_log(density, 1, x, &t, &log_p);
    const double b = ito_sde_std(&sde, t), v = 0.25 + b * b; /* the widest component wins */
    for (int j = 0; j < dim; j++) assert_true(fabs(s[j] / ((means[2 * dim + j] - x[j]) / v) - 1) < 1e-12);
    assert_true(isfinite(log_p));
    ito_density_free(density);
}

static void bad_densities_are_refused_by_name(void **state) {
    (void)state;
    const ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_sde bad_sde = vp;
    bad_sde.steps = 0;
    const double lopsided[4] = {1, 0.5, 0.4, 1}, indefinite[4] = {1, 2, 2, 1}, m[2] = {0, 0}, one[2] = {1, 1};
    const double none[2] = {1, 0}, negative[2] = {1, -1};
    ito_density *out = (ito_density *)0x1;
    ito_error err;
#define REFUSED(call, words)                                                                                 \
    assert_int_equal(call, ITO_E_ARG);                                                                       \
    assert_null(out);                                                                                        \
    assert_non_null(strstr(err.message, words))
    REFUSED(ito_gaussian_create(&vp, 2, m, lopsided, &out, &err), "covariance: has 0.4 at (1, 0)");
    REFUSED(ito_gaussian_create(&vp, 2, m, indefinite, &out, &err), "covariance: has the eigenvalue -1");
    REFUSED(ito_gaussian_create(&vp, 0, m, lopsided, &out, &err), "dim:");
    REFUSED(ito_gaussian_create(&bad_sde, 2, m, indefinite, &out, &err), "steps:");
    REFUSED(ito_mixture_create(&vp, 0, 2, one, m, one, &out, &err), "components:");
    REFUSED(ito_mixture_create(&vp, 2, 1, none, m, one, &out, &err), "weights: component 1");
    REFUSED(ito_mixture_create(&vp, 2, 1, one, m, negative, &out, &err), "stds: component 1");
    REFUSED(ito_mixture_named(&vp, "circles", &out, &err), "use one of swissroll, checkerboard, 8gaussians");
#undef REFUSED
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_is_the_gradient_of_the_log_density),
        cmocka_unit_test(vjp_is_the_derivative_of_the_score),
        cmocka_unit_test(divergence_is_the_trace_of_the_jacobian),
        cmocka_unit_test(log_density_obeys_the_fokker_planck_equation),
        cmocka_unit_test(densities_integrate_to_one),
        cmocka_unit_test(score_of_a_large_gaussian_solves_its_equation),
        cmocka_unit_test(samples_have_the_moments_of_the_density),
        cmocka_unit_test(one_component_is_a_gaussian),
        cmocka_unit_test(score_far_from_the_data_stays_finite),
        cmocka_unit_test(bad_densities_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
