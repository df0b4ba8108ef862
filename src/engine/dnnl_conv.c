/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing what computes a convolution or one of its gradients, and lowering it to steps where that is oneDNN
 * (winograd.c has our own kernel).
 *
 * Our own layouts are asked for first; where oneDNN would then only have its reference code, it is asked
 * again with the layouts left open, and conversions are added. Weights are always in the layout that the
 * implementation likes best: packed by a step of the plan, once if the plan is frozen. A bfloat16 plan
 * multiplies bfloat16 numbers, and floats where oneDNN has no such kernel.
 */
#include "engine/conv_tuned.h"

#include <string.h>

/* ---- convolution ---- */

ito__conv_shapes ito__conv_of(const ito_node *n) {
    ito__conv_shapes s = {.conv = n->attr.conv};
    if (n->op == ITO__OP_CONV2D)
        s.x = n->in[0], s.w = n->in[1], s.y = n, s.bias = n->n_in == 3 ? n->in[2] : NULL;
    if (n->op == ITO__OP_CONV2D_GRAD_X) s.x = n, s.w = n->in[0], s.y = n->in[1];
    if (n->op == ITO__OP_CONV2D_GRAD_W) s.x = n->in[0], s.w = n, s.y = n->in[1];
    s.image = s.x->shape, s.kernel = s.w->shape, s.result = s.y->shape;
    return s;
}

double ito__conv_flops(const ito__conv_shapes *s) {
    return 2.0 * (double)ito_shape_count(s->result) * (double)(ito_shape_count(s->kernel) / s->kernel.dim[0]);
}

/* The image descriptors of a convolution; weights are left open. */
typedef struct conv_sides {
    dnnl_memory_desc_t src, dst, weights;
} conv_sides;

/* Operands have the type that is multiplied; a result has the one it is stored in, if that is no wider. */
static conv_sides sides_of(const ito_plan *p, ito__op op, const ito__conv_shapes *s, ito__conv_way way) {
    int64_t from = ito__image_block(p, s->image), to = ito__image_block(p, s->result);
    bool narrow = way.type != dnnl_f32;
    dnnl_data_type_t src = narrow && op == ITO__OP_CONV2D_GRAD_X ? ito__stored_type(p, from) : way.type;
    dnnl_data_type_t dst = narrow && op == ITO__OP_CONV2D ? ito__stored_type(p, to) : way.type;
    dnnl_data_type_t weights = op == ITO__OP_CONV2D_GRAD_W ? dnnl_f32 : way.type;
    conv_sides d = {ito__image_md(s->image, from, src), ito__image_md(s->result, to, dst),
                    ito__open_md(ito__image_md(s->kernel, 1, weights))};
    if (way.open) d.src = ito__open_md(d.src), d.dst = ito__open_md(d.dst);
    return d;
}

/* An op of the family on given descriptors. */
static ito_status describe_conv(ito__op op, const ito__conv_shapes *s, dnnl_alg_kind_t algorithm,
                                dnnl_prop_kind_t forward, const conv_sides *sides,
                                dnnl_convolution_desc_t *d) {
    const dnnl_memory_desc_t *src = &sides->src, *dst = &sides->dst, *weights = &sides->weights;
    dnnl_dims_t stride = {s->conv.stride, s->conv.stride};
    dnnl_dims_t dilate = {s->conv.dilation - 1, s->conv.dilation - 1};
    dnnl_dims_t left = {s->conv.pad, s->conv.pad}, right;
    for (int i = 0; i < 2;
         i++) /* what the last window reaches beyond the image; may be less than the left pad */
        right[i] = (s->result.dim[2 + i] - 1) * s->conv.stride +
                   (s->kernel.dim[2 + i] - 1) * s->conv.dilation + 1 - s->image.dim[2 + i] - s->conv.pad;
    dnnl_memory_desc_t bias;
    bool biased = s->bias && op == ITO__OP_CONV2D;
    if (biased) bias = ito__flat_md(s->kernel.dim[0]);
    dnnl_status_t st;
    if (op == ITO__OP_CONV2D)
        st = dnnl_dilated_convolution_forward_desc_init(
            d, forward, algorithm, src, weights, biased ? &bias : NULL, dst, stride, dilate, left, right);
    else if (op == ITO__OP_CONV2D_GRAD_X)
        st = dnnl_dilated_convolution_backward_data_desc_init(d, algorithm, src, weights, dst, stride, dilate,
                                                              left, right);
    else
        st = dnnl_dilated_convolution_backward_weights_desc_init(d, algorithm, src, weights, NULL, dst,
                                                                 stride, dilate, left, right);
    return st == dnnl_success ? ITO_OK : ITO_E_UNSUPPORTED;
}

