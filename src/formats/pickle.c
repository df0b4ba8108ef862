/* SPDX-License-Identifier: Apache-2.0
 *
 * The pickle machine: a stack, a memo, and about forty opcodes. Opcode names and meanings are those of
 * Python's pickletools module.
 *
 * Values live in an arena that is freed whole. Every opcode takes a bounded number of bytes of it, or as many
 * as the pickle holds for it; a list that grows leaves its former, smaller copies behind, which at most
 * doubles it.
 */
#include "formats/pickle.h"

#include "core/memory.h"

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
    ito__pickle_value *root;
};

typedef struct reader {
    const char *path;
    const unsigned char *bytes;
    size_t length, at;
    const char *const *globals;
    ito__pickle *p;
    ito__pickle_value stack; /* a list; so is the memo, whose unset entries are NULL */
    ito__pickle_value memo;
    ito_error *err;
} reader;

typedef ito__pickle_value value;

/* ---- memory ---- */

static void *arena_alloc(ito__pickle *p, size_t size) {
    enum { CHUNK = 1 << 16 };
    if (size > SIZE_MAX / 4) return NULL;
    size = (size + 15) & ~(size_t)15;
    if (!p->chunks || p->chunks->size - p->chunks->used < size) {
        size_t room = size > CHUNK ? size : CHUNK;
        chunk *c = ito__alloc(1, sizeof *c + room);
        if (!c) return NULL;
        *c = (chunk){.next = p->chunks, .size = room};
        p->chunks = c;
    }
    void *block = p->chunks->data + p->chunks->used;
    p->chunks->used += size;
    return block;
}

static ito_status out_of_memory(reader *r) {
    return ito_error_set(r->err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                         r->path);
}

static ito_status damaged(reader *r, const char *what) {
    return ito_error_set(r->err, ITO_E_FORMAT,
                         "%s: its pickle is damaged at byte %zu (%s): get the file again", r->path, r->at,
                         what);
}

static value *new_value(reader *r, ito__pickle_kind kind) {
    value *v = arena_alloc(r->p, sizeof *v);
    if (v) *v = (value){.kind = kind};
    return v;
}

static ito_status append(reader *r, value *list, value *v) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        value **item = arena_alloc(r->p, capacity * sizeof *item);
        if (!item) return out_of_memory(r);
        if (list->count) memcpy(item, list->item, list->count * sizeof *item);
        list->item = item;
        list->capacity = capacity;
    }
    list->item[list->count++] = v;
    return ITO_OK;
}

/* ---- the stack ---- */

static ito_status push(reader *r, value *v) {
    return v ? append(r, &r->stack, v) : out_of_memory(r);
}

static ito_status push_kind(reader *r, ito__pickle_kind kind) {
    return push(r, new_value(r, kind));
}

static ito_status push_int(reader *r, ito__pickle_kind kind, int64_t integer) {
    value *v = new_value(r, kind);
    if (v) v->integer = integer;
    return push(r, v);
}

static ito_status pop(reader *r, value **v) {
    if (r->stack.count == 0 || r->stack.item[r->stack.count - 1]->kind == ITO__PICKLE_MARK)
        return damaged(r, "too few values");
    *v = r->stack.item[--r->stack.count];
    return ITO_OK;
}

/* The index on the stack of the first value above the latest mark. */
static ito_status above_mark(reader *r, size_t *first) {
    for (size_t i = r->stack.count; i > 0; i--) {
        if (r->stack.item[i - 1]->kind != ITO__PICKLE_MARK) continue;
        *first = i;
        return ITO_OK;
    }
    return damaged(r, "no mark");
}

/* The value `down` below the top, a container to be filled. */
static ito_status container(reader *r, size_t down, value **v) {
    if (r->stack.count <= down) return damaged(r, "too few values");
    *v = r->stack.item[r->stack.count - 1 - down];
    return ITO_OK;
}

/* ---- reading arguments ---- */

static ito_status take(reader *r, size_t n, const unsigned char **bytes) {
    if (n > r->length - r->at) return damaged(r, "it ends early");
    *bytes = r->bytes + r->at;
    r->at += n;
    return ITO_OK;
}

