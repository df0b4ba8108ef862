/* SPDX-License-Identifier: Apache-2.0
 *
 * The data sets ito knows by name: where their files are, who reads them, how they are prepared.
 */
#ifndef ITO_DATA_CATALOG_H
#define ITO_DATA_CATALOG_H

#include "data/raw.h"

#include <ito/data.h>

typedef struct ito__source ito__source;
struct ito__source {
    const char *name;
    /* Fills *out, which is zeros, from the files in `path` for split "train" or "test"; the caller releases
     * it after a failure too. */
    ito_status (*read)(const ito__source *s, const ito_data_config *config, const char *path,
                       const char *split, ito__raw *out, ito_error *err);
    const char *path;  /* used where data.path is empty; NULL: data.path has to be set */
    const char *get;   /* ends "<file>: is missing: ..." */
    const char *again; /* IDX and CIFAR: ends "<file>: <what is wrong>: ..." */
    ito__preparation prepare;
    /* Another preparation for one size, where the published one is different; 0: none. */
    int64_t other_size;
    ito__preparation prepare_other;
    int64_t channels; /* that data.channels has to have; 0: 1 or 3 */
    int64_t classes;  /* of labels that are bytes */
    /* IDX: image and label file of each split, gzip or plain. */
    const char *train[2], *test[2];
    /* Folders: of so many files in one folder, the first `first` are for training and the last `last` for
     * tests; 0: all are for training. */
    int64_t whole, first, last;
};

/* ARG lists the known names. */
ito_status ito__source_find(const char *name, const ito__source **out, ito_error *err);

/* The readers. */
ito_status ito__idx_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                             const char *split, ito__raw *out, ito_error *err);
ito_status ito__cifar_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                               const char *split, ito__raw *out, ito_error *err);
ito_status ito__npz_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                             const char *split, ito__raw *out, ito_error *err);
ito_status ito__folder_set_read(const ito__source *s, const ito_data_config *config, const char *path,
                                const char *split, ito__raw *out, ito_error *err);

/* What the readers share: IO "<path>: is missing: <get>, or set data.path to <what>". */
ito_status ito__source_missing(const ito__source *s, const char *path, const char *what, ito_error *err);
/* path/name into path of ITO__FILE_PATH letters; ARG when it does not fit. */
ito_status ito__source_path(const char *folder, const char *name, char path[ITO__FILE_PATH], ito_error *err);

#endif
