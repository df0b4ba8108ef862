/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples in batches. A batch is only a unit of work: row k of the result belongs to sample number first + k,
 * whose random streams are named by that number.
 */
#include "draw.h"
#include "cli.h"

#include <stdlib.h>
#include <string.h>

ito_pc_options cli_sampler_of(const ito_recipe *recipe) {
    const ito_sampling_config *s = &recipe->sampling;
    ito_pc_options o = ito_pc_default(&recipe->sde);
    o.predictor = s->predictor;
    o.corrector = s->corrector;
    o.steps = s->steps;
    o.corrector_steps = s->corrector_steps;
    o.snr = s->snr;
    o.eps = s->eps;
    o.batch_norms = s->batch_norms;
    o.probability_flow = s->probability_flow;
    o.denoise = s->noise_removal;
    return o;
}

static ito_status images_of(ito_images *out, const ito_recipe *recipe, int64_t count, int64_t crop,
                            const double *x, ito_error *err) {
    return ito_images_from_states(out, count, recipe->data.channels, recipe->data.image_size, crop,
                                  recipe->data.centered, x, err);
}

/* ---- one batch under the sampler's callbacks */

typedef struct batch_watch {
    const cli_drawing *d;
    cli_progress *progress;
    int64_t begin; /* rows of the drawing that came before this batch */
    int64_t batches_done;
    ito_error *err;
} batch_watch;

static ito_status on_progress(void *self, int64_t done, int64_t total) {
    batch_watch *w = self;
    cli_progress_update(w->progress, w->batches_done * total + done, NULL);
    return cli_stopped(w->d->label, "nothing was written", w->err);
}

/* Frame `frame` receives those rows of the batch that the film shows. */
static ito_status keep(cli_film *film, const cli_drawing *d, int64_t begin, int64_t frame, int64_t n,
                       const double *x, ito_error *err) {
    int64_t rows = film->rows - begin < n ? film->rows - begin : n;
    if (rows <= 0) return ITO_OK;
    ito_images now = {0};
    ito_status st = images_of(&now, d->recipe, rows, 0, x, err);
    if (st == ITO_OK) {
        int64_t one = now.height * now.width * now.channels;
        memcpy(film->images.pixels + (frame * film->rows + begin) * one, now.pixels, (size_t)(rows * one));
    }
    ito_images_release(&now);
    return st;
}

static ito_status on_state(void *self, int64_t i, double t, int64_t n, int64_t dim, const double *x) {
    (void)t;
    (void)dim;
    batch_watch *w = self;
    ito_status st = ITO_OK;
    for (int k = 0; k < 2 && st == ITO_OK; k++) {
        cli_film *film = w->d->films[k];
        if (!film) continue;
        /* Frame f shows step floor(f steps / (frames - 1)); several frames may share a step of a short run.
         * The last frame is left to the finished samples, which the sampler returns. */
        int64_t steps = w->d->sampler.steps, spans = film->frames - 1;
        for (int64_t f = 0; f < spans && st == ITO_OK; f++) {
            if (f * steps / spans == i) st = keep(film, w->d, w->begin, f, n, x, w->err);
        }
    }
    return st;
}

static ito_status draw_batch(const ito_score *score, batch_watch *w, int64_t n, double *x,
                             ito_sample_report *report) {
    const cli_drawing *d = w->d;
    ito_pc_options o = d->sampler;
    o.first_sample = d->first + w->begin;
    o.progress = (ito_progress){.self = w, .report = on_progress};
    if (d->films[0] || d->films[1]) {
        o.observe = on_state;
        o.observe_self = w;
    }
    ito_status st = ito_pc_sample(&d->recipe->sde, score, &o, n, x, report, w->err);
    for (int k = 0; k < 2 && st == ITO_OK; k++) {
        if (d->films[k]) st = keep(d->films[k], d, w->begin, d->films[k]->frames - 1, n, x, w->err);
    }
    return st;
}

/* Draws all batches through one buffer; out has its size already. */
static ito_status draw_batches(const cli_drawing *d, const ito_score *score, double *x, ito_images *out,
                               ito_sample_report *report, ito_error *err) {
    int64_t batches = (d->count + d->batch - 1) / d->batch;
    int64_t one = out->height * out->width * out->channels;
    cli_progress progress;
    double per_step = (double)d->count / ((double)batches * (double)d->sampler.steps);
    cli_progress_start(&progress, d->label, "images", per_step, 0, batches * d->sampler.steps, d->quiet);
    ito_status st = ITO_OK;
    for (int64_t b = 0; b < batches && st == ITO_OK; b++) {
        batch_watch w = {d, &progress, b * d->batch, b, err};
        int64_t n = d->count - w.begin < d->batch ? d->count - w.begin : d->batch;
        ito_sample_report part = {0};
        ito_images finished = {0};
        st = draw_batch(score, &w, n, x, &part);
        if (st == ITO_OK) st = images_of(&finished, d->recipe, n, d->crop, x, err);
        if (st == ITO_OK) memcpy(out->pixels + w.begin * one, finished.pixels, (size_t)(n * one));
        ito_images_release(&finished);
        report->nfe = part.nfe;
        report->seconds += part.seconds;
    }
    cli_progress_finish(&progress);
    return st;
}

