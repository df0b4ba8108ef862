/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensors as PyTorch describes them: _rebuild_tensor_v2(storage, offset, shape, strides, ...) over a storage,
 * a persistent id ("storage", class, key, location, count). Dense tensors stay where they are in the mapped
 * file; other strides are copied into row-major order.
 */
#include "formats/pth.h"

#include "core/memory.h"

#include <stdio.h>
#include <string.h>

typedef ito__pth pth;
typedef ito__pickle_value value;

/* A tensor as the pickle describes it. */
typedef struct view {
    ito_tensor tensor; /* data is the start of the storage */
    ito__pth_storage storage;
    int64_t stride[ITO_TENSOR_MAX_RANK];
    int64_t offset, storage_count; /* in elements */
} view;

bool ito__pth_is_call(const value *v, const char *global) {
    return v && v->kind == ITO__PICKLE_CALL && strcmp(v->text, global) == 0;
}

bool ito__pth_is_tensor(const value *v) {
    return ito__pth_is_call(v, "torch._utils._rebuild_tensor_v2") ||
           ito__pth_is_call(v, "torch._utils._rebuild_parameter") ||
           ito__pth_is_call(v, "torch._utils._rebuild_tensor");
}

/* torch.Size((2, 3)) stands for (2, 3). */
static const value *plain_tuple(const value *v) {
    if (ito__pth_is_call(v, "torch.Size") && v->args->count == 1) v = v->args->item[0];
    return v->kind == ITO__PICKLE_TUPLE ? v : NULL;
}

static ito_status read_numbers(const pth *p, const char *name, const value *tuple, int64_t *out) {
    for (size_t i = 0; i < tuple->count; i++) {
        if (tuple->item[i]->kind != ITO__PICKLE_INT || tuple->item[i]->integer < 0)
            return ito__pth_damaged(p, name, "has a shape that is no list of sizes");
        out[i] = tuple->item[i]->integer;
    }
    return ITO_OK;
}

/* A legacy storage may be a part of another: (key, first element, count) as a sixth entry of its id. */
static ito_status narrow(const pth *p, const value *id, view *v) {
    if (id->count < 6 || id->item[5]->kind == ITO__PICKLE_NONE) return ITO_OK;
    const value *part = id->item[5];
    int64_t numbers[2];
    ito_status st;
    if (part->kind != ITO__PICKLE_TUPLE || part->count != 3)
        return ito__pth_damaged(p, v->tensor.name, "has a storage that is a strange part of another");
    const value both = {.kind = ITO__PICKLE_TUPLE, .item = part->item + 1, .count = 2};
    if ((st = read_numbers(p, v->tensor.name, &both, numbers)) != ITO_OK) return st;
    if (numbers[0] > v->storage_count || numbers[1] > v->storage_count - numbers[0] || v->offset > numbers[1])
        return ito__pth_damaged(p, v->tensor.name, "has a storage that reaches outside another");
    v->offset += numbers[0];
    v->storage_count = numbers[0] + numbers[1];
    return ITO_OK;
}

static ito_status read_storage(const pth *p, const value *storage, view *v) {
    const char *name = v->tensor.name;
    const value *id = storage->args;
    ito_status st;
    if (storage->kind != ITO__PICKLE_PERSISTENT || id->kind != ITO__PICKLE_TUPLE || id->count < 5 ||
        id->item[1]->kind != ITO__PICKLE_GLOBAL || id->item[2]->kind != ITO__PICKLE_STRING ||
        id->item[4]->kind != ITO__PICKLE_INT || id->item[4]->integer < 0)
        return ito__pth_damaged(p, name, "has no storage");
    const ito__pth_class *class = ito__pth_find_class(id->item[1]->text);
    if (!class) return ito__pth_damaged(p, name, "has a storage of no known type");
    if (class->dtype == ITO_DTYPE_COUNT)
        return ito_error_set(p->err, ITO_E_UNSUPPORTED,
                             "%s: \"%.200s\" is kept in a %s, which ito does not read: save it as float",
                             p->path, name, class->global);
    v->tensor.dtype = class->dtype;
    v->storage_count = id->item[4]->integer;
    if ((st = ito__pth_storage_find(p, name, id->item[2]->text, &v->storage)) != ITO_OK) return st;
    if ((uint64_t)v->storage_count > v->storage.size / class->element)
        return ito__pth_damaged(p, name, "has a storage that is too short");
    v->tensor.data = v->storage.data;
    return narrow(p, id, v);
}

