/* SPDX-License-Identifier: Apache-2.0
 *
 * From what a user types to the file that holds the weights.
 */
#ifndef ITO_MODELS_MODEL_PATH_H
#define ITO_MODELS_MODEL_PATH_H

#include <ito/status.h>
#include <stdbool.h>
#include <stddef.h>

/* A file as it is; a run directory's newest good checkpoint (or its model.safetensors when it has none); else
 * the bundled model of that name. IO lists what was looked for and the bundled names. */
ito_status ito__model_find(const char *path, char *out, size_t size, ito_error *err);

bool ito__is_directory(const char *path);

#endif
