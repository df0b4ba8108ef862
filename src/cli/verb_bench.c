/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench: what it measures, and ito bench network: seconds per image of a recipe's network forward, of its
 * gradient with respect to the input, and of a training step, with the memory they took.
 */
#include "bench.h"
#include "network.h"
#include "progress.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <ito/training.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(cli_bench_options, field)
static const cli_option options_table[] = {
    {"runs", 'n', "N", CLI_INTEGER, AT(runs), "network, dynamics: timed runs; the median counts (default: 5)",
     1, NULL},
    {"profile", 0, NULL, CLI_FLAG, AT(profile), "network: also print the time of every kind of operation", 0,
     NULL},
    {"no-limit", 0, NULL, CLI_FLAG, AT(no_limit),
     "network: do not measure the convolutions alone, which takes up to a minute", 0, NULL},
    {"count", 0, "N", CLI_INTEGER, AT(count),
     "samples of a run (default: samplers: 20000 points or 256 images, dynamics: 100000 points)", 1, NULL},
    {"nfe", 0, "LIST", CLI_TEXT, AT(nfe), "samplers: score calls of the runs, rising: 10,50,200", 0, NULL},
    {"samplers", 0, "LIST", CLI_TEXT, AT(samplers),
     "samplers: which (default: all): PREDICTOR, PREDICTOR+CORRECTOR, ode:METHOD, ...", 0, NULL},
    {"match", 0, "N", CLI_INTEGER, AT(match),
     "samplers: points a set is drawn together into for the 2-Wasserstein distance (default: 512)", 1, NULL},
    {"weights", 0, "KIND", CLI_CHOICE, AT(weights), "samplers: averaged or live weights of a checkpoint", 0,
     cli_weights_name},
    {"steps", 0, "N", CLI_INTEGER, AT(steps), "dynamics: steps that draw the points (default: 1000)", 50,
     NULL},
    {.name = NULL},
};
#undef AT

static void defaults(void *options) {
    cli_bench_options *o = options;
    o->runs = 5;
    o->count = o->match = -1;
    o->weights = "ema";
    o->steps = 1000;
}

static ito_status bench_network(const cli_bench_options *o, ito_error *err);

static const struct subject {
    const char *name, *words;
    int count; /* of words, the name included */
    ito_status (*run)(const cli_bench_options *o, ito_error *err);
} subjects[] = {
    {"network", "network RECIPE", 2, bench_network},
    {"samplers", "samplers MODEL", 2, cli_bench_samplers},
    {"dynamics", "dynamics", 1, cli_bench_dynamics},
};
enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

static const char *subject_name(const void *self, int index) {
    (void)self;
    return index < SUBJECTS ? subjects[index].name : NULL;
}

static const struct subject *find_subject(const char *name) {
    for (int i = 0; i < SUBJECTS; i++)
        if (strcmp(name, subjects[i].name) == 0) return &subjects[i];
    return NULL;
}

static ito_status check(const void *options, ito_error *err) {
    const cli_bench_options *o = options;
    const char *name = o->common.words.item[0], *near = cli_nearest(name, subject_name, NULL);
    const struct subject *s = find_subject(name);
    if (!s && near)
        return ito_error_set(err, ITO_E_ARG, "%s: cannot be measured: did you mean %s?", name, near);
    if (!s) {
        char known[256] = "";
        for (int i = 0; i < SUBJECTS; i++) {
            const size_t used = strlen(known);
            snprintf(known + used, sizeof known - used, "%sito bench %s", i ? " or " : "", subjects[i].words);
        }
        return ito_error_set(err, ITO_E_ARG, "%s: cannot be measured: give %s", name, known);
    }
    if (o->common.words.count != s->count)
        return ito_error_set(err, ITO_E_ARG, "bench %s: takes %d words: give ito bench %s", s->name, s->count,
                             s->words);
    if (o->runs > 1000)
        return ito_error_set(err, ITO_E_ARG, "--runs: is %" PRId64 ": use at most 1000", o->runs);
    return ITO_OK;
}

static ito_status run(const void *options, ito_error *err) {
    const cli_bench_options *o = options;
    return find_subject(o->common.words.item[0])->run(o, err);
}

