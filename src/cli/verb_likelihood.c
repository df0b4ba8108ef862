/* SPDX-License-Identifier: Apache-2.0
 *
 * ito likelihood: bits/dim of images, or log-densities of points, by the probability-flow ODE. [SDE] Eq 39.
 */
#include "flow.h"
#include "input.h"
#include "memory.h"
#include "progress.h"
#include "signals.h"
#include "table.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <ito/flow.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_AT_ONCE = 64, POINTS_AT_ONCE = 1000, EXACT_DIM = 8 };

typedef struct likelihood_options {
    cli_common common;
    const char *data, *weights, *recipe, *divergence;
    int64_t count, probes, dequantizations;
    cli_solver solver;
} likelihood_options;

#define AT(field) offsetof(likelihood_options, field)
static const cli_option options_table[] = {
    {"data", 0, "WHAT", CLI_TEXT, AT(data),
     "test, train, an image, .npz or .csv (default: test; exact draws for gmm:NAME)", 0, NULL},
    {"count", 'n', "N", CLI_INTEGER, AT(count), "use the first N samples (default: all; 1000 exact draws)", 1,
     NULL},
    {"divergence", 0, "KIND", CLI_CHOICE, AT(divergence),
     "estimate of the divergence (default: rademacher; exact for points of up to 8 numbers)", 0,
     ito_divergence_name},
    {"probes", 0, "K", CLI_INTEGER, AT(probes), "random probes of each estimate (default: 1)", 1, NULL},
    {"dequantizations", 0, "R", CLI_INTEGER, AT(dequantizations),
     "solve for R dequantizations of every image (default: 1)", 1, NULL},
    CLI_SOLVER_OPTIONS(likelihood_options, solver, "time of the data (default: 1e-5)"),
    CLI_MODEL_OPTIONS(likelihood_options),
    CLI_MEMORY_LIMIT,
    {.name = NULL},
};
#undef AT

static void defaults(void *options) {
    likelihood_options *o = options;
    const ito_likelihood_options l = ito_likelihood_default();
    o->weights = "ema";
    o->count = -1;
    o->probes = l.probes;
    o->dequantizations = 1;
    cli_solver_default(&o->solver);
    o->solver.eps = l.eps;
}

/* What a network was trained on is known once its file is open. */
static ito_status check_kind(const likelihood_options *o, bool images, ito_error *err) {
    if (images || o->dequantizations == 1) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG,
                         "--dequantizations: points have no grey levels to spread: leave it out");
}

static ito_status check(const void *options, ito_error *err) {
    const likelihood_options *o = options;
    if (cli_source_is_density(o->common.words.item[0])) {
        const ito_status st = check_kind(o, false, err);
        if (st != ITO_OK) return st;
    }
    if (o->common.out && !cli_ends_with(o->common.out, ".csv"))
        return ito_error_set(err, ITO_E_ARG, "--out: \"%s\" does not end in .csv: give a CSV file",
                             o->common.out);
    return ITO_OK;
}

/* Columns of the table of results; a row is one dequantization of one sample. */
enum { SAMPLE, DRAW, LOG_P, BITS_PER_DIM, PROBE_ERROR, NFE, COLUMNS, EXACT_LOG_P = COLUMNS, MOST_COLUMNS };
static const char names[] = "sample,draw,log_p,bits_per_dim,probe_error,nfe";
static const char names_of_densities[] = "sample,draw,log_p,bits_per_dim,probe_error,nfe,exact_log_p";

typedef struct measuring {
    const likelihood_options *o;
    cli_source source;
    cli_input input;
    ito_likelihood_options how;
    int64_t batch; /* rows */
    cli_table table;
    cli_progress progress;
} measuring;

static const char *unit_of(const measuring *m) {
    return m->source.images ? "images" : "points";
}

/* log2 of the number of grey levels in one unit of a state: [-1, 1] or [0, 1] hold 256. Points have no
 * levels. */
static double offset_bits(const cli_source *s) {
    return !s->images ? 0 : s->recipe.data.centered ? 7 : 8;
}

static void settle(measuring *m) {
    const likelihood_options *o = m->o;
    m->how = ito_likelihood_default();
    cli_solver_apply(&o->solver, &m->how.ode, &m->how.per_sample, &m->how.eps);
    const bool exact = !m->source.images && m->source.dim <= EXACT_DIM;
    m->how.divergence = o->divergence ? o->divergence : exact ? "exact" : "rademacher";
    m->how.probes = o->probes;
    m->how.offset_bits = offset_bits(&m->source);
    m->how.seed = o->common.seed >= 0 ? (uint64_t)o->common.seed : 0;
    m->batch = o->common.batch > 0 ? o->common.batch : m->source.images ? IMAGES_AT_ONCE : POINTS_AT_ONCE;
}

