/* SPDX-License-Identifier: Apache-2.0
 *
 * The probability-flow ODE of Gaussian data is known in closed form, and so is the density of a mixture:
 * sampling, encoding, decoding and likelihood are held to them. Then promises to a caller.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/flow_case.h"
#include <ito/flow.h>

#include <math.h>
#include <string.h>

enum { count = 5, state_size = count * dim };

static ito_flow_options tight(void) {
    ito_flow_options options = ito_flow_default();
    options.ode.rtol = options.ode.atol = 1e-10;
    options.denoise = false;
    options.seed = 5;
    return options;
}

static double largest_difference(int64_t n, const double *a, const double *b) {
    double worst = 0;
    for (int64_t j = 0; j < n; j++) worst = fmax(worst, fabs(a[j] - b[j]));
    return worst;
}

/* x(eps) = a(eps) m + sqrt(v(eps) / v(T)) (x(T) - a(T) m), with v = a^2 s^2 + b^2. */
static void gaussian_data_are_carried_along_the_known_line(void **state) {
    (void)state;
    const double bound = 1e-7;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        mixture mix = gaussian((ito_sde_kind)kind);
        const ito_score score = mixture_score(&mix);
        const ito_flow_options options = tight();
        const double eps = ito_sde_sampling_eps(&mix.sde);
        double x[state_size], expected[state_size], a[2], v[2];
        for (int end = 0; end < 2; end++) {
            a[end] = ito_sde_mean(&mix.sde, end == 0 ? eps : 1);
            v[end] = pow(a[end] * std_one, 2) + pow(ito_sde_std(&mix.sde, end == 0 ? eps : 1), 2);
        }
        for (int k = 0; k < count; k++) {
            double *row = expected + k * dim;
            ito_random_normal((ito_stream){options.seed, ITO_RNG_PRIOR, k}, 0, dim, row);
            for (int j = 0; j < dim; j++) {
                const double z = ito_sde_prior_std(&mix.sde) * row[j];
                row[j] = a[0] * center[j] + sqrt(v[0] / v[1]) * (z - a[1] * center[j]);
            }
        }
        ito_error err;
        expect_ok(ito_ode_sample(&mix.sde, &score, &options, count, x, NULL, &err), &err);
        const double worst = largest_difference(state_size, x, expected);
        print_message("%-5s samples differ by %.1e (bound %.0e)\n", ito_sde_name(mix.sde.kind), worst, bound);
        assert_true(worst < bound);
    }
}

static void decoding_undoes_encoding(void **state) {
    (void)state;
    const double bound = 1e-6;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        mixture mix = two_bumps((ito_sde_kind)kind);
        const ito_score score = mixture_score(&mix);
        const ito_flow_options options = tight();
        double x[state_size], z[state_size];
        ito_flow_report report;
        ito_error err;
        for (int j = 0; j < state_size; j++) x[j] = sin(3.0 * j);
        expect_ok(ito_ode_encode(&mix.sde, &score, &options, count, x, z, &report, &err), &err);
        assert_int_equal(report.nfe, mix.evals);
        expect_ok(ito_ode_decode(&mix.sde, &score, &options, count, z, z, NULL, &err), &err);
        const double worst = largest_difference(state_size, x, z);
        print_message("%-5s there and back %.1e (bound %.0e)\n", ito_sde_name(mix.sde.kind), worst, bound);
        assert_true(worst < bound);
    }
}

static void temperature_scales_the_prior(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VE);
    const ito_score score = mixture_score(&mix);
    ito_flow_options options = tight();
    double cold[dim], zero[dim] = {0}, x[dim];
    ito_error err;
    options.temperature = 0;
    expect_ok(ito_ode_sample(&mix.sde, &score, &options, 1, cold, NULL, &err), &err);
    expect_ok(ito_ode_decode(&mix.sde, &score, &options, 1, zero, x, NULL, &err), &err);
    assert_memory_equal(cold, x, sizeof x);
}

