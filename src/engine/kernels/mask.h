/* SPDX-License-Identifier: Apache-2.0
 *
 * The random bits of dropout, as the plain kernel draws them: Philox4x32-10, one block of four words for
 * eight places. The site of the dropout enters the key, so that two layers never share a mask.
 */
#ifndef ITO_ENGINE_MASK_H
#define ITO_ENGINE_MASK_H

#include <Random123/philox.h>
#include <ito/random.h>

/* 16 bits for element `place` of a sample. */
static inline uint32_t ito__dropout_bits(uint64_t seed, uint32_t site, uint32_t step, int64_t sample,
                                         int64_t place) {
    philox4x32_ctr_t counter = {{(uint32_t)(place / 8), step, (uint32_t)sample,
                                 (uint32_t)ITO_RNG_DROPOUT << 24 | ((uint32_t)(sample >> 32) & 0xffffff)}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32) ^ (site * 0x9e3779b9u)}};
    philox4x32_ctr_t words = philox4x32(counter, key);
    return words.v[place % 8 / 2] >> (place % 2 * 16) & 0xffff;
}

#endif
