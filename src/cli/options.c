/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the command line by tables: --name value, --name=value, -n value, -nvalue, "--" ends options.
 * Options and other words may come in any order. A long option may be shortened while it stays unique.
 */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *precision_choice(int index) {
    static const ito_precision choices[] = {ITO_F32, ITO_BF16};
    return index < 2 ? ito_precision_name(choices[index]) : NULL;
}

static const char *isa_choice(int index) {
    return index < ITO_ISA_COUNT ? ito_isa_name((ito_isa)index) : NULL;
}

#define AT(field) offsetof(cli_common, field)
const cli_option cli_common_options[] = {
    {"seed", 0, "N", CLI_INTEGER, AT(seed), "random seed (default: the recipe's)", 0, NULL},
    {"threads", 0, "N", CLI_INTEGER, AT(threads), "threads to use (default: all cores)", 1, NULL},
    {"batch", 0, "N", CLI_INTEGER, AT(batch), "images handled at once", 1, NULL},
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), "arithmetic of the network", 0, precision_choice},
    {"isa", 0, "NAME", CLI_CHOICE, AT(isa), "instruction set to use at most", 0, isa_choice},
    {"exact", 0, NULL, CLI_FLAG, AT(exact), "convolutions by direct summation only", 0, NULL},
    {"tuning", 0, "auto|yes|no|FILE", CLI_TEXT, AT(tuning),
     "choose convolutions by timings, kept in the cache or FILE", 0, NULL},
    {"set", 0, "KEY=VALUE", CLI_LIST, AT(set), "change a field of the recipe (repeatable)", 0, NULL},
    {"out", 'o', "PATH", CLI_TEXT, AT(out), "where the result goes", 0, NULL},
    {"json", 0, NULL, CLI_FLAG, AT(json), "print the result as one JSON object", 0, NULL},
    {"quiet", 'q', NULL, CLI_FLAG, AT(quiet), "no progress and no remarks on stderr", 0, NULL},
    {"help", 'h', NULL, CLI_FLAG, AT(help), "show this help", 0, NULL},
    {.name = NULL},
};
#undef AT

/* ---- finding */

/* The verb's own options first, then the common ones: option number `index` over both tables. */
static const cli_option *option_at(const cli_verb *verb, int index) {
    int own = 0;
    while (verb->options && verb->options[own].name) own++;
    if (index < own) return &verb->options[index];
    const cli_option *o = cli_common_options;
    for (index -= own; index > 0 && o->name; index--) o++;
    return o->name ? o : NULL;
}

static const char *option_name(const void *verb, int index) {
    const cli_option *o = option_at(verb, index);
    return o ? o->name : NULL;
}

