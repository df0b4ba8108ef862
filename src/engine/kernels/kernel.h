/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kernel is: a function over dense arrays that computes one node. Kernels allocate nothing and keep
 * nothing; scratch memory comes with the call.
 *
 * Images are row-major [N, C, H, W] (block 1) or blocked [N, C/block, H, W, block]; everything else is
 * row-major. A kernel that treats an image as [N C/block, H W, block] serves both layouts.
 */
#ifndef ITO_ENGINE_KERNEL_H
#define ITO_ENGINE_KERNEL_H

#include "engine/kernels/chain.h"
#include "engine/kernels/winograd.h"

/* Channels of an image operand that lie in the memory of another image. An operand that is a concatenation
 * or a slice of channels need not be copied together: a kernel reads it where its parts lie. */
typedef struct ito__part {
    const void *image;     /* blocked; not read where there are moments */
    int64_t channels;      /* of that image */
    int64_t first, count;  /* which of them */
    const double *moments; /* of that image, for NORM_STATS: [bands, N, channels, 2], sums of x and of x^2;
                              NULL: none were taken */
    int64_t bands;
} ito__part;

typedef struct ito__call {
    const ito_node *node;
    const struct ito__call *next; /* a chain: the call that takes the result on, tile by tile; NULL: none */
    const void *const *in;        /* in a chain, NULL: the result of the call before, as it goes by */
    const ito__part *parts[ITO__MAX_IN]; /* by operand: its parts, in the order of its channels; NULL: it lies
                                            in one piece */
    void *out;                           /* NULL: the next call alone reads it */
    int64_t block;                       /* channels kept together in image operands and result */
    uint64_t seed;                       /* of random ops */
    uint32_t step;
    int64_t first_sample; /* global index of row 0 */
    void *scratch;        /* ito__kernel_scratch bytes for `threads`, at a 64-byte boundary */
    int threads;          /* at most; ops without scratch do not look at it */
    double *moments; /* [bands, N, C, 2]: a kernel of ito__makes_moments writes them with its result; NULL:
                        nothing reads them */
} ito__call;

typedef void (*ito__kernel)(const ito__call *c);

/* The specification: plain C, row-major, in float and in double. Every op has one. */
extern const ito__kernel ito__plain_f32[ITO__OP_COUNT];
extern const ito__kernel ito__plain_f64[ITO__OP_COUNT];

/* Vectorized twins for one instruction set; NULL where the plain one serves. The same source, built once per
 * set. */
extern const ito__kernel ito__fast_plain[ITO__OP_COUNT];
extern const ito__kernel ito__fast_avx2[ITO__OP_COUNT];
extern const ito__kernel ito__fast_avx512[ITO__OP_COUNT];

/* The same for blocked images of bfloat16; NULL where an op wants a row-major image of floats. */
extern const ito__kernel ito__bf16_plain[ITO__OP_COUNT];
extern const ito__kernel ito__bf16_avx2[ITO__OP_COUNT];
extern const ito__kernel ito__bf16_avx512[ITO__OP_COUNT];

/* Pixels whose moments are summed together. A band of Winograd's has as many, so that sums have one order. */
enum { ITO__MOMENT_PIXELS = 1024 };

/* Bands of rows that an image is made in, each with moments of its own. */
static inline int64_t ito__moment_bands(const ito_node *y) {
    if (y->op != ITO__OP_CONV2D) return 1;
    const ito__winograd p = ito__winograd_of(y);
    return ito__winograd_bands(&p);
}

/* Can the fast kernel of a node take the moments of the blocked image that it makes? A convolution: our own.
 */
static inline bool ito__makes_moments(const ito_node *y) {
    switch (y->op) {
    case ITO__OP_ADD:
        return ito_shape_equal(y->in[0]->shape, y->shape) && ito_shape_equal(y->in[1]->shape, y->shape);
    case ITO__OP_CONV2D: return ito__moment_bands(y) > 0;
    default: return false;
    }
}

/* Floats of scratch memory of a thread in attention or its gradient: panels of a head, and of so many queries
 * the panels and the weights. Multiples of a cache line. */
enum { ITO__ATTENTION_ROWS = 32 };
static inline int64_t ito__attention_floats(const ito_node *y) {
    ito_shape s = y->in[0]->shape;
    int64_t width = y->attr.attention.width, pixels = s.dim[2] * s.dim[3];
    bool gradient = y->op == ITO__OP_ATTENTION_GRAD;
    int64_t floats = (gradient ? 5 : 2) * width * pixels;
    floats += ITO__ATTENTION_ROWS * (gradient ? 3 * width + 2 * pixels : 2 * width + pixels);
    return (floats + 15) / 16 * 16;
}

/* Bytes of scratch memory that the fast kernel of a node wants; 0 for most. */
static inline size_t ito__kernel_scratch(const ito_node *y, int threads) {
    switch (y->op) {
    case ITO__OP_ATTENTION:
    case ITO__OP_ATTENTION_GRAD: return (size_t)threads * (size_t)ito__attention_floats(y) * sizeof(float);
    case ITO__OP_CONV2D:
    case ITO__OP_CONV2D_GRAD_X:
    case ITO__OP_CONV2D_GRAD_W: return (size_t)ito__winograd_scratch(y, threads) * sizeof(float);
    default: return 0;
    }
}

/* Dropout keeps an element when its 16 random bits reach this threshold; see ito__dropout_bits. */
static inline uint32_t ito__dropout_threshold(double rate) {
    return (uint32_t)(rate * 65536.0 + 0.5);
}

#endif
