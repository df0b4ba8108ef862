/* SPDX-License-Identifier: Apache-2.0
 *
 * Pickle opcodes that push one plain value: numbers, text, and the names of globals, which are held against
 * the caller's list here and nowhere else.
 */
#include "formats/pickle_reader.h"

#include "core/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ito__pickle_reader reader;
typedef ito__pickle_value value;

/* ---- arguments ---- */

ito_status ito__pickle_take(reader *r, size_t n, const unsigned char **bytes) {
    if (n > r->length - r->at) return ito__pickle_damaged(r, "it ends early");
    *bytes = r->bytes + r->at;
    r->at += n;
    return ITO_OK;
}

ito_status ito__pickle_number(reader *r, size_t n, uint64_t *number) {
    const unsigned char *b = NULL;
    ito_status st = ito__pickle_take(r, n, &b);
    if (st != ITO_OK) return st;
    *number = 0;
    for (size_t i = 0; i < n; i++) *number |= (uint64_t)b[i] << (8 * i);
    return ITO_OK;
}

/* The rest of the line, without its newline. */
static ito_status take_line(reader *r, const char **line, size_t *length) {
    const unsigned char *start = r->bytes + r->at;
    const unsigned char *end = r->at < r->length ? memchr(start, '\n', r->length - r->at) : NULL;
    if (!end) return ito__pickle_damaged(r, "it ends early");
    *line = (const char *)start;
    *length = (size_t)(end - start);
    r->at += *length + 1;
    return ITO_OK;
}

/* A line as text for the C library's number readers. */
static ito_status take_short_line(reader *r, char text[64]) {
    const char *line = NULL;
    size_t length = 0;
    ito_status st = take_line(r, &line, &length);
    if (st != ITO_OK) return st;
    if (length == 0 || length > 63) return ito__pickle_damaged(r, "a number of no sensible length");
    memcpy(text, line, length);
    text[length] = '\0';
    return ITO_OK;
}

ito_status ito__pickle_line_number(reader *r, int64_t *number) {
    char text[64], *end = NULL;
    ito_status st = take_short_line(r, text);
    if (st != ITO_OK) return st;
    *number = strtoll(text, &end, 10);
    /* LONG closes its number with an L. */
    return end != text && (*end == '\0' || strcmp(end, "L") == 0)
               ? ITO_OK
               : ito__pickle_damaged(r, "a number is none");
}

/* ---- numbers ---- */

ito_status ito__pickle_push_int(reader *r, ito__pickle_kind kind, int64_t integer) {
    value *v = ito__pickle_new(r, kind);
    if (v) v->integer = integer;
    return ito__pickle_push(r, v);
}

ito_status ito__pickle_push_unsigned(reader *r, size_t bytes) {
    uint64_t number = 0;
    ito_status st = ito__pickle_number(r, bytes, &number);
    return st == ITO_OK ? ito__pickle_push_int(r, ITO__PICKLE_INT, (int64_t)number) : st;
}

ito_status ito__pickle_push_int32(reader *r) {
    uint64_t number = 0;
    ito_status st = ito__pickle_number(r, 4, &number);
    return st == ITO_OK ? ito__pickle_push_int(r, ITO__PICKLE_INT, (int32_t)(uint32_t)number) : st;
}

/* LONG1, LONG4: two's complement of any length; ours end at 64 bits. */
ito_status ito__pickle_push_long(reader *r, size_t length_bytes) {
    uint64_t n = 0, number = 0;
    ito_status st;
    if ((st = ito__pickle_number(r, length_bytes, &n)) != ITO_OK) return st;
    if (n > 8)
        return ito_error_set(
            r->err, ITO_E_UNSUPPORTED,
            "%s: its pickle holds an integer of more than 64 bits, which tensors do not need: save the "
            "tensors alone",
            r->path);
    if ((st = ito__pickle_number(r, (size_t)n, &number)) != ITO_OK) return st;
    if (n > 0 && n < 8 && number >> (8 * n - 1) & 1) number |= ~(uint64_t)0 << (8 * n);
    return ito__pickle_push_int(r, ITO__PICKLE_INT, (int64_t)number);
}

/* BINFLOAT: a big-endian double. */
ito_status ito__pickle_push_float(reader *r) {
    const unsigned char *b = NULL;
    ito_status st = ito__pickle_take(r, 8, &b);
    if (st != ITO_OK) return st;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | b[i];
    value *v = ito__pickle_new(r, ITO__PICKLE_FLOAT);
    if (v) memcpy(&v->real, &bits, sizeof bits);
    return ito__pickle_push(r, v);
}

