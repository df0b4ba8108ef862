/* SPDX-License-Identifier: Apache-2.0
 *
 * One sweep of annealed Langevin dynamics, its step size set by the noise level instead of the score's norm.
 *
 *     step = 2 alpha (r b(t))^2
 *     x_mean = x + step s,   x = x_mean + sqrt(2 step) z
 *
 * Source: [NCSN] Algorithm 1 with the signal-to-noise form of [SDE] App. G; alpha as in ito__pc_alpha.
 */
#include "dynamics/pc.h"

#include <math.h>

ito_status ito__corrector_ald(ito__pc *pc, ito_error *err) {
    const double rb = pc->options->snr * ito_sde_std(&pc->sde, pc->t);
    const double step = 2 * ito__pc_alpha(pc) * rb * rb;

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    ito__pc_noise(pc, ITO_RNG_CORRECTOR);
    ito__pc_update(pc, 1, step, sqrt(2 * step));
    return ITO_OK;
}
