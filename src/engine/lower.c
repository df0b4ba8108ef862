/* SPDX-License-Identifier: Apache-2.0
 *
 * From a node to steps: which layout its operands and result have, and which kernel runs.
 *
 * Images stay blocked from convolution to convolution: an op that can work on blocked images does so as soon
 * as one of its operands is. What cannot (permute, matrix products, odd broadcasts) asks for row-major
 * operands.
 */
#include "engine/plan.h"

/* A [N,C,1,1], [1,C,1,1] or single-element operand reads the same in both layouts. */
static bool reads_alike(const ito_node *operand, const ito_node *image) {
    ito_shape s = operand->shape;
    if (ito_shape_count(s) == 1) return true;
    return s.rank == 4 && s.dim[1] == image->shape.dim[1] && s.dim[2] == 1 && s.dim[3] == 1;
}

static bool pointwise_blocked(const ito__lowering *l, const ito_node *y) {
    bool any = false;
    for (int i = 0; i < y->n_in; i++) {
        bool same = ito_shape_equal(y->in[i]->shape, y->shape);
        if (!same && !reads_alike(y->in[i], y)) return false;
        any |= same && ito__has_blocked(l, y->in[i]);
    }
    return any;
}

static bool concat_blocked(const ito__lowering *l, const ito_node *y) {
    bool any = false;
    for (int i = 0; i < y->n_in; i++) {
        if (!ito__is_image(l->plan, y->in[i]->shape)) return false;
        any |= ito__has_blocked(l, y->in[i]);
    }
    return any && y->attr.range.axis == 1;
}

static bool slice_blocked(const ito__lowering *l, const ito_node *y) {
    return y->attr.range.axis == 1 && y->attr.range.begin % l->plan->block == 0 &&
           ito__has_blocked(l, y->in[0]);
}

static bool sum_blocked(const ito__lowering *l, const ito_node *y) {
    const ito_node *x = y->in[0];
    return ito__has_blocked(l, x) && reads_alike(y, x);
}

bool ito__wants_blocked(const ito__lowering *l, const ito_node *y) {
    const ito_node *image = y->n_in ? y->in[0] : y;
    if (ito__is_unary(y->op) || ito__is_binary(y->op))
        return ito__is_image(l->plan, y->shape) && pointwise_blocked(l, y);
    switch (y->op) {
    case ITO__OP_CONCAT: return ito__is_image(l->plan, y->shape) && concat_blocked(l, y);
    case ITO__OP_SLICE: return ito__is_image(l->plan, y->shape) && slice_blocked(l, y);
    case ITO__OP_SUM_TO: return sum_blocked(l, y);
    case ITO__OP_DROPOUT:
    case ITO__OP_UPSAMPLE:
    case ITO__OP_POOL:
    case ITO__OP_MAX_POOL:
    case ITO__OP_MAX_POOL_GRAD:
    case ITO__OP_ATTENTION:
    case ITO__OP_ATTENTION_GRAD:
    case ITO__OP_UPFIRDN: return ito__is_image(l->plan, y->shape) && ito__has_blocked(l, image);
    case ITO__OP_NORM_STATS:
    case ITO__OP_NORM:
    case ITO__OP_NORM_SUMS:
    case ITO__OP_NORM_DX: return ito__has_blocked(l, image);
    default: return false;
    }
}

/* A plain kernel that treats an image as a flat array serves a blocked image of floats as well. */
static bool serves_blocked(const ito_plan *p, ito__op op) {
    return p->image[op] || (p->image == p->fast && ito__is_unary(op));
}

/* Two products of pixels by pixels by channels; five in the gradient. */
static double attention_flops(const ito_node *y) {
    if (y->op != ITO__OP_ATTENTION && y->op != ITO__OP_ATTENTION_GRAD) return 0;
    ito_shape s = y->in[0]->shape;
    double products = y->op == ITO__OP_ATTENTION ? 2 : 5;
    return products * 2 * (double)ito_shape_count(s) * (double)(s.dim[2] * s.dim[3]);
}

