/* SPDX-License-Identifier: Apache-2.0
 *
 * The contractive sub-VP SDE: sub-VP with beta replaced by -beta, so that data grow and the reverse SDE pulls
 * its errors together.  [T] Section 3, after the same authors' *Contractive Diffusion Probabilistic Models*,
 * 2024; beta, B as in VP.
 *
 *     dx = beta(t)/2 x dt + sqrt(beta(t) (exp(2B) - 1)) dw
 *     a(t) = exp(B/2),  b(t) = exp(B) - 1,  prior N(0, a(T)^2 v + b(T)^2), v the variance of the data
 *     chain: one Euler-Maruyama step of length 1/N
 *
 * beta is 0.01 to 8 by default: b(1) = 54, about the sigma_max of VE, where VP's schedule would reach 23,000.
 */
#include "dynamics/sde.h"

#include <math.h>
#include <stddef.h>

static void defaults(ito_sde *sde) {
    sde->beta_min = 0.01;
    sde->beta_max = 8;
}

static double drift(const ito_sde *sde, double t) {
    return -ito__vp_drift(sde, t);
}

static double diffusion(const ito_sde *sde, double t) {
    return sqrt(ito__vp_beta(sde, t) * expm1(2 * ito__vp_beta_integral(sde, t)));
}

static double mean(const ito_sde *sde, double t) {
    return 1 / ito__vp_mean(sde, t);
}

static double std(const ito_sde *sde, double t) {
    return expm1(ito__vp_beta_integral(sde, t));
}

static ito_status check(const ito_sde *sde, ito_error *err) {
    const ito_status st = ito__vp_check(sde, err);
    return st != ITO_OK ? st : ito__sde_check_data_std(sde, err);
}

const ito__sde_record ito__sde_contractive_subvp = {
    .name = "contractive_subvp",
    .sampling_eps = 1e-3,
    .predictor = "euler_maruyama",
    .corrector = "none",
    .fixed_T = true,
    .defaults = defaults,
    .drift = drift,
    .diffusion = diffusion,
    .mean = mean,
    .std = std,
    .prior_std = ito__sde_prior_with_data,
    .discretize = ito__sde_euler_chain,
    .ancestral = NULL,
    .alpha = ito__sde_unit,
    .check = check,
};
