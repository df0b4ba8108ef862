/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture of isotropic Gaussians as its functions see it, and the loops that score many points at a time,
 * compiled for each instruction set from mixture_lanes.h. All of them give the same bits.
 */
#ifndef ITO_DYNAMICS_MIXTURE_H
#define ITO_DYNAMICS_MIXTURE_H

#include "core/isa.h"
#include "dynamics/analytic.h"

typedef struct ito__mixture {
    ito_density base;
    int64_t components;
    double *log_w;      /* [components], of weights with the sum 1 */
    double *cumulative; /* [components], w_0 + ... + w_k */
    double *std;        /* [components] */
    double *mean;       /* [components, dim] */
} ito__mixture;

enum {
    ITO__MIXTURE_DIM = 4,   /* up to which a lane is a point; beyond, points come one by one */
    ITO__MIXTURE_LANES = 64 /* points scored together */
};

/* Scores of n <= ITO__MIXTURE_LANES points [n, dim], each at its time; dim <= ITO__MIXTURE_DIM. A point's
 * score does not depend on its neighbours. */
typedef void ito__mixture_scores(const ito__mixture *mix, int64_t n, const ito__moments *m, const double *x,
                                 double *score);
/* NULL for another processor family, and then never chosen. */
extern ito__mixture_scores *const ito__mixture_scores_plain, *const ito__mixture_scores_avx2,
                                                                 *const ito__mixture_scores_avx512;
/* The best of them up to `limit`. */
ito__mixture_scores *ito__mixture_scores_for(ito__isa limit);
/* Any number of points of any dim, one by one: what the loops above are held against. */
void ito__mixture_scores_by_row(const ito__mixture *mix, int64_t n, const ito__moments *m, const double *x,
                                double *score);

#endif
