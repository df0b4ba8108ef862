/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy headers. The dictionary has exactly the keys descr, fortran_order and shape, in any order, for example
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 * and spaces to a multiple of 64 bytes, closed by a newline. Version 1.0 stores its length in 2 bytes, 2.0
 * and 3.0 in 4. Source: the format's description in numpy.lib.format.
 */
#include "formats/npy.h"

#include "formats/tensor_file.h"

#include <stdio.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";

enum { MAGIC = sizeof magic - 1, ALIGNMENT = 64 };

static const char *const descriptions[ITO_DTYPE_COUNT] = {
    [ITO_DTYPE_F64] = "<f8", [ITO_DTYPE_F32] = "<f4", [ITO_DTYPE_F16] = "<f2",
    [ITO_DTYPE_I64] = "<i8", [ITO_DTYPE_I32] = "<i4", [ITO_DTYPE_U8] = "|u1",
};

ito_status ito__npy_header(const char *path, const ito_tensor *t, char header[ITO__NPY_HEADER_MAX],
                           size_t *length, ito_error *err) {
    enum { PREAMBLE = MAGIC + 4 }; /* magic, version, length */
    char text[ITO__NPY_HEADER_MAX];
    if (descriptions[t->dtype] == NULL)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "%s: array \"%.200s\" is %s, which .npy cannot hold: convert it to F32 first",
                             path, t->name, ito_dtype_name(t->dtype));
    int used = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                        descriptions[t->dtype]);
    for (int k = 0; k < t->rank; k++) /* a single dimension keeps a comma: (3,) */
        used += snprintf(text + used, sizeof text - (size_t)used, "%lld%s", (long long)t->dim[k],
                         t->rank == 1      ? ","
                         : k + 1 < t->rank ? ", "
                                           : "");
    used += snprintf(text + used, sizeof text - (size_t)used, "), }");

    size_t whole = (PREAMBLE + (size_t)used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t dictionary = whole - PREAMBLE;
    memcpy(header, magic, MAGIC);
    header[MAGIC] = 1; /* version 1.0 */
    header[MAGIC + 1] = 0;
    header[MAGIC + 2] = (char)(dictionary & 255);
    header[MAGIC + 3] = (char)(dictionary >> 8);
    memset(header + PREAMBLE, ' ', dictionary);
    memcpy(header + PREAMBLE, text, (size_t)used);
    header[whole - 1] = '\n';
    *length = whole;
    return ITO_OK;
}

/* ---- reading ---- */

/* What is left of the dictionary. */
typedef struct cursor {
    const char *next, *end;
} cursor;

static void skip_space(cursor *c) {
    while (c->next < c->end && (*c->next == ' ' || *c->next == '\n')) c->next++;
}

/* Takes `word` if the dictionary goes on with it, spaces aside. */
static bool take(cursor *c, const char *word) {
    size_t length = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->next) < length || memcmp(c->next, word, length) != 0) return false;
    c->next += length;
    return true;
}

/* 'text' into out, without its quotes. */
static bool take_string(cursor *c, char *out, size_t room) {
    size_t n = 0;
    skip_space(c);
    if (c->next == c->end || (*c->next != '\'' && *c->next != '"')) return false;
    char quote = *c->next++;
    while (c->next < c->end && *c->next != quote) {
        if (n + 1 == room) return false;
        out[n++] = *c->next++;
    }
    out[n] = '\0';
    return c->next < c->end && c->next++ != NULL;
}

static bool take_number(cursor *c, int64_t *out) {
    int64_t value = 0;
    skip_space(c);
    const char *first = c->next;
    while (c->next < c->end && *c->next >= '0' && *c->next <= '9') {
        int digit = *c->next++ - '0';
        if (value > (INT64_MAX - digit) / 10) return false;
        value = 10 * value + digit;
    }
    *out = value;
    return c->next > first;
}

