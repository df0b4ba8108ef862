/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of results that grows by batches and outlives a killed program. The file is CSV: a comment with the
 * settings as JSON, a line of column names, one line for each row. Rows are written and flushed to disk a
 * batch at a time; opening the file again keeps its whole batches, drops a torn end, and goes on.
 */
#ifndef ITO_CLI_TABLE_H
#define ITO_CLI_TABLE_H

#include "cli.h"

typedef struct cli_table {
    char path[CLI_PATH_MAX];
    int file; /* descriptor, locked against a second program; -1 while closed */
    int columns;
    int64_t rows;   /* there are so many, */
    int64_t needed; /* and shall be */
    double *values; /* [needed, columns] */
} cli_table;

typedef struct cli_table_layout {
    const char *verb;             /* of the comment: "likelihood" */
    const struct cJSON *settings; /* what the rows depend on; its keys are names of options */
    const char *names;            /* of the columns, separated by commas */
    int columns;
    int64_t needed, batch; /* rows */
} cli_table_layout;

/* Starts or continues the file. ARG names the setting by which an existing file differs; FORMAT when it is
 * something else; IO. Release also after a failure. */
ito_status cli_table_open(cli_table *r, const char *path, const cli_table_layout *layout, ito_error *err);
/* n rows, [n, columns]; on disk when the call returns. */
ito_status cli_table_append(cli_table *r, int64_t n, const double *values, ito_error *err);
void cli_table_release(cli_table *r);

#endif
