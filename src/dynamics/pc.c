/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps that predictors and correctors are written in: score, noise, update. Rows (samples) are worked on
 * in parallel; every sum runs within a row in a fixed order, so results do not depend on the thread count.
 */
#include "dynamics/pc.h"

#include <math.h>

static bool row_finite(int64_t dim, const double *v) {
    int bad = 0;
    for (int64_t j = 0; j < dim; j++) bad |= !isfinite(v[j]);
    return !bad;
}

int64_t ito__first_bad_row(int64_t n, int64_t dim, const double *v) {
    int64_t first = n;
#pragma omp parallel for schedule(static) reduction(min : first) if (n * dim > ITO__PARALLEL_VALUES)
    for (int64_t k = 0; k < n; k++)
        if (k < first && !row_finite(dim, v + k * dim)) first = k;
    return first;
}

ito_status ito__pc_score_at(ito__pc *pc, const double *x, double t, double *s, ito_error *err) {
    for (int64_t k = 0; k < pc->n; k++) pc->times[k] = t;
    const ito_status st = pc->score->eval(pc->score->self, pc->n, x, pc->times, s, err);
    if (st != ITO_OK) return st;
    pc->nfe++;

    const int64_t bad = ito__first_bad_row(pc->n, pc->dim, s);
    if (bad == pc->n) return ITO_OK;
    const double *row = s + bad * pc->dim;
    int64_t j = 0;
    while (isfinite(row[j])) j++;
    return ito_error_set(
        err, ITO_E_NUMERIC,
        "score: is %g for sample %lld at step %lld of %lld (t = %g): check the score, or its "
        "network's weights, at that time",
        row[j], (long long)(pc->options->first_sample + bad), (long long)(pc->i + 1), (long long)pc->steps,
        t);
}

ito_status ito__pc_score(ito__pc *pc, ito_error *err) {
    return ito__pc_score_at(pc, pc->x, pc->t, pc->s, err);
}

double ito__pc_length(const ito__pc *pc) {
    return pc->chain ? pc->sde.T / (double)pc->steps : pc->t - pc->t_next;
}

/* Off the chain, the exact transition p(x(t) | x(t_next)) = N(r x, (b^2 - r^2 b_next^2) I), r = a / a_next.
 */
void ito__pc_discretize(const ito__pc *pc, double *F, double *G) {
    if (pc->chain) {
        ito_sde_discretize(&pc->sde, pc->t, F, G);
        return;
    }
    const double r = ito_sde_mean(&pc->sde, pc->t) / ito_sde_mean(&pc->sde, pc->t_next);
    const double b = ito_sde_std(&pc->sde, pc->t), kept = r * ito_sde_std(&pc->sde, pc->t_next);
    *F = r - 1;
    *G = sqrt((b - kept) * (b + kept));
}

/* 1 - beta_i of the chain, as published, or the share of the signal's power that the step takes. */
double ito__pc_alpha(const ito__pc *pc) {
    if (pc->chain && !pc->options->marginal_alpha) return ito_sde_alpha(&pc->sde, pc->t);
    const double r = ito_sde_mean(&pc->sde, pc->t) / ito_sde_mean(&pc->sde, pc->t_next);
    return fmin(r * r, 1);
}

void ito__pc_noise_more(ito__pc *pc, int draw, double *out) {
    const int64_t step = pc->i * (1 + pc->predictor->more_draws) + draw;
    pc->noise.normal(pc->noise.self, ITO_RNG_PREDICTOR, (uint32_t)step, pc->n, pc->dim, out);
}

void ito__pc_noise(ito__pc *pc, ito_purpose purpose) {
    if (purpose == ITO_RNG_PREDICTOR) {
        ito__pc_noise_more(pc, 0, pc->z);
        return;
    }
    const int64_t step = pc->i * pc->options->corrector_steps + pc->sweep;
    pc->noise.normal(pc->noise.self, purpose, (uint32_t)step, pc->n, pc->dim, pc->z);
}

void ito__pc_update(ito__pc *pc, double A, double S, double Z) {
    const int64_t count = pc->n * pc->dim;
    const double *restrict s = pc->s, *restrict z = pc->z;
    double *restrict x = pc->x, *restrict x_mean = pc->x_mean;
    if (Z == 0) {
#pragma omp parallel for simd schedule(static) if (count > ITO__PARALLEL_VALUES)
        for (int64_t j = 0; j < count; j++) x[j] = x_mean[j] = A * x[j] + S * s[j];
        return;
    }
#pragma omp parallel for simd schedule(static) if (count > ITO__PARALLEL_VALUES)
    for (int64_t j = 0; j < count; j++) {
        x_mean[j] = A * x[j] + S * s[j];
        x[j] = x_mean[j] + Z * z[j];
    }
}

void ito__pc_combine(const ito__pc *pc, int count, const double *c, const double *const *v, double *out) {
    const int64_t values = pc->n * pc->dim;
#pragma omp parallel for schedule(static) if (values > ITO__PARALLEL_VALUES)
    for (int64_t j = 0; j < values; j++) {
        double sum = 0;
        for (int k = 0; k < count; k++) sum += c[k] * v[k][j];
        out[j] = sum;
    }
}

ito_status ito__pc_denoise(ito__pc *pc, ito_error *err) {
    const double a = ito_sde_mean(&pc->sde, pc->t), b = ito_sde_std(&pc->sde, pc->t);
    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    ito__pc_combine(pc, 2, (const double[]){1 / a, b * b / a}, (const double *const[]){pc->x, pc->s},
                    pc->x_mean);
    return ITO_OK;
}

void ito__pc_update_langevin(ito__pc *pc, const double *step) {
    const int64_t n = pc->n, dim = pc->dim;
#pragma omp parallel for schedule(static) if (n * dim > ITO__PARALLEL_VALUES)
    for (int64_t k = 0; k < n; k++) {
        const double *restrict s = pc->s + k * dim, *restrict z = pc->z + k * dim;
        double *restrict x = pc->x + k * dim, *restrict x_mean = pc->x_mean + k * dim;
        const double S = step[k], Z = sqrt(2 * step[k]);
        for (int64_t j = 0; j < dim; j++) {
            x_mean[j] = x[j] + S * s[j];
            x[j] = x_mean[j] + Z * z[j];
        }
    }
}

/* Four partial sums let the compiler vectorize without leave to reorder. */
static double sum_of_squares(int64_t dim, const double *v) {
    double sum[4] = {0};
    int64_t j = 0;
    for (; j + 4 <= dim; j += 4)
        for (int l = 0; l < 4; l++) sum[l] += v[j + l] * v[j + l];
    for (; j < dim; j++) sum[0] += v[j] * v[j];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void ito__row_norms(int64_t n, int64_t dim, const double *v, double *norm) {
#pragma omp parallel for schedule(static) if (n * dim > ITO__PARALLEL_VALUES)
    for (int64_t k = 0; k < n; k++) norm[k] = sqrt(sum_of_squares(dim, v + k * dim));
}
