/* SPDX-License-Identifier: Apache-2.0
 *
 * What the writers of safetensors share.
 */
#ifndef ITO_FORMATS_SAFETENSORS_H
#define ITO_FORMATS_SAFETENSORS_H

#include "formats/files.h"

#include <ito/formats.h>

/* The bytes before the data: length, JSON, padding; ito__free. ARG for names given twice and for shapes that
 * disagree with their count. */
ito_status ito__safetensors_header(const char *path, int n, const ito_tensor *tensors, int n_metadata,
                                   const ito_metadata *metadata, unsigned char **out, size_t *length,
                                   ito_error *err);
/* Writes all of a file into an open output, which the caller commits. */
ito_status ito__safetensors_put(ito__output *o, int n, const ito_tensor *tensors, int n_metadata,
                                const ito_metadata *metadata, ito_error *err);

#endif