/* An unsigned little-endian number of n <= 8 bytes. */
static ito_status take_number(reader *r, size_t n, uint64_t *number) {
    const unsigned char *b = NULL;
    ito_status st = take(r, n, &b);
    if (st != ITO_OK) return st;
    *number = 0;
    for (size_t i = 0; i < n; i++) *number |= (uint64_t)b[i] << (8 * i);
    return ITO_OK;
}

static ito_status copy_text(reader *r, const unsigned char *bytes, size_t n, char **text) {
    char *copy = arena_alloc(r->p, n + 1);
    if (!copy) return out_of_memory(r);
    if (memchr(bytes, 0, n)) return damaged(r, "a string holds a zero byte");
    memcpy(copy, bytes, n);
    copy[n] = '\0';
    *text = copy;
    return ITO_OK;
}

static ito_status push_string(reader *r, size_t length_bytes) {
    uint64_t n = 0;
    const unsigned char *bytes = NULL;
    ito_status st;
    value *v = new_value(r, ITO__PICKLE_STRING);
    if (!v) return out_of_memory(r);
    if ((st = take_number(r, length_bytes, &n)) != ITO_OK) return st;
    if ((st = take(r, (size_t)n, &bytes)) != ITO_OK) return st;
    if ((st = copy_text(r, bytes, (size_t)n, &v->text)) != ITO_OK) return st;
    return push(r, v);
}

/* BINFLOAT: a big-endian double. */
static ito_status push_float(reader *r) {
    const unsigned char *b = NULL;
    ito_status st = take(r, 8, &b);
    if (st != ITO_OK) return st;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | b[i];
    value *v = new_value(r, ITO__PICKLE_FLOAT);
    if (v) memcpy(&v->real, &bits, sizeof bits);
    return push(r, v);
}

/* LONG1: two's complement of any length; ours end at 64 bits. */
static ito_status push_long(reader *r) {
    uint64_t n = 0, number = 0;
    ito_status st;
    if ((st = take_number(r, 1, &n)) != ITO_OK) return st;
    if (n > 8)
        return ito_error_set(
            r->err, ITO_E_UNSUPPORTED,
            "%s: holds an integer of more than 64 bits: ito reads score_sde checkpoints only", r->path);
    if ((st = take_number(r, (size_t)n, &number)) != ITO_OK) return st;
    if (n > 0 && n < 8 && number >> (8 * n - 1) & 1) number |= ~(uint64_t)0 << (8 * n);
    return push_int(r, ITO__PICKLE_INT, (int64_t)number);
}

/* GLOBAL: two lines, module and name, joined by a space as pickletools shows them. */
static ito_status push_global(reader *r) {
    ito_status st;
    const unsigned char *start = r->bytes + r->at;
    const unsigned char *line = memchr(start, '\n', r->length - r->at);
    const unsigned char *end =
        line ? memchr(line + 1, '\n', r->length - r->at - (size_t)(line + 1 - start)) : NULL;
    if (!end) return damaged(r, "it ends early");
    value *v = new_value(r, ITO__PICKLE_GLOBAL);
    if (!v) return out_of_memory(r);
    size_t n = (size_t)(end - start);
    if ((st = copy_text(r, start, n, &v->text)) != ITO_OK) return st;
    v->text[line - start] = ' ';
    r->at += n + 1;
    for (const char *const *g = r->globals; *g; g++)
        if (strcmp(*g, v->text) == 0) return push(r, v);
    return ito_error_set(r->err, ITO_E_UNSUPPORTED,
                         "%s: its pickle names \"%.200s\", which tensors do not need: ito runs no code from "
                         "files, save the tensors alone",
                         r->path, v->text);
}

/* ---- memo ---- */

static ito_status memo_put(reader *r, size_t length_bytes) {
    uint64_t index = 0;
    ito_status st;
    if ((st = take_number(r, length_bytes, &index)) != ITO_OK) return st;
    if (r->stack.count == 0) return damaged(r, "nothing to remember");
    /* Picklers number the memo from 0, so an honest index is below the number of opcodes so far. */
    if (index >= r->at) return damaged(r, "a memo index jumps");
    while (r->memo.count <= index)
        if ((st = append(r, &r->memo, NULL)) != ITO_OK) return st;
    r->memo.item[index] = r->stack.item[r->stack.count - 1];
    return ITO_OK;
}

