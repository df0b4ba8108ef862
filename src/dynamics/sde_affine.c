/* SPDX-License-Identifier: Apache-2.0
 *
 * A user's affine SDE, known by f1(t) and g(t) alone; a and b are integrated here.
 *
 *     dx = f1(t) x dt + g(t) dw
 *     da/dt = f1 a,  d(b^2)/dt = 2 f1 b^2 + g^2,  a(0) = 1, b(0) = 0
 *     prior N(0, a(T)^2 v + b(T)^2), v the variance of the data
 *     chain: one Euler-Maruyama step of length T/N
 *
 * Over a step of length h from s, with l(r) the integral of f1 from s to r,
 *
 *     log a += l(s+h),   b^2 = exp(2 l(s+h)) b^2 + integral of g(r)^2 exp(2 (l(s+h) - l(r))) dr,
 *
 * both integrals by the three Gauss points, l at the points by the collocation matrix of the same rule: order
 * 6. Every term of b^2 is positive, so b keeps its digits as t -> 0. Steps are halved until a and b settle.
 */
#include "dynamics/sde.h"

#include <math.h>
#include <stddef.h>

typedef struct moments {
    double log_a, variance;
    bool settled;
} moments;

enum { stages = 3, first_panels = 8, last_panels = 1 << 13 };
static const double settled_within = 1e-12;

#define ROOT15 3.8729833462074168852 /* sqrt(15) */
static const double node[stages] = {0.5 - ROOT15 / 10, 0.5, 0.5 + ROOT15 / 10};
static const double weight[stages] = {5.0 / 18, 4.0 / 9, 5.0 / 18};
static const double collocation[stages][stages] = {{5.0 / 36, 2.0 / 9 - ROOT15 / 15, 5.0 / 36 - ROOT15 / 30},
                                                   {5.0 / 36 + ROOT15 / 24, 2.0 / 9, 5.0 / 36 - ROOT15 / 24},
                                                   {5.0 / 36 + ROOT15 / 30, 2.0 / 9 + ROOT15 / 15, 5.0 / 36}};
#undef ROOT15

static void step(const ito_sde *sde, double start, double h, moments *m) {
    double f1[stages], whole = 0, noise = 0;
    for (int i = 0; i < stages; i++) {
        f1[i] = sde->f1(sde->affine_self, start + node[i] * h);
        whole += h * weight[i] * f1[i];
    }
    for (int i = 0; i < stages; i++) {
        double part = 0;
        for (int j = 0; j < stages; j++) part += h * collocation[i][j] * f1[j];
        const double g = sde->g(sde->affine_self, start + node[i] * h);
        noise += h * weight[i] * g * g * exp(2 * (whole - part));
    }
    m->log_a += whole;
    m->variance = exp(2 * whole) * m->variance + noise;
}

/* Written so that a NaN does not settle. */
static moments integrate(const ito_sde *sde, double t) {
    moments m = {0};
    if (!(t > 0)) return m;
    for (int panels = first_panels; panels <= last_panels && !m.settled; panels *= 2) {
        const moments coarse = m;
        m = (moments){0};
        for (int p = 0; p < panels; p++) step(sde, t * p / panels, t / panels, &m);
        m.settled = panels > first_panels &&
                    fabs(m.log_a - coarse.log_a) <= settled_within * fmax(1, fabs(m.log_a)) &&
                    fabs(m.variance - coarse.variance) <= settled_within * m.variance;
    }
    return m;
}

static double drift(const ito_sde *sde, double t) {
    return sde->f1(sde->affine_self, t);
}

static double diffusion(const ito_sde *sde, double t) {
    return sde->g(sde->affine_self, t);
}

static double mean(const ito_sde *sde, double t) {
    return exp(integrate(sde, t).log_a);
}

static double std(const ito_sde *sde, double t) {
    return sqrt(integrate(sde, t).variance);
}

static ito_status check(const ito_sde *sde, ito_error *err) {
    if (sde->f1 == NULL || sde->g == NULL)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: is not set: give f1(t) and g(t), the two functions of an affine SDE",
                             sde->f1 == NULL ? "f1" : "g");
    const ito_status st = ito__sde_check_data_std(sde, err);
    if (st != ITO_OK) return st;
    const moments m = integrate(sde, sde->T);
    const double a = exp(m.log_a), variance = m.variance;
    if (!(isfinite(a) && isfinite(variance)))
        return ito_error_set(err, ITO_E_ARG,
                             "f1, g: give a(T) = %g and b(T)^2 = %g: use functions with finite integrals", a,
                             variance);
    if (!(variance > 0))
        return ito_error_set(err, ITO_E_ARG, "g: adds no noise on [0, %g]: use a function above 0", sde->T);
    if (!m.settled)
        return ito_error_set(err, ITO_E_ARG,
                             "f1, g: a(T) and b(T) still change at %d steps: use smooth functions on [0, %g]",
                             (int)last_panels, sde->T);
    return ITO_OK;
}

const ito__sde_record ito__sde_affine = {
    .name = "affine",
    .sampling_eps = 1e-3,
    .predictor = "euler_maruyama",
    .corrector = "none",
    .drift = drift,
    .diffusion = diffusion,
    .mean = mean,
    .std = std,
    .prior_std = ito__sde_prior_with_data,
    .discretize = ito__sde_euler_chain,
    .ancestral = NULL,
    .alpha = ito__sde_unit,
    .check = check,
};