/* A row of a profile whose name outlives the workspace. */
typedef struct row {
    char kind[128];
    int64_t calls;
    double seconds, flops, bytes;
} row;

/* One thing that was timed. */
typedef struct timing {
    const char *title, *key; /* "training step", "train_step" */
    const char *limit_key;   /* "train" */
    double seconds;          /* of one image */
    double limit;            /* of one image in the convolutions alone, each at its best; 0: not measured */
    double flops;            /* of one image */
    double bytes;            /* of the plan's workspace */
    row *rows;               /* with --profile; owned */
    int row_count;
} timing;

typedef struct bench {
    const cli_bench_options *o;
    ito_recipe recipe;
    ito_plan_options plan;
    int64_t batch, dim;
    float *x, *labels; /* [batch, dim], [batch] */
    ito_params *params;
    timing forward, gradient, train;
    double peak_bytes;
    cli_progress progress;
} bench;

/* ---- measuring */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cli_bench_median(int64_t n, double *values) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* Median seconds of o->runs calls after one that warms up. */
static ito_status time_calls(bench *b, ito_status (*call)(void *self, ito_error *err), void *self,
                             double *median, ito_error *err) {
    int64_t runs = b->o->runs;
    double seconds[1000];
    ito_status st = call(self, err);
    for (int64_t i = 0; i < runs && st == ITO_OK; i++) {
        if ((st = cli_stopped("bench", "run it again", err)) != ITO_OK) break;
        double start = cli_seconds();
        st = call(self, err);
        seconds[i] = cli_seconds() - start;
        cli_progress_update(&b->progress, b->progress.done + 1, NULL);
    }
    if (st != ITO_OK) return st;
    *median = cli_bench_median(runs, seconds);
    return ITO_OK;
}

static ito_status keep_profile(timing *t, const ito_profile_row *rows, int count, ito_error *err) {
    t->rows = calloc((size_t)count + 1, sizeof *t->rows);
    if (!t->rows) return ito_error_set(err, ITO_E_NOMEM, "--profile: memory ran out: leave it out");
    for (int i = 0; i < count; i++) {
        const ito_profile_row *r = &rows[i];
        t->rows[i] = (row){.calls = r->calls, .seconds = r->seconds, .flops = r->flops, .bytes = r->bytes};
        snprintf(t->rows[i].kind, sizeof t->rows[i].kind, "%s", r->kind);
    }
    t->row_count = count;
    return ITO_OK;
}

/* The rest of what a plan tells about itself; `rows` is NULL without --profile. */
static ito_status describe(const bench *b, const ito_plan *plan, const ito_profile_row *rows, int count,
                           timing *t, ito_error *err) {
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
static ito_status time_plan(bench *b, const cli_network *network, ito_node *output, timing *t,
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

static ito_status time_network(bench *b, ito_error *err) {
    cli_network network;
    ito_status st = cli_network_build(&network, &b->recipe, b->batch, err);
    if (st == ITO_OK) st = ito_params_create(network.graph, &b->params, err);
    if (st == ITO_OK) {
        ito_params_init(b->params, b->recipe.training.seed);
        st = time_plan(b, &network, network.out, &b->forward, err);
    }
    if (st == ITO_OK) {
        ito_node *gradient = NULL;
        /* Any function of the output has the same work; this one's gradient is not constant. */
        ito_gradients(ito_sum(ito_square(network.out)), NULL, 1, &network.x, &gradient);
        st = time_plan(b, &network, gradient, &b->gradient, err);
    }
    cli_network_release(&network);
    ito_params_free(b->params);
    b->params = NULL;
    return st;
}

/* The most memory this process ever held, from the kernel; 0 where it does not tell. */
static double peak_bytes(void) {
    char line[256];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "VmHWM: %lf kB", &kilobytes) == 1) break;
    }
    fclose(f);
    return 1024 * kilobytes;
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

