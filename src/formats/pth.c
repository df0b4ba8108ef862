/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints of the published PyTorch code: a zip of stored entries, <root>/data.pkl describing the tensors
 * and <root>/data/<key> holding their storages. The pickle is a dictionary:
 *
 *   model   name -> tensor: parameters and buffers, in the order of definition
 *   ema     decay, num_updates, shadow_params: an unnamed list of the trainable parameters, in that order
 *   step    an integer;      optimizer   Adam's state, not read
 *
 * A tensor is a call _rebuild_tensor_v2(storage, offset, shape, strides, ...), a storage a persistent id
 * ("storage", class, key, location, count). Storages are read once, and only those that a tensor of model or
 * ema needs; tensors that are dense point into them.
 */
#include "core/memory.h"
#include "formats/pickle.h"
#include "formats/tensor_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

/* All that a checkpoint of the published code names. The last three spell a numpy scalar, which the warm-up
 * of the learning rate leaves in the optimizer's state. */
static const char *const globals[] = {"collections OrderedDict",
                                      "torch._utils _rebuild_tensor_v2",
                                      "torch FloatStorage",
                                      "torch DoubleStorage",
                                      "torch HalfStorage",
                                      "torch BFloat16Storage",
                                      "torch LongStorage",
                                      "torch IntStorage",
                                      "torch ByteStorage",
                                      "numpy.core.multiarray scalar",
                                      "numpy dtype",
                                      "_codecs encode",
                                      NULL};

static const struct {
    const char *global;
    ito_dtype dtype;
} storages[] = {
    {"torch FloatStorage", ITO_DTYPE_F32}, {"torch DoubleStorage", ITO_DTYPE_F64},
    {"torch HalfStorage", ITO_DTYPE_F16},  {"torch BFloat16Storage", ITO_DTYPE_BF16},
    {"torch LongStorage", ITO_DTYPE_I64},  {"torch IntStorage", ITO_DTYPE_I32},
    {"torch ByteStorage", ITO_DTYPE_U8},
};

typedef struct pth {
    const char *path;
    zip_t *zip;
    char *root;          /* "<root>/", the folder of data.pkl */
    uint64_t entries;    /* of the archive */
    void **loaded;       /* per entry of the archive: its bytes once read, owned by f */
    uint64_t copy_limit; /* bytes that tensors which are not dense may still be copied to */
    ito__pickle *pickle;
    ito_tensor_file *f;
    ito_error *err;
} pth;

typedef ito__pickle_value value;

static ito_status out_of_memory(const pth *p) {
    return ito_error_set(p->err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                         p->path);
}

static ito_status damaged(const pth *p, const char *name, const char *what) {
    return ito_error_set(p->err, ITO_E_FORMAT,
                         "%s: \"%.200s\" %s: the file is damaged or no checkpoint, get it again", p->path,
                         name, what);
}

/* ---- the archive ---- */

static ito_status open_zip(pth *p) {
    int code = 0;
    p->zip = zip_open(p->path, ZIP_RDONLY, &code);
    if (p->zip) {
        zip_int64_t n = zip_get_num_entries(p->zip, 0);
        p->entries = n > 0 ? (uint64_t)n : 0;
        p->loaded = ito__calloc((size_t)p->entries, sizeof *p->loaded);
        return p->loaded ? ITO_OK : out_of_memory(p);
    }
    if (code == ZIP_ER_NOZIP)
        return ito_error_set(
            p->err, ITO_E_FORMAT,
            "%s: is no zip archive, as PyTorch writes since 1.6: the file is cut short, or of "
            "an older PyTorch; get it again or save it again",
            p->path);
    if (code == ZIP_ER_MEMORY) return out_of_memory(p);
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    ito_status st =
        code == ZIP_ER_NOENT || code == ZIP_ER_OPEN || code == ZIP_ER_READ ? ITO_E_IO : ITO_E_FORMAT;
    ito_error_set(p->err, st, "%s: cannot be opened: %s: check the path, or get the file again", p->path,
                  zip_error_strerror(&error));
    zip_error_fini(&error);
    return st;
}

/* Finds "<root>/data.pkl" and keeps "<root>/". */
static ito_status find_root(pth *p, uint64_t *index) {
    for (uint64_t i = 0; i < p->entries; i++) {
        const char *name = zip_get_name(p->zip, i, ZIP_FL_ENC_RAW);
        const char *slash = name ? strchr(name, '/') : NULL;
        if (!slash || strcmp(slash, "/data.pkl") != 0) continue;
        p->root = ito__strdup(name);
        if (!p->root) return out_of_memory(p);
        p->root[slash + 1 - name] = '\0';
        *index = i;
        return ITO_OK;
    }
    return damaged(p, "data.pkl", "is missing in the archive");
}

