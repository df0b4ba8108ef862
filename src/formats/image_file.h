/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoders of still images from the bytes of a file; `path` names it in messages. What a header promises is
 * held against the length of the file before anything is allocated.
 */
#ifndef ITO_FORMATS_IMAGE_FILE_H
#define ITO_FORMATS_IMAGE_FILE_H

#include <ito/formats.h>

/* *out as of ito_image_read; untouched after a failure. */
ito_status ito__png_decode(const char *path, const void *file, size_t length, ito_images *out,
                           ito_error *err);
ito_status ito__jpeg_decode(const char *path, const void *file, size_t length, ito_images *out,
                            ito_error *err);
ito_status ito__webp_decode(const char *path, const void *file, size_t length, ito_images *out,
                            ito_error *err);

#endif
