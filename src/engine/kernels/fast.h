/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast kernels: one source that the compiler vectorizes for several instruction sets. Included once per
 * set, with TABLE the name of the table at the end; once more with BFLOAT16 for blocked images of bfloat16,
 * which are computed in float. The plain kernels are the specification (plain.h); where an operand pattern is
 * not foreseen here, they serve. Sums have an order that does not depend on the number of threads.
 */
#include "engine/kernels/fast_attention.h"
#include "engine/kernels/fast_chain.h"
#include "engine/kernels/fast_image.h"
#include "engine/kernels/fast_layout.h"
#include "engine/kernels/fast_max.h"
#include "engine/kernels/fast_reduce.h"
#include "engine/kernels/fast_winograd_weights.h"
#ifndef BFLOAT16 /* what no blocked image needs */
#include "engine/kernels/fast_permute.h"
#include "engine/kernels/fast_softmax.h"
#endif

const ito__kernel TABLE[ITO__OP_COUNT] = {
    [ITO__OP_FILL] = k_fill,
    [ITO__OP_AFFINE] = k_chain,
    [ITO__OP_EXP] = k_chain,
    [ITO__OP_SIGMOID] = k_chain,
    [ITO__OP_TANH] = k_chain,
    [ITO__OP_SILU] = k_chain,
    [ITO__OP_RELU] = k_chain,
    [ITO__OP_ELU] = k_chain,
    [ITO__OP_STEP] = k_chain,
    [ITO__OP_ADD] = k_binary,
    [ITO__OP_MUL] = k_binary,
    [ITO__OP_DIV] = k_binary,
    [ITO__OP_SILU_GRAD] = k_binary,
    [ITO__OP_SUM_TO] = k_sum_to,
    [ITO__OP_UPSAMPLE] = k_upsample,
    [ITO__OP_POOL] = k_pool,
    [ITO__OP_UPFIRDN] = k_upfirdn,
    [ITO__OP_MAX_POOL] = k_max_pool,
    [ITO__OP_NORM_STATS] = k_norm_stats,
    [ITO__OP_NORM] = k_norm,
    [ITO__OP_NORM_SUMS] = k_norm_sums,
    [ITO__OP_NORM_DX] = k_chain,
    [ITO__OP_DROPOUT] = k_dropout,
    [ITO__OP_CONV2D] = k_winograd, /* of the shapes that winograd.c takes */
    [ITO__OP_CONV2D_GRAD_X] = k_winograd,
    [ITO__OP_CONV2D_GRAD_W] = k_winograd_weights,
    [ITO__OP_ATTENTION] = k_attention,
    [ITO__OP_ATTENTION_GRAD] = k_attention_grad,
    [ITO__OP_CONCAT] = k_concat,
    [ITO__OP_SLICE] = k_slice,
#ifndef BFLOAT16
    [ITO__OP_PERMUTE] = k_permute,
    [ITO__OP_MAX_POOL_GRAD] = k_max_pool_grad,
    [ITO__OP_SOFTMAX] = k_softmax,
#endif
};

#undef IN
#undef OUT
#undef NUMBERS
#undef OUT_NUMBERS