/* () or (3,) or (3, 4) */
static bool take_shape(cursor *c, ito_tensor *t) {
    t->rank = 0;
    if (!take(c, "(")) return false;
    while (!take(c, ")")) {
        if (t->rank == ITO_TENSOR_MAX_RANK || !take_number(c, &t->dim[t->rank])) return false;
        t->rank++;
        if (!take(c, ",")) return take(c, ")");
    }
    return true;
}

/* A header holds each of the three once. */
static bool take_dictionary(cursor *c, char *description, size_t room, bool *fortran, ito_tensor *t) {
    bool has_description = false, has_order = false, has_shape = false;
    char key[16];
    if (!take(c, "{")) return false;
    while (!take(c, "}")) {
        if (!take_string(c, key, sizeof key) || !take(c, ":")) return false;
        bool known = false;
        if (strcmp(key, "descr") == 0 && !has_description) {
            known = has_description = take_string(c, description, room);
        } else if (strcmp(key, "fortran_order") == 0 && !has_order) {
            *fortran = take(c, "True");
            known = has_order = *fortran || take(c, "False");
        } else if (strcmp(key, "shape") == 0 && !has_shape) {
            known = has_shape = take_shape(c, t);
        }
        if (!known) return false;
        if (!take(c, ",")) {
            if (!take(c, "}")) return false;
            break;
        }
    }
    skip_space(c);
    return has_description && has_order && has_shape && c->next == c->end;
}

static ito_status damaged(const char *path, const ito_tensor *t, const char *what, ito_error *err) {
    return ito_error_set(err, ITO_E_FORMAT, "%s: array \"%.200s\" %s: the file is damaged, get it again",
                         path, t->name, what);
}

/* Finds the dictionary and where the values begin. */
static bool find_dictionary(const unsigned char *bytes, size_t length, cursor *c) {
    if (length < MAGIC + 4 || memcmp(bytes, magic, MAGIC) != 0) return false;
    int version = bytes[MAGIC];
    size_t begin = MAGIC + (version == 1 ? 4 : 6);
    if (version < 1 || version > 3 || length < begin) return false;
    size_t size = bytes[MAGIC + 2] | (size_t)bytes[MAGIC + 3] << 8;
    if (version > 1) size |= (size_t)bytes[MAGIC + 4] << 16 | (size_t)bytes[MAGIC + 5] << 24;
    if (size > length - begin) return false;
    c->next = (const char *)bytes + begin;
    c->end = c->next + size;
    return true;
}

static bool find_dtype(const char *description, ito_dtype *out) {
    /* One byte has no order, so its sign varies between writers; a bool is a byte of 0 or 1. */
    if (strcmp(description, "<u1") == 0 || strcmp(description, "|b1") == 0) description = "|u1";
    for (int k = 0; k < ITO_DTYPE_COUNT; k++) {
        if (descriptions[k] == NULL || strcmp(description, descriptions[k]) != 0) continue;
        *out = (ito_dtype)k;
        return true;
    }
    return false;
}

ito_status ito__npy_parse(const char *path, const void *bytes, size_t length, ito_tensor *t, ito_error *err) {
    cursor c;
    char description[16];
    bool fortran = false;
    if (!find_dictionary(bytes, length, &c)) return damaged(path, t, "has no .npy header", err);
    const char *values = c.end;
    if (!take_dictionary(&c, description, sizeof description, &fortran, t))
        return damaged(path, t, "has an unreadable .npy header", err);
    if (!find_dtype(description, &t->dtype))
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "%s: array \"%.200s\" has type '%s': store it as <f8, <f4, <f2, <i8, <i4 or |u1",
                             path, t->name, description);
    if (fortran && t->rank > 1)
        return ito_error_set(
            err, ITO_E_UNSUPPORTED,
            "%s: array \"%.200s\" is in column order: store it in row order (numpy.ascontiguousarray)", path,
            t->name);
    if (!ito__tensor_count(t, &t->count)) return damaged(path, t, "has an impossible shape", err);
    if ((size_t)t->count * ito_dtype_size(t->dtype) != length - (size_t)(values - (const char *)bytes))
        return damaged(path, t, "is not as long as its shape says", err);
    t->data = values;
    return ITO_OK;
}
