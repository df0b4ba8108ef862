/* SPDX-License-Identifier: Apache-2.0
 *
 * The adaptive SDE solver draws the mixture under every SDE and does not when the score is broken; its error
 * follows the tolerance; a sample does not know its batch; failures are located.
 *
 * The largest distance of 512 samples' distribution function from the exact one (Kolmogorov-Smirnov) has the
 * bound 2.7 / sqrt(n), which samples of the truth exceed with probability 2 exp(-2 2.7^2) < 1e-6, and an
 * allowance for the bias at the tolerance used. The 11 runs that must pass raise a false alarm for one seed
 * in 90,000; the seed is fixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/two_peaks.h"
#include <ito/adaptive.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { n = 512 };

static const double allowance = 0.01;

static ito_score inner;
static double factor = 1;
static int64_t calls, rows_called;

static ito_status scaled(void *self, int64_t rows, const double *x, const double *t, double *score,
                         ito_error *err) {
    (void)self;
    calls++;
    rows_called += rows;
    const ito_status st = inner.eval(inner.self, rows, x, t, score, err);
    for (int64_t j = 0; j < rows; j++) score[j] *= factor;
    return st;
}

static const ito_score score = {.dim = 1, .eval = scaled};

static ito_adaptive_options at_tolerance(double tolerance) {
    ito_adaptive_options options = ito_adaptive_default();
    options.rtol = options.atol = tolerance;
    options.seed = 7;
    options.denoise = false;
    return options;
}

/* The Kolmogorov-Smirnov distance of a run; 1 when it fails. */
static double distance(int kind, const ito_adaptive_options *options, double score_factor,
                       ito_adaptive_report *report) {
    static double x[n];
    const ito_sde sde = two_peaks_sde(kind);
    ito_density *density = two_peaks(&sde);
    inner = ito_density_score(density);
    factor = score_factor;
    ito_error err;
    const ito_status st = ito_adaptive_sample(&sde, &score, options, n, x, report, &err);
    ito_density_free(density);
    factor = 1;
    if (st == ITO_E_NUMERIC) return 1;
    if (st != ITO_OK) fail_msg("%s", err.message);
    const double largest = two_peaks_distance(&sde, n, x);
    print_message(
        "%-17s %s%s tolerance %-5g score x %-4g: %.3f, %5.1f calls (at most %lld), %.1f %% rejected\n",
        ito_sde_name((ito_sde_kind)kind), options->norm, options->fresh_noise ? " fresh" : "", options->rtol,
        score_factor, largest, report->nfe_mean, (long long)report->nfe,
        100 * (double)report->rejected / (double)(report->accepted + report->rejected));
    return largest;
}

static double bound(void) {
    return 2.7 / sqrt(n) + allowance;
}

/* At a tolerance of 1 for data of size 0.5 it is not. */
static void the_mixture_is_drawn_at_a_small_tolerance(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        const bool published = kind < ITO_SDE_NETWORK_COUNT;
        const ito_adaptive_options tight = at_tolerance(published ? 0.05 : 0.1), loose = at_tolerance(1);
        ito_adaptive_report fine, coarse;
        assert_true(distance(kind, &tight, 1, &fine) < bound());
        if (!published) continue;
        assert_true(distance(kind, &loose, 1, &coarse) > bound());
        assert_true(fine.nfe_mean > 2 * coarse.nfe_mean);
    }
}

static void broken_scores_fail(void **state) {
    (void)state;
    const double factors[] = {0.5, -1};
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int i = 0; i < 2; i++) {
            const ito_adaptive_options options = at_tolerance(0.1);
            ito_adaptive_report report;
            assert_true(distance(kind, &options, factors[i], &report) > bound());
        }
}

/* Noise drawn afresh after a rejection, as published, loses what was rejected: in one dimension, where two
 * attempts in five are, the law is missed. */
