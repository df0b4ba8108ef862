/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench network: seconds per image of a recipe's network forward, of its gradient with respect to the
 * input, of a training step and of a sampler's step, with the memory they took.
 */
#include "bench_network.h"
#include "network.h"
#include "resident.h"
#include "tuning.h"

#include <ito/training.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ito_status cli_bench_finish_run(cli_progress *progress, ito_error *err) {
    cli_progress_update(progress, progress->done + 1, NULL);
    return cli_stopped("bench", "run it again", err);
}

/* ---- measuring */

/* Median seconds of o->runs calls after one that warms up. */
static ito_status time_calls(bench_network *b, ito_status (*call)(void *self, ito_error *err), void *self,
                             double *median, ito_error *err) {
    int64_t runs = b->o->runs;
    double seconds[1000];
    ito_status st = call(self, err);
    for (int64_t i = 0; i < runs && st == ITO_OK; i++) {
        double start = cli_seconds();
        if ((st = call(self, err)) != ITO_OK) break;
        seconds[i] = cli_seconds() - start;
        st = cli_bench_finish_run(&b->progress, err);
    }
    if (st != ITO_OK) return st;
    *median = cli_bench_median(runs, seconds);
    return ITO_OK;
}

static ito_status keep_profile(bench_timing *t, const ito_profile_row *rows, int count, ito_error *err) {
    t->rows = calloc((size_t)count + 1, sizeof *t->rows);
    if (!t->rows) return ito_error_set(err, ITO_E_NOMEM, "--profile: memory ran out: leave it out");
    for (int i = 0; i < count; i++) {
        const ito_profile_row *r = &rows[i];
        t->rows[i] =
            (bench_row){.calls = r->calls, .seconds = r->seconds, .flops = r->flops, .bytes = r->bytes};
        snprintf(t->rows[i].kind, sizeof t->rows[i].kind, "%s", r->kind);
    }
    t->row_count = count;
    return ITO_OK;
}

/* The rest of what a plan tells about itself; `rows` is NULL without --profile. */
static ito_status describe(const bench_network *b, const ito_plan *plan, const ito_profile_row *rows,
                           int count, bench_timing *t, ito_error *err) {
    ito_status st = rows ? keep_profile(t, rows, count, err) : ITO_OK;
    t->flops = ito_plan_flops(plan) / (double)b->batch;
    t->bytes = (double)ito_plan_bytes(plan);
    if (st != ITO_OK || b->o->no_limit) return st;
    st = ito_conv_limit(plan, &t->limit, err);
    t->limit /= (double)b->batch;
    return st;
}

typedef struct planned {
    ito_plan *plan;
    ito_workspace *ws;
} planned;

static ito_status run_plan(void *self, ito_error *err) {
    planned *p = self;
    return ito_plan_run(p->plan, p->ws, err);
}

/* Times a plan for `output` of the network's graph. */
static ito_status time_plan(bench_network *b, const cli_network *network, ito_node *output, bench_timing *t,
                            ito_error *err) {
    planned p = {0};
    double median = 0;
    ito_plan_options options = b->plan;
    options.frozen = true;
    float *result = calloc((size_t)b->batch, (size_t)b->dim * sizeof *result);
    ito_status st =
        result ? ITO_OK : ito_error_set(err, ITO_E_NOMEM, "--batch: memory ran out: use a smaller one");
    if (st == ITO_OK) st = ito_plan_create(network->graph, 1, &output, &options, &p.plan, err);
    if (st == ITO_OK) st = ito_workspace_create(p.plan, &p.ws, err);
    if (st == ITO_OK) st = ito_workspace_bind_params(p.ws, network->graph, b->params, err);
    if (st == ITO_OK) st = ito_workspace_bind(p.ws, network->x, b->x, err);
    if (st == ITO_OK && ito_network_reads_labels(&b->recipe.network))
        st = ito_workspace_bind(p.ws, network->labels, b->labels, err);
    if (st == ITO_OK) st = ito_workspace_bind(p.ws, output, result, err);
    if (st == ITO_OK) st = time_calls(b, run_plan, &p, &median, err);
    if (st == ITO_OK) {
        int count = 0;
        const ito_profile_row *rows = b->o->profile ? ito_workspace_profile(p.ws, &count) : NULL;
        t->seconds = median / (double)b->batch;
        st = describe(b, p.plan, rows, count, t, err);
    }
    ito_workspace_free(p.ws);
    ito_plan_free(p.plan);
    free(result);
    return st;
}

