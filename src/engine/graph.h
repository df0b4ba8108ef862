/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a graph: nodes, and the record that describes an op. Nodes live in the graph's arena and are
 * never changed after they are made; ids are topological (an operand's id is smaller than its user's).
 */
#ifndef ITO_ENGINE_GRAPH_H
#define ITO_ENGINE_GRAPH_H

#include "engine/names.h"

#include <ito/engine.h>

/* X(enum suffix, printed name). Families: leaves, pointwise, reductions, shape, linear algebra, images,
 * norms. */
#define ITO__OP_LIST(X)                                                                                      \
    X(INPUT, "input")                                                                                        \
    X(PARAM, "param")                                                                                        \
    X(BUFFER, "buffer")                                                                                      \
    X(FILL, "fill")                                                                                          \
    X(AFFINE, "affine")                                                                                      \
    X(EXP, "exp")                                                                                            \
    X(LOG, "log")                                                                                            \
    X(SQRT, "sqrt")                                                                                          \
    X(SIN, "sin")                                                                                            \
    X(COS, "cos")                                                                                            \
    X(SIGMOID, "sigmoid")                                                                                    \
    X(TANH, "tanh")                                                                                          \
    X(SILU, "silu")                                                                                          \
    X(RELU, "relu")                                                                                          \
    X(ELU, "elu")                                                                                            \
    X(STEP, "step")                                                                                          \
    X(ADD, "add")                                                                                            \
    X(MUL, "mul")                                                                                            \
    X(DIV, "div")                                                                                            \
    X(SILU_GRAD, "silu_grad")                                                                                \
    X(SUM_TO, "sum_to")                                                                                      \
    X(BROADCAST, "broadcast")                                                                                \
    X(RESHAPE, "reshape")                                                                                    \
    X(PERMUTE, "permute")                                                                                    \
    X(SLICE, "slice")                                                                                        \
    X(PAD, "pad")                                                                                            \
    X(CONCAT, "concat")                                                                                      \
    X(MATMUL, "matmul")                                                                                      \
    X(CONV2D, "conv2d")                                                                                      \
    X(CONV2D_GRAD_X, "conv2d_grad_x")                                                                        \
    X(CONV2D_GRAD_W, "conv2d_grad_w")                                                                        \
    X(UPSAMPLE, "upsample")                                                                                  \
    X(POOL, "sum_pool")                                                                                      \
    X(UPFIRDN, "upfirdn")                                                                                    \
    X(MAX_POOL, "max_pool")                                                                                  \
    X(MAX_POOL_GRAD, "max_pool_grad")                                                                        \
    X(NORM_STATS, "norm_stats")                                                                              \
    X(NORM, "norm")                                                                                          \
    X(NORM_SUMS, "norm_sums")                                                                                \
    X(NORM_DX, "norm_dx")                                                                                    \
    X(SOFTMAX, "softmax")                                                                                    \
    X(ATTENTION, "attention")                                                                                \
    X(ATTENTION_GRAD, "attention_grad")                                                                      \
    X(EMBEDDING, "embedding")                                                                                \
    X(EMBEDDING_GRAD, "embedding_grad")                                                                      \
    X(DROPOUT, "dropout")

typedef enum ito__op {
#define ITO__OP_ENUM(suffix, name) ITO__OP_##suffix,
    ITO__OP_LIST(ITO__OP_ENUM)
#undef ITO__OP_ENUM
        ITO__OP_COUNT
} ito__op;

/* Pointwise ops stand together in the list: one operand, then two. */
static inline bool ito__is_unary(ito__op op) {
    return op >= ITO__OP_AFFINE && op <= ITO__OP_STEP;
}
static inline bool ito__is_binary(ito__op op) {
    return op >= ITO__OP_ADD && op <= ITO__OP_SILU_GRAD;
}

/* Elements kept with probability 1 - rate; site: which dropout of the graph, whose random stream it is. */
typedef struct ito__dropout {
    double rate; /* 0: none */
    uint32_t site;
} ito__dropout;

/* What an op carries beside its operands. One member is in use, by the op's kind. */
typedef union ito__attr {
    struct {
        double a, b;
    } affine; /* AFFINE: a x + b; ADD: a x + b y; FILL: a */
    struct {
        int axis;
        int64_t begin, end; /* SLICE: range; PAD: zeros before, after; CONCAT: axis only */
    } range;
    int order[ITO_MAX_RANK]; /* PERMUTE */
    struct {
        bool a, b;
    } transpose;   /* MATMUL */
    ito_conv conv; /* CONV2D and its gradients */
    int factor;    /* UPSAMPLE, POOL; MAX_POOL and its gradient: the window */
    struct {
        ito_fir fir;
        bool reversed; /* taps in reverse order: the adjoint */
    } upfirdn;
    struct {
        int groups;
        bool silu; /* the activation that follows */
        double eps;
        ito__dropout dropout; /* that follows both */
    } norm;
    ito__dropout dropout;
    struct {
        int64_t width; /* channels of a head */
        double scale;
    } attention; /* ATTENTION and its gradient */
} ito__attr;

#define ITO__MAX_IN 8

