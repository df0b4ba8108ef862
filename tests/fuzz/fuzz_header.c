/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON header of a safetensors file, before data of 64 bytes: no length to get right first.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { DATA = 64 };
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    const uint64_t length = size;
    uint8_t *whole = calloc(sizeof length + size + DATA, 1);
    if (!whole) return 0;
    memcpy(whole, &length, sizeof length);
    memcpy(whole + sizeof length, data, size);
    const char *path = fuzz_file(whole, sizeof length + size + DATA);
    free(whole);
    if (ito_safetensors_open(path, &f, &err) != ITO_OK && (f || !err.message[0])) abort();
    fuzz_use_tensors(f);
    return 0;
}
