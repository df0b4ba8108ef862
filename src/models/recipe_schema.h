/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of a recipe as data. One row says where a field lives, what it may hold and what it means;
 * parsing,
 * --set, printing, range checks and the reference text all walk the same table.
 */
#ifndef ITO_MODELS_RECIPE_SCHEMA_H
#define ITO_MODELS_RECIPE_SCHEMA_H

#include <ito/recipe.h>
#include <stddef.h>
#include <stdio.h>

typedef enum ito__field_kind {
    ITO__FIELD_BOOL,
    ITO__FIELD_INT,  /* int64_t in [min, max] */
    ITO__FIELD_SEED, /* any uint64_t */
    ITO__FIELD_REAL, /* finite double in [min, max] */
    ITO__FIELD_NAME, /* text made of letters, digits, '.', '_' and '-': usable as a file name */
    ITO__FIELD_TEXT, /* any text that fits */
    ITO__FIELD_WORD, /* text, one of name_at */
    ITO__FIELD_ENUM, /* C enum, the index of its word in words */
    ITO__FIELD_LIST  /* int64_t array in [min, max] each, its length an int at count_offset */
} ito__field_kind;

typedef struct ito__field {
    const char *section; /* "" for the fields outside the sections */
    const char *key;
    size_t offset; /* into ito_recipe */
    ito__field_kind kind;
    double min, max;
    const char *help;            /* one line, beside the field in ito_recipe_reference */
    size_t capacity;             /* bytes of a text, entries of a list */
    size_t count_offset;         /* of a list */
    const char *const *words;    /* of an enum, NULL-terminated */
    const char *(*name_at)(int); /* of a WORD: NULL past the last */
    unsigned architectures; /* bits of the networks that have the field; 0: all, and every other section */
} ito__field;

/* Does a recipe of this architecture have the field? A recipe neither holds nor prints what it has not. */
bool ito__field_applies(const ito__field *field, ito_architecture a);

/* All rows, grouped by section, in the order in which a recipe is printed. */
const ito__field *ito__recipe_fields(int *count);

/* Row of section.key; NULL if there is none. */
const ito__field *ito__field_find(const char *section, const char *key);
/* The row whose "section.key" needs the fewest edits to become `section`.`key`; the key alone counts first
 * within its own section. Never NULL. */
const ito__field *ito__field_nearest(const char *section, const char *key);
/* The known section nearest to a word. Never NULL. */
const char *ito__section_nearest(const char *word);
bool ito__section_known(const char *word);

/* Reads one value. `where` opens the message ("fashion.yaml:12"). *r changes on success only. */
ito_status ito__field_set(const ito__field *field, ito_recipe *r, const char *text, const char *where,
                          ito_error *err);
/* Checks a value that is already in the struct against the row. */
ito_status ito__field_check(const ito__field *field, const ito_recipe *r, const char *where, ito_error *err);
/* Copies the value. */
void ito__field_copy(const ito__field *field, const ito_recipe *from, ito_recipe *to);
/* Writes the value as YAML; reading it back gives the same bits. */
void ito__field_print(const ito__field *field, const ito_recipe *r, FILE *out);

#endif
