/* SPDX-License-Identifier: Apache-2.0
 *
 * The data sets ito knows by name: where their files are and how they are read.
 */
#ifndef ITO_DATA_CATALOG_H
#define ITO_DATA_CATALOG_H

#include <ito/status.h>

/* Images of one split as they are stored: [n, height, width] bytes, and their labels. */
typedef struct ito__raw_images {
    int64_t n, height, width;
    uint8_t *pixels, *labels; /* ito__free both */
} ito__raw_images;

typedef struct ito__source {
    const char *name;
    int classes;
    const char *folder;  /* where `package` puts the files */
    const char *package; /* Debian's */
    /* Image and label file of each split, gzip or plain. */
    const char *train[2], *test[2];
} ito__source;

/* ARG lists the known names. */
ito_status ito__source_find(const char *name, const ito__source **out, ito_error *err);
/* folder: where the files are; "" for the package's. split: "train" or "test". */
ito_status ito__source_read(const ito__source *source, const char *folder, const char *split,
                            ito__raw_images *out, ito_error *err);

#endif
