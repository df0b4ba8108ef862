/* SPDX-License-Identifier: Apache-2.0
 *
 * Pickles for the tests, written opcode by opcode: op(&b, '}') and so on, or whole values.
 */
#ifndef ITO_TESTS_PICKLE_WRITER_H
#define ITO_TESTS_PICKLE_WRITER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct buffer {
    unsigned char data[8192];
    size_t n;
} buffer;

static inline void put(buffer *b, const void *data, size_t n) {
    if (b->n + n > sizeof b->data) abort();
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

static inline void op(buffer *b, int opcode) {
    unsigned char c = (unsigned char)opcode;
    put(b, &c, 1);
}

static inline void integer(buffer *b, int32_t value) {
    op(b, 'J');
    put(b, &value, 4);
}

static inline void text(buffer *b, const char *s) {
    uint32_t n = (uint32_t)strlen(s);
    op(b, 'X');
    put(b, &n, 4);
    put(b, s, n);
}

static inline void global(buffer *b, const char *module, const char *name) {
    op(b, 'c');
    put(b, module, strlen(module));
    op(b, '\n');
    put(b, name, strlen(name));
    op(b, '\n');
}

static inline void integers(buffer *b, int n, const int *values) {
    op(b, '(');
    for (int i = 0; i < n; i++) integer(b, values[i]);
    op(b, 't');
}

/* A tensor of a storage with `count` elements. */
static inline void tensor(buffer *b, const char *class, const char *key, int count, int offset, int rank,
                          const int *dim, const int *stride) {
    global(b, "torch._utils", "_rebuild_tensor_v2");
    op(b, '(');
    op(b, '(');
    text(b, "storage");
    global(b, "torch", class);
    text(b, key);
    text(b, "cuda:0");
    integer(b, count);
    op(b, 't');
    op(b, 'Q');
    integer(b, offset);
    integers(b, rank, dim);
    integers(b, rank, stride);
    op(b, 0x89);
    global(b, "collections", "OrderedDict");
    op(b, ')');
    op(b, 'R');
    op(b, 't');
    op(b, 'R');
}

#endif
