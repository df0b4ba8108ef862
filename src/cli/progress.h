/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress on stderr: a live bar on a terminal, a plain line about every 30 seconds otherwise, nothing when
 * quiet.
 */
#ifndef ITO_CLI_PROGRESS_H
#define ITO_CLI_PROGRESS_H

#include <ito/status.h>
#include <stdbool.h>

typedef struct cli_progress {
    const char *label;          /* "train" */
    const char *unit;           /* what the rate counts: "images" */
    double per_step;            /* units in one step */
    int64_t first, done, total; /* steps; `first` were done before this run */
    int64_t drawn;              /* `done` when last drawn */
    bool quiet, terminal, open; /* open: a bar stands on the current line */
    double started, shown;      /* seconds of the monotonic clock */
    char note[64];              /* "loss 0.0312", shown beside the counts */
} cli_progress;

void cli_progress_start(cli_progress *p, const char *label, const char *unit, double per_step, int64_t first,
                        int64_t total, bool quiet);
/* Redraws when it is time to; note may be NULL to keep the last one. */
void cli_progress_update(cli_progress *p, int64_t done, const char *note);
/* Shows the final state and leaves the line. */
void cli_progress_finish(cli_progress *p);
/* A line of its own on stderr, above the bar; nothing when quiet. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void
cli_progress_say(cli_progress *p, const char *format, ...);
double cli_seconds(void); /* of the monotonic clock */

#endif