static void fresh_noise_misses_the_law_in_one_dimension(void **state) {
    (void)state;
    ito_adaptive_options options = at_tolerance(0.05);
    ito_adaptive_report report;
    options.fresh_noise = true;
    assert_true(distance(ITO_SDE_VE, &options, 1, &report) > bound());
}

/* ---- one sample ---- */

enum { dim = 3, count = 6, state_size = count * dim };

static ito_density *three_dimensions(const ito_sde *sde) {
    static const double w[2] = {0.4, 0.6}, s[2] = {0.3, 0.5}, m[2 * dim] = {-1, 0.5, 0, 1, 0, 0.5};
    ito_density *density;
    assert_int_equal(ito_mixture_create(sde, 2, dim, w, m, s, &density, NULL), ITO_OK);
    return density;
}

static void draw(const ito_sde *sde, const ito_score *s, const ito_adaptive_options *options, int64_t rows,
                 double *x, ito_adaptive_report *report) {
    ito_error err;
    if (ito_adaptive_sample(sde, s, options, rows, x, report, &err) != ITO_OK) fail_msg("%s", err.message);
}

/* The path of a sample is its own, so runs of any tolerance approach one solution: strongly, not only in law.
 */
static void the_path_converges_with_the_tolerance(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const ito_sde sde = ito_sde_default((ito_sde_kind)kind);
        ito_density *density = three_dimensions(&sde);
        const ito_score s = ito_density_score(density);
        const double tolerance[3] = {0.1, 0.01, 0.003};
        double x[3][state_size], error[2] = {0};
        ito_adaptive_report report[3];
        for (int i = 0; i < 3; i++) {
            const ito_adaptive_options options = at_tolerance(tolerance[i]);
            draw(&sde, &s, &options, count, x[i], &report[i]);
        }
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < state_size; j++) error[i] += pow(x[i][j] - x[2][j], 2) / state_size;
        print_message("%-5s from the path at 0.003: %.4f at 0.1 (%.0f calls), %.4f at 0.01 (%.0f calls)\n",
                      ito_sde_name(sde.kind), sqrt(error[0]), report[0].nfe_mean, sqrt(error[1]),
                      report[1].nfe_mean);
        assert_true(sqrt(error[1]) < sqrt(error[0]) / 2 && sqrt(error[1]) < 0.02);
        ito_density_free(density);
    }
}

static void a_sample_alone_is_that_of_its_batch(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_density *density = three_dimensions(&sde);
    inner = ito_density_score(density);
    const ito_score counted = {.dim = dim, .eval = scaled};
    for (int run = 0; run < 4; run++) {
        ito_adaptive_options options = ito_adaptive_default();
        options.norm = ito_adaptive_norm_name(run / 2);
        options.fresh_noise = run % 2;
        options.first_sample = 100;
        double whole[state_size], alone[dim], sum = 0;
        ito_adaptive_report all, lone;
        int64_t most = 0, rejected = 0;
        calls = rows_called = 0;
        draw(&sde, &counted, &options, count, whole, &all);
        assert_true(all.nfe == calls && fabs(all.nfe_mean - (double)rows_called / count) < 1e-12);
        for (int k = 0; k < count; k++) {
            options.first_sample = 100 + k;
            draw(&sde, &counted, &options, 1, alone, &lone);
            assert_memory_equal(alone, whole + k * dim, sizeof alone);
            assert_true(lone.nfe == 2 * (lone.accepted + lone.rejected) + 1);
            sum += lone.nfe_mean;
            rejected += lone.rejected;
            most = lone.nfe > most ? lone.nfe : most;
        }
        assert_true(all.nfe == most && fabs(all.nfe_mean - sum / count) < 1e-12);
        assert_true(all.rejected == rejected && rejected > 0 && all.nfe_mean < (double)all.nfe);
    }
    ito_density_free(density);
}

