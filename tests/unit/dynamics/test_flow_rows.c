/* SPDX-License-Identifier: Apache-2.0
 *
 * Flows with a step per sample: a sample does not know its batch. And frames on the way, in both modes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/flow_case.h"
#include <ito/flow.h>

#include <math.h>
#include <string.h>

enum { count = 6, state_size = count * dim };

static ito_flow_options apart(void) {
    ito_flow_options options = ito_flow_default();
    options.per_sample = true;
    options.seed = 5;
    options.first_sample = 100;
    return options;
}

static void a_sample_alone_is_that_of_its_batch(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        mixture mix = two_bumps((ito_sde_kind)kind);
        const ito_score score = mixture_score(&mix);
        ito_flow_options options = apart();
        double whole[state_size], alone[dim], sum = 0;
        ito_flow_report all, lone;
        ito_error err;
        expect_ok(ito_ode_sample(&mix.sde, &score, &options, count, whole, &all, &err), &err);
        assert_int_equal(all.nfe, mix.evals);
        int64_t most = 0;
        for (int k = 0; k < count; k++) {
            options.first_sample = 100 + k;
            options.per_sample = k % 2; /* alone, both modes are one system with one step */
            expect_ok(ito_ode_sample(&mix.sde, &score, &options, 1, alone, &lone, &err), &err);
            assert_memory_equal(alone, whole + k * dim, sizeof alone);
            assert_true(lone.nfe_mean == (double)lone.nfe);
            sum += (double)lone.nfe;
            most = lone.nfe > most ? lone.nfe : most;
        }
        print_message("%-5s %lld score calls, %.1f evaluations per sample\n", ito_sde_name(mix.sde.kind),
                      (long long)all.nfe, all.nfe_mean);
        assert_int_equal(all.nfe, most);
        assert_true(fabs(all.nfe_mean - sum / count) < 1e-12 && all.nfe_mean < (double)all.nfe);
        assert_int_equal(all.ode.nfev + count, (int64_t)lround(sum));
    }
}

static void data(double *x) {
    for (int j = 0; j < state_size; j++) x[j] = 0.8 * sin(2.0 * j + 1);
}

static void a_likelihood_alone_is_that_of_its_batch(void **state) {
    (void)state;
    const char *name;
    for (int d = 0; (name = ito_divergence_name(d)) != NULL; d++) {
        mixture mix = two_bumps(ITO_SDE_SUBVP);
        const ito_score score = mixture_score(&mix);
        ito_likelihood_options options = ito_likelihood_default();
        options.per_sample = true;
        options.divergence = name;
        options.probes = 3;
        double x[state_size], log_p[count], z[state_size], alone, lone_z[dim];
        ito_flow_report report;
        ito_error err;
        data(x);
        const ito_likelihood_result whole = {.log_p = log_p, .z = z}, lone = {.log_p = &alone, .z = lone_z};
        expect_ok(ito_likelihood(&mix.sde, &score, &options, count, x, &whole, &report, &err), &err);
        assert_true(report.nfe_mean < (double)report.nfe);
        assert_int_equal(report.vjps, report.nfe * 3); /* probes, or values of a sample */
        for (int k = 0; k < count; k++) {
            options.first_sample = k;
            expect_ok(ito_likelihood(&mix.sde, &score, &options, 1, x + k * dim, &lone, NULL, &err), &err);
            assert_true(alone == log_p[k]);
            assert_memory_equal(lone_z, z + k * dim, sizeof lone_z);
        }
        print_message("%-10s %lld score calls, %.1f evaluations per sample\n", name, (long long)report.nfe,
                      report.nfe_mean);
    }
}

static void likelihoods_are_exact(void **state) {
    (void)state;
    const double bound = 1e-6;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        mixture mix = two_bumps((ito_sde_kind)kind);
        const ito_score score = mixture_score(&mix);
        ito_likelihood_options options = ito_likelihood_default();
        options.per_sample = true;
        options.ode.rtol = options.ode.atol = 1e-10;
        options.divergence = "exact";
        double x[state_size], z[state_size], delta[count], worst = 0;
        ito_error err;
        data(x);
        const ito_likelihood_result result = {.delta = delta, .z = z};
        expect_ok(ito_likelihood(&mix.sde, &score, &options, count, x, &result, NULL, &err), &err);
        for (int k = 0; k < count; k++)
            worst = fmax(worst, fabs(delta[k] + mixture_log_density(&mix, z + k * dim, 1) -
                                     mixture_log_density(&mix, x + k * dim, options.eps)));
        print_message("%-5s log-density exact to %.1e (bound %.0e)\n", ito_sde_name(mix.sde.kind), worst,
                      bound);
        assert_true(worst < bound);
    }
}

