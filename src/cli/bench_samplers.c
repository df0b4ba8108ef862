/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench samplers: every sampler of the library's tables at several numbers of score calls, and how far
 * its samples are from exact ones.
 */
#include "bench_samplers.h"
#include "progress.h"
#include "tuning.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CONTESTANTS = 64, MOST_RUNGS = 32, TOLERANCES = 12 };

/* What the command line asks for, and how far the contest has come. */
typedef struct bench {
    cli_contest contest;
    uint64_t seed;
    int64_t count, rungs, rung[MOST_RUNGS]; /* score calls, rising */
    double *x;                              /* [count, dim] */
    cli_progress progress;                  /* counts score calls of a sample */
    int64_t finished, planned;              /* of the runs before, and of the one that goes on */
    int told;                               /* contestants whose failures have been told of */
} bench;

static int64_t largest(const bench *b) {
    return b->rung[b->rungs - 1];
}

/* ---- lists of the command line */

/* Copies the next word of a list with commas and moves on; false at its end. */
static bool next_word(const char **list, char word[64]) {
    const size_t length = strcspn(*list, ",");
    if (**list == '\0') return false;
    snprintf(word, 64, "%.*s", (int)(length < 63 ? length : 63), *list);
    *list += length + ((*list)[length] == ',');
    return true;
}

static ito_status read_rungs(bench *b, const char *list, ito_error *err) {
    char word[64];
    while (next_word(&list, word)) {
        char *end;
        const long long calls = strtoll(word, &end, 10);
        if (end == word || *end != '\0' || calls < 1 || calls > 1000000)
            return ito_error_set(err, ITO_E_ARG,
                                 "--nfe: \"%s\" is no number of score calls: use whole numbers from 1 to "
                                 "1000000 with commas between",
                                 word);
        if (b->rungs == MOST_RUNGS || (b->rungs > 0 && calls <= largest(b)))
            return ito_error_set(err, ITO_E_ARG,
                                 "--nfe: %lld comes after %lld: use at most %d rising numbers", calls,
                                 (long long)largest(b), (int)MOST_RUNGS);
        b->rung[b->rungs++] = calls;
    }
    if (b->rungs == 0) return ito_error_set(err, ITO_E_ARG, "--nfe: is empty: give numbers of score calls");
    return ITO_OK;
}

/* Those of the list; or all that can run under this SDE, the others with a remark. */
static ito_status choose_contestants(bench *b, const char *list, ito_error *err) {
    cli_contest *c = &b->contest;
    const ito_sde *sde = &c->source->recipe.sde;
    char name[64];
    for (int i = 0; list ? next_word(&list, name) : cli_contestant_name(i, name); i++) {
        ito_error inner;
        if (c->contestants == MOST_CONTESTANTS)
            return ito_error_set(err, ITO_E_ARG, "--samplers: are more than %d: use fewer",
                                 (int)MOST_CONTESTANTS);
        if (cli_contestant_named(name, sde, &c->contestant[c->contestants], &inner) == ITO_OK)
            c->contestants++;
        else if (list)
            return ito_error_set(err, inner.status, "%s", inner.message);
        else
            cli_progress_say(&b->progress, "%s is left out: %s", name, inner.message);
    }
    if (c->contestants > 0) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "--samplers: is empty: give names of samplers");
}

/* ---- running */

static ito_status on_progress(void *self, int64_t done, int64_t total) {
    bench *b = self;
    cli_progress_update(&b->progress, b->finished + b->planned * done / total, NULL);
    return cli_stopped("bench", "nothing was written", NULL);
}

/* One run; a sampler that cannot take so few steps, or whose samples run away, has no point there. */
static ito_status run_trial(bench *b, ito_sampler sampler, cli_trial trial, int64_t planned, bool *ran,
                            ito_error *err) {
    cli_contest *c = &b->contest;
    ito_sample_report report = {0};
    ito_error inner = {.message = ""};
    b->planned = planned;
    *ran = false;
    sampler.pc.seed = b->seed;
    sampler.pc.progress = (ito_progress){.self = b, .report = on_progress};
    const ito_status st =
        ito_sample(&c->source->recipe.sde, &c->source->score, &sampler, b->count, b->x, &report, &inner);
    if (st == ITO_E_ARG || st == ITO_E_NUMERIC) {
        if (b->told <= trial.contestant) /* once for each */
            cli_progress_say(&b->progress, "%s has no point at %" PRId64 " calls: %s",
                             c->contestant[trial.contestant].name, planned, inner.message);
        b->told = trial.contestant + 1;
        return ITO_OK;
    }
    if (st == ITO_E_CANCELLED) return cli_stopped("bench", "nothing was written", err);
    if (st != ITO_OK) return ito_error_set(err, st, "%s", inner.message);
    trial.nfe = report.nfe_mean;
    trial.seconds = report.seconds;
    *ran = true;
    c->trial[c->trials] = trial;
    return cli_quality_measure(&c->quality, b->x, c->trial[c->trials++].got, err);
}

