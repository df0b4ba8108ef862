/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture of isotropic Gaussians as a plain value, with a score that counts its calls: the test problem of
 * most tests. The mathematics is that of ito/analytic.h, which test_analytic.c proves.
 */
#ifndef ITO_TESTS_MIXTURE_H
#define ITO_TESTS_MIXTURE_H

#include <ito/dynamics.h>

typedef struct mixture {
    ito_sde sde;
    int64_t K, dim;
    const double *w; /* [K] weights, sum 1 */
    const double *m; /* [K, dim] means */
    const double *s; /* [K] standard deviations */
    int64_t evals;   /* counts calls of the score */
} mixture;

/* Borrows *mix. */
ito_score mixture_score(mixture *mix);
/* log p_t(x) for one x [dim]. */
double mixture_log_density(const mixture *mix, const double *x, double t);

#endif
