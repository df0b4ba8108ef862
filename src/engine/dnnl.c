/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that speaks to oneDNN (2.x): convolutions, matrix products, changes of layout.
 *
 * A convolution asks for our own layouts first; where oneDNN would then only have its reference code, it is
 * asked again with the layouts left open, and conversions are added. Weights are always in the layout that
 * the implementation likes best: packed by a step of the plan, once if the plan is frozen.
 */
#include "engine/dnnl.h"

#include "core/memory.h"

#include <stdio.h>
#include <string.h>

void ito__dnnl_call_free(ito__dnnl_call *call) {
    if (!call) return;
    if (call->primitive) dnnl_primitive_destroy(call->primitive);
    ito__free(call);
}

/* ---- memory descriptors ---- */

dnnl_memory_desc_t ito__image_md(ito_shape s, int64_t block, dnnl_data_type_t type) {
    dnnl_memory_desc_t md;
    dnnl_dims_t dims = {s.dim[0], s.dim[1], s.dim[2], s.dim[3]};
    dnnl_format_tag_t tag = block == 16 ? dnnl_nChw16c : block == 8 ? dnnl_nChw8c : dnnl_nchw;
    dnnl_memory_desc_init_by_tag(&md, 4, dims, type, tag);
    return md;
}

dnnl_memory_desc_t ito__open_md(dnnl_memory_desc_t md) {
    dnnl_memory_desc_t any;
    dnnl_memory_desc_init_by_tag(&any, md.ndims, md.dims, md.data_type, dnnl_format_tag_any);
    return any;
}

dnnl_memory_desc_t ito__flat_md(int64_t n) {
    dnnl_memory_desc_t md;
    dnnl_memory_desc_init_by_tag(&md, 1, (dnnl_dims_t){n}, dnnl_f32, dnnl_a);
    return md;
}

int64_t ito__image_block(const ito_plan *p, ito_shape s) {
    return ito__is_image(p, s) ? p->block : 1;
}

dnnl_data_type_t ito__stored_type(const ito_plan *p, int64_t block) {
    return ito__is_bf16(p, block) ? dnnl_bf16 : dnnl_f32;
}

/* ---- primitives as steps ---- */

const char *ito__implementation(const_dnnl_primitive_desc_t pd) {
    const char *name = NULL;
    if (!pd) return "ito_winograd";
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name
               ? name
               : "unknown";
}

bool ito__is_reference(const_dnnl_primitive_desc_t pd) {
    return strncmp(ito__implementation(pd), "ref", 3) == 0;
}

/* "conv2d jit:avx512_core", in the graph's memory. */
static const char *kind_of(ito__lowering *l, const ito__request *r) {
    char text[128];
    snprintf(text, sizeof text, "%s %s", r->verb, ito__implementation(r->pd));
    return ito__graph_text(l->plan->graph, text);
}

/* Adds the step that runs r->pd (which it destroys). */
void ito__add_primitive(ito__lowering *l, ito__request *r) {
    ito__dnnl_call *call = l->status == ITO_OK ? ito__calloc(1, sizeof *call) : NULL;
    if (!call)
        ito__fail(l, ITO_E_NOMEM, "plan: out of memory for a primitive: free some");
    else if (!l->plan->options.sizes_only && dnnl_primitive_create(&call->primitive, r->pd) != dnnl_success)
        ito__fail(l, ITO_E_NOMEM, "plan: oneDNN could not make %s: free memory", ito__implementation(r->pd));
    const dnnl_memory_desc_t *scratch_md = dnnl_primitive_desc_query_md(r->pd, dnnl_query_scratchpad_md, 0);
    if (l->status == ITO_OK) {
        int in[ITO__DNNL_ARGS], n = 0, out = r->args[r->out].value;
        memcpy(call->args, r->args, (size_t)r->n_args * sizeof *r->args);
        call->n_args = r->n_args;
        for (int i = 0; i < r->n_args; i++)
            if (i != r->out) in[n++] = r->args[i].value;
        size_t bytes = scratch_md ? dnnl_memory_desc_get_size(scratch_md) : 0;
        int scratch = ito__scratch(l, bytes, false);
        if (scratch >= 0)
            call->args[call->n_args++] = (ito__dnnl_arg){DNNL_ARG_SCRATCHPAD, scratch, *scratch_md};
        ito__step *s = ito__add_step(l, r->node, n, in, out);
        s->dnnl = call;
        s->scratch = scratch;
        s->flops = r->flops;
        s->kind = kind_of(l, r);
        l->plan->flops += s->constant ? 0 : r->flops;
        if (l->status != ITO_OK) ito__dnnl_call_free(call);
    } else {
        ito__dnnl_call_free(call);
    }
    dnnl_primitive_desc_destroy(r->pd);
}

/* attr + the sum, or NULL. */
static dnnl_primitive_attr_t with_sum(dnnl_primitive_attr_t attr) {
    dnnl_post_ops_t ops = NULL;
    const bool added = dnnl_post_ops_create(&ops) == dnnl_success &&
                       dnnl_post_ops_append_sum(ops, 1) == dnnl_success &&
                       dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    if (ops) dnnl_post_ops_destroy(ops);
    if (added) return attr;
    dnnl_primitive_attr_destroy(attr);
    return NULL;
}

dnnl_primitive_attr_t ito__dnnl_attributes(bool sum) {
    dnnl_primitive_attr_t attr = NULL;
    if (dnnl_primitive_attr_create(&attr) != dnnl_success) return NULL;
    dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    return sum ? with_sum(attr) : attr;
}

