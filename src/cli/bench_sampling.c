/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench network's sampler: grid points of predictor and corrector (reverse_diffusion and langevin) with
 * the recipe's network and SDE, the time within the network's calls and beside them, and the memory of the
 * run.
 */
#include "bench_network.h"
#include "resident.h"

#include <ito/dynamics.h>
#include <stdlib.h>

/* A score that notes the time within it. */
typedef struct watched {
    ito_score inner;
    double seconds; /* since the last grid point */
    int64_t calls;
} watched;

static ito_status watched_eval(void *self, int64_t n, const double *x, const double *t, double *score,
                               ito_error *err) {
    watched *w = self;
    const double start = cli_seconds();
    const ito_status st = w->inner.eval(w->inner.self, n, x, t, score, err);
    w->seconds += cli_seconds() - start;
    w->calls++;
    return st;
}

typedef struct run {
    bench_network *b;
    watched score;
    double begun;                     /* of the grid point under way */
    double network[1001], rest[1001]; /* of each grid point */
    int64_t calls;                    /* in the last one */
    bool done;
} run;

/* The end of grid point i - 1. */
static ito_status note_step(void *self, int64_t i, double t, int64_t n, int64_t dim, const double *x) {
    run *r = self;
    const double now = cli_seconds();
    ito_error err;
    ito_status st = ITO_OK;
    (void)t, (void)n, (void)dim, (void)x;
    if (i > 0) {
        r->network[i - 1] = r->score.seconds;
        r->rest[i - 1] = now - r->begun - r->score.seconds;
        r->calls = r->score.calls;
        st = cli_bench_finish_run(&r->b->progress, &err);
        r->done = i > r->b->o->runs;
        if (r->done) st = ITO_E_CANCELLED; /* the rest of the chain would take hours */
    }
    r->score.seconds = 0;
    r->score.calls = 0;
    r->begun = cli_seconds();
    return st;
}

/* The first grid points of the chain: --runs after one that warms up. */
static ito_status sample(run *r, double *x, ito_error *err) {
    bench_network *b = r->b;
    const int64_t runs = b->o->runs;
    const ito_score score = {.self = &r->score, .dim = b->dim, .eval = watched_eval};
    ito_pc_options o = ito_pc_default(&b->recipe.sde);
    o.predictor = "reverse_diffusion";
    o.corrector = "langevin";
    o.steps = 1000 + runs; /* fine enough for the forward chain of any recipe */
    o.observe = note_step;
    o.observe_self = r;
    const ito_status st = ito_pc_sample(&b->recipe.sde, &score, &o, b->batch, x, NULL, err);
    if (!r->done) return cli_stopped("bench", "run it again", err) == ITO_OK ? st : ITO_E_CANCELLED;
    b->steps.calls = r->calls;
    b->steps.network = cli_bench_median(runs, r->network + 1);
    b->steps.rest = cli_bench_median(runs, r->rest + 1);
    return ITO_OK;
}

ito_status cli_bench_sampling(bench_network *b, ito_error *err) {
    ito_network_score *network = NULL;
    ito_network_score_options o = ito_network_score_default();
    ito_status st = ITO_OK;
    o.batch = b->batch;
    o.continuous = b->recipe.objective.continuous;
    o.plan = b->plan;
    o.plan.profile = false;
    const bool restarted = cli_resident_restart();
    const double before = cli_resident_now();
    double *x = calloc((size_t)b->batch, (size_t)b->dim * sizeof *x);
    run *r = calloc(1, sizeof *r);
    if (!x || !r) st = ito_error_set(err, ITO_E_NOMEM, "--batch: memory ran out: use a smaller one");
    if (st == ITO_OK)
        st = ito_network_score_create(&b->recipe.network, &b->recipe.sde, b->params, &o, &network, err);
    if (st == ITO_OK) {
        r->b = b;
        r->score.inner = ito_network_score_view(network);
        st = sample(r, x, err);
    }
    if (st == ITO_OK && restarted) b->memory.sampling = cli_resident_peak() - before;
    ito_network_score_free(network);
    free(r);
    free(x);
    return st;
}