static ito_status climb_steps(bench *b, int who, ito_error *err) {
    const cli_contestant *c = &b->contest.contestant[who];
    int64_t last = 1;
    ito_status st = ITO_OK;
    for (int64_t i = 0; i < b->rungs && st == ITO_OK; i++) {
        ito_sampler sampler = c->sampler;
        bool ran;
        sampler.pc.steps = (int64_t)(((double)b->rung[i] - c->extra) / c->calls + 1e-9);
        if (sampler.pc.steps > last) {
            last = sampler.pc.steps;
            st = run_trial(b, sampler, (cli_trial){.contestant = who, .steps = last}, b->rung[i], &ran, err);
        }
        b->finished += b->rung[i];
    }
    return st;
}

/* Relative and absolute tolerance keep the ratio of the defaults. */
static void set_tolerance(ito_sampler *sampler, double tolerance) {
    sampler->ode.atol *= tolerance / sampler->ode.rtol;
    sampler->ode.rtol = tolerance;
}

/* Ever smaller tolerances, from where they begin to matter ([GGF] has up to 0.5 for an SDE), until one needs
 * as many calls as the ladder ends with. */
static ito_status climb_tolerances(bench *b, int who, ito_error *err) {
    int64_t ladder = 0, before = b->finished;
    double tolerance = b->contest.contestant[who].sampler.kind == ITO_SAMPLER_ADAPTIVE ? 1 : 0.1;
    ito_status st = ITO_OK;
    for (int64_t i = 0; i < b->rungs; i++) ladder += b->rung[i];
    for (int i = 0; i < TOLERANCES && st == ITO_OK; i++, tolerance /= sqrt(10)) {
        ito_sampler sampler = b->contest.contestant[who].sampler;
        bool ran;
        set_tolerance(&sampler, tolerance);
        const cli_trial trial = {.contestant = who, .tolerance = tolerance};
        st = run_trial(b, sampler, trial, b->rung[i < b->rungs ? i : b->rungs - 1], &ran, err);
        if (st != ITO_OK || !ran || b->contest.trial[b->contest.trials - 1].nfe >= (double)largest(b)) break;
        b->finished += b->planned;
        if (b->finished > before + ladder) b->finished = before + ladder;
    }
    b->finished = before + ladder;
    return st;
}

/* Times one evaluation of the score, and says what all of them will take: about the time that samplers need.
 */
static ito_status estimate(bench *b, ito_error *err) {
    const cli_source *s = b->contest.source;
    double *t = malloc((size_t)b->count * (size_t)(s->dim + 1) * sizeof *t);
    if (!t) return ito_error_set(err, ITO_E_NOMEM, "--count: memory ran out: use less");
    for (int64_t k = 0; k < b->count; k++) t[k] = s->recipe.sde.T / 2;
    ito_sde_prior_sample(&s->recipe.sde, b->seed, 0, b->count, s->dim, b->x);
    double seconds = 0, calls = 0;
    ito_status st = ITO_OK;
    for (int i = 0; i < 2 && st == ITO_OK; i++) { /* the first warms up */
        const double start = cli_seconds();
        st = s->score.eval(s->score.self, b->count, b->x, t, t + b->count, err);
        seconds = cli_seconds() - start;
    }
    for (int64_t i = 0; i < b->rungs; i++) calls += (double)b->rung[i];
    calls *= b->contest.contestants;
    cli_progress_say(&b->progress,
                     "%d samplers, about %.0f score calls for each of %" PRId64 " samples: %.0f s or more",
                     b->contest.contestants, calls, b->count, calls * seconds);
    free(t);
    return st;
}

