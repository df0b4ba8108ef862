/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing samples from a network in batches, with progress, and keeping what the sampler shows on the way.
 */
#ifndef ITO_CLI_DRAW_H
#define ITO_CLI_DRAW_H

#include "progress.h"

#include <ito/formats.h>
#include <ito/recipe.h>

/* Pictures of the first `rows` samples at `frames` moments, evenly spaced in steps: the first shows the
 * prior, the last the finished samples. */
typedef struct cli_film {
    int64_t frames, rows;
    ito_images images; /* frame after frame, `rows` images in each */
} cli_film;

typedef struct cli_drawing {
    const ito_recipe *recipe;
    ito_params *params;
    ito_plan_options plan;
    ito_pc_options sampler; /* predictor, corrector, steps ...; the function sets observe and progress */
    int64_t count, batch;
    int64_t first;      /* number of the first sample */
    int64_t crop;       /* pixels removed on every side of the finished pictures */
    cli_film *films[2]; /* NULL entries are skipped */
    const char *label;  /* of the progress line and of messages */
    bool quiet;
} cli_drawing;

/* The recipe's own sampling settings. The names in it are borrowed from the recipe. */
ito_pc_options cli_sampler_of(const ito_recipe *recipe);

/* Draws `count` samples. Image k is sample first + k of the seed, whatever the batch. CANCELLED after Ctrl-C;
 * release *out otherwise. */
ito_status cli_draw(const cli_drawing *d, ito_images *out, ito_sample_report *report, ito_error *err);

ito_status cli_film_init(cli_film *film, const ito_recipe *recipe, int64_t frames, int64_t rows,
                         ito_error *err);
void cli_film_release(cli_film *film);
/* One row of pictures per sample, time from left to right. */
ito_status cli_film_write_table(const cli_film *film, const char *path, int zoom, ito_error *err);
/* An animation of the grid of samples. */
ito_status cli_film_write_animation(const cli_film *film, const char *path, int zoom, ito_error *err);

#endif