/* ---- frames ---- */

enum { frame_count = 6 };

/* Checks that frames lie on the known line of Gaussian data through `start` at t0. */
typedef struct film {
    const mixture *mix;
    const double *start;
    double t0, worst;
    int64_t seen;
    double last[state_size];
} film;

static double spread(const mixture *mix, double t) {
    return hypot(ito_sde_mean(&mix->sde, t) * std_one, ito_sde_std(&mix->sde, t));
}

static ito_status watch(void *self, int64_t index, double t, int64_t n, int64_t d, const double *x) {
    film *f = self;
    assert_int_equal(index, f->seen++);
    assert_true(n == count && d == dim);
    const double a0 = ito_sde_mean(&f->mix->sde, f->t0), a = ito_sde_mean(&f->mix->sde, t);
    const double ratio = spread(f->mix, t) / spread(f->mix, f->t0);
    for (int j = 0; j < state_size; j++) {
        const double m = center[j % dim], line = a * m + ratio * (f->start[j] - a0 * m);
        f->worst = fmax(f->worst, fabs(x[j] - line) / (1 + fabs(line)));
    }
    memcpy(f->last, x, sizeof f->last);
    return ITO_OK;
}

static void frames_lie_on_the_solution(void **state) {
    (void)state;
    const double bound = 2e-6;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int way = 0; way < 4; way++) {
            mixture mix = gaussian((ito_sde_kind)kind);
            const ito_score score = mixture_score(&mix);
            const bool encodes = way / 2;
            const double eps = ito_sde_sampling_eps(&mix.sde);
            ito_flow_options options = apart();
            options.per_sample = way % 2;
            options.denoise = false;
            options.ode.rtol = options.ode.atol = 1e-8;
            double x[state_size], start[state_size], times[frame_count];
            for (int i = 0; i < frame_count; i++) {
                const double w = (double)(encodes ? frame_count - 1 - i : i) / (frame_count - 1);
                times[i] = i == (encodes ? 0 : frame_count - 1) ? eps : (1 - w) + w * eps;
            }
            data(start);
            film f = {.mix = &mix, .start = start, .t0 = times[0]};
            ito_error err;
            ito_status (*const carry)(const ito_sde *, const ito_score *, const ito_flow_options *, int64_t,
                                      const double *, double *, ito_flow_report *, ito_error *) =
                encodes ? ito_ode_encode : ito_ode_decode;
            expect_ok(carry(&mix.sde, &score, &options, count, start, x, NULL, &err), &err);
            const int64_t plain = mix.evals;
            options.frames = (ito_frames){frame_count, times, watch, &f};
            expect_ok(carry(&mix.sde, &score, &options, count, start, x, NULL, &err), &err);
            assert_int_equal(mix.evals, 2 * plain); /* frames evaluate nothing */
            assert_int_equal(f.seen, frame_count);
            double end = 0;
            for (int j = 0; j < state_size; j++) end = fmax(end, fabs(f.last[j] - x[j]));
            print_message("%-5s %s, %s: frames off by %.1e (bound %.0e)\n", ito_sde_name(mix.sde.kind),
                          encodes ? "encode" : "decode", way % 2 ? "own steps" : "one step ", f.worst, bound);
            assert_true(f.worst < bound && end == 0); /* the last is what the call returns */
        }
}

static ito_status cut(void *self, int64_t index, double t, int64_t n, int64_t d, const double *x) {
    const int64_t *at = self;
    (void)t, (void)n, (void)d, (void)x;
    return index == *at ? ITO_E_CANCELLED : ITO_OK;
}

static void a_frame_stops_the_run(void **state) {
    (void)state;
    mixture mix = gaussian(ITO_SDE_VP);
    const ito_score score = mixture_score(&mix);
    const double times[3] = {0.9, 0.5, ito_sde_sampling_eps(&mix.sde)};
    double x[dim] = {7};
    ito_error err;
    for (int64_t own = 0; own < 2; own++)
        for (int64_t at = 1; at < 3; at++) {
            ito_flow_options options = apart();
            options.per_sample = own;
            options.frames = (ito_frames){3, times, cut, &at};
            assert_int_equal(ito_ode_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_CANCELLED);
            assert_int_equal(err.status, ITO_E_CANCELLED);
            assert_true(x[0] == 7);
        }
}

