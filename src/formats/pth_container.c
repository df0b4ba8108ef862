/* SPDX-License-Identifier: Apache-2.0
 *
 * What torch.save writes around its pickle, mapped:
 *
 *   zip (since PyTorch 1.6)   stored entries <root>/data.pkl, <root>/data/<key> for each storage,
 * <root>/version, and newer ones (byteorder, .format_version, .storage_alignment, .data/...) legacy pickles
 * one after the other: a magic number, 1001, a dictionary about the writing machine, the object, the list of
 * storage keys; then for each key in that order an int64 number of elements and the elements
 */
#include "formats/pth.h"

#include "core/memory.h"

#include <stdlib.h>
#include <string.h>

/* The pickle of 0x1950a86a20f9469cfc6c, protocol 2. */
static const unsigned char legacy_magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                             0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
static const int64_t legacy_version = 1001;

/* A numpy scalar (three names) is what the warm-up of the learning rate leaves in the optimizer's state. */
const char *const ito__pth_globals[] = {"collections.OrderedDict",
                                        "torch._utils._rebuild_tensor",
                                        "torch._utils._rebuild_tensor_v2",
                                        "torch._utils._rebuild_parameter",
                                        "torch.Size",
                                        "torch.FloatStorage",
                                        "torch.DoubleStorage",
                                        "torch.HalfStorage",
                                        "torch.BFloat16Storage",
                                        "torch.LongStorage",
                                        "torch.IntStorage",
                                        "torch.ShortStorage",
                                        "torch.CharStorage",
                                        "torch.ByteStorage",
                                        "torch.BoolStorage",
                                        "torch.storage.UntypedStorage",
                                        "numpy.core.multiarray.scalar",
                                        "numpy._core.multiarray.scalar",
                                        "numpy.dtype",
                                        "_codecs.encode",
                                        NULL};

static const ito__pth_class classes[] = {
    {"torch.FloatStorage", ITO_DTYPE_F32, 4},
    {"torch.DoubleStorage", ITO_DTYPE_F64, 8},
    {"torch.HalfStorage", ITO_DTYPE_F16, 2},
    {"torch.BFloat16Storage", ITO_DTYPE_BF16, 2},
    {"torch.LongStorage", ITO_DTYPE_I64, 8},
    {"torch.IntStorage", ITO_DTYPE_I32, 4},
    {"torch.ByteStorage", ITO_DTYPE_U8, 1},
    {"torch.BoolStorage", ITO_DTYPE_U8, 1},
    {"torch.CharStorage", ITO_DTYPE_COUNT, 1},
    {"torch.ShortStorage", ITO_DTYPE_COUNT, 2},
    {"torch.storage.UntypedStorage", ITO_DTYPE_COUNT, 1},
};

typedef ito__pickle_value value;

ito_status ito__pth_no_memory(const ito__pth *p) {
    return ito_error_set(p->err, ITO_E_NOMEM, "%s: memory ran out while reading it: close other programs",
                         p->path);
}

ito_status ito__pth_damaged(const ito__pth *p, const char *name, const char *what) {
    return ito_error_set(p->err, ITO_E_FORMAT,
                         "%s: \"%.200s\" %s: the file is damaged or no checkpoint, get it again", p->path,
                         name, what);
}

const ito__pth_class *ito__pth_find_class(const char *global) {
    for (size_t k = 0; k < sizeof classes / sizeof classes[0]; k++)
        if (strcmp(classes[k].global, global) == 0) return &classes[k];
    return NULL;
}

static ito_status big_endian(const ito__pth *p) {
    return ito_error_set(p->err, ITO_E_UNSUPPORTED,
                         "%s: was written by a big-endian machine: save it again on another", p->path);
}

/* ---- zip ---- */

/* Finds "<root>/data.pkl" and keeps "<root>/". */
static ito_status find_root(ito__pth *p, const ito__zip_entry **pickle) {
    static const char tail[] = "/data.pkl";
    const size_t n = sizeof tail - 1;
    for (size_t i = 0; i < p->zip.count; i++) {
        const ito__zip_entry *e = &p->zip.entry[i];
        if (e->name_length <= n || memcmp(e->name + e->name_length - n, tail, n) != 0) continue;
        size_t root = e->name_length - n;
        if (memchr(e->name, '/', root)) continue; /* not at the top */
        p->root = ito__alloc(root + 2, 1);
        if (!p->root) return ito__pth_no_memory(p);
        memcpy(p->root, e->name, root + 1);
        p->root[root + 1] = '\0';
        *pickle = e;
        return ITO_OK;
    }
    return ito__pth_damaged(p, "data.pkl", "is missing in the archive");
}

/* The bytes of "<root>/<name>"; NULL when there is none. */
static const ito__zip_entry *find_entry(const ito__pth *p, const char *name) {
    char whole[512];
    size_t n = strlen(p->root), m = strlen(name);
    if (n + m >= sizeof whole) return NULL;
    memcpy(whole, p->root, n);
    memcpy(whole + n, name, m + 1);
    return ito__zip_find(&p->zip, whole);
}

