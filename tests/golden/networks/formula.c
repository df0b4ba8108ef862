/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights by formula: see formula.h.
 */
#include "formula.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool ends_with(const char *name, const char *end) {
    const size_t a = strlen(name), b = strlen(end);
    return a >= b && strcmp(name + a - b, end) == 0;
}

void formula_weights(ito_params *p) {
    for (int k = 0; k < ito_params_count(p); k++) {
        const ito_shape s = ito_params_shape(p, k);
        const char *name = ito_params_name(p, k);
        const int64_t count = ito_shape_count(s);
        const bool offset = ends_with(name, "bias") || ends_with(name, "beta") || ends_with(name, ".b");
        const double fan = s.rank > 1 ? (double)(count / s.dim[0]) : 1;
        float *x = ito_params_data(p, k);
        for (int64_t i = 0; i < count; i++) {
            const double v = sin(1 + 0.7 * k + 1.3 * (double)i);
            const bool plain = s.rank == 1 && ends_with(name, ".W");
            x[i] = (float)(s.rank > 1 ? v * (1.5 / sqrt(fan)) : plain ? v : offset ? 0.2 * v : 1 + 0.2 * v);
        }
    }
}
