/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory a run takes, told from its recipe before anything of it is allocated, and how to fit a run
 * into --memory-limit.
 *
 * Two batches: the states of `batch` samples move together, and the network sees `parts` of them at a time.
 * Smaller parts change nothing but the time, so they come first; fewer samples together come next.
 */
#ifndef ITO_CLI_MEMORY_H
#define ITO_CLI_MEMORY_H

#include "cli.h"

#include <ito/sampler.h>

/* What the program and its libraries, plans and generated code take beside: measured, 30 to 55 MB. */
#define CLI_PROGRAM_BYTES 50e6

/* A run of a network. */
typedef struct cli_load {
    const ito_recipe *recipe;
    ito_plan_options plan;
    bool with_vjp;
    int64_t doubles; /* that a method keeps for every value of a sample under way, at most */
    double held;     /* bytes beside it: inputs and results of all samples */
} cli_load;

/* `doubles` of a sampler and of the ODE there and back, the caller's batch counted in; of a likelihood, with
 * so many probes. */
int64_t cli_doubles_of_sampler(ito_sampler_kind kind);
int64_t cli_doubles_of_flow(void);
int64_t cli_doubles_of_likelihood(int64_t probes);

/* Bytes of the run: weights, workspaces, states, and the program itself. */
ito_status cli_memory_needed(const cli_load *load, int64_t parts, int64_t batch, double *bytes,
                             ito_error *err);

/* Makes a run fit: *parts is how many samples the network takes at a time, and *batch may become smaller.
 * limit 0: *parts = *batch. NOMEM names the least that is needed. */
ito_status cli_memory_fit(const cli_load *load, int64_t limit, int64_t *parts, int64_t *batch,
                          ito_error *err);

/* The option of verbs that run a network. */
#define CLI_MEMORY_LIMIT                                                                                     \
    {                                                                                                        \
        "memory-limit", 0, "SIZE", CLI_SIZE, offsetof(cli_common, memory_limit),                             \
            "memory to use at most, as 800M or 12G: images pass the network in parts that fit", 1, NULL      \
    }

#endif
