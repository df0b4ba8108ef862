/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of the dynamics: no sampler allocates once its first step has begun, and every allocation of
 * samplers, likelihoods and densities may fail, one after another: each run then ends with NOMEM and a
 * sentence, writes nothing, and frees what it had taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "support/failing_memory.h"
#include <cmocka.h>
#include <ito/analytic.h>
#include <ito/sampler.h>

enum { n = 5, dim = 2 };

/* Calls of the allocator by the end of the first step and of the last. */
typedef struct steps {
    int64_t count, first, last;
} steps;

static ito_status after_step(void *self, int64_t done, int64_t total) {
    steps *s = self;
    (void)done, (void)total;
    if (s->count++ == 0) s->first = allocations_so_far();
    s->last = allocations_so_far();
    return ITO_OK;
}

static void expect_quiet_steps(const ito_sde *sde, const ito_score *score, ito_sampler *sampler, int *runs) {
    steps s = {0};
    double x[n * dim];
    ito_error err;
    sampler->pc.progress = (ito_progress){.self = &s, .report = after_step};
    sampler->pc.steps = 20;
    const ito_status st = ito_sample(sde, score, sampler, n, x, NULL, &err);
    if (st == ITO_E_ARG) return; /* a pair that does not fit this SDE, or so few steps */
    if (st != ITO_OK) fail_msg("%s", err.message);
    assert_true(s.count > 3);
    if (s.last != s.first)
        fail_msg("%s and %s under %s: %lld allocations after the first step", sampler->pc.predictor,
                 sampler->pc.corrector, ito_sde_name(sde->kind), (long long)(s.last - s.first));
    ++*runs;
}

static void no_step_allocates(void **state) {
    (void)state;
    int runs = 0;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const ito_sde sde = ito_sde_default((ito_sde_kind)kind);
        ito_density *density;
        assert_int_equal(ito_mixture_named(&sde, "8gaussians", &density, NULL), ITO_OK);
        const ito_score score = ito_density_score(density);
        ito_sampler sampler;
        for (int i = 0; i < ITO_SAMPLER_KIND_COUNT; i++) {
            assert_int_equal(ito_sampler_named(ito_sampler_name(i), &sde, &sampler, NULL), ITO_OK);
            expect_quiet_steps(&sde, &score, &sampler, &runs);
        }
        assert_int_equal(ito_sampler_named("pc", &sde, &sampler, NULL), ITO_OK);
        for (int p = 0; (sampler.pc.predictor = ito_predictor_name(p)) != NULL; p++)
            for (int c = 0; (sampler.pc.corrector = ito_corrector_name(c)) != NULL; c++)
                for (int g = 0; (sampler.pc.grid = ito_grid_name(g)) != NULL; g++)
                    expect_quiet_steps(&sde, &score, &sampler, &runs);
        ito_density_free(density);
    }
    print_message("%d runs without an allocation after their first step\n", runs);
    assert_true(runs > 100);
}

/* ---- every allocation fails in turn ---- */

typedef struct subject {
    ito_sde sde;
    ito_density *density;
    const char *sampler, *divergence;
    bool per_sample;
} subject;

static ito_status untouched(ito_status st, const double *x) {
    if (st != ITO_OK) assert_true(x[0] == 7);
    return st;
}

static ito_status draw(void *self, ito_error *err) {
    const subject *s = self;
    const ito_score score = ito_density_score(s->density);
    ito_sampler sampler;
    double x[n * dim] = {7};
    assert_int_equal(ito_sampler_named(s->sampler, &s->sde, &sampler, NULL), ITO_OK);
    sampler.pc.steps = 20;
    return untouched(ito_sample(&s->sde, &score, &sampler, n, x, NULL, err), x);
}

static const double given[n * dim] = {0.5, 1, -0.3};

static ito_status decode(void *self, ito_error *err) {
    const subject *s = self;
    const ito_score score = ito_density_score(s->density);
    ito_flow_options options = ito_flow_default();
    options.per_sample = s->per_sample;
    double x[n * dim] = {7};
    return untouched(ito_ode_decode(&s->sde, &score, &options, n, given, x, NULL, err), x);
}

static ito_status likelihood(void *self, ito_error *err) {
    const subject *s = self;
    const ito_score score = ito_density_score(s->density);
    ito_likelihood_options options = ito_likelihood_default();
    options.per_sample = s->per_sample;
    options.divergence = s->divergence;
    options.probes = 2;
    double z[n * dim] = {7};
    const ito_likelihood_result result = {.z = z};
    return untouched(ito_likelihood(&s->sde, &score, &options, n, given, &result, NULL, err), z);
}

/* A mixture, a Gaussian, their draws and divergences. */
static ito_status densities(void *self, ito_error *err) {
    const subject *s = self;
    const double covariance[dim * dim] = {1, 0.5, 0.5, 1}, t = 0.5;
    for (int gaussian = 0; gaussian < 2; gaussian++) {
        ito_density *made = s->density; /* anything but NULL: a failure has to clear it */
        double x[n * dim] = {7}, divergence[1] = {7};
        ito_status st = gaussian ? ito_gaussian_create(&s->sde, dim, given, covariance, &made, err)
                                 : ito_mixture_named(&s->sde, "moons", &made, err);
        if (st != ITO_OK) {
            assert_null(made);
            return st;
        }
        st = untouched(ito_density_sample(made, 1, 0, 0, n, x, err), x);
        if (st == ITO_OK) st = untouched(ito_density_divergence(made, 1, x, &t, divergence, err), divergence);
        ito_density_free(made);
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

static void expect_survival(const char *what, memory_attempt run, subject *s) {
    const int64_t failed = walk_failed_allocations(run, s);
    print_message("%s: %lld allocations failed in turn\n", what, (long long)failed);
    assert_true(failed > 0);
}

static void every_failed_allocation_is_survived(void **state) {
    (void)state;
    subject s = {.sde = ito_sde_default(ITO_SDE_VP)};
    assert_int_equal(ito_mixture_named(&s.sde, "8gaussians", &s.density, NULL), ITO_OK);
    for (int i = 0; i < ITO_SAMPLER_KIND_COUNT; i++) {
        s.sampler = ito_sampler_name(i);
        expect_survival(s.sampler, draw, &s);
    }
    for (int per_sample = 0; per_sample < 2; per_sample++) {
        s.per_sample = per_sample;
        expect_survival("decode", decode, &s);
        for (int i = 0; (s.divergence = ito_divergence_name(i)) != NULL; i++)
            expect_survival(s.divergence, likelihood, &s);
    }
    expect_survival("densities", densities, &s);
    ito_density_free(s.density);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_step_allocates),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("fault_sampler_memory", tests, NULL, NULL);
}