/* Size in bytes of an entry. Only stored entries are read, so that no entry is larger than the file. */
static ito_status entry_size(const pth *p, const char *name, uint64_t index, uint64_t *size) {
    zip_stat_t info;
    if (zip_stat_index(p->zip, index, 0, &info) != 0 || !(info.valid & ZIP_STAT_SIZE) ||
        !(info.valid & ZIP_STAT_COMP_METHOD))
        return damaged(p, name, "has no size");
    if (info.comp_method != ZIP_CM_STORE || info.encryption_method != ZIP_EM_NONE)
        return damaged(p, name, "is compressed or encrypted, expected stored");
    if (info.valid & ZIP_STAT_COMP_SIZE && info.comp_size != info.size)
        return damaged(p, name, "has two sizes");
    *size = info.size;
    return ITO_OK;
}

/* Reads a whole entry into a block of the tensor file. */
static ito_status load(pth *p, const char *name, uint64_t index, uint64_t size) {
    ito_status st;
    char extra;
    zip_file_t *in = NULL;
    unsigned char *block = NULL;
    if (p->loaded[index]) return ITO_OK;
    if (size > PTRDIFF_MAX) return damaged(p, name, "has an impossible size");
    if (!(in = zip_fopen_index(p->zip, index, 0))) return damaged(p, name, "cannot be read");
    block = ito__alloc((size_t)size, 1);
    if ((st = ito__tensor_file_take(p->f, block, p->err)) != ITO_OK) goto done;
    for (uint64_t at = 0; at < size;) {
        zip_int64_t n = zip_fread(in, block + at, size - at);
        if (n <= 0) {
            st = damaged(p, name, "ends early");
            goto done;
        }
        at += (uint64_t)n;
    }
    /* Checksums are compared at the end of an entry only. */
    if (zip_fread(in, &extra, 1) != 0) {
        st = damaged(p, name, "has a wrong checksum");
        goto done;
    }
    p->loaded[index] = block;
done:
    zip_fclose(in);
    return st;
}

static ito_status parse_pickle(pth *p) {
    uint64_t index = 0, size = 0;
    ito_status st;
    if ((st = find_root(p, &index)) != ITO_OK) return st;
    if ((st = entry_size(p, "data.pkl", index, &size)) != ITO_OK) return st;
    if ((st = load(p, "data.pkl", index, size)) != ITO_OK) return st;
    return ito__pickle_parse(p->path, p->loaded[index], (size_t)size, globals, &p->pickle, p->err);
}

/* ---- tensors ---- */

/* A tensor as the pickle describes it. */
typedef struct view {
    ito_tensor tensor; /* data is the start of the storage */
    int64_t stride[ITO_TENSOR_MAX_RANK];
    int64_t offset, storage_count; /* in elements */
} view;

static bool is_call(const value *v, const char *global) {
    return v->kind == ITO__PICKLE_CALL && strcmp(v->text, global) == 0;
}

static ito_status read_numbers(const pth *p, const char *name, const value *tuple, int64_t *out) {
    for (size_t i = 0; i < tuple->count; i++) {
        if (tuple->item[i]->kind != ITO__PICKLE_INT || tuple->item[i]->integer < 0)
            return damaged(p, name, "has a shape that is no list of sizes");
        out[i] = tuple->item[i]->integer;
    }
    return ITO_OK;
}

