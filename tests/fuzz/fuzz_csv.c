/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of numbers.
 */
#include "fuzz/fuzz.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t n = 0, columns = 0;
    double *x = NULL;
    ito_error err = {0};
    if (ito_csv_read(fuzz_file(data, size), &n, &columns, &x, &err) != ITO_OK) {
        if (x || !err.message[0]) abort();
        return 0;
    }
    for (int64_t j = 0; j < n * columns; j++)
        if (!isfinite(x[j])) abort();
    if (n < 1 || columns < 1) abort();
    free(x);
    return 0;
}
