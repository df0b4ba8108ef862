/* SPDX-License-Identifier: Apache-2.0
 *
 * One sweep of Langevin dynamics, its step size set by a signal-to-noise ratio r.
 *
 *     step = 2 alpha (r |z| / |s|)^2
 *     x_mean = x + step s,   x = x_mean + sqrt(2 step) z
 *
 * |z| and |s| are the norms of each sample's own normals and score. With batch_norms both are averaged over
 * the batch before the division, as published; then a sample depends on its batch. A step that follows the
 * sample's own norms favours a small score: in D dimensions the variance comes out larger by a factor of
 * about (1 + 2/D)^2, nothing for an image, much for a point in the plane, where ald is the better choice.
 * Source: [SDE] Algorithms 4 and 5; alpha as in ito__pc_alpha.
 */
#include "dynamics/pc.h"

#include <math.h>

/* Norms of all rows of v, each replaced by their mean. */
static void mean_norm(const ito__pc *pc, const double *v, double *norm) {
    double sum = 0;
    ito__row_norms(pc->n, pc->dim, v, norm);
    for (int64_t k = 0; k < pc->n; k++) sum += norm[k];
    for (int64_t k = 0; k < pc->n; k++) norm[k] = sum / (double)pc->n;
}

/* Updates every row that has a finite norm and step size; returns the first that has none, or n. A row's
 * norms and its update follow each other while the row is in the cache. */
static int64_t update_rows(ito__pc *pc, double alpha, double r) {
    const int64_t n = pc->n, dim = pc->dim;
    int64_t first = n;
#pragma omp parallel for schedule(static) reduction(min : first) if (n * dim > ITO__PARALLEL_VALUES)
    for (int64_t k = 0; k < n; k++) {
        if (!pc->options->batch_norms) {
            pc->s_norm[k] = ito__norm(dim, pc->s + k * dim);
            pc->z_norm[k] = ito__norm(dim, pc->z + k * dim);
        }
        const double ratio = r * pc->z_norm[k] / pc->s_norm[k], step = 2 * alpha * ratio * ratio;
        if (isfinite(pc->s_norm[k]) && isfinite(step))
            ito__pc_update_langevin(pc, k, step);
        else if (k < first)
            first = k;
    }
    return first;
}

ito_status ito__corrector_langevin(ito__pc *pc, ito_error *err) {
    ito_status st = ito__pc_eval(pc, pc->x, pc->t, pc->s, err);
    if (st != ITO_OK) return st;
    ito__pc_noise(pc, ITO_RNG_CORRECTOR);

    if (pc->options->batch_norms) {
        mean_norm(pc, pc->s, pc->s_norm);
        mean_norm(pc, pc->z, pc->z_norm);
    }
    const int64_t bad = update_rows(pc, ito__pc_alpha(pc), pc->options->snr);
    if (bad == pc->n) return ITO_OK;
    if ((st = ito__pc_check_score(pc, pc->t, pc->s, err)) != ITO_OK) return st;
    return ito_error_set(err, ITO_E_NUMERIC,
                         "corrector: the score of sample %lld has norm %g at step %lld of %lld (t = %g), "
                         "so langevin has no step size: use the corrector ald or none",
                         (long long)(pc->options->first_sample + bad), pc->s_norm[bad],
                         (long long)(pc->i + 1), (long long)pc->steps, pc->t);
}
