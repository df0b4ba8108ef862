/* SPDX-License-Identifier: Apache-2.0
 *
 * Heun's method on the probability-flow ODE, with churn: each step may first add noise and so go back in
 * time. In x/a and the noise-to-signal ratio r = b/a every affine SDE has the same ODE,
 *
 *     d(x/a) / dr = -b s(x, t),
 *
 * on which a step from r at t to r' at t' is, with raised ratio R, its time t_R, A and B,
 *
 *     gamma = min(S_churn / N, sqrt(2) - 1) where S_tmin <= r <= S_tmax, or 0;    R = (1 + gamma) r
 *     X/A   = x/a + sqrt(R^2 - r^2) S_noise z
 *     x'/a' = X/A + (r' - R) d,               d  = -B s(X, t_R)
 *     x'/a' = X/A + (r' - R) (d + d')/2,      d' = -b' s(x', t')
 *
 * The driver's Tweedie mean is the Euler step to r = 0 that ends the published algorithm: 2N - 1 score calls.
 * Source: [EDM] Algorithm 2, with s(t) = a and sigma(t) = b/a of Algorithm 1. Departure: R stays at or below
 * the ratio of T, beyond which no score is known, so that the first step has no churn.
 */
#include "dynamics/grid.h"
#include "dynamics/pc.h"

#include <math.h>

ito_status ito__predictor_heun_check(const ito__pc *pc, ito_error *err) {
    if (pc->options->churn > 0 && pc->options->probability_flow)
        return ito_error_set(
            err, ITO_E_ARG,
            "churn: is %g, but probability_flow asks for no noise: leave it at 0, or leave that out",
            pc->options->churn);
    return ITO_OK;
}

/* Carries x from t to the time of a raised ratio R, which is returned. */
static double add_churn(ito__pc *pc) {
    const ito_pc_options *o = pc->options;
    const double r = ito__sde_ratio(&pc->sde, pc->t);
    if (o->churn == 0 || r < o->churn_min || r > o->churn_max) return pc->t;
    const double gamma = fmin(o->churn / (double)pc->steps, sqrt(2) - 1);
    const double t_R = ito__sde_time_of_ratio(&pc->sde, (1 + gamma) * r, pc->t, pc->sde.T);
    if (t_R <= pc->t) return pc->t;

    const double R = ito__sde_ratio(&pc->sde, t_R), A = ito_sde_mean(&pc->sde, t_R);
    ito__pc_noise(pc, ITO_RNG_PREDICTOR);
    const double c[] = {A / ito_sde_mean(&pc->sde, pc->t), A * sqrt((R - r) * (R + r)) * o->churn_noise};
    ito__pc_combine(pc, 2, c, (const double *const[]){pc->x, pc->z}, pc->x);
    return t_R;
}

ito_status ito__predictor_heun(ito__pc *pc, ito_error *err) {
    const double t_R = add_churn(pc);
    const double A = ito_sde_mean(&pc->sde, t_R), B = ito_sde_std(&pc->sde, t_R);
    const double a = ito_sde_mean(&pc->sde, pc->t_next), b = ito_sde_std(&pc->sde, pc->t_next);
    const double h = b / a - B / A; /* r' - R */
    ito_status st;

    /* Euler's step, into x_mean */
    if ((st = ito__pc_score_at(pc, pc->x, t_R, pc->s, err)) != ITO_OK) return st;
    ito__pc_combine(pc, 2, (const double[]){a / A, -a * h * B}, (const double *const[]){pc->x, pc->s},
                    pc->x_mean);

    /* the mean of both slopes; the normals are used up, so that z takes the second score */
    if ((st = ito__pc_score_at(pc, pc->x_mean, pc->t_next, pc->z, err)) != ITO_OK) return st;
    ito__pc_combine(pc, 3, (const double[]){a / A, -a * h * B / 2, -a * h * b / 2},
                    (const double *const[]){pc->x, pc->s, pc->z}, pc->x);
    ito__pc_update(pc, 1, 0, 0);
    return ITO_OK;
}