dnnl_primitive_desc_t ito__reorder_pd(const ito_plan *p, const dnnl_memory_desc_t *from,
                                      const dnnl_memory_desc_t *to) {
    dnnl_primitive_attr_t attr = ito__dnnl_attributes(false);
    dnnl_primitive_desc_t pd = NULL;
    if (attr && dnnl_reorder_primitive_desc_create(&pd, from, p->engine, to, p->engine, attr) != dnnl_success)
        pd = NULL;
    if (attr) dnnl_primitive_attr_destroy(attr);
    return pd;
}

/* Adds a reorder of value `from`, laid out as from_md, into value `to`. */
void ito__add_reorder(ito__lowering *l, const ito_node *node, int from, dnnl_memory_desc_t from_md, int to,
                      dnnl_memory_desc_t to_md) {
    if (l->status != ITO_OK) return;
    dnnl_primitive_desc_t pd = ito__reorder_pd(l->plan, &from_md, &to_md);
    if (!pd) {
        ito__fail(l, ITO_E_UNSUPPORTED, "plan: oneDNN has no reorder for %s: report this processor",
                  ito__op_name(node->op));
        return;
    }
    ito__request r = {.node = node,
                      .verb = "reorder",
                      .pd = pd,
                      .n_args = 2,
                      .out = 1,
                      .args = {{DNNL_ARG_FROM, from, from_md}, {DNNL_ARG_TO, to, to_md}}};
    ito__add_primitive(l, &r);
}

void ito__lower_convert(ito__lowering *l, const ito_node *x, int from, int to) {
    ito_plan *p = l->plan;
    if (p->values[from].block == p->values[to].block) {
        ito__step *s = ito__add_step(l, x, 1, &from, to);
        s->kernel = p->plain[ITO__OP_RESHAPE]; /* a plain copy */
        s->kind = "copy";
        return;
    }
    int64_t have = p->values[from].block, want = p->values[to].block;
    ito__add_reorder(l, x, from, ito__image_md(x->shape, have, ito__stored_type(p, have)), to,
                     ito__image_md(x->shape, want, ito__stored_type(p, want)));
}

/* A value laid out as `want`, made from value `have` laid out as `have_md`; `have` itself when they agree. */
int ito__reordered(ito__lowering *l, const ito_node *x, int have, dnnl_memory_desc_t have_md,
                   dnnl_memory_desc_t want) {
    if (have < 0 || dnnl_memory_desc_equal(&have_md, &want)) return have;
    int v = ito__scratch(l, dnnl_memory_desc_get_size(&want), l->constant[x->id]);
    if (v < 0) return -1;
    l->plan->values[v].node = x;
    ito__add_reorder(l, x, have, have_md, v, want);
    return v;
}

/* ---- matrix products ---- */

/* rows x columns matrices, `batch` of them (1: shared), stored transposed or not. */
static dnnl_memory_desc_t matrix_md(int64_t batch, int64_t rows, int64_t columns, bool transposed,
                                    dnnl_data_type_t type) {
    dnnl_memory_desc_t md;
    dnnl_dims_t dims = {batch, rows, columns};
    dnnl_dims_t strides = {rows * columns, transposed ? 1 : columns, transposed ? rows : 1};
    dnnl_memory_desc_init_by_strides(&md, 3, dims, type, strides);
    return md;
}

void ito__lower_matmul(ito__lowering *l, const ito_node *y) {
    ito_plan *p = l->plan;
    const ito_node *a = y->in[0], *b = y->in[1];
    bool ta = y->attr.transpose.a, tb = y->attr.transpose.b;
    int64_t m = y->shape.dim[y->shape.rank - 2], n = y->shape.dim[y->shape.rank - 1];
    int64_t k = a->shape.dim[a->shape.rank - 1 - ta], batch = ito_shape_count(y->shape) / (m * n);
    int64_t batch_a = a->shape.rank > 2 ? batch : 1, batch_b = b->shape.rank > 2 ? batch : 1;
    dnnl_data_type_t type = p->options.precision == ITO_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t md[3] = {matrix_md(batch_a, m, k, ta, type), matrix_md(batch_b, k, n, tb, type),
                                matrix_md(batch, m, n, false, dnnl_f32)};
    dnnl_matmul_desc_t d;
    dnnl_primitive_attr_t attr = ito__dnnl_attributes(false);
    dnnl_primitive_desc_t pd = NULL;
    if (!attr || dnnl_matmul_desc_init(&d, &md[0], &md[1], NULL, &md[2]) != dnnl_success ||
        dnnl_primitive_desc_create(&pd, &d, attr, p->engine, NULL) != dnnl_success)
        ito__fail(l, ITO_E_UNSUPPORTED,
                  "%s: oneDNN has no matrix product of %lld x %lld x %lld: report the shape", y->scope,
                  (long long)m, (long long)k, (long long)n);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (!pd) return;
    ito__request r = {.node = y,
                      .verb = ito__op_name(y->op),
                      .pd = pd,
                      .n_args = 3,
                      .out = 2,
                      .flops = 2.0 * (double)(batch * m * n) * (double)k};
    int left = ito__reordered(l, a, ito__operand(l, a, 1), matrix_md(batch_a, m, k, ta, dnnl_f32), md[0]);
    int right = ito__reordered(l, b, ito__operand(l, b, 1), matrix_md(batch_b, k, n, tb, dnnl_f32), md[1]);
    r.args[0] = (ito__dnnl_arg){DNNL_ARG_SRC, left, md[0]};
    r.args[1] = (ito__dnnl_arg){DNNL_ARG_WEIGHTS, right, md[1]};
    r.args[2] = (ito__dnnl_arg){DNNL_ARG_DST, ito__result(l, y, 1), md[2]};
    ito__add_primitive(l, &r);
}
