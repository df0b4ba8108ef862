/* SPDX-License-Identifier: Apache-2.0
 *
 * One recipe value: from text into the struct, checked against its row of the schema, and back to text.
 */
#include "core/decimal.h"
#include "models/recipe_schema.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(ito_sde_kind) == sizeof(int) && sizeof(ito_architecture) == sizeof(int),
              "enum fields are read and written as ints");

enum { MAX_ENTRIES = 32, MAX_WORDS = 256 };

static const void *at(const ito__field *field, const ito_recipe *r) {
    return (const char *)r + field->offset;
}

/* "network.nf", or "name" for a field outside the sections. */
static const char *title(const ito__field *field, char out[64]) {
    snprintf(out, 64, "%s%s%s", field->section, field->section[0] ? "." : "", field->key);
    return out;
}

/* "ve, vp, subvp" from an enum's words or a table of names. */
static const char *known_words(const ito__field *field, char out[MAX_WORDS]) {
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; used < MAX_WORDS; i++) {
        const char *word = field->words ? field->words[i] : field->name_at(i);
        if (!word) break;
        int n = snprintf(out + used, MAX_WORDS - used, "%s%s", i ? ", " : "", word);
        used += n > 0 ? (size_t)n : 0;
    }
    return out;
}

static size_t bytes_of(const ito__field *field) {
    switch (field->kind) {
    case ITO__FIELD_BOOL: return sizeof(bool);
    case ITO__FIELD_INT: return sizeof(int64_t);
    case ITO__FIELD_SEED: return sizeof(uint64_t);
    case ITO__FIELD_REAL: return sizeof(double);
    case ITO__FIELD_ENUM: return sizeof(int);
    case ITO__FIELD_LIST: return field->capacity * sizeof(int64_t);
    case ITO__FIELD_NAME:
    case ITO__FIELD_TEXT:
    case ITO__FIELD_WORD: return field->capacity;
    }
    return 0;
}

void ito__field_copy(const ito__field *field, const ito_recipe *from, ito_recipe *to) {
    memcpy((char *)to + field->offset, at(field, from), bytes_of(field));
    if (field->kind == ITO__FIELD_LIST)
        memcpy((char *)to + field->count_offset, (const char *)from + field->count_offset, sizeof(int));
}

/* ---- numbers as text ---- */

static bool read_real(const char *text, double *out) {
    if (!text[0] || strspn(text, "+-.0123456789eE") != strlen(text))
        return false; /* no hexadecimal, nan, inf */
    char *end;
    double x = ito__decimal_read(text, &end);
    if (*end || !isfinite(x)) return false;
    *out = x;
    return true;
}

/* Whole numbers may also be written 1e6. */
static bool read_int(const char *text, int64_t *out) {
    double x;
    char *end;
    if (!read_real(text, &x)) return false;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*end) {
        if (floor(x) != x || fabs(x) > 9007199254740992.0) return false;
        n = (long long)x;
    } else if (errno) {
        return false;
    }
    *out = n;
    return true;
}

static bool read_bool(const char *text, bool *out) {
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(text, yes[i]) == 0) return *out = true, true;
        if (strcmp(text, no[i]) == 0) return *out = false, true;
    }
    return false;
}

static bool read_seed(const char *text, uint64_t *out) {
    char *end;
    if (!text[0] || strspn(text, "0123456789") != strlen(text)) return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*end || errno) return false;
    *out = n;
    return true;
}

/* "[1, 2, 2]", "1,2,2" or "" -> entries. False when one is no number or there are more than MAX_ENTRIES. */
static bool read_list(const char *text, int *count, int64_t entries[MAX_ENTRIES]) {
    char copy[512];
    size_t length = strlen(text);
    if (length && text[0] == '[') {
        if (text[length - 1] != ']') return false;
        text++;
        length -= 2;
    }
    if (length >= sizeof copy) return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    *count = 0;
    for (char *entry = copy, *next; entry; entry = next) {
        next = strchr(entry, ',');
        if (next) *next++ = '\0';
        while (isspace((unsigned char)*entry)) entry++;
        size_t n = strlen(entry);
        while (n && isspace((unsigned char)entry[n - 1])) entry[--n] = '\0';
        if (!n && !next && *count == 0) return true; /* the empty list */
        if (*count == MAX_ENTRIES || !read_int(entry, &entries[*count])) return false;
        ++*count;
    }
    return true;
}

