/* SPDX-License-Identifier: Apache-2.0
 *
 * From one file of tensors to a safetensors file, slice by slice: the source stays mapped, what has been
 * copied is let go, and memory does not grow with the tensors. What was written is read back and compared
 * with the source before it gets its name.
 */
#include "core/memory.h"
#include "formats/files.h"
#include "formats/safetensors.h"
#include "formats/tensor_file.h"

#include <math.h>
#include <string.h>

enum { SLICE = 1 << 20 }; /* elements: 4 MB of floats */

typedef struct copying {
    const char *path;
    ito_tensor_file *from;
    int n;
    const ito_tensor *targets;
    const ito_tensor *const *sources;
    ito_progress progress;
    int64_t done, total; /* bytes, written and read back */
    float *floats;       /* [SLICE] */
    uint16_t *halves;    /* [SLICE] */
    ito_error *err;
} copying;

/* Elements of source i, from `first` on. */
static ito_tensor slice_of(const ito_tensor *t, int64_t first) {
    ito_tensor part = *t;
    part.count = t->count - first < SLICE ? t->count - first : SLICE;
    part.data = (const unsigned char *)t->data + (size_t)first * ito_dtype_size(t->dtype);
    return part;
}

/* The first number that is none, or n. The exponent of such a number is all ones; a vectorized pass over the
 * whole slice comes first, since nearly always there is none. */