void ito__conv_implementations(const ito_plan *p, const ito_node *n, ito__conv_way way,
                               bool (*visit)(void *self, dnnl_primitive_desc_t pd), void *self) {
    ito__conv_shapes s = ito__conv_of(n);
    conv_sides sides = sides_of(p, n->op, &s, way);
    dnnl_prop_kind_t forward = p->options.frozen ? dnnl_forward_inference : dnnl_forward_training;
    dnnl_convolution_desc_t d, fd;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_primitive_attr_t attr = ito__dnnl_attributes();
    dnnl_primitive_desc_iterator_t it = NULL;
    bool found = false;
    if (!attr || describe_conv(n->op, &s, way.algorithm, forward, &sides, &d) != ITO_OK) goto done;
    if (n->op != ITO__OP_CONV2D) { /* oneDNN wants the forward pass beside a gradient */
        sides = sides_of(p, ITO__OP_CONV2D, &s, way);
        if (describe_conv(ITO__OP_CONV2D, &s, dnnl_convolution_direct, dnnl_forward_training, &sides, &fd) !=
                ITO_OK ||
            dnnl_primitive_desc_create(&hint, &fd, attr, p->engine, NULL) != dnnl_success)
            goto done;
    }
    if (dnnl_primitive_desc_iterator_create(&it, &d, attr, p->engine, hint) != dnnl_success) goto done;
    do {
        dnnl_primitive_desc_t pd = dnnl_primitive_desc_iterator_fetch(it);
        if (pd) found = visit(self, pd);
    } while (!found && dnnl_primitive_desc_iterator_next(it) == dnnl_success);
done:
    if (it) dnnl_primitive_desc_iterator_destroy(it);
    if (hint) dnnl_primitive_desc_destroy(hint);
    if (attr) dnnl_primitive_attr_destroy(attr);
}

/* Takes the first implementation that is not oneDNN's reference code, or any as a last resort. */
typedef struct taker {
    bool last_resort;
    dnnl_primitive_desc_t found;
} taker;

static bool take(void *self, dnnl_primitive_desc_t pd) {
    taker *t = self;
    if (t->last_resort || !ito__is_reference(pd))
        t->found = pd;
    else
        dnnl_primitive_desc_destroy(pd);
    return t->found != NULL;
}

static dnnl_primitive_desc_t first_implementation(const ito_plan *p, const ito_node *n, ito__conv_way way,
                                                  bool last_resort) {
    taker t = {last_resort, NULL};
    ito__conv_implementations(p, n, way, take, &t);
    return t.found;
}

/* By direct summation: oneDNN's own Winograd wants packed weights four times as large. */
static dnnl_primitive_desc_t choose_conv(const ito_plan *p, const ito_node *n) {
    ito__conv_way ours = {dnnl_convolution_direct, dnnl_f32, false}, open = ours;
    open.open = true;
    dnnl_primitive_desc_t pd = NULL;
    if (p->options.precision == ITO_BF16) {
        ours.type = open.type = dnnl_bf16;
        pd = first_implementation(p, n, ours, false);
        if (!pd) pd = first_implementation(p, n, open, false);
        ours.type = open.type = dnnl_f32;
    }
    if (!pd) pd = first_implementation(p, n, ours, false);
    if (!pd) pd = first_implementation(p, n, open, false);
    if (!pd) pd = first_implementation(p, n, ours, true);
    return pd;
}

