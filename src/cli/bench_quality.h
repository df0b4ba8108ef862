/* SPDX-License-Identifier: Apache-2.0
 *
 * How good samples of a model are, beside what exact samples of the same number would get.
 *
 *   cli_quality_create      draws or reads the exact sets, measures the floor
 *   cli_quality_measure     one set of samples
 *   cli_quality_release     also after a failure
 *
 * Points: KL divergence on cells of equal mass, and 2-Wasserstein distance. Images: squared
 * Frechet distance to the test set in the feature space ito-1.
 */
#ifndef ITO_CLI_BENCH_QUALITY_H
#define ITO_CLI_BENCH_QUALITY_H

#include "source.h"

#include <ito/metrics.h>

enum { CLI_MOST_MEASURES = 2 };

typedef struct cli_quality {
    int measures;
    const char *key[CLI_MOST_MEASURES];   /* "kl", "w2", "frechet" */
    const char *title[CLI_MOST_MEASURES]; /* for tables and axes */
    char about[CLI_MOST_MEASURES][96];    /* how it was measured */
    const char *exact_name;               /* what stands for a perfect sampler: "exact samples" */
    /* What that gets: mean over exact sets, and the deviation of one set from it. */
    ito_estimate floor[CLI_MOST_MEASURES];
    bool unbiased[CLI_MOST_MEASURES]; /* the floor is about 0 */
    int64_t count, dim;
    /* points */
    ito_cells *cells;
    int64_t match, sets; /* samples matched at once, and how many such sets a run is cut into */
    double *exact;       /* [sets, match, dim] */
    /* images */
    const ito_recipe *recipe; /* borrowed */
    double *test;             /* [tests, features] */
    int64_t tests, features;
} cli_quality;

/* count samples a run; match points for the Wasserstein distance. `s` is open and outlives *q. */
ito_status cli_quality_create(cli_quality *q, const cli_source *s, uint64_t seed, int64_t count,
                              int64_t match, ito_error *err);
/* x [count, dim] -> out [measures]. */
ito_status cli_quality_measure(const cli_quality *q, const double *x, ito_estimate *out, ito_error *err);
void cli_quality_release(cli_quality *q);

#endif
