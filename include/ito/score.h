/* SPDX-License-Identifier: Apache-2.0
 *
 * The seam between networks and dynamics: a score function s(x, t) = grad_x log p_t(x).
 *
 * Whatever can evaluate one fills this struct: a network, an analytic density, an embedding program's own
 * code. Everything in doubles; a network rounds to its own precision inside. SPEC section 3: every sampler's
 * input is the score; only the network wrapper knows what the network itself returns.
 */
#ifndef ITO_SCORE_H
#define ITO_SCORE_H

#include <ito/status.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_score {
    void *self;
    int64_t dim; /* D: values of one sample */

    /* score[k] = s(x[k], t[k]) for n samples.  x, score: [n, dim] row-major, not overlapping; t: [n].
     * Any n >= 1. A status other than ITO_OK stops the caller and comes back unchanged. */
    ito_status (*eval)(void *self, int64_t n, const double *x, const double *t, double *score,
                       ito_error *err);

    /* vjp_out[k] = v[k]^T d s(x[k], t[k]) / d x.  Shapes as eval; NULL when the score has no derivative. */
    ito_status (*vjp)(void *self, int64_t n, const double *x, const double *t, const double *v,
                      double *vjp_out, ito_error *err);

    /* Both of the above in one go, for a score whose derivative gives its value along the way; NULL: they are
     * called in turn. Likelihoods ask for both at every evaluation. */
    ito_status (*eval_vjp)(void *self, int64_t n, const double *x, const double *t, const double *v,
                           double *score, double *vjp_out, ito_error *err);
} ito_score;

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