static ito_status open_zip(ito__pth *p) {
    const ito__zip_entry *e = NULL;
    ito_status st;
    if ((st = ito__zip_init(&p->zip, p->path, p->f->map, p->f->map_length, p->err)) != ITO_OK) return st;
    if ((st = find_root(p, &e)) != ITO_OK) return st;
    if (!e->stored) return ito__pth_damaged(p, "data.pkl", "is compressed or encrypted, expected stored");
    if (!ito__checksum_fits(e->data, e->size, e->crc))
        return ito__pth_damaged(p, "data.pkl", "has a wrong checksum");
    const ito__zip_entry *order = find_entry(p, "byteorder");
    if (order && order->stored && order->size == 3 && memcmp(order->data, "big", 3) == 0)
        return big_endian(p);
    return ito__pickle_parse(p->path, e->data, e->size, ito__pth_globals, &p->pickle, NULL, p->err);
}

static ito_status find_zip_storage(const ito__pth *p, const char *name, const char *key,
                                   ito__pth_storage *out) {
    char entry[256];
    size_t n = strlen(key);
    if (n > sizeof entry - 6) return ito__pth_damaged(p, name, "has a storage of no sensible name");
    memcpy(entry, "data/", 5);
    memcpy(entry + 5, key, n + 1);
    const ito__zip_entry *e = find_entry(p, entry);
    if (!e) return ito__pth_damaged(p, name, "has a storage that is not in the archive");
    if (!e->stored)
        return ito__pth_damaged(p, name, "has a storage that is compressed or encrypted, expected stored");
    *out = (ito__pth_storage){.data = e->data, .size = e->size, .checked = true, .crc = e->crc};
    return ITO_OK;
}

/* ---- legacy ---- */

static int by_key(const void *a, const void *b) {
    return strcmp(((const ito__pth_storage *)a)->key, ((const ito__pth_storage *)b)->key);
}

/* ("storage", class, key, location, count, ...): the storage's key and the size of its elements. */
static bool describe_storage(const value *persistent, ito__pth_storage *s) {
    const value *id = persistent->args;
    if (id->kind != ITO__PICKLE_TUPLE || id->count < 5 || id->item[1]->kind != ITO__PICKLE_GLOBAL ||
        id->item[2]->kind != ITO__PICKLE_STRING)
        return false;
    const ito__pth_class *class = ito__pth_find_class(id->item[1]->text);
    if (!class) return false;
    *s = (ito__pth_storage){.key = id->item[2]->text, .element = class->element};
    return true;
}

/* The storages' raw data have no types of their own: those stand where the object refers to them. */
static ito_status list_storages(ito__pth *p) {
    const value *all = ito__pickle_persistents(p->pickle);
    size_t kept = 0;
    p->storage = ito__alloc(all->count, sizeof *p->storage);
    if (!p->storage) return ito__pth_no_memory(p);
    for (size_t i = 0; i < all->count; i++)
        if (!describe_storage(all->item[i], &p->storage[i]))
            return ito__pth_damaged(p, "storage", "is described in a way that tensors do not need");
    if (all->count > 0) qsort(p->storage, all->count, sizeof *p->storage, by_key);
    for (size_t i = 0; i < all->count; i++) {
        if (kept > 0 && strcmp(p->storage[kept - 1].key, p->storage[i].key) == 0) {
            if (p->storage[kept - 1].element != p->storage[i].element)
                return ito__pth_damaged(p, p->storage[i].key, "is a storage of two types");
            continue;
        }
        p->storage[kept++] = p->storage[i];
    }
    p->storages = kept;
    return ITO_OK;
}

/* Walks the raw data behind the pickles in the order of the keys. */
static ito_status place_storages(ito__pth *p, const value *keys, size_t at) {
    const unsigned char *bytes = p->f->map;
    const size_t length = p->f->map_length;
    if (keys->kind != ITO__PICKLE_LIST) return ito__pth_damaged(p, "storages", "have no list of keys");
    for (size_t i = 0; i < keys->count; i++) {
        int64_t count = 0;
        if (keys->item[i]->kind != ITO__PICKLE_STRING)
            return ito__pth_damaged(p, "storages", "have a key that is no text");
        const ito__pth_storage wanted = {.key = keys->item[i]->text};
        ito__pth_storage *s = bsearch(&wanted, p->storage, p->storages, sizeof wanted, by_key);
        if (!s) return ito__pth_damaged(p, wanted.key, "is a storage that no tensor has");
        if (length - at < sizeof count)
            return ito__pth_damaged(p, s->key, "is a storage beyond the file's end");
        memcpy(&count, bytes + at, sizeof count);
        at += sizeof count;
        if (count < 0 || (uint64_t)count > (length - at) / s->element)
            return ito__pth_damaged(p, s->key, "is a storage beyond the file's end");
        s->data = bytes + at;
        s->size = (size_t)count * s->element;
        at += s->size;
    }
    return ITO_OK;
}