/* Keeps the batch whole where it can: its samples share the steps of the solver. */
static ito_status fit_batch(measuring *m, ito_error *err) {
    int64_t needed = m->input.n * m->o->dequantizations, batch = m->batch < needed ? m->batch : needed;
    const int64_t asked = batch;
    double held = (double)(m->input.n * m->source.dim); /* bytes of images */
    ito_status st = cli_source_fit(&m->source, &m->o->common, true, cli_doubles_of_likelihood(m->o->probes),
                                   held, &batch, err);
    if (batch < asked) m->batch = batch;
    return st;
}

/* ---- the table */

/* All that a row depends on, but for its number. The batch counts, since it shares the steps of the solver.
 */
static cJSON *settings_of(const measuring *m) {
    const likelihood_options *o = m->o;
    cJSON *s = cJSON_CreateObject();
    char contents[32];
    cli_source_describe(&m->source, s);
    cJSON_AddStringToObject(s, "data", o->data ? o->data : m->source.density ? "draws" : "test");
    snprintf(contents, sizeof contents, "%016" PRIx64, m->input.contents.value);
    cJSON_AddStringToObject(s, "contents of data", contents);
    cJSON_AddNumberToObject(s, "offset_bits", m->how.offset_bits);
    cJSON_AddNumberToObject(s, "seed", (double)m->how.seed);
    cJSON_AddNumberToObject(s, "batch", (double)m->batch);
    cJSON_AddStringToObject(s, "divergence", m->how.divergence);
    cJSON_AddNumberToObject(s, "probes", (double)o->probes);
    cJSON_AddNumberToObject(s, "dequantizations", (double)o->dequantizations);
    cJSON_AddStringToObject(s, "method", o->solver.method);
    cJSON_AddNumberToObject(s, "rtol", o->solver.rtol);
    cJSON_AddNumberToObject(s, "atol", o->solver.atol);
    cJSON_AddBoolToObject(s, "per-sample", o->solver.per_sample);
    cJSON_AddNumberToObject(s, "eps", o->solver.eps);
    return s;
}

static ito_status open_results(measuring *m, ito_error *err) {
    const bool exact = m->source.truth != NULL;
    char path[CLI_PATH_MAX];
    cJSON *settings = settings_of(m);
    cli_table_layout layout = {.verb = "likelihood",
                               .settings = settings,
                               .names = exact ? names_of_densities : names,
                               .columns = exact ? MOST_COLUMNS : COLUMNS,
                               .needed = m->input.n * m->o->dequantizations,
                               .batch = m->batch};
    ito_status st = m->o->common.out
                        ? cli_path(path, sizeof path, err, "%s", m->o->common.out)
                        : cli_path(path, sizeof path, err, "likelihood-%s.csv", m->source.recipe.name);
    if (st == ITO_OK) st = cli_table_open(&m->table, path, &layout, err);
    cJSON_Delete(settings);
    return st;
}

/* ---- one batch */

static ito_status on_progress(void *self, int64_t done, int64_t total) {
    measuring *m = self;
    int64_t left = m->table.needed - m->table.rows, rows = left < m->batch ? left : m->batch;
    cli_progress_update(&m->progress, m->table.rows + done * rows / total, NULL);
    return cli_stop_requested() ? ITO_E_CANCELLED : ITO_OK;
}

/* The solver tells where it was stopped; a person wants to know how to go on. */
static ito_status say_stopped(const measuring *m, ito_error *err) {
    char remedy[160];
    snprintf(remedy, sizeof remedy, "the same command goes on after %lld of %lld %s",
             (long long)(m->table.rows / m->o->dequantizations), (long long)m->input.n, unit_of(m));
    return cli_stopped("likelihood", remedy, err);
}

/* Room for one batch; free(block). */
typedef struct batch_room {
    double *block, *x, *log_p, *error, *exact, *times, *rows;
} batch_room;

static ito_status make_room(const measuring *m, batch_room *room, ito_error *err) {
    int64_t values = m->source.dim + 4 + m->table.columns;
    room->block = calloc((size_t)m->batch, (size_t)values * sizeof *room->block);
    if (!room->block) {
        return ito_error_set(err, ITO_E_NOMEM, "--batch: no memory for %lld %s: use a smaller one",
                             (long long)m->batch, unit_of(m));
    }
    room->x = room->block;
    room->log_p = room->x + m->batch * m->source.dim;
    room->error = room->log_p + m->batch;
    room->exact = room->error + m->batch;
    room->times = room->exact + m->batch;
    room->rows = room->times + m->batch;
    return ITO_OK;
}