/* ---- checks ---- */

static ito_status bad(const ito__field *field, const char *text, const char *where, ito_error *err) {
    char name[64], words[MAX_WORDS];
    title(field, name);
    switch (field->kind) {
    case ITO__FIELD_BOOL:
        return ito_error_set(err, ITO_E_ARG, "%s: %s is \"%.60s\", expected true or false: correct it", where,
                             name, text);
    case ITO__FIELD_INT:
        return ito_error_set(err, ITO_E_ARG,
                             "%s: %s is %.60s, expected a whole number from %.15g to %.15g: correct it",
                             where, name, text, field->min, field->max);
    case ITO__FIELD_SEED:
        return ito_error_set(err, ITO_E_ARG,
                             "%s: %s is %.60s, expected a whole number from 0 to 2^64 - 1: correct it", where,
                             name, text);
    case ITO__FIELD_REAL:
        return ito_error_set(err, ITO_E_ARG,
                             "%s: %s is %.60s, expected a number from %.15g to %.15g: correct it", where,
                             name, text, field->min, field->max);
    case ITO__FIELD_NAME:
        return ito_error_set(err, ITO_E_ARG,
                             "%s: %s is \"%.60s\", expected 1 to %d letters, digits, '.', '_', '-' or, "
                             "inside, ':', not starting "
                             "with '.' or '-': choose another",
                             where, name, text, (int)field->capacity - 1);
    case ITO__FIELD_TEXT:
        return ito_error_set(err, ITO_E_ARG, "%s: %s has %d bytes, at most %d fit: shorten it", where, name,
                             (int)strlen(text), (int)field->capacity - 1);
    case ITO__FIELD_WORD:
    case ITO__FIELD_ENUM:
        return ito_error_set(err, ITO_E_ARG, "%s: %s is \"%.60s\", unknown: use one of %s", where, name, text,
                             known_words(field, words));
    case ITO__FIELD_LIST:
        return ito_error_set(
            err, ITO_E_ARG,
            "%s: %s is %.60s, expected at most %d whole numbers from %.15g to %.15g as [1, 2]: correct it",
            where, name, text, (int)field->capacity, field->min, field->max);
    }
    return ito_error_set(err, ITO_E_ARG, "%s: %s is not a field: correct it", where, name);
}

static bool word_known(const ito__field *field, const char *text) {
    const char *name;
    for (int i = 0; (name = field->name_at(i)); i++) {
        if (strcmp(name, text) == 0) return true;
    }
    return false;
}

/* A name becomes part of a path, so it neither leaves its folder nor looks like an option. A colon inside, as
 * in gmm:moons, is no YAML; one at an end would be. */
static bool name_fits(const char *text) {
    const size_t length = strlen(text);
    for (const char *c = text; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("._-:", *c)) return false;
    }
    return length > 0 && !strchr(".-:", text[0]) && text[length - 1] != ':';
}

static bool fits(const ito__field *field, const ito_recipe *r) {
    const void *p = at(field, r);
    switch (field->kind) {
    case ITO__FIELD_BOOL:
    case ITO__FIELD_SEED: return true;
    case ITO__FIELD_INT: {
        double x = (double)*(const int64_t *)p;
        return x >= field->min && x <= field->max;
    }
    case ITO__FIELD_REAL: {
        double x = *(const double *)p;
        return x >= field->min && x <= field->max; /* NaN is neither */
    }
    case ITO__FIELD_NAME: return name_fits(p);
    case ITO__FIELD_TEXT: return true;
    case ITO__FIELD_WORD: return word_known(field, p);
    case ITO__FIELD_ENUM: {
        int index = *(const int *)p, words = 0;
        while (field->words[words]) words++;
        return index >= 0 && index < words;
    }
    case ITO__FIELD_LIST: {
        int count = *(const int *)(const void *)((const char *)r + field->count_offset);
        if (count < 0 || count > (int)field->capacity) return false;
        for (int i = 0; i < count; i++) {
            double x = (double)((const int64_t *)p)[i];
            if (x < field->min || x > field->max) return false;
        }
        return true;
    }
    }
    return false;
}

