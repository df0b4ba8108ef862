/* SPDX-License-Identifier: Apache-2.0
 *
 * What cannot be computed is refused with a status and a sentence that opens with the argument at fault:
 * every kind of sampler, encoding, decoding, likelihood, densities and point sets. Outputs stay as they were.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/pc.h"
#include <cmocka.h>
#include <ito/analytic.h>
#include <ito/sampler.h>
#include <math.h>
#include <string.h>

enum { dim = 3, n = 4, size = n * dim, first = 100 };

/* ---- the calls, each with the settings that all of them have ---- */

typedef struct settings {
    ito_sde sde;
    ito_score score;
    int64_t n, first_sample;
    double eps, temperature, rtol, atol;
    const double *x, *prior_noise, *probe_values; /* x: data or latents */
    double out[size];
    ito_error err;
} settings;

typedef ito_status (*call)(settings *s, int kind);

static ito_status by_sampler(settings *s, int kind) {
    const ito_sde usual = ito_sde_default(ITO_SDE_VP);
    ito_sampler sampler;
    assert_int_equal(ito_sampler_named(ito_sampler_name(kind), &usual, &sampler, NULL), ITO_OK);
    sampler.pc.first_sample = s->first_sample;
    sampler.pc.eps = s->eps;
    sampler.pc.temperature = s->temperature;
    sampler.pc.prior_noise = s->prior_noise;
    sampler.ode.rtol = s->rtol;
    sampler.ode.atol = s->atol;
    return ito_sample(&s->sde, &s->score, &sampler, s->n, s->out, NULL, &s->err);
}

static ito_flow_options flow_of(const settings *s) {
    ito_flow_options o = ito_flow_default();
    o.first_sample = s->first_sample;
    o.eps = s->eps;
    o.ode.rtol = s->rtol;
    o.ode.atol = s->atol;
    return o;
}

static ito_status encode(settings *s, int kind) {
    const ito_flow_options o = flow_of(s);
    (void)kind;
    return ito_ode_encode(&s->sde, &s->score, &o, s->n, s->x, s->out, NULL, &s->err);
}

static ito_status decode(settings *s, int kind) {
    const ito_flow_options o = flow_of(s);
    (void)kind;
    return ito_ode_decode(&s->sde, &s->score, &o, s->n, s->x, s->out, NULL, &s->err);
}

static ito_status likelihood(settings *s, int kind) {
    ito_likelihood_options o = ito_likelihood_default();
    (void)kind;
    o.first_sample = s->first_sample;
    o.eps = s->eps;
    o.ode.rtol = s->rtol;
    o.ode.atol = s->atol;
    o.probe_values = s->probe_values;
    const ito_likelihood_result result = {.z = s->out};
    return ito_likelihood(&s->sde, &s->score, &o, s->n, s->x, &result, NULL, &s->err);
}

/* Every kind of sampler, then the rest. */
enum { calls = ITO_SAMPLER_KIND_COUNT + 3 };

static call call_at(int i) {
    return i < ITO_SAMPLER_KIND_COUNT        ? by_sampler
           : i == ITO_SAMPLER_KIND_COUNT     ? encode
           : i == ITO_SAMPLER_KIND_COUNT + 1 ? decode
                                             : likelihood;
}

static const char *name_at(int i) {
    static const char *const others[] = {"encode", "decode", "likelihood"};
    return i < ITO_SAMPLER_KIND_COUNT ? ito_sampler_name(i) : others[i - ITO_SAMPLER_KIND_COUNT];
}

/* The score of N(0, 1) data under VP, and what counts its calls or spoils them. */
typedef struct gaussian {
    int64_t calls, bad_call, bad_row;
    double bad_value;
} gaussian;

static ito_status eval(void *self, int64_t rows, const double *x, const double *t, double *score,
                       ito_error *err) {
    gaussian *g = self;
    (void)t, (void)err;
    for (int64_t j = 0; j < rows * dim; j++) score[j] = -x[j];
    if (++g->calls == g->bad_call) score[g->bad_row * dim + 1] = g->bad_value;
    return ITO_OK;
}

static ito_status vjp(void *self, int64_t rows, const double *x, const double *t, const double *v,
                      double *out, ito_error *err) {
    (void)self, (void)x, (void)t, (void)err;
    for (int64_t j = 0; j < rows * dim; j++) out[j] = -v[j];
    return ITO_OK;
}

