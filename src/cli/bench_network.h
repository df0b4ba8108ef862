/* SPDX-License-Identifier: Apache-2.0
 *
 * What ito bench network measures, and how it is told.
 */
#ifndef ITO_CLI_BENCH_NETWORK_H
#define ITO_CLI_BENCH_NETWORK_H

#include "bench.h"
#include "machine.h"
#include "progress.h"

/* What --only names. */
enum { BENCH_FORWARD, BENCH_GRADIENT, BENCH_TRAIN, BENCH_SAMPLER, BENCH_WORKS };

/* A row of a profile whose name outlives the workspace. */
typedef struct bench_row {
    char kind[128];
    int64_t calls;
    double seconds, flops, bytes;
} bench_row;

/* One thing that was timed; seconds 0: it was not. */
typedef struct bench_timing {
    const char *title, *key; /* "training step", "train_step" */
    const char *limit_key;   /* "train" */
    double seconds;          /* of one image */
    double limit;            /* of one image in the convolutions alone, each at its best; 0: not measured */
    double flops;            /* of one image */
    double bytes;            /* of the plan's workspace */
    bench_row *rows;         /* with --profile; owned */
    int row_count;
} bench_timing;

/* Grid points of a predictor-corrector run: medians. */
typedef struct bench_steps {
    int64_t calls;        /* of the network in one */
    double network, rest; /* seconds within the calls and beside them, the whole batch */
} bench_steps;

/* Bytes; 0: the kernel does not tell. */
typedef struct bench_memory {
    double peak;     /* of training, the whole process */
    double training; /* of it beyond parameters, gradients, moments and EMA, the program itself apart */
    double sampling; /* beyond the weights */
} bench_memory;

typedef struct bench_network {
    const cli_bench_options *o;
    ito_recipe recipe;
    ito_plan_options plan;
    cli_machine machine;
    bool wanted[BENCH_WORKS];
    int64_t batch, dim, parameters;
    double flops;      /* of an image forward */
    float *x, *labels; /* [batch, dim], [batch] */
    ito_params *params;
    bench_timing forward, gradient, train;
    bench_steps steps;
    bench_memory memory;
    cli_progress progress;
} bench_network;

/* bench_sampling.c: steps, and memory.sampling, with b->params. */
ito_status cli_bench_sampling(bench_network *b, ito_error *err);
/* Counts one run and asks whether to go on. */
ito_status cli_bench_finish_run(cli_progress *progress, ito_error *err);

/* bench_network_report.c */
ito_status cli_bench_network_json(const bench_network *b, ito_error *err);
void cli_bench_network_text(const bench_network *b);

#endif
