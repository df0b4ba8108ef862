/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG files for tests, written without the library.
 */
#ifndef ITO_TESTS_JPEG_H
#define ITO_TESTS_JPEG_H

#include <stdio.h>
#include <stdlib.h>
#include <turbojpeg.h>

/* Pixels [height, width, 1 or 3] or, with 4 channels, inks; quality 1 to 100; subsampling TJSAMP_444, ...;
 * flags of libjpeg-turbo. The bytes of the file; tjFree(). */
static unsigned char *jpeg_make(const unsigned char *pixels, int height, int width, int channels, int quality,
                                int subsampling, int flags, unsigned long *length) {
    unsigned char *bytes = NULL;
    tjhandle jpeg = tjInitCompress();
    int format = channels == 1 ? TJPF_GRAY : channels == 3 ? TJPF_RGB : TJPF_CMYK;
    *length = 0;
    if (jpeg == NULL || tjCompress2(jpeg, pixels, width, 0, height, format, &bytes, length,
                                    channels == 1 ? TJSAMP_GRAY : subsampling, quality, flags) != 0)
        abort();
    tjDestroy(jpeg);
    return bytes;
}

static inline void jpeg_write(const char *path, const unsigned char *pixels, int height, int width,
                              int channels, int quality) {
    unsigned long length = 0;
    unsigned char *bytes = jpeg_make(pixels, height, width, channels, quality, TJSAMP_444, 0, &length);
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(bytes, 1, length, f) != length || fclose(f) != 0) abort();
    tjFree(bytes);
}

#endif
