/* SPDX-License-Identifier: Apache-2.0
 *
 * The variance-exploding SDE, the limit of SMLD.  [SDE] Eqs 9, 29 and App. B, C.
 *
 *     dx = sigma(t) sqrt(2 ln(smax / smin)) dw,      sigma(t) = smin (smax / smin)^t
 *     a(t) = 1,  b(t) = sigma(t),  prior N(0, smax^2)
 *     chain: sigma_i = sigma(i / (N-1)),  x' = x + sqrt(sigma_i^2 - sigma_{i-1}^2) z,  sigma_{-1} = 0
 */
#include "dynamics/sde.h"

#include <math.h>

static double log_ratio(const ito_sde *sde) {
    return log(sde->sigma_max / sde->sigma_min);
}

static double sigma(const ito_sde *sde, double t) {
    return sde->sigma_min * pow(sde->sigma_max / sde->sigma_min, t);
}

static double diffusion(const ito_sde *sde, double t) {
    return sigma(sde, t) * sqrt(2 * log_ratio(sde));
}

static double prior_std(const ito_sde *sde) {
    return sde->sigma_max;
}

/* sigma_i and the share 1 - (sigma_{i-1} / sigma_i)^2 of its variance that step i adds. The ratio of
 * neighbours is the same everywhere, so the share needs no difference of nearly equal squares. */
static void chain(const ito_sde *sde, double t, double *sigma_i, double *share) {
    const int64_t i = ito_sde_index(sde, t);
    const double last = (double)(sde->steps - 1);
    *sigma_i = sigma(sde, (double)i / last);
    *share = i == 0 ? 1 : -expm1(-2 * log_ratio(sde) / last);
}

static void discretize(const ito_sde *sde, double t, double *F, double *G) {
    double sigma_i, share;
    chain(sde, t, &sigma_i, &share);
    *F = 0;
    *G = sigma_i * sqrt(share);
}

/* x' = x + (sigma_i^2 - sigma_{i-1}^2) s + sigma_{i-1} sqrt((sigma_i^2 - sigma_{i-1}^2) / sigma_i^2) z
 * ([SDE] App. F). */
static void ancestral(const ito_sde *sde, double t, double *A, double *S, double *Z) {
    double sigma_i, share;
    chain(sde, t, &sigma_i, &share);
    *A = 1;
    *S = sigma_i * sigma_i * share;
    *Z = sigma_i * sqrt(1 - share) * sqrt(share);
}

static ito_status check(const ito_sde *sde, ito_error *err) {
    if (!(sde->sigma_min > 0 && isfinite(sde->sigma_min)))
        return ito_error_set(err, ITO_E_ARG, "sigma_min: is %g: use a positive number, such as 0.01",
                             sde->sigma_min);
    if (!(sde->sigma_max > sde->sigma_min && isfinite(sde->sigma_max)))
        return ito_error_set(
            err, ITO_E_ARG,
            "sigma_max: is %g: use a number above sigma_min (%g), about the largest distance "
            "between two data points",
            sde->sigma_max, sde->sigma_min);
    return ITO_OK;
}

const ito__sde_record ito__sde_ve = {
    .name = "ve",
    .sampling_eps = 1e-5,
    .predictor = "reverse_diffusion",
    .corrector = "langevin",
    .snr_pair = 0.16,
    .snr_alone = 0.22,
    .fixed_T = true,
    .drift = ito__sde_no_drift,
    .diffusion = diffusion,
    .mean = ito__sde_unit,
    .std = sigma,
    .prior_std = prior_std,
    .discretize = discretize,
    .ancestral = ancestral,
    .alpha = ito__sde_unit,
    .check = check,
};
