/* SPDX-License-Identifier: Apache-2.0
 *
 * PyTorch files: container, pickle, tensors.
 */
#include "fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    if (ito_pth_open(fuzz_file(data, size), &f, &err) != ITO_OK && (f || !err.message[0])) abort();
    fuzz_use_tensors(f);
    return 0;
}
