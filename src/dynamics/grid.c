/* SPDX-License-Identifier: Apache-2.0
 *
 * Time grids: equal steps in some coordinate of the noise-to-signal ratio b(t)/a(t), or in t itself.
 *
 *     uniform   t_i = T + i (eps - T) / (N - 1)
 *     karras    u = (b/a)^(1/7)            [EDM] Eq 5, rho = 7
 *     log_snr   u = log(b/a)               [DPM++]: lambda = -u
 */
#include "dynamics/grid.h"
#include "dynamics/check.h"

#include <math.h>
#include <stddef.h>

static const double rho = 7;

static double karras_coordinate(double ratio) {
    return pow(ratio, 1 / rho);
}

static double karras_ratio(double coordinate) {
    return pow(coordinate, rho);
}

static const ito__grid grids[] = {
    {"uniform", "Equal steps in t ([SDE]).", NULL, NULL},
    {"karras", "Equal steps in (b/a)^(1/7), dense near the data ([EDM] Eq 5).", karras_coordinate,
     karras_ratio},
    {"log_snr", "Equal steps in the logarithm of the signal-to-noise ratio ([DPM++]).", log, exp},
};
enum { grid_count = sizeof grids / sizeof grids[0] };

const char *ito_grid_name(int index) {
    return index >= 0 && index < grid_count ? grids[index].name : NULL;
}

const char *ito_grid_summary(int index) {
    return index >= 0 && index < grid_count ? grids[index].summary : NULL;
}

ito_status ito__grid_find(const char *name, const ito__grid **out, ito_error *err) {
    int index;
    const ito_status st = ito__find_name("grid", name, ito_grid_name, &index, err);
    if (st == ITO_OK) *out = &grids[index];
    return st;
}

double ito__sde_ratio(const ito_sde *sde, double t) {
    return ito_sde_std(sde, t) / ito_sde_mean(sde, t);
}

/* Illinois' false position on log(b/a) - log(ratio) as a function of log t, in which it is nearly straight
 * for small t. The bracket shrinks from both sides, so the end is reached in some ten steps. */
double ito__sde_time_of_ratio(const ito_sde *sde, double ratio, double low, double high) {
    enum { most_steps = 100 };
    const double target = log(ratio);
    double u0 = log(low), f0 = log(ito__sde_ratio(sde, low)) - target;
    double u1 = log(high), f1 = log(ito__sde_ratio(sde, high)) - target;
    if (f0 >= 0) return low;
    if (f1 <= 0) return high;
    int side = 0;
    for (int i = 0; i < most_steps && u1 - u0 > 1e-15; i++) {
        const double u = (u0 * f1 - u1 * f0) / (f1 - f0);
        const double f = log(ito__sde_ratio(sde, exp(u))) - target;
        if (fabs(f) < 1e-15) return exp(u);
        if (f < 0) {
            u0 = u, f0 = f;
            if (side == -1) f1 /= 2;
            side = -1;
        } else {
            u1 = u, f1 = f;
            if (side == 1) f0 /= 2;
            side = 1;
        }
    }
    return exp((u0 + u1) / 2);
}

void ito__grid_fill(const ito__grid *grid, const ito_sde *sde, double eps, int64_t N, double *t) {
    const bool in_time = grid->coordinate == NULL;
    const double first = in_time ? sde->T : grid->coordinate(ito__sde_ratio(sde, sde->T));
    const double last = in_time ? eps : grid->coordinate(ito__sde_ratio(sde, eps));
    for (int64_t i = 0; i < N; i++) {
        const double w = (double)i / (double)(N - 1), u = (1 - w) * first + w * last;
        t[i] = in_time ? u : ito__sde_time_of_ratio(sde, grid->ratio(u), eps, sde->T);
    }
    t[0] = sde->T;
    t[N - 1] = eps;
}

ito_status ito_grid_fill(const ito_sde *sde, const char *name, double eps, int64_t N, double *t,
                         ito_error *err) {
    const ito__grid *grid;
    ito_status st;
    if ((st = ito_sde_check(sde, err)) != ITO_OK) return st;
    if ((st = ito__grid_find(name, &grid, err)) != ITO_OK) return st;
    if (N < 2) return ito_error_set(err, ITO_E_ARG, "N: is %lld: use at least 2", (long long)N);
    if (!(eps > 0 && eps < sde->T))
        return ito_error_set(err, ITO_E_ARG, "eps: is %g: use a time above 0 and below T = %g", eps, sde->T);
    ito__grid_fill(grid, sde, eps, N, t);
    return ITO_OK;
}