static void bad_frames_are_named(void **state) {
    (void)state;
    mixture mix = gaussian(ITO_SDE_VP);
    const ito_score score = mixture_score(&mix);
    const double rising[2] = {0.1, 0.5}, twice[2] = {0.5, 0.5}, early[1] = {1.5}, late[1] = {1e-9},
                 none[1] = {NAN};
    const struct {
        int64_t count;
        const double *times;
        ito_status (*show)(void *, int64_t, double, int64_t, int64_t, const double *);
        const char *message;
    } bad[] = {
        {-1, rising, cut, "frames: count is -1"},
        {2, rising, NULL, "frames: show is NULL"},
        {2, NULL, cut, "frames: times is NULL"},
        {2, rising, cut, "frames: time 1 is 0.5, after 0.1: use times that fall from 1 to 0.001"},
        {2, twice, cut, "frames: time 1 is 0.5"},
        {1, early, cut, "frames: time 0 is 1.5"},
        {1, late, cut, "frames: time 0 is 1e-09"},
        {1, none, cut, "frames: time 0 is nan"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ito_flow_options options = apart();
        options.frames = (ito_frames){bad[i].count, bad[i].times, bad[i].show, NULL};
        double x[dim];
        ito_error err;
        assert_int_equal(ito_ode_sample(&mix.sde, &score, &options, 1, x, NULL, &err), ITO_E_ARG);
        if (strncmp(err.message, bad[i].message, strlen(bad[i].message)) != 0) fail_msg("%s", err.message);
    }
}

/* ---- failures name their sample ---- */

/* Backwards in time, x' = beta (x + x^2) / 2 under VP: ends early from above 0, runs to -1 from below. */
static ito_status square(void *self, int64_t n, const double *x, const double *t, double *s, ito_error *err) {
    (void)self, (void)t, (void)err;
    for (int64_t k = 0; k < n; k++) s[k] = x[k] * x[k];
    return ITO_OK;
}

/* 0, so that a sample is soon done; but where x > 10 small steps are needed, and below t = 1/2 it is NaN. */
static ito_status fail_far_out(void *self, int64_t n, const double *x, const double *t, double *s,
                               ito_error *err) {
    (void)self, (void)err;
    for (int64_t k = 0; k < n; k++)
        s[k] = x[k] > 10 ? (t[k] < 0.5 ? (double)NAN : 1e-3 * sin(300 * t[k])) : 0;
    return ITO_OK;
}

static void failures_name_their_sample(void **state) {
    (void)state;
    const ito_sde vp = ito_sde_default(ITO_SDE_VP), ve = ito_sde_default(ITO_SDE_VE);
    const ito_score exploding = {.dim = 1, .eval = square}, failing = {.dim = 1, .eval = fail_far_out};
    const double high_third[4] = {-0.5, -2, 0.5, -0.1}, far_second[4] = {-1, 1, -2, 0};
    double x[4] = {7, 7, 7, 7};
    ito_error err;
    ito_flow_options options = apart();
    options.prior_noise = high_third;
    assert_int_equal(ito_ode_sample(&vp, &exploding, &options, 4, x, NULL, &err), ITO_E_NUMERIC);
    print_message("%s\n", err.message);
    assert_non_null(strstr(err.message, "step of sample 102 vanished"));
    options.prior_noise = far_second; /* times the prior's 50 */
    assert_int_equal(ito_ode_sample(&ve, &failing, &options, 4, x, NULL, &err), ITO_E_NUMERIC);
    print_message("%s\n", err.message);
    assert_non_null(strstr(err.message, "score: is nan for sample 101 at step "));
    assert_true(x[0] == 7 && x[3] == 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_alone_is_that_of_its_batch),
        cmocka_unit_test(a_likelihood_alone_is_that_of_its_batch),
        cmocka_unit_test(likelihoods_are_exact),
        cmocka_unit_test(frames_lie_on_the_solution),
        cmocka_unit_test(a_frame_stops_the_run),
        cmocka_unit_test(bad_frames_are_named),
        cmocka_unit_test(failures_name_their_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