static const double untouched = 7, ones[size] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static settings good(gaussian *g) {
    settings s = {.sde = ito_sde_default(ITO_SDE_VP),
                  .score = {.self = g, .dim = dim, .eval = eval, .vjp = vjp},
                  .n = n,
                  .first_sample = first,
                  .temperature = 1,
                  .rtol = 1e-3,
                  .atol = 1e-3,
                  .x = ones};
    for (int j = 0; j < size; j++) s.out[j] = untouched;
    return s;
}

static void expect_refusal(ito_status st, ito_status expected, const settings *s, const char *who,
                           const char *opening) {
    if (st != expected || strncmp(s->err.message, opening, strlen(opening)) != 0)
        fail_msg("%s: expected \"%s...\", got %s: %s", who, opening, ito_status_name(st), s->err.message);
    for (int j = 0; j < size; j++) assert_true(s->out[j] == untouched);
}

static void good_settings_are_accepted(void **state) {
    (void)state;
    for (int i = 0; i < calls; i++) {
        gaussian g = {0};
        settings s = good(&g);
        if (call_at(i)(&s, i) != ITO_OK) fail_msg("%s: %s", name_at(i), s.err.message);
        for (int j = 0; j < size; j++) assert_true(s.out[j] != untouched);
        assert_true(g.calls > 0);
    }
}

static void bad_settings_are_named_by_every_call(void **state) {
    (void)state;
    enum { variants = 15 };
    for (int i = 0; i < calls; i++) {
        gaussian g = {0};
        settings bad[variants];
        for (int v = 0; v < variants; v++) bad[v] = good(&g);
        bad[0].n = 0;
        bad[1].n = -3;
        bad[2].first_sample = -1;
        bad[3].first_sample = (INT64_C(1) << 56) - 1;
        bad[4].eps = 1;
        bad[5].eps = 1.5;
        bad[6].eps = -1e-3;
        bad[7].eps = NAN;
        bad[8].score.dim = 0;
        bad[9].score.eval = NULL;
        bad[10].sde.beta_max = NAN;
        bad[11].sde.T = NAN;
        bad[12].sde.steps = 0;
        bad[13].sde.kind = (ito_sde_kind)-1;
        bad[14].sde.beta_min = -1;
        static const char *const opening[variants] = {
            "n: is 0",          "n: is -3",           "first_sample: is -1", "first_sample: is 7",
            "eps: is 1:",       "eps: is 1.5",        "eps: is -0.001",      "eps: is ",
            "score: has dim 0", "score: has no eval", "beta_max: is ",       "T: is ",
            "steps: is 0",      "kind: -1",           "beta_min: is -1"};
        for (int v = 0; v < variants; v++)
            expect_refusal(call_at(i)(&bad[v], i), ITO_E_ARG, &bad[v], name_at(i), opening[v]);
        assert_int_equal(g.calls, 0);
    }
}

static void bad_settings_of_some_calls_are_named(void **state) {
    (void)state;
    for (int i = 0; i < calls; i++) {
        gaussian g = {0};
        settings cold = good(&g), blank = good(&g), loose = good(&g);
        cold.temperature = NAN;
        if (i < ITO_SAMPLER_KIND_COUNT)
            expect_refusal(call_at(i)(&cold, i), ITO_E_ARG, &cold, name_at(i), "temperature: is ");
        if (i == ITO_SAMPLER_PC) continue; /* its steps are given, so it has no tolerance */
        blank.rtol = 0;
        expect_refusal(call_at(i)(&blank, i), ITO_E_ARG, &blank, name_at(i), "rtol: is 0");
        loose.atol = 0;
        expect_refusal(call_at(i)(&loose, i), ITO_E_ARG, &loose, name_at(i), "atol: is 0");
        assert_int_equal(g.calls, 0);
    }
}

