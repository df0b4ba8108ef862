/* SPDX-License-Identifier: Apache-2.0
 *
 * The images of one split as they are stored: what each reader of a format gives and dataset.c prepares.
 */
#ifndef ITO_DATA_RAW_H
#define ITO_DATA_RAW_H

#include "data/file_list.h"
#include "data/picture.h"

#include <ito/formats.h>

/* Either pictures of one size in memory or files that are read one by one. */
typedef struct ito__raw {
    int64_t n;
    int64_t classes; /* 0: unlabelled */
    int32_t *labels; /* [n], 0 .. classes - 1; owned; NULL if unlabelled */

    ito__picture first;    /* picture 0, the others follow it; or first.pixels is NULL */
    uint8_t *pixels;       /* owner of the bytes, */
    ito_tensor_file *file; /* or the file that has them */

    ito__file_list files; /* n of them when there are no pixels */
} ito__raw;

/* labels[i] = bytes[i]; NOMEM. */
ito_status ito__raw_label(ito__raw *r, const uint8_t *bytes, int64_t classes, ito_error *err);
void ito__raw_release(ito__raw *r);

#endif
