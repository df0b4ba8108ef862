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

static int moments_of(ito__lowering *l, int image) {
    ito_plan *p = l->plan;
    ito__step *step = image < 0 ? NULL : step_that_makes(p, image);
    if (l->status != ITO_OK || !step || step->constant) return -1;
    const ito_node *x = step->node;
    if (x != p->values[image].node || step->kernel != p->image[x->op] || !ito__makes_moments(x)) return -1;
    if (step->moments < 0) step->moments = ito__scratch(l, moments_bytes(x), false);
    return step->moments;
}

int ito__take_moments(ito__lowering *l, ito__parts *list) {
    int taken = 0;
    for (int i = 0; i < list->n; i++) {
        ito__step_part *part = &list->of[i];
        part->moments = moments_of(l, part->value);
        if (part->moments < 0) continue;
        part->as.bands = ito__moment_bands(l->plan->values[part->value].node);
        part->value = -1;
        taken++;
    }
    return taken;
}