/* The next of the pickles that a legacy file begins with. */
static ito_status next_pickle(ito__pth *p, size_t *at, ito__pickle **out) {
    size_t used = 0;
    ito_status st = ito__pickle_parse(p->path, (const unsigned char *)p->f->map + *at, p->f->map_length - *at,
                                      ito__pth_globals, out, &used, p->err);
    if (st == ITO_OK) *at += used;
    return st;
}

static ito_status open_legacy(ito__pth *p) {
    ito__pickle *version = NULL, *system = NULL, *keys = NULL;
    size_t at = sizeof legacy_magic;
    ito_status st;
    p->legacy = true;
    if ((st = next_pickle(p, &at, &version)) != ITO_OK) goto done;
    const value *number = ito__pickle_root(version);
    if (number->kind != ITO__PICKLE_INT || number->integer != legacy_version) {
        st = ito_error_set(
            p->err, ITO_E_UNSUPPORTED,
            "%s: is not of version 1001 of the legacy form: save it with torch.save's defaults", p->path);
        goto done;
    }
    if ((st = next_pickle(p, &at, &system)) != ITO_OK) goto done;
    const value *little = ito__pickle_get(ito__pickle_root(system), "little_endian");
    if (little && little->kind == ITO__PICKLE_BOOL && !little->integer) {
        st = big_endian(p);
        goto done;
    }
    if ((st = next_pickle(p, &at, &p->pickle)) != ITO_OK) goto done;
    if ((st = next_pickle(p, &at, &keys)) != ITO_OK) goto done;
    if ((st = list_storages(p)) != ITO_OK) goto done;
    st = place_storages(p, ito__pickle_root(keys), at);
done:
    ito__pickle_free(keys);
    ito__pickle_free(system);
    ito__pickle_free(version);
    return st;
}

static ito_status find_legacy_storage(const ito__pth *p, const char *name, const char *key,
                                      ito__pth_storage *out) {
    const ito__pth_storage wanted = {.key = key};
    const ito__pth_storage *s =
        p->storages > 0 ? bsearch(&wanted, p->storage, p->storages, sizeof wanted, by_key) : NULL;
    if (!s || !s->data) return ito__pth_damaged(p, name, "has a storage that is not in the file");
    *out = *s;
    return ITO_OK;
}

/* ---- either ---- */

/* Neither form. A pickle alone may still name what it would run, and then that is the thing to say. */
static ito_status refuse(ito__pth *p) {
    ito__pickle *pickle = NULL;
    const unsigned char *bytes = p->f->map;
    if (p->f->map_length > 262 && memcmp(bytes + 257, "ustar", 5) == 0)
        return ito_error_set(
            p->err, ITO_E_UNSUPPORTED,
            "%s: is a tar archive, as PyTorch wrote before 0.2: load and save it with a newer "
            "one",
            p->path);
    const size_t magic = p->f->map_length < sizeof legacy_magic ? p->f->map_length : sizeof legacy_magic;
    bool maybe = p->f->map_length > 0 && memcmp(bytes, legacy_magic, magic) != 0 && bytes[0] != '\0' &&
                 strchr("\x80(c]}", (char)bytes[0]);
    if (maybe && ito__pickle_parse(p->path, bytes, p->f->map_length, ito__pth_globals, &pickle, NULL,
                                   p->err) == ITO_E_UNSUPPORTED)
        return ITO_E_UNSUPPORTED;
    ito__pickle_free(pickle);
    return ito_error_set(
        p->err, ITO_E_FORMAT,
        "%s: is neither a zip archive nor the older form that PyTorch writes: it is cut short "
        "or something else, get it again",
        p->path);
}

ito_status ito__pth_open_container(ito__pth *p) {
    ito_status st;
    if ((st = ito__tensor_file_create(p->path, &p->f, p->err)) != ITO_OK) return st;
    if ((st = ito__tensor_file_map(p->f, p->err)) != ITO_OK) return st;
    p->copy_limit = p->f->map_length;
    if (p->f->map_length >= sizeof legacy_magic && memcmp(p->f->map, legacy_magic, sizeof legacy_magic) == 0)
        return open_legacy(p);
    if (ito__zip_is(p->f->map, p->f->map_length)) return open_zip(p);
    return refuse(p);
}

void ito__pth_release(ito__pth *p) {
    ito_tensor_file_close(p->f);
    ito__pickle_free(p->pickle);
    ito__zip_release(&p->zip);
    ito__free(p->storage);
    ito__free(p->root);
}

ito_status ito__pth_storage_find(const ito__pth *p, const char *name, const char *key,
                                 ito__pth_storage *out) {
    return p->legacy ? find_legacy_storage(p, name, key, out) : find_zip_storage(p, name, key, out);
}