/* Does the kernel of a node read an operand by its parts? */
static bool reads_parts(const ito_plan *p, const ito_node *y, int operand) {
    switch (y->op) {
    case ITO__OP_NORM_STATS:
    case ITO__OP_NORM:
    case ITO__OP_NORM_SUMS:
    case ITO__OP_NORM_DX: return operand == 0;
    default:
        if (ito__is_unary(y->op)) return p->image[y->op];
        return ito__is_binary(y->op) && ito_shape_equal(y->in[0]->shape, y->shape) &&
               ito_shape_equal(y->in[1]->shape, y->shape);
    }
}

/* The value of an operand; -1 where its parts are in the list instead. */
static int operand_or_parts(ito__lowering *l, const ito_node *y, int k, int64_t block, ito__parts *parts) {
    const ito_node *x = y->in[k];
    const bool statistics = y->op == ITO__OP_NORM_STATS && k == 0;
    const int n = parts->n;
    if (block > 1 && reads_parts(l->plan, y, k) && (l->apart[x->id] || statistics) &&
        ito__parts_of(l, x, k, parts)) {
        const int taken = statistics ? ito__take_moments(l, parts) : 0;
        if (l->apart[x->id] || taken > 0) return -1;
        parts->n = n;
    }
    return ito__operand(l, x, block);
}

static bool has_moments_alone(const ito__parts *list) {
    for (int i = 0; i < list->n; i++)
        if (list->of[i].moments < 0) return false;
    return list->n > 0;
}

void ito__lower_kernel(ito__lowering *l, const ito_node *y) {
    ito_plan *p = l->plan;
    bool blocked = ito__wants_blocked(l, y) && serves_blocked(p, y->op);
    ito__kernel fast = blocked ? p->image[y->op] : p->fast[y->op];
    int64_t block = blocked ? p->block : 1;
    int in[ITO__STEP_OPERANDS];
    if (y->n_in > ITO__STEP_OPERANDS) {
        ito__fail(l, ITO_E_UNSUPPORTED, "%s: %d operands: concatenate in parts of %d", ito__op_name(y->op),
                  y->n_in, ITO__STEP_OPERANDS);
        return;
    }
    ito__parts parts = {0};
    for (int i = 0; i < y->n_in; i++) in[i] = operand_or_parts(l, y, i, block, &parts);
    int out = ito__result(l, y, ito__is_image(p, y->shape) ? block : 1);
    bool plain = !fast || fast == p->plain[y->op];
    int scratch = plain ? -1 : ito__scratch(l, ito__kernel_scratch(y, p->threads), false);
    if (out < 0 || l->status != ITO_OK) return;
    ito__step *s = ito__add_step(l, y, y->n_in, in, out);
    s->kernel = fast ? fast : p->plain[y->op];
    s->block = block;
    s->scratch = scratch;
    ito__keep_parts(l, s, &parts);
    if (y->op == ITO__OP_NORM_STATS && has_moments_alone(&parts)) s->kind = "norm_stats of moments";
    s->flops = attention_flops(y);
    p->flops += s->constant ? 0 : s->flops;
}

/* A reshape is another view of the same row-major memory. */
static void lower_reshape(ito__lowering *l, const ito_node *y) {
    int from = ito__operand(l, y->in[0], 1);
    if (from < 0) return;
    int slot = l->output[y->id];
    l->output[y->id] = -1; /* an output is copied at the end */
    int v = ito__result(l, y, 1);
    l->output[y->id] = slot;
    if (v < 0) return;
    l->plan->values[v].alias = from;
    l->plan->values[v].place = l->plan->values[from].place;
    l->plan->values[v].slot = l->plan->values[from].slot;
}

void ito__lower(ito__lowering *l, const ito_node *y) {
    bool reference = l->plan->options.reference;
    switch (y->op) {
    case ITO__OP_RESHAPE: lower_reshape(l, y); break;
    case ITO__OP_CONV2D:
    case ITO__OP_CONV2D_GRAD_X:
    case ITO__OP_CONV2D_GRAD_W:
        if (reference)
            ito__lower_kernel(l, y);
        else
            ito__lower_conv(l, y);
        break;
    case ITO__OP_MATMUL:
        if (reference)
            ito__lower_kernel(l, y);
        else
            ito__lower_matmul(l, y);
        break;
    default:
        if (!ito__put_off(l, y)) ito__lower_kernel(l, y);
    }
}
