/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a plan: a list of steps over a list of values, every value with its layout and its place in
 * memory.
 *
 * ito_plan_create (plan.c) walks the needed nodes in order and lowers each (lower.c; convolutions and matrix
 * products in dnnl.c): it asks for operands in the layout it wants, which may add conversion steps, and adds
 * the step that computes the result. chain.c joins elementwise steps, and memory_plan.c then gives every
 * value a place. A workspace (run.c) holds the memory and runs the steps.
 */
#ifndef ITO_ENGINE_PLAN_H
#define ITO_ENGINE_PLAN_H

#include "engine/kernels/kernel.h"

#include <oneapi/dnnl/dnnl.h>

typedef enum ito__place {
    ITO__ARENA,    /* alive from its first to its last step; shares memory with values of other times */
    ITO__CONSTANT, /* computed once, kept between runs */
    ITO__TILE,     /* between two links of a chain, and nowhere else */
    ITO__BOUND     /* the caller's memory: a leaf or an output */
} ito__place;

/* A tensor at run time: a node in one layout, or the scratch memory of a step (node NULL). */
typedef struct ito__value {
    const ito_node *node;
    int64_t block; /* 1: row-major; otherwise channels kept together */
    size_t bytes;
    ito__place place;
    int slot;        /* BOUND: index into ito_plan.bound */
    int alias;       /* value whose memory this one is; -1: its own */
    size_t offset;   /* ARENA, CONSTANT */
    int first, last; /* steps that touch it */
} ito__value;

typedef struct ito__dnnl_arg {
    int arg; /* DNNL_ARG_... */
    int value;
    dnnl_memory_desc_t md;
} ito__dnnl_arg;

enum {
    ITO__DNNL_ARGS = 6,
    ITO__STEP_OPERANDS = 16 /* most operands of a kernel's step */
};

/* A oneDNN primitive with the values it reads and writes. */
typedef struct ito__dnnl_call {
    dnnl_primitive_t primitive;
    int n_args;
    ito__dnnl_arg args[ITO__DNNL_ARGS];
} ito__dnnl_call;

/* A part of an operand by values (kernel.h has it by pointers). */
typedef struct ito__step_part {
    int operand;
    int value, moments; /* of the image; value -1: only its moments are read; moments -1: none */
    ito__part as;       /* its numbers; the pointers are a run's */
} ito__step_part;

enum { ITO__STEP_PARTS = 8 }; /* of all operands of a step */
typedef struct ito__parts {
    int n;
    ito__step_part of[ITO__STEP_PARTS];
} ito__parts;

typedef struct ito__step {
    const ito_node *node;
    bool constant;      /* part of what a frozen plan computes once */
    ito__kernel kernel; /* NULL: oneDNN */
    ito__dnnl_call *dnnl;
    int64_t block;
    int n_in;
    int *in;     /* values; for oneDNN steps too, so that lifetimes need no special case */
    int n_parts; /* of operands that do not lie in one piece */
    ito__step_part *parts;
    int out, scratch, moments; /* -1: none */
    int link, links;           /* place in a chain of steps that follow each other, and how many they are */
    double flops;
    const char *kind;  /* of profiles: "conv2d jit:avx512_core" */
    const char *chain; /* kind of the chain that begins here: "norm+mul"; NULL: it has one link */
} ito__step;

/* The values that a step reads, by number: operands in one piece, then parts and their moments. -1: none. */
static inline int ito__n_read(const ito__step *s) {
    return s->n_in + 2 * s->n_parts;
}
static inline int ito__read(const ito__step *s, int i) {
    if (i < s->n_in) return s->in[i];
    const ito__step_part *part = &s->parts[(i - s->n_in) / 2];
    return (i - s->n_in) % 2 ? part->moments : part->value;
}

typedef struct ito__bound {
    const ito_node *node;
    bool output;
    int value;
} ito__bound;

struct ito_plan {
    ito_graph *graph;
    ito_plan_options options;
    int64_t block; /* of this processor: 16, 8, or 1 */
    int threads;   /* that scratch memory is there for */
    const ito__kernel *plain, *fast;
    const ito__kernel *image; /* for blocked images: fast, or its bfloat16 twin */
    dnnl_engine_t engine;
    ito__value *values;
    int n_values, cap_values;
    ito__step *steps;
    int n_steps, cap_steps;
    ito__bound *bound;
    int n_bound, cap_bound;
    size_t arena_bytes, constant_bytes;
    double flops;
};

