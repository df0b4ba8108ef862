/* SPDX-License-Identifier: Apache-2.0
 *
 * Still WebP in, lossy or lossless, as RGB: the form in which LSUN comes.
 */
#include "formats/image_file.h"

#include <webp/decode.h>

/* Lossless WebP shrinks without limit where an image is even, so the limit is ours: no photograph comes near
 * it. */
enum { MIN_PIXELS = 1 << 20, MAX_PIXELS_PER_BYTE = 1024 };

ito_status ito__webp_decode(const char *path, const void *file, size_t length, ito_images *out,
                            ito_error *err) {
    WebPBitstreamFeatures has;
    ito_status st;
    if (WebPGetFeatures(file, length, &has) != VP8_STATUS_OK)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: cannot be read as WebP: it is damaged, get it again or remove it", path);
    if (has.has_animation)
        return ito_error_set(err, ITO_E_UNSUPPORTED, "%s: is an animation: use its frames as files", path);
    if ((uint64_t)has.width * (uint64_t)has.height > MIN_PIXELS + (uint64_t)MAX_PIXELS_PER_BYTE * length)
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: promises %d x %d pixels, too many for its %zu bytes: it is damaged, get it again", path,
            has.width, has.height, length);
    if ((st = ito_images_init(out, 1, has.height, has.width, 3, err)) != ITO_OK) return st;
    size_t size = (size_t)has.width * (size_t)has.height * 3;
    if (WebPDecodeRGBInto(file, length, out->pixels, size, 3 * has.width) != NULL) return ITO_OK;
    ito_images_release(out);
    return ito_error_set(
        err, ITO_E_FORMAT,
        "%s: its WebP data end early or are damaged, or memory ran out: get it again or remove it", path);
}
