/* SPDX-License-Identifier: Apache-2.0
 *
 * The probability-flow ODE of an SDE, dx = [f1(t) x - g(t)^2 s(x, t) / 2] dt ([SDE] Eq 13): it carries the
 * data density to the prior and back without noise. So it samples, encodes, decodes, and knows the
 * likelihood.
 *
 *   ito_ode_sample      prior -> data          ito_ode_encode   data -> latent x(T)
 *   ito_ode_decode      latent x(T) -> data    ito_likelihood   data -> log p(x), bits/dim
 *   ito_slerp           between two latents
 *
 * States are [n, dim], row-major. By default the whole batch is one system with one step size (ode.h), as
 * published: within the tolerance, a sample depends on the others of its batch. With `per_sample` each sample
 * has its own step and leaves the batch when it is done: it then depends on its seed and index alone, bit for
 * bit if the score does, and costs what it takes by itself. Equations: SPEC sections 2, 5, 6.
 */
#ifndef ITO_FLOW_H
#define ITO_FLOW_H

#include <ito/dynamics.h>
#include <ito/ode.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_flow_options {
    ito_ode_options ode;       /* method, tolerances, callbacks: ito_ode_default() */
    bool per_sample;           /* a step per sample: false, as published */
    double eps;                /* time of the data; 0 = ito_sde_sampling_eps */
    bool denoise;              /* sample, decode: end with the mean of one reverse-diffusion step at eps */
    uint64_t seed;             /* sample: of the prior */
    int64_t first_sample;      /* global index of row 0 */
    double temperature;        /* sample: scales the prior, 1 */
    const double *prior_noise; /* sample: [n, dim] unit normals instead of the stream; NULL; borrowed */
    ito_frames frames;         /* by dense output, which evaluates no score. With per_sample, memory for all
                                * frames is held until the end */
} ito_flow_options;

typedef struct ito_flow_report {
    int64_t nfe;     /* calls of the score, that of denoising included: evaluations of the costliest sample */
    double nfe_mean; /* evaluations per sample, the mean: nfe unless per_sample */
    int64_t vjps;    /* calls of the vector-Jacobian product */
    ito_ode_report ode; /* of the solver, the sum over samples if per_sample; denoising is left out */
} ito_flow_report;

/* The published defaults: dormand_prince, tolerances 1e-5, denoising. Clear `denoise` for a decoding that
 * inverts ito_ode_encode. */
ito_flow_options ito_flow_default(void);

/* Draws n samples at t = eps into x [n, score->dim] from the prior, which is that of ito_pc_sample for the
 * same seed. The functions of this header write their outputs on success only; report may be NULL.
 * Errors: ARG names the option, or the array and its sample with a value that is not finite; NUMERIC names
 * step, time and sample of a score that is not finite, or tells of a step that vanished, and of which sample;
 * the status of a callback or of the score comes back unchanged. */
ito_status ito_ode_sample(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, double *x, ito_flow_report *report, ito_error *err);

/* z = x(T) of the solution through x at eps. x and z [n, dim] may be the same array. Divided by
 * ito_sde_prior_std, z is a draw of unit normals. */
ito_status ito_ode_encode(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, const double *x, double *z, ito_flow_report *report, ito_error *err);
/* The way back: x at eps of the solution through z at T. */
ito_status ito_ode_decode(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, const double *z, double *x, ito_flow_report *report, ito_error *err);

/* Spherical interpolation of latents: out [dim] lies the part w of the way from a to b, by constant angular
 * speed along the great circle, with the length (1 - w) |a| + w |b|. So the length is kept where a and b
 * agree in it, as draws of the prior in many dimensions nearly do; a straight line would pass through points
 * that no prior draws. w = 0 gives a, w = 1 gives b, bit for bit; w outside [0, 1] goes on along the circle.
 * Where a and b point opposite ways any great circle joins them, and one is chosen; where one of them is 0
 * the way is straight. a, b and out do not overlap. Source: Shoemake 1985. */
void ito_slerp(int64_t dim, const double *a, const double *b, double w, double *out);

typedef struct ito_likelihood_options {
    ito_ode_options ode;    /* ito_ode_default() */
    bool per_sample;        /* a step per sample: false, as published */
    double eps;             /* time of the data: 1e-5; 0 = ito_sde_sampling_eps */
    const char *divergence; /* a name of ito_divergence_name: "rademacher" */
    int64_t probes;       /* per sample, held fixed along the solution: 1. Each costs a vjp per evaluation */
    double offset_bits;   /* log2 of the data scaling: 7 for [-1, 1] from 256 levels, 8 for [0, 1] */
    uint64_t seed;        /* of the probes: probe p of sample k is draw p of stream (seed, PROBE, k) */
    int64_t first_sample; /* global index of row 0 */
    const double *probe_values; /* [probes, n, dim] instead of the stream; NULL; borrowed */
} ito_likelihood_options;

/* Where the answers go; NULL for those not wanted. [n] each, z [n, dim]. */
typedef struct ito_likelihood_result {
    double *log_p;          /* prior_log_p + delta, in nats */
    double *standard_error; /* of log_p over the probes; NaN for one probe, 0 for the exact trace */
    double *bits_per_dim;   /* -log_p / (D ln 2) + offset_bits */
    double *prior_log_p;    /* log-density of z under the prior */
    double *delta;          /* integral of the divergence from eps to T, the mean over the probes */
    double *z;              /* x(T), as ito_ode_encode */
} ito_likelihood_result;

ito_likelihood_options ito_likelihood_default(void);

/* log p(x) = log p_T(x(T)) + integral from eps to T of div f~ dt ([SDE] Eq 39), with the prior for p_T.
 *   x    [n, score->dim], usually dequantized data
 * The integrals belong to the ODE system and its error norm, as published, with per_sample to that of their
 * sample. The divergence of the drift is
 * estimated by v^T (df~/dx) v with Rademacher or Gaussian probes v (Hutchinson, Skilling), or is the exact
 * trace by dim vjps, for few dimensions. Errors as above; ARG when the score has no vjp. */
ito_status ito_likelihood(const ito_sde *sde, const ito_score *score, const ito_likelihood_options *options,
                          int64_t n, const double *x, const ito_likelihood_result *result,
                          ito_flow_report *report, ito_error *err);

/* -log_p / (dim ln 2) + offset_bits. */
double ito_bits_per_dim(double log_p, int64_t dim, double offset_bits);

/* "rademacher", "gaussian", "exact"; NULL past the last. */
const char *ito_divergence_name(int index);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
