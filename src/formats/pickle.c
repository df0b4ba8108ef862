/* SPDX-License-Identifier: Apache-2.0
 *
 * The pickle machine: a stack, a memo, and about fifty opcodes. Opcode names and meanings are those of
 * Python's pickletools module.
 *
 * Values live in an arena that is freed whole. Every opcode takes a bounded number of bytes of it, or as many
 * as the pickle holds for it; a list that grows leaves its former, smaller copies behind, which at most
 * doubles it. Every opcode does bounded work, or work that the values it removes from the stack have paid
 * for.
 */
#include "formats/pickle.h"

#include "core/memory.h"
#include "formats/pickle_reader.h"

#include <stdbool.h>
#include <string.h>

typedef struct chunk chunk;
struct chunk {
    chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

struct ito__pickle {
    chunk *chunks;
    size_t allocated; /* by all chunks */
    bool full;        /* more than ITO__PICKLE_MEMORY was asked for */
    ito__pickle_value *root;
    ito__pickle_value persistents; /* a list */
};

typedef ito__pickle_reader reader;
typedef ito__pickle_value value;

/* ---- memory ---- */

void *ito__pickle_alloc(ito__pickle *p, size_t size) {
    enum { CHUNK = 1 << 16 };
    p->full = size > ITO__PICKLE_MEMORY;
    if (p->full) return NULL;
    size = (size + 15) & ~(size_t)15;
    if (!p->chunks || p->chunks->size - p->chunks->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        p->full = room > ITO__PICKLE_MEMORY - p->allocated;
        if (p->full) return NULL;
        chunk *c = ito__alloc(1, sizeof *c + room);
        if (!c) return NULL;
        *c = (chunk){.next = p->chunks, .size = room};
        p->chunks = c;
        p->allocated += room;
    }
    void *block = p->chunks->data + p->chunks->used;
    p->chunks->used += size;
    return block;
}

ito_status ito__pickle_no_memory(reader *r) {
    if (r->p->full)
        return ito_error_set(
            r->err, ITO_E_UNSUPPORTED,
            "%s: its pickle needs more than %zu MB of memory, which no list of tensors does: save the "
            "tensors alone",
            r->path, ITO__PICKLE_MEMORY >> 20);
    return ito_error_set(r->err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                         r->path);
}

ito_status ito__pickle_damaged(reader *r, const char *what) {
    return ito_error_set(r->err, ITO_E_FORMAT,
                         "%s: its pickle is damaged at byte %zu (%s): get the file again", r->path, r->at,
                         what);
}

value *ito__pickle_new(reader *r, ito__pickle_kind kind) {
    value *v = ito__pickle_alloc(r->p, sizeof *v);
    if (v) *v = (value){.kind = kind};
    return v;
}

static ito_status append(reader *r, value *list, value *v) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 4;
        value **item = ito__pickle_alloc(r->p, capacity * sizeof *item);
        if (!item) return ito__pickle_no_memory(r);
        if (list->count) memcpy(item, list->item, list->count * sizeof *item);
        list->item = item;
        list->capacity = capacity;
    }
    list->item[list->count++] = v;
    return ITO_OK;
}

/* ---- the stack ---- */

ito_status ito__pickle_push(reader *r, value *v) {
    return v ? append(r, &r->stack, v) : ito__pickle_no_memory(r);
}

static ito_status push_kind(reader *r, ito__pickle_kind kind) {
    return ito__pickle_push(r, ito__pickle_new(r, kind));
}

ito_status ito__pickle_pop(reader *r, value **v) {
    if (r->stack.count == 0 || r->stack.item[r->stack.count - 1]->kind == ITO__PICKLE_MARK)
        return ito__pickle_damaged(r, "too few values");
    *v = r->stack.item[--r->stack.count];
    return ITO_OK;
}

static ito_status drop(reader *r) {
    value *v = NULL;
    return ito__pickle_pop(r, &v);
}

static ito_status duplicate(reader *r) {
    value *v = NULL;
    ito_status st = ito__pickle_pop(r, &v);
    if (st == ITO_OK) st = ito__pickle_push(r, v);
    return st == ITO_OK ? ito__pickle_push(r, v) : st;
}

/* The index on the stack of the first value above the latest mark. */
static ito_status above_mark(reader *r, size_t *first) {
    for (size_t i = r->stack.count; i > 0; i--) {
        if (r->stack.item[i - 1]->kind != ITO__PICKLE_MARK) continue;
        *first = i;
        return ITO_OK;
    }
    return ito__pickle_damaged(r, "no mark");
}

