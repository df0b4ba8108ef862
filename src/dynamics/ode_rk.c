/* SPDX-License-Identifier: Apache-2.0
 *
 * Stages and error norms of many systems at once, each with its own time and step.
 *
 * The values of a system are worked on in blocks, in parallel with those of the others; a block's sum runs in
 * a fixed order and the blocks' sums are added in order. So a system's result depends neither on the thread
 * count nor on the systems beside it.
 */
#include "dynamics/ode.h"

#include "dynamics/noise.h"
#include <math.h>

enum { block_values = 512 };

/* One block of the system in one place, at `first` of its array [n, dim]. */
typedef struct block {
    int64_t place, first, size;
} block;

int64_t ito__rk_blocks(int64_t dim) {
    return (dim - 1) / block_values + 1;
}

static block block_at(int64_t dim, int64_t blocks, int64_t index) {
    const int64_t place = index / blocks, offset = index % blocks * block_values;
    return (block){place, place * dim + offset, dim - offset < block_values ? dim - offset : block_values};
}

static ito__ode_control *control_of(ito_ode_solver *rk, int64_t place) {
    return &rk->control[rk->row[place]];
}

/* out = sum_j w_j v_j on the block that begins at `first`. */
static void combine(int64_t first, int64_t size, int count, const double *w, double *const *v,
                    double *restrict out) {
    for (int64_t e = 0; e < size; e++) out[e] = 0;
    for (int j = 0; j < count; j++) {
        if (w[j] == 0) continue;
        const double *restrict vj = v[j] + first;
        for (int64_t e = 0; e < size; e++) out[e] += w[j] * vj[e];
    }
}

/* y_new = y + h sum_j w_j k_j over the first `count` stages. */
static void advance(ito_ode_solver *rk, int count, const double *w) {
    const int64_t dim = rk->ode->dim, blocks = ito__rk_blocks(dim);
#pragma omp parallel for schedule(static) if (rk->active * dim > ITO__PARALLEL_VALUES)
    for (int64_t i = 0; i < rk->active * blocks; i++) {
        const block b = block_at(dim, blocks, i);
        const double h = control_of(rk, b.place)->h;
        double slope[block_values];
        combine(b.first, b.size, count, w, rk->k, slope);
        for (int64_t e = 0; e < b.size; e++) rk->y_new[b.first + e] = rk->y[b.first + e] + h * slope[e];
    }
}

/* norm of each system = RMS over its values of sum_j w_j v_j / (atol + rtol max(|y|, |z|)). */
static void scaled_norms(ito_ode_solver *rk, int count, const double *w, double *const *v, const double *z,
                         double *norm) {
    const int64_t dim = rk->ode->dim, blocks = ito__rk_blocks(dim);
    const double rtol = rk->options->rtol, atol = rk->options->atol;
#pragma omp parallel for schedule(static) if (rk->active * dim > ITO__PARALLEL_VALUES)
    for (int64_t i = 0; i < rk->active * blocks; i++) {
        const block b = block_at(dim, blocks, i);
        double value[block_values], sum = 0;
        combine(b.first, b.size, count, w, v, value);
        for (int64_t e = 0; e < b.size; e++) {
            const double scale = atol + rtol * fmax(fabs(rk->y[b.first + e]), fabs(z[b.first + e]));
            sum += value[e] / scale * (value[e] / scale);
        }
        rk->block_sum[i] = sum;
    }
    for (int64_t p = 0; p < rk->active; p++) {
        double sum = 0;
        for (int64_t b = 0; b < blocks; b++) sum += rk->block_sum[p * blocks + b];
        norm[p] = sqrt(sum / (double)dim);
    }
}

ito_status ito__rk_evaluate(ito_ode_solver *rk, double c, const double *y, double *dydt, ito_error *err) {
    rk->calls++;
    for (int64_t p = 0; p < rk->active; p++) {
        ito__ode_control *control = control_of(rk, p);
        control->report.nfev++;
        rk->times[p] = control->t + c * control->h;
    }
    return rk->ode->rhs(rk->ode->self, rk->active, rk->row, rk->times, y, dydt, err);
}

ito_status ito__rk_first_step(ito_ode_solver *rk, ito_error *err) {
    const double one = 1, difference[2] = {-1, 1};
    double *const d0 = rk->norm[0], *const d1 = rk->norm[1], *const d2 = rk->norm[2];
    scaled_norms(rk, 1, &one, &rk->y, rk->y, d0);
    scaled_norms(rk, 1, &one, rk->k, rk->y, d1);
    for (int64_t p = 0; p < rk->active; p++) ito__ode_try_first(&rk->span, d0[p], d1[p], control_of(rk, p));

    advance(rk, 1, &one);
    const ito_status st = ito__rk_evaluate(rk, 1, rk->y_new, rk->k[1], err);
    if (st != ITO_OK) return st;
    scaled_norms(rk, 2, difference, rk->k, rk->y, d2);
    for (int64_t p = 0; p < rk->active; p++) {
        ito__ode_control *c = control_of(rk, p);
        ito__ode_choose_first(&rk->span, d1[p], d2[p] / fabs(c->h), c);
    }
    return ITO_OK;
}

ito_status ito__rk_attempt(ito_ode_solver *rk, ito_error *err) {
    const ito__tableau *m = rk->tableau;
    ito_status st;
    for (int i = 1; i < m->stages; i++) {
        advance(rk, i, m->a[i]);
        if ((st = ito__rk_evaluate(rk, m->c[i], rk->y_new, rk->k[i], err)) != ITO_OK) return st;
    }
    scaled_norms(rk, m->stages, m->e, rk->k, rk->y_new, rk->norm[0]);
    for (int64_t p = 0; p < rk->active; p++) {
        ito__ode_control *c = control_of(rk, p);
        c->error = fabs(c->h) * rk->norm[0][p];
    }
    return ITO_OK;
}

void ito_ode_interpolate(const ito_ode_attempt *seen, double theta, double *out) {
    const ito_ode_solver *rk = seen->solver;
    const ito__tableau *m = rk->tableau;
    const int64_t begin = seen->y - rk->y; /* of its place */
    const double h = seen->h, rest = 1 - theta;
    const double *first_slope = rk->k[0] + begin, *last_slope = rk->k[m->stages - 1] + begin;
    for (int64_t first = 0; first < seen->dim; first += block_values) {
        const int64_t size = seen->dim - first < block_values ? seen->dim - first : block_values;
        double quartic[block_values];
        combine(begin + first, size, m->stages, m->dense, rk->k, quartic);
        for (int64_t e = 0; e < size; e++) {
            const double y = seen->y[first + e], rise = seen->y_new[first + e] - y;
            const double head = h * first_slope[first + e] - rise;
            const double tail = rise - h * last_slope[first + e];
            out[first + e] =
                y + theta * (rise + rest * (head + theta * (tail - head + rest * h * quartic[e])));
        }
    }
}
