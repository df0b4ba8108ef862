/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of samplers: nothing is allocated once the first step has begun, and every allocation before it may
 * fail, one after another: each run then ends with NOMEM and a sentence, writes nothing, and frees what it
 * had taken.
 */
#include "core/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ito/analytic.h>
#include <ito/sampler.h>

enum { n = 5, dim = 2 };

static struct {
    int64_t fail_at, calls; /* the allocation that fails, counted from 1; 0: none */
    int64_t alive;          /* blocks not freed */
} fault;

void *__real_ito__alloc(size_t count, size_t size);
void *__real_ito__calloc(size_t count, size_t size);
void __real_ito__free(void *p);
void *__wrap_ito__alloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size);
void __wrap_ito__free(void *p);

static void *counted(void *p) {
    fault.alive += p != NULL;
    return p;
}

void *__wrap_ito__alloc(size_t count, size_t size) {
    return ++fault.calls == fault.fail_at ? NULL : counted(__real_ito__alloc(count, size));
}

void *__wrap_ito__calloc(size_t count, size_t size) {
    return ++fault.calls == fault.fail_at ? NULL : counted(__real_ito__calloc(count, size));
}

void __wrap_ito__free(void *p) {
    fault.alive -= p != NULL;
    __real_ito__free(p);
}

/* Calls of the allocator by the end of the first step and of the last. */
typedef struct steps {
    int64_t count, first, last;
} steps;

static ito_status after_step(void *self, int64_t done, int64_t total) {
    steps *s = self;
    (void)done, (void)total;
    if (s->count++ == 0) s->first = fault.calls;
    s->last = fault.calls;
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
    assert_int_equal(fault.alive, 0);
}

static void sampling_survives_every_failed_allocation(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_density *density;
    assert_int_equal(ito_mixture_named(&sde, "8gaussians", &density, NULL), ITO_OK);
    const ito_score score = ito_density_score(density);
    for (int i = 0; i < ITO_SAMPLER_KIND_COUNT; i++) {
        ito_sampler sampler;
        assert_int_equal(ito_sampler_named(ito_sampler_name(i), &sde, &sampler, NULL), ITO_OK);
        sampler.pc.steps = 20;
        const int64_t before = fault.alive;
        int64_t failed = 0;
        for (;; failed++) {
            double x[n * dim] = {7};
            ito_error err = {0};
            fault.calls = 0;
            fault.fail_at = failed + 1;
            const ito_status st = ito_sample(&sde, &score, &sampler, n, x, NULL, &err);
            const bool met = fault.calls >= fault.fail_at;
            fault.fail_at = 0;
            assert_int_equal(fault.alive, before);
            if (!met) {
                assert_int_equal(st, ITO_OK);
                break;
            }
            assert_int_equal(st, ITO_E_NOMEM);
            assert_non_null(strchr(err.message, ':'));
            assert_true(x[0] == 7);
        }
        print_message("%s: %lld allocations failed in turn\n", ito_sampler_name(i), (long long)failed);
        assert_true(failed > 0);
    }
    ito_density_free(density);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_step_allocates),
        cmocka_unit_test(sampling_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("fault_sampler_memory", tests, NULL, NULL);
}