static ito_status time_network(bench_network *b, ito_error *err) {
    cli_network network;
    ito_status st = cli_network_build(&network, &b->recipe, b->batch, err);
    if (st == ITO_OK) st = ito_params_create(network.graph, &b->params, err);
    if (st == ITO_OK) ito_params_init(b->params, b->recipe.training.seed);
    if (st == ITO_OK && b->wanted[BENCH_FORWARD]) st = time_plan(b, &network, network.out, &b->forward, err);
    if (st == ITO_OK && b->wanted[BENCH_GRADIENT]) {
        ito_node *gradient = NULL;
        /* Any function of the output has the same work; this one's gradient is not constant. */
        ito_gradients(ito_sum(ito_square(network.out)), NULL, 1, &network.x, &gradient);
        st = time_plan(b, &network, gradient, &b->gradient, err);
    }
    cli_network_release(&network);
    return st;
}

typedef struct stepped {
    ito_trainer *trainer;
    const float *x;
} stepped;

static ito_status run_training(void *self, ito_error *err) {
    stepped *s = self;
    ito_step_report report;
    return ito_trainer_step_on(s->trainer, s->x, &report, err);
}

/* Weights, gradients, two moments, EMA. */
static double held_bytes(ito_params *live) {
    int64_t floats = 0;
    ito_params_block(live, &floats);
    return 5.0 * (double)floats * sizeof(float);
}

static ito_status time_training(bench_network *b, ito_error *err) {
    const double before = cli_resident_now();
    ito_trainer *trainer = NULL;
    ito_trainer_options options = ito_trainer_default();
    options.plan = b->plan;
    double median = 0;
    ito_status st = ito_trainer_create(&b->recipe, NULL, &options, &trainer, err);
    stepped s = {trainer, b->x};
    (void)cli_resident_restart(); /* timing convolutions is no part of training */
    if (st == ITO_OK) st = time_calls(b, run_training, &s, &median, err);
    if (st == ITO_OK) {
        int count = 0;
        const ito_profile_row *rows = b->o->profile ? ito_trainer_profile(trainer, &count) : NULL;
        b->train.seconds = median / (double)b->batch;
        /* Read now: what the limit's measurement allocates is no part of training. */
        b->memory.peak = cli_resident_peak();
        b->memory.training = b->memory.peak - before - held_bytes(ito_trainer_live(trainer));
        st = describe(b, ito_trainer_plan(trainer), rows, count, &b->train, err);
    }
    ito_trainer_free(trainer);
    return st;
}

static ito_status make_inputs(bench_network *b, ito_error *err) {
    int64_t values = b->batch * b->dim;
    b->x = calloc((size_t)values, sizeof *b->x);
    b->labels = calloc((size_t)b->batch, sizeof *b->labels);
    double *draw = calloc((size_t)values, sizeof *draw);
    ito_status st = ITO_OK;
    if (b->x && b->labels && draw) {
        ito_random_uniform((ito_stream){.seed = b->recipe.training.seed, .purpose = ITO_RNG_USER}, 0, values,
                           draw);
        for (int64_t i = 0; i < values; i++) b->x[i] = (float)(2 * draw[i] - 1);
        for (int64_t k = 0; k < b->batch; k++) b->labels[k] = (float)(999 * (k + 1)) / (float)(b->batch + 1);
    } else {
        st = ito_error_set(err, ITO_E_NOMEM, "--batch: memory ran out: use a smaller one");
    }
    free(draw);
    return st;
}

