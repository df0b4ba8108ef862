/* SPDX-License-Identifier: Apache-2.0
 *
 * Exponential multistep methods: the data predictions that they keep, the weights of their quadrature, and
 * the two moves. Every weight is exact for the polynomial through its nodes, so the free function B(h) of
 * [UniPC] cancels.
 */
#include "dynamics/multistep.h"
#include "dynamics/grid.h"

#include <math.h>
#include <string.h>

static double lambda(const ito__pc *pc, int64_t i) {
    return -log(ito__sde_ratio(&pc->sde, pc->grid[i]));
}

double ito__multistep_length(const ito__pc *pc, int64_t i) {
    return lambda(pc, i + 1) - lambda(pc, i);
}

ito_status ito__multistep_observe(ito__pc *pc, ito_error *err) {
    const int kept = pc->predictor->arrays;
    double *newest = pc->extra[kept - 1];
    for (int k = kept - 1; k > 0; k--) pc->extra[k] = pc->extra[k - 1];
    pc->extra[0] = newest;
    return ito__pc_denoise(pc, newest, err);
}

/* The moments m_j = integral of e^(u - h) (u/h)^j du / h obey m_j = (1 - j m_(j-1)) / h; the weights solve
 * sum_k w[k] r[k]^j = m_j, a Vandermonde system, by Bjorck and Pereyra, Math. Comp. 24 (1970). */
void ito__multistep_weights(double h, int count, const double *r, double *w) {
    w[0] = -expm1(-h) / h;
    for (int j = 1; j < count; j++) w[j] = (1 - j * w[j - 1]) / h;
    for (int k = 0; k < count - 1; k++)
        for (int i = count - 1; i > k; i--) w[i] -= r[k] * w[i - 1];
    for (int k = count - 2; k >= 0; k--) {
        for (int i = k + 1; i < count; i++) w[i] /= r[i] - r[i - k - 1];
        for (int i = k; i < count - 1; i++) w[i] -= w[i + 1];
    }
}

/* Where the newest *points of the D's known at the start of step i lie, in units of its length h: r[0] = 0,
 * the others before it. Three of them must not reach further ahead than back: a step more than twice as long
 * as the one before, as at the end of a uniform grid, takes two. Returns h. */
static double nodes(const ito__pc *pc, int64_t i, int *points, double *r) {
    const double start = lambda(pc, i), h = lambda(pc, i + 1) - start;
    r[0] = 0;
    for (int k = 1; k < *points; k++) r[k] = (lambda(pc, i - k) - start) / h;
    if (*points > 2 && r[1] > -0.5) *points = 2;
    return h;
}

void ito__multistep_predict(ito__pc *pc, int points) {
    double r[ITO__PC_EXTRA], w[ITO__PC_EXTRA], c[1 + ITO__PC_EXTRA];
    const double h = nodes(pc, pc->i, &points, r);
    ito__multistep_weights(h, points, r, w);

    const double a_next = ito_sde_mean(&pc->sde, pc->t_next);
    const double *v[1 + ITO__PC_EXTRA] = {pc->x};
    c[0] = ito_sde_std(&pc->sde, pc->t_next) / ito_sde_std(&pc->sde, pc->t);
    for (int k = 0; k < points; k++) {
        c[1 + k] = a_next * h * w[k];
        v[1 + k] = pc->extra[k];
    }
    ito__pc_combine(pc, 1 + points, c, v, pc->x_mean);
    memcpy(pc->x, pc->x_mean, (size_t)(pc->n * pc->dim) * sizeof *pc->x);
}

/* The weights with the D at the end, r = 1, less those without it. */
void ito__multistep_correct(ito__pc *pc, int points) {
    double r[ITO__PC_EXTRA], before[ITO__PC_EXTRA], after[ITO__PC_EXTRA], c[1 + ITO__PC_EXTRA];
    r[0] = 1;
    const double h = nodes(pc, pc->i - 1, &points, r + 1);
    ito__multistep_weights(h, points, r + 1, before);
    ito__multistep_weights(h, points + 1, r, after);

    const double a = ito_sde_mean(&pc->sde, pc->t);
    const double *v[1 + ITO__PC_EXTRA] = {pc->x};
    c[0] = 1;
    for (int k = 0; k <= points; k++) {
        c[1 + k] = a * h * (after[k] - (k > 0 ? before[k - 1] : 0));
        v[1 + k] = pc->extra[k];
    }
    ito__pc_combine(pc, 2 + points, c, v, pc->x);
}
