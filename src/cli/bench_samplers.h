/* SPDX-License-Identifier: Apache-2.0
 *
 * A contest of samplers: who takes part, what each run got, and how it is told.
 */
#ifndef ITO_CLI_BENCH_SAMPLERS_H
#define ITO_CLI_BENCH_SAMPLERS_H

#include "bench.h"
#include "bench_quality.h"

#include <ito/sampler.h>

/* One line of the plot. */
typedef struct cli_contestant {
    char name[64];
    ito_sampler sampler;
    /* A grid of steps: score calls = calls * steps + extra. calls = 0: driven by a tolerance instead. */
    double calls, extra;
} cli_contestant;

/* One point of it. */
typedef struct cli_trial {
    int contestant;
    int64_t steps;    /* 0: of a tolerance */
    double tolerance; /* 0: of steps */
    double nfe;       /* score calls of a sample, the mean where samples have steps of their own */
    double seconds;
    ito_estimate got[CLI_MOST_MEASURES];
} cli_trial;

typedef struct cli_contest {
    const cli_source *source;
    cli_quality quality;
    int contestants, trials;
    cli_contestant *contestant;
    cli_trial *trial; /* those of a contestant stand together, in rising effort */
} cli_contest;

/* The settings behind a name: PREDICTOR, PREDICTOR+CORRECTOR, ode:METHOD, or a name of ito_sampler_name. ARG
 * lists the names. */
ito_status cli_contestant_named(const char *name, const ito_sde *sde, cli_contestant *out, ito_error *err);
/* Every predictor alone, the pair of [SDE] Table 1 with every corrector, every adaptive solver: by index
 * from 0, false past the last. */
bool cli_contestant_name(int index, char name[64]);

/* bench_samplers_report.c */
void cli_contest_print(const cli_contest *c);
ito_status cli_contest_print_json(const cli_contest *c, const char *const files[2], ito_error *err);
ito_status cli_contest_write_csv(const cli_contest *c, const char *path, ito_error *err);
ito_status cli_contest_write_plot(const cli_contest *c, const char *path, ito_error *err);

#endif
