/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of a .npy array: "\x93NUMPY", version, length, and a Python dictionary of type, order and shape.
 */
#ifndef ITO_FORMATS_NPY_H
#define ITO_FORMATS_NPY_H

#include <ito/formats.h>

/* Room for any header that we write. */
#define ITO__NPY_HEADER_MAX 512

/* Writes the version 1.0 header of t and its length, a multiple of 64. UNSUPPORTED names the dtype. */
ito_status ito__npy_header(const char *path, const ito_tensor *t, char header[ITO__NPY_HEADER_MAX],
                           size_t *length, ito_error *err);
/* Parses a whole .npy in memory: dtype, rank, dim, count and data (into bytes) of t; t->name is the caller's
 * and appears in messages. FORMAT when the array is not exactly as long as its header says. */
ito_status ito__npy_parse(const char *path, const void *bytes, size_t length, ito_tensor *t, ito_error *err);

#endif
