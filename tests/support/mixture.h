/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture of isotropic Gaussians and what an SDE makes of it: the analytic score of the tests.
 *
 * With data sum_k w_k N(m_k, s_k^2 I), the density at time t is sum_k w_k N(a m_k, (a^2 s_k^2 + b^2) I).
 */
#ifndef ITO_TESTS_MIXTURE_H
#define ITO_TESTS_MIXTURE_H

#include <ito/dynamics.h>

enum { mixture_max = 16 };

typedef struct mixture {
    ito_sde sde;
    int64_t K, dim;  /* K <= mixture_max */
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
