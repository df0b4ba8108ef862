/* SPDX-License-Identifier: Apache-2.0
 *
 * Denoising score matching at the noise levels of a discrete chain: SMLD ([NCSN] Eqs 5, 6 with lambda =
 * sigma^2; [SDE] Eq 1) and DDPM ([DDPM] Eq 14; [SDE] Eq 3). The loss is that of continuous time; only the
 * levels differ, and for VP their coefficients, which are products over the chain.
 */
#include "training/objective.h"

#include <math.h>

/* Level i of N, by the label that the network takes: VE counts from the largest sigma down, VP from the
 * smallest noise up. i / (N - 1) is then a time at which the chain's tables hold exactly that level. */
ito__dsm_point ito__dsm_at_level(const ito_sde *sde, double u) {
    double last = (double)(sde->steps - 1), label = fmin(floor(u * (double)sde->steps), last);
    bool ve = sde->kind == ITO_SDE_VE;
    double t = sde->T * (ve ? last - label : label) / last;
    double factor = ito_network_score_factor(sde, false, t);
    double b = ve ? ito_sde_std(sde, t) : -1 / factor; /* VP: the network returns the noise */
    return (ito__dsm_point){
        .t = t,
        .mean = ve ? 1 : sqrt(1 - b * b),
        .std = b,
        .label = label,
        .scale = b * factor,
        .weight = 1,
    };
}
