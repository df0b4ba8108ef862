/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of methods tell the truth: names are unique, and score calls and draws are those of a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/pc.h"
#include "support/mixture.h"
#include <cmocka.h>

#include <string.h>

static const double one = 1, half = 0.5, zeros[2] = {0};

static mixture gaussian(ito_sde_kind kind) {
    return (mixture){.sde = ito_sde_default(kind), .K = 1, .dim = 2, .w = &one, .m = zeros, .s = &half};
}

/* Normals that are all one, counted by purpose. */
typedef struct counter {
    int64_t draws[ITO_RNG_PURPOSE_COUNT];
    uint32_t next[ITO_RNG_PURPOSE_COUNT];
    bool in_order;
} counter;

static void count_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                         double *out) {
    counter *c = self;
    c->in_order = c->in_order && step == c->next[purpose]++;
    c->draws[purpose]++;
    for (int64_t j = 0; j < n * dim; j++) out[j] = 1;
}

static void names_and_summaries_are_complete_and_unique(void **state) {
    (void)state;
    for (int i = 0; ito_predictor_name(i) != NULL; i++) {
        assert_true(strlen(ito_predictor_summary(i)) > 20);
        for (int j = 0; j < i; j++) assert_string_not_equal(ito_predictor_name(i), ito_predictor_name(j));
    }
    for (int i = 0; ito_corrector_name(i) != NULL; i++) {
        assert_true(strlen(ito_corrector_summary(i)) > 20);
        for (int j = 0; j < i; j++) assert_string_not_equal(ito_corrector_name(i), ito_corrector_name(j));
    }
    assert_null(ito_predictor_name(-1));
    assert_null(ito_corrector_summary(1000));
}

static void published_defaults_name_known_methods(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const ito_sde sde = ito_sde_default((ito_sde_kind)kind);
        const ito_pc_options options = ito_pc_default(&sde);
        const ito__method *method;
        assert_int_equal(ito__predictor_find(options.predictor, &method, NULL), ITO_OK);
        assert_int_equal(ito__corrector_find(options.corrector, &method, NULL), ITO_OK);
    }
}

/* Runs one pair for 25 steps of 3 sweeps. The VE chain accepts every pair; its ancestral step draws nothing
 * at index 0, where the noise vanishes, so that draw may be missing. */
static void run_counted(const ito__method *predictor, const ito__method *corrector, bool ode) {
    enum { steps = 25, sweeps = 3 };
    mixture mix = gaussian(ITO_SDE_VE);
    const ito_score score = mixture_score(&mix);
    ito_pc_options options = ito_pc_default(&mix.sde);
    options.predictor = predictor->name;
    options.corrector = corrector->name;
    options.steps = steps;
    options.corrector_steps = sweeps;
    options.probability_flow = ode;
    if (predictor->uses_eta && !ode) options.eta = 1;
    counter c = {.in_order = true};
    ito_sample_report report;
    ito_error err;
    double x[4 * 2];
    assert_int_equal(
        ito__pc_sample(&mix.sde, &score, &options, (ito__noise){&c, count_normal}, 4, x, &report, &err),
        ITO_OK);
    /* From grid point to grid point there is one step less, and a call of the denoiser. */
    const int64_t moves = predictor->follows_grid ? steps - 1 : steps;
    const int64_t last = predictor->follows_grid ? 1 : 0;
    assert_int_equal(report.nfe,
                     moves * predictor->score_calls + last + steps * sweeps * corrector->score_calls);
    assert_int_equal(report.nfe, mix.evals);
    assert_true(c.in_order);
    assert_int_equal(c.draws[ITO_RNG_PRIOR], 1);
    assert_int_equal(c.draws[ITO_RNG_CORRECTOR], corrector->needs_noise ? steps * sweeps : 0);
    const int64_t expected = predictor->needs_noise && !ode ? moves * (1 + predictor->more_draws) : 0;
    const int64_t missing = strcmp(predictor->name, "ancestral") == 0 ? 1 : 0;
    assert_in_range(c.draws[ITO_RNG_PREDICTOR], expected - missing, expected);
}

static void nfe_and_draws_are_those_of_the_table(void **state) {
    (void)state;
    const ito__method *predictor, *corrector;
    for (int p = 0; (predictor = ito__predictor_at(p)) != NULL; p++)
        for (int c = 0; (corrector = ito__corrector_at(c)) != NULL; c++) {
            run_counted(predictor, corrector, false);
            if (predictor->uses_eta) run_counted(predictor, corrector, true);
        }
}

static void ancestral_refuses_what_it_cannot_do(void **state) {
    (void)state;
    mixture mix = gaussian(ITO_SDE_SUBVP);
    ito_score score = mixture_score(&mix);
    ito_pc_options options = ito_pc_default(&mix.sde);
    options.predictor = "ancestral";
    double x[2];
    ito_error err;
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "predictor: ancestral is not defined for the subvp SDE"));

    mix.sde.kind = ITO_SDE_VP;
    options.probability_flow = true;
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "probability_flow: ancestral has no deterministic form"));

    options.probability_flow = false;
    options.steps = 20;
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "steps: 20 make alpha 0"));
}

static void too_few_steps_for_the_chain_are_refused(void **state) {
    (void)state;
    mixture mix = gaussian(ITO_SDE_VP);
    const ito_score score = mixture_score(&mix);
    ito_pc_options options = ito_pc_default(&mix.sde);
    options.steps = 19;
    double x[2];
    ito_error err;
    options.predictor = "reverse_diffusion";
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "steps: 19 are too few for the forward chain of vp"));
    options.predictor = "euler_maruyama";
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_OK);
    options.corrector = "ald";
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_summaries_are_complete_and_unique),
        cmocka_unit_test(published_defaults_name_known_methods),
        cmocka_unit_test(nfe_and_draws_are_those_of_the_table),
        cmocka_unit_test(ancestral_refuses_what_it_cannot_do),
        cmocka_unit_test(too_few_steps_for_the_chain_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