static ito_status drop_marked(reader *r) {
    size_t first = 0;
    ito_status st = above_mark(r, &first);
    if (st == ITO_OK) r->stack.count = first - 1;
    return st;
}

/* ---- memo ---- */

static ito_status memo_set(reader *r, uint64_t index) {
    ito_status st;
    if (r->stack.count == 0 || r->stack.item[r->stack.count - 1]->kind == ITO__PICKLE_MARK)
        return ito__pickle_damaged(r, "nothing to remember");
    /* Picklers number the memo from 0, so an honest index is below the number of opcodes so far. */
    if (index >= r->at) return ito__pickle_damaged(r, "a memo index jumps");
    while (r->memo.count <= index)
        if ((st = append(r, &r->memo, NULL)) != ITO_OK) return st;
    r->memo.item[index] = r->stack.item[r->stack.count - 1];
    return ITO_OK;
}

static ito_status memo_recall(reader *r, uint64_t index) {
    if (index >= r->memo.count || !r->memo.item[index])
        return ito__pickle_damaged(r, "nothing under a memo index");
    return ito__pickle_push(r, r->memo.item[index]);
}

static ito_status memo_put(reader *r, size_t length_bytes) {
    uint64_t index = 0;
    ito_status st = ito__pickle_number(r, length_bytes, &index);
    return st == ITO_OK ? memo_set(r, index) : st;
}

static ito_status memo_get(reader *r, size_t length_bytes) {
    uint64_t index = 0;
    ito_status st = ito__pickle_number(r, length_bytes, &index);
    return st == ITO_OK ? memo_recall(r, index) : st;
}

static ito_status memo_line(reader *r, ito_status (*use)(reader *, uint64_t)) {
    int64_t index = 0;
    ito_status st = ito__pickle_line_number(r, &index);
    return st == ITO_OK ? use(r, (uint64_t)index) : st;
}

/* ---- containers ---- */

/* Moves the values from `first` up into a new container, and drops the stack to `keep`. */
static ito_status gather(reader *r, ito__pickle_kind kind, size_t first, size_t keep) {
    ito_status st;
    value *v = ito__pickle_new(r, kind);
    if (!v) return ito__pickle_no_memory(r);
    if (kind == ITO__PICKLE_DICT && (r->stack.count - first) % 2 != 0)
        return ito__pickle_damaged(r, "a key without a value");
    for (size_t i = first; i < r->stack.count; i++) {
        if (r->stack.item[i]->kind == ITO__PICKLE_MARK)
            return ito__pickle_damaged(r, "a mark inside a container");
        if ((st = append(r, v, r->stack.item[i])) != ITO_OK) return st;
    }
    r->stack.count = keep;
    return ito__pickle_push(r, v);
}

static ito_status gather_marked(reader *r, ito__pickle_kind kind) {
    size_t first = 0;
    ito_status st = above_mark(r, &first);
    return st == ITO_OK ? gather(r, kind, first, first - 1) : st;
}

static ito_status gather_tuple(reader *r, size_t n) {
    if (r->stack.count < n) return ito__pickle_damaged(r, "too few values");
    return gather(r, ITO__PICKLE_TUPLE, r->stack.count - n, r->stack.count - n);
}

/* Appends the values from `first` up to the container below them, and drops the stack to `keep`. */
static ito_status fill(reader *r, size_t first, size_t keep, bool pairs) {
    ito_status st;
    if (keep == 0) return ito__pickle_damaged(r, "too few values");
    value *v = r->stack.item[keep - 1];
    bool fits =
        pairs ? v->kind == ITO__PICKLE_DICT || v->kind == ITO__PICKLE_CALL : v->kind == ITO__PICKLE_LIST;
    if (!fits || (pairs && (r->stack.count - first) % 2 != 0))
        return ito__pickle_damaged(r, "values for no container");
    for (size_t i = first; i < r->stack.count; i++) {
        if (r->stack.item[i]->kind == ITO__PICKLE_MARK)
            return ito__pickle_damaged(r, "a mark inside a container");
        if ((st = append(r, v, r->stack.item[i])) != ITO_OK) return st;
    }
    r->stack.count = keep;
    return ITO_OK;
}

static ito_status fill_marked(reader *r, bool pairs) {
    size_t first = 0;
    ito_status st = above_mark(r, &first);
    return st == ITO_OK ? fill(r, first, first - 1, pairs) : st;
}

static ito_status fill_last(reader *r, size_t n, bool pairs) {
    if (r->stack.count < n) return ito__pickle_damaged(r, "too few values");
    return fill(r, r->stack.count - n, r->stack.count - n, pairs);
}

