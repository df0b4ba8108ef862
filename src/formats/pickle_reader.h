/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of the pickle machine, shared by its two files: pickle.c (stack, memo, containers, the table of
 * opcodes) and pickle_atoms.c (numbers, text, globals).
 */
#ifndef ITO_FORMATS_PICKLE_READER_H
#define ITO_FORMATS_PICKLE_READER_H

#include "formats/pickle.h"

typedef struct ito__pickle_reader {
    const char *path;
    const unsigned char *bytes;
    size_t length, at;
    const char *const *globals;
    ito__pickle *p;
    ito__pickle_value stack; /* a list; so is the memo, whose unset entries are NULL */
    ito__pickle_value memo;
    ito_error *err;
} ito__pickle_reader;

/* Memory that lives as long as the pickle; NULL when there is no more. */
void *ito__pickle_alloc(ito__pickle *p, size_t size);
/* FORMAT, with the place in the pickle. */
ito_status ito__pickle_damaged(ito__pickle_reader *r, const char *what);
ito_status ito__pickle_no_memory(ito__pickle_reader *r);
ito__pickle_value *ito__pickle_new(ito__pickle_reader *r, ito__pickle_kind kind);
/* A NULL v is NOMEM, so the result of ito__pickle_new may be passed on unchecked. */
ito_status ito__pickle_push(ito__pickle_reader *r, ito__pickle_value *v);
/* The top of the stack, removed. FORMAT when there is none above the latest mark. */
ito_status ito__pickle_pop(ito__pickle_reader *r, ito__pickle_value **v);

/* ---- arguments ---- */

/* The next n bytes. */
ito_status ito__pickle_take(ito__pickle_reader *r, size_t n, const unsigned char **bytes);
/* An unsigned little-endian number of n <= 8 bytes. */
ito_status ito__pickle_number(ito__pickle_reader *r, size_t n, uint64_t *number);
/* A decimal number on a line of its own. */
ito_status ito__pickle_line_number(ito__pickle_reader *r, int64_t *number);

/* ---- opcodes that push one plain value ---- */

ito_status ito__pickle_push_int(ito__pickle_reader *r, ito__pickle_kind kind, int64_t integer);
ito_status ito__pickle_push_unsigned(ito__pickle_reader *r, size_t bytes);
ito_status ito__pickle_push_int32(ito__pickle_reader *r);
ito_status ito__pickle_push_long(ito__pickle_reader *r, size_t length_bytes);
ito_status ito__pickle_push_float(ito__pickle_reader *r);
ito_status ito__pickle_push_string(ito__pickle_reader *r, size_t length_bytes);
ito_status ito__pickle_push_line_int(ito__pickle_reader *r);
ito_status ito__pickle_push_line_float(ito__pickle_reader *r);
ito_status ito__pickle_push_line_string(ito__pickle_reader *r);
/* GLOBAL and INST: module and name on two lines; STACK_GLOBAL: the two strings on the stack. */
ito_status ito__pickle_push_global(ito__pickle_reader *r);
ito_status ito__pickle_push_stack_global(ito__pickle_reader *r);

#endif