static ito_status memo_get(reader *r, size_t length_bytes) {
    uint64_t index = 0;
    ito_status st = take_number(r, length_bytes, &index);
    if (st != ITO_OK) return st;
    if (index >= r->memo.count || !r->memo.item[index]) return damaged(r, "nothing under a memo index");
    return push(r, r->memo.item[index]);
}

/* ---- containers ---- */

/* Moves the values from `first` up into a new tuple, and drops the stack to `keep`. */
static ito_status make_tuple(reader *r, size_t first, size_t keep) {
    ito_status st;
    value *tuple = new_value(r, ITO__PICKLE_TUPLE);
    if (!tuple) return out_of_memory(r);
    for (size_t i = first; i < r->stack.count; i++) {
        if (r->stack.item[i]->kind == ITO__PICKLE_MARK) return damaged(r, "a mark inside a tuple");
        if ((st = append(r, tuple, r->stack.item[i])) != ITO_OK) return st;
    }
    r->stack.count = keep;
    return push(r, tuple);
}

static ito_status make_marked_tuple(reader *r) {
    size_t first = 0;
    ito_status st = above_mark(r, &first);
    return st == ITO_OK ? make_tuple(r, first, first - 1) : st;
}

static ito_status make_short_tuple(reader *r, size_t n) {
    if (r->stack.count < n) return damaged(r, "too few values");
    return make_tuple(r, r->stack.count - n, r->stack.count - n);
}

