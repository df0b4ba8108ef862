/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG through libspng: any PNG in (as 8-bit grey or RGB), 8-bit grey or RGB out.
 */
#include "core/memory.h"
#include "formats/checksums.h"
#include "formats/image_file.h"

#include <spng.h>
#include <stdlib.h>

enum {
    MAX_SIDE = 1 << 16,
    MAX_CHUNK = 1 << 24, /* an ancillary chunk's size; we keep none of them */
    /* Deflate shrinks at most 1032 times and a byte of it holds at most 8 pixels. */
    MAX_PIXELS_PER_BYTE = 8 * 1032
};

ito_status ito_png_write(const char *path, const uint8_t *pixels, int64_t height, int64_t width,
                         int64_t channels, ito_error *err) {
    ito_status st = ITO_OK;
    size_t length = 0;
    void *file = NULL;
    int code = SPNG_OK;
    if (height < 1 || width < 1 || height > MAX_SIDE || width > MAX_SIDE || (channels != 1 && channels != 3))
        return ito_error_set(
            err, ITO_E_SHAPE,
            "%s: an image of %lld x %lld with %lld channels: use sides of 1 to %d and 1 or 3 channels", path,
            (long long)height, (long long)width, (long long)channels, MAX_SIDE);
    struct spng_ihdr header = {.width = (uint32_t)width, .height = (uint32_t)height, .bit_depth = 8};
    header.color_type = channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    if (png == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write it: use a smaller image", path);
        goto done;
    }
    if ((code = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1)) == SPNG_OK &&
        (code = spng_set_ihdr(png, &header)) == SPNG_OK &&
        (code = spng_encode_image(png, pixels, (size_t)(height * width * channels), SPNG_FMT_PNG,
                                  SPNG_ENCODE_FINALIZE)) == SPNG_OK)
        file = spng_get_png_buffer(png, &length, &code);
    if (file == NULL) {
        st = ito_error_set(err, code == SPNG_EMEM ? ITO_E_NOMEM : ITO_E_IO,
                           "%s: cannot be encoded: %s: use a smaller "
                           "image",
                           path, spng_strerror(code));
        goto done;
    }
    st = ito_file_write(path, file, length, err);
done:
    free(file); /* libspng's, from malloc */
    spng_ctx_free(png);
    return st;
}

static ito_status unreadable(const char *path, int code, ito_error *err) {
    return ito_error_set(err, code == SPNG_EMEM ? ITO_E_NOMEM : ITO_E_FORMAT,
                         "%s: cannot be read as PNG (%s): check that it is one, or get it again", path,
                         spng_strerror(code));
}

/* Decodes the image whose header has been read. RGB8 suits every PNG; grey ones then lose the copies. */
static ito_status decode(spng_ctx *png, const char *path, bool grey, ito_images *out, ito_error *err) {
    size_t pixels = (size_t)(out->height * out->width), size = 0;
    uint8_t *rgb = NULL;
    ito_status st = ITO_OK;
    int code = spng_decoded_image_size(png, SPNG_FMT_RGB8, &size);
    if (code != SPNG_OK || size != 3 * pixels) return unreadable(path, code, err);
    rgb = ito__alloc(size, 1);
    if (rgb == NULL) return unreadable(path, SPNG_EMEM, err);
    if ((code = spng_decode_image(png, rgb, size, SPNG_FMT_RGB8, 0)) != SPNG_OK ||
        (code = spng_decode_chunks(png)) != SPNG_OK) { /* on to the end marker: notices a file cut short */
        st = unreadable(path, code, err);
        goto done;
    }
    if (grey) {
        for (size_t i = 0; i < pixels; i++) out->pixels[i] = rgb[3 * i];
    } else {
        for (size_t i = 0; i < size; i++) out->pixels[i] = rgb[i];
    }
done:
    ito__free(rgb);
    return st;
}

ito_status ito__png_decode(const char *path, const void *file, size_t length, ito_images *out,
                           ito_error *err) {
    struct spng_ihdr header;
    ito_images read = {0};
    ito_status st;
    int code;
    spng_ctx *png = spng_ctx_new(ITO__CHECKSUMS_COUNT ? 0 : SPNG_CTX_IGNORE_ADLER32);
    if (png == NULL) return unreadable(path, SPNG_EMEM, err);
    if ((code = spng_set_image_limits(png, MAX_SIDE, MAX_SIDE)) != SPNG_OK ||
        (code = spng_set_chunk_limits(png, MAX_CHUNK, 4 * (size_t)MAX_CHUNK)) != SPNG_OK ||
        (!ITO__CHECKSUMS_COUNT && (code = spng_set_crc_action(png, SPNG_CRC_USE, SPNG_CRC_USE)) != SPNG_OK) ||
        (code = spng_set_png_buffer(png, file, length)) != SPNG_OK ||
        (code = spng_get_ihdr(png, &header)) != SPNG_OK) {
        st = unreadable(path, code, err);
        goto done;
    }
    if ((uint64_t)header.width * header.height / MAX_PIXELS_PER_BYTE > length) {
        st = ito_error_set(
            err, ITO_E_FORMAT,
            "%s: promises %u x %u pixels, more than its %zu bytes can hold: it is damaged, get it again",
            path, header.width, header.height, length);
        goto done;
    }
    bool grey = (header.color_type & SPNG_COLOR_TYPE_TRUECOLOR) == 0; /* colour is bit 1 of the type */
    if ((st = ito_images_init(&read, 1, header.height, header.width, grey ? 1 : 3, err)) != ITO_OK) goto done;
    if ((st = decode(png, path, grey, &read, err)) != ITO_OK) goto done;
    *out = read;
    read = (ito_images){0};
done:
    ito_images_release(&read);
    spng_ctx_free(png);
    return st;
}
