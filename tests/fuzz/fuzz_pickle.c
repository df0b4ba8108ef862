/* SPDX-License-Identifier: Apache-2.0
 *
 * The pickle machine alone, with the names that PyTorch files may mention.
 */
#include "formats/pth.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ito__pickle *p = NULL;
    ito_error err = {0};
    size_t used = 0;
    ito_status st = ito__pickle_parse("fuzz", data, size, ito__pth_globals, &p, &used, &err);
    if (st == ITO_OK ? used > size || !ito__pickle_root(p) : p || !err.message[0]) abort();
    if (p) ito__pickle_get(ito__pickle_root(p), "model");
    ito__pickle_free(p);
    return 0;
}
