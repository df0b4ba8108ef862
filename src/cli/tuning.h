/* SPDX-License-Identifier: Apache-2.0
 *
 * --tuning: the timings of convolutions that the plans of a verb share, kept in a file between runs.
 */
#ifndef ITO_CLI_TUNING_H
#define ITO_CLI_TUNING_H

#include "cli.h"

typedef struct cli_tuning {
    ito_tuning *table; /* for ito_plan_options; NULL: plans go by rule */
    char path[CLI_PATH_MAX];
} cli_tuning;

/* Runs of a plan: of work that is long however it goes, and of a batch on its way along an ODE, where a
 * tolerance of 1e-5 makes it 50 to 200. */
#define CLI_MANY_CALLS INT64_MAX
#define CLI_FLOW_CALLS ((int64_t)100)

/* Reads the file that --tuning names, or the cache. A damaged or foreign one counts as empty, and where the
 * cache cannot be written there is no table. NULL too with --exact, and with --memory-limit, which counts
 * what the rules take. `calls`: runs of the plans to come; with --tuning auto a few are not worth timing for,
 * and only what is known already is used. Errors: a file named by the user that cannot be written. */
ito_status cli_tuning_open(cli_tuning *t, const cli_common *common, int64_t calls, ito_error *err);
/* The choices that a run was started with, so that it goes on to the same bits; none where it had none.
 * Errors: its file cannot be read. */
ito_status cli_tuning_resume(cli_tuning *t, const cli_common *common, const char *folder, ito_error *err);
/* Writes the choices into the folder of a run that starts. */
ito_status cli_tuning_keep(const cli_tuning *t, const char *folder, ito_error *err);
/* Once the plans are made: writes what was measured, beside what other processes wrote meanwhile. A failure
 * costs the next run a second, so nothing is said of it. */
void cli_tuning_close(cli_tuning *t);

#endif
