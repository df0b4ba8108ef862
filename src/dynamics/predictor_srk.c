/* SPDX-License-Identifier: Apache-2.0
 *
 * Stochastic Runge-Kutta methods on the reverse-time family, from the ODE (eta = 0) to the reverse SDE
 * (eta = 1). Its noise is additive: G depends on time alone. With time running down, f = -(A x + S s) and
 * G = Z of ito_sde_reverse, a step of length h and dW = sqrt(h) z is
 *
 *   srk_strong    H  = x + h f(x, t) + G(t) dW
 *                 x' = x + h (f(x, t) + f(H, t'))/2 + (G(t) + G(t'))/2 dW
 *
 *   srk_weak2     I  = sqrt(h) (z + w / sqrt(3))/2,        w normal: the mean of W over the step
 *                 H  = x + 3/4 h f(x, t) + 3/2 G(t') I
 *                 x' = x + h (f(x, t)/3 + 2/3 f(H, t - 3/4 h)) + G(t') dW + (G(t) - G(t')) I
 *
 * Where the noise is additive Euler-Maruyama has strong order 1 already. srk_strong keeps that order, with
 * the drift and the variance of the noise to second order: its weak order is 2, and as eta goes to 0 it
 * becomes Heun's method. srk_weak2, with a second normal for the time integral of W, has strong order 1.5 and
 * weak order 2.
 *
 * Source: [Roberts] with S = 0, the Stratonovich form, which is Ito's too where the noise is additive; [SRA]
 * scheme SRA1. Departures: none.
 */
#include "dynamics/pc.h"

#include <math.h>

ito_status ito__predictor_srk_strong(ito__pc *pc, ito_error *err) {
    const double h = ito__pc_length(pc);
    double *H = pc->extra[0], A, S, Z, A1, S1, Z1;
    ito_sde_reverse(&pc->sde, pc->eta, pc->t, &A, &S, &Z);
    ito_sde_reverse(&pc->sde, pc->eta, pc->t_next, &A1, &S1, &Z1);
    ito_status st;

    if ((st = ito__pc_score(pc, err)) != ITO_OK) return st;
    if (pc->eta != 0) ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    ito__pc_combine(pc, 3, (const double[]){1 - h * A, -h * S, sqrt(h) * Z},
                    (const double *const[]){pc->x, pc->s, pc->z}, H);
    ito__pc_combine(pc, 2, (const double[]){1 - h / 2 * A, -h / 2 * S}, (const double *const[]){pc->x, pc->s},
                    pc->x_mean);

    if ((st = ito__pc_score_at(pc, H, pc->t_next, pc->s, err)) != ITO_OK) return st;
    ito__pc_combine(pc, 3, (const double[]){1, -h / 2 * A1, -h / 2 * S1},
                    (const double *const[]){pc->x_mean, H, pc->s}, pc->x_mean);
    ito__pc_combine(pc, 2, (const double[]){1, sqrt(h) * (Z + Z1) / 2},
                    (const double *const[]){pc->x_mean, pc->z}, pc->x);
    return ITO_OK;
}

ito_status ito__predictor_srk_weak2(ito__pc *pc, ito_error *err) {
    const double h = ito__pc_length(pc), t2 = pc->t - 0.75 * h;
    double *H = pc->extra[0], *w = pc->extra[1], A, S, Z, A2, S2, Z2, Z1;
    ito_sde_reverse(&pc->sde, pc->eta, pc->t, &A, &S, &Z);
    ito_sde_reverse(&pc->sde, pc->eta, t2, &A2, &S2, &Z2);
    Z1 = pc->eta * ito_sde_diffusion(&pc->sde, pc->t_next);
    const double I[] = {sqrt(h) / 2, sqrt(h / 3) / 2}; /* of z and w */
    ito_status st;

    if ((st = ito__pc_score(pc, err)) != ITO_OK) return st;
    if (pc->eta != 0) {
        ito__pc_noise(pc, ITO_RNG_PREDICTOR);
        ito__pc_noise_more(pc, 1, w);
    }
    ito__pc_combine(pc, 4,
                    (const double[]){1 - 0.75 * h * A, -0.75 * h * S, 1.5 * Z1 * I[0], 1.5 * Z1 * I[1]},
                    (const double *const[]){pc->x, pc->s, pc->z, w}, H);
    ito__pc_combine(pc, 2, (const double[]){1 - h / 3 * A, -h / 3 * S}, (const double *const[]){pc->x, pc->s},
                    pc->x_mean);

    if ((st = ito__pc_score_at(pc, H, t2, pc->s, err)) != ITO_OK) return st;
    ito__pc_combine(pc, 3, (const double[]){1, -2 * h / 3 * A2, -2 * h / 3 * S2},
                    (const double *const[]){pc->x_mean, H, pc->s}, pc->x_mean);
    ito__pc_combine(pc, 3, (const double[]){1, Z1 * sqrt(h) + (Z - Z1) * I[0], (Z - Z1) * I[1]},
                    (const double *const[]){pc->x_mean, pc->z, w}, pc->x);
    return ITO_OK;
}
