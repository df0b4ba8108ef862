/* SPDX-License-Identifier: Apache-2.0
 *
 * The growing table: what an existing file may say, and how rows reach the disk.
 */
#include "table.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES_MAX ((size_t)1 << 32)
enum { NUMBER_MAX = 32 };

static ito_status no_memory(const char *path, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for the results: use fewer samples", path);
}

static ito_status cannot_write(const char *path, ito_error *err) {
    return ito_error_set(err, ITO_E_IO, "%s: cannot be written (%s): free some space or choose another --out",
                         path, errno ? strerror(errno) : "disk full");
}

/* ---- the head: settings and names */

/* Two lines; free(). */
static char *print_head(const cli_table_layout *layout) {
    char *settings = cJSON_PrintUnformatted(layout->settings), *head = NULL;
    if (settings) {
        size_t size = strlen(layout->verb) + strlen(settings) + strlen(layout->names) + 16;
        head = malloc(size);
        if (head) snprintf(head, size, "# ito %s %s\n%s\n", layout->verb, settings, layout->names);
    }
    cJSON_free(settings);
    return head;
}

static void print_setting(const cJSON *item, char out[128]) {
    char *text = cJSON_PrintUnformatted(item);
    snprintf(out, 128, "%s", text ? text : "nothing");
    cJSON_free(text);
}

/* Names the first setting by which the file's own differ from these. */
static ito_status name_difference(const char *path, const cJSON *theirs, const cJSON *ours, ito_error *err) {
    for (const cJSON *item = ours->child; item; item = item->next) {
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(theirs, item->string);
        char here[128], there[128];
        if (other && cJSON_Compare(other, item, true)) continue;
        print_setting(item, here);
        print_setting(other, there);
        return ito_error_set(err, ITO_E_ARG,
                             "%s: holds results for %s %s, this run has %s: give the same, or another --out",
                             path, item->string, there, here);
    }
    return ito_error_set(err, ITO_E_FORMAT,
                         "%s: holds results of another version of ito: choose another --out", path);
}

/* An existing file either begins with our head or says why not. A head that a killed program left unfinished
 * counts as no file: *begins is false. */
static ito_status compare_head(const char *path, const cli_table_layout *layout, const char *head,
                               const char *text, size_t length, bool *begins, ito_error *err) {
    size_t size = strlen(head);
    *begins = length >= size && memcmp(text, head, size) == 0;
    if (*begins || (length < size && memcmp(text, head, length) == 0)) return ITO_OK;
    char start[64];
    int n = snprintf(start, sizeof start, "# ito %s ", layout->verb);
    const char *end = memchr(text, '\n', length);
    cJSON *theirs = NULL;
    if (end && end - text > n && memcmp(text, start, (size_t)n) == 0)
        theirs = cJSON_ParseWithLength(text + n, (size_t)(end - text - n));
    ito_status st = cJSON_IsObject(theirs)
                        ? name_difference(path, theirs, layout->settings, err)
                        : ito_error_set(err, ITO_E_FORMAT, "%s: is no result of ito %s: choose another --out",
                                        path, layout->verb);
    cJSON_Delete(theirs);
    return st;
}

/* ---- rows */

static bool parse_row(const char *line, const char *end, int columns, double *out) {
    for (int c = 0; c < columns; c++) {
        char *after;
        out[c] = strtod(line, &after);
        if (after == line || after > end || *after != (c + 1 < columns ? ',' : '\n')) return false;
        line = after + 1;
    }
    return line == end + 1;
}

/* Keeps leading rows up to the last whole batch, or all that are needed; *kept counts their bytes. */
static void parse_rows(cli_table *r, int64_t batch, const char *text, size_t length, size_t *kept) {
    size_t at = *kept;
    int64_t rows = 0;
    while (rows < r->needed) {
        const char *end = memchr(text + at, '\n', length - at);
        if (!end || !parse_row(text + at, end, r->columns, r->values + rows * r->columns)) break;
        at = (size_t)(end - text) + 1;
        rows++;
        if (rows % batch == 0 || rows == r->needed) {
            r->rows = rows;
            *kept = at;
        }
    }
}

static ito_status write_all(const cli_table *r, const char *text, size_t length, ito_error *err) {
    while (length > 0) {
        errno = 0;
        ssize_t wrote = write(r->file, text, length);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return cannot_write(r->path, err);
        text += wrote;
        length -= (size_t)wrote;
    }
    errno = 0;
    return fsync(r->file) == 0 ? ITO_OK : cannot_write(r->path, err);
}

/* ---- the file */

static ito_status open_file(cli_table *r, ito_error *err) {
    errno = 0;
    r->file = open(r->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (r->file < 0) return cannot_write(r->path, err);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(r->file, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES)) return ITO_OK;
    return ito_error_set(err, ITO_E_IO,
                         "%s: another program is writing there: stop it or choose another "
                         "--out",
                         r->path);
}

/* Reads what is there and makes the file end after what is kept; a longer table stays whole. */
static ito_status continue_file(cli_table *r, const cli_table_layout *layout, const char *head,
                                ito_error *err) {
    char *text = NULL;
    size_t length = 0, kept = 0;
    bool begins = false;
    ito_status st = ito_file_read(r->path, BYTES_MAX, &text, &length, err);
    if (st == ITO_OK) st = compare_head(r->path, layout, head, text, length, &begins, err);
    if (st == ITO_OK && begins) {
        kept = strlen(head);
        parse_rows(r, layout->batch, text, length, &kept);
    }
    errno = 0;
    if (st == ITO_OK && r->rows < r->needed && kept < length && ftruncate(r->file, (off_t)kept) != 0)
        st = cannot_write(r->path, err);
    if (st == ITO_OK && !begins) st = write_all(r, head, strlen(head), err);
    free(text);
    return st;
}

ito_status cli_table_open(cli_table *r, const char *path, const cli_table_layout *layout, ito_error *err) {
    *r = (cli_table){.file = -1, .columns = layout->columns, .needed = layout->needed};
    char *head = print_head(layout);
    r->values = calloc((size_t)layout->needed, (size_t)layout->columns * sizeof *r->values);
    ito_status st = head && r->values ? ITO_OK : no_memory(path, err);
    if (st == ITO_OK) st = cli_path(r->path, sizeof r->path, err, "%s", path);
    if (st == ITO_OK) st = cli_check_writable(path, err);
    if (st == ITO_OK) st = open_file(r, err);
    if (st == ITO_OK) st = continue_file(r, layout, head, err);
    free(head);
    return st;
}

ito_status cli_table_append(cli_table *r, int64_t n, const double *values, ito_error *err) {
    size_t room = (size_t)(n * r->columns) * NUMBER_MAX, used = 0;
    char *text = malloc(room);
    if (!text) return no_memory(r->path, err);
    for (int64_t i = 0; i < n * r->columns; i++) {
        char end = (i + 1) % r->columns == 0 ? '\n' : ',';
        /* printf may give a NaN a sign. */
        used += (size_t)(isnan(values[i]) ? snprintf(text + used, room - used, "nan%c", end)
                                          : snprintf(text + used, room - used, "%.17g%c", values[i], end));
    }
    ito_status st = write_all(r, text, used, err);
    free(text);
    if (st != ITO_OK) return st;
    memcpy(r->values + r->rows * r->columns, values, (size_t)(n * r->columns) * sizeof *values);
    r->rows += n;
    return ITO_OK;
}

void cli_table_release(cli_table *r) {
    if (r->file >= 0) close(r->file);
    free(r->values);
    *r = (cli_table){.file = -1};
}
