/* SPDX-License-Identifier: Apache-2.0
 *
 * Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011).
 *
 * There is no generator state. A draw is named by where it is used: a stream is (seed, purpose, sample), and
 * within it `step` names the use; the same names give the same numbers whatever the batch, the thread count
 * or the order of calls (SPEC section 9). Key: the seed. Counter words: block within the draw, step,
 * sample (low 32 bits), purpose << 24 | sample (next 24 bits).
 */
#ifndef ITO_RANDOM_H
#define ITO_RANDOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* What a draw is for. Numbers are part of the file format of a run (they fix its random streams): append
 * only. */
typedef enum ito_purpose {
    ITO_RNG_PRIOR = 1,  /* x(T) of a sampler */
    ITO_RNG_PREDICTOR,  /* noise of a predictor step */
    ITO_RNG_CORRECTOR,  /* noise of a corrector sweep */
    ITO_RNG_ORDER,      /* shuffling of a data set, one draw per epoch */
    ITO_RNG_DEQUANTIZE, /* uniform dequantization */
    ITO_RNG_FLIP,       /* horizontal flips */
    ITO_RNG_TIME,       /* t of a training example */
    ITO_RNG_NOISE,      /* z of a training example */
    ITO_RNG_DROPOUT,    /* masks */
    ITO_RNG_INIT,       /* initial weights, sample = index of the parameter */
    ITO_RNG_PROBE,      /* trace probes */
    ITO_RNG_USER,       /* free for embedding programs */
    ITO_RNG_POINTS,     /* samples of analytic densities and point sets */
    ITO_RNG_CLASS,      /* whether a training example's class is hidden */
    ITO_RNG_PURPOSE_COUNT
} ito_purpose;

typedef struct ito_stream {
    uint64_t seed;
    ito_purpose purpose;
    int64_t sample; /* below 2^56 */
} ito_stream;

/* n raw 32-bit words of the draw `step` of the stream; element i depends on (stream, step, i) only. */
void ito_random_bits(ito_stream stream, uint32_t step, int64_t n, uint32_t *out);

/* n uniforms in (0, 1), 32 bits of resolution: (bits + 1/2) / 2^32. */
void ito_random_uniform(ito_stream stream, uint32_t step, int64_t n, double *out);

/* n standard normals by Box-Muller from pairs of uniforms; elements 2i and 2i+1 share a pair. The same bits
 * on every machine: the logarithm, sine and cosine are the library's own. */
void ito_random_normal(ito_stream stream, uint32_t step, int64_t n, double *out);

/* A uniformly random permutation of 0..n-1 (Fisher-Yates, unbiased), n < 2^32. */
void ito_random_permutation(ito_stream stream, uint32_t step, int64_t n, int64_t *out);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
