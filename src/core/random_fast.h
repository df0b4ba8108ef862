/* SPDX-License-Identifier: Apache-2.0
 *
 * Philox4x32-10 (Salmon et al. 2011) and Box-Muller with a lane for each counter or pair. The file that
 * includes this names its TABLE.
 */
#include "core/lane_math.h"
#include "core/random_kernel.h"

#include <math.h>

/* Words are 64 bits wide, so that none has to change lanes for a product. */
static void draw(const ito__counters *counters, int64_t blocks, uint64_t *restrict pairs) {
    LANES for (int64_t k = 0; k < blocks; k++) {
        uint64_t a = counters->index[k], b = counters->step, c = counters->sample[k],
                 d = counters->purpose[k];
        uint32_t key0 = counters->key[0], key1 = counters->key[1];
        for (int round = 0; round < 10; round++) {
            const uint64_t p = (a & 0xffffffff) * 0xD2511F53u, q = (c & 0xffffffff) * 0xCD9E8D57u;
            a = q >> 32 ^ b ^ key0;
            b = q;
            c = p >> 32 ^ d ^ key1;
            d = p;
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        pairs[2 * k] = (a & 0xffffffff) | b << 32;
        pairs[2 * k + 1] = (c & 0xffffffff) | d << 32;
    }
}

/* The midpoint of the word's cell, hence never 0 or 1: both logarithms of Box-Muller are finite. */
static inline double uniform(uint64_t word) {
    return (lane_integer(word) + 0.5) * 0x1p-32;
}

static void uniforms(int64_t pairs, const uint64_t *restrict pair, double *restrict out) {
    LANES for (int64_t i = 0; i < pairs; i++) {
        out[2 * i] = uniform(pair[i] & 0xffffffff);
        out[2 * i + 1] = uniform(pair[i] >> 32);
    }
}

static void normals(int64_t pairs, const uint64_t *restrict pair, double *restrict out) {
    LANES for (int64_t i = 0; i < pairs; i++) {
        const double radius = sqrt(-2 * lane_log(uniform(pair[i] & 0xffffffff)));
        double sine, cosine;
        lane_sincos_turn(uniform(pair[i] >> 32), &sine, &cosine);
        out[2 * i] = radius * cosine;
        out[2 * i + 1] = radius * sine;
    }
}

const ito__random_kernel TABLE = {.draw = draw, .uniforms = uniforms, .normals = normals};
