/* SPDX-License-Identifier: Apache-2.0
 *
 * The sampler keeps its promises to a caller: samples that do not depend on the batch or the threads, bad
 * options named, a bad score located, callbacks obeyed, outputs written on success only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "dynamics/pc.h"
#include "support/mixture.h"
#include <cmocka.h>

#include <math.h>
#include <omp.h>
#include <string.h>

enum { dim = 3, count = 8 };

static const double weights[2] = {0.4, 0.6}, stds[2] = {0.3, 0.5};
static const double means[2 * dim] = {-1, 0.5, 0, 1, 0, 0.5};

static mixture two_bumps(ito_sde_kind kind) {
    return (mixture){.sde = ito_sde_default(kind), .K = 2, .dim = dim, .w = weights, .m = means, .s = stds};
}

static ito_pc_options short_run(const ito_sde *sde) {
    ito_pc_options options = ito_pc_default(sde);
    options.steps = 60;
    options.seed = 11;
    return options;
}

static void draw(mixture *mix, const ito_pc_options *options, int64_t n, double *x) {
    const ito_score score = mixture_score(mix);
    ito_error err = {0};
    const ito_status st = ito_pc_sample(&mix->sde, &score, options, n, x, NULL, &err);
    if (st != ITO_OK) print_error("%s\n", err.message);
    assert_int_equal(st, ITO_OK);
}

static void sample_k_is_the_same_however_the_batch_is_split(void **state) {
    (void)state;
    const char *const correctors[] = {"none", "ald", "langevin"};
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (size_t c = 0; c < sizeof correctors / sizeof correctors[0]; c++) {
            mixture mix = two_bumps((ito_sde_kind)kind);
            ito_pc_options options = short_run(&mix.sde);
            options.corrector = correctors[c];
            options.corrector_steps = 2;
            double whole[count * dim], parts[count * dim];
            draw(&mix, &options, count, whole);
            const int64_t cut[] = {0, 1, 4, count};
            for (int p = 0; p < 3; p++) {
                options.first_sample = cut[p];
                draw(&mix, &options, cut[p + 1] - cut[p], parts + cut[p] * dim);
            }
            assert_memory_equal(whole, parts, sizeof whole);
        }
}

/* The power of the test above: the published batch norms do couple the samples of a batch. */
static void batch_norms_make_a_sample_depend_on_its_batch(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VE);
    ito_pc_options options = short_run(&mix.sde);
    options.batch_norms = true;
    double whole[count * dim], alone[dim];
    draw(&mix, &options, count, whole);
    draw(&mix, &options, 1, alone);
    assert_memory_not_equal(whole, alone, sizeof alone);
}

static void samples_do_not_depend_on_the_thread_count(void **state) {
    (void)state;
    enum { n = 9000 }; /* n * dim values are enough for the row loops to run in parallel */
    static double x[2][n * dim];
    const int threads = omp_get_max_threads();
    for (int batch_norms = 0; batch_norms < 2; batch_norms++) {
        mixture mix = two_bumps(ITO_SDE_VE);
        ito_pc_options options = short_run(&mix.sde);
        options.steps = 5;
        options.batch_norms = batch_norms;
        omp_set_num_threads(1);
        draw(&mix, &options, n, x[0]);
        omp_set_num_threads(4);
        draw(&mix, &options, n, x[1]);
        omp_set_num_threads(threads);
        assert_memory_equal(x[0], x[1], sizeof x[0]);
    }
}

static void seeds_and_samples_differ(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VP);
    ito_pc_options options = short_run(&mix.sde);
    double x[2 * dim], y[2 * dim];
    draw(&mix, &options, 2, x);
    assert_memory_not_equal(x, x + dim, dim * sizeof *x);
    options.seed++;
    draw(&mix, &options, 2, y);
    assert_memory_not_equal(x, y, sizeof x);
}

static ito_status keep_start(void *self, int64_t i, double t, int64_t n, int64_t d, const double *x) {
    (void)t;
    if (i == 0) memcpy(self, x, (size_t)(n * d) * sizeof *x);
    return ITO_OK;
}

static void start_is_prior_std_times_temperature_times_the_given_normals(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VE);
    ito_pc_options options = short_run(&mix.sde);
    const double normals[dim] = {1, -0.5, 2};
    double start[dim], x[dim];
    options.prior_noise = normals;
    options.temperature = 0.5;
    options.observe = keep_start;
    options.observe_self = start;
    draw(&mix, &options, 1, x);
    for (int j = 0; j < dim; j++) assert_true(start[j] == mix.sde.sigma_max * 0.5 * normals[j]);
}

typedef struct bad_option {
    const char *named;
    size_t offset;
    enum { integer, real, text } type;
    int64_t i;
    double d;
    const char *s;
} bad_option;