static ito_status run_all(bench *b, ito_error *err) {
    int64_t ladder = 0;
    for (int64_t i = 0; i < b->rungs; i++) ladder += b->rung[i];
    cli_contest *c = &b->contest;
    const bool quiet = b->progress.quiet;
    ito_status st = estimate(b, err);
    cli_progress_start(&b->progress, "bench", "score calls", (double)b->count, 0, ladder * c->contestants,
                       quiet);
    for (int i = 0; i < c->contestants && st == ITO_OK; i++) {
        st = c->contestant[i].calls > 0 ? climb_steps(b, i, err) : climb_tolerances(b, i, err);
        cli_progress_update(&b->progress, b->finished, NULL);
    }
    cli_progress_finish(&b->progress);
    if (st == ITO_OK && c->trials == 0)
        st = ito_error_set(err, ITO_E_ARG, "--nfe: no sampler runs with at most %lld calls: use more",
                           (long long)largest(b));
    return st;
}

/* ---- the verb */

/* NAME.csv and NAME.png of --out NAME.csv. */
static ito_status name_files(const cli_bench_options *o, char csv[CLI_PATH_MAX], char png[CLI_PATH_MAX],
                             ito_error *err) {
    const char *out = o->common.out ? o->common.out : "samplers.csv";
    if (!cli_ends_with(out, ".csv"))
        return ito_error_set(err, ITO_E_ARG, "--out: \"%s\" does not end in .csv: give a CSV file", out);
    const int stem = (int)(strlen(out) - strlen(".csv"));
    ito_status st = cli_path(csv, CLI_PATH_MAX, err, "%s", out);
    if (st == ITO_OK) st = cli_path(png, CLI_PATH_MAX, err, "%.*s.png", stem, out);
    if (st == ITO_OK) st = cli_check_writable(csv, err);
    return st;
}

static ito_status report(const cli_bench_options *o, const cli_contest *c, const char *csv, const char *png,
                         ito_error *err) {
    const char *const files[] = {csv, png};
    ito_status st = cli_contest_write_csv(c, csv, err);
    if (st == ITO_OK) st = cli_contest_write_plot(c, png, err);
    if (st != ITO_OK) return st;
    if (o->common.json) return cli_contest_print_json(c, files, err);
    cli_contest_print(c);
    printf("\n%s\n%s\n", csv, png);
    return ITO_OK;
}

static ito_status allocate(bench *b, int64_t dim, ito_error *err) {
    enum { MOST_TRIALS = MOST_CONTESTANTS * (MOST_RUNGS > TOLERANCES ? MOST_RUNGS : TOLERANCES) };
    b->x = calloc((size_t)b->count, (size_t)dim * sizeof *b->x);
    b->contest.contestant = calloc(MOST_CONTESTANTS, sizeof *b->contest.contestant);
    b->contest.trial = calloc(MOST_TRIALS, sizeof *b->contest.trial);
    if (b->x && b->contest.contestant && b->contest.trial) return ITO_OK;
    return ito_error_set(err, ITO_E_NOMEM, "--count: no memory for %lld samples: use less",
                         (long long)b->count);
}

ito_status cli_bench_samplers(const cli_bench_options *o, ito_error *err) {
    char csv[CLI_PATH_MAX], png[CLI_PATH_MAX];
    cli_source source;
    bench b = {.contest.source = &source, .seed = o->common.seed > 0 ? (uint64_t)o->common.seed : 0};
    b.progress.quiet = o->common.quiet;
    ito_status st = cli_source_open(&source, o->common.words.item[1], o->weights, NULL, &o->common, err);
    b.count = o->count > 0 ? o->count : source.images ? 256 : 20000;
    if (st == ITO_OK) st = name_files(o, csv, png, err);
    if (st == ITO_OK)
        st = read_rungs(&b,
                        o->nfe          ? o->nfe
                        : source.images ? "5,10,20,50"
                                        : "5,10,20,50,100,200,500,1000",
                        err);
    if (st == ITO_OK) st = allocate(&b, source.dim, err);
    if (st == ITO_OK) st = choose_contestants(&b, o->samplers, err);
    if (st == ITO_OK)
        st = cli_source_prepare(&source, &o->common,
                                o->common.batch > 0 ? o->common.batch
                                : source.images     ? 64
                                                    : 1024,
                                false, CLI_MANY_CALLS, err);
    if (st == ITO_OK)
        st = cli_quality_create(&b.contest.quality, &source, b.seed, b.count, o->match > 0 ? o->match : 512,
                                err);
    if (st == ITO_OK) st = run_all(&b, err);
    if (st == ITO_OK) st = report(o, &b.contest, csv, png, err);
    cli_quality_release(&b.contest.quality);
    free(b.contest.trial);
    free(b.contest.contestant);
    free(b.x);
    cli_source_release(&source);
    return st;
}
