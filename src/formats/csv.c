/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of numbers as text: RFC 4180 without its quotes, lines ending in a line feed.
 */
#include "formats/files.h"

#include <ito/formats.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 4096, NUMBER = 32, MOST_COLUMNS = LINE / NUMBER };

/* printf writes the decimal sign of the program's locale; a comma would part the number. */
static void print_number(double value, char out[NUMBER]) {
    snprintf(out, NUMBER, "%.17g", value);
    char *comma = strchr(out, ',');
    if (comma != NULL) *comma = '.';
}

static ito_status write_names(ito__output *o, int columns, const char *const *names, ito_error *err) {
    ito_status st = ITO_OK;
    for (int j = 0; j < columns && st == ITO_OK; j++) {
        st = ito__output_write(o, names[j], strlen(names[j]), err);
        if (st == ITO_OK) st = ito__output_write(o, j + 1 < columns ? "," : "\n", 1, err);
    }
    return st;
}

/* Lines gather in a block: a write for each would be slow. */
static ito_status write_rows(ito__output *o, int64_t n, int columns, const double *x, ito_error *err) {
    char block[16 * LINE];
    size_t used = 0;
    ito_status st = ITO_OK;
    for (int64_t k = 0; k < n && st == ITO_OK; k++) {
        for (int j = 0; j < columns; j++) {
            char number[NUMBER];
            print_number(x[k * columns + j], number);
            used += (size_t)snprintf(block + used, sizeof block - used, "%s%c", number,
                                     j + 1 < columns ? ',' : '\n');
        }
        if (used + LINE <= sizeof block && k + 1 < n) continue;
        st = ito__output_write(o, block, used, err);
        used = 0;
    }
    return st;
}

ito_status ito_csv_write(const char *path, int64_t n, int columns, const char *const *names, const double *x,
                         ito_error *err) {
    ito__output o = {0};
    if (n < 0 || columns < 1 || columns > MOST_COLUMNS)
        return ito_error_set(err, ITO_E_SHAPE, "%s: a table of %lld rows and %d columns: use 1 to %d columns",
                             path, (long long)n, columns, MOST_COLUMNS);
    ito_status st = ito__output_open(&o, path, err);
    if (st == ITO_OK) st = write_names(&o, columns, names, err);
    if (st == ITO_OK) st = write_rows(&o, n, columns, x, err);
    if (st == ITO_OK) st = ito__output_commit(&o, err);
    ito__output_release(&o);
    return st;
}