static ito_status time_training(bench *b, ito_error *err) {
    ito_trainer *trainer = NULL;
    ito_trainer_options options = ito_trainer_default();
    options.plan = b->plan;
    double median = 0;
    ito_status st = ito_trainer_create(&b->recipe, NULL, &options, &trainer, err);
    stepped s = {trainer, b->x};
    if (st == ITO_OK) st = time_calls(b, run_training, &s, &median, err);
    if (st == ITO_OK) {
        int count = 0;
        const ito_profile_row *rows = b->o->profile ? ito_trainer_profile(trainer, &count) : NULL;
        b->train.seconds = median / (double)b->batch;
        /* Read now: what the limit's measurement allocates is no part of training. */
        b->peak_bytes = peak_bytes();
        st = describe(b, ito_trainer_plan(trainer), rows, count, &b->train, err);
    }
    ito_trainer_free(trainer);
    return st;
}

static ito_status make_inputs(bench *b, ito_error *err) {
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

/* ---- telling */

static void add_timing(cJSON *object, const timing *t) {
    char key[64];
    snprintf(key, sizeof key, "%s_s_per_image", t->key);
    cJSON_AddNumberToObject(object, key, t->seconds);
    snprintf(key, sizeof key, "%s_gflop_per_s", t->key);
    cJSON_AddNumberToObject(object, key, t->flops / t->seconds / 1e9);
    if (t->limit > 0) {
        snprintf(key, sizeof key, "conv_limit_%s_s_per_image", t->limit_key);
        cJSON_AddNumberToObject(object, key, t->limit);
    }
    snprintf(key, sizeof key, "%s_plan_bytes", t->key);
    cJSON_AddNumberToObject(object, key, t->bytes);
    if (!t->rows) return;
    snprintf(key, sizeof key, "%s_profile", t->key);
    cJSON *rows = cJSON_AddArrayToObject(object, key);
    for (int i = 0; i < t->row_count; i++) {
        const row *r = &t->rows[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "kind", r->kind);
        cJSON_AddNumberToObject(item, "calls", (double)r->calls);
        cJSON_AddNumberToObject(item, "seconds", r->seconds);
        cJSON_AddNumberToObject(item, "flops", r->flops);
        cJSON_AddNumberToObject(item, "bytes", r->bytes);
        cJSON_AddItemToArray(rows, item);
    }
}

static ito_status print_json(const bench *b, int64_t parameters, ito_error *err) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "recipe", b->recipe.name);
    cJSON_AddNumberToObject(object, "batch", (double)b->batch);
    cJSON_AddNumberToObject(object, "runs", (double)b->o->runs);
    cJSON_AddNumberToObject(object, "parameters", (double)parameters);
    cJSON_AddNumberToObject(object, "flops_per_image", b->forward.flops);
    cJSON_AddNumberToObject(object, "peak_bytes", b->peak_bytes);
    add_timing(object, &b->forward);
    add_timing(object, &b->gradient);
    add_timing(object, &b->train);
    return cli_print_json(object, err);
}

static void print_profile(const timing *t) {
    double sum = 0;
    for (int i = 0; i < t->row_count; i++) sum += t->rows[i].seconds;
    if (!t->rows || sum <= 0) return;
    printf("\n%s\n%8s %8s %6s %8s %8s  %s\n", t->title, "seconds", "calls", "part", "GFLOP/s", "GB/s",
           "kind");
    for (int i = 0; i < t->row_count; i++) {
        const row *r = &t->rows[i];
        double seconds = r->seconds > 0 ? r->seconds : 1e-9;
        printf("%8.3f %8" PRId64 " %5.1f%% %8.1f %8.1f  %s\n", r->seconds, r->calls, 100 * r->seconds / sum,
               r->flops / seconds / 1e9, r->bytes / seconds / 1e9, r->kind);
    }
}

static void print_text(const bench *b, int64_t parameters) {
    const timing *all[] = {&b->forward, &b->gradient, &b->train};
    char count[32], work[32], memory[32];
    printf("%s: %s parameters, %s per image forward, batch %" PRId64 "\n\n", b->recipe.name,
           cli_human((double)parameters, "", count), cli_human(b->forward.flops, "FLOP", work), b->batch);
    printf("%-16s %12s %10s %12s", "", "s per image", "GFLOP/s", "workspace");
    if (!b->o->no_limit) printf(" %14s %8s", "convolutions", "part");
    printf("\n");
    for (int i = 0; i < 3; i++) {
        const timing *t = all[i];
        printf("%-16s %12.5f %10.1f %12s", t->title, t->seconds, t->flops / t->seconds / 1e9,
               cli_human(t->bytes, "B", memory));
        if (t->limit > 0) printf(" %14.5f %6.0f %%", t->limit, 100 * t->limit / t->seconds);
        printf("\n");
    }
    printf("\npeak memory %s\n", cli_human(b->peak_bytes, "B", memory));
    for (int i = 0; i < 3; i++) print_profile(all[i]);
}

