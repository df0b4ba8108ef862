/* SPDX-License-Identifier: Apache-2.0
 *
 * A run directory: recipe.yaml, log.jsonl, checkpoints/step_*.safetensors, samples/step_*.png, loss.png,
 * model.safetensors. One training at a time writes into it.
 */
#ifndef ITO_CLI_RUN_H
#define ITO_CLI_RUN_H

#include "cli.h"

#include <ito/training.h>

typedef struct cli_run {
    char folder[CLI_PATH_MAX];
    int log;        /* file descriptor of log.jsonl, append only; -1 while closed */
    int lock;       /* of the folder, held while training */
    double seconds; /* of training before this start, as the log tells */
} cli_run;

/* One line of the log. */
typedef struct cli_log_line {
    int64_t step, images, skipped;
    double loss, grad_norm, learning_rate, images_per_second, seconds;
} cli_log_line;

/* ARG when the folder already holds a run and `resume` is not set. */
ito_status cli_run_check(const char *folder, bool resume, ito_error *err);
/* Makes the folders that are missing and locks them. Release also after a failure. */
ito_status cli_run_open(cli_run *run, const char *folder, ito_error *err);
void cli_run_release(cli_run *run);
/* Writes recipe.yaml, forgets log lines after `step`, and opens the log. */
ito_status cli_run_begin(cli_run *run, const ito_recipe *recipe, int64_t step, ito_error *err);
ito_status cli_run_log(cli_run *run, const cli_log_line *line, ito_error *err);
/* Draws the logged losses into loss.png. */
ito_status cli_run_plot(const cli_run *run, ito_error *err);

/* Saves step_<8 digits>.safetensors, then removes the oldest files beyond `keep`. */
ito_status cli_run_checkpoint(const cli_run *run, const ito_trainer *t, int64_t keep, ito_error *err);

#endif
