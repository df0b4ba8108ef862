/* SPDX-License-Identifier: Apache-2.0
 *
 * Euler-Maruyama on the reverse-time family dx = (A x + S s) dt + Z dw, from the ODE (eta = 0) to the reverse
 * SDE (eta = 1).
 *
 *     x_mean = x - (A x + S s) h,   x = x_mean + Z sqrt(h) z
 *
 * On the uniform grid h = T / N although the spacing is (T - eps) / (N - 1): the published results were made
 * so, and the last step goes a little below eps.
 * Source: [SDE] Section 4.1 and App. D.
 */
#include "dynamics/pc.h"

#include <math.h>

ito_status ito__predictor_euler_maruyama(ito__pc *pc, ito_error *err) {
    const double h = ito__pc_length(pc);
    double A, S, Z;
    ito_sde_reverse(&pc->sde, pc->eta, pc->t, &A, &S, &Z);

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    if (Z != 0) ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    ito__pc_update(pc, 1 - A * h, -S * h, Z * sqrt(h));
    return ITO_OK;
}
