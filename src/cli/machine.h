/* SPDX-License-Identifier: Apache-2.0
 *
 * On what a figure was measured: processor, threads, and the versions of what ran.
 */
#ifndef ITO_CLI_MACHINE_H
#define ITO_CLI_MACHINE_H

struct cJSON;

typedef struct cli_machine {
    char cpu[128];   /* as the kernel names it; "" where it does not */
    const char *isa; /* the best that the processor runs */
    int threads;
    const char *version, *commit; /* of ito; commit is "" when it was built from no clone */
    const char *onednn;           /* that ito was built with; "" if unknown */
} cli_machine;

/* `threads` as given to the verb: below 1, as OpenMP decides. */
cli_machine cli_machine_read(long long threads);
/* Adds it to the object under "machine". */
void cli_machine_add_json(struct cJSON *object, const cli_machine *m);
/* One line to stdout. */
void cli_machine_print(const cli_machine *m);

#endif