static void likelihood(mixture *mix, const ito_likelihood_options *options, int64_t n, const double *x,
                       const ito_likelihood_result *result) {
    const ito_score score = mixture_score(mix);
    ito_error err;
    expect_ok(ito_likelihood(&mix->sde, &score, options, n, x, result, NULL, &err), &err);
}

static void data(double *x) {
    for (int j = 0; j < state_size; j++) x[j] = 0.8 * sin(2.0 * j + 1);
}

/* log p_T(z) + delta, with the mixture's density at T, is log p_eps(x). */
static void exact_trace_gives_the_density(void **state) {
    (void)state;
    const double bound = 1e-6;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        mixture mix = two_bumps((ito_sde_kind)kind);
        ito_likelihood_options options = ito_likelihood_default();
        options.ode.rtol = options.ode.atol = 1e-10;
        options.divergence = "exact";
        options.offset_bits = 8;
        double x[state_size], z[state_size], log_p[count], prior[count], delta[count], se[count], bits[count];
        data(x);
        likelihood(&mix, &options, count, x,
                   &(ito_likelihood_result){.log_p = log_p,
                                            .standard_error = se,
                                            .bits_per_dim = bits,
                                            .prior_log_p = prior,
                                            .delta = delta,
                                            .z = z});
        double worst = 0;
        for (int k = 0; k < count; k++) {
            const double exact = mixture_log_density(&mix, x + k * dim, options.eps);
            worst = fmax(worst, fabs(delta[k] + mixture_log_density(&mix, z + k * dim, 1) - exact));
            assert_true(log_p[k] == prior[k] + delta[k] && se[k] == 0);
            assert_true(fabs(bits[k] - (8 - log_p[k] / (dim * log(2)))) < 1e-12);
        }
        print_message("%-5s log-density exact to %.1e (bound %.0e)\n", ito_sde_name(mix.sde.kind), worst,
                      bound);
        assert_true(worst < bound);
    }
}

/* Each mean over 200 probes lies within 5 standard errors of the exact trace: 30 comparisons, false alarm
 * about 2e-5 per seed. A standard error ten times too large would pass that, so its size is checked too: it
 * falls as 1/sqrt(probes). */
static void probes_estimate_the_exact_trace(void **state) {
    (void)state;
    const char *const names[] = {"rademacher", "gaussian"};
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int d = 0; d < 2; d++) {
            mixture mix = two_bumps((ito_sde_kind)kind);
            ito_likelihood_options options = ito_likelihood_default();
            double x[state_size], exact[count], log_p[count], se[count], se_few[count], worst = 0;
            data(x);
            options.ode.rtol = options.ode.atol = 1e-7;
            options.divergence = "exact";
            likelihood(&mix, &options, count, x, &(ito_likelihood_result){.log_p = exact});
            options.divergence = names[d];
            options.seed = 3;
            options.probes = 50;
            likelihood(&mix, &options, count, x, &(ito_likelihood_result){.standard_error = se_few});
            options.probes = 200;
            likelihood(&mix, &options, count, x,
                       &(ito_likelihood_result){.log_p = log_p, .standard_error = se});
            for (int k = 0; k < count; k++) {
                worst = fmax(worst, fabs(log_p[k] - exact[k]) / se[k]);
                assert_true(se_few[k] / se[k] > 1.3 && se_few[k] / se[k] < 3.1);
            }
            print_message("%-5s %-10s off by %.2f standard errors (bound 5)\n", ito_sde_name(mix.sde.kind),
                          names[d], worst);
            assert_true(worst < 5);
        }
}