struct ito_node {
    ito_graph *graph;
    int32_t id;
    ito__op op;
    int n_in;
    ito_node **in;
    ito_shape shape;
    ito__attr attr;
    ito_init init;     /* PARAM, BUFFER */
    const char *name;  /* leaves; "" otherwise */
    const char *scope; /* for people */
    bool folded;       /* a later op was built on its operands instead: no gradient may be asked for it */
};

struct ito_graph {
    struct ito__chunk *chunks; /* arena */
    ito_node **nodes;
    int32_t n_nodes, cap_nodes;
    ito_node **params;
    int n_params, cap_params;
    ito__names names; /* of leaves, to their ids */
    uint32_t n_dropouts;
    int32_t first_of_expansion; /* while an op is expanded: the first node of that; 0 otherwise */
    const char *scope;
    ito_node *scrap; /* what a failed op returns */
    ito_error error; /* the first bad op */
};

/* An op in one record: how it is printed, how its gradient is built. Kernels are found by the planner
 * (kernel.h). */
typedef struct ito__op_record {
    /* Writes into gin[i] the gradient of operand i for the output's gradient g; leaves NULL where there is
     * none. */
    void (*adjoint)(ito_node *y, ito_node *g, ito_node **gin);
    /* The same value built from simpler ops. A fused op without an adjoint of its own is differentiated
     * through it. */
    ito_node *(*expand)(ito_node *y);
} ito__op_record;

extern const ito__op_record ito__op_records[ITO__OP_COUNT];
const char *ito__op_name(ito__op op);

/* Appends a node; on poison or out of memory returns the scrap node. */
ito_node *ito__node(ito_graph *g, ito__op op, int n_in, ito_node *const *in, ito_shape shape, ito__attr attr);
/* May a builder read through x, to build on its operands instead? Not through what is older than an expansion
 * at work: it may be an operand of the expanded op, whose gradient would pass it by. */
bool ito__is_open(const ito_node *x);
/* Marks x as read through and returns its operand i. */
ito_node *ito__through(ito_node *x, int i);
/* Poisons and returns the scrap node: the way out of an op's shape rule. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
ito_node *
ito__bad(ito_graph *g, ito__op op, const char *format, ...);
void *ito__graph_alloc(ito_graph *g, size_t bytes);
/* A copy that lives as long as the graph; "" when memory ran out. */
const char *ito__graph_text(ito_graph *g, const char *text);

/* "[2,3,4]" into a buffer of at least ITO__SHAPE_TEXT characters; returns it. */
#define ITO__SHAPE_TEXT 128
const char *ito__shape_text(ito_shape s, char *buffer);

/* Gradients through nodes with id >= first only: everything older counts as a constant unless listed in wrt.
 */
void ito__gradients_since(ito_node *y, ito_node *seed, int n, ito_node *const *wrt, ito_node **grads,
                          int32_t first);

/* Is the node a leaf or output of the workspace's plan? (run.c) */
bool ito__workspace_has(const ito_workspace *ws, const ito_node *node);

/* Fused ops that have no public builder. */
ito_node *ito__silu_grad(ito_node *x, ito_node *g);
ito_node *ito__norm_with_silu(ito_node *norm);
ito_node *ito__norm_with_dropout(ito_node *norm, ito__dropout d);
ito_node *ito__drop(ito_node *x, ito__dropout d);
ito_node *ito__add_scaled(double a, ito_node *x, double b, ito_node *y);
ito_node *ito__sum_pool(ito_node *x, int factor);

/* Adjoints and expansions, by the file of their family under ops/. */
#define ITO__ADJOINT(name) void ito__adjoint_##name(ito_node *y, ito_node *g, ito_node **gin)
ITO__ADJOINT(affine);
ITO__ADJOINT(exp);
ITO__ADJOINT(log);
ITO__ADJOINT(sqrt);
ITO__ADJOINT(sin);
ITO__ADJOINT(cos);
ITO__ADJOINT(sigmoid);
ITO__ADJOINT(tanh);
ITO__ADJOINT(silu);
ITO__ADJOINT(relu);
ITO__ADJOINT(elu);
ITO__ADJOINT(add);
ITO__ADJOINT(mul);
ITO__ADJOINT(div);
ITO__ADJOINT(sum_to);
ITO__ADJOINT(broadcast);
ITO__ADJOINT(reshape);
ITO__ADJOINT(permute);
ITO__ADJOINT(slice);
ITO__ADJOINT(pad);
ITO__ADJOINT(concat);
ITO__ADJOINT(matmul);
ITO__ADJOINT(conv2d);
ITO__ADJOINT(conv2d_grad_x);
ITO__ADJOINT(conv2d_grad_w);
ITO__ADJOINT(upsample);
ITO__ADJOINT(pool);
ITO__ADJOINT(upfirdn);
ITO__ADJOINT(max_pool);
ITO__ADJOINT(max_pool_grad);
ITO__ADJOINT(norm);
ITO__ADJOINT(softmax);
ITO__ADJOINT(attention);
ITO__ADJOINT(embedding);
ITO__ADJOINT(embedding_grad);
ITO__ADJOINT(dropout);
#undef ITO__ADJOINT
ito_node *ito__expand_silu_grad(ito_node *y);
ito_node *ito__expand_norm_sums(ito_node *y);
ito_node *ito__expand_norm_dx(ito_node *y);
ito_node *ito__expand_attention_grad(ito_node *y);

#endif
