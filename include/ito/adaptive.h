/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling by the reverse SDE with an adaptive step per sample: Jolicoeur-Martineau et al., *Gotta Go Fast
 * When Generating Data with Score-Based Models*, 2021 ([GGF] of docs/maths.md), Algorithm 1.
 *
 *   1. ito_adaptive_default, set fields
 *   2. ito_adaptive_sample(&sde, &score, &options, n, x, ...)
 *
 * An Euler-Maruyama step x' and a stochastic improved Euler step x'' share their noise. Their distance,
 * against delta = max(atol, rtol max(|x'|, |x'_prev|)), is the error E of an attempt: up to 1 the sample
 * moves to x'' (extrapolation), above it stays. Either way the next step is min(t - eps, 0.9 h E^-0.9).
 * Samples that have arrived leave the batch, so that score calls shrink. An attempt costs two evaluations.
 */
#ifndef ITO_ADAPTIVE_H
#define ITO_ADAPTIVE_H

#include <ito/dynamics.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* One attempted step of a sample from t to t - h, as an observer sees it. */
typedef struct ito_adaptive_attempt {
    int64_t row; /* of the batch */
    double t, h;
    double t_new; /* t - h, exactly where the next step begins */
    double error;
    bool accepted; /* error <= 1 */
    int64_t dim;
    const double *x, *x_new; /* [dim] at t, and proposed at t_new; borrowed during the call */
} ito_adaptive_attempt;

typedef struct ito_adaptive_options {
    double rtol;       /* 0.02; the paper uses 0.01 to 0.5: speed against quality */
    double atol;       /* 2 / 256: a grey level of data in [-1, 1], as published; halve it for [0, 1] */
    const char *norm;  /* of the error over the values of a sample: a name of ito_adaptive_norm_name, "l2" */
    double first_step; /* 0 = T / 100 */
    double eps;        /* last time; 0 = ito_sde_sampling_eps */
    bool denoise;      /* end with Tweedie's mean E[x(0) | x(eps)]: true, one evaluation */
    /* Every attempt draws its noise afresh, as published. Noise that is rejected is then missing from the
     * samples, a bias that grows as samples have fewer values: false keeps the path of a rejected step. */
    bool fresh_noise;
    uint64_t seed;
    int64_t first_sample;      /* global index of row 0 */
    double temperature;        /* scales the prior, 1 */
    const double *prior_noise; /* [n, dim] unit normals instead of the stream; NULL; borrowed */
    ito_frames frames;         /* a sample shows the end of its step that is nearer to the time */
    ito_progress progress;     /* called after rounds of attempts with the covered thousandths of [eps, T] */
    /* Sees every attempt of every sample; may be NULL. A status other than ITO_OK stops the run. */
    ito_status (*observe)(void *self, const ito_adaptive_attempt *attempt);
    void *observe_self;
} ito_adaptive_options;

typedef struct ito_adaptive_report {
    int64_t nfe;                /* calls of the score: evaluations of the costliest sample */
    double nfe_mean;            /* evaluations per sample, the mean */
    int64_t accepted, rejected; /* attempts, summed over samples */
    double seconds;
} ito_adaptive_report;

ito_adaptive_options ito_adaptive_default(void);

/* Draws n samples at t = eps into x [n, score->dim], on success only; report may be NULL. The prior is that
 * of ito_pc_sample for the same seed. The Brownian path of a sample is drawn from stream (seed, PREDICTOR,
 * sample) and does not depend on the steps; with fresh_noise, attempt i of the sample is draw i of that
 * stream. A sample depends on seed and index alone, whatever the batch and the threads.
 * Errors: ARG names the option; NUMERIC names step, time and sample of a score that is not finite, or of a
 * step that vanished (below a millionth of T - eps); the status of a callback or of the score comes
 * back unchanged. */
ito_status ito_adaptive_sample(const ito_sde *sde, const ito_score *score,
                               const ito_adaptive_options *options, int64_t n, double *x,
                               ito_adaptive_report *report, ito_error *err);

/* "l2" (root mean square), "max" (largest); NULL past the last. */
const char *ito_adaptive_norm_name(int index);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
