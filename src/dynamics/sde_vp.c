/* SPDX-License-Identifier: Apache-2.0
 *
 * The variance-preserving SDE, the limit of DDPM.  [SDE] Eqs 11, 29 and App. B, C.
 *
 *     dx = -beta(t)/2 x dt + sqrt(beta(t)) dw,      beta(t) = bmin + t (bmax - bmin)
 *     a(t) = exp(-B/2),  b(t) = sqrt(1 - exp(-B)),  B(t) = bmin t + (bmax - bmin) t^2/2,  prior N(0, 1)
 *     chain: beta_i = beta(i / (N-1)) / N,  x' = sqrt(1 - beta_i) x + sqrt(beta_i) z
 */
#include "dynamics/sde.h"

#include <math.h>

double ito__vp_beta(const ito_sde *sde, double t) {
    return sde->beta_min + t * (sde->beta_max - sde->beta_min);
}

double ito__vp_beta_integral(const ito_sde *sde, double t) {
    return t * (sde->beta_min + t * (sde->beta_max - sde->beta_min) / 2);
}

static double beta_i(const ito_sde *sde, double t) {
    const double i = (double)ito_sde_index(sde, t), N = (double)sde->steps;
    return ito__vp_beta(sde, i / (N - 1)) / N;
}

double ito__vp_drift(const ito_sde *sde, double t) {
    return -ito__vp_beta(sde, t) / 2;
}

static double diffusion(const ito_sde *sde, double t) {
    return sqrt(ito__vp_beta(sde, t));
}

double ito__vp_mean(const ito_sde *sde, double t) {
    return exp(-ito__vp_beta_integral(sde, t) / 2);
}

static double std(const ito_sde *sde, double t) {
    return sqrt(-expm1(-ito__vp_beta_integral(sde, t)));
}

double ito__vp_prior_std(const ito_sde *sde) {
    (void)sde;
    return 1;
}

/* F = sqrt(1 - beta_i) - 1, written without the difference. */
static void discretize(const ito_sde *sde, double t, double *F, double *G) {
    const double beta = beta_i(sde, t);
    *F = -beta / (1 + sqrt(1 - beta));
    *G = sqrt(beta);
}

/* x' = (x + beta_i s) / sqrt(1 - beta_i) + sqrt(beta_i) z   ([SDE] Eq 4). */
static void ancestral(const ito_sde *sde, double t, double *A, double *S, double *Z) {
    const double beta = beta_i(sde, t);
    *A = 1 / sqrt(1 - beta);
    *S = beta / sqrt(1 - beta);
    *Z = sqrt(beta);
}

/* 1 - beta_i, not the running product that the paper prints: the published results were made so. */
double ito__vp_alpha(const ito_sde *sde, double t) {
    return 1 - beta_i(sde, t);
}

ito_status ito__vp_check(const ito_sde *sde, ito_error *err) {
    if (!(sde->beta_min > 0 && isfinite(sde->beta_min)))
        return ito_error_set(err, ITO_E_ARG, "beta_min: is %g: use a positive number, such as 0.1",
                             sde->beta_min);
    if (!(sde->beta_max >= sde->beta_min && isfinite(sde->beta_max)))
        return ito_error_set(err, ITO_E_ARG, "beta_max: is %g: use at least beta_min (%g), such as 20",
                             sde->beta_max, sde->beta_min);
    return ITO_OK;
}

const ito__sde_record ito__sde_vp = {
    .name = "vp",
    .sampling_eps = 1e-3,
    .predictor = "euler_maruyama",
    .corrector = "none",
    .snr_pair = 0.01,
    .snr_alone = 0.27,
    .fixed_T = true,
    .drift = ito__vp_drift,
    .diffusion = diffusion,
    .mean = ito__vp_mean,
    .std = std,
    .prior_std = ito__vp_prior_std,
    .discretize = discretize,
    .ancestral = ancestral,
    .alpha = ito__vp_alpha,
    .check = ito__vp_check,
};
