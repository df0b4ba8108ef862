/* SPDX-License-Identifier: Apache-2.0
 *
 * Reverse diffusion: the reverse-time family, discretized as the forward chain x' = x + F x + G z is.
 *
 *     x_mean = x - F x + (1 + eta^2)/2 G^2 s,   x = x_mean + eta G z
 *
 * eta = 1 is the published predictor, eta = 0 the probability-flow one ([SDE] Eqs 45-47).
 * Source: [SDE] App. E; App. D.3 for the ODE.
 */
#include "dynamics/pc.h"

ito_status ito__predictor_reverse_diffusion(ito__pc *pc, ito_error *err) {
    const double eta = pc->eta;
    double F, G;
    ito__pc_discretize(pc, &F, &G);

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    if (eta != 0) ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    ito__pc_update(pc, 1 - F, (1 + eta * eta) / 2 * G * G, eta * G);
    return ITO_OK;
}
