/* SPDX-License-Identifier: Apache-2.0
 *
 * The SDE of EDM, whose time is the noise level itself.  [EDM] Section 3 and Table 1; [SDE] Eq 9 with
 * sigma(t) = t.
 *
 *     dx = sqrt(2t) dw
 *     a(t) = 1,  b(t) = t,  t from t_min = 2.5e-5 T to t_max = T = 80,  prior N(0, T^2)
 *     chain: one Euler-Maruyama step of length T/N
 */
#include "dynamics/sde.h"

#include <math.h>
#include <stddef.h>

static void defaults(ito_sde *sde) {
    sde->T = 80;
}

static double diffusion(const ito_sde *sde, double t) {
    (void)sde;
    return sqrt(2 * t);
}

static double std(const ito_sde *sde, double t) {
    (void)sde;
    return t;
}

static double prior_std(const ito_sde *sde) {
    return sde->T;
}

/* T is its only parameter, and ito_sde_check has seen it. */
static ito_status check(const ito_sde *sde, ito_error *err) {
    (void)sde, (void)err;
    return ITO_OK;
}

const ito__sde_record ito__sde_edm = {
    .name = "edm",
    .sampling_eps = 2.5e-5,
    .predictor = "euler_maruyama",
    .corrector = "none",
    .defaults = defaults,
    .drift = ito__sde_no_drift,
    .diffusion = diffusion,
    .mean = ito__sde_unit,
    .std = std,
    .prior_std = prior_std,
    .discretize = ito__sde_euler_chain,
    .ancestral = NULL,
    .alpha = ito__sde_unit,
    .check = check,
};