/* With many values the noise averages out of the error norm: rejections are few, and both forms draw the
 * data. N(0, 0.5^2) in 512 values, 20 samples: the standard error of the pooled deviation is 0.7 %. */
static void with_many_values_rejections_are_few(void **state) {
    (void)state;
    enum { many = 512, rows = 20 };
    static double x[rows * many];
    static const double zero[many] = {0}, one = 1, half = 0.5;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_density *density;
    assert_int_equal(ito_mixture_create(&sde, 1, many, &one, zero, &half, &density, NULL), ITO_OK);
    const ito_score s = ito_density_score(density);
    for (int fresh = 0; fresh < 2; fresh++) {
        ito_adaptive_options options = at_tolerance(0.02);
        ito_adaptive_report report;
        options.fresh_noise = fresh;
        draw(&sde, &s, &options, rows, x, &report);
        double square = 0;
        for (int j = 0; j < rows * many; j++) square += x[j] * x[j] / (rows * many);
        const double share = (double)report.rejected / (double)(report.accepted + report.rejected);
        print_message("%s noise: std off by %+.1f %% (bound 4 %%), %.1f %% rejected, %.1f calls\n",
                      fresh ? "fresh" : "path ", 200 * (sqrt(square) - 0.5), 100 * share, report.nfe_mean);
        assert_true(fabs(sqrt(square) - 0.5) < 0.02 && share < 0.1);
    }
    ito_density_free(density);
}

/* ---- failures ---- */

/* NaN below t = 1/2 where x > 10, else 0. */
static ito_status fail_far_out(void *self, int64_t rows, const double *x, const double *t, double *s,
                               ito_error *err) {
    (void)self, (void)err;
    for (int64_t k = 0; k < rows; k++) s[k] = t[k] < 0.5 && x[k] > 10 ? (double)NAN : 0;
    return ITO_OK;
}

/* Jumps so often that no step is short enough. */
static ito_status rough(void *self, int64_t rows, const double *x, const double *t, double *s,
                        ito_error *err) {
    (void)self, (void)err;
    for (int64_t k = 0; k < rows; k++) s[k] = t[k] < 0.5 && x[k] > 10 ? 1e9 * sin(1e12 * x[k]) : 0;
    return ITO_OK;
}

/* Finite, but the step overflows, in the first of two values. */
static ito_status overflow(void *self, int64_t rows, const double *x, const double *t, double *s,
                           ito_error *err) {
    (void)self, (void)err, (void)t, (void)x;
    for (int64_t j = 0; j < 2 * rows; j++) s[j] = j % 2 == 0 ? 1.7e308 : 0;
    return ITO_OK;
}

static void a_step_that_overflows_is_not_taken(void **state) {
    (void)state;
    const ito_sde sde = {.kind = ITO_SDE_VE, .T = 1, .steps = 1000, .sigma_min = 0.01, .sigma_max = 1e9};
    const ito_score s = {.dim = 2, .eval = overflow};
    double x[2] = {7, 7};
    ito_error err;
    ito_adaptive_options options = ito_adaptive_default();
    for (int norm = 0; norm < 2; norm++) {
        options.norm = ito_adaptive_norm_name(norm);
        assert_int_equal(ito_adaptive_sample(&sde, &s, &options, 1, x, NULL, &err), ITO_E_NUMERIC);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, "the step of sample 0 vanished at t = 1 after 1 attempts"));
    }
}