/* What lowering carries along. */
typedef struct ito__lowering {
    ito_plan *plan;
    int *row_major, *blocked;      /* by node id: its value in that layout, -1 if there is none yet */
    int *output;                   /* by node id: the bound entry that takes its row-major value, -1 */
    bool *constant;                /* by node id: does not change between runs */
    bool *again;                   /* by node id: computed once more for the backward pass */
    bool *apart;                   /* by node id: a blocked image that is read by its parts (parts.c) */
    struct ito__conv_timer *timer; /* made when a tuning lacks a convolution; NULL until then */
    int untimed;                   /* convolutions that could not be timed */
    ito__step scrap;               /* where a failed lowering writes */
    ito_status status;
    ito_error *err;
} ito__lowering;

/* ---- used by the lowering files ---- */

size_t ito__element_size(const ito_plan *p, int64_t block); /* of a value: blocked images may be bfloat16 */
bool ito__is_bf16(const ito_plan *p, int64_t block);
bool ito__is_image(const ito_plan *p, ito_shape s); /* may be kept blocked */
/* The value of a node in a layout; converts when it exists in the other only. -1 after a failure. */
int ito__operand(ito__lowering *l, const ito_node *x, int64_t block);
/* Is the node there in blocked layout? */
bool ito__has_blocked(const ito__lowering *l, const ito_node *x);
/* A new value for a node's result. */
int ito__result(ito__lowering *l, const ito_node *y, int64_t block);
/* Memory that lives during the next step only, or (constant) as long as the workspace. -1 when bytes is 0. */
int ito__scratch(ito__lowering *l, size_t bytes, bool constant);
/* Appends a step; takes a copy of `in`. */
ito__step *ito__add_step(ito__lowering *l, const ito_node *y, int n_in, const int *in, int out);
void ito__fail(ito__lowering *l, ito_status status, const char *format, ...);

/* lower.c */
void ito__lower(ito__lowering *l, const ito_node *y);
/* recompute.c: computes an operand of the backward pass once more, where that is cheaper than its memory. */
void ito__recompute(ito__lowering *l, const ito_node *x);
/* lower.c: adds the step of a kernel; of an image that was put off, when it is wanted in one piece. */
void ito__lower_kernel(ito__lowering *l, const ito_node *y);
/* Does this node work on blocked images? Its result is blocked too when it is an image itself. */
bool ito__wants_blocked(const ito__lowering *l, const ito_node *y);
/* parts.c: is a concatenation or slice read by its parts, and not made until it is asked for in one piece? */
bool ito__put_off(ito__lowering *l, const ito_node *y);
/* Appends the parts of blocked image x as those of an operand; false, and nothing, when they are too many. */
bool ito__parts_of(ito__lowering *l, const ito_node *x, int operand, ito__parts *list);
/* Gives a step its parts. */
void ito__keep_parts(ito__lowering *l, ito__step *s, const ito__parts *list);
/* moments.c: has the moments of each part's image taken by the step that makes it, where that step can;
 * returns how many. */
int ito__take_moments(ito__lowering *l, ito__parts *list);
/* dnnl.c: these add the primitive, its conversions and its packed weights. */
void ito__lower_conv(ito__lowering *l, const ito_node *y);
void ito__lower_matmul(ito__lowering *l, const ito_node *y);
/* Value `from` in another layout, as value `to`. */
void ito__lower_convert(ito__lowering *l, const ito_node *x, int from, int to);
void ito__dnnl_call_free(ito__dnnl_call *call);

/* chain.c: elementwise steps that are computed together, tile by tile. */
ito_status ito__join_chains(ito_plan *p, ito_error *err);

/* memory_plan.c: lifetimes, in-place results, offsets. */
ito_status ito__place_values(ito_plan *p, ito_error *err);
/* The value whose memory v is. */
int ito__root(const ito_plan *p, int v);

/* isa.c; bf16: the kernels for blocked bfloat16 images. */
const ito__kernel *ito__fast_kernels(ito_isa isa, bool bf16);
int64_t ito__channel_block(void);

#endif