static void fill_rows(const measuring *m, int64_t n, double nfe, const batch_room *room) {
    for (int64_t k = 0; k < n; k++) {
        double *row = room->rows + k * m->table.columns;
        row[SAMPLE] = (double)((m->table.rows + k) / m->o->dequantizations);
        row[DRAW] = (double)((m->table.rows + k) % m->o->dequantizations);
        row[LOG_P] = room->log_p[k];
        row[BITS_PER_DIM] = ito_bits_per_dim(room->log_p[k], m->source.dim, m->how.offset_bits);
        row[PROBE_ERROR] = room->error[k];
        row[NFE] = nfe;
        if (m->source.truth) row[EXACT_LOG_P] = room->exact[k];
    }
}

static ito_status measure_batch(measuring *m, const batch_room *room, ito_error *err) {
    int64_t first = m->table.rows, n = m->table.needed - first, R = m->o->dequantizations;
    ito_likelihood_options how = m->how;
    ito_likelihood_result result = {.log_p = room->log_p, .standard_error = room->error};
    ito_flow_report report;
    ito_status st = ITO_OK;
    if (n > m->batch) n = m->batch;
    for (int64_t k = 0; k < n && st == ITO_OK; k++) {
        int64_t sample = (first + k) / R, draw = (first + k) % R;
        st = cli_input_states(&m->input, sample, 1, draw, room->x + k * m->source.dim, err);
    }
    if (st != ITO_OK) return st;
    how.first_sample = first;
    how.ode.progress = (ito_progress){.self = m, .report = on_progress};
    st = ito_likelihood(&m->source.recipe.sde, &m->source.score, &how, n, room->x, &result, &report, err);
    if (st == ITO_E_CANCELLED) return say_stopped(m, err);
    if (st != ITO_OK) return st;
    if (m->source.truth) {
        for (int64_t k = 0; k < n; k++) room->times[k] = m->input.t;
        ito_density_log(m->source.truth, n, room->x, room->times, room->exact);
    }
    fill_rows(m, n, report.nfe_mean, room);
    return cli_table_append(&m->table, n, room->rows, err);
}

static ito_status measure(measuring *m, ito_error *err) {
    batch_room room = {0};
    int64_t needed = m->table.needed, batch = m->batch < needed ? m->batch : needed;
    const int64_t calls = CLI_FLOW_CALLS * (batch > 0 ? needed / batch : 0);
    ito_status st = cli_source_prepare(&m->source, &m->o->common, batch, true, calls, err);
    if (st == ITO_OK) st = make_room(m, &room, err);
    cli_progress_start(&m->progress, "likelihood", unit_of(m), 1.0 / (double)m->o->dequantizations,
                       m->table.rows, needed, m->o->common.quiet);
    while (st == ITO_OK && m->table.rows < needed) st = measure_batch(m, &room, err);
    cli_progress_finish(&m->progress);
    free(room.block);
    return st;
}

/* ---- what the table says */

typedef struct summary {
    double mean, error; /* of a row's value over samples, each averaged over its dequantizations */
    double draw_error;  /* over dequantizations, each averaged over samples; NaN for one */
} summary;

static void mean_and_error(int64_t n, const double *v, double *mean, double *error) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) sum += v[i];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) squares += (v[i] - *mean) * (v[i] - *mean);
    *error = n > 1 ? sqrt(squares / ((double)n * (double)(n - 1))) : (double)NAN;
}

/* room [samples + dequantizations]. */
static summary summarize(const measuring *m, int column, double *room) {
    int64_t n = m->input.n, R = m->o->dequantizations;
    double *samples = room, *draws = room + n, ignored;
    summary s;
    memset(room, 0, (size_t)(n + R) * sizeof *room);
    for (int64_t i = 0; i < n * R; i++) {
        double value = m->table.values[i * m->table.columns + column];
        samples[i / R] += value / (double)R;
        draws[i % R] += value / (double)n;
    }
    mean_and_error(n, samples, &s.mean, &s.error);
    mean_and_error(R, draws, &ignored, &s.draw_error);
    return s;
}

typedef struct outcome {
    summary bits, nats, nfe, exact;
    double probe_error; /* of the mean, in bits/dim; NaN for one probe */
    double largest;     /* difference from the exact log-density */
} outcome;

static ito_status find_outcome(const measuring *m, outcome *out, ito_error *err) {
    const cli_table *r = &m->table;
    double *room = calloc((size_t)(m->input.n + m->o->dequantizations), sizeof *room), squares = 0;
    if (!room)
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for the means: use fewer samples", r->path);
    *out = (outcome){.bits = summarize(m, BITS_PER_DIM, room),
                     .nats = summarize(m, LOG_P, room),
                     .nfe = summarize(m, NFE, room)};
    if (m->source.truth) out->exact = summarize(m, EXACT_LOG_P, room);
    for (int64_t i = 0; i < r->rows; i++) {
        const double *row = r->values + i * r->columns;
        squares += row[PROBE_ERROR] * row[PROBE_ERROR];
        if (m->source.truth) out->largest = fmax(out->largest, fabs(row[LOG_P] - row[EXACT_LOG_P]));
    }
    out->probe_error = sqrt(squares) / ((double)r->rows * (double)m->source.dim * log(2));
    free(room);
    return ITO_OK;
}

