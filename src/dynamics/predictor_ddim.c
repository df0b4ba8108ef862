/* SPDX-License-Identifier: Apache-2.0
 *
 * DDIM: from t to t' with the data prediction D = (x + b^2 s)/a held, and a share eta of the posterior's
 * noise.
 *
 *     x_mean = a' D + sqrt(b'^2 - c^2) (x - a D)/b,   x = x_mean + c z
 *     c = eta (b'/b) sqrt(b^2 - (a/a')^2 b'^2)
 *
 * eta = 0 is the first-order exponential integrator of the probability flow; eta = 1 draws from the posterior
 * p(x(t') | x(t), x(0) = D), ancestral sampling with the posterior's variance.
 * Source: [DDIM] Eqs 12 and 16, there for a^2 + b^2 = 1; here for a and b of any affine SDE.
 */
#include "dynamics/pc.h"

#include <math.h>

/* Beyond 1 the noise alone would exceed b'. */
ito_status ito__predictor_ddim_check(const ito__pc *pc, ito_error *err) {
    if (pc->eta <= 1) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "eta: is %g: ddim takes 0, its ODE, to 1, the posterior's noise",
                         pc->eta);
}

ito_status ito__predictor_ddim(ito__pc *pc, ito_error *err) {
    const double a = ito_sde_mean(&pc->sde, pc->t), b = ito_sde_std(&pc->sde, pc->t);
    const double a_next = ito_sde_mean(&pc->sde, pc->t_next), b_next = ito_sde_std(&pc->sde, pc->t_next);
    double F, G;
    ito__pc_discretize(pc, &F, &G);
    const double c = pc->eta * b_next / b * G;
    const double left = sqrt((b_next - c) * (b_next + c));

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    if (c != 0) ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    ito__pc_update(pc, a_next / a, a_next / a * b * b - left * b, c);
    return ITO_OK;
}
