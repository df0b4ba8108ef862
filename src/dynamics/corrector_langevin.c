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

static void replace_by_mean(int64_t n, double *v) {
    double sum = 0;
    for (int64_t k = 0; k < n; k++) sum += v[k];
    for (int64_t k = 0; k < n; k++) v[k] = sum / (double)n;
}

ito_status ito__corrector_langevin(ito__pc *pc, ito_error *err) {
    const double alpha = ito__pc_alpha(pc), r = pc->options->snr;

    const ito_status st = ito__pc_score(pc, err);
    if (st != ITO_OK) return st;
    ito__pc_noise(pc, ITO_RNG_CORRECTOR);

    ito__row_norms(pc->n, pc->dim, pc->s, pc->s_norm);
    ito__row_norms(pc->n, pc->dim, pc->z, pc->z_norm);
    if (pc->options->batch_norms) {
        replace_by_mean(pc->n, pc->s_norm);
        replace_by_mean(pc->n, pc->z_norm);
    }
    double *step = pc->z_norm;
    for (int64_t k = 0; k < pc->n; k++) {
        const double ratio = r * pc->z_norm[k] / pc->s_norm[k];
        step[k] = 2 * alpha * ratio * ratio;
        if (!isfinite(step[k]))
            return ito_error_set(
                err, ITO_E_NUMERIC,
                "corrector: the score of sample %lld has norm %g at step %lld of %lld (t = %g), "
                "so langevin has no step size: use the corrector ald or none",
                (long long)(pc->options->first_sample + k), pc->s_norm[k], (long long)(pc->i + 1),
                (long long)pc->steps, pc->t);
    }
    ito__pc_update_langevin(pc, step);
    return ITO_OK;
}