/* ---- objects ---- */

/* REDUCE and NEWOBJ: a record of the call. */
static ito_status call(reader *r) {
    value *args = NULL, *global = NULL;
    ito_status st;
    if ((st = ito__pickle_pop(r, &args)) != ITO_OK) return st;
    if ((st = ito__pickle_pop(r, &global)) != ITO_OK) return st;
    if (args->kind != ITO__PICKLE_TUPLE || global->kind != ITO__PICKLE_GLOBAL)
        return ito__pickle_damaged(r, "a call of no name");
    value *v = ito__pickle_new(r, ITO__PICKLE_CALL);
    if (v) {
        v->text = global->text;
        v->args = args;
    }
    return ito__pickle_push(r, v);
}

static ito_status persistent(reader *r) {
    value *id = NULL;
    ito_status st = ito__pickle_pop(r, &id);
    if (st != ITO_OK) return st;
    value *v = ito__pickle_new(r, ITO__PICKLE_PERSISTENT);
    if (!v) return ito__pickle_no_memory(r);
    v->args = id;
    if ((st = append(r, &r->p->persistents, v)) != ITO_OK) return st;
    return ito__pickle_push(r, v);
}

/* BUILD sets attributes of the object below: no tensor needs them, so they are dropped. */
static ito_status build(reader *r) {
    value *object = NULL;
    ito_status st;
    if ((st = drop(r)) != ITO_OK) return st;
    if ((st = ito__pickle_pop(r, &object)) != ITO_OK) return st;
    if (object->kind != ITO__PICKLE_CALL) return ito__pickle_damaged(r, "attributes for no object");
    return ito__pickle_push(r, object);
}

static ito_status unsupported(reader *r, unsigned char opcode) {
    return ito_error_set(
        r->err, ITO_E_UNSUPPORTED,
        "%s: its pickle has opcode 0x%02x at byte %zu, which tensors do not need: save it with "
        "torch.save's defaults, or get the file again",
        r->path, opcode, r->at - 1);
}

/* INST creates an object of the class it names: refused, by that name where it is no tensor's. */
static ito_status instance(reader *r) {
    ito_status st = ito__pickle_push_global(r);
    return st == ITO_OK ? unsupported(r, 'i') : st;
}

static ito_status protocol(reader *r) {
    uint64_t version = 0;
    ito_status st = ito__pickle_number(r, 1, &version);
    if (st != ITO_OK || version <= 5) return st;
    return ito_error_set(
        r->err, ITO_E_UNSUPPORTED,
        "%s: is pickled by protocol %d, ito reads those up to 5: save it with torch.save's default", r->path,
        (int)version);
}

static ito_status frame(reader *r) {
    uint64_t ignored = 0; /* how far to read ahead: everything is in memory */
    return ito__pickle_number(r, 8, &ignored);
}

/* ---- the machine ---- */

