/* SPDX-License-Identifier: Apache-2.0
 *
 * Reverse diffusion: the reverse SDE, or with probability_flow the ODE, discretized as the forward chain
 * x' = x + F x + G z is.
 *
 *     x_mean = x - F x + G^2 s,   x = x_mean + G z            (x = x - F x + G^2 s / 2 for the ODE)
 *
 * Source: [SDE] App. E; App. D.3 for the ODE.
 */
#include "dynamics/pc.h"

ito_status ito__predictor_reverse_diffusion(ito__pc *pc, ito_error *err) {
    const bool ode = pc->options->probability_flow;
    double F, G;
    ito_sde_discretize(&pc->sde, pc->t, &F, &G);

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    if (!ode) ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    ito__pc_update(pc, 1 - F, (ode ? 0.5 : 1) * G * G, ode ? 0 : G);
    return ITO_OK;
}
