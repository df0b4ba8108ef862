/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of ops: each with its gradient, or with the simpler ops through which it is differentiated. Shape
 * rules are the public builders in the files of this folder; kernels are in ../kernels.
 */
#include "engine/graph.h"

#define OWN(name)                                                                                            \
    { .adjoint = ito__adjoint_##name }
#define BY(name)                                                                                             \
    { .expand = ito__expand_##name }

const ito__op_record ito__op_records[ITO__OP_COUNT] = {
    [ITO__OP_AFFINE] = OWN(affine),
    [ITO__OP_EXP] = OWN(exp),
    [ITO__OP_LOG] = OWN(log),
    [ITO__OP_SQRT] = OWN(sqrt),
    [ITO__OP_SIN] = OWN(sin),
    [ITO__OP_COS] = OWN(cos),
    [ITO__OP_SIGMOID] = OWN(sigmoid),
    [ITO__OP_TANH] = OWN(tanh),
    [ITO__OP_SILU] = OWN(silu),
    [ITO__OP_RELU] = OWN(relu),
    [ITO__OP_ELU] = OWN(elu),
    [ITO__OP_ADD] = OWN(add),
    [ITO__OP_MUL] = OWN(mul),
    [ITO__OP_DIV] = OWN(div),
    [ITO__OP_SILU_GRAD] = BY(silu_grad),
    [ITO__OP_SUM_TO] = OWN(sum_to),
    [ITO__OP_BROADCAST] = OWN(broadcast),
    [ITO__OP_RESHAPE] = OWN(reshape),
    [ITO__OP_PERMUTE] = OWN(permute),
    [ITO__OP_SLICE] = OWN(slice),
    [ITO__OP_PAD] = OWN(pad),
    [ITO__OP_CONCAT] = OWN(concat),
    [ITO__OP_MATMUL] = OWN(matmul),
    [ITO__OP_CONV2D] = OWN(conv2d),
    [ITO__OP_CONV2D_GRAD_X] = OWN(conv2d_grad_x),
    [ITO__OP_CONV2D_GRAD_W] = OWN(conv2d_grad_w),
    [ITO__OP_UPSAMPLE] = OWN(upsample),
    [ITO__OP_POOL] = OWN(pool),
    [ITO__OP_UPFIRDN] = OWN(upfirdn),
    [ITO__OP_MAX_POOL] = OWN(max_pool),
    [ITO__OP_MAX_POOL_GRAD] = OWN(max_pool_grad),
    [ITO__OP_NORM_STATS] = {0}, /* never receives a gradient: see norm.c */
    [ITO__OP_NORM] = OWN(norm),
    [ITO__OP_NORM_SUMS] = BY(norm_sums),
    [ITO__OP_NORM_DX] = BY(norm_dx),
    [ITO__OP_SOFTMAX] = OWN(softmax),
    [ITO__OP_ATTENTION] = OWN(attention),
    [ITO__OP_ATTENTION_GRAD] = BY(attention_grad),
    [ITO__OP_EMBEDDING] = OWN(embedding),
    [ITO__OP_EMBEDDING_GRAD] = OWN(embedding_grad),
    [ITO__OP_DROPOUT] = OWN(dropout),
};

const char *ito__op_name(ito__op op) {
    static const char *const names[ITO__OP_COUNT] = {
#define ITO__OP_NAME(suffix, name) name,
        ITO__OP_LIST(ITO__OP_NAME)
#undef ITO__OP_NAME
    };
    return names[op];
}
