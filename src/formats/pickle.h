/* SPDX-License-Identifier: Apache-2.0
 *
 * Python pickles, protocols 0 to 5, read into a tree of plain values. Nothing is ever called: a global must
 * be on the caller's list of names, and a call of one stays a record of its name and arguments for the caller
 * to judge. Time is linear in the pickle's length; memory as well, and never more than ITO__PICKLE_MEMORY.
 *
 * Lists and dictionaries may be shared, and hostile pickles may build cycles: walk the tree to a fixed depth.
 */
#ifndef ITO_FORMATS_PICKLE_H
#define ITO_FORMATS_PICKLE_H

#include <ito/status.h>
#include <stddef.h>

/* What a pickle's values may take. The largest published checkpoint (1,500 tensors four times over) needs
 * about 10 MB. */
#define ITO__PICKLE_MEMORY ((size_t)256 << 20)

typedef enum ito__pickle_kind {
    ITO__PICKLE_MARK, /* inside the reader only */
    ITO__PICKLE_NONE,
    ITO__PICKLE_BOOL,
    ITO__PICKLE_INT,
    ITO__PICKLE_FLOAT,
    ITO__PICKLE_STRING, /* text or bytes */
    ITO__PICKLE_TUPLE,
    ITO__PICKLE_LIST,
    ITO__PICKLE_DICT,
    ITO__PICKLE_GLOBAL,
    ITO__PICKLE_CALL,      /* a global applied to a tuple */
    ITO__PICKLE_PERSISTENT /* a reference outside the pickle */
} ito__pickle_kind;

typedef struct ito__pickle_value ito__pickle_value;
struct ito__pickle_value {
    ito__pickle_kind kind;
    int64_t integer;          /* INT, BOOL */
    double real;              /* FLOAT */
    const char *text;         /* STRING: count bytes and a NUL; GLOBAL and CALL: "module.name" */
    ito__pickle_value *args;  /* CALL: its tuple; PERSISTENT: the identifier */
    ito__pickle_value **item; /* TUPLE, LIST: entries; DICT, CALL: key, value, key, value, ... */
    size_t count, capacity;
};

typedef struct ito__pickle ito__pickle;
/* Reads the one pickle that bytes begin with, and tells in *used how long it is (NULL: not asked).
 * globals: the names allowed, "module.name", NULL at the end. path is for messages only.
 * Errors: FORMAT for a damaged pickle; UNSUPPORTED names a global that is not on the list, or the opcode. */
ito_status ito__pickle_parse(const char *path, const unsigned char *bytes, size_t length,
                             const char *const *globals, ito__pickle **out, size_t *used, ito_error *err);
void ito__pickle_free(ito__pickle *p);
const ito__pickle_value *ito__pickle_root(const ito__pickle *p);
/* All persistent references in order of appearance: a LIST. */
const ito__pickle_value *ito__pickle_persistents(const ito__pickle *p);
/* The value of a string key; NULL when there is none or d has no keys. Linear in the number of keys. */
const ito__pickle_value *ito__pickle_get(const ito__pickle_value *d, const char *key);

#endif
