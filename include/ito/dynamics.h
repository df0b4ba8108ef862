/* SPDX-License-Identifier: Apache-2.0
 *
 * SDEs, their time reversal, and predictor-corrector sampling, over flat arrays of doubles and a score
 * callback. Nothing here knows of networks or images. Equations: SPEC sections 1, 2, 5; [SDE] Song et al.,
 * ICLR 2021.
 *
 *   1. ito_sde_default + ito_sde_check        choose an SDE
 *   2. fill an ito_score (score.h)            who knows grad log p_t
 *   3. ito_pc_default, set fields, ito_pc_sample
 *
 * States are [n, dim], row-major. Times are in [eps, T].
 */
#ifndef ITO_DYNAMICS_H
#define ITO_DYNAMICS_H

#include <ito/random.h>
#include <ito/score.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* Recipes and networks know the first ITO_SDE_NETWORK_COUNT kinds, those of [SDE]; any score of your own,
 * such as those of analytic.h, works under all. */
typedef enum ito_sde_kind {
    ITO_SDE_VE,
    ITO_SDE_VP,
    ITO_SDE_SUBVP,
    ITO_SDE_NETWORK_COUNT,
    ITO_SDE_OU = ITO_SDE_NETWORK_COUNT,
    ITO_SDE_CONTRACTIVE_OU,    /* grows instead of decaying, so that its reverse contracts */
    ITO_SDE_CONTRACTIVE_SUBVP, /* the same of sub-VP */
    ITO_SDE_EDM,               /* time is the noise level */
    ITO_SDE_AFFINE,            /* your own f1 and g */
    ITO_SDE_COUNT
} ito_sde_kind;

/* A forward SDE dx = f1(t) x dt + g(t) dw on [0, T]. A plain value: copy it freely. */
typedef struct ito_sde {
    ito_sde_kind kind;
    double T;                    /* 1; OU 10, EDM 80 (its t_max) */
    int64_t steps;               /* N: length of the discrete chain and its tables, 1000 */
    double beta_min, beta_max;   /* VP, sub-VP: 0.1, 20; contractive sub-VP: 0.01, 8 */
    double sigma_min, sigma_max; /* VE: 0.01, 50 */
    double theta, sigma;         /* OU: 0.5, 1; contractive OU: 1, 2 */
    double data_std; /* of a value of the data, for the priors of contractive and affine SDEs: 0.5 */
    /* Affine only: f1(t) and g(t), called with affine_self from any thread, 0 < t <= T; borrowed. */
    double (*f1)(const void *affine_self, double t);
    double (*g)(const void *affine_self, double t);
    const void *affine_self;
} ito_sde;

/* The published defaults of a kind; where none were published, ours. Affine: set f1 and g. */
ito_sde ito_sde_default(ito_sde_kind kind);
/* ARG names the first field out of range (steps < 2, beta_min <= 0, beta_max < beta_min, ...). */
ito_status ito_sde_check(const ito_sde *sde, ito_error *err);
/* "ve", "vp", "subvp", "ou", "contractive_ou", "contractive_subvp", "edm", "affine".
 * ito_sde_from_name: ARG lists the known names. */
const char *ito_sde_name(ito_sde_kind kind);
ito_status ito_sde_from_name(const char *name, ito_sde_kind *out, ito_error *err);

/* The functions from here on expect an SDE that passes ito_sde_check. */

/* p(x(t) | x(0)) = N(a(t) x(0), b(t)^2 I):  a and b.   [SDE] Eq 29. Accurate as t -> 0 (expm1).
 * Of an affine SDE each call integrates f1 and g over [0, t] to 12 digits, with 100 to 100,000 calls of
 * them: hold the value where t stays. */
double ito_sde_mean(const ito_sde *sde, double t);
double ito_sde_std(const ito_sde *sde, double t);
/* f1(t) and g(t): drift = f1 x, diffusion coefficient = g. */
double ito_sde_drift(const ito_sde *sde, double t);
double ito_sde_diffusion(const ito_sde *sde, double t);
/* The prior at T is N(0, prior_std^2 I): sigma_max (VE), 1 (VP, sub-VP), b(T) (OU, EDM); contractive and
 * affine SDEs keep the data's share, sqrt(a(T)^2 data_std^2 + b(T)^2), and so need data of mean about 0. */
double ito_sde_prior_std(const ito_sde *sde);
/* Row k of x [n, dim] is the x(T) from which samplers start sample first_sample + k of this seed. */
void ito_sde_prior_sample(const ito_sde *sde, uint64_t seed, int64_t first_sample, int64_t n, int64_t dim,
                          double *x);
/* log_density[k] = log of the prior's density at x[k], natural logarithm. */
void ito_sde_prior_log_density(const ito_sde *sde, int64_t n, int64_t dim, const double *x,
                               double *log_density);
/* The reverse-time family dx = (A x + S score) dt + Z dw, of the same marginals for every eta >= 0: the
 * reverse SDE at eta = 1, the probability-flow ODE at eta = 0.  A = f1, S = -(1 + eta^2) g^2 / 2, Z = eta g.
 * [SDE] App. D. */
void ito_sde_reverse(const ito_sde *sde, double eta, double t, double *A, double *S, double *Z);
/* One step of the forward chain at t: x' = x + F x + G z (SMLD, DDPM, or Euler for the rest).  F and G. */
void ito_sde_discretize(const ito_sde *sde, double t, double *F, double *G);
/* Table index of a continuous time: trunc(t (N-1)/T) with the guard of SPEC section 1. */
int64_t ito_sde_index(const ito_sde *sde, double t);
/* The Langevin step's alpha at t: 1 - beta_i (VP, sub-VP), 1 for the rest.  SPEC section 10. */
double ito_sde_alpha(const ito_sde *sde, double t);
/* Where the sampling grid ends: 1e-5 (VE), 0.002 (EDM with T = 80), 1e-3 T for the rest. */
double ito_sde_sampling_eps(const ito_sde *sde);