/* INT, LONG. "00" and "01" are how protocol 0 spells False and True; as numbers they serve. */
ito_status ito__pickle_push_line_int(reader *r) {
    int64_t number = 0;
    ito_status st = ito__pickle_line_number(r, &number);
    return st == ITO_OK ? ito__pickle_push_int(r, ITO__PICKLE_INT, number) : st;
}

ito_status ito__pickle_push_line_float(reader *r) {
    char text[64];
    ito_status st = take_short_line(r, text);
    if (st != ITO_OK) return st;
    value *v = ito__pickle_new(r, ITO__PICKLE_FLOAT);
    if (v) v->real = ito__decimal_read(text, NULL);
    return ito__pickle_push(r, v);
}

/* ---- text ---- */

static ito_status push_text(reader *r, const void *bytes, size_t n) {
    value *v = ito__pickle_new(r, ITO__PICKLE_STRING);
    char *copy = ito__pickle_alloc(r->p, n + 1);
    if (!v || !copy) return ito__pickle_no_memory(r);
    memcpy(copy, bytes, n);
    copy[n] = '\0';
    v->text = copy;
    v->count = n;
    return ito__pickle_push(r, v);
}

/* BINUNICODE, BINBYTES and their kin, of 1, 4 or 8 bytes of length. */
ito_status ito__pickle_push_string(reader *r, size_t length_bytes) {
    uint64_t n = 0;
    const unsigned char *bytes = NULL;
    ito_status st;
    if ((st = ito__pickle_number(r, length_bytes, &n)) != ITO_OK) return st;
    if (n > r->length) return ito__pickle_damaged(r, "it ends early");
    if ((st = ito__pickle_take(r, (size_t)n, &bytes)) != ITO_OK) return st;
    return push_text(r, bytes, (size_t)n);
}

/* STRING and UNICODE, quotes and escapes left as they are: torch.save writes neither. */
ito_status ito__pickle_push_line_string(reader *r) {
    const char *line = NULL;
    size_t length = 0;
    ito_status st = take_line(r, &line, &length);
    return st == ITO_OK ? push_text(r, line, length) : st;
}

/* ---- globals ---- */

/* What a message can show of a name from a file: printable ASCII, the rest as '?'. */
static void printable(char *out, size_t room, const char *text, size_t n) {
    size_t used = 0;
    for (; used < n && used + 1 < room; used++)
        out[used] = text[used] >= ' ' && text[used] <= '~' ? text[used] : '?';
    out[used] = '\0';
}

static ito_status push_named(reader *r, const char *module, size_t n, const char *name, size_t m) {
    char shown[2][101];
    for (const char *const *g = r->globals; *g; g++) {
        if (strlen(*g) != n + 1 + m || memcmp(*g, module, n) != 0 || (*g)[n] != '.' ||
            memcmp(*g + n + 1, name, m) != 0)
            continue;
        value *v = ito__pickle_new(r, ITO__PICKLE_GLOBAL);
        if (v) v->text = *g;
        return ito__pickle_push(r, v);
    }
    printable(shown[0], sizeof shown[0], module, n);
    printable(shown[1], sizeof shown[1], name, m);
    return ito_error_set(r->err, ITO_E_UNSUPPORTED,
                         "%s: its pickle names the global \"%s.%s\", which tensors do not need: ito runs no "
                         "code from files, so get it from a source you trust or save the tensors alone",
                         r->path, shown[0], shown[1]);
}

ito_status ito__pickle_push_global(reader *r) {
    const char *module = NULL, *name = NULL;
    size_t n = 0, m = 0;
    ito_status st;
    if ((st = take_line(r, &module, &n)) != ITO_OK) return st;
    if ((st = take_line(r, &name, &m)) != ITO_OK) return st;
    return push_named(r, module, n, name, m);
}

ito_status ito__pickle_push_stack_global(reader *r) {
    value *module = NULL, *name = NULL;
    ito_status st;
    if ((st = ito__pickle_pop(r, &name)) != ITO_OK) return st;
    if ((st = ito__pickle_pop(r, &module)) != ITO_OK) return st;
    if (module->kind != ITO__PICKLE_STRING || name->kind != ITO__PICKLE_STRING)
        return ito__pickle_damaged(r, "a global without a name");
    return push_named(r, module->text, module->count, name->text, name->count);
}
