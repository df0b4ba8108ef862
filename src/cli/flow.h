/* SPDX-License-Identifier: Apache-2.0
 *
 * Carrying samples along the probability-flow ODE in batches, with progress: data to latents and back.
 *
 * Latents here are x(T) divided by the standard deviation of the prior, so that those of data which the model
 * knows are like unit normals, whatever the SDE.
 */
#ifndef ITO_CLI_FLOW_H
#define ITO_CLI_FLOW_H

#include "source.h"

#include <ito/flow.h>

/* The solver's options of a verb, and their rows in its table. eps 0: the SDE's own. */
typedef struct cli_solver {
    const char *method;
    double rtol, atol, eps;
    bool per_sample; /* a step for each sample */
} cli_solver;

/* clang-format off */
#define CLI_SOLVER_OPTIONS(type, member, eps_help)                                                           \
    {"method", 0, "NAME", CLI_CHOICE, offsetof(type, member.method), "solver of the ODE", 0,                 \
     ito_ode_method_name},                                                                                   \
    {"rtol", 0, "R", CLI_NUMBER, offsetof(type, member.rtol),                                                \
     "relative tolerance of the solver (default: 1e-5)", 0, NULL},                                           \
    {"atol", 0, "A", CLI_NUMBER, offsetof(type, member.atol),                                                \
     "absolute tolerance of the solver (default: 1e-5)", 0, NULL},                                           \
    {"per-sample", 0, NULL, CLI_FLAG, offsetof(type, member.per_sample),                                     \
     "steps for each sample, which then does not depend on its batch", 0, NULL},                             \
    {"eps", 0, "T", CLI_NUMBER, offsetof(type, member.eps), eps_help, 0, NULL}
/* clang-format on */
void cli_solver_default(cli_solver *solver);
/* Puts the solver's settings where a run's options have them. */
void cli_solver_apply(const cli_solver *solver, ito_ode_options *ode, bool *per_sample, double *eps);

typedef struct cli_flow {
    cli_source *source; /* prepared */
    cli_solver solver;
    int64_t batch;
    double temperature; /* of latents that are decoded */
    bool denoise;       /* decoding ends with the mean of one step of reverse diffusion */
    const char *label;  /* of the progress line and of messages */
    bool quiet;
} cli_flow;

typedef struct cli_flow_report {
    double nfe; /* evaluations of the score for a sample, the mean */
    double seconds;
} cli_flow_report;

/* x and z [n, dim] may be the same array. CANCELLED after Ctrl-C. */
ito_status cli_flow_encode(const cli_flow *f, int64_t n, const double *x, double *z, cli_flow_report *report,
                           ito_error *err);
ito_status cli_flow_decode(const cli_flow *f, int64_t n, const double *z, double *x, cli_flow_report *report,
                           ito_error *err);

#endif
