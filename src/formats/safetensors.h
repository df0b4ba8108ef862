/* SPDX-License-Identifier: Apache-2.0
 *
 * What the two writers of safetensors share.
 */
#ifndef ITO_FORMATS_SAFETENSORS_H
#define ITO_FORMATS_SAFETENSORS_H

#include <ito/formats.h>

/* The bytes before the data: length, JSON, padding; ito__free. ARG for names given twice and for shapes that
 * disagree with their count. */
ito_status ito__safetensors_header(const char *path, int n, const ito_tensor *tensors, int n_metadata,
                                   const ito_metadata *metadata, unsigned char **out, size_t *length,
                                   ito_error *err);

#endif
