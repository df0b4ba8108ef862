/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a sampler's normals come from: Philox streams, or a recording that a test replays.
 */
#ifndef ITO_DYNAMICS_NOISE_H
#define ITO_DYNAMICS_NOISE_H

#include <ito/random.h>

/* Below this many values, starting threads costs more than the work. */
enum { ITO__PARALLEL_VALUES = 1 << 14 };

typedef struct ito__noise {
    void *self;
    /* n rows of dim standard normals into out; row k belongs to sample k of the batch. `step` counts the
     * draws of one purpose. */
    void (*normal)(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim, double *out);
} ito__noise;

/* Row k is the draw `step` of stream (seed, purpose, first_sample + k), whatever the batch. */
typedef struct ito__philox {
    uint64_t seed;
    int64_t first_sample;
} ito__philox;
ito__noise ito__philox_noise(ito__philox *self);

#endif