static void failures_name_step_time_and_sample(void **state) {
    (void)state;
    const ito_sde ve = ito_sde_default(ITO_SDE_VE);
    const ito_score failing = {.dim = 1, .eval = fail_far_out}, jumping = {.dim = 1, .eval = rough};
    const double far_third[4] = {0, -4, 4, -8};
    double x[4] = {7, 7, 7, 7};
    ito_error err;
    ito_adaptive_options options = ito_adaptive_default();
    options.prior_noise = far_third; /* times the prior's 50 */
    options.first_sample = 40;
    options.rtol = 1e-3;
    assert_int_equal(ito_adaptive_sample(&ve, &failing, &options, 4, x, NULL, &err), ITO_E_NUMERIC);
    print_message("%s\n", err.message);
    assert_non_null(strstr(err.message, "score: is nan for sample 42 at step "));
    assert_non_null(strstr(err.message, "(t = 0."));
    for (int fresh = 0; fresh < 2; fresh++) {
        options.fresh_noise = fresh;
        assert_int_equal(ito_adaptive_sample(&ve, &jumping, &options, 4, x, NULL, &err), ITO_E_NUMERIC);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, "the step of sample 42 vanished at t = 0."));
    }
    assert_true(x[0] == 7 && x[3] == 7);
}

static void bad_arguments_are_named(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    const ito_score s = {.dim = 1, .eval = rough}, none = {.dim = 1},
                    huge = {.dim = INT64_MAX / 2, .eval = rough};
    ito_adaptive_options bad[9];
    for (int i = 0; i < 9; i++) bad[i] = ito_adaptive_default();
    bad[0].rtol = 0;
    bad[1].atol = 0;
    bad[2].rtol = NAN;
    bad[3].norm = "l1";
    bad[4].first_step = -1;
    bad[5].eps = 1;
    bad[6].temperature = -1;
    bad[7].first_sample = -1;
    bad[8].first_step = INFINITY;
    const char *const message[] = {"rtol: is 0: use",    "atol: is 0: use",
                                   "rtol: is nan",       "norm: \"l1\" is not known: use one of l2, max",
                                   "first_step: is -1",  "eps: is 1: use a time above 0 and below T = 1",
                                   "temperature: is -1", "first_sample: is -1",
                                   "first_step: is inf"};
    double x = 7;
    ito_error err;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(ito_adaptive_sample(&sde, &s, &bad[i], 1, &x, NULL, &err), ITO_E_ARG);
        if (strncmp(err.message, message[i], strlen(message[i])) != 0) fail_msg("%s", err.message);
    }
    const ito_adaptive_options options = ito_adaptive_default();
    assert_int_equal(ito_adaptive_sample(&sde, &s, &options, 0, &x, NULL, &err), ITO_E_ARG);
    assert_int_equal(ito_adaptive_sample(&sde, &none, &options, 1, &x, NULL, &err), ITO_E_ARG);
    assert_int_equal(ito_adaptive_sample(&sde, &huge, &options, 4, &x, NULL, &err), ITO_E_NOMEM);
    assert_true(x == 7);
    assert_null(ito_adaptive_norm_name(-1));
    assert_null(ito_adaptive_norm_name(2));
}

typedef struct audience {
    int64_t attempts, accepted, last, stop_after;
} audience;

static ito_status watch(void *self, const ito_adaptive_attempt *seen) {
    audience *a = self;
    assert_true(seen->dim == dim && seen->row >= 0 && seen->row < count);
    assert_true(seen->accepted == (seen->error <= 1) && fabs(seen->t - seen->h - seen->t_new) < 1e-15);
    a->accepted += seen->accepted;
    return ++a->attempts == a->stop_after ? ITO_E_CANCELLED : ITO_OK;
}

static ito_status advance(void *self, int64_t done, int64_t total) {
    audience *a = self;
    assert_true(done >= a->last && done <= total);
    a->last = done;
    return ITO_OK;
}

static ito_status refuse(void *self, int64_t done, int64_t total) {
    (void)self, (void)done, (void)total;
    return ITO_E_CANCELLED;
}