/* Every element of the view lies inside its storage: the largest index is the sum of the last ones. */
static ito_status check_view(const pth *p, view *v) {
    const ito_tensor *t = &v->tensor;
    if (v->offset > v->storage_count) return ito__pth_damaged(p, t->name, "starts outside its storage");
    if (t->count == 0) return ITO_OK;
    int64_t room = v->storage_count - 1 - v->offset;
    for (int k = 0; k < t->rank && room >= 0; k++) {
        int64_t steps = t->dim[k] - 1;
        if (steps == 0) v->stride[k] = 0; /* never taken: whatever the file says */
        if (steps > 0 && v->stride[k] > room / steps)
            room = -1;
        else
            room -= steps * v->stride[k];
    }
    return room >= 0 ? ITO_OK : ito__pth_damaged(p, t->name, "reaches outside its storage");
}

static bool is_dense(const view *v) {
    int64_t expected = 1;
    if (v->tensor.count == 0) return true;
    for (int k = v->tensor.rank - 1; k >= 0; k--) {
        if (v->tensor.dim[k] != 1 && v->stride[k] != expected) return false;
        expected *= v->tensor.dim[k];
    }
    return true;
}

/* A call -> a view inside its storage. */
static ito_status read_view(pth *p, const char *name, const value *call, view *v) {
    ito_status st;
    *v = (view){.tensor = {.name = name}};
    if (ito__pth_is_call(call, "torch._utils._rebuild_parameter") && call->args->count > 0)
        call = call->args->item[0];
    bool tensor = ito__pth_is_call(call, "torch._utils._rebuild_tensor_v2") ||
                  ito__pth_is_call(call, "torch._utils._rebuild_tensor");
    if (!tensor || call->args->count < 4 || call->args->item[1]->kind != ITO__PICKLE_INT ||
        call->args->item[1]->integer < 0)
        return ito__pth_damaged(p, name, "is no tensor");
    const value *shape = plain_tuple(call->args->item[2]), *strides = plain_tuple(call->args->item[3]);
    if (!shape || !strides || shape->count != strides->count)
        return ito__pth_damaged(p, name, "is no tensor");
    if (shape->count > ITO_TENSOR_MAX_RANK)
        return ito_error_set(p->err, ITO_E_UNSUPPORTED,
                             "%s: \"%.200s\" has %zu dimensions: ito reads at most %d", p->path, name,
                             shape->count, ITO_TENSOR_MAX_RANK);
    v->offset = call->args->item[1]->integer;
    v->tensor.rank = (int)shape->count;
    if ((st = read_numbers(p, name, shape, v->tensor.dim)) != ITO_OK) return st;
    if ((st = read_numbers(p, name, strides, v->stride)) != ITO_OK) return st;
    if ((st = read_storage(p, call->args->item[0], v)) != ITO_OK) return st;
    if (!ito__tensor_count(&v->tensor, &v->tensor.count))
        return ito__pth_damaged(p, name, "has an impossible shape");
    return check_view(p, v);
}

/* Replaces a strided view's data by a row-major copy. */
static ito_status make_dense(pth *p, view *v) {
    ito_tensor *t = &v->tensor;
    size_t size = ito_dtype_size(t->dtype);
    uint64_t bytes = (uint64_t)t->count * size;
    /* Views may repeat elements: an honest file's copies stay below its own size, and so must this one's. */
    if (bytes > p->copy_limit)
        return ito__pth_damaged(p, t->name, "spreads a storage over more elements than it has");
    p->copy_limit -= bytes;
    unsigned char *copy = ito__alloc((size_t)t->count, size);
    ito_status st = ito__tensor_file_take(p->f, copy, p->err);
    if (st != ITO_OK) return st;
    const unsigned char *from = t->data;
    int64_t index[ITO_TENSOR_MAX_RANK] = {0}, at = v->offset;
    for (int64_t i = 0; i < t->count; i++) {
        memcpy(copy + (size_t)i * size, from + (size_t)at * size, size);
        for (int k = t->rank - 1; k >= 0; k--) { /* the next index, last axis fastest */
            at += v->stride[k];
            if (++index[k] < t->dim[k]) break;
            at -= t->dim[k] * v->stride[k];
            index[k] = 0;
        }
    }
    t->data = copy;
    return ITO_OK;
}

