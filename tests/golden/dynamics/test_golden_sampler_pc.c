/* SPDX-License-Identifier: Apache-2.0
 *
 * Complete predictor-corrector runs of 50 steps with the recorded noise: the states on the way and both
 * results. Bound 1e-9 of the largest value of each sample.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dynamics/pc.h"
#include "golden_file.h"
#include <stdio.h>
#include <string.h>

enum { batch = 4, dim = 48, state_size = batch * dim };

static const double bound = 1e-9;

typedef struct recorded_run {
    const char *name, *predictor, *corrector;
    bool ode;
} recorded_run;

/* The recorded draws of a run, [N, draws, batch, dim]: the corrector's first, then the predictor's. */
typedef struct recording {
    const double *noise;
    int64_t draws;
} recording;

static void replay(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t d, double *out) {
    const recording *r = self;
    const int64_t slot = purpose == ITO_RNG_PREDICTOR ? r->draws - 1 : 0;
    memcpy(out, r->noise + (step * r->draws + slot) * n * d, (size_t)(n * d) * sizeof *out);
}

static recording recording_of(const golden_file *g, const char *run) {
    char name[64];
    snprintf(name, sizeof name, "%s.noise", run);
    int64_t size = 0;
    recording r = {.noise = golden_find(g, name, &size)};
    r.draws = size / (g->mix.sde.steps * state_size);
    return r;
}

static ito_pc_options options_of(const golden_file *g, const recorded_run *run) {
    ito_pc_options options = ito_pc_default(&g->mix.sde);
    options.predictor = run->predictor;
    options.corrector = run->corrector;
    options.probability_flow = run->ode;
    options.snr = golden_get(g, "snr")[0];
    options.eps = golden_get(g, "eps")[0];
    options.batch_norms = true;
    options.prior_noise = golden_get(g, "prior_noise");
    return options;
}

/* Walks the run point by point and compares the states that were stored. */
static void compare_states(golden_file *g, const recorded_run *run) {
    const ito_score score = mixture_score(&g->mix);
    const ito_pc_options options = options_of(g, run);
    recording r = recording_of(g, run->name);
    ito__pc pc;
    ito_error err = {0};
    if (ito__pc_open(&pc, &g->mix.sde, &score, &options, (ito__noise){&r, replay}, batch, &err) != ITO_OK)
        fail_msg("%s", err.message);
    golden_compare(g, "x_init", batch, state_size, pc.x, golden_get(g, "x_init"), 1e-15);

    int64_t stored = 0, next = 0;
    const double *steps = golden_find(g, "steps", &stored);
    while (pc.i < pc.steps) {
        assert_int_equal(ito__pc_advance(&pc, &err), ITO_OK);
        if (next == stored || pc.i != (int64_t)steps[next]) continue;
        char what[64];
        snprintf(what, sizeof what, "%s.states_x %lld", run->name, (long long)pc.i);
        golden_compare(g, what, batch, state_size, pc.x,
                       golden_get(g, "%s.states_x", run->name) + next * state_size, bound);
        snprintf(what, sizeof what, "%s.states_x_mean %lld", run->name, (long long)pc.i);
        golden_compare(g, what, batch, state_size, pc.x_mean,
                       golden_get(g, "%s.states_x_mean", run->name) + next * state_size, bound);
        next++;
    }
    assert_int_equal(next, stored);
    ito__pc_close(&pc);
}

static void compare_results(golden_file *g, const recorded_run *run) {
    const ito_score score = mixture_score(&g->mix);
    ito_pc_options options = options_of(g, run);
    for (int denoise = 0; denoise < 2; denoise++) {
        recording r = recording_of(g, run->name);
        double x[state_size];
        ito_error err = {0};
        ito_sample_report report;
        options.denoise = denoise;
        if (ito__pc_sample(&g->mix.sde, &score, &options, (ito__noise){&r, replay}, batch, x, &report,
                           &err) != ITO_OK)
            fail_msg("%s", err.message);
        char what[64];
        snprintf(what, sizeof what, "%s.%s", run->name, denoise ? "x_mean" : "x");
        golden_compare(g, what, batch, state_size, x, golden_get(g, "%s", what), bound);
        /* The recording counts a network call for a predictor or corrector "none" as well. */
        const int64_t calls = (strcmp(run->predictor, "none") != 0) + (strcmp(run->corrector, "none") != 0);
        assert_int_equal(report.nfe, g->mix.sde.steps * calls);
    }
}

static void complete_runs_match(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const char *const last = kind == ITO_SDE_SUBVP ? "reverse_diffusion" : "ancestral";
        const char *const first = kind == ITO_SDE_VE ? "reverse_diffusion" : "euler_maruyama";
        const recorded_run runs[] = {{"pc", first, "langevin", false},
                                     {"pred_only", last, "none", false},
                                     {"corr_only", "none", "ald", false},
                                     {"pf", "reverse_diffusion", "none", true},
                                     {"pc2", last, "ald", false}};
        golden_file g;
        golden_open("pc", (ito_sde_kind)kind, &g);
        for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
            compare_states(&g, &runs[r]);
            compare_results(&g, &runs[r]);
        }
        golden_close(&g);
    }
}

static void time_grid_matches(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        golden_file g;
        golden_open("pc", (ito_sde_kind)kind, &g);
        double t[50], index[50];
        assert_int_equal(g.mix.sde.steps, 50);
        assert_int_equal(ito_grid_fill(&g.mix.sde, "uniform", golden_get(&g, "eps")[0], 50, t, NULL), ITO_OK);
        for (int64_t i = 0; i < 50; i++) index[i] = (double)ito_sde_index(&g.mix.sde, t[i]);
        golden_compare(&g, "timesteps", 1, 50, t, golden_get(&g, "timesteps"), 4e-16);
        golden_compare(&g, "timestep_index", 50, 50, index, golden_get(&g, "timestep_index"), 0);
        golden_close(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_grid_matches),
        cmocka_unit_test(complete_runs_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
