/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples in batches. A batch is only a unit of work: row k of the result belongs to sample number first + k,
 * whose random streams are named by that number.
 */
#include "draw.h"
#include "cli.h"
#include "progress.h"

#include <stdlib.h>
#include <string.h>

/* ---- films */

ito_status cli_film_init(cli_film *film, int64_t frames, int64_t rows, int64_t dim, ito_error *err) {
    *film = (cli_film){.frames = frames, .rows = rows, .dim = dim};
    film->t = calloc((size_t)frames, sizeof *film->t);
    if (rows * dim <= INT64_MAX / 64 / frames)
        film->x = calloc((size_t)frames, (size_t)(rows * dim) * sizeof *film->x);
    if (film->t && film->x) return ITO_OK;
    return ito_error_set(err, ITO_E_NOMEM,
                         "--trajectory, --animation: no memory for %lld pictures: draw fewer",
                         (long long)frames);
}

void cli_film_release(cli_film *film) {
    free(film->t);
    free(film->x);
    *film = (cli_film){0};
}

void cli_film_frame(const cli_film *film, int64_t f, double *out) {
    const int64_t values = film->rows * film->dim;
    for (int64_t j = 0; j < values; j++) out[j] = (double)film->x[f * values + j];
}

/* Frame f receives those rows of the batch that the film shows. */
static void keep(cli_film *film, int64_t f, double t, int64_t begin, int64_t n, const double *x) {
    const int64_t rows = film->rows - begin < n ? film->rows - begin : n;
    float *to = film->x + (f * film->rows + begin) * film->dim;
    film->t[f] = t;
    for (int64_t j = 0; j < rows * film->dim; j++) to[j] = (float)x[j];
}

/* The fewest spans from noise to data that hold the moments of all films; 0 without films. */
static int64_t common_spans(cli_film *const films[2]) {
    int64_t spans[2] = {films[0] ? films[0]->frames - 1 : 0, films[1] ? films[1]->frames - 1 : 0};
    if (spans[0] == 0 || spans[1] == 0) return spans[0] + spans[1];
    int64_t a = spans[0], b = spans[1];
    while (b != 0) { /* Euclid */
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return spans[0] / a * spans[1];
}

/* ---- one batch under the sampler's callbacks */

typedef struct batch_watch {
    const cli_drawing *d;
    cli_progress *progress;
    int64_t begin; /* rows of the drawing that came before this batch */
    int64_t batch, batches;
    int64_t spans;
} batch_watch;

/* How many steps a sampler takes it says itself. */
static ito_status on_progress(void *self, int64_t done, int64_t total) {
    const batch_watch *w = self;
    const cli_drawing *d = w->d;
    if (w->progress->total == 0) {
        const double per_step = (double)d->count / ((double)w->batches * (double)total);
        cli_progress_start(w->progress, d->label, d->unit, per_step, 0, w->batches * total, d->quiet);
    }
    cli_progress_update(w->progress, w->batch * total + done, NULL);
    return cli_stopped(d->label, "nothing was written", NULL);
}

static ito_status on_frame(void *self, int64_t index, double t, int64_t n, int64_t dim, const double *x) {
    const batch_watch *w = self;
    (void)dim;
    for (int k = 0; k < 2; k++) {
        cli_film *film = w->d->films[k];
        if (!film || film->rows <= w->begin) continue;
        const int64_t every = w->spans / (film->frames - 1);
        if (index % every == 0) keep(film, index / every, t, w->begin, n, x);
    }
    return ITO_OK;
}

static ito_status draw_batch(batch_watch *w, int64_t n, double *x, ito_sample_report *report,
                             ito_error *err) {
    const cli_drawing *d = w->d;
    ito_sampler s = d->sampler;
    s.pc.first_sample = d->first + w->begin;
    s.pc.progress = (ito_progress){.self = w, .report = on_progress};
    if (w->spans > 0) {
        s.frames = w->spans + 1;
        s.frame = on_frame;
        s.frame_self = w;
    }
    ito_status st = ito_sample(d->sde, &d->score, &s, n, x, report, err);
    if (st == ITO_E_CANCELLED) st = cli_stopped(d->label, "nothing was written", err);
    return st == ITO_OK ? d->take(d->take_self, w->begin, n, x, err) : st;
}

ito_status cli_draw(const cli_drawing *d, cli_drawn *drawn, ito_error *err) {
    const int64_t batches = (d->count + d->batch - 1) / d->batch, spans = common_spans(d->films);
    cli_progress progress = {0};
    double calls = 0, seconds = 0;
    double *x = calloc((size_t)d->batch, (size_t)d->score.dim * sizeof *x);
    if (!x)
        return ito_error_set(err, ITO_E_NOMEM, "--batch: no memory for %lld %s: use a smaller one",
                             (long long)d->batch, d->unit);
    ito_status st = ITO_OK;
    for (int64_t b = 0; b < batches && st == ITO_OK; b++) {
        batch_watch w = {d, &progress, b * d->batch, b, batches, spans};
        const int64_t n = d->count - w.begin < d->batch ? d->count - w.begin : d->batch;
        ito_sample_report part = {0};
        st = draw_batch(&w, n, x, &part, err);
        calls += part.nfe_mean * (double)n;
        seconds += part.seconds;
    }
    if (progress.total > 0) cli_progress_finish(&progress);
    if (st == ITO_OK) *drawn = (cli_drawn){.nfe = calls / (double)d->count, .seconds = seconds};
    free(x);
    return st;
}
