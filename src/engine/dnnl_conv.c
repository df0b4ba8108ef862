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
    dnnl_primitive_attr_t attr = ito__dnnl_attributes(way.sum);
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
    ito__conv_way ours = {dnnl_convolution_direct, dnnl_f32, false, false}, open = ours;
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

/* ---- lowering ---- */

/* A tensor of a convolution: its value, and how it lies there. */
typedef struct tensor {
    int value;
    dnnl_memory_desc_t md;
} tensor;

/* Adds the steps that run pd, which it destroys, with the changes of layout that it wants around it. */
static void add_conv(ito__lowering *l, const ito_node *n, dnnl_primitive_desc_t pd,
                     const tensor tensors[ITO__CONV_SIDES], const ito_node *bias, double flops) {
    ito__conv_side sides[ITO__CONV_SIDES];
    ito__conv_sides(n, sides);
    ito__request r = {
        .node = n, .verb = ito__op_name(n->op), .pd = pd, .n_args = ITO__CONV_SIDES, .flops = flops};
    for (int i = 0; i < ITO__CONV_SIDES; i++) {
        const dnnl_memory_desc_t want = *dnnl_primitive_desc_query_md(pd, sides[i].query, 0);
        int v = tensors[i].value;
        if (sides[i].node != n)
            v = ito__reordered(l, sides[i].node, v, tensors[i].md, want);
        else if (!dnnl_memory_desc_equal(&tensors[i].md, &want))
            v = ito__scratch(l, dnnl_memory_desc_get_size(&want), l->constant[n->id]);
        if (sides[i].node == n) r.out = i;
        r.args[i] = (ito__dnnl_arg){sides[i].arg, v, want};
    }
    if (bias)
        r.args[r.n_args++] =
            (ito__dnnl_arg){DNNL_ARG_BIAS, ito__operand(l, bias, 1), ito__flat_md(bias->shape.dim[0])};
    const tensor result = tensors[r.out], made = {r.args[r.out].value, r.args[r.out].md};
    ito__add_primitive(l, &r);
    if (made.value != result.value) ito__add_reorder(l, n, made.value, made.md, result.value, result.md);
}

/* A tensor of n as the plan keeps it; the result is a new value. */
static tensor stored_tensor(ito__lowering *l, const ito_node *n, const ito__conv_side *side) {
    const int64_t block = side->weights ? 1 : ito__image_block(l->plan, side->node->shape);
    const int value = side->node == n ? ito__result(l, n, block) : ito__operand(l, side->node, block);
    return (tensor){value, ito__stored_md(l->plan, side)};
}

/* ---- by parts ---- */

/* What a convolution does with some of the channels of its image, as a node of no graph: enough to choose an
 * implementation by. */
typedef struct part_conv {
    ito_node node, x, w, *in[3];
} part_conv;

static void take_part(const ito_node *n, int64_t channels, bool biased, part_conv *c) {
    const ito__conv_shapes s = ito__conv_of(n);
    *c = (part_conv){.node = *n, .x = *s.x, .w = *s.w};
    c->x.shape.dim[1] = c->w.shape.dim[1] = channels;
    for (int i = 0; i < n->n_in; i++) c->in[i] = n->in[i];
    c->in[0] = &c->x;
    if (n->op == ITO__OP_CONV2D)
        c->in[1] = &c->w;
    else
        c->node.shape = c->w.shape;
    c->node.in = c->in;
    if (!biased) c->node.n_in = 2;
}

/* oneDNN's code for every part in our own layouts; false, and none, where it has not. */
static bool choose_parts(const ito_plan *p, const ito_node *n, const ito__parts *list,
                         dnnl_primitive_desc_t *pd) {
    ito__conv_way way = {.algorithm = dnnl_convolution_direct, .type = ito__stored_type(p, p->block)};
    for (int i = 0; i < list->n; i++) {
        const ito__part *part = &list->of[i].as;
        part_conv c;
        take_part(n, part->count, i == 0, &c);
        way.sum = i > 0 && n->op == ITO__OP_CONV2D;
        pd[i] = part->count == part->channels ? first_implementation(p, &c.node, way, false) : NULL;
        if (pd[i]) continue;
        while (i-- > 0) dnnl_primitive_desc_destroy(pd[i]);
        return false;
    }
    return true;
}

/* Weights [O, C, kh, kw] of channels first .. first + count. */
static dnnl_memory_desc_t weights_of(const dnnl_memory_desc_t *whole, int64_t first, int64_t count) {
    const dnnl_dims_t dims = {whole->dims[0], count, whole->dims[2], whole->dims[3]},
                      offsets = {0, first, 0, 0};
    dnnl_memory_desc_t md;
    dnnl_memory_desc_init_submemory(&md, whole, dims, offsets);
    return md;
}

/* A convolution of an image in parts: it sums over channels, so later parts are added to the first; the
 * gradients of their weights lie side by side. False where oneDNN cannot. */
static bool lower_by_parts(ito__lowering *l, const ito_node *n) {
    const ito__conv_shapes s = ito__conv_of(n);
    const ito_plan *p = l->plan;
    ito__parts list = {0};
    dnnl_primitive_desc_t pd[ITO__STEP_PARTS];
    if (n->op == ITO__OP_CONV2D_GRAD_X || !l->apart[s.x->id] || !ito__parts_of(l, s.x, 0, &list) ||
        !choose_parts(p, n, &list, pd))
        return false;
    ito__conv_side sides[ITO__CONV_SIDES];
    ito__conv_sides(n, sides);
    const tensor weights = stored_tensor(l, n, &sides[1]), other = stored_tensor(l, n, &sides[2]);
    int64_t first = 0;
    for (int i = 0; i < list.n; i++) {
        const int64_t count = list.of[i].as.count;
        ito_shape image = s.image;
        image.dim[1] = count;
        const tensor tensors[ITO__CONV_SIDES] = {
            {list.of[i].value, ito__image_md(image, p->block, ito__stored_type(p, p->block))},
            {weights.value, weights_of(&weights.md, first, count)},
            other};
        add_conv(l, n, pd[i], tensors, i == 0 ? s.bias : NULL,
                 ito__conv_flops(&s) * (double)count / (double)s.image.dim[1]);
        first += count;
    }
    return true;
}

void ito__lower_conv(ito__lowering *l, const ito_node *n) {
    ito_plan *p = l->plan;
    const ito__conv_shapes s = ito__conv_of(n);
    ito__conv_code code = {.own = ito__winograd_pays(p, n)};
    if (!code.own && lower_by_parts(l, n)) return;
    if (!code.own) code.pd = choose_conv(p, n);
    if (code.own || code.pd) code = ito__tuned_conv(l, n, code);
    if (code.own) {
        ito__lower_winograd(l, n);
    } else if (code.pd) {
        ito__conv_side sides[ITO__CONV_SIDES];
        tensor tensors[ITO__CONV_SIDES];
        if (n->op == ITO__OP_CONV2D_GRAD_W) ito__recompute(l, s.x);
        ito__conv_sides(n, sides);
        for (int i = 0; i < ITO__CONV_SIDES; i++) tensors[i] = stored_tensor(l, n, &sides[i]);
        add_conv(l, n, code.pd, tensors, s.bias, ito__conv_flops(&s));
    } else {
        ito__fail(l, ITO_E_UNSUPPORTED, "%s: oneDNN has no implementation for %s: report the shape", n->scope,
                  ito__op_name(n->op));
    }
}
