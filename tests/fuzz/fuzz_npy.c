/* SPDX-License-Identifier: Apache-2.0
 *
 * One .npy array.
 */
#include "formats/npy.h"
#include "formats/tensor_file.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ito_tensor t = {.name = "fuzz"};
    ito_error err = {0};
    double value;
    ito_status st = ito__npy_parse("fuzz", data, size, &t, &err);
    if (st != ITO_OK && !err.message[0]) abort();
    if (st != ITO_OK) return 0;
    if (!ito__tensor_count(&t, &t.count)) abort();
    for (int64_t i = 0; i < t.count; i++) {
        ito_tensor one = t;
        one.count = 1;
        one.data = (const uint8_t *)t.data + (size_t)i * ito_dtype_size(t.dtype);
        ito_tensor_read_f64(&one, &value);
    }
    return 0;
}