#define INTEGER(field, value)                                                                                \
    { #field ":", offsetof(ito_pc_options, field), integer, value, 0, NULL }
#define REAL(field, value)                                                                                   \
    { #field ":", offsetof(ito_pc_options, field), real, 0, value, NULL }
#define TEXT(field, value)                                                                                   \
    { #field ":", offsetof(ito_pc_options, field), text, 0, 0, value }

static void bad_options_are_named(void **state) {
    (void)state;
    const bad_option bad[] = {
        TEXT(predictor, "leapfrog"),
        TEXT(predictor, NULL),
        TEXT(corrector, "mala"),
        TEXT(corrector, NULL),
        TEXT(grid, "sigmoid"),
        TEXT(grid, NULL),
        REAL(eta, NAN),
        INTEGER(steps, 0),
        INTEGER(steps, 1),
        INTEGER(steps, -5),
        INTEGER(corrector_steps, 0),
        INTEGER(corrector_steps, INT64_MAX),
        REAL(snr, 0),
        REAL(snr, NAN),
        REAL(eps, 1),
        REAL(eps, -1e-3),
        REAL(eps, NAN),
        REAL(temperature, -1),
        REAL(temperature, INFINITY),
        INTEGER(first_sample, -1),
        INTEGER(first_sample, INT64_C(1) << 56),
    };
    mixture mix = two_bumps(ITO_SDE_VP);
    const ito_score score = mixture_score(&mix);
    for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
        ito_pc_options options = ito_pc_default(&mix.sde);
        char *field = (char *)&options + bad[b].offset;
        if (bad[b].type == integer) memcpy(field, &bad[b].i, sizeof bad[b].i);
        if (bad[b].type == real) memcpy(field, &bad[b].d, sizeof bad[b].d);
        if (bad[b].type == text) memcpy(field, &bad[b].s, sizeof bad[b].s);
        double x[dim] = {7, 7, 7};
        ito_error err = {0};
        assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
        if (strncmp(err.message, bad[b].named, strlen(bad[b].named)) != 0)
            fail_msg("expected %s, got: %s", bad[b].named, err.message);
        assert_true(x[0] == 7 && x[1] == 7 && x[2] == 7);
    }
}

static void bad_arguments_are_named(void **state) {
    (void)state;
    mixture mix = two_bumps(ITO_SDE_VP);
    ito_score score = mixture_score(&mix);
    const ito_pc_options options = short_run(&mix.sde);
    double x[dim];
    ito_error err;
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 0, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "n: is 0"));
    score.dim = 1000; /* more bytes than a size_t can count */
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, INT64_C(1) << 50, x, NULL, &err), ITO_E_NOMEM);
    assert_non_null(strstr(err.message, "n: no memory for 1125899906842624 samples of 1000 values"));
    score.dim = 0;
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "score: has dim 0"));
    score.dim = dim;
    score.eval = NULL;
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "score: has no eval"));
    mix.sde.beta_min = -1;
    score = mixture_score(&mix);
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "beta_min: is -1"));
}

/* A score that spoils one value of one sample at one call. */
typedef struct spoiled {
    ito_score inner;
    int64_t call, at_call, at_sample;
    double value;
} spoiled;

static ito_status spoil(void *self, int64_t n, const double *x, const double *t, double *score,
                        ito_error *err) {
    spoiled *s = self;
    const ito_status st = s->inner.eval(s->inner.self, n, x, t, score, err);
    if (++s->call == s->at_call) score[s->at_sample * s->inner.dim + 1] = s->value;
    return st;
}

/* At the first score of step 31: the predictor's alone, or the corrector's before it. */
static void expect_located(const char *corrector, bool batch_norms, double value) {
    mixture mix = two_bumps(ITO_SDE_VP);
    ito_pc_options options = short_run(&mix.sde);
    options.corrector = corrector;
    options.batch_norms = batch_norms;
    options.steps = 61;
    options.eps = 1e-9;
    options.first_sample = 100;
    const int64_t calls = strcmp(corrector, "none") == 0 ? 1 : 2;
    spoiled s = {.inner = mixture_score(&mix), .at_call = 30 * calls + 1, .at_sample = 5, .value = value};
    const ito_score score = {.self = &s, .dim = dim, .eval = spoil};
    double x[count * dim] = {7};
    ito_error err = {0};
    assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, count, x, NULL, &err), ITO_E_NUMERIC);
    print_message("%s\n", err.message);
    assert_non_null(strstr(err.message, isnan(value) ? "score: is nan" : "score: is inf"));
    assert_non_null(strstr(err.message, "for sample 105 at step 31 of 61 (t = 0.5)"));
    assert_true(x[0] == 7);
}

static void score_that_is_not_finite_is_located(void **state) {
    (void)state;
    const double values[] = {NAN, INFINITY};
    for (int v = 0; v < 2; v++) {
        expect_located("none", false, values[v]);
        expect_located("ald", false, values[v]);
        expect_located("langevin", false, values[v]);
        expect_located("langevin", true, values[v]);
    }
}

static ito_status zero_score(void *self, int64_t n, const double *x, const double *t, double *score,
                             ito_error *err) {
    (void)self, (void)x, (void)t, (void)err;
    memset(score, 0, (size_t)(n * dim) * sizeof *score);
    return ITO_OK;
}