static int64_t find_nonfinite(int64_t n, const float *x) {
    const uint32_t exponent = 0x7f800000;
    uint32_t bad = 0, bits;
    for (int64_t i = 0; i < n; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    if (!bad) return n;
    int64_t first = 0;
    while (isfinite(x[first])) first++;
    return first;
}

/* The bytes that target i is to have for its elements from `first` on, *count of them. */
static ito_status produce(copying *c, int i, int64_t first, const void **bytes, int64_t *count) {
    const ito_tensor *target = &c->targets[i], *source = c->sources[i];
    if (!source) {
        *count = target->count - first < SLICE ? target->count - first : SLICE;
        memset(c->floats, 0, (size_t)*count * sizeof *c->floats);
        *bytes = c->floats; /* zeros look alike in every type of at most 4 bytes */
        return ITO_OK;
    }
    const ito_tensor part = slice_of(source, first);
    *count = part.count;
    ito_tensor_read_f32(&part, c->floats);
    int64_t bad = find_nonfinite(part.count, c->floats);
    if (bad < part.count)
        return ito_error_set(c->err, ITO_E_NUMERIC,
                             "%s: tensor \"%.200s\" holds %g at index %lld: take an earlier checkpoint",
                             c->from->path, source->name, (double)c->floats[bad], (long long)(first + bad));
    *bytes = c->floats;
    if (target->dtype == ITO_DTYPE_BF16) {
        ito_bf16_from_f32(part.count, c->floats, c->halves);
        *bytes = c->halves;
    }
    return ITO_OK;
}

/* Reads ahead of the slice at `first`, so that the disk works while we do. */
static void announce(const copying *c, int i, int64_t first) {
    const ito_tensor *t = c->sources[i];
    if (t && first + SLICE < t->count) {
        const ito_tensor next = slice_of(t, first + SLICE);
        ito__file_expect(c->from->map, c->from->map_length, next.data,
                         (size_t)next.count * ito_dtype_size(next.dtype));
    } else if (i + 1 < c->n && (t = c->sources[i + 1]) != NULL) {
        const ito_tensor next = slice_of(t, 0);
        ito__file_expect(c->from->map, c->from->map_length, next.data,
                         (size_t)next.count * ito_dtype_size(next.dtype));
    }
}

/* Walks all slices; use gets each one's bytes. */
static ito_status walk(copying *c, ito_status (*use)(copying *, void *, const void *, size_t), void *self) {
    ito_status st;
    for (int i = 0; i < c->n; i++) {
        const ito_tensor *source = c->sources[i];
        const size_t size = ito_dtype_size(c->targets[i].dtype);
        if (source && (st = ito_tensor_file_check(c->from, source, c->err)) != ITO_OK) return st;
        for (int64_t first = 0, count = 0; first < c->targets[i].count; first += count) {
            const void *bytes = NULL;
            announce(c, i, first);
            if ((st = produce(c, i, first, &bytes, &count)) != ITO_OK) return st;
            if ((st = use(c, self, bytes, (size_t)count * size)) != ITO_OK) return st;
            if (source) {
                const ito_tensor part = slice_of(source, first);
                ito__file_forget(c->from->map, c->from->map_length, part.data,
                                 (size_t)count * ito_dtype_size(part.dtype));
            }
            c->done += count * (int64_t)size;
            if (c->progress.report &&
                (st = c->progress.report(c->progress.self, c->done, c->total)) != ITO_OK)
                return st;
        }
    }
    return ITO_OK;
}

static ito_status write_slice(copying *c, void *self, const void *bytes, size_t length) {
    return ito__output_write(self, bytes, length, c->err);
}

/* The file that was written, and how far it has been compared. */
typedef struct reading {
    void *map;
    size_t length, at;
} reading;

static ito_status differs(const copying *c) {
    return ito_error_set(c->err, ITO_E_IO,
                         "%s: what was written does not read back: check the disk and try again", c->path);
}

static ito_status compare_slice(copying *c, void *self, const void *bytes, size_t length) {
    reading *r = self;
    const unsigned char *got = (const unsigned char *)r->map + r->at;
    if (length > r->length - r->at || memcmp(got, bytes, length) != 0) return differs(c);
    ito__file_forget(r->map, r->length, got, length);
    r->at += length;
    return ITO_OK;
}

static ito_status verify(copying *c, const ito__output *o, const void *header, size_t length) {
    reading r = {NULL, 0, 0};
    ito_status st = ito__file_map(o->temporary, &r.map, &r.length, c->err);
    if (st == ITO_OK) st = compare_slice(c, &r, header, length);
    if (st == ITO_OK) st = walk(c, compare_slice, &r);
    if (st == ITO_OK && r.at != r.length) st = differs(c);
    ito__file_unmap(r.map, r.length);
    return st;
}

static ito_status check(const copying *c) {
    for (int i = 0; i < c->n; i++) {
        const ito_tensor *t = &c->targets[i];
        if (t->dtype != ITO_DTYPE_F32 && t->dtype != ITO_DTYPE_BF16)
            return ito_error_set(c->err, ITO_E_ARG, "%s: tensor \"%.200s\" would be %s: use F32 or BF16",
                                 c->path, t->name, ito_dtype_name(t->dtype));
        if (c->sources[i] && c->sources[i]->count != t->count)
            return ito_error_set(c->err, ITO_E_ARG,
                                 "%s: tensor \"%.200s\" has another size than its source: correct the call",
                                 c->path, t->name);
    }
    return ITO_OK;
}

ito_status ito_safetensors_copy(const char *path, ito_tensor_file *from, int n, const ito_tensor *targets,
                                const ito_tensor *const *sources, int n_metadata,
                                const ito_metadata *metadata, ito_progress progress, ito_error *err) {
    ito__output o = {0};
    copying c = {path, from, n, targets, sources, progress, 0, 0, NULL, NULL, err};
    unsigned char *header = NULL;
    size_t length = 0;
    ito_status st = check(&c);
    if (st != ITO_OK) return st;
    for (int i = 0; i < n; i++) c.total += 2 * targets[i].count * (int64_t)ito_dtype_size(targets[i].dtype);
    st = ito__safetensors_header(path, n, targets, n_metadata, metadata, &header, &length, err);
    if (st != ITO_OK) goto done;
    c.floats = ito__alloc(SLICE, sizeof *c.floats);
    c.halves = ito__alloc(SLICE, sizeof *c.halves);
    if (!c.floats || !c.halves) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write it: close other programs", path);
        goto done;
    }
    if ((st = ito__output_open(&o, path, err)) != ITO_OK) goto done;
    if ((st = ito__output_write(&o, header, length, err)) != ITO_OK) goto done;
    if ((st = walk(&c, write_slice, &o)) != ITO_OK) goto done;
    if ((st = verify(&c, &o, header, length)) != ITO_OK) goto done;
    st = ito__output_commit(&o, err);
done:
    ito__output_release(&o);
    ito__free(c.halves);
    ito__free(c.floats);
    ito__free(header);
    return st;
}
