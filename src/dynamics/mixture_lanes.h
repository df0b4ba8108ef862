/* SPDX-License-Identifier: Apache-2.0
 *
 * The score of a mixture with a lane for each point: formulas and passes are those of analytic_mixture.c. The
 * file that includes this names the SCORES that it defines.
 */
#include "core/lane_math.h"
#include "dynamics/mixture.h"

#include <math.h>

enum { POINTS = ITO__MIXTURE_LANES };

/* Points and their sums over components, coordinate by coordinate. c and h are those of one deviation: a log
 * term is log w + c - h |a m - x|^2, with h = 1 / (2 v). */
typedef struct tile {
    double a[POINTS], b2[POINTS], x[ITO__MIXTURE_DIM][POINTS];
    double c[POINTS], h[POINTS];
    double largest[POINTS], total[POINTS], sum[ITO__MIXTURE_DIM][POINTS];
} tile;

static void set_deviation(double std, int64_t dim, int64_t n, tile *restrict p) {
    LANES for (int64_t l = 0; l < n; l++) {
        const double v = p->a[l] * p->a[l] * std * std + p->b2[l];
        p->c[l] = (double)dim / -2 * (ito__log_2pi + lane_log(v));
        p->h[l] = 0.5 / v;
    }
}

/* Coordinate j of a m - x in lane l. */
static inline double difference(const tile *p, const double *mean, int64_t j, int64_t l) {
    return p->a[l] * mean[j] - p->x[j][l];
}

static inline __attribute__((always_inline)) double log_term(const tile *p, const double *mean, double log_w,
                                                             int64_t dim, int64_t l) {
    double squares = 0;
    for (int64_t j = 0; j < dim; j++) squares += difference(p, mean, j, l) * difference(p, mean, j, l);
    return log_w + p->c[l] - p->h[l] * squares;
}

static inline __attribute__((always_inline)) void find_largest(const double *mean, double log_w, int64_t dim,
                                                               int64_t n, tile *restrict p) {
    LANES for (int64_t l = 0; l < n; l++) {
        const double term = log_term(p, mean, log_w, dim, l);
        p->largest[l] = term > p->largest[l] ? term : p->largest[l];
    }
}

static inline __attribute__((always_inline)) void add_component(const double *mean, double log_w, int64_t dim,
                                                                int64_t n, tile *restrict p) {
    LANES for (int64_t l = 0; l < n; l++) {
        const double e = lane_exp_negative(log_term(p, mean, log_w, dim, l) - p->largest[l]);
        p->total[l] += e;
        for (int64_t j = 0; j < dim; j++) p->sum[j][l] += e * (2 * p->h[l]) * difference(p, mean, j, l);
    }
}

/* Inlined with a constant dim, the loops over coordinates are unrolled and those over lanes have none inside.
 */
static inline __attribute__((always_inline)) void scores_of(const ito__mixture *mix, int64_t dim, int64_t n,
                                                            const ito__moments *m, const double *x,
                                                            double *score) {
    tile p;
    for (int64_t l = 0; l < n; l++) {
        for (int64_t j = 0; j < dim; j++) {
            p.x[j][l] = x[l * dim + j];
            p.sum[j][l] = 0;
        }
        p.a[l] = m[l].a;
        p.b2[l] = m[l].b2;
        p.largest[l] = -INFINITY;
        p.total[l] = 0;
    }
    for (int pass = 0; pass < 2; pass++)
        for (int64_t k = 0; k < mix->components; k++) {
            const double *mean = mix->mean + k * dim;
            if (k == 0 || mix->std[k] != mix->std[k - 1]) set_deviation(mix->std[k], dim, n, &p);
            if (pass == 0)
                find_largest(mean, mix->log_w[k], dim, n, &p);
            else
                add_component(mean, mix->log_w[k], dim, n, &p);
        }
    for (int64_t l = 0; l < n; l++)
        for (int64_t j = 0; j < dim; j++) score[l * dim + j] = p.sum[j][l] / p.total[l];
}

static void scores(const ito__mixture *mix, int64_t n, const ito__moments *m, const double *x,
                   double *score) {
    switch (mix->base.dim) {
    case 1: scores_of(mix, 1, n, m, x, score); break;
    case 2: scores_of(mix, 2, n, m, x, score); break;
    case 3: scores_of(mix, 3, n, m, x, score); break;
    default: scores_of(mix, 4, n, m, x, score); break;
    }
}

ito__mixture_scores *const SCORES = scores;
