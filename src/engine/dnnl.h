/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files that speak to oneDNN: dnnl.c (descriptors, steps, reorders, matrix products),
 * dnnl_conv.c (choosing and lowering convolutions), winograd.c (those that our own kernel takes),
 * conv_timing.c (timing the implementations of one), conv_tuned.c (choosing by time).
 */
#ifndef ITO_ENGINE_DNNL_H
#define ITO_ENGINE_DNNL_H

#include "engine/plan.h"

dnnl_memory_desc_t ito__image_md(ito_shape s, int64_t block, dnnl_data_type_t type);
dnnl_memory_desc_t ito__open_md(dnnl_memory_desc_t md); /* the same with its layout left open */
dnnl_memory_desc_t ito__flat_md(int64_t n);
int64_t ito__image_block(const ito_plan *p, ito_shape s);
/* As values of the plan are stored. */
dnnl_data_type_t ito__stored_type(const ito_plan *p, int64_t block);
const char *ito__implementation(const_dnnl_primitive_desc_t pd); /* NULL: our own */
bool ito__is_reference(const_dnnl_primitive_desc_t pd);          /* oneDNN's slow specification */
/* Scratchpad from the caller; sum: added to what the result holds. NULL when memory ran out. */
dnnl_primitive_attr_t ito__dnnl_attributes(bool sum);

/* A primitive about to become a step. */
typedef struct ito__request {
    const ito_node *node;
    const char *verb; /* of the profile: the op, or "reorder" */
    dnnl_primitive_desc_t pd;
    int n_args;
    ito__dnnl_arg args[ITO__DNNL_ARGS - 1];
    int out; /* index into args of the result */
    double flops;
} ito__request;

/* Adds the step that runs r->pd, which it destroys. */
void ito__add_primitive(ito__lowering *l, ito__request *r);
/* The reorder between two layouts; NULL when oneDNN has none or memory ran out. */
dnnl_primitive_desc_t ito__reorder_pd(const ito_plan *p, const dnnl_memory_desc_t *from,
                                      const dnnl_memory_desc_t *to);
/* Adds a reorder of value `from`, laid out as from_md, into value `to`. */
void ito__add_reorder(ito__lowering *l, const ito_node *node, int from, dnnl_memory_desc_t from_md, int to,
                      dnnl_memory_desc_t to_md);
/* A value laid out as `want`, made from value `have` laid out as `have_md`; `have` itself when they agree. */
int ito__reordered(ito__lowering *l, const ito_node *x, int have, dnnl_memory_desc_t have_md,
                   dnnl_memory_desc_t want);

/* A convolution op seen as its forward pass. */
typedef struct ito__conv_shapes {
    const ito_node *x, *w, *bias, *y; /* y: the node shaped as the result of the forward convolution */
    ito_shape image, kernel, result;
    ito_conv conv;
} ito__conv_shapes;
ito__conv_shapes ito__conv_of(const ito_node *n);
double ito__conv_flops(const ito__conv_shapes *s);

/* One tensor of a convolution op: under which argument oneDNN takes it, and which query tells the layout that
 * an implementation wants for it. */
typedef struct ito__conv_side {
    const ito_node *node;
    int arg;
    dnnl_query_t query;
    bool weights;
} ito__conv_side;
enum { ITO__CONV_SIDES = 3 };
/* Image, weights and result of the forward pass; one of them is n. */
void ito__conv_sides(const ito_node *n, ito__conv_side sides[ITO__CONV_SIDES]);
/* How the plan keeps that tensor. */
dnnl_memory_desc_t ito__stored_md(const ito_plan *p, const ito__conv_side *side);

/* A way to compute a convolution. */
typedef struct ito__conv_way {
    dnnl_alg_kind_t algorithm;
    dnnl_data_type_t type; /* of what is multiplied */
    bool open;             /* layouts are oneDNN's choice, not ours */
    bool sum;              /* added to what the result holds */
} ito__conv_way;
#define ITO__OWN_WAY                                                                                         \
    ((ito__conv_way){dnnl_convolution_winograd, dnnl_f32, false, false}) /* of our own kernel */
/* Walks oneDNN's implementations of a convolution op in one way, calling visit for each until it returns
 * true; visit owns pd. */
void ito__conv_implementations(const ito_plan *p, const ito_node *n, ito__conv_way way,
                               bool (*visit)(void *self, dnnl_primitive_desc_t pd), void *self);

/* What computes a convolution: our own kernel, or a primitive of oneDNN; with pd NULL neither does. */
typedef struct ito__conv_code {
    bool own;
    dnnl_primitive_desc_t pd;
} ito__conv_code;

/* winograd.c: can our own kernel compute this convolution op, and is it the better choice where nothing was
 * timed? */
bool ito__winograd_fits(const ito_plan *p, const ito_node *n);
bool ito__winograd_pays(const ito_plan *p, const ito_node *n);
void ito__lower_winograd(ito__lowering *l, const ito_node *n);

#endif
