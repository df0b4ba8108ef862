/* SPDX-License-Identifier: Apache-2.0
 *
 * Ancestral sampling of the original chains: DDPM for VP, and its counterpart for SMLD (VE). The update is
 * x_mean = A x + S s, x = x_mean + Z z with the coefficients of the SDE's record.
 *
 * Source: [SDE] Eq 4 (VP) and App. F (VE). The VP noise has variance beta_i, as published, not that of the
 * posterior; the VE noise vanishes at i = 0.
 */
#include "dynamics/pc.h"
#include "dynamics/sde.h"

#include <stddef.h>

ito_status ito__predictor_ancestral_check(const ito__pc *pc, ito_error *err) {
    if (ito__sde_record_of(&pc->sde)->ancestral == NULL)
        return ito_error_set(err, ITO_E_ARG,
                             "predictor: ancestral is not defined for the %s SDE: use reverse_diffusion or "
                             "euler_maruyama",
                             ito_sde_name(pc->sde.kind));
    if (!pc->chain)
        return ito_error_set(
            err, ITO_E_ARG,
            "grid: ancestral walks the chain's own times: use uniform, or the predictor ddim "
            "with eta 1");
    if (!(ito_sde_alpha(&pc->sde, pc->sde.T) > 0))
        return ito_error_set(err, ITO_E_ARG,
                             "steps: %lld make alpha 0 at the first step, by whose root ancestral divides: "
                             "use more steps",
                             (long long)pc->steps);
    return ITO_OK;
}

ito_status ito__predictor_ancestral(ito__pc *pc, ito_error *err) {
    double A, S, Z;
    ito__sde_record_of(&pc->sde)->ancestral(&pc->sde, pc->t, &A, &S, &Z);

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    if (Z > 0) ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    ito__pc_update(pc, A, S, Z);
    return ITO_OK;
}