/* Levenshtein distance of two short words, or `limit` when one of them is long. */
static int distance(const char *a, const char *b, int limit) {
    enum { WIDTH = 48 };
    int row[WIDTH];
    size_t na = strlen(a), nb = strlen(b);
    if (na >= WIDTH || nb >= WIDTH) return limit;
    for (size_t j = 0; j <= nb; j++) row[j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[nb];
}

const char *cli_nearest(const char *word, const char *(*names)(const void *self, int index),
                        const void *self) {
    const char *best = NULL;
    int length = (int)strlen(word);
    /* More edits than a third of the word (at least two) make it another word. */
    int limit = length / 3 > 2 ? length / 3 : 2, best_distance = limit + 1;
    for (int i = 0;; i++) {
        const char *name = names(self, i);
        if (!name) break;
        bool begins = length >= 2 && strncmp(word, name, (size_t)length) == 0;
        int d = begins ? 0 : distance(word, name, limit + 1);
        if (d < best_distance) {
            best = name;
            best_distance = d;
        }
    }
    return best;
}

static ito_status unknown_option(const cli_verb *verb, const char *word, ito_error *err) {
    char name[64];
    snprintf(name, sizeof name, "%s", word + strspn(word, "-"));
    name[strcspn(name, "=")] = 0;
    const char *near = cli_nearest(name, option_name, verb);
    if (near) {
        return ito_error_set(err, ITO_E_ARG, "%s: no such option of ito %s: did you mean --%s?", word,
                             verb->name, near);
    }
    return ito_error_set(err, ITO_E_ARG, "%s: no such option of ito %s: see ito help %s", word, verb->name,
                         verb->name);
}

static ito_status find_long(const cli_verb *verb, const char *word, const cli_option **out, ito_error *err) {
    const char *name = word + 2;
    size_t length = strcspn(name, "=");
    const cli_option *match = NULL;
    int matches = 0;
    for (int i = 0;; i++) {
        const cli_option *o = option_at(verb, i);
        if (!o) break;
        if (strncmp(o->name, name, length) != 0) continue;
        match = o;
        matches++;
        if (o->name[length] == 0) {
            matches = 1;
            break;
        }
    }
    if (matches > 1) {
        return ito_error_set(err, ITO_E_ARG, "%s: could be several options of ito %s: write it out", word,
                             verb->name);
    }
    if (!match) return unknown_option(verb, word, err);
    *out = match;
    return ITO_OK;
}

static ito_status find_short(const cli_verb *verb, const char *word, const cli_option **out, ito_error *err) {
    for (int i = 0;; i++) {
        const cli_option *o = option_at(verb, i);
        if (!o) break;
        if (o->letter && o->letter == word[1]) {
            *out = o;
            return ITO_OK;
        }
    }
    return unknown_option(verb, word, err);
}

/* ---- values */

static ito_status set_integer(const cli_option *o, const char *value, int64_t *out, ito_error *err) {
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end != 0 || errno == ERANGE) {
        return ito_error_set(err, ITO_E_ARG, "--%s: \"%s\" is not a whole number: give one of at least %lld",
                             o->name, value, (long long)o->least);
    }
    if (number < o->least) {
        return ito_error_set(err, ITO_E_ARG, "--%s: is %lld: use at least %lld", o->name, number,
                             (long long)o->least);
    }
    *out = number;
    return ITO_OK;
}

static ito_status set_number(const cli_option *o, const char *value, double *out, ito_error *err) {
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end != 0 || !isfinite(number)) {
        return ito_error_set(err, ITO_E_ARG, "--%s: \"%s\" is not a number: give one of at least %lld",
                             o->name, value, (long long)o->least);
    }
    if (number < (double)o->least) {
        return ito_error_set(err, ITO_E_ARG, "--%s: is %g: use at least %lld", o->name, number,
                             (long long)o->least);
    }
    *out = number;
    return ITO_OK;
}