static void probes_belong_to_their_sample(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VP);
    ito_likelihood_options options = ito_likelihood_default();
    options.ode.rtol = options.ode.atol = 1e-9;
    options.divergence = "gaussian";
    double x[state_size], whole[count], alone, other, se;
    data(x);
    likelihood(&mix, &options, count, x, &(ito_likelihood_result){.log_p = whole});
    options.first_sample = 2;
    likelihood(&mix, &options, 1, x + 2 * dim,
               &(ito_likelihood_result){.log_p = &alone, .standard_error = &se});
    options.first_sample = 1;
    likelihood(&mix, &options, 1, x + 2 * dim, &(ito_likelihood_result){.log_p = &other});
    assert_true(fabs(alone - whole[2]) < 1e-6);
    assert_true(fabs(other - whole[2]) > 1e-3);
    assert_true(isnan(se));
}

/* Fails from the third call on: NaN for one value of sample 1. */
typedef struct spoiled {
    ito_score inner;
    int calls;
} spoiled;

static ito_status eval_spoiled(void *self, int64_t n, const double *x, const double *t, double *score,
                               ito_error *err) {
    spoiled *s = self;
    const ito_status st = s->inner.eval(s->inner.self, n, x, t, score, err);
    if (++s->calls > 2) score[dim + 2] = NAN;
    return st;
}

static void a_bad_score_is_located(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VP);
    spoiled s = {.inner = mixture_score(&mix)};
    const ito_score score = {.self = &s, .dim = dim, .eval = eval_spoiled};
    ito_flow_options options = ito_flow_default();
    options.first_sample = 40;
    double x[state_size] = {7};
    ito_error err;
    assert_int_equal(ito_ode_sample(&mix.sde, &score, &options, count, x, NULL, &err), ITO_E_NUMERIC);
    print_message("%s\n", err.message);
    assert_non_null(strstr(err.message, "nan for sample 41 at step 1 (t = 0.9"));
    assert_true(x[0] == 7);
}

static void expect_argument(ito_status st, const ito_error *err, const char *beginning) {
    assert_int_equal(st, ITO_E_ARG);
    if (strncmp(err->message, beginning, strlen(beginning)) != 0) fail_msg("%s", err->message);
}

/* The mixture's score with its value and derivative in one call, and no vjp that could be called instead of
 * the first. */
typedef struct joint {
    ito_score of;
    int64_t calls;
} joint;

static ito_status joint_eval(void *self, int64_t n, const double *x, const double *t, double *s,
                             ito_error *err) {
    (void)self, (void)n, (void)x, (void)t, (void)s;
    return ito_error_set(err, ITO_E_UNSUPPORTED, "eval: is not needed here");
}

static ito_status joint_vjp(void *self, int64_t n, const double *x, const double *t, const double *v,
                            double *out, ito_error *err) {
    const ito_score *of = &((const joint *)self)->of;
    return of->vjp(of->self, n, x, t, v, out, err);
}

static ito_status joint_eval_vjp(void *self, int64_t n, const double *x, const double *t, const double *v,
                                 double *s, double *out, ito_error *err) {
    joint *j = self;
    j->calls++;
    const ito_status st = j->of.eval(j->of.self, n, x, t, s, err);
    return st == ITO_OK ? joint_vjp(self, n, x, t, v, out, err) : st;
}

static void a_score_with_its_derivative_in_one_call_gives_the_same(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VP);
    joint both = {.of = mixture_score(&mix)};
    const ito_score score = {
        .self = &both, .dim = dim, .eval = joint_eval, .vjp = joint_vjp, .eval_vjp = joint_eval_vjp};
    double x[state_size], log_p[2][count];
    ito_random_normal((ito_stream){.seed = 3, .purpose = ITO_RNG_USER}, 0, state_size, x);
    static const char *const kinds[] = {"rademacher", "gaussian", "exact"};
    for (int i = 0; i < 3; i++) {
        ito_likelihood_options o = ito_likelihood_default();
        ito_flow_report reports[2];
        ito_error err;
        o.divergence = kinds[i];
        o.probes = 3;
        o.per_sample = i == 1;
        both.calls = 0;
        for (int way = 0; way < 2; way++) {
            const ito_likelihood_result result = {.log_p = log_p[way]};
            expect_ok(ito_likelihood(&mix.sde, way == 0 ? &both.of : &score, &o, count, x, &result,
                                     &reports[way], &err),
                      &err);
        }
        assert_memory_equal(log_p[0], log_p[1], sizeof log_p[0]);
        assert_int_equal(reports[0].nfe, reports[1].nfe);
        assert_int_equal(reports[0].vjps, reports[1].vjps);
        assert_int_equal(both.calls, reports[1].nfe);
        assert_int_equal(reports[1].vjps, 3 * reports[1].nfe);
    }
}