static ito_status measure(bench_network *b, ito_error *err) {
    cli_network_size size = {0};
    int works = 0;
    ito_status st = make_inputs(b, err);
    if (st == ITO_OK) st = cli_network_measure(&b->recipe, &size, err);
    if (st == ITO_OK) st = cli_network_flops(&b->recipe, &b->flops, err);
    b->parameters = size.parameters;
    for (int i = 0; i < BENCH_WORKS; i++) works += b->wanted[i];
    cli_progress_start(&b->progress, "bench", "runs", 1, 0, works * b->o->runs + b->wanted[BENCH_SAMPLER],
                       b->o->common.quiet);
    /* Training first: the peak memory reported is its own. */
    if (st == ITO_OK && b->wanted[BENCH_TRAIN]) st = time_training(b, err);
    if (st == ITO_OK) st = time_network(b, err);
    if (st == ITO_OK && b->wanted[BENCH_SAMPLER]) st = cli_bench_sampling(b, err);
    cli_progress_finish(&b->progress);
    return st;
}

/* --only: NAME,NAME,...; NULL wants all. */
static ito_status choose_works(bench_network *b, const char *list, ito_error *err) {
    static const char *const names[BENCH_WORKS] = {"forward", "gradient", "train", "sampler"};
    for (int i = 0; i < BENCH_WORKS; i++) b->wanted[i] = !list;
    while (list && *list) {
        const size_t length = strcspn(list, ",");
        int i = 0;
        while (i < BENCH_WORKS && (strlen(names[i]) != length || strncmp(list, names[i], length) != 0)) i++;
        if (i == BENCH_WORKS)
            return ito_error_set(
                err, ITO_E_ARG,
                "--only: %.*s: cannot be measured: use forward, gradient, train or sampler, with commas",
                (int)length, list);
        b->wanted[i] = true;
        list += length + (list[length] == ',');
    }
    return ITO_OK;
}

ito_status cli_bench_network(const cli_bench_options *o, ito_error *err) {
    bench_network b = {
        .o = o,
        .forward = {.title = "forward", .key = "forward", .limit_key = "forward"},
        .gradient = {.title = "input gradient", .key = "input_gradient", .limit_key = "input_gradient"},
        .train = {.title = "training step", .key = "train_step", .limit_key = "train"}};
    cli_tuning tuning = {0};
    ito_status st = choose_works(&b, o->only, err);
    if (st == ITO_OK) st = cli_plan_options(&o->common, &b.plan, err);
    if (st == ITO_OK) st = cli_tuning_open(&tuning, &o->common, CLI_MANY_CALLS, err);
    b.plan.profile = o->profile;
    b.plan.tuning = tuning.table;
    b.machine = cli_machine_read(o->common.threads);
    if (st == ITO_OK) st = ito_recipe_read(o->common.words.item[1], &b.recipe, err);
    if (st == ITO_OK) st = cli_apply_set(&o->common, &b.recipe, err);
    if (st == ITO_OK) {
        if (o->common.batch > 0) b.recipe.training.batch_size = o->common.batch;
        if (o->common.seed >= 0) b.recipe.training.seed = (uint64_t)o->common.seed;
        b.batch = b.recipe.training.batch_size;
        b.dim = b.recipe.data.channels * b.recipe.data.image_size * b.recipe.data.image_size;
        st = measure(&b, err);
    }
    if (st == ITO_OK && o->common.json) {
        st = cli_bench_network_json(&b, err);
    } else if (st == ITO_OK) {
        cli_bench_network_text(&b);
    }
    cli_tuning_close(&tuning);
    ito_params_free(b.params);
    free(b.forward.rows);
    free(b.gradient.rows);
    free(b.train.rows);
    free(b.x);
    free(b.labels);
    return st;
}
