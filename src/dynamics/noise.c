/* SPDX-License-Identifier: Apache-2.0
 *
 * Normals from the counter-based streams, one stream per sample.
 */
#include "dynamics/noise.h"

static void philox_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                          double *out) {
    const ito__philox *p = self;
#pragma omp parallel for schedule(static) if (n * dim > ITO__PARALLEL_VALUES)
    for (int64_t k = 0; k < n; k++) {
        const ito_stream stream = {.seed = p->seed, .purpose = purpose, .sample = p->first_sample + k};
        ito_random_normal(stream, step, dim, out + k * dim);
    }
}

ito__noise ito__philox_noise(ito__philox *self) {
    return (ito__noise){.self = self, .normal = philox_normal};
}
