/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes: plain values, at most ITO_MAX_RANK dimensions.
 */
#include "engine/graph.h"

#include <stdio.h>

ito_shape ito_shape_scalar(void) {
    return (ito_shape){0};
}

int64_t ito_shape_count(ito_shape shape) {
    int64_t n = 1;
    for (int i = 0; i < shape.rank; i++) n *= shape.dim[i];
    return n;
}

bool ito_shape_equal(ito_shape a, ito_shape b) {
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

const char *ito__shape_text(ito_shape s, char *buffer) {
    int n = snprintf(buffer, ITO__SHAPE_TEXT, "[");
    for (int i = 0; i < s.rank; i++)
        n += snprintf(buffer + n, ITO__SHAPE_TEXT - (size_t)n, "%s%lld", i ? "," : "", (long long)s.dim[i]);
    snprintf(buffer + n, ITO__SHAPE_TEXT - (size_t)n, "]");
    return buffer;
}