/* Loads the storage of a persistent id ('storage', class, key, location, count) into v. */
static ito_status read_storage(pth *p, const value *storage, view *v) {
    const char *name = v->tensor.name;
    char entry[256];
    uint64_t size = 0;
    const value *id = storage->args;
    ito_status st;
    if (storage->kind != ITO__PICKLE_PERSISTENT || id->kind != ITO__PICKLE_TUPLE || id->count < 5 ||
        id->item[1]->kind != ITO__PICKLE_GLOBAL || id->item[2]->kind != ITO__PICKLE_STRING ||
        id->item[4]->kind != ITO__PICKLE_INT || id->item[4]->integer < 0)
        return damaged(p, name, "has no storage");

    size_t k = 0, kinds = sizeof storages / sizeof storages[0];
    while (k < kinds && strcmp(storages[k].global, id->item[1]->text) != 0) k++;
    if (k == kinds) return damaged(p, name, "has a storage of no known type");
    v->tensor.dtype = storages[k].dtype;
    v->storage_count = id->item[4]->integer;

    int n = snprintf(entry, sizeof entry, "%sdata/%s", p->root, id->item[2]->text);
    zip_int64_t index =
        n > 0 && (size_t)n < sizeof entry ? zip_name_locate(p->zip, entry, ZIP_FL_ENC_RAW) : -1;
    if (index < 0) return damaged(p, name, "has a storage that is not in the archive");
    if ((st = entry_size(p, name, (uint64_t)index, &size)) != ITO_OK) return st;
    if ((uint64_t)v->storage_count > size / ito_dtype_size(v->tensor.dtype))
        return damaged(p, name, "has a storage that is too short");
    if ((st = load(p, name, (uint64_t)index, size)) != ITO_OK) return st;
    v->tensor.data = p->loaded[index];
    return ITO_OK;
}

