/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of numbers from text: what csv.c writes, and the like. Fields end at commas, rows at a line feed or
 * CR LF; spaces around a number and empty lines at the end do not count. A first line in which no field is a
 * number has the names. No quotes, as they are for text.
 */
#include "core/c_locale.h"
#include "core/memory.h"
#include "formats/files.h"

#include <ctype.h>
#include <ito/formats.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 64 }; /* a number's text */

/* Where the reader is; text is not terminated by a zero. The end is that of the last row. */
typedef struct reader {
    const char *path, *next, *end;
    int64_t line; /* from 1 */
} reader;

typedef struct field {
    const char *text;
    size_t length;
    bool last; /* of its row */
} field;

/* Takes the next field of a row, spaces around it removed, and what ends it. */
static field take_field(reader *r) {
    const char *begin = r->next, *end = begin;
    while (end < r->end && *end != ',' && *end != '\n') end++;
    field f = {.last = end == r->end || *end == '\n'};
    r->next = end < r->end ? end + 1 : end;
    r->line += f.last;
    while (begin < end && isspace((unsigned char)*begin)) begin++;
    while (end > begin && isspace((unsigned char)end[-1])) end--;
    f.text = begin;
    f.length = (size_t)(end - begin);
    return f;
}

/* A decimal number that a double holds; no hexadecimal, nan, inf. */
static bool read_number(const field *f, double *out) {
    char text[LONGEST], *end;
    if (f->length == 0 || f->length >= sizeof text) return false;
    memcpy(text, f->text, f->length);
    text[f->length] = '\0';
    if (strspn(text, "+-.0123456789eE") != f->length) return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

/* Looks at the first line: how many columns, and whether it is one of names, which is then passed. */
static ito_status read_head(reader *r, int64_t *columns, ito_error *err) {
    const reader start = *r;
    field f;
    bool names = true;
    *columns = 0;
    if (r->next == r->end)
        return ito_error_set(err, ITO_E_FORMAT, "%s: has no rows: write one, numbers with commas between",
                             r->path);
    do {
        double ignored;
        f = take_field(r);
        names = names && !read_number(&f, &ignored);
        ++*columns;
    } while (!f.last);
    if (!names) *r = start;
    return ITO_OK;
}

static int64_t count(const reader *r, char what) {
    int64_t found = 0;
    for (const char *c = r->next; (c = memchr(c, what, (size_t)(r->end - c))) != NULL; c++) found++;
    return found;
}

static ito_status read_row(reader *r, int64_t columns, double *x, ito_error *err) {
    const long long line = r->line;
    for (int64_t j = 0; j < columns; j++) {
        const field f = take_field(r);
        if (f.last != (j + 1 == columns))
            return ito_error_set(err, ITO_E_FORMAT,
                                 "%s:%lld: has %s than %lld columns, as many as the first line: correct it",
                                 r->path, line, f.last ? "less" : "more", (long long)columns);
        if (!read_number(&f, &x[j]))
            return ito_error_set(err, ITO_E_FORMAT,
                                 "%s:%lld: \"%.*s\" is no number, or one too large: write a decimal one",
                                 r->path, line, (int)(f.length < 40 ? f.length : 40), f.text);
    }
    return ITO_OK;
}

static ito_status read_rows(reader *r, int64_t columns, int64_t *n, double **x, ito_error *err) {
    const int64_t rows = count(r, '\n') + 1;
    ito_status st = ITO_OK;
    if (r->next == r->end)
        return ito_error_set(err, ITO_E_FORMAT, "%s: has names and no rows: write one", r->path);
    /* Room for every field there is: where a row is too short, the first such row ends the reading. */
    double *read = ito__alloc((size_t)(rows + count(r, ',')), sizeof *read);
    if (!read)
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its numbers: use a shorter table", r->path);
    for (int64_t k = 0; k < rows && st == ITO_OK; k++) st = read_row(r, columns, read + k * columns, err);
    if (st == ITO_OK) {
        *n = rows;
        *x = read;
        read = NULL;
    }
    ito__free(read);
    return st;
}

ito_status ito_csv_read(const char *path, int64_t *n, int64_t *columns, double **x, ito_error *err) {
    void *map = NULL;
    size_t length = 0;
    int64_t rows = 0, wide = 0;
    *x = NULL;
    ito_status st = ito__file_map(path, &map, &length, err);
    if (st != ITO_OK) return st;
    const char *text = map ? map : "";
    reader r = {.path = path, .next = text, .end = text + length, .line = 1};
    while (r.end > text && isspace((unsigned char)r.end[-1])) r.end--;
    const ito__c_locale c = ito__c_locale_enter();
    st = read_head(&r, &wide, err);
    if (st == ITO_OK) st = read_rows(&r, wide, &rows, x, err);
    ito__c_locale_leave(c);
    if (st == ITO_OK) {
        *n = rows;
        *columns = wide;
    }
    ito__file_unmap(map, length);
    return st;
}
