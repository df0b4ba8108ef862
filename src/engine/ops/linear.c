/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products and convolutions.
 *
 * A convolution is one trilinear form <g, conv(x, w)>; its three partial derivatives are the three ops CONV2D
 * (x, w), CONV2D_GRAD_X (w, g) and CONV2D_GRAD_W (x, g), so the adjoint of each is made of the other two and
 * the set is closed.
 */
#include "engine/graph.h"

ito_node *ito_matmul(ito_node *a, ito_node *b, bool transpose_a, bool transpose_b) {
    ito_shape sa = a->shape, sb = b->shape;
    char ta[ITO__SHAPE_TEXT], tb[ITO__SHAPE_TEXT];
    ito__shape_text(sa, ta);
    ito__shape_text(sb, tb);
    if (sa.rank < 2 || sb.rank < 2)
        return ito__bad(a->graph, ITO__OP_MATMUL, "operands %s and %s: both need two dimensions at least", ta,
                        tb);
    int64_t m = sa.dim[sa.rank - 2 + transpose_a], ka = sa.dim[sa.rank - 1 - transpose_a];
    int64_t kb = sb.dim[sb.rank - 2 + transpose_b], n = sb.dim[sb.rank - 1 - transpose_b];
    if (ka != kb)
        return ito__bad(a->graph, ITO__OP_MATMUL, "%s%s times %s%s: inner dimensions %lld and %lld differ",
                        ta, transpose_a ? "^T" : "", tb, transpose_b ? "^T" : "", (long long)ka,
                        (long long)kb);
    if (sa.rank > 2 && sb.rank > 2) {
        ito_shape la = sa, lb = sb;
        la.rank -= 2, lb.rank -= 2;
        if (!ito_shape_equal(la, lb))
            return ito__bad(a->graph, ITO__OP_MATMUL, "%s times %s: leading dimensions differ", ta, tb);
    }
    ito_shape shape = sa.rank >= sb.rank ? sa : sb;
    shape.dim[shape.rank - 2] = m;
    shape.dim[shape.rank - 1] = n;
    return ito__node(a->graph, ITO__OP_MATMUL, 2, (ito_node *[]){a, b}, shape,
                     (ito__attr){.transpose = {transpose_a, transpose_b}});
}

/* With A' = op(A), B' = op(B) and Y = A' B':  dA' = g B'^T, dB' = A'^T g; a shared operand sums over the
 * batch. */
void ito__adjoint_matmul(ito_node *y, ito_node *g, ito_node **gin) {
    ito_node *a = y->in[0], *b = y->in[1];
    bool ta = y->attr.transpose.a, tb = y->attr.transpose.b;
    ito_node *da = ta ? ito_matmul(b, g, tb, true) : ito_matmul(g, b, false, !tb);
    ito_node *db = tb ? ito_matmul(g, a, true, ta) : ito_matmul(a, g, !ta, false);
    gin[0] = ito_sum_to(da, a->shape);
    gin[1] = ito_sum_to(db, b->shape);
}

/* ---- convolution ---- */

ito_conv ito_conv_same(int kernel) {
    return (ito_conv){.stride = 1, .pad = (kernel - 1) / 2, .dilation = 1};
}

static int64_t extent(int64_t size, int64_t kernel, ito_conv c) {
    int64_t reach = size + 2 * c.pad - c.dilation * (kernel - 1) - 1;
    return reach < 0 ? 0 : reach / c.stride + 1;
}

ito_node *ito_conv2d(ito_node *x, ito_node *w, ito_node *bias, ito_conv c) {
    ito_shape sx = x->shape, sw = w->shape;
    char tx[ITO__SHAPE_TEXT], tw[ITO__SHAPE_TEXT];
    ito__shape_text(sx, tx);
    ito__shape_text(sw, tw);
    if (sx.rank != 4 || sw.rank != 4 || sx.dim[1] != sw.dim[1])
        return ito__bad(x->graph, ITO__OP_CONV2D, "image %s, weights %s: they are [N,C,H,W] and [O,C,kh,kw]",
                        tx, tw);
    if (c.stride < 1 || c.dilation < 1 || c.pad < 0)
        return ito__bad(x->graph, ITO__OP_CONV2D,
                        "stride %d, pad %d, dilation %d: strides and dilations start at 1", c.stride, c.pad,
                        c.dilation);
    if (bias && (bias->shape.rank != 1 || bias->shape.dim[0] != sw.dim[0]))
        return ito__bad(x->graph, ITO__OP_CONV2D, "bias %s for weights %s: it is [%lld]",
                        ito__shape_text(bias->shape, tx), tw, (long long)sw.dim[0]);
    ito_shape shape =
        ITO_SHAPE(sx.dim[0], sw.dim[0], extent(sx.dim[2], sw.dim[2], c), extent(sx.dim[3], sw.dim[3], c));
    if (shape.dim[2] < 1 || shape.dim[3] < 1)
        return ito__bad(x->graph, ITO__OP_CONV2D, "image %s is smaller than the kernel of %s: pad it", tx,
                        tw);
    return ito__node(x->graph, ITO__OP_CONV2D, bias ? 3 : 2, (ito_node *[]){x, w, bias}, shape,
                     (ito__attr){.conv = c});
}

static ito_node *conv_grad_x(ito_node *w, ito_node *g, ito_shape shape, ito_conv c) {
    return ito__node(w->graph, ITO__OP_CONV2D_GRAD_X, 2, (ito_node *[]){w, g}, shape, (ito__attr){.conv = c});
}
static ito_node *conv_grad_w(ito_node *x, ito_node *g, ito_shape shape, ito_conv c) {
    return ito__node(x->graph, ITO__OP_CONV2D_GRAD_W, 2, (ito_node *[]){x, g}, shape, (ito__attr){.conv = c});
}

void ito__adjoint_conv2d(ito_node *y, ito_node *g, ito_node **gin) {
    ito_node *x = y->in[0], *w = y->in[1];
    gin[0] = conv_grad_x(w, g, x->shape, y->attr.conv);
    gin[1] = conv_grad_w(x, g, w->shape, y->attr.conv);
    if (y->n_in == 3)
        gin[2] = ito_reshape(ito_sum_to(g, ITO_SHAPE(1, y->shape.dim[1], 1, 1)), ITO_SHAPE(y->shape.dim[1]));
}

/* y = grad_x(w, u); with incoming v shaped as x:  dw = grad_w(v, u), du = conv(v, w). */
void ito__adjoint_conv2d_grad_x(ito_node *y, ito_node *v, ito_node **gin) {
    ito_node *w = y->in[0], *u = y->in[1];
    gin[0] = conv_grad_w(v, u, w->shape, y->attr.conv);
    gin[1] = ito_conv2d(v, w, NULL, y->attr.conv);
}

/* y = grad_w(x, u); with incoming v shaped as w:  dx = grad_x(v, u), du = conv(x, v). */
void ito__adjoint_conv2d_grad_w(ito_node *y, ito_node *v, ito_node **gin) {
    ito_node *x = y->in[0], *u = y->in[1];
    gin[0] = conv_grad_x(v, u, x->shape, y->attr.conv);
    gin[1] = ito_conv2d(x, v, NULL, y->attr.conv);
}
