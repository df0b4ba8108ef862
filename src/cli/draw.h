/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawing samples in batches, with progress, and keeping what the sampler shows on the way.
 */
#ifndef ITO_CLI_DRAW_H
#define ITO_CLI_DRAW_H

#include <ito/sampler.h>

/* The first `rows` samples at `frames` moments, those of ito_sampler: the first shows the prior, the last the
 * finished samples. */
typedef struct cli_film {
    int64_t frames, rows, dim;
    double *t; /* [frames] */
    float *x;  /* [frames, rows, dim] */
} cli_film;

ito_status cli_film_init(cli_film *film, int64_t frames, int64_t rows, int64_t dim, ito_error *err);
void cli_film_release(cli_film *film);
/* Frame f as states: out [rows, dim]. */
void cli_film_frame(const cli_film *film, int64_t f, double *out);

typedef struct cli_drawing {
    const ito_sde *sde;
    ito_score score;
    ito_sampler sampler; /* the function sets first_sample, progress and frames */
    int64_t count, batch;
    int64_t first;      /* number of the first sample */
    cli_film *films[2]; /* NULL entries are skipped */
    /* Takes rows begin .. begin + n - 1 of the finished samples, x [n, dim], in order. */
    ito_status (*take)(void *self, int64_t begin, int64_t n, const double *x, ito_error *err);
    void *take_self;
    const char *label; /* of the progress line and of messages */
    const char *unit;  /* what is drawn: "images" */
    bool quiet;
} cli_drawing;

typedef struct cli_drawn {
    double nfe; /* score evaluations per sample, the mean */
    double seconds;
} cli_drawn;

/* Draws `count` samples. Row k is sample first + k of the seed, whatever the batch. CANCELLED after Ctrl-C.
 */
ito_status cli_draw(const cli_drawing *d, cli_drawn *drawn, ito_error *err);

#endif