static ito_status print_json(const measuring *m, const outcome *out, ito_error *err) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "bits_per_dim", out->bits.mean);
    cJSON_AddNumberToObject(o, "standard_error", out->bits.error);
    cJSON_AddNumberToObject(o, "standard_error_dequantization", out->bits.draw_error);
    cJSON_AddNumberToObject(o, "standard_error_probes", out->probe_error);
    cJSON_AddNumberToObject(o, "nats", out->nats.mean);
    cJSON_AddNumberToObject(o, "nats_standard_error", out->nats.error);
    if (m->source.truth) {
        cJSON_AddNumberToObject(o, "exact_nats", out->exact.mean);
        cJSON_AddNumberToObject(o, "difference", out->nats.mean - out->exact.mean);
        cJSON_AddNumberToObject(o, "largest_difference", out->largest);
    }
    cJSON_AddNumberToObject(o, "nfe", out->nfe.mean);
    cJSON_AddNumberToObject(o, "n", (double)m->input.n);
    cJSON_AddNumberToObject(o, "dim", (double)m->source.dim);
    cJSON_AddNumberToObject(o, "offset_bits", m->how.offset_bits);
    cJSON_AddNumberToObject(o, "dequantizations", (double)m->o->dequantizations);
    cJSON_AddStringToObject(o, "divergence", m->how.divergence);
    cJSON_AddStringToObject(o, "file", m->table.path);
    return cli_print_json(o, err);
}

/* Nothing for what a single one leaves unknown. */
static void print_error(const char *over, double error) {
    if (isfinite(error) && error > 0) printf(", standard error %.2g over %s", error, over);
}

static void print_text(const measuring *m, const outcome *out) {
    const char *unit = unit_of(m);
    printf("%.4f bits/dim", out->bits.mean);
    print_error(unit, out->bits.error);
    print_error("dequantizations", out->bits.draw_error);
    print_error("probes", out->probe_error);
    printf("\n%.4f nats", out->nats.mean);
    print_error(unit, out->nats.error);
    printf("\n");
    if (m->source.truth) {
        printf("%.4f nats exactly, difference %.2g, largest %.2g\n", out->exact.mean,
               out->nats.mean - out->exact.mean, out->largest);
    } else if (m->source.images) {
        printf("%g bits/dim for 256 grey levels in [%d, 1] are counted in, %lld dimensions\n",
               m->how.offset_bits, m->source.recipe.data.centered ? -1 : 0, (long long)m->source.dim);
    }
    printf("%lld %s, %.1f evaluations each: %s\n", (long long)m->input.n, unit, out->nfe.mean, m->table.path);
}

static ito_status run(const void *options, ito_error *err) {
    measuring m = {.o = options, .table = {.file = -1}};
    const likelihood_options *o = m.o;
    outcome out = {.largest = 0};
    ito_status st =
        cli_source_open(&m.source, o->common.words.item[0], o->weights, o->recipe, &o->common, err);
    if (st == ITO_OK) st = check_kind(o, m.source.images, err);
    if (st == ITO_OK) {
        settle(&m);
        st = cli_input_open(&m.input, &m.source, o->data, o->count, m.how.seed, m.how.eps, err);
    }
    if (st == ITO_OK) st = fit_batch(&m, err);
    if (st == ITO_OK) st = open_results(&m, err);
    if (st == ITO_OK && m.table.rows < m.table.needed) st = measure(&m, err);
    if (st == ITO_OK) st = find_outcome(&m, &out, err);
    if (st == ITO_OK && o->common.json) {
        st = print_json(&m, &out, err);
    } else if (st == ITO_OK) {
        print_text(&m, &out);
    }
    cli_table_release(&m.table);
    cli_input_release(&m.input);
    cli_source_release(&m.source);
    return st;
}

const cli_verb cli_verb_likelihood = {
    .name = "likelihood",
    .words = "MODEL",
    .summary = "measure bits/dim of data under a model",
    .about =
        "Measures the log-likelihood of data under MODEL by the probability-flow ODE: a model or checkpoint "
        "file, a run directory, the name of a bundled model, or gmm:NAME, an analytic mixture whose exact "
        "log-density is printed beside. Images are dequantized uniformly.\n\n"
        "The result of every image is appended to the file of --out (likelihood-NAME.csv) and flushed to "
        "disk "
        "batch by batch. The same command, given again, goes on where a stopped or killed one was; a larger "
        "--count goes on further. The images of a batch share the steps of the solver, so results depend on "
        "--batch within the tolerances.",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .size = sizeof(likelihood_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