ito_status ito__field_check(const ito__field *field, const ito_recipe *r, const char *where, ito_error *err) {
    if (fits(field, r)) return ITO_OK;
    const void *p = at(field, r);
    char text[64] = "";
    switch (field->kind) {
    case ITO__FIELD_INT: snprintf(text, sizeof text, "%" PRId64, *(const int64_t *)p); break;
    case ITO__FIELD_REAL: snprintf(text, sizeof text, "%.15g", *(const double *)p); break;
    case ITO__FIELD_ENUM: snprintf(text, sizeof text, "%d", *(const int *)p); break;
    case ITO__FIELD_LIST: snprintf(text, sizeof text, "out of range"); break;
    default: return bad(field, p, where, err);
    }
    return bad(field, text, where, err);
}

/* ---- set ---- */

static bool store(const ito__field *field, ito_recipe *r, const char *text) {
    void *p = (char *)r + field->offset;
    switch (field->kind) {
    case ITO__FIELD_BOOL: return read_bool(text, p);
    case ITO__FIELD_INT: return read_int(text, p);
    case ITO__FIELD_SEED: return read_seed(text, p);
    case ITO__FIELD_REAL: return read_real(text, p);
    case ITO__FIELD_NAME:
    case ITO__FIELD_TEXT:
    case ITO__FIELD_WORD: {
        size_t length = strlen(text);
        if (length >= field->capacity) return false;
        memset(p, 0, field->capacity); /* the same recipe is the same bytes, whatever it held before */
        memcpy(p, text, length);
        return true;
    }
    case ITO__FIELD_ENUM:
        for (int i = 0; field->words[i]; i++) {
            if (strcmp(field->words[i], text) == 0) return memcpy(p, &i, sizeof i), true;
        }
        return false;
    case ITO__FIELD_LIST: {
        int64_t entries[MAX_ENTRIES];
        int count;
        if (!read_list(text, &count, entries) || count > (int)field->capacity) return false;
        memset(p, 0, field->capacity * sizeof(int64_t));
        memcpy(p, entries, (size_t)count * sizeof(int64_t));
        memcpy((char *)r + field->count_offset, &count, sizeof count);
        return true;
    }
    }
    return false;
}

ito_status ito__field_set(const ito__field *field, ito_recipe *r, const char *text, const char *where,
                          ito_error *err) {
    ito_recipe changed = *r;
    if (!store(field, &changed, text) || !fits(field, &changed)) return bad(field, text, where, err);
    *r = changed;
    return ITO_OK;
}

/* ---- print ---- */

static void print_real(double x, FILE *out) {
    char text[ITO__DECIMAL_TEXT];
    ito__decimal_write(x, text);
    fputs(text, out);
}

/* A double-quoted YAML scalar: bytes above 127 are UTF-8 and pass as they are. */
static void print_quoted(const char *text, FILE *out) {
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\') {
            fprintf(out, "\\%c", *c);
        } else if ((unsigned char)*c < 32 || *c == 127) {
            fprintf(out, "\\x%02X", (unsigned)(unsigned char)*c);
        } else {
            fputc(*c, out);
        }
    }
    fputc('"', out);
}

void ito__field_print(const ito__field *field, const ito_recipe *r, FILE *out) {
    const void *p = at(field, r);
    switch (field->kind) {
    case ITO__FIELD_BOOL: fputs(*(const bool *)p ? "true" : "false", out); break;
    case ITO__FIELD_INT: fprintf(out, "%" PRId64, *(const int64_t *)p); break;
    case ITO__FIELD_SEED: fprintf(out, "%" PRIu64, *(const uint64_t *)p); break;
    case ITO__FIELD_REAL: print_real(*(const double *)p, out); break;
    case ITO__FIELD_NAME:
    case ITO__FIELD_WORD: fputs(p, out); break;
    case ITO__FIELD_TEXT: print_quoted(p, out); break;
    case ITO__FIELD_ENUM: fputs(field->words[*(const int *)p], out); break;
    case ITO__FIELD_LIST: {
        int count = *(const int *)(const void *)((const char *)r + field->count_offset);
        fputc('[', out);
        for (int i = 0; i < count; i++) fprintf(out, "%s%" PRId64, i ? ", " : "", ((const int64_t *)p)[i]);
        fputc(']', out);
        break;
    }
    }
}