static void callbacks_see_attempts_and_stop_the_run(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_density *density = three_dimensions(&sde);
    const ito_score s = ito_density_score(density);
    audience a = {0};
    double x[state_size] = {7};
    ito_error err;
    ito_adaptive_report report;
    ito_adaptive_options options = ito_adaptive_default();
    options.observe = watch;
    options.observe_self = &a;
    options.progress = (ito_progress){&a, advance};
    draw(&sde, &s, &options, count, x, &report);
    assert_true(a.last == 1000 && a.accepted == report.accepted);
    assert_int_equal(a.attempts, report.accepted + report.rejected);
    x[0] = 7;
    a.stop_after = a.attempts + 20;
    a.last = 0;
    assert_int_equal(ito_adaptive_sample(&sde, &s, &options, count, x, NULL, &err), ITO_E_CANCELLED);
    options.observe = NULL;
    options.progress = (ito_progress){NULL, refuse};
    assert_int_equal(ito_adaptive_sample(&sde, &s, &options, count, x, NULL, &err), ITO_E_CANCELLED);
    assert_true(x[0] == 7);
    ito_density_free(density);
}

/* What the observer saw nearest to each frame. */
enum { frame_count = 5 };

typedef struct film {
    double times[frame_count], distance[frame_count][count], x[frame_count][state_size];
    double seen[frame_count][state_size];
    int64_t shown;
} film;

static void keep_if_nearer(film *f, int64_t row, double t, const double *x) {
    for (int i = 0; i < frame_count; i++) {
        const double distance = fabs(t - f->times[i]);
        if (distance >= f->distance[i][row]) continue;
        f->distance[i][row] = distance;
        memcpy(f->seen[i] + row * dim, x, dim * sizeof *x);
    }
}

static ito_status note(void *self, const ito_adaptive_attempt *attempt) {
    if (!attempt->accepted) return ITO_OK;
    keep_if_nearer(self, attempt->row, attempt->t, attempt->x);
    keep_if_nearer(self, attempt->row, attempt->t_new, attempt->x_new);
    return ITO_OK;
}

static ito_status show(void *self, int64_t index, double t, int64_t rows, int64_t d, const double *x) {
    film *f = self;
    assert_true(index == f->shown++ && t == f->times[index] && rows == count && d == dim);
    memcpy(f->x[index], x, sizeof f->x[index]);
    return ITO_OK;
}

static void frames_are_the_nearest_states(void **state) {
    (void)state;
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_density *density = three_dimensions(&sde);
    const ito_score s = ito_density_score(density);
    film f = {.times = {1, 0.7, 0.35, 0.02, ito_sde_sampling_eps(&sde)}};
    for (int i = 0; i < frame_count; i++)
        for (int k = 0; k < count; k++) f.distance[i][k] = 2;
    double x[state_size], prior[state_size];
    ito_adaptive_options options = ito_adaptive_default();
    options.frames = (ito_frames){frame_count, f.times, show, &f};
    options.observe = note;
    options.observe_self = &f;
    draw(&sde, &s, &options, count, x, NULL);
    assert_int_equal(f.shown, frame_count);
    for (int i = 0; i < frame_count - 1; i++) assert_memory_equal(f.x[i], f.seen[i], sizeof f.x[i]);
    assert_memory_equal(f.x[frame_count - 1], x, sizeof x); /* finished, so denoised */
    ito_sde_prior_sample(&sde, options.seed, 0, count, dim, prior);
    assert_memory_equal(f.x[0], prior, sizeof prior);
    ito_density_free(density);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mixture_is_drawn_at_a_small_tolerance),
        cmocka_unit_test(broken_scores_fail),
        cmocka_unit_test(fresh_noise_misses_the_law_in_one_dimension),
        cmocka_unit_test(the_path_converges_with_the_tolerance),
        cmocka_unit_test(a_sample_alone_is_that_of_its_batch),
        cmocka_unit_test(with_many_values_rejections_are_few),
        cmocka_unit_test(failures_name_step_time_and_sample),
        cmocka_unit_test(a_step_that_overflows_is_not_taken),
        cmocka_unit_test(bad_arguments_are_named),
        cmocka_unit_test(callbacks_see_attempts_and_stop_the_run),
        cmocka_unit_test(frames_are_the_nearest_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
