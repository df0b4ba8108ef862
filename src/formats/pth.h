/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of PyTorch files, in layers:
 *
 *   pth_container.c   the two containers, zip and legacy: the object's pickle, and storages by key
 *   pth_tensor.c      a described tensor -> a view of its storage, checked; numbers
 *   pth.c             what a checkpoint's dictionary means: model, ema, optimizer, step
 */
#ifndef ITO_FORMATS_PTH_H
#define ITO_FORMATS_PTH_H

#include "formats/pickle.h"
#include "formats/tensor_file.h"
#include "formats/zip_map.h"

typedef struct ito__pth_storage {
    const char *key; /* borrowed from the pickle; zip: not used */
    const unsigned char *data;
    size_t size; /* in bytes */
    size_t element;
    bool checked; /* there is a checksum */
    uint32_t crc;
} ito__pth_storage;

typedef struct ito__pth {
    const char *path;
    ito_tensor_file *f;  /* maps the whole file */
    ito__pickle *pickle; /* of the object */
    bool legacy;
    ito__zip zip;
    char *root;                /* zip: "<root>/", the folder of data.pkl */
    ito__pth_storage *storage; /* legacy: sorted by key */
    size_t storages;
    uint64_t copy_limit; /* bytes that tensors which are not dense may still be copied to */
    ito_error *err;
} ito__pth;

typedef struct ito__pth_class { /* of a storage */
    const char *global;
    ito_dtype dtype; /* ITO_DTYPE_COUNT: none of ours */
    size_t element;
} ito__pth_class;

ito_status ito__pth_no_memory(const ito__pth *p);
/* FORMAT: <path>: "<name>" <what>: the file is damaged ... */
ito_status ito__pth_damaged(const ito__pth *p, const char *name, const char *what);

/* ---- containers ---- */

/* The names that a PyTorch file may mention. */
extern const char *const ito__pth_globals[];
/* NULL when it is no storage. */
const ito__pth_class *ito__pth_find_class(const char *global);
/* Maps the file at p->path and reads its pickles: p->f, p->pickle and the storages' places. */
ito_status ito__pth_open_container(ito__pth *p);
void ito__pth_release(ito__pth *p);
/* The storage of a persistent id's key. name is the tensor's, for messages. */
ito_status ito__pth_storage_find(const ito__pth *p, const char *name, const char *key, ito__pth_storage *out);

/* ---- values ---- */

bool ito__pth_is_call(const ito__pickle_value *v, const char *global);
/* Whether v describes a tensor, well or badly. */
bool ito__pth_is_tensor(const ito__pickle_value *v);
/* Adds the tensor that v describes to the file, under a name. */
ito_status ito__pth_add_tensor(ito__pth *p, const char *name, const ito__pickle_value *v);
/* A Python or numpy number, or a tensor of one element. */
ito_status ito__pth_read_number(ito__pth *p, const char *name, const ito__pickle_value *v, double *out);

#endif