/* Appends the values from `first` up to the container below them, and drops the stack to `keep`. */
static ito_status fill(reader *r, size_t first, size_t keep, bool pairs) {
    value *v = NULL;
    ito_status st;
    if (keep > r->stack.count) return damaged(r, "too few values");
    if ((st = container(r, r->stack.count - keep, &v)) != ITO_OK) return st;
    bool fits =
        pairs ? v->kind == ITO__PICKLE_DICT || v->kind == ITO__PICKLE_CALL : v->kind == ITO__PICKLE_LIST;
    if (!fits || (pairs && (r->stack.count - first) % 2 != 0)) return damaged(r, "values for no container");
    for (size_t i = first; i < r->stack.count; i++) {
        if (r->stack.item[i]->kind == ITO__PICKLE_MARK) return damaged(r, "a mark inside a container");
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
    if (r->stack.count < n) return damaged(r, "too few values");
    return fill(r, r->stack.count - n, r->stack.count - n, pairs);
}

static ito_status reduce(reader *r) {
    value *args = NULL, *global = NULL;
    ito_status st;
    if ((st = pop(r, &args)) != ITO_OK) return st;
    if ((st = pop(r, &global)) != ITO_OK) return st;
    if (args->kind != ITO__PICKLE_TUPLE || global->kind != ITO__PICKLE_GLOBAL)
        return damaged(r, "a call of no name");
    value *call = new_value(r, ITO__PICKLE_CALL);
    if (call) {
        call->text = global->text;
        call->args = args;
    }
    return push(r, call);
}

static ito_status persistent(reader *r) {
    value *id = NULL;
    ito_status st = pop(r, &id);
    if (st != ITO_OK) return st;
    value *v = new_value(r, ITO__PICKLE_PERSISTENT);
    if (v) v->args = id;
    return push(r, v);
}

/* BUILD sets attributes of the object below: no tensor needs them, so they are dropped. */
static ito_status build(reader *r) {
    value *state = NULL;
    value *object = NULL;
    ito_status st = pop(r, &state);
    if (st != ITO_OK) return st;
    if ((st = container(r, 0, &object)) != ITO_OK) return st;
    return object->kind == ITO__PICKLE_CALL ? ITO_OK : damaged(r, "attributes for no object");
}

static ito_status push_unsigned(reader *r, size_t bytes) {
    uint64_t number = 0;
    ito_status st = take_number(r, bytes, &number);
    return st == ITO_OK ? push_int(r, ITO__PICKLE_INT, (int64_t)number) : st;
}

static ito_status push_int32(reader *r) {
    uint64_t number = 0;
    ito_status st = take_number(r, 4, &number);
    return st == ITO_OK ? push_int(r, ITO__PICKLE_INT, (int32_t)(uint32_t)number) : st;
}

static ito_status protocol(reader *r) {
    uint64_t version = 0;
    ito_status st = take_number(r, 1, &version);
    if (st != ITO_OK) return st;
    if (version == 2) return ITO_OK;
    return ito_error_set(
        r->err, ITO_E_UNSUPPORTED,
        "%s: is pickled by protocol %d, ito reads protocol 2: save it with torch.save's default", r->path,
        (int)version);
}

/* ---- the machine ---- */

static ito_status step(reader *r, unsigned char opcode) {
    switch (opcode) {
    case 0x80: return protocol(r);
    case '(': return push_kind(r, ITO__PICKLE_MARK);
    case 'N': return push_kind(r, ITO__PICKLE_NONE);
    case ')': return push_kind(r, ITO__PICKLE_TUPLE);
    case ']': return push_kind(r, ITO__PICKLE_LIST);
    case '}': return push_kind(r, ITO__PICKLE_DICT);
    case 0x88: return push_int(r, ITO__PICKLE_BOOL, 1); /* NEWTRUE */
    case 0x89: return push_int(r, ITO__PICKLE_BOOL, 0); /* NEWFALSE */
    case 'K': return push_unsigned(r, 1);               /* BININT1 */
    case 'M': return push_unsigned(r, 2);               /* BININT2 */
    case 'J': return push_int32(r);                     /* BININT */
    case 0x8a: return push_long(r);                     /* LONG1 */
    case 'G': return push_float(r);                     /* BINFLOAT */
    case 'X': return push_string(r, 4);                 /* BINUNICODE */
    case 'c': return push_global(r);                    /* GLOBAL */
    case 'q': return memo_put(r, 1);                    /* BINPUT */
    case 'r': return memo_put(r, 4);                    /* LONG_BINPUT */
    case 'h': return memo_get(r, 1);                    /* BINGET */
    case 'j': return memo_get(r, 4);                    /* LONG_BINGET */
    case 't': return make_marked_tuple(r);              /* TUPLE */
    case 0x85: return make_short_tuple(r, 1);           /* TUPLE1 */
    case 0x86: return make_short_tuple(r, 2);           /* TUPLE2 */
    case 0x87: return make_short_tuple(r, 3);           /* TUPLE3 */
    case 'a': return fill_last(r, 1, false);            /* APPEND */
    case 'e': return fill_marked(r, false);             /* APPENDS */
    case 's': return fill_last(r, 2, true);             /* SETITEM */
    case 'u': return fill_marked(r, true);              /* SETITEMS */
    case 'R': return reduce(r);
    case 'b': return build(r);
    case 'Q': return persistent(r); /* BINPERSID */
    default:
        return ito_error_set(
            r->err, ITO_E_UNSUPPORTED,
            "%s: its pickle has opcode 0x%02x at byte %zu, which tensors do not need: save it with "
            "torch.save's defaults, or get the file again",
            r->path, opcode, r->at - 1);
    }
}

static ito_status run(reader *r) {
    ito_status st;
    const unsigned char *opcode = NULL;
    for (;;) {
        if ((st = take(r, 1, &opcode)) != ITO_OK) return st;
        if (*opcode == '.') return pop(r, &r->p->root);
        if ((st = step(r, *opcode)) != ITO_OK) return st;
    }
}

ito_status ito__pickle_parse(const char *path, const unsigned char *bytes, size_t length,
                             const char *const *globals, ito__pickle **out, ito_error *err) {
    ito_status st;
    *out = NULL;
    ito__pickle *p = ito__calloc(1, sizeof *p);
    if (!p)
        return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                             path);
    reader r = {.path = path, .bytes = bytes, .length = length, .globals = globals, .p = p, .err = err};
    if ((st = run(&r)) != ITO_OK) goto done;
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

const ito__pickle_value *ito__pickle_get(const ito__pickle_value *d, const char *key) {
    if (d->kind != ITO__PICKLE_DICT && d->kind != ITO__PICKLE_CALL) return NULL;
    /* A later assignment of the same key wins, as in Python. */
    for (size_t i = d->count / 2; i > 0; i--) {
        const value *k = d->item[2 * i - 2];
        if (k->kind == ITO__PICKLE_STRING && strcmp(k->text, key) == 0) return d->item[2 * i - 1];
    }
    return NULL;
}
