/* SPDX-License-Identifier: Apache-2.0
 *
 * Euler-Maruyama on the reverse SDE or, with probability_flow, Euler on the ODE.
 *
 *     reverse drift  F(x, t) = f1 x - g^2 s            (f1 x - g^2 s / 2 for the ODE)
 *     x_mean = x - F(x, t) h,   x = x_mean + g sqrt(h) z,   h = T / N
 *
 * The step is T / N although the grid's spacing is (T - eps) / (N - 1): the published results were made so,
 * and the last step goes a little below eps.
 * Source: [SDE] Section 4.1 and App. D.1.
 */
#include "dynamics/pc.h"

#include <math.h>

ito_status ito__predictor_euler_maruyama(ito__pc *pc, ito_error *err) {
    const bool ode = pc->options->probability_flow;
    const double h = pc->sde.T / (double)pc->steps;
    const double f1 = ito_sde_drift(&pc->sde, pc->t), g = ito_sde_diffusion(&pc->sde, pc->t);

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    if (!ode) ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    ito__pc_update(pc, 1 - f1 * h, (ode ? 0.5 : 1) * g * g * h, ode ? 0 : g * sqrt(h));
    return ITO_OK;
}
