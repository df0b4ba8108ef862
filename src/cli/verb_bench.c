/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench: the table of what it measures, and its options.
 */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(cli_bench_options, field)
static const cli_option options_table[] = {
    {"runs", 'n', "N", CLI_INTEGER, AT(runs),
     "network, dynamics, machine: timed runs; the median counts (default: 5)", 1, NULL},
    {"profile", 0, NULL, CLI_FLAG, AT(profile), "network: also print the time of every kind of operation", 0,
     NULL},
    {"no-limit", 0, NULL, CLI_FLAG, AT(no_limit),
     "network: do not measure the convolutions alone, which takes up to a minute", 0, NULL},
    {"only", 0, "LIST", CLI_TEXT, AT(only), "network: of forward, gradient, train, sampler (default: all)", 0,
     NULL},
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

static const struct subject {
    const char *name, *words;
    int count; /* of words, the name included */
    ito_status (*run)(const cli_bench_options *o, ito_error *err);
} subjects[] = {
    {"network", "network RECIPE", 2, cli_bench_network},
    {"samplers", "samplers MODEL", 2, cli_bench_samplers},
    {"dynamics", "dynamics", 1, cli_bench_dynamics},
    {"machine", "machine", 1, cli_bench_machine},
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

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double cli_bench_median(int64_t n, double *values) {
    qsort(values, (size_t)n, sizeof *values, by_value);
    return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

const cli_verb cli_verb_bench = {
    .name = "bench",
    .words = "network RECIPE | samplers MODEL | dynamics | machine",
    .summary = "measure networks, samplers and the machine",
    .about =
        "network: times the network of RECIPE on one batch of noise (--batch, default: the recipe's): "
        "forward, "
        "gradient with respect to the input (forward included), training step (forward, backward, Adam, "
        "EMA), and a step of a predictor-corrector sampler. Prints the median seconds per image, GFLOP/s, "
        "what the convolutions alone would take, each by the fastest implementation, what the "
        "sampler's step takes beside the network, and memory. No data set is needed.\n\n"
        "samplers: quality against score calls, for every sampler. For a density such as gmm:8gaussians, KL "
        "divergence and 2-Wasserstein distance from exact samples; for an image model, the Frechet distance "
        "to the test set in a simple fixed feature space. What exact samples would get is measured and "
        "stated "
        "too. Prints a table; writes --out NAME.csv (default: samplers.csv) and a plot NAME.png.\n\n"
        "machine: what the processor could do at most, beside which the rest is read: floating-point "
        "operations a second of a loop that never leaves the registers, float32 and bfloat16, and bytes a "
        "second of copying memory.\n\n"
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