static void langevin_without_a_step_size_says_so(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VE);
    const ito_score score = {.dim = dim, .eval = zero_score};
    const ito_pc_options options = short_run(&sde);
    double x[dim];
    ito_error err = {0};
    assert_int_equal(ito_pc_sample(&sde, &score, &options, 1, x, NULL, &err), ITO_E_NUMERIC);
    assert_non_null(strstr(err.message, "sample 0 has norm 0 at step 1 of 60 (t = 1)"));
}

static ito_status refuse(void *self, int64_t n, const double *x, const double *t, double *score,
                         ito_error *err) {
    (void)self, (void)n, (void)x, (void)t, (void)score;
    return ito_error_set(err, ITO_E_MPI, "network: rank 3 left: start again");
}

static void status_of_the_score_comes_back_unchanged(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    const ito_score score = {.dim = dim, .eval = refuse};
    const ito_pc_options options = short_run(&sde);
    double x[dim];
    ito_error err = {0};
    assert_int_equal(ito_pc_sample(&sde, &score, &options, 1, x, NULL, &err), ITO_E_MPI);
    assert_string_equal(err.message, "network: rank 3 left: start again");
}

/* What the two callbacks saw, and when they ask to stop. */
typedef struct witness {
    int64_t observed, reported, stop_observe, stop_report;
    double last_time, last_state[count * dim];
    bool in_order;
} witness;

static ito_status watch(void *self, int64_t i, double t, int64_t n, int64_t d, const double *x) {
    witness *w = self;
    w->in_order = w->in_order && i == w->observed && (i == 0 ? t == 1 : t <= w->last_time);
    w->observed++;
    w->last_time = t;
    memcpy(w->last_state, x, (size_t)(n * d) * sizeof *x);
    return i == w->stop_observe ? ITO_E_CANCELLED : ITO_OK;
}

static ito_status count_progress(void *self, int64_t done, int64_t total) {
    witness *w = self;
    w->in_order = w->in_order && done == ++w->reported && total == 60;
    return done == w->stop_report ? ITO_E_CANCELLED : ITO_OK;
}

static ito_pc_options watched(const ito_sde *sde, witness *w) {
    ito_pc_options options = short_run(sde);
    options.progress = (ito_progress){w, count_progress};
    options.observe = watch;
    options.observe_self = w;
    return options;
}

static void callbacks_see_every_step_and_the_result(void **state) {
    (void)state;
    for (int denoise = 0; denoise < 2; denoise++) {
        mixture mix = two_bumps(ITO_SDE_VP);
        witness w = {.in_order = true, .stop_observe = -1, .stop_report = -1};
        ito_pc_options options = watched(&mix.sde, &w);
        options.denoise = denoise;
        double x[count * dim];
        draw(&mix, &options, count, x);
        assert_true(w.in_order);
        assert_int_equal(w.observed, 61);
        assert_int_equal(w.reported, 60);
        assert_true(w.last_time == ito_sde_sampling_eps(&mix.sde));
        assert_memory_equal(w.last_state, x, sizeof x);
    }
}

static void callbacks_stop_the_run(void **state) {
    (void)state;
    const int64_t stops[][2] = {{17, -1}, {-1, 17}, {0, -1}, {60, -1}, {-1, 60}};
    for (size_t s = 0; s < sizeof stops / sizeof stops[0]; s++) {
        mixture mix = two_bumps(ITO_SDE_VP);
        const ito_score score = mixture_score(&mix);
        witness w = {.in_order = true, .stop_observe = stops[s][0], .stop_report = stops[s][1]};
        const ito_pc_options options = watched(&mix.sde, &w);
        double x[count * dim] = {7};
        ito_error err = {0};
        assert_int_equal(ito_pc_sample(&mix.sde, &score, &options, count, x, NULL, &err), ITO_E_CANCELLED);
        assert_int_equal(err.status, ITO_E_CANCELLED);
        assert_true(x[0] == 7);
        const int64_t stop = stops[s][0] >= 0 ? stops[s][0] : stops[s][1];
        assert_int_equal(mix.evals, stop);
        assert_int_equal(w.observed, stop + 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sample_k_is_the_same_however_the_batch_is_split),
        cmocka_unit_test(batch_norms_make_a_sample_depend_on_its_batch),
        cmocka_unit_test(samples_do_not_depend_on_the_thread_count),
        cmocka_unit_test(seeds_and_samples_differ),
        cmocka_unit_test(start_is_prior_std_times_temperature_times_the_given_normals),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(bad_arguments_are_named),
        cmocka_unit_test(score_that_is_not_finite_is_located),
        cmocka_unit_test(langevin_without_a_step_size_says_so),
        cmocka_unit_test(status_of_the_score_comes_back_unchanged),
        cmocka_unit_test(callbacks_see_every_step_and_the_result),
        cmocka_unit_test(callbacks_stop_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
