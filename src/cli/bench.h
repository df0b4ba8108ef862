/* SPDX-License-Identifier: Apache-2.0
 *
 * What `ito bench` measures: one function a subject, over one struct of options.
 */
#ifndef ITO_CLI_BENCH_H
#define ITO_CLI_BENCH_H

#include "cli.h"

typedef struct cli_bench_options {
    cli_common common; /* words: the subject, and what it is about */
    int64_t runs;
    bool profile, no_limit;
    const char *only;           /* NULL: all */
    int64_t count, match;       /* -1: not given */
    const char *nfe, *samplers; /* lists with commas; NULL: all that suit the model */
    const char *weights;
    int64_t steps;
} cli_bench_options;

/* bench_network.c: times and memory of a recipe's network. */
ito_status cli_bench_network(const cli_bench_options *o, ito_error *err);
/* bench_machine.c: what the processor could do at most. */
ito_status cli_bench_machine(const cli_bench_options *o, ito_error *err);
/* bench_samplers.c: quality against score calls. */
ito_status cli_bench_samplers(const cli_bench_options *o, ito_error *err);
/* bench_dynamics.c: speed of what runs between the calls of a score. */
ito_status cli_bench_dynamics(const cli_bench_options *o, ito_error *err);

/* The median of n >= 1 values, which are put in order. */
double cli_bench_median(int64_t n, double *values);

#endif
