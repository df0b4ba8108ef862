/* SPDX-License-Identifier: Apache-2.0
 *
 * DPM-Solver++ of two steps, for the probability flow and for the reverse SDE, and of three steps.
 *
 *     2M      x = (b'/b) x + a' (1 - e^-h) E
 *     SDE-2M  x_mean = (b'/b) e^-h x + a' (1 - e^-2h) E,   x = x_mean + b' sqrt(1 - e^-2h) z
 *             E = D_0 + (D_0 - D_1) / (2 r),   r = h_before / h;  E = D_0 in the first step
 *
 * h is the step in lambda = log(a/b), D_k the data prediction k grid points ago (multistep.h). 3M has the
 * polynomial through three D's under the integral.
 * Source: [DPM++] Algorithm 2 (2M), SDE-DPM-Solver++(2M), and the expansion of Section 4 to three steps.
 * Departures, both in 3M: the weight of the second difference is that of the integral, which is twice that of
 * the released code, whose order measures as 2; and the first step, of order 1 as published, is corrected
 * with the D that the second one finds at its end, at no further call. Without both it has not order 3.
 */
#include "dynamics/multistep.h"

#include <math.h>

/* x_mean = decay (b'/b) x + a' share E. */
static void two_step(ito__pc *pc, double h, double decay, double share) {
    const double a_next = ito_sde_mean(&pc->sde, pc->t_next);
    const double slope = pc->i == 0 ? 0 : h / ito__multistep_length(pc, pc->i - 1) / 2;
    const double c[] = {decay * ito_sde_std(&pc->sde, pc->t_next) / ito_sde_std(&pc->sde, pc->t),
                        a_next * share * (1 + slope), -a_next * share * slope};
    ito__pc_combine(pc, 3, c, (const double *const[]){pc->x, pc->extra[0], pc->extra[1]}, pc->x_mean);
}

ito_status ito__predictor_dpmpp_2m(ito__pc *pc, ito_error *err) {
    const double h = ito__multistep_length(pc, pc->i);
    const ito_status st = ito__multistep_observe(pc, err);
    if (st != ITO_OK) return st;
    two_step(pc, h, 1, -expm1(-h));
    ito__pc_combine(pc, 1, (const double[]){1}, (const double *const[]){pc->x_mean}, pc->x);
    return ITO_OK;
}

ito_status ito__predictor_dpmpp_sde_2m(ito__pc *pc, ito_error *err) {
    const double h = ito__multistep_length(pc, pc->i), share = -expm1(-2 * h);
    const ito_status st = ito__multistep_observe(pc, err);
    if (st != ITO_OK) return st;
    ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    two_step(pc, h, exp(-h), share);
    const double Z = ito_sde_std(&pc->sde, pc->t_next) * sqrt(share);
    ito__pc_combine(pc, 2, (const double[]){1, Z}, (const double *const[]){pc->x_mean, pc->z}, pc->x);
    return ITO_OK;
}

ito_status ito__predictor_dpmpp_3m(ito__pc *pc, ito_error *err) {
    const ito_status st = ito__multistep_observe(pc, err);
    if (st != ITO_OK) return st;
    if (pc->i == 1) ito__multistep_correct(pc, 1);
    ito__multistep_predict(pc, pc->i < 2 ? (int)pc->i + 1 : 3);
    return ITO_OK;
}
