/* SPDX-License-Identifier: Apache-2.0
 *
 * Still images by their first bytes: JPEG, WebP, and PNG once more.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ito_images im = {0};
    ito_error err = {0};
    if (ito_image_read(fuzz_file(data, size), &im, &err) != ITO_OK && (im.pixels || !err.message[0])) abort();
    if (im.pixels) {
        volatile uint8_t last = im.pixels[im.height * im.width * im.channels - 1];
        (void)last;
    }
    ito_images_release(&im);
    return 0;
}