void ito__conv_sides(const ito_node *n, ito__conv_side sides[ITO__CONV_SIDES]) {
    ito__conv_shapes s = ito__conv_of(n);
    bool gx = n->op == ITO__OP_CONV2D_GRAD_X, gw = n->op == ITO__OP_CONV2D_GRAD_W;
    sides[0] = (ito__conv_side){s.x, gx ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC,
                                gx ? dnnl_query_diff_src_md : dnnl_query_src_md, false};
    sides[1] = (ito__conv_side){s.w, gw ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
                                gw ? dnnl_query_diff_weights_md : dnnl_query_weights_md, true};
    sides[2] = (ito__conv_side){s.y, gx || gw ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST,
                                gx || gw ? dnnl_query_diff_dst_md : dnnl_query_dst_md, false};
}

dnnl_memory_desc_t ito__stored_md(const ito_plan *p, const ito__conv_side *side) {
    int64_t block = side->weights ? 1 : ito__image_block(p, side->node->shape);
    return ito__image_md(side->node->shape, block, ito__stored_type(p, block));
}

void ito__lower_conv(ito__lowering *l, const ito_node *n) {
    ito_plan *p = l->plan;
    ito__conv_shapes s = ito__conv_of(n);
    ito__conv_code code = {.own = ito__winograd_pays(p, n)};
    if (!code.own) code.pd = choose_conv(p, n);
    if (code.own || code.pd) code = ito__tuned_conv(l, n, code);
    const dnnl_primitive_desc_t pd = code.pd;
    if (code.own) {
        ito__lower_winograd(l, n);
        return;
    }
    if (!pd) {
        ito__fail(l, ITO_E_UNSUPPORTED, "%s: oneDNN has no implementation for %s: report the shape", n->scope,
                  ito__op_name(n->op));
        return;
    }
    if (n->op == ITO__OP_CONV2D_GRAD_W) ito__recompute(l, s.x);
    ito__conv_side sides[ITO__CONV_SIDES];
    ito__conv_sides(n, sides);
    ito__request r = {.node = n,
                      .verb = ito__op_name(n->op),
                      .pd = pd,
                      .n_args = ITO__CONV_SIDES,
                      .flops = ito__conv_flops(&s)};
    int result = -1;
    dnnl_memory_desc_t result_md = {0};
    for (int i = 0; i < ITO__CONV_SIDES; i++) {
        const ito_node *x = sides[i].node;
        int64_t block = sides[i].weights ? 1 : ito__image_block(p, x->shape);
        dnnl_memory_desc_t ours = ito__stored_md(p, &sides[i]),
                           want = *dnnl_primitive_desc_query_md(pd, sides[i].query, 0);
        int v;
        if (x == n) {
            r.out = i;
            v = result = ito__result(l, n, block);
            result_md = ours;
            if (!dnnl_memory_desc_equal(&ours, &want))
                v = ito__scratch(l, dnnl_memory_desc_get_size(&want), l->constant[n->id]);
        } else {
            v = ito__reordered(l, x, ito__operand(l, x, block), ours, want);
        }
        r.args[i] = (ito__dnnl_arg){sides[i].arg, v, want};
    }
    if (s.bias)
        r.args[r.n_args++] =
            (ito__dnnl_arg){DNNL_ARG_BIAS, ito__operand(l, s.bias, 1), ito__flat_md(s.kernel.dim[0])};
    int computed = r.args[r.out].value;
    dnnl_memory_desc_t computed_md = r.args[r.out].md;
    ito__add_primitive(l, &r);
    if (computed != result) ito__add_reorder(l, n, computed, computed_md, result, result_md);
}
