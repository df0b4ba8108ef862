/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws named by (seed, purpose, sample, step, element), each a Philox4x32-10 of its own counter.
 *
 * One call of the cipher yields a block of four words: elements 4b .. 4b+3 of a draw come from block b, so
 * any element can be computed alone and a shorter draw is a prefix of a longer one.
 * Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
 */
#include <ito/random.h>

#include <Random123/philox.h>
#include <math.h>

static const double two_pi = 6.283185307179586476925286766559;

static philox4x32_ctr_t block(ito_stream stream, uint32_t step, int64_t index) {
    uint64_t sample = (uint64_t)stream.sample;
    philox4x32_key_t key = {{(uint32_t)stream.seed, (uint32_t)(stream.seed >> 32)}};
    philox4x32_ctr_t counter = {{(uint32_t)index, step, (uint32_t)sample,
                                 (uint32_t)stream.purpose << 24 | (uint32_t)(sample >> 32 & 0xffffff)}};
    return philox4x32(counter, key);
}

/* The midpoint of the word's cell, hence never 0 or 1: both logarithms of Box-Muller are finite. */
static double uniform(uint32_t word) {
    return ((double)word + 0.5) * 0x1p-32;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void ito_random_bits(ito_stream stream, uint32_t step, int64_t n, uint32_t *out) {
    for (int64_t i = 0; i < n; i += 4) {
        philox4x32_ctr_t words = block(stream, step, i / 4);
        int64_t used = smaller(4, n - i);
        for (int64_t j = 0; j < used; j++) out[i + j] = words.v[j];
    }
}

void ito_random_uniform(ito_stream stream, uint32_t step, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i += 4) {
        philox4x32_ctr_t words = block(stream, step, i / 4);
        int64_t used = smaller(4, n - i);
        for (int64_t j = 0; j < used; j++) out[i + j] = uniform(words.v[j]);
    }
}

void ito_random_normal(ito_stream stream, uint32_t step, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i += 4) {
        philox4x32_ctr_t words = block(stream, step, i / 4);
        int64_t used = smaller(4, n - i);
        for (int64_t j = 0; j < used; j += 2) {
            double radius = sqrt(-2 * log(uniform(words.v[j])));
            double angle = two_pi * uniform(words.v[j + 1]);
            out[i + j] = radius * cos(angle);
            if (j + 1 < used) out[i + j + 1] = radius * sin(angle);
        }
    }
}

/* The words of a draw one after another. */
typedef struct word_reader {
    ito_stream stream;
    uint32_t step;
    int64_t position;
    philox4x32_ctr_t words;
} word_reader;

static uint32_t next_word(word_reader *r) {
    if (r->position % 4 == 0) r->words = block(r->stream, r->step, r->position / 4);
    return r->words.v[r->position++ % 4];
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
    word_reader reader = {.stream = stream, .step = step};
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = below(&reader, (uint32_t)(i + 1));
        int64_t swapped = out[i];
        out[i] = out[j];
        out[j] = swapped;
    }
}
