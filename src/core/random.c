/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws named by (seed, purpose, sample, step, element), each a Philox4x32-10 of its own counter.
 *
 * One call of the cipher yields a block of four words: elements 4b .. 4b+3 of a draw come from block b, so
 * any element can be computed alone and a shorter draw is a prefix of a longer one. Blocks are computed in
 * batches by the loops of random_fast.h.
 * Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
 */
#include "core/random_kernel.h"

#include <stdbool.h>

enum { WORDS = 4, PAIRS = 2, BATCH = ITO__RANDOM_BATCH };

const ito__random_kernel *ito__random_kernel_for(ito__isa limit) {
    const ito__isa isa = ito__isa_within(limit);
    if (isa == ITO__ISA_AVX512) return &ito__random_avx512;
    return isa == ITO__ISA_AVX2 ? &ito__random_avx2 : &ito__random_plain;
}

static const ito__random_kernel *fastest(void) {
    return ito__random_kernel_for(ITO__ISA_COUNT);
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- batches of blocks ---- */

int64_t ito__random_row_blocks(int64_t dim) {
    return (dim + WORDS - 1) / WORDS;
}

/* Counters of the `count` blocks from block `at` of the rows on. */
static void set_counters(const ito__random_rows *rows, int64_t at, int64_t count, ito__counters *c) {
    const int64_t per_row = ito__random_row_blocks(rows->dim);
    int64_t row = at / per_row, index = at % per_row;
    c->key[0] = (uint32_t)rows->seed;
    c->key[1] = (uint32_t)(rows->seed >> 32);
    c->step = rows->step;
    for (int64_t k = 0; k < count; row++, index = 0) {
        const uint64_t sample = (uint64_t)(rows->first_sample + row);
        const uint32_t high = (uint32_t)rows->purpose << 24 | (uint32_t)(sample >> 32 & 0xffffff);
        const int64_t end = smaller(count, k + per_row - index);
        for (int64_t i = index - k; k < end; k++) {
            c->index[k] = (uint32_t)(i + k);
            c->sample[k] = (uint32_t)sample;
            c->purpose[k] = high;
        }
    }
}

/* Drops the second pair of the last block of each row, which nobody asked for; returns how many are left. */
static int64_t drop_unused_pairs(int64_t per_row, int64_t index, int64_t count, uint64_t *pairs) {
    int64_t used = 0;
    for (int64_t k = 0; k < count; k++) {
        pairs[used++] = pairs[PAIRS * k];
        if (index == per_row - 1) {
            index = 0;
        } else {
            pairs[used++] = pairs[PAIRS * k + 1];
            index++;
        }
    }
    return used;
}

/* Copies the elements that rows have from `count` whole blocks, of which the first is block `index` of a row.
 * out: where its first element goes. */
static void copy_used(int64_t dim, int64_t index, int64_t count, const double *values, double *out) {
    for (int64_t k = 0; k < count; k++) {
        const int64_t used = smaller(WORDS, dim - WORDS * index);
        for (int64_t j = 0; j < used; j++) *out++ = values[WORDS * k + j];
        index = used < WORDS || WORDS * (index + 1) == dim ? 0 : index + 1;
    }
}

/* The elements of blocks at .. at + count - 1, transformed, into the array `out` of all rows. */
static void fill_batch(const ito__random_kernel *kernel, const ito__random_rows *rows, bool normal,
                       int64_t at, int64_t count, double *out) {
    void (*const transform)(int64_t, const uint64_t *, double *) =
        normal ? kernel->normals : kernel->uniforms;
    const int64_t dim = rows->dim, per_row = ito__random_row_blocks(dim);
    const int64_t row = at / per_row, index = at % per_row;
    ito__counters counters;
    uint64_t pairs[PAIRS * BATCH];
    double *to = out + row * dim + WORDS * index;

    set_counters(rows, at, count, &counters);
    kernel->draw(&counters, count, pairs);
    if (dim % WORDS == 0) {
        transform(PAIRS * count, pairs, to);
    } else if (dim % PAIRS == 0) {
        transform(drop_unused_pairs(per_row, index, count, pairs), pairs, to);
    } else {
        double values[WORDS * BATCH];
        transform(PAIRS * count, pairs, values);
        copy_used(dim, index, count, values, to);
    }
}

static void fill(const ito__random_rows *rows, bool normal, int64_t first, int64_t blocks, double *out) {
    const ito__random_kernel *kernel = fastest();
    for (int64_t done = 0; done < blocks; done += BATCH)
        fill_batch(kernel, rows, normal, first + done, smaller(BATCH, blocks - done), out);
}

void ito__random_normal_blocks(const ito__random_rows *rows, int64_t first, int64_t blocks, double *out) {
    fill(rows, true, first, blocks, out);
}

/* ---- draws of one stream ---- */

static ito__random_rows one_row(ito_stream stream, uint32_t step, int64_t n) {
    return (ito__random_rows){.seed = stream.seed,
                              .purpose = stream.purpose,
                              .first_sample = stream.sample,
                              .step = step,
                              .dim = n};
}

void ito_random_uniform(ito_stream stream, uint32_t step, int64_t n, double *out) {
    const ito__random_rows row = one_row(stream, step, n);
    fill(&row, false, 0, ito__random_row_blocks(n), out);
}

void ito_random_normal(ito_stream stream, uint32_t step, int64_t n, double *out) {
    const ito__random_rows row = one_row(stream, step, n);
    fill(&row, true, 0, ito__random_row_blocks(n), out);
}

/* Words 4 at .. of a draw of n words; returns how many there are, at most a batch. */
static int64_t draw_words(const ito__random_rows *row, int64_t at, int64_t n, uint32_t *words) {
    const int64_t count = smaller(BATCH, ito__random_row_blocks(n) - at);
    ito__counters counters;
    uint64_t pairs[PAIRS * BATCH];
    set_counters(row, at, count, &counters);
    fastest()->draw(&counters, count, pairs);
    const int64_t used = smaller(WORDS * count, n - WORDS * at);
    for (int64_t i = 0; i < used; i++) words[i] = (uint32_t)(pairs[i / 2] >> i % 2 * 32);
    return used;
}

void ito_random_bits(ito_stream stream, uint32_t step, int64_t n, uint32_t *out) {
    const ito__random_rows row = one_row(stream, step, n);
    for (int64_t i = 0; i < n;) i += draw_words(&row, i / WORDS, n, out + i);
}

/* ---- permutations ---- */

/* The words of a draw one after another. */
typedef struct word_reader {
    ito__random_rows row;
    int64_t position;
    uint32_t words[WORDS * BATCH];
} word_reader;

static uint32_t next_word(word_reader *r) {
    const int64_t i = r->position % (WORDS * BATCH);
    if (i == 0) draw_words(&r->row, r->position / WORDS, r->row.dim, r->words);
    r->position++;
    return r->words[i];
}

/* Uniform on 0 .. bound-1 without bias: the high half of word * bound, redrawn when the low half falls in the
 * part of 2^32 that does not divide evenly (Lemire, Fast Random Integer Generation in an Interval, 2019). */
static uint32_t below(word_reader *r, uint32_t bound) {
    uint64_t product = (uint64_t)next_word(r) * bound;
    if ((uint32_t)product < bound) {
        uint32_t uneven = (0u - bound) % bound;
        while ((uint32_t)product < uneven) product = (uint64_t)next_word(r) * bound;
    }
    return (uint32_t)(product >> 32);
}

void ito_random_permutation(ito_stream stream, uint32_t step, int64_t n, int64_t *out) {
    /* As many words as there may ever be: how many redraws there are is not known before. */
    word_reader reader = {.row = one_row(stream, step, INT64_MAX - WORDS)};
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = below(&reader, (uint32_t)(i + 1));
        int64_t swapped = out[i];
        out[i] = out[j];
        out[j] = swapped;
    }
}
