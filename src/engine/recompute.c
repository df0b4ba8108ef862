/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations that are computed twice instead of kept. The gradient of a convolution's weights wants the
 * image that went into it, mostly a norm with its SiLU, or dropout or resampling of one. That norm's own
 * input stays in memory for the norm's gradient in any case, so one more pass over it, just before it is
 * wanted, saves an image of memory through the whole of the backward pass. Chen et al. 2016, at the grain of
 * single ops. The second result has the bits of the first: kernels are pure, dropout draws by counter.
 */
#include "engine/plan.h"

/* Numbers of one sample from which the memory is worth the pass. */
enum { WORTH = 65536 };

static bool is_cheap(const ito_node *x) {
    switch (x->op) {
    case ITO__OP_NORM: return true;
    case ITO__OP_DROPOUT:
    case ITO__OP_AFFINE:
    case ITO__OP_UPSAMPLE:
    case ITO__OP_POOL:
    case ITO__OP_UPFIRDN: return is_cheap(x->in[0]);
    default: return false;
    }
}

static void compute_again(ito__lowering *l, const ito_node *x) {
    if (l->again[x->id]) return;
    if (x->op != ITO__OP_NORM) compute_again(l, x->in[0]);
    l->again[x->id] = true;
    l->row_major[x->id] = l->blocked[x->id] = -1;
    ito__lower(l, x);
}

void ito__recompute(ito__lowering *l, const ito_node *x) {
    ito_shape s = x->shape;
    if (l->constant[x->id] || s.rank != 4 || ito_shape_count(s) / s.dim[0] < WORTH) return;
    if (is_cheap(x)) compute_again(l, x);
}
