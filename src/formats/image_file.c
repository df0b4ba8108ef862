/* SPDX-License-Identifier: Apache-2.0
 *
 * Still images of any format, told apart by their first bytes: names lie.
 */
#include "formats/image_file.h"

#include "formats/files.h"

#include <string.h>

typedef ito_status decoder(const char *path, const void *file, size_t length, ito_images *out,
                           ito_error *err);

static const struct {
    const char *magic;
    size_t length, at; /* of the magic bytes */
    decoder *decode;
} kinds[] = {
    {"\x89PNG", 4, 0, ito__png_decode},
    {"\xff\xd8\xff", 3, 0, ito__jpeg_decode},
    {"WEBP", 4, 8, ito__webp_decode}, /* behind RIFF and the length of the file */
};

static decoder *decoder_of(const void *file, size_t length) {
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (length >= kinds[k].at + kinds[k].length &&
            memcmp((const char *)file + kinds[k].at, kinds[k].magic, kinds[k].length) == 0)
            return kinds[k].decode;
    }
    return NULL;
}

/* decode NULL: the one that the file asks for. */
static ito_status read_file(const char *path, decoder *decode, ito_images *out, ito_error *err) {
    void *file = NULL;
    size_t length = 0;
    ito_status st;
    *out = (ito_images){0};
    if ((st = ito__file_map(path, &file, &length, err)) != ITO_OK) return st;
    if (decode == NULL) decode = decoder_of(file, length);
    if (length == 0)
        st = ito_error_set(err, ITO_E_FORMAT, "%s: is empty, expected an image: get it again", path);
    else if (decode == NULL)
        st = ito_error_set(err, ITO_E_FORMAT,
                           "%s: begins like none of PNG, JPEG and WebP: convert it to one of them", path);
    else
        st = decode(path, file, length, out, err);
    ito__file_unmap(file, length);
    return st;
}

ito_status ito_image_read(const char *path, ito_images *out, ito_error *err) {
    return read_file(path, NULL, out, err);
}

ito_status ito_png_read(const char *path, ito_images *out, ito_error *err) {
    return read_file(path, ito__png_decode, out, err);
}