/* Every element of the view lies inside its storage: the largest index is the sum of the last ones. */
static ito_status check_view(const pth *p, view *v) {
    const ito_tensor *t = &v->tensor;
    if (v->offset > v->storage_count) return damaged(p, t->name, "starts outside its storage");
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
    return room >= 0 ? ITO_OK : damaged(p, t->name, "reaches outside its storage");
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

/* Replaces a strided view's data by a row-major copy. */
static ito_status make_dense(pth *p, view *v) {
    ito_tensor *t = &v->tensor;
    size_t size = ito_dtype_size(t->dtype);
    uint64_t bytes = (uint64_t)t->count * size;
    /* Views may repeat elements: an honest file's copies stay below its own size, and so must this one's. */
    if (bytes > p->copy_limit) return damaged(p, t->name, "spreads a storage over more elements than it has");
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

/* Adds the tensor that a call describes, under a name. */
static ito_status add_tensor(pth *p, const char *name, const value *call) {
    ito_status st;
    view v = {.tensor = {.name = name}};
    const value *args = call->args;
    if (!is_call(call, "torch._utils _rebuild_tensor_v2") || args->count < 4 ||
        args->item[1]->kind != ITO__PICKLE_INT || args->item[1]->integer < 0 ||
        args->item[2]->kind != ITO__PICKLE_TUPLE || args->item[3]->kind != ITO__PICKLE_TUPLE ||
        args->item[2]->count != args->item[3]->count)
        return damaged(p, name, "is no tensor");
    if (args->item[2]->count > ITO_TENSOR_MAX_RANK)
        return ito_error_set(p->err, ITO_E_UNSUPPORTED,
                             "%s: \"%.200s\" has %zu dimensions: ito reads at most %d", p->path, name,
                             args->item[2]->count, ITO_TENSOR_MAX_RANK);
    v.offset = args->item[1]->integer;
    v.tensor.rank = (int)args->item[2]->count;
    if ((st = read_numbers(p, name, args->item[2], v.tensor.dim)) != ITO_OK) return st;
    if ((st = read_numbers(p, name, args->item[3], v.stride)) != ITO_OK) return st;
    if ((st = read_storage(p, args->item[0], &v)) != ITO_OK) return st;
    if (!ito__tensor_count(&v.tensor, &v.tensor.count)) return damaged(p, name, "has an impossible shape");
    if ((st = check_view(p, &v)) != ITO_OK) return st;
    if (is_dense(&v))
        v.tensor.data =
            (const unsigned char *)v.tensor.data + (size_t)v.offset * ito_dtype_size(v.tensor.dtype);
    else if ((st = make_dense(p, &v)) != ITO_OK)
        return st;
    return ito__tensor_file_add(p->f, &v.tensor, p->err);
}

/* ---- the checkpoint ---- */

static const char *plain_name(const char *key) {
    return strncmp(key, "module.", 7) == 0 ? key + 7 : key;
}

static ito_status add_model(pth *p, const value *model) {
    char name[512];
    for (size_t i = 0; i + 1 < model->count; i += 2) {
        const value *key = model->item[i];
        if (key->kind != ITO__PICKLE_STRING || strlen(key->text) > 400)
            return damaged(p, "model", "has a name that is no short text");
        snprintf(name, sizeof name, "model/%s", plain_name(key->text));
        ito_status st = add_tensor(p, name, model->item[i + 1]);
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

/* Whether a tensor of the model is left out of the EMA list: the table of noise levels, and the frozen
 * frequencies of a Fourier embedding, a vector W (the trainable W of a NIN is a matrix). */
static bool is_frozen(const ito_tensor *t) {
    size_t n = strlen(t->name);
    return strcmp(t->name, "model/sigmas") == 0 ||
           (t->rank == 1 && n > 2 && strcmp(t->name + n - 2, ".W") == 0);
}

static bool same_shape(const ito_tensor *a, const ito_tensor *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0;
}

/* The list's tensors under the names of the model's, in order; frozen ones with their live values. */
static ito_status add_ema(pth *p, const value *list) {
    char name[512];
    ito_status st;
    size_t next = 0;
    int models = p->f->count;
    for (int i = 0; i < models; i++) {
        ito_tensor live = p->f->tensors[i];
        snprintf(name, sizeof name, "ema/%s", live.name + strlen("model/"));
        if (is_frozen(&live)) {
            live.name = name;
            if ((st = ito__tensor_file_add(p->f, &live, p->err)) != ITO_OK) return st;
            continue;
        }
        if (next == list->count) return damaged(p, "ema", "has fewer tensors than the model has parameters");
        if ((st = add_tensor(p, name, list->item[next++])) != ITO_OK) return st;
        if (!same_shape(&live, &p->f->tensors[p->f->count - 1]))
            return damaged(p, name, "has another shape in ema than in model");
    }
    return next == list->count ? ITO_OK : damaged(p, "ema", "has more tensors than the model has parameters");
}

static ito_status add_number(pth *p, const char *key, const value *v) {
    char text[64];
    if (!v) return ITO_OK;
    if (v->kind == ITO__PICKLE_INT) {
        snprintf(text, sizeof text, "%" PRId64, v->integer);
    } else if (v->kind == ITO__PICKLE_FLOAT) {
        /* The shortest decimal that reads back as the same number. */
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, v->real);
            if (strtod(text, NULL) == v->real) break;
        }
    } else {
        return damaged(p, key, "is no number");
    }
    return ito__tensor_file_add_metadata(p->f, key, text, p->err);
}

static ito_status add_checkpoint(pth *p) {
    ito_status st;
    const value *root = ito__pickle_root(p->pickle);
    const value *model = ito__pickle_get(root, "model"), *ema = ito__pickle_get(root, "ema");
    if (!model || (model->kind != ITO__PICKLE_DICT && !is_call(model, "collections OrderedDict")))
        return damaged(p, "model", "is missing or no dictionary");
    if ((st = add_model(p, model)) != ITO_OK) return st;
    if ((st = add_number(p, "step", ito__pickle_get(root, "step"))) != ITO_OK) return st;
    if (ema) {
        const value *list = ito__pickle_get(ema, "shadow_params");
        if (!list || list->kind != ITO__PICKLE_LIST) return damaged(p, "ema", "has no list shadow_params");
        if ((st = add_ema(p, list)) != ITO_OK) return st;
        if ((st = add_number(p, "ema_num_updates", ito__pickle_get(ema, "num_updates"))) != ITO_OK) return st;
        if ((st = add_number(p, "ema_decay", ito__pickle_get(ema, "decay"))) != ITO_OK) return st;
    }
    return ito__tensor_file_finish(p->f, p->err);
}

/* Bytes of all entries: what copies of strided tensors may add up to. */
static uint64_t total_size(const pth *p) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < p->entries; i++) {
        zip_stat_t info;
        if (zip_stat_index(p->zip, i, 0, &info) == 0 && info.valid & ZIP_STAT_COMP_SIZE &&
            info.comp_size < PTRDIFF_MAX - total)
            total += info.comp_size;
    }
    return total;
}

ito_status ito_pth_open(const char *path, ito_tensor_file **out, ito_error *err) {
    ito_status st;
    pth p = {.path = path, .err = err};
    *out = NULL;
    if ((st = open_zip(&p)) != ITO_OK) goto done;
    p.copy_limit = total_size(&p);
    if ((st = ito__tensor_file_create(path, &p.f, err)) != ITO_OK) goto done;
    if ((st = parse_pickle(&p)) != ITO_OK) goto done;
    if ((st = add_checkpoint(&p)) != ITO_OK) goto done;
    *out = p.f;
    p.f = NULL;
done:
    ito_tensor_file_close(p.f);
    ito__pickle_free(p.pickle);
    ito__free(p.root);
    ito__free(p.loaded);
    if (p.zip) zip_discard(p.zip);
    return st;
}