/* Powers of 1000, or of 1024 with an i: 12G, 800M, 12GB, 2GiB. */
static ito_status set_size(const cli_option *o, const char *value, int64_t *out, ito_error *err) {
    static const char units[] = "KMGT";
    char *end;
    double number = strtod(value, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (unit) end++;
    const bool binary = unit && *end == 'i';
    if (binary) end++;
    if (*end == 'B') end++;
    if (unit) number *= pow(binary ? 1024 : 1000, (double)(unit - units + 1));
    if (end == value || *end != 0 || !(number >= (double)o->least && number < 9e18)) {
        return ito_error_set(err, ITO_E_ARG, "--%s: \"%s\" is no size: give one like 800M or 12G", o->name,
                             value);
    }
    *out = (int64_t)number;
    return ITO_OK;
}

static const char *choice_name(const void *option, int index) {
    return ((const cli_option *)option)->choices(index);
}

static ito_status set_choice(const cli_option *o, const char *value, const char **out, ito_error *err) {
    char known[512] = "";
    size_t used = 0;
    for (int i = 0; o->choices(i); i++) {
        if (strcmp(o->choices(i), value) == 0) {
            *out = o->choices(i);
            return ITO_OK;
        }
        int wrote = snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", o->choices(i));
        if (wrote > 0 && (size_t)wrote < sizeof known - used) used += (size_t)wrote;
    }
    const char *near = cli_nearest(value, choice_name, o);
    if (near) {
        return ito_error_set(err, ITO_E_ARG, "--%s: \"%s\" is not one of %s: did you mean %s?", o->name,
                             value, known, near);
    }
    return ito_error_set(err, ITO_E_ARG, "--%s: \"%s\" is unknown: use one of %s", o->name, value, known);
}

static ito_status append(const char *what, cli_list *list, const char *value, ito_error *err) {
    if (list->count == CLI_LIST_MAX) {
        return ito_error_set(err, ITO_E_ARG, "%s: given more than %d times: put the values into a recipe",
                             what, CLI_LIST_MAX);
    }
    list->item[list->count++] = value;
    return ITO_OK;
}

static ito_status set_value(const cli_option *o, const char *value, void *options, ito_error *err) {
    void *field = (char *)options + o->offset;
    switch (o->type) {
    case CLI_FLAG: *(bool *)field = true; return ITO_OK;
    case CLI_INTEGER: return set_integer(o, value, field, err);
    case CLI_NUMBER: return set_number(o, value, field, err);
    case CLI_SIZE: return set_size(o, value, field, err);
    case CLI_TEXT: *(const char **)field = value; return ITO_OK;
    case CLI_CHOICE: return set_choice(o, value, field, err);
    case CLI_LIST: return append(o->name, field, value, err);
    }
    return ITO_OK;
}

/* ---- the command line */

/* Reads the option at words[*i] and its value; *i ends on the last word used. */
static ito_status parse_option(const cli_verb *verb, int n, char *const *words, int *i, void *options,
                               ito_error *err) {
    const char *word = words[*i], *value = NULL;
    const cli_option *o = NULL;
    ito_status st;
    bool is_long = word[1] == '-';
    if ((st = (is_long ? find_long : find_short)(verb, word, &o, err)) != ITO_OK) return st;
    if (is_long && strchr(word, '=')) value = strchr(word, '=') + 1;
    if (!is_long && word[2] != 0) value = word + 2;
    if (o->type == CLI_FLAG) {
        if (!value) return set_value(o, NULL, options, err);
        return ito_error_set(err, ITO_E_ARG, "%s: --%s takes no value: leave \"%s\" out", word, o->name,
                             value);
    }
    if (!value) {
        if (*i + 1 == n) {
            return ito_error_set(err, ITO_E_ARG, "%s: has no value: give --%s %s", word, o->name,
                                 o->argument);
        }
        value = words[++*i];
    }
    return set_value(o, value, options, err);
}

static ito_status check_words(const cli_verb *verb, const cli_common *common, ito_error *err) {
    int count = common->words.count;
    if (count < verb->least_words) {
        return ito_error_set(err, ITO_E_ARG, "%s: %s: give ito %s %s", verb->name,
                             count == 0 ? "nothing to work on" : "an argument is missing", verb->name,
                             verb->words);
    }
    if (count > verb->most_words) {
        return ito_error_set(err, ITO_E_ARG, "%s: one argument too many for ito %s: give ito %s %s",
                             common->words.item[verb->most_words], verb->name, verb->name, verb->words);
    }
    return ITO_OK;
}

ito_status cli_parse(const cli_verb *verb, int n, char *const *words, void *options, ito_error *err) {
    cli_common *common = options;
    memset(options, 0, verb->size);
    *common = (cli_common){
        .seed = -1, .threads = -1, .batch = -1, .precision = "f32", .isa = "auto", .tuning = "auto"};
    if (verb->defaults) verb->defaults(options);
    bool only_words = false;
    for (int i = 0; i < n; i++) {
        const char *word = words[i];
        ito_status st;
        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
        } else if (!only_words && word[0] == '-' && word[1] != 0) {
            if ((st = parse_option(verb, n, words, &i, options, err)) != ITO_OK) return st;
            if (common->help) return ITO_OK;
        } else if ((st = append("arguments", &common->words, word, err)) != ITO_OK) {
            return st;
        }
    }
    ito_status st = check_words(verb, common, err);
    return st == ITO_OK && verb->check ? verb->check(options, err) : st;
}