static void bad_arguments_of_sampling_are_named(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VP);
    const ito_score score = mixture_score(&mix);
    ito_flow_options bad[6];
    for (int i = 0; i < 6; i++) bad[i] = ito_flow_default();
    bad[0].eps = 1;
    bad[1].eps = -1e-3;
    bad[2].temperature = -1;
    bad[3].first_sample = -1;
    bad[4].ode.rtol = 0;
    bad[5].ode.atol = 0;
    const char *const name[] = {"eps: is 1: use a time above 0 and below T = 1",
                                "eps: ",
                                "temperature: ",
                                "first_sample: ",
                                "rtol: is 0",
                                "atol: is 0"};
    double x[dim];
    ito_error err;
    for (int i = 0; i < 6; i++)
        expect_argument(ito_ode_sample(&mix.sde, &score, &bad[i], 1, x, NULL, &err), &err, name[i]);
    const ito_flow_options options = ito_flow_default();
    expect_argument(ito_ode_encode(&mix.sde, &score, &options, 0, x, x, NULL, &err), &err, "n: is 0");
    const ito_score huge = {.self = &mix, .dim = INT64_MAX / 2, .eval = score.eval};
    assert_int_equal(ito_ode_sample(&mix.sde, &huge, &options, 4, x, NULL, &err), ITO_E_NOMEM);
}

static void bad_arguments_of_likelihood_are_named(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VP);
    const ito_score score = mixture_score(&mix), underived = {.self = &mix, .dim = dim, .eval = score.eval};
    ito_likelihood_options bad[4];
    for (int i = 0; i < 4; i++) bad[i] = ito_likelihood_default();
    bad[0].eps = 2;
    bad[1].divergence = "hutchinson";
    bad[2].probes = 0;
    bad[3].offset_bits = NAN;
    const char *const name[] = {
        "eps: is 2", "divergence: \"hutchinson\" is not known: use one of rademacher, gaussian, exact",
        "probes: is 0", "offset_bits: is nan"};
    double x[dim] = {0}, log_p = 7;
    const ito_likelihood_result result = {.log_p = &log_p};
    ito_error err;
    for (int i = 0; i < 4; i++)
        expect_argument(ito_likelihood(&mix.sde, &score, &bad[i], 1, x, &result, NULL, &err), &err, name[i]);
    const ito_likelihood_options options = ito_likelihood_default();
    expect_argument(ito_likelihood(&mix.sde, &underived, &options, 1, x, &result, NULL, &err), &err,
                    "score: has no vjp");
    assert_true(log_p == 7);
    assert_string_equal(ito_divergence_name(0), options.divergence);
    assert_null(ito_divergence_name(3));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_data_are_carried_along_the_known_line),
        cmocka_unit_test(decoding_undoes_encoding),
        cmocka_unit_test(temperature_scales_the_prior),
        cmocka_unit_test(exact_trace_gives_the_density),
        cmocka_unit_test(probes_estimate_the_exact_trace),
        cmocka_unit_test(probes_belong_to_their_sample),
        cmocka_unit_test(a_bad_score_is_located),
        cmocka_unit_test(a_score_with_its_derivative_in_one_call_gives_the_same),
        cmocka_unit_test(bad_arguments_of_sampling_are_named),
        cmocka_unit_test(bad_arguments_of_likelihood_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