static ito_status step(reader *r, unsigned char opcode) {
    switch (opcode) {
    case 0x80: return protocol(r);
    case 0x95: return frame(r);
    case '(': return push_kind(r, ITO__PICKLE_MARK);
    case '0': return drop(r);        /* POP */
    case '1': return drop_marked(r); /* POP_MARK */
    case '2': return duplicate(r);   /* DUP */
    case 'N': return push_kind(r, ITO__PICKLE_NONE);
    case ')': return push_kind(r, ITO__PICKLE_TUPLE);
    case ']': return push_kind(r, ITO__PICKLE_LIST);
    case '}': return push_kind(r, ITO__PICKLE_DICT);
    case 0x88: return ito__pickle_push_int(r, ITO__PICKLE_BOOL, 1); /* NEWTRUE */
    case 0x89: return ito__pickle_push_int(r, ITO__PICKLE_BOOL, 0); /* NEWFALSE */
    case 'K': return ito__pickle_push_unsigned(r, 1);               /* BININT1 */
    case 'M': return ito__pickle_push_unsigned(r, 2);               /* BININT2 */
    case 'J': return ito__pickle_push_int32(r);                     /* BININT */
    case 0x8a: return ito__pickle_push_long(r, 1);                  /* LONG1 */
    case 0x8b: return ito__pickle_push_long(r, 4);                  /* LONG4 */
    case 'I':
    case 'L': return ito__pickle_push_line_int(r);    /* INT, LONG */
    case 'F': return ito__pickle_push_line_float(r);  /* FLOAT */
    case 'G': return ito__pickle_push_float(r);       /* BINFLOAT */
    case 'U':                                         /* SHORT_BINSTRING */
    case 'C':                                         /* SHORT_BINBYTES */
    case 0x8c: return ito__pickle_push_string(r, 1);  /* SHORT_BINUNICODE */
    case 'T':                                         /* BINSTRING */
    case 'B':                                         /* BINBYTES */
    case 'X': return ito__pickle_push_string(r, 4);   /* BINUNICODE */
    case 0x8d:                                        /* BINUNICODE8 */
    case 0x8e: return ito__pickle_push_string(r, 8);  /* BINBYTES8 */
    case 'S':                                         /* STRING */
    case 'V': return ito__pickle_push_line_string(r); /* UNICODE */
    case 'c': return ito__pickle_push_global(r);      /* GLOBAL */
    case 0x93: return ito__pickle_push_stack_global(r);
    case 'i': return instance(r);                         /* INST */
    case 'q': return memo_put(r, 1);                      /* BINPUT */
    case 'r': return memo_put(r, 4);                      /* LONG_BINPUT */
    case 'p': return memo_line(r, memo_set);              /* PUT */
    case 0x94: return memo_set(r, r->memo.count);         /* MEMOIZE */
    case 'h': return memo_get(r, 1);                      /* BINGET */
    case 'j': return memo_get(r, 4);                      /* LONG_BINGET */
    case 'g': return memo_line(r, memo_recall);           /* GET */
    case 't': return gather_marked(r, ITO__PICKLE_TUPLE); /* TUPLE */
    case 'l': return gather_marked(r, ITO__PICKLE_LIST);  /* LIST */
    case 'd': return gather_marked(r, ITO__PICKLE_DICT);  /* DICT */
    case 0x85: return gather_tuple(r, 1);                 /* TUPLE1 */
    case 0x86: return gather_tuple(r, 2);                 /* TUPLE2 */
    case 0x87: return gather_tuple(r, 3);                 /* TUPLE3 */
    case 'a': return fill_last(r, 1, false);              /* APPEND */
    case 'e': return fill_marked(r, false);               /* APPENDS */
    case 's': return fill_last(r, 2, true);               /* SETITEM */
    case 'u': return fill_marked(r, true);                /* SETITEMS */
    case 0x81:                                            /* NEWOBJ */
    case 'R': return call(r);                             /* REDUCE */
    case 'b': return build(r);                            /* BUILD */
    case 'Q': return persistent(r);                       /* BINPERSID */
    default: return unsupported(r, opcode);
    }
}

static ito_status run(reader *r) {
    ito_status st;
    const unsigned char *opcode = NULL;
    for (;;) {
        if ((st = ito__pickle_take(r, 1, &opcode)) != ITO_OK) return st;
        if (*opcode == '.') return ito__pickle_pop(r, &r->p->root);
        if ((st = step(r, *opcode)) != ITO_OK) return st;
    }
}

ito_status ito__pickle_parse(const char *path, const unsigned char *bytes, size_t length,
                             const char *const *globals, ito__pickle **out, size_t *used, ito_error *err) {
    ito_status st;
    *out = NULL;
    ito__pickle *p = ito__calloc(1, sizeof *p);
    if (!p)
        return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                             path);
    p->persistents.kind = ITO__PICKLE_LIST;
    reader r = {.path = path, .bytes = bytes, .length = length, .globals = globals, .p = p, .err = err};
    if ((st = run(&r)) != ITO_OK) goto done;
    if (used) *used = r.at;
    *out = p;
    p = NULL;
done:
    ito__pickle_free(p);
    return st;
}

void ito__pickle_free(ito__pickle *p) {
    if (!p) return;
    for (chunk *c = p->chunks, *next; c; c = next) {
        next = c->next;
        ito__free(c);
    }
    ito__free(p);
}

const ito__pickle_value *ito__pickle_root(const ito__pickle *p) {
    return p->root;
}

const ito__pickle_value *ito__pickle_persistents(const ito__pickle *p) {
    return &p->persistents;
}

const ito__pickle_value *ito__pickle_get(const ito__pickle_value *d, const char *key) {
    if (!d || (d->kind != ITO__PICKLE_DICT && d->kind != ITO__PICKLE_CALL)) return NULL;
    /* A later assignment of the same key wins, as in Python. */
    for (size_t i = d->count / 2; i > 0; i--) {
        const value *k = d->item[2 * i - 2];
        if (k->kind == ITO__PICKLE_STRING && strcmp(k->text, key) == 0) return d->item[2 * i - 1];
    }
    return NULL;
}