/* NaN and infinities in the caller's arrays. */
static void bad_values_are_named_with_their_sample(void **state) {
    (void)state;
    const double values[] = {NAN, INFINITY, -INFINITY};
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
        for (int i = 0; i < calls; i++) {
            const bool samples = i < ITO_SAMPLER_KIND_COUNT;
            double array[size];
            gaussian g = {0};
            settings s = good(&g);
            memcpy(array, ones, sizeof array);
            array[2 * dim + 1] = values[v];
            *(samples ? &s.prior_noise : &s.x) = array;
            const ito_status st = call_at(i)(&s, i);
            expect_refusal(st, ITO_E_ARG, &s, name_at(i),
                           samples                ? "prior_noise: is "
                           : call_at(i) == decode ? "z: is "
                                                  : "x: is ");
            assert_non_null(strstr(s.err.message, "at value 1 of sample 102"));
            assert_int_equal(g.calls, 0);
        }
    double probes[size] = {0};
    gaussian g = {0};
    settings s = good(&g);
    probes[4] = NAN;
    s.probe_values = probes;
    expect_refusal(likelihood(&s, 0), ITO_E_ARG, &s, "likelihood", "probe_values: is ");
    assert_non_null(strstr(s.err.message, "at value 1 of sample 101"));
}

static void sizes_past_the_memory_are_refused(void **state) {
    (void)state;
    const int64_t wide[] = {INT64_C(1) << 40, INT64_MAX / 2, INT64_MAX};
    for (size_t w = 0; w < sizeof wide / sizeof wide[0]; w++)
        for (int i = 0; i < calls; i++) {
            gaussian g = {0};
            settings s = good(&g);
            s.n = INT64_C(1) << 40;
            s.score.dim = wide[w];
            expect_refusal(call_at(i)(&s, i), ITO_E_NOMEM, &s, name_at(i),
                           "n: no memory for 1099511627776 samples");
        }
}

/* ---- scores that are not finite ---- */

static void expect_location(const char *who, ito_status st, const settings *s) {
    static const char *const parts[] = {"score: is ", " for sample 102 ", " at step ", "t = "};
    if (st != ITO_E_NUMERIC) fail_msg("%s: %s: %s", who, ito_status_name(st), s->err.message);
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
        if (strstr(s->err.message, parts[p]) == NULL)
            fail_msg("%s: no \"%s\" in: %s", who, parts[p], s->err.message);
    for (int j = 0; j < size; j++) assert_true(s->out[j] == untouched);
}

static void a_nan_score_stops_every_call_with_step_time_and_sample(void **state) {
    (void)state;
    for (int i = 0; i < calls; i++) {
        gaussian g = {.bad_call = 25, .bad_row = 2, .bad_value = NAN};
        settings s = good(&g);
        const ito_status st = call_at(i)(&s, i);
        print_message("%s: %s\n", name_at(i), s.err.message);
        expect_location(name_at(i), st, &s);
    }
}

static void expect_step_location(const char *predictor, const char *corrector) {
    gaussian g = {.bad_call = 5, .bad_row = 2, .bad_value = -INFINITY};
    settings s = good(&g);
    ito_pc_options options = ito_pc_default(&s.sde);
    options.predictor = predictor;
    options.corrector = corrector;
    options.steps = 40;
    options.first_sample = first;
    const ito_status st = ito_pc_sample(&s.sde, &s.score, &options, n, s.out, NULL, &s.err);
    expect_location(predictor, st, &s);
    assert_non_null(strstr(s.err.message, " of 40 "));
}

static void a_bad_score_stops_every_predictor_and_corrector_at_its_step(void **state) {
    (void)state;
    const ito__method *method;
    for (int i = 0; (method = ito__predictor_at(i)) != NULL; i++)
        if (method->score_calls > 0) expect_step_location(method->name, "none");
    for (int i = 0; (method = ito__corrector_at(i)) != NULL; i++)
        if (method->score_calls > 0) expect_step_location("none", method->name);
}

/* ---- names, densities, point sets ---- */

#define REFUSED(call, opening)                                                                               \
    do {                                                                                                     \
        ito_error err = {0};                                                                                 \
        assert_int_equal(call, ITO_E_ARG);                                                                   \
        if (strncmp(err.message, opening, strlen(opening)) != 0) fail_msg("%s: %s", opening, err.message);   \
    } while (0)