ito_status ito__pth_add_tensor(pth *p, const char *name, const value *call) {
    ito_status st;
    view v;
    if ((st = read_view(p, name, call, &v)) != ITO_OK) return st;
    if (v.storage.checked &&
        (st = ito__tensor_file_guard(p->f, v.storage.data, v.storage.size, v.storage.crc, p->err)) != ITO_OK)
        return st;
    if (is_dense(&v))
        v.tensor.data =
            (const unsigned char *)v.tensor.data + (size_t)v.offset * ito_dtype_size(v.tensor.dtype);
    else if ((st = make_dense(p, &v)) != ITO_OK)
        return st;
    return ito__tensor_file_add_copy(p->f, &v.tensor, v.storage.data, p->err);
}

/* ---- numbers ---- */

/* The bytes of a numpy scalar: bytes as such, or text by _codecs.encode(text, "latin1") in protocol 2, which
 * has no bytes. Each letter of the text is one byte, of which those from 128 on take two in UTF-8. */
static bool scalar_bytes(const value *v, unsigned char *out, size_t n) {
    bool encoded = ito__pth_is_call(v, "_codecs.encode");
    size_t used = 0;
    if (encoded) v = v->args->count > 0 ? v->args->item[0] : v;
    if (v->kind != ITO__PICKLE_STRING) return false;
    for (size_t i = 0; i < v->count; i++) {
        unsigned char c = (unsigned char)v->text[i];
        if (encoded && c >= 0x80) {
            if ((c & 0xfe) != 0xc2 || ++i == v->count) return false;
            c = (unsigned char)((c & 3) << 6 | ((unsigned char)v->text[i] & 0x3f));
        }
        if (used == n) return false;
        out[used++] = c;
    }
    return used == n;
}

/* numpy's scalar(dtype("f8"), bytes). */
static bool numpy_scalar(const value *v, double *out) {
    static const struct {
        const char *name;
        ito_dtype dtype;
    } types[] = {{"f8", ITO_DTYPE_F64}, {"f4", ITO_DTYPE_F32}, {"i8", ITO_DTYPE_I64}, {"i4", ITO_DTYPE_I32}};
    unsigned char bytes[8];
    if (!ito__pth_is_call(v, "numpy.core.multiarray.scalar") &&
        !ito__pth_is_call(v, "numpy._core.multiarray.scalar"))
        return false;
    const value *type = v->args->count == 2 ? v->args->item[0] : NULL;
    if (!ito__pth_is_call(type, "numpy.dtype") || type->args->count < 1 ||
        type->args->item[0]->kind != ITO__PICKLE_STRING)
        return false;
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        if (strcmp(types[k].name, type->args->item[0]->text) != 0) continue;
        if (!scalar_bytes(v->args->item[1], bytes, ito_dtype_size(types[k].dtype))) return false;
        const ito_tensor one = {.dtype = types[k].dtype, .count = 1, .data = bytes};
        ito_tensor_read_f64(&one, out);
        return true;
    }
    return false;
}

ito_status ito__pth_read_number(pth *p, const char *name, const value *v, double *out) {
    view number;
    ito_status st;
    if (v->kind == ITO__PICKLE_INT || v->kind == ITO__PICKLE_BOOL) {
        *out = (double)v->integer;
        return ITO_OK;
    }
    if (v->kind == ITO__PICKLE_FLOAT) {
        *out = v->real;
        return ITO_OK;
    }
    if (!ito__pth_is_tensor(v))
        return numpy_scalar(v, out) ? ITO_OK : ito__pth_damaged(p, name, "is no number");
    if ((st = read_view(p, name, v, &number)) != ITO_OK) return st;
    if (number.tensor.count != 1) return ito__pth_damaged(p, name, "is no single number");
    ito_tensor *t = &number.tensor;
    t->data = (const unsigned char *)t->data + (size_t)number.offset * ito_dtype_size(t->dtype);
    ito_tensor_read_f64(t, out);
    return ITO_OK;
}
