/* SPDX-License-Identifier: Apache-2.0
 *
 * Resampling of images, the largest of a window, and dropout.
 */
#include "engine/graph.h"

static bool bad_image(ito_node *x, ito__op op, int factor) {
    if (x->shape.rank == 4 && factor >= 1) return false;
    char s[ITO__SHAPE_TEXT];
    ito__bad(x->graph, op, "operand %s, factor %d: it takes [N,C,H,W] and a factor of 1 or more",
             ito__shape_text(x->shape, s), factor);
    return true;
}

ito_node *ito_upsample_nearest(ito_node *x, int factor) {
    if (bad_image(x, ITO__OP_UPSAMPLE, factor)) return x->graph->scrap;
    if (factor == 1) return x;
    ito_shape shape = x->shape;
    shape.dim[2] *= factor;
    shape.dim[3] *= factor;
    return ito__node(x->graph, ITO__OP_UPSAMPLE, 1, &x, shape, (ito__attr){.factor = factor});
}

/* Sum over factor x factor blocks: the adjoint of nearest-neighbour upsampling. */
ito_node *ito__sum_pool(ito_node *x, int factor) {
    if (bad_image(x, ITO__OP_POOL, factor)) return x->graph->scrap;
    if (factor == 1) return x;
    ito_shape shape = x->shape;
    if (shape.dim[2] % factor || shape.dim[3] % factor)
        return ito__bad(x->graph, ITO__OP_POOL,
                        "an image of %lld x %lld does not divide into blocks of %d: pad it",
                        (long long)shape.dim[2], (long long)shape.dim[3], factor);
    shape.dim[2] /= factor;
    shape.dim[3] /= factor;
    return ito__node(x->graph, ITO__OP_POOL, 1, &x, shape, (ito__attr){.factor = factor});
}

ito_node *ito_average_pool(ito_node *x, int factor) {
    return ito_scale(ito__sum_pool(x, factor), 1.0 / ((double)factor * factor));
}

void ito__adjoint_upsample(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito__sum_pool(g, y->attr.factor);
}
void ito__adjoint_pool(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_upsample_nearest(g, y->attr.factor);
}

/* ---- upsample, FIR, downsample ---- */

static ito_node *upfirdn(ito_node *x, ito_fir f, bool reversed, int64_t height, int64_t width) {
    ito__attr attr = {.upfirdn = {f, reversed}};
    return ito__node(x->graph, ITO__OP_UPFIRDN, 1, &x,
                     ITO_SHAPE(x->shape.dim[0], x->shape.dim[1], height, width), attr);
}

ito_node *ito_upfirdn(ito_node *x, ito_fir f) {
    if (bad_image(x, ITO__OP_UPFIRDN, f.up) || bad_image(x, ITO__OP_UPFIRDN, f.down)) return x->graph->scrap;
    if (f.ntaps < 1 || f.ntaps > 8)
        return ito__bad(x->graph, ITO__OP_UPFIRDN, "%d taps: it takes 1 to 8", f.ntaps);
    int64_t size[2];
    for (int i = 0; i < 2; i++) {
        int64_t padded = x->shape.dim[2 + i] * f.up + f.pad_before + f.pad_after;
        if (padded < f.ntaps)
            return ito__bad(x->graph, ITO__OP_UPFIRDN, "a padded side of %lld under %d taps: pad more",
                            (long long)padded, f.ntaps);
        size[i] = (padded - f.ntaps) / f.down + 1;
    }
    return upfirdn(x, f, false, size[0], size[1]);
}

/* The map is  y[o] = sum_k taps[k] up(x)[o down + k - before]  along each axis, its transpose the same with
 * up and down exchanged, the taps reversed and ntaps - 1 - before zeros in front; the far padding follows
 * from the sizes. */
void ito__adjoint_upfirdn(ito_node *y, ito_node *g, ito_node **gin) {
    ito_fir f = y->attr.upfirdn.fir;
    ito_fir t = f;
    t.up = f.down;
    t.down = f.up;
    t.pad_before = f.ntaps - 1 - f.pad_before;
    t.pad_after = 0;
    gin[0] = upfirdn(g, t, !y->attr.upfirdn.reversed, y->in[0]->shape.dim[2], y->in[0]->shape.dim[3]);
}

/* ---- largest of a window ----
 *
 *   MAX_POOL       (x, v)   y[p] = v at the pixel of p's window where x is largest
 *   MAX_POOL_GRAD  (x, g)   the transpose in v: every g[p] added to that pixel
 *
 * The places depend on x, the values on v alone, so the two are each other's adjoint. Max pooling reads x as
 * v too, and its derivative by way of the places is zero almost everywhere. */

static ito_node *at_largest(ito__op op, ito_node *x, ito_node *v, ito__attr attr) {
    return ito__node(x->graph, op, 2, (ito_node *[]){x, v}, x->shape, attr);
}

ito_node *ito_max_pool(ito_node *x, int window) {
    if (bad_image(x, ITO__OP_MAX_POOL, window)) return x->graph->scrap;
    if (window % 2 == 0)
        return ito__bad(x->graph, ITO__OP_MAX_POOL, "window %d is even: an odd one has a middle", window);
    return at_largest(ITO__OP_MAX_POOL, x, x, (ito__attr){.factor = window});
}

void ito__adjoint_max_pool(ito_node *y, ito_node *g, ito_node **gin) {
    gin[1] = at_largest(ITO__OP_MAX_POOL_GRAD, y->in[0], g, y->attr);
}
void ito__adjoint_max_pool_grad(ito_node *y, ito_node *g, ito_node **gin) {
    gin[1] = at_largest(ITO__OP_MAX_POOL, y->in[0], g, y->attr);
}

/* ---- dropout ---- */

ito_node *ito__drop(ito_node *x, ito__dropout d) {
    return ito__node(x->graph, ITO__OP_DROPOUT, 1, &x, x->shape, (ito__attr){.dropout = d});
}

/* Behind a norm it is a part of the norm's own pass. */
ito_node *ito_dropout(ito_node *x, double rate) {
    if (!(rate >= 0 && rate < 1))
        return ito__bad(x->graph, ITO__OP_DROPOUT, "rate %g: it lies in [0, 1)", rate);
    if (x->shape.rank < 1)
        return ito__bad(x->graph, ITO__OP_DROPOUT, "the operand is a scalar: it needs a batch axis");
    if (rate == 0) return x;
    const ito__dropout d = {rate, x->graph->n_dropouts++};
    if (x->op == ITO__OP_NORM && x->attr.norm.dropout.rate == 0) return ito__norm_with_dropout(x, d);
    return ito__drop(x, d);
}

/* Linear in x, with the same mask: its own adjoint. */
void ito__adjoint_dropout(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito__drop(g, y->attr.dropout);
}