/* States to be shown on the way through time, for runs that choose their own steps. None where count is 0.
 *   times   [count], strictly monotone from where the run starts to where it ends, both allowed; borrowed.
 * One that is the last time of the run shows what the run returns. show    called in order, as the whole
 * batch has reached a frame, with x [n, dim]; a status other than ITO_OK stops the run */
typedef struct ito_frames {
    int64_t count;
    const double *times;
    ito_status (*show)(void *self, int64_t index, double t, int64_t n, int64_t dim, const double *x);
    void *self;
} ito_frames;

/* Predictor-corrector sampling, [SDE] Algorithms 1-5.
 *
 * Methods of the original chains (euler_maruyama, reverse_diffusion, ancestral) take N steps of the chain on
 * the uniform grid, as published, the last of them from eps on. All others, and on other grids these too,
 * step from each grid point to the next: N - 1 steps; with `denoise` a last score call at eps then gives
 * Tweedie's mean E[x(0) | x(eps)] ([EDM] ends so: 2N - 1 calls of heun).
 *
 * ddim (whose eta is at most 1), dpmpp_* and unipc step in log(a/b), and their orders hold in it: where steps
 * are few, the grid log_snr, on which these are equal, suits them. */
typedef struct ito_pc_options {
    const char *predictor;   /* a name of ito_predictor_name: "reverse_diffusion" */
    const char *corrector;   /* a name of ito_corrector_name: "langevin" */
    int64_t steps;           /* N grid points from T to eps, both included, and N of the chain: 1000 */
    int64_t corrector_steps; /* M sweeps per grid point: 1 */
    double snr;              /* r of [SDE] Alg 4-5: 0.16 */
    double eps;              /* last time; 0 = ito_sde_sampling_eps */
    const char *grid;        /* a name of ito_grid_name, the times from T to eps: "uniform" */
    double eta;            /* weight of the noise in the reverse family; negative: the predictor's own, -1 */
    bool probability_flow; /* predictor follows the ODE, as with eta = 0: false */
    bool marginal_alpha;   /* Langevin's alpha from a(t) at two grid points, for any N: false, as published */
    /* heun: S_churn, S_tmin, S_tmax (as noise-to-signal ratios b/a) and S_noise of [EDM] Alg 2: 0, 0, inf, 1.
     * A raised ratio stays at or below that of T. churn above 0 is for heun alone, and not on the ODE. */
    double churn, churn_min, churn_max, churn_noise;
    bool batch_norms; /* Langevin norms averaged over the batch, as published; false: per sample */
    bool denoise;     /* return x_mean of the last predictor step: true */
    uint64_t seed;
    int64_t first_sample;      /* global index of row 0: row k uses streams of sample first_sample + k */
    double temperature;        /* scales the prior sample: 1 */
    const double *prior_noise; /* [n, dim] unit normals to start from instead of the stream; NULL; borrowed */
    ito_progress progress;     /* called after every grid point with (i + 1, N) */
    /* Sees the state [n, dim] and its time before the first step (i = 0) and after each grid point (i = 1..N;
     * the last time, what the call returns); may be NULL. */
    ito_status (*observe)(void *self, int64_t i, double t, int64_t n, int64_t dim, const double *x);
    void *observe_self;
} ito_pc_options;

typedef struct ito_sample_report {
    int64_t nfe;     /* real network calls: the evaluations of the costliest sample */
    double nfe_mean; /* evaluations per sample, the mean; nfe unless samples have steps of their own */
    double seconds;
    /* Of them, within the score and for drawing the normals of the steps; 0 where a solver does not tell. */
    double score_seconds, noise_seconds;
} ito_sample_report;

/* The published defaults for an SDE: reverse_diffusion and langevin (VE), euler_maruyama and none (VP,
 * sub-VP), as many steps as the SDE has; norms per sample. */
ito_pc_options ito_pc_default(const ito_sde *sde);

/* Draws n samples at t = eps into x [n, score->dim].  report may be NULL. Sample k of a seed is the same
 * whatever the batch and the threads, unless batch_norms couples the samples of a batch.
 * Errors: ARG names the option, and the sample of a prior_noise that is not finite; NUMERIC names step, time
 * and sample index when the score is not finite; the status of a callback or of the score comes back
 * unchanged. x is written on success only. */
ito_status ito_pc_sample(const ito_sde *sde, const ito_score *score, const ito_pc_options *options, int64_t n,
                         double *x, ito_sample_report *report, ito_error *err);

/* The methods and grids by index from 0, NULL past the last: what --help and error messages list. */
const char *ito_predictor_name(int index);
const char *ito_corrector_name(int index);
const char *ito_grid_name(int index);
/* One sentence with its source. */
const char *ito_predictor_summary(int index);
const char *ito_corrector_summary(int index);
const char *ito_grid_summary(int index);

/* t [N], strictly falling from T to eps, both exact.
 *   uniform   equal steps in t, [SDE]
 *   karras    equal steps in (b/a)^(1/7), the noise-to-signal ratio, [EDM] Eq 5 with rho = 7
 *   log_snr   equal steps in log(a/b), [DPM++]
 * Errors: ARG names grid, N (at least 2) or eps. */
ito_status ito_grid_fill(const ito_sde *sde, const char *grid, double eps, int64_t N, double *t,
                         ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
