/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers of many Philox blocks at a time: the loops behind random.c, compiled for each instruction
 * set from random_fast.h. All tables give the same bits.
 */
#ifndef ITO_CORE_RANDOM_KERNEL_H
#define ITO_CORE_RANDOM_KERNEL_H

#include "core/isa.h"
#include <ito/random.h>

enum { ITO__RANDOM_BATCH = 64 }; /* blocks; a block has four words */

/* The counters of a batch (random.h gives their words' meaning). */
typedef struct ito__counters {
    uint32_t key[2], step;
    uint32_t index[ITO__RANDOM_BATCH], sample[ITO__RANDOM_BATCH], purpose[ITO__RANDOM_BATCH];
} ito__counters;

typedef struct ito__random_kernel {
    /* The words of `blocks` <= ITO__RANDOM_BATCH counters; a pair is word 2i | word 2i+1 << 32. */
    void (*draw)(const ito__counters *counters, int64_t blocks, uint64_t *pairs);
    /* out [2 pairs]: words as uniforms in (0, 1), pairs by Box-Muller as normals. */
    void (*uniforms)(int64_t pairs, const uint64_t *pair, double *out);
    void (*normals)(int64_t pairs, const uint64_t *pair, double *out);
} ito__random_kernel;

/* Tables for another processor family have NULL in them and are never chosen. */
extern const ito__random_kernel ito__random_plain, ito__random_avx2, ito__random_avx512;
/* The best of them up to `limit`. */
const ito__random_kernel *ito__random_kernel_for(ito__isa limit);

/* Rows of normals, one stream each: row k of [n, dim] is the draw `step` of (seed, purpose, first_sample +
 * k). */
typedef struct ito__random_rows {
    uint64_t seed;
    ito_purpose purpose;
    int64_t first_sample;
    uint32_t step;
    int64_t dim;
} ito__random_rows;

/* Blocks of one row: the rows' blocks are numbered on from row to row. */
int64_t ito__random_row_blocks(int64_t dim);
/* Writes the elements of blocks first .. first + blocks - 1 into out, the whole array [n, dim]. Ranges may be
 * drawn in any order and on any thread. */
void ito__random_normal_blocks(const ito__random_rows *rows, int64_t first, int64_t blocks, double *out);

#endif
