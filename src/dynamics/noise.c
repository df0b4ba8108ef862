/* SPDX-License-Identifier: Apache-2.0
 *
 * Normals from the counter-based streams, one stream per sample.
 */
#include "dynamics/noise.h"
#include "core/random_kernel.h"

/* Blocks that a thread draws at a time. Neither the rows' ends nor their number matter: a single image is
 * shared by threads as a million points are. */
enum { CHUNK = 1 << 10 };

static void philox_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                          double *out) {
    const ito__philox *p = self;
    const ito__random_rows rows = {
        .seed = p->seed, .purpose = purpose, .first_sample = p->first_sample, .step = step, .dim = dim};
    const int64_t blocks = n * ito__random_row_blocks(dim);
#pragma omp parallel for schedule(static) if (n * dim > ITO__PARALLEL_VALUES)
    for (int64_t first = 0; first < blocks; first += CHUNK)
        ito__random_normal_blocks(&rows, first, blocks - first < CHUNK ? blocks - first : CHUNK, out);
}

ito__noise ito__philox_noise(ito__philox *self) {
    return (ito__noise){.self = self, .normal = philox_normal};
}
