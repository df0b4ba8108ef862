/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers by name: their settings, frames, messages, and that each draws the data.
 *
 * The data are N(m, 0.5^2) in 256 values, 20 samples a run; pooled mean and standard deviation are compared
 * with the truth. Pooled over 5120 values their standard errors are 0.007 and 0.005; the bounds add what the
 * coarsest sampler is off by, and the seed is fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/mixture.h"
#include <cmocka.h>

#include <ito/sampler.h>
#include <math.h>
#include <string.h>

enum { dim = 256, n = 20 };

static const double one = 1, data_std = 0.5, zero[dim] = {0};

static mixture gaussian(ito_sde_kind kind, double m[dim]) {
    for (int j = 0; j < dim; j++) m[j] = 0.3 - 0.002 * j;
    return (mixture){.sde = ito_sde_default(kind), .K = 1, .dim = dim, .w = &one, .m = m, .s = &data_std};
}

static void every_named_sampler_draws_the_data(void **state) {
    (void)state;
    static double x[n * dim];
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int i = 0; ito_sampler_name(i) != NULL; i++) {
            double m[dim];
            mixture mix = gaussian((ito_sde_kind)kind, m);
            const ito_score score = mixture_score(&mix);
            ito_sampler sampler;
            ito_sample_report report;
            ito_error err;
            assert_int_equal(ito_sampler_named(ito_sampler_name(i), &mix.sde, &sampler, &err), ITO_OK);
            sampler.pc.seed = 5;
            if (ito_sample(&mix.sde, &score, &sampler, n, x, &report, &err) != ITO_OK)
                fail_msg("%s", err.message);
            double mean = 0, square = 0;
            for (int j = 0; j < n * dim; j++) {
                const double d = x[j] - m[j % dim];
                mean += d / (n * dim);
                square += d * d / (n * dim);
            }
            const double std_error = sqrt(square - mean * mean) / data_std - 1;
            print_message("%-5s %-14s %5lld calls: mean off by %+.3f, std by %+.1f %%\n",
                          ito_sde_name((ito_sde_kind)kind), ito_sampler_name(i), (long long)report.nfe, mean,
                          100 * std_error);
            assert_true(fabs(mean) < 0.03);
            assert_true(fabs(std_error) < 0.06);
        }
}

static void names_come_kinds_first_and_unknown_ones_list_them(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VE);
    ito_sampler sampler;
    ito_error err;
    for (int kind = 0; kind < ITO_SAMPLER_KIND_COUNT; kind++) {
        assert_int_equal(ito_sampler_named(ito_sampler_name(kind), &sde, &sampler, &err), ITO_OK);
        assert_int_equal(sampler.kind, kind);
    }
    for (int i = 0; ito_sampler_name(i) != NULL; i++) assert_true(strlen(ito_sampler_summary(i)) > 20);
    assert_int_equal(ito_sampler_named("quick", &sde, &sampler, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "sampler: \"quick\" is not known: use one of pc, ode,"));
    sampler.kind = (ito_sampler_kind)99;
    double x;
    mixture mix = {.sde = sde, .K = 1, .dim = 1, .w = &one, .m = zero, .s = &data_std};
    const ito_score score = mixture_score(&mix);
    assert_int_equal(ito_sample(&sde, &score, &sampler, 1, &x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "kind: 99"));
}

static void table_1_has_its_published_steps_and_calls(void **state) {
    (void)state;
    const struct {
        const char *name;
        int64_t nfe;
    } expected[] = {{"P1000", 1000}, {"P2000", 2000}, {"C2000", 2000}, {"PC1000", 2000}};
    mixture mix = {
        .sde = ito_sde_default(ITO_SDE_VP), .K = 1, .dim = 1, .w = &one, .m = zero, .s = &data_std};
    const ito_score score = mixture_score(&mix);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        ito_sampler sampler;
        ito_sample_report report;
        double x;
        assert_int_equal(ito_sampler_named(expected[i].name, &mix.sde, &sampler, NULL), ITO_OK);
        assert_int_equal(ito_sample(&mix.sde, &score, &sampler, 1, &x, &report, NULL), ITO_OK);
        assert_int_equal(report.nfe, expected[i].nfe);
    }
}

typedef struct film {
    int64_t seen;
    double last_t;
    double last[dim];
} film;

static ito_status keep(void *self, int64_t index, double t, int64_t rows, int64_t d, const double *x) {
    film *f = self;
    assert_int_equal(index, f->seen++);
    assert_int_equal(rows, 1);
    assert_true(t < f->last_t || index == 0);
    f->last_t = t;
    memcpy(f->last, x, (size_t)d * sizeof *x);
    return ITO_OK;
}

static void frames_lead_from_the_prior_to_the_finished_sample(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SAMPLER_KIND_COUNT; kind++) {
        double m[dim], x[dim];
        mixture mix = gaussian(ITO_SDE_VP, m);
        const ito_score score = mixture_score(&mix);
        ito_sampler sampler;
        film f = {.seen = 0};
        ito_error err;
        assert_int_equal(ito_sampler_named(ito_sampler_name(kind), &mix.sde, &sampler, NULL), ITO_OK);
        sampler.frames = 7;
        sampler.frame = keep;
        sampler.frame_self = &f;
        if (ito_sample(&mix.sde, &score, &sampler, 1, x, NULL, &err) != ITO_OK) fail_msg("%s", err.message);
        assert_int_equal(f.seen, 7);
        assert_true(f.last_t == ito_sde_sampling_eps(&mix.sde));
        assert_memory_equal(f.last, x, sizeof x);
        sampler.frames = 1;
        assert_int_equal(ito_sample(&mix.sde, &score, &sampler, 1, x, NULL, &err), ITO_E_ARG);
        assert_non_null(strstr(err.message, "frames: is 1"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_named_sampler_draws_the_data),
        cmocka_unit_test(names_come_kinds_first_and_unknown_ones_list_them),
        cmocka_unit_test(table_1_has_its_published_steps_and_calls),
        cmocka_unit_test(frames_lead_from_the_prior_to_the_finished_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
