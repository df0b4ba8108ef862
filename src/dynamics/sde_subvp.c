/* SPDX-License-Identifier: Apache-2.0
 *
 * The sub-VP SDE, whose variance stays below that of VP.  [SDE] Eqs 12, 29 and App. B, C; beta, B as in VP.
 *
 *     dx = -beta(t)/2 x dt + sqrt(beta(t) (1 - exp(-2B))) dw
 *     a(t) = exp(-B/2),  b(t) = 1 - exp(-B),  prior N(0, 1)
 *     chain: none was published; one Euler-Maruyama step of length 1/N
 */
#include "dynamics/sde.h"

#include <math.h>
#include <stddef.h>

static double diffusion(const ito_sde *sde, double t) {
    return sqrt(ito__vp_beta(sde, t) * -expm1(-2 * ito__vp_beta_integral(sde, t)));
}

static double std(const ito_sde *sde, double t) {
    return -expm1(-ito__vp_beta_integral(sde, t));
}

/* The Langevin alpha is that of the VP chain: a choice of ours, since nothing was published for sub-VP. */
const ito__sde_record ito__sde_subvp = {
    .name = "subvp",
    .sampling_eps = 1e-3,
    .predictor = "euler_maruyama",
    .corrector = "none",
    .fixed_T = true,
    .drift = ito__vp_drift,
    .diffusion = diffusion,
    .mean = ito__vp_mean,
    .std = std,
    .prior_std = ito__vp_prior_std,
    .discretize = ito__sde_euler_chain,
    .ancestral = NULL,
    .alpha = ito__vp_alpha,
    .check = ito__vp_check,
};
