/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of an ito_tuning, and its text:
 *
 *     ito-tuning 1
 *     AMD EPYC 00a10f11, isa e7, oneDNN 2.6.3 N/A, ito 3<tab>conv2d frozen f32 ...<tab>winograd f32 ours ...
 *
 * One entry a line. Entries of other machines are kept, so that machines may share a file.
 */
#include "engine/tuning.h"

#include "core/memory.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char first_line[] = "ito-tuning 1\n";

/* Beyond this many entries the oldest are forgotten. */
enum { MOST = 2048, MACHINE = 192 };

typedef struct entry {
    char *key; /* machine<tab>work; its block holds the choice too */
    const char *choice;
} entry;

struct ito_tuning {
    char machine[MACHINE];
    entry *entries; /* oldest first */
    int count, capacity;
    int64_t measured;
    bool looks_only;
};

/* ---- the machine ---- */

#if defined(__x86_64__)
/* "AMD EPYC 9R14 00a10f11": the brand and the signature (family, model, stepping), as hypervisors shorten the
 * former. */
static void name_processor(char *out, size_t size) {
    unsigned words[12] = {0}, a = 0, b, c, d;
    char brand[sizeof words + 1] = "";
    for (unsigned i = 0; i < 3; i++)
        __get_cpuid(0x80000002u + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    memcpy(brand, words, sizeof words);
    brand[sizeof words] = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) a = 0;
    snprintf(out, size, "%s %08x", brand, a);
}
#else
static void name_processor(char *out, size_t size) {
    snprintf(out, size, "processor");
}
#endif

/* Printable ASCII in, single blanks between words. */
static void tidy(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        const bool blank = *from <= ' ' || *from > '~';
        if (!blank)
            *to++ = *from;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    if (to > text && to[-1] == ' ') to--;
    *to = 0;
}

/* Raised when kernels of ours get faster or take more: what was fastest before is not known to be so any
 * more. */
enum { OWN_KERNELS = 3 };

static void name_machine(char out[MACHINE]) {
    char processor[MACHINE / 2];
    const dnnl_version_t *v = dnnl_version();
    name_processor(processor, sizeof processor);
    snprintf(out, MACHINE, "%s, isa %x, oneDNN %d.%d.%d %.16s, ito %d", processor,
             (unsigned)dnnl_get_effective_cpu_isa(), v->major, v->minor, v->patch, v->hash, OWN_KERNELS);
    tidy(out);
}

/* ---- the table ---- */

ito_status ito_tuning_create(ito_tuning **out, ito_error *err) {
    ito_tuning *t = *out = ito__calloc(1, sizeof *t);
    if (!t) return ito_error_set(err, ITO_E_NOMEM, "tuning: out of memory: free some");
    name_machine(t->machine);
    return ITO_OK;
}

void ito_tuning_free(ito_tuning *t) {
    if (!t) return;
    for (int i = 0; i < t->count; i++) ito__free(t->entries[i].key);
    ito__free(t->entries);
    ito__free(t);
}

void ito_tuning_measure(ito_tuning *t, bool measure) {
    t->looks_only = !measure;
}

bool ito__tuning_measures(const ito_tuning *t) {
    return !t->looks_only;
}

int64_t ito_tuning_measured(const ito_tuning *t) {
    return t->measured;
}

const char *ito__tuning_machine(const ito_tuning *t) {
    return t->machine;
}

static int find(const ito_tuning *t, const char *key) {
    for (int i = t->count - 1; i >= 0; i--)
        if (strcmp(t->entries[i].key, key) == 0) return i;
    return -1;
}

const char *ito__tuning_find(const ito_tuning *t, const char *key) {
    int i = find(t, key);
    return i < 0 ? NULL : t->entries[i].choice;
}

static void forget(ito_tuning *t, int i) {
    ito__free(t->entries[i].key);
    t->count--;
    memmove(&t->entries[i], &t->entries[i + 1], (size_t)(t->count - i) * sizeof *t->entries);
}

static ito_status no_memory(ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "tuning: out of memory for an entry: free some");
}

static ito_status append(ito_tuning *t, const char *key, const char *choice, ito_error *err) {
    if (t->count == t->capacity) {
        const int larger = t->capacity ? 2 * t->capacity : 128;
        entry *copy = ito__calloc((size_t)larger, sizeof *copy);
        if (!copy) return no_memory(err);
        if (t->count) memcpy(copy, t->entries, (size_t)t->count * sizeof *copy);
        ito__free(t->entries);
        t->entries = copy;
        t->capacity = larger;
    }
    const size_t key_size = strlen(key) + 1, choice_size = strlen(choice) + 1;
    char *block = ito__alloc(key_size + choice_size, 1);
    if (!block) return no_memory(err);
    memcpy(block, key, key_size);
    memcpy(block + key_size, choice, choice_size);
    if (t->count == MOST) forget(t, 0);
    t->entries[t->count++] = (entry){block, block + key_size};
    return ITO_OK;
}

ito_status ito__tuning_set(ito_tuning *t, const char *key, const char *choice, ito_error *err) {
    const int old = find(t, key);
    ito_status st = append(t, key, choice, err);
    if (st != ITO_OK) return st;
    if (old >= 0 && strcmp(t->entries[old].key, key) == 0) forget(t, old);
    t->measured++;
    return ITO_OK;
}

/* ---- text ---- */

/* Splits the line at *at, "key<tab>work<tab>choice\n", and moves on. false: it is none. */
static bool next_line(const char **at, char key[ITO__TUNING_KEY], char choice[ITO__TUNING_CHOICE]) {
    const char *line = *at, *end = strchr(line, '\n');
    const char *machine_end = end ? memchr(line, '\t', (size_t)(end - line)) : NULL;
    const char *key_end = machine_end ? memchr(machine_end + 1, '\t', (size_t)(end - machine_end - 1)) : NULL;
    if (!key_end || key_end - line >= ITO__TUNING_KEY || end - key_end - 1 >= ITO__TUNING_CHOICE)
        return false;
    for (const char *c = line; c < end; c++)
        if ((*c < ' ' || *c > '~') && c != machine_end && c != key_end) return false;
    memcpy(key, line, (size_t)(key_end - line));
    key[key_end - line] = 0;
    memcpy(choice, key_end + 1, (size_t)(end - key_end - 1));
    choice[end - key_end - 1] = 0;
    *at = end + 1;
    return true;
}

ito_status ito_tuning_add(ito_tuning *t, const char *text, ito_error *err) {
    char key[ITO__TUNING_KEY], choice[ITO__TUNING_CHOICE];
    ito_status st = ITO_OK;
    if (strncmp(text, first_line, sizeof first_line - 1) != 0)
        return ito_error_set(err, ITO_E_FORMAT,
                             "tuning: the text does not begin with \"ito-tuning 1\": remove the file");
    const char *body = text + sizeof first_line - 1;
    int lines = 1;
    for (const char *at = body; *at; lines++) /* all or nothing: it is read twice */
        if (!next_line(&at, key, choice))
            return ito_error_set(err, ITO_E_FORMAT, "tuning: line %d is no entry: remove the file",
                                 lines + 1);
    for (const char *at = body; *at && st == ITO_OK;) {
        next_line(&at, key, choice);
        if (find(t, key) < 0) st = append(t, key, choice, err);
    }
    return st;
}

char *ito_tuning_text(const ito_tuning *t) {
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    if (!f) return NULL;
    fputs(first_line, f);
    for (int i = 0; i < t->count; i++) fprintf(f, "%s\t%s\n", t->entries[i].key, t->entries[i].choice);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}
