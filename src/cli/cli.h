/* SPDX-License-Identifier: Apache-2.0
 *
 * The program `ito`: a table of verbs, each a record with its options, and what they share.
 *
 * A verb declares a struct of options whose first member is cli_common, and a table that says where each
 * option goes. The table alone drives parsing, --help, and the suggestions in error messages. Verbs are
 * written on the public headers: whatever they do, an embedding program can do.
 */
#ifndef ITO_CLI_H
#define ITO_CLI_H

#include <ito/engine.h>
#include <ito/recipe.h>
#include <ito/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;

/* ---- options: options.c */

typedef enum cli_type {
    CLI_FLAG,    /* bool; takes no argument */
    CLI_INTEGER, /* int64_t, at least `least` */
    CLI_NUMBER,  /* double, at least `least` */
    CLI_SIZE,    /* int64_t bytes, at least `least`: 800M, 1.5G, 2GiB */
    CLI_TEXT,    /* const char *, borrowed from argv */
    CLI_CHOICE,  /* const char *, one of `choices` */
    CLI_LIST     /* cli_list; every use appends */
} cli_type;

typedef struct cli_option {
    const char *name;     /* without "--"; NULL ends a table */
    char letter;          /* 0: none */
    const char *argument; /* its name in --help; NULL for flags */
    cli_type type;
    size_t offset; /* in the verb's struct of options */
    const char *help;
    int64_t least;
    const char *(*choices)(int index); /* NULL past the last */
} cli_option;

#define CLI_LIST_MAX 64
typedef struct cli_list {
    int count;
    const char *item[CLI_LIST_MAX];
} cli_list;

/* Options of every verb. A number below its range (-1) means that it was not given. */
typedef struct cli_common {
    int64_t seed, threads, batch;
    int64_t memory_limit; /* bytes, 0: none; an option of the verbs that run a network */
    const char *precision, *isa, *out, *tuning;
    bool json, quiet, exact, help;
    cli_list set;
    cli_list words; /* arguments that are no options */
} cli_common;
extern const cli_option cli_common_options[];

/* A table whose rows --help explains. */
typedef struct cli_listing {
    const char *title;                                      /* "Predictors" */
    const char *(*name)(int index), *(*summary)(int index); /* NULL past the last */
} cli_listing;

typedef struct cli_verb {
    const char *name;
    const char *words;   /* its arguments as --help shows them: "MODEL INPUT" */
    const char *summary; /* one line, for the list of verbs */
    const char *about;   /* a paragraph or two, for its own help */
    int least_words, most_words;
    const cli_option *options;
    const cli_listing *listings;     /* up to one without a title; may be NULL */
    size_t size;                     /* of its struct of options */
    void (*defaults)(void *options); /* fills everything after `common`, which is set already */
    /* Finds wrong usage that the table cannot express; may be NULL. */
    ito_status (*check)(const void *options, ito_error *err);
    ito_status (*run)(const void *options, ito_error *err);
} cli_verb;

/* Fills *options from defaults and words. A failure is wrong usage and names the option at fault. With
 * --help among the words, only common.help is certain to be set. */
ito_status cli_parse(const cli_verb *verb, int n, char *const *words, void *options, ito_error *err);
/* The candidate that resembles `word` most, or NULL when none comes near; names(i) is NULL past the last. */
const char *cli_nearest(const char *word, const char *(*names)(const void *self, int index),
                        const void *self);

/* ---- verbs: main.c, verb_*.c */

extern const cli_verb cli_verb_train, cli_verb_sample, cli_verb_info, cli_verb_forward, cli_verb_bench,
    cli_verb_convert, cli_verb_likelihood, cli_verb_encode, cli_verb_decode, cli_verb_interpolate,
    cli_verb_help;
const cli_verb *cli_verb_at(int index);                        /* NULL past the last */
const cli_verb *cli_verb_find(const char *name);               /* NULL if none */
ito_status cli_verb_unknown(const char *name, ito_error *err); /* ARG, with the nearest verb */
void cli_help_program(void);                                   /* verb_help.c: to stdout */
void cli_help_verb(const cli_verb *verb);

/* ---- shared by verbs: report.c */

/* --threads, --isa, --exact, --precision as plan options. */
ito_status cli_plan_options(const cli_common *common, ito_plan_options *out, ito_error *err);
/* The rows of a verb that takes a MODEL; its struct has `recipe` and `weights`, "ema" by default. */
/* clang-format off */
#define CLI_MODEL_OPTIONS(type)                                                                              \
    {"recipe", 'r', "RECIPE.yaml", CLI_TEXT, offsetof(type, recipe),                                         \
     "recipe of the network: of a .pth, or in place of the file's own", 0, NULL},                            \
    {"weights", 0, "KIND", CLI_CHOICE, offsetof(type, weights),                                              \
     "averaged or live weights of a checkpoint", 0, cli_weights_name}
/* clang-format on */
/* The choices of --weights, and what they stand for. */
const char *cli_weights_name(int index);
ito_weights cli_weights_kind(const char *name);
/* Applies every --set to the recipe. */
ito_status cli_apply_set(const cli_common *common, ito_recipe *recipe, ito_error *err);
/* A model under the recipe in a file or, with NULL, its own; every --set is applied. `weights` is a name of
 * cli_weights_name. */
ito_status cli_model_load(const cli_common *common, const char *name, const char *weights, const char *recipe,
                          ito_model **out, ito_error *err);
/* Prints a JSON object and a newline to stdout and deletes it. */
ito_status cli_print_json(struct cJSON *object, ito_error *err);
/* ITO_E_CANCELLED with "<where>: stopped on request: <remedy>" once Ctrl-C or SIGTERM came; else ITO_OK. */
ito_status cli_stopped(const char *where, const char *remedy, ito_error *err);
/* IO when the folder that is to hold `path` does not exist or refuses writing: asked before hours of work. */
ito_status cli_check_writable(const char *path, ito_error *err);
/* "61.8 M", "4.2 GB": a number with a unit for people; buffer of at least 32. */
const char *cli_human(double value, const char *unit, char buffer[32]);
/* Tells contents from others: FNV-1a, 64 bits. */
typedef struct cli_fingerprint {
    uint64_t value;
} cli_fingerprint;
cli_fingerprint cli_fingerprint_start(void);
cli_fingerprint cli_fingerprint_add(cli_fingerprint f, const void *bytes, size_t size);
bool cli_ends_with(const char *text, const char *end);
bool cli_is_directory(const char *path);
bool cli_exists(const char *path);
int64_t cli_file_size(const char *path); /* -1 if it cannot be told */
/* Joins printf-style into a buffer of `size`; ARG when a path becomes too long. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
ito_status
cli_path(char *buffer, size_t size, ito_error *err, const char *format, ...);
#define CLI_PATH_MAX 4096

#endif