ito_status cli_draw(const cli_drawing *d, ito_images *out, ito_sample_report *report, ito_error *err) {
    const ito_data_config *data = &d->recipe->data;
    int64_t dim = data->channels * data->image_size * data->image_size;
    int64_t side = data->image_size - 2 * d->crop;
    if (side < 1) {
        return ito_error_set(err, ITO_E_ARG,
                             "--crop: %lld pixels on every side leave nothing of %lld: use less",
                             (long long)d->crop, (long long)data->image_size);
    }
    ito_network_score *network = NULL;
    ito_network_score_options options = ito_network_score_default();
    options.batch = d->batch;
    options.continuous = d->recipe->objective.continuous;
    options.plan = d->plan;
    ito_images images = {0};
    ito_sample_report sum = {0};
    double *x = calloc((size_t)d->batch, (size_t)dim * sizeof *x);
    ito_status st =
        x ? ITO_OK
          : ito_error_set(err, ITO_E_NOMEM, "--batch: no memory for %lld images: use a smaller one",
                          (long long)d->batch);
    if (st == ITO_OK) st = ito_images_init(&images, d->count, side, side, data->channels, err);
    if (st == ITO_OK) {
        st = ito_network_score_create(&d->recipe->network, &d->recipe->sde, d->params, &options, &network,
                                      err);
    }
    if (st == ITO_OK) {
        ito_score score = ito_network_score_view(network);
        st = draw_batches(d, &score, x, &images, &sum, err);
    }
    if (st == ITO_OK) {
        *out = images;
        *report = sum;
    } else {
        ito_images_release(&images);
    }
    ito_network_score_free(network);
    free(x);
    return st;
}

/* ---- films */

ito_status cli_film_init(cli_film *film, const ito_recipe *recipe, int64_t frames, int64_t rows,
                         ito_error *err) {
    const ito_data_config *data = &recipe->data;
    *film = (cli_film){.frames = frames, .rows = rows};
    return ito_images_init(&film->images, frames * rows, data->image_size, data->image_size, data->channels,
                           err);
}

void cli_film_release(cli_film *film) {
    ito_images_release(&film->images);
    *film = (cli_film){0};
}

ito_status cli_film_write_table(const cli_film *film, const char *path, int zoom, ito_error *err) {
    const ito_images *all = &film->images;
    int64_t one = all->height * all->width * all->channels;
    ito_images table = {0};
    ito_status st = ito_images_init(&table, all->n, all->height, all->width, all->channels, err);
    if (st != ITO_OK) return st;
    for (int64_t r = 0; r < film->rows; r++) {
        for (int64_t f = 0; f < film->frames; f++) {
            memcpy(table.pixels + (r * film->frames + f) * one, all->pixels + (f * film->rows + r) * one,
                   (size_t)(one));
        }
    }
    st = ito_png_write_grid(path, &table, film->frames, zoom, 2, err);
    ito_images_release(&table);
    return st;
}

ito_status cli_film_write_animation(const cli_film *film, const char *path, int zoom, ito_error *err) {
    enum { FRAME_MS = 80, LAST_MS = 2500 };
    const ito_images *all = &film->images;
    int64_t one = all->height * all->width * all->channels;
    ito_images grid = {0}, frames = {0};
    ito_status st = ITO_OK;
    for (int64_t f = 0; f < film->frames && st == ITO_OK; f++) {
        ito_images now = *all; /* a borrowed view of one frame */
        now.n = film->rows;
        now.pixels = all->pixels + f * film->rows * one;
        if ((st = ito_images_grid(&now, 0, zoom, 2, &grid, err)) != ITO_OK) break;
        if (f == 0) {
            st = ito_images_init(&frames, film->frames, grid.height, grid.width, grid.channels, err);
        }
        int64_t bytes = grid.height * grid.width * grid.channels;
        if (st == ITO_OK) memcpy(frames.pixels + f * bytes, grid.pixels, (size_t)(bytes));
        ito_images_release(&grid);
    }
    if (st == ITO_OK) st = ito_webp_write(path, &frames, FRAME_MS, LAST_MS, err);
    ito_images_release(&frames);
    return st;
}