static void bad_draws_are_named(void **state) {
    (void)state;
    const ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_density *density;
    double x[2] = {untouched, untouched};
    assert_int_equal(ito_mixture_named(&vp, "moons", &density, NULL), ITO_OK);
    REFUSED(ito_density_sample(density, 1, 0, 0, 0, x, &err), "n: is 0");
    REFUSED(ito_density_sample(density, 1, -1, 0, 1, x, &err), "first_sample: is -1");
    REFUSED(ito_density_sample(density, 1, 0, -0.1, 1, x, &err), "t: is -0.1");
    REFUSED(ito_density_sample(density, 1, 0, 1.1, 1, x, &err), "t: is 1.1");
    REFUSED(ito_density_sample(density, 1, 0, NAN, 1, x, &err), "t: is ");
    REFUSED(ito_points_sample("moons", 1, 0, 0, x, &err), "n: is 0");
    REFUSED(ito_points_sample("moons", 1, INT64_MAX, 1, x, &err), "first_sample: is 9");
    REFUSED(ito_points_sample(NULL, 1, 0, 1, x, &err), "points: \"\" is not known: use one of swissroll");
    ito_density_free(density);
    assert_true(x[0] == untouched && x[1] == untouched);
}

static void bad_densities_are_named(void **state) {
    (void)state;
    const ito_sde vp = ito_sde_default(ITO_SDE_VP);
    const double bad[2] = {0, NAN}, fine[2] = {1, 1}, square[4] = {1, 0, 0, 1}, hole[4] = {1, 0, 0, NAN};
    ito_density *out = NULL;
    REFUSED(ito_mixture_create(&vp, 1, 2, fine, bad, fine, &out, &err), "means: is ");
    REFUSED(ito_mixture_create(&vp, 2, 1, bad + 1, fine, fine, &out, &err), "weights: component 0");
    REFUSED(ito_mixture_create(&vp, 1, 2, fine, fine, bad + 1, &out, &err), "stds: component 0");
    REFUSED(ito_gaussian_create(&vp, 2, bad, square, &out, &err), "mean: is ");
    REFUSED(ito_gaussian_create(&vp, 2, fine, hole, &out, &err), "covariance: has ");
    REFUSED(ito_mixture_named(&vp, NULL, &out, &err), "mixture: \"\" is not known");
    assert_null(out);
    ito_error err;
    assert_int_equal(ito_mixture_create(&vp, 1, INT64_MAX / 2, fine, fine, fine, &out, &err), ITO_E_NOMEM);
    assert_int_equal(ito_gaussian_create(&vp, INT64_C(1) << 32, fine, square, &out, &err), ITO_E_NOMEM);
    assert_null(out);
}

static void names_that_are_missing_list_the_known_ones(void **state) {
    (void)state;
    const ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_sampler sampler;
    ito_sde_kind kind;
    double t[2];
    REFUSED(ito_sampler_named(NULL, &vp, &sampler, &err), "sampler: \"\" is not known: use one of pc, ");
    REFUSED(ito_sde_from_name(NULL, &kind, &err), "sde: \"\" is not known: use one of ve, ");
    REFUSED(ito_grid_fill(&vp, NULL, 1e-3, 2, t, &err), "grid: \"\" is not known: use one of uniform, ");
    assert_string_equal(ito_sde_name((ito_sde_kind)-1), "unknown");
    const char *(*const names[])(int) = {ito_predictor_name,     ito_predictor_summary, ito_corrector_name,
                                         ito_corrector_summary,  ito_grid_name,         ito_grid_summary,
                                         ito_sampler_name,       ito_sampler_summary,   ito_ode_method_name,
                                         ito_ode_method_summary, ito_divergence_name,   ito_points_name,
                                         ito_points_summary};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_non_null(names[i](0));
        assert_null(names[i](-1));
        assert_null(names[i](1000));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_settings_are_accepted),
        cmocka_unit_test(bad_settings_are_named_by_every_call),
        cmocka_unit_test(bad_settings_of_some_calls_are_named),
        cmocka_unit_test(bad_values_are_named_with_their_sample),
        cmocka_unit_test(sizes_past_the_memory_are_refused),
        cmocka_unit_test(a_nan_score_stops_every_call_with_step_time_and_sample),
        cmocka_unit_test(a_bad_score_stops_every_predictor_and_corrector_at_its_step),
        cmocka_unit_test(bad_draws_are_named),
        cmocka_unit_test(bad_densities_are_named),
        cmocka_unit_test(names_that_are_missing_list_the_known_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
