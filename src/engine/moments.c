/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics of a norm in the epilogue of what produced its image: the kernel that makes an image takes the
 * sums of x and of x^2 of every channel on the way, and the norm's own pass over the image goes. A time
 * embedding that is added before the norm only shifts a channel's sums. Where oneDNN made the image, or a
 * resampling, the norm takes a pass of its own.
 */
#include "engine/plan.h"

static ito__step *step_that_makes(ito_plan *p, int value) {
    for (int i = p->n_steps - 1; i >= 0; i--)
        if (p->steps[i].out == value) return &p->steps[i];
    return NULL;
}

static size_t moments_bytes(const ito_node *x) {
    return (size_t)(ito__moment_bands(x) * x->shape.dim[0] * x->shape.dim[1] * 2) * sizeof(double);
}

int ito__take_moments(ito__lowering *l, const ito_node *x) {
    ito_plan *p = l->plan;
    const int image = l->blocked[x->id];
    if (l->status != ITO_OK || image < 0 || !ito__makes_moments(x)) return -1;
    ito__step *step = step_that_makes(p, image);
    if (!step || step->constant || step->node != x || step->kernel != p->image[x->op]) return -1;
    if (step->moments < 0) step->moments = ito__scratch(l, moments_bytes(x), false);
    return step->moments;
}
