/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps that predictors and correctors are written in: score, noise, update. Rows (samples) are worked on
 * in parallel; every sum runs within a row in a fixed order, so results do not depend on the thread count.
 */
#include "dynamics/pc.h"
#include "dynamics/check.h"
#include "dynamics/rows.h"

#include <math.h>
#include <stddef.h>

/* Values that a thread works on at a time: of rows, which may be short, or of everything alike. */
enum { PIECE = 4096 };

static int64_t piece(int64_t count, int64_t first) {
    return count - first < PIECE ? count - first : PIECE;
}

static const ito__row_kernel *fastest(void) {
    return ito__rows_for(ITO__ISA_COUNT);
}

const ito__row_kernel *ito__rows_for(ito__isa limit) {
    const ito__isa isa = ito__isa_within(limit);
    if (isa == ITO__ISA_AVX512) return &ito__rows_avx512;
    return isa == ITO__ISA_AVX2 ? &ito__rows_avx2 : &ito__rows_plain;
}

int64_t ito__first_bad_row(int64_t n, int64_t dim, const double *v) {
    const ito__row_kernel *kernel = fastest();
    const int64_t count = n * dim;
    int64_t bad = count;
#pragma omp parallel for schedule(static) reduction(min : bad) if (count > ITO__PARALLEL_VALUES)
    for (int64_t first = 0; first < count; first += PIECE)
        if (first < bad && !kernel->all_finite(piece(count, first), v + first)) bad = first;
    while (bad < count && isfinite(v[bad])) bad++;
    return bad / dim;
}

ito_status ito__pc_eval(ito__pc *pc, const double *x, double t, double *s, ito_error *err) {
    for (int64_t k = 0; k < pc->n; k++) pc->times[k] = t;
    const double start = ito__seconds();
    const ito_status st = pc->score->eval(pc->score->self, pc->n, x, pc->times, s, err);
    pc->score_seconds += ito__seconds() - start;
    if (st == ITO_OK) pc->nfe++;
    return st;
}

ito_status ito__pc_check_score(const ito__pc *pc, double t, const double *s, ito_error *err) {
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

ito_status ito__pc_score_at(ito__pc *pc, const double *x, double t, double *s, ito_error *err) {
    const ito_status st = ito__pc_eval(pc, x, t, s, err);
    return st == ITO_OK ? ito__pc_check_score(pc, t, s, err) : st;
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

static void draw_normals(ito__pc *pc, ito_purpose purpose, int64_t step, double *out) {
    const double start = ito__seconds();
    pc->noise.normal(pc->noise.self, purpose, (uint32_t)step, pc->n, pc->dim, out);
    pc->noise_seconds += ito__seconds() - start;
}

void ito__pc_noise_more(ito__pc *pc, int draw, double *out) {
    draw_normals(pc, ITO_RNG_PREDICTOR, pc->i * (1 + pc->predictor->more_draws) + draw, out);
}

void ito__pc_noise(ito__pc *pc, ito_purpose purpose) {
    if (purpose == ITO_RNG_PREDICTOR)
        ito__pc_noise_more(pc, 0, pc->z);
    else
        draw_normals(pc, purpose, pc->i * pc->options->corrector_steps + pc->sweep, pc->z);
}

void ito__pc_update(ito__pc *pc, double A, double S, double Z) {
    const ito__row_kernel *kernel = fastest();
    const int64_t count = pc->n * pc->dim;
#pragma omp parallel for schedule(static) if (count > ITO__PARALLEL_VALUES)
    for (int64_t j = 0; j < count; j += PIECE)
        kernel->update(piece(count, j), A, S, Z, pc->s + j, Z == 0 ? NULL : pc->z + j, pc->x + j,
                       pc->x_mean + j);
}

void ito__pc_combine(const ito__pc *pc, int count, const double *c, const double *const *v, double *out) {
    const ito__row_kernel *kernel = fastest();
    const int64_t values = pc->n * pc->dim;
#pragma omp parallel for schedule(static) if (values > ITO__PARALLEL_VALUES)
    for (int64_t j = 0; j < values; j += PIECE) kernel->combine(piece(values, j), count, c, v, j, out + j);
}

ito_status ito__pc_denoise(ito__pc *pc, double *out, ito_error *err) {
    const double a = ito_sde_mean(&pc->sde, pc->t), b = ito_sde_std(&pc->sde, pc->t);
    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    ito__pc_combine(pc, 2, (const double[]){1 / a, b * b / a}, (const double *const[]){pc->x, pc->s}, out);
    return ITO_OK;
}

void ito__pc_update_langevin(ito__pc *pc, int64_t k, double step) {
    const int64_t dim = pc->dim, first = k * dim;
    fastest()->update(dim, 1, step, sqrt(2 * step), pc->s + first, pc->z + first, pc->x + first,
                      pc->x_mean + first);
}

double ito__norm(int64_t dim, const double *v) {
    return sqrt(fastest()->sum_of_squares(dim, v));
}

void ito__row_norms(int64_t n, int64_t dim, const double *v, double *norm) {
#pragma omp parallel for schedule(static) if (n * dim > ITO__PARALLEL_VALUES)
    for (int64_t k = 0; k < n; k++) norm[k] = ito__norm(dim, v + k * dim);
}
