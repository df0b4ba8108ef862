/* SPDX-License-Identifier: Apache-2.0
 *
 * Animated WebP, lossless, through libwebp's animation encoder.
 */
#include "core/memory.h"

#include <ito/formats.h>
#include <webp/encode.h>
#include <webp/mux.h>

enum {
    LEVEL = 6, /* of 0..9 of libwebp's lossless presets: the last that is fast */
    MAX_MS = 1 << 20
};

static ito_status unwritable(const char *path, const char *reason, ito_error *err) {
    return ito_error_set(err, ITO_E_IO, "%s: cannot be encoded: %s: use fewer or smaller frames", path,
                         reason);
}

static ito_status no_memory(const char *path, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to encode it: use fewer or smaller frames", path);
}

/* rgb: room for one frame; frames of one channel are repeated into it. */
static ito_status add_frame(WebPAnimEncoder *encoder, const WebPConfig *config, const char *path,
                            const ito_images *frames, int64_t i, int time_ms, uint8_t *rgb, ito_error *err) {
    WebPPicture picture;
    ito_status st = ITO_OK;
    int64_t pixels = frames->height * frames->width;
    const uint8_t *from = frames->pixels + i * pixels * frames->channels;
    for (int64_t k = 0; k < pixels; k++)
        for (int64_t c = 0; c < 3; c++) rgb[3 * k + c] = from[frames->channels == 3 ? 3 * k + c : k];
    if (!WebPPictureInit(&picture)) return unwritable(path, "libwebp is of another version", err);
    picture.width = (int)frames->width;
    picture.height = (int)frames->height;
    picture.use_argb = 1;
    if (!WebPPictureImportRGB(&picture, rgb, 3 * picture.width))
        st = no_memory(path, err);
    else if (!WebPAnimEncoderAdd(encoder, &picture, time_ms, config))
        st = unwritable(path, WebPAnimEncoderGetError(encoder), err);
    WebPPictureFree(&picture);
    return st;
}

static ito_status encode(WebPAnimEncoder *encoder, const char *path, const ito_images *frames, int frame_ms,
                         int last_ms, uint8_t *rgb, WebPData *file, ito_error *err) {
    WebPConfig config;
    ito_status st;
    if (!WebPConfigInit(&config) || !WebPConfigLosslessPreset(&config, LEVEL))
        return unwritable(path, "libwebp is of another version", err);
    for (int64_t i = 0; i < frames->n; i++) {
        st = add_frame(encoder, &config, path, frames, i, (int)i * frame_ms, rgb, err);
        if (st != ITO_OK) return st;
    }
    /* A frame lasts until the next begins; an absent one ends the last. */
    int end = (int)(frames->n - 1) * frame_ms + last_ms;
    if (!WebPAnimEncoderAdd(encoder, NULL, end, NULL) || !WebPAnimEncoderAssemble(encoder, file))
        return unwritable(path, WebPAnimEncoderGetError(encoder), err);
    return ITO_OK;
}

ito_status ito_webp_write(const char *path, const ito_images *frames, int frame_ms, int last_ms,
                          ito_error *err) {
    WebPAnimEncoderOptions options;
    WebPData file;
    ito_status st;
    uint8_t *rgb = NULL;
    WebPAnimEncoder *encoder = NULL;
    WebPDataInit(&file);
    if (frames->n < 1 || frames->width < 1 || frames->height < 1 || frames->width > WEBP_MAX_DIMENSION ||
        frames->height > WEBP_MAX_DIMENSION)
        return ito_error_set(
            err, ITO_E_SHAPE, "%s: %lld frames of %lld x %lld: use at least one, with sides up to %d", path,
            (long long)frames->n, (long long)frames->height, (long long)frames->width, WEBP_MAX_DIMENSION);
    if (frame_ms < 1 || last_ms < 1 || frame_ms > MAX_MS || last_ms > MAX_MS ||
        frames->n > INT32_MAX / MAX_MS)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: %lld frames of %d and %d ms: use at most %d frames of 1 to %d ms", path,
                             (long long)frames->n, frame_ms, last_ms, INT32_MAX / MAX_MS, MAX_MS);
    if (!WebPAnimEncoderOptionsInit(&options)) return unwritable(path, "libwebp is of another version", err);
    options.anim_params.loop_count = 0; /* endless */
    rgb = ito__alloc((size_t)(frames->height * frames->width), 3);
    encoder = WebPAnimEncoderNew((int)frames->width, (int)frames->height, &options);
    if (rgb == NULL || encoder == NULL) {
        st = no_memory(path, err);
        goto done;
    }
    if ((st = encode(encoder, path, frames, frame_ms, last_ms, rgb, &file, err)) != ITO_OK) goto done;
    st = ito_file_write(path, file.bytes, file.size, err);
done:
    WebPDataClear(&file);
    WebPAnimEncoderDelete(encoder);
    ito__free(rgb);
    return st;
}
