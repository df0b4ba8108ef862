/* SPDX-License-Identifier: Apache-2.0
 *
 * The Ornstein-Uhlenbeck SDE and its contractive twin, whose drift has the other sign: data grow instead of
 * decaying, and the reverse SDE pulls its errors together.  [T] Section 3.
 *
 *                   OU                              contractive OU
 *     k             -theta                          theta
 *     dx            k x dt + sigma dw               k x dt + sigma dw
 *     a(t)          exp(k t)                        exp(k t)
 *     b(t)^2        sigma^2 (exp(2kt) - 1)/(2k)     sigma^2 (exp(2kt) - 1)/(2k)
 *     prior         N(0, b(T)^2)                    N(0, a(T)^2 v + b(T)^2), v the variance of the data
 *     chain         one Euler-Maruyama step of length T/N
 *
 * The defaults are ours: OU ends within exp(-5) of N(0, 1), its stationary law; of the contractive SDE, data
 * of variance 1/4 make an eighth of the prior's variance.
 */
#include "dynamics/sde.h"

#include <math.h>
#include <stddef.h>

static double std_of_rate(double k, double sigma, double t) {
    return sigma * sqrt(expm1(2 * k * t) / (2 * k));
}

static double diffusion(const ito_sde *sde, double t) {
    (void)t;
    return sde->sigma;
}

static ito_status check(const ito_sde *sde, ito_error *err) {
    const ito_status st = ito__sde_check_positive("theta", sde->theta, err);
    return st != ITO_OK ? st : ito__sde_check_positive("sigma", sde->sigma, err);
}

static void ou_defaults(ito_sde *sde) {
    sde->T = 10;
}

static double ou_drift(const ito_sde *sde, double t) {
    (void)t;
    return -sde->theta;
}

static double ou_mean(const ito_sde *sde, double t) {
    return exp(-sde->theta * t);
}

static double ou_std(const ito_sde *sde, double t) {
    return std_of_rate(-sde->theta, sde->sigma, t);
}

static double ou_prior_std(const ito_sde *sde) {
    return ou_std(sde, sde->T);
}

const ito__sde_record ito__sde_ou = {
    .name = "ou",
    .sampling_eps = 1e-3,
    .predictor = "euler_maruyama",
    .corrector = "none",
    .defaults = ou_defaults,
    .drift = ou_drift,
    .diffusion = diffusion,
    .mean = ou_mean,
    .std = ou_std,
    .prior_std = ou_prior_std,
    .discretize = ito__sde_euler_chain,
    .ancestral = NULL,
    .alpha = ito__sde_unit,
    .check = check,
};

static void contractive_defaults(ito_sde *sde) {
    sde->theta = 1;
    sde->sigma = 2;
}

static double contractive_drift(const ito_sde *sde, double t) {
    (void)t;
    return sde->theta;
}

static double contractive_mean(const ito_sde *sde, double t) {
    return exp(sde->theta * t);
}

static double contractive_std(const ito_sde *sde, double t) {
    return std_of_rate(sde->theta, sde->sigma, t);
}

static ito_status contractive_check(const ito_sde *sde, ito_error *err) {
    const ito_status st = check(sde, err);
    return st != ITO_OK ? st : ito__sde_check_data_std(sde, err);
}

const ito__sde_record ito__sde_contractive_ou = {
    .name = "contractive_ou",
    .sampling_eps = 1e-3,
    .predictor = "euler_maruyama",
    .corrector = "none",
    .defaults = contractive_defaults,
    .drift = contractive_drift,
    .diffusion = diffusion,
    .mean = contractive_mean,
    .std = contractive_std,
    .prior_std = ito__sde_prior_with_data,
    .discretize = ito__sde_euler_chain,
    .ancestral = NULL,
    .alpha = ito__sde_unit,
    .check = contractive_check,
};
