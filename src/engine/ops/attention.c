/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention over pixels and its gradient, one op each. Neither stores the matrix of weights: the gradient
 * computes it again, tile by tile, as Dao et al. 2022 do.
 *
 *   ATTENTION (q, k, v)           [N, C, H, W]
 *   ATTENTION_GRAD (q, k, v, g)   [N, 3 C, H, W]   the gradients of q, k and v, one after another
 */
#include "engine/graph.h"

ito_node *ito_attention(ito_node *q, ito_node *k, ito_node *v, int64_t width, double scale) {
    ito_graph *g = q->graph;
    ito_shape s = q->shape;
    char a[ITO__SHAPE_TEXT], b[ITO__SHAPE_TEXT];
    if (s.rank != 4)
        return ito__bad(g, ITO__OP_ATTENTION, "q is %s: it takes [N,C,H,W]", ito__shape_text(s, a));
    ito_node *other = ito_shape_equal(k->shape, s) ? v : k;
    if (!ito_shape_equal(other->shape, s))
        return ito__bad(g, ITO__OP_ATTENTION, "q is %s, %s is %s: all three have one shape",
                        ito__shape_text(s, a), other == k ? "k" : "v", ito__shape_text(other->shape, b));
    if (width < 1 || s.dim[1] % width)
        return ito__bad(g, ITO__OP_ATTENTION,
                        "%lld channels do not divide into heads of %lld: choose a divisor",
                        (long long)s.dim[1], (long long)width);
    return ito__node(g, ITO__OP_ATTENTION, 3, (ito_node *[]){q, k, v}, s,
                     (ito__attr){.attention = {width, scale}});
}

void ito__adjoint_attention(ito_node *y, ito_node *g, ito_node **gin) {
    ito_shape s = y->shape;
    int64_t channels = s.dim[1];
    s.dim[1] = 3 * channels;
    ito_node *grads = ito__node(y->graph, ITO__OP_ATTENTION_GRAD, 4,
                                (ito_node *[]){y->in[0], y->in[1], y->in[2], g}, s, y->attr);
    for (int i = 0; i < 3; i++) gin[i] = ito_slice(grads, 1, i * channels, (i + 1) * channels);
}

/* With P = softmax(scale q^T k) and dP = g^T v:  dS = scale P (dP - rowsum(P dP)),
 * dq = k dS^T, dk = q dS, dv = g P. */
ito_node *ito__expand_attention_grad(ito_node *y) {
    ito_shape image = y->in[0]->shape;
    int64_t width = y->attr.attention.width, pixels = image.dim[2] * image.dim[3];
    int64_t heads = image.dim[0] * image.dim[1] / width;
    double scale = y->attr.attention.scale;
    ito_node *in[4];
    for (int i = 0; i < 4; i++) in[i] = ito_reshape(y->in[i], ITO_SHAPE(heads, width, pixels));
    ito_node *q = in[0], *k = in[1], *v = in[2], *g = in[3];
    ito_node *p = ito_softmax(ito_scale(ito_matmul(q, k, true, false), scale));
    ito_node *dp = ito_matmul(g, v, true, false);
    ito_node *row = ito_sum_to(ito_mul(p, dp), ITO_SHAPE(heads, pixels, 1));
    ito_node *ds = ito_scale(ito_mul(p, ito_sub(dp, row)), scale);
    ito_node *dq = ito_matmul(k, ds, false, true), *dk = ito_matmul(q, ds, false, false);
    ito_node *dv = ito_matmul(g, p, false, false);
    return ito_concat(
        3, (ito_node *[]){ito_reshape(dq, image), ito_reshape(dk, image), ito_reshape(dv, image)}, 1);
}