static ito_status measure(bench *b, int64_t *parameters, ito_error *err) {
    cli_network_size size = {0};
    ito_status st = make_inputs(b, err);
    if (st == ITO_OK) st = cli_network_measure(&b->recipe, &size, err);
    *parameters = size.parameters;
    cli_progress_start(&b->progress, "bench", "runs", 1, 0, 3 * b->o->runs, b->o->common.quiet);
    /* Training first: the peak memory reported is its own. */
    if (st == ITO_OK) st = time_training(b, err);
    if (st == ITO_OK) st = time_network(b, err);
    cli_progress_finish(&b->progress);
    return st;
}

static ito_status bench_network(const cli_bench_options *o, ito_error *err) {
    bench b = {
        .o = o,
        .forward = {.title = "forward", .key = "forward", .limit_key = "forward"},
        .gradient = {.title = "input gradient", .key = "input_gradient", .limit_key = "input_gradient"},
        .train = {.title = "training step", .key = "train_step", .limit_key = "train"}};
    int64_t parameters = 0;
    cli_tuning tuning = {0};
    ito_status st = cli_plan_options(&o->common, &b.plan, err);
    if (st == ITO_OK) st = cli_tuning_open(&tuning, &o->common, CLI_MANY_CALLS, err);
    b.plan.profile = o->profile;
    b.plan.tuning = tuning.table;
    if (st == ITO_OK) st = ito_recipe_read(o->common.words.item[1], &b.recipe, err);
    if (st == ITO_OK) st = cli_apply_set(&o->common, &b.recipe, err);
    if (st == ITO_OK) {
        if (o->common.batch > 0) b.recipe.training.batch_size = o->common.batch;
        if (o->common.seed >= 0) b.recipe.training.seed = (uint64_t)o->common.seed;
        b.batch = b.recipe.training.batch_size;
        b.dim = b.recipe.data.channels * b.recipe.data.image_size * b.recipe.data.image_size;
        st = measure(&b, &parameters, err);
    }
    if (st == ITO_OK && o->common.json) {
        st = print_json(&b, parameters, err);
    } else if (st == ITO_OK) {
        print_text(&b, parameters);
    }
    free(b.forward.rows);
    free(b.gradient.rows);
    free(b.train.rows);
    free(b.x);
    free(b.labels);
    cli_tuning_close(&tuning);
    return st;
}

const cli_verb cli_verb_bench = {
    .name = "bench",
    .words = "network RECIPE | samplers MODEL | dynamics",
    .summary = "measure networks and samplers",
    .about =
        "network: times the network of RECIPE on one batch of noise (--batch, default: the recipe's): "
        "forward, "
        "gradient with respect to the input (forward included), and training step (forward, backward, Adam, "
        "EMA). Prints the median seconds per image, GFLOP/s, peak memory, and what the convolutions alone "
        "would take, each at the fastest of oneDNN's implementations. No data set is needed.\n\n"
        "samplers: quality against score calls, for every sampler. For a density such as gmm:8gaussians, KL "
        "divergence and 2-Wasserstein distance from exact samples; for an image model, the Frechet distance "
        "to the test set in a simple fixed feature space. What exact samples would get is measured and "
        "stated "
        "too. Prints a table; writes --out NAME.csv (default: samplers.csv) and a plot NAME.png.\n\n"
        "dynamics: speed of what runs between the calls of a score: normals and uniforms, beside a plain "
        "loop "
        "of Box-Muller that must agree; a predictor-corrector step on 64 images of 3072 values, apart from "
        "score and normals, in times of copying its arrays; and --count points of gmm:8gaussians in --steps "
        "steps.",
    .least_words = 1,
    .most_words = 2,
    .options = options_table,
    .size = sizeof(cli_bench_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
