/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX files, plain or gzip.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int rank = 0;
    int64_t dims[3] = {0};
    uint8_t *bytes = NULL;
    ito_error err = {0};
    if (ito_idx_read(fuzz_file(data, size), &rank, dims, &bytes, &err) != ITO_OK &&
        (bytes || !err.message[0]))
        abort();
    if (bytes && dims[0] * dims[1] * dims[2] > 0) { /* the last byte is there */
        volatile uint8_t last = bytes[dims[0] * dims[1] * dims[2] - 1];
        (void)last;
    }
    free(bytes);
    return 0;
}
