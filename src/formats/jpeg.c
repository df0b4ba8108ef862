/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG in through libjpeg-turbo's own interface, which reports errors instead of leaving the process. Grey
 * stays grey, YCbCr becomes RGB by the slow exact transform; the orientation that cameras note is not
 * followed.
 */
#include "formats/image_file.h"

#include <turbojpeg.h>

enum {
    /* A Huffman code has at least one bit, and each block of 8 x 8 of the component that sets the resolution
     * takes at least one code. */
    MAX_PIXELS_PER_BYTE = 8 * 64,
    /* A warning means that pixels are made up; a limit on scans, since each costs a walk over all blocks. */
    FLAGS = TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS
};

static ito_status unreadable(const char *path, tjhandle jpeg, ito_error *err) {
    return ito_error_set(err, ITO_E_FORMAT,
                         "%s: cannot be read as JPEG (%.150s): it is damaged, get it again or remove it",
                         path, tjGetErrorStr2(jpeg));
}

static ito_status decode(tjhandle jpeg, const char *path, const void *file, size_t length, ito_images *out,
                         ito_error *err) {
    int width = 0, height = 0, subsampling = 0, space = 0;
    ito_status st;
    if (tjDecompressHeader3(jpeg, file, length, &width, &height, &subsampling, &space) != 0)
        return unreadable(path, jpeg, err);
    if (width < 1 || height < 1) /* tables alone are a JPEG of their own kind */
        return ito_error_set(err, ITO_E_FORMAT, "%s: ends before its picture: it is cut short, get it again",
                             path);
    if (space == TJCS_CMYK || space == TJCS_YCCK)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "%s: is a JPEG of four inks (CMYK): convert it to RGB or remove it", path);
    if ((uint64_t)width * (uint64_t)height / MAX_PIXELS_PER_BYTE > length)
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: promises %d x %d pixels, more than its %zu bytes can hold: it is damaged, get it again",
            path, width, height, length);
    bool grey = space == TJCS_GRAY;
    if ((st = ito_images_init(out, 1, height, width, grey ? 1 : 3, err)) != ITO_OK) return st;
    if (tjDecompress2(jpeg, file, length, out->pixels, width, 0, height, grey ? TJPF_GRAY : TJPF_RGB,
                      FLAGS) == 0)
        return ITO_OK;
    st = unreadable(path, jpeg, err);
    ito_images_release(out);
    return st;
}

ito_status ito__jpeg_decode(const char *path, const void *file, size_t length, ito_images *out,
                            ito_error *err) {
    tjhandle jpeg = tjInitDecompress();
    if (jpeg == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory to read it: close other programs", path);
    ito_status st = decode(jpeg, path, file, length, out, err);
    tjDestroy(jpeg);
    return st;
}
