/* SPDX-License-Identifier: Apache-2.0
 *
 * The geometry of a 3x3 convolution by Winograd's F(4x4, 3x3), and the memory it works in: what the lowering
 * and the kernels of every instruction set agree on.
 */
#ifndef ITO_ENGINE_WINOGRAD_H
#define ITO_ENGINE_WINOGRAD_H

#include "engine/graph.h"

enum {
    ITO__WINOGRAD_OUTPUT = 4,    /* a tile makes 4x4 pixels of the result */
    ITO__WINOGRAD_PATCH = 6,     /* from 6x6 of the image */
    ITO__WINOGRAD_POINTS = 36,   /* numbers of a patch, and of a kernel, once transformed */
    ITO__WINOGRAD_CHANNELS = 32, /* channels come in multiples of so many */
    ITO__WINOGRAD_BLOCK = 16,    /* most channels kept together */
    ITO__WINOGRAD_DILATION = 4,  /* most pixels from tap to tap */
    /* What a thread works on at a time: channels of the result, tiles, channels of the image. Measured: the
     * memory below should fit into the second cache. */
    ITO__WINOGRAD_STRIP = 64,
    ITO__WINOGRAD_SPAN = 64,
    ITO__WINOGRAD_DEPTH = 32,
    /* Powers of two would meet in few sets of a cache, so points are set apart by a few floats. */
    ITO__WINOGRAD_APART = 32,
    /* Memory of a thread: transformed patches and kernels, and their products. */
    ITO__WINOGRAD_PRODUCTS =
        ITO__WINOGRAD_POINTS * (ITO__WINOGRAD_SPAN * ITO__WINOGRAD_STRIP + ITO__WINOGRAD_APART),
    ITO__WINOGRAD_FLOATS =
        ITO__WINOGRAD_PRODUCTS +
        ITO__WINOGRAD_POINTS *
            ((ITO__WINOGRAD_SPAN + ITO__WINOGRAD_STRIP) * ITO__WINOGRAD_DEPTH + 2 * ITO__WINOGRAD_APART),
    ITO__WINOGRAD_UNITS = 8 /* units of work that the gradient by the weights has at least, if it can */
};

/* The convolution that the kernel computes: of the image, or, for GRAD_X, of the gradient by the result.
 *
 * A kernel dilated by d sees every d-th row and column: the image falls into d x d smaller ones that do not
 * meet, and a tile's pixels are d apart. Tiles that begin side by side, one for each of these images, follow
 * each other in the count. */
typedef struct ito__winograd {
    int64_t images, in, out, height, width, dilation;
    int64_t down, across, tiles; /* tiles of an image in columns and rows; of all images */
} ito__winograd;

/* Tiles along a side of an image. */
static inline int64_t ito__winograd_along(int64_t side, int64_t dilation) {
    const int64_t reach = ITO__WINOGRAD_OUTPUT * dilation;
    return (side + reach - 1) / reach * dilation;
}

static inline ito__winograd ito__winograd_of(const ito_node *y) {
    const bool gradient = y->op == ITO__OP_CONV2D_GRAD_X, weights = y->op == ITO__OP_CONV2D_GRAD_W;
    const ito_shape from = y->in[gradient ? 1 : 0]->shape, to = weights ? y->in[1]->shape : y->shape;
    ito__winograd p = {.images = from.dim[0],
                       .in = from.dim[1],
                       .out = to.dim[1],
                       .height = to.dim[2],
                       .width = to.dim[3],
                       .dilation = y->attr.conv.dilation};
    p.down = ito__winograd_along(p.height, p.dilation);
    p.across = ito__winograd_along(p.width, p.dilation);
    p.tiles = p.images * p.down * p.across;
    return p;
}

/* Bands of whole rows that a span of tiles makes, where it makes one band or whole images; 0 elsewhere, and
 * where tiles reach beyond the image. */
static inline int64_t ito__winograd_bands(const ito__winograd *p) {
    const int64_t in_image = p->down * p->across, reach = ITO__WINOGRAD_OUTPUT * p->dilation;
    if (p->height % reach || p->width % reach) return 0;
    if (ITO__WINOGRAD_SPAN % in_image == 0) return 1;
    return p->dilation == 1 && in_image % ITO__WINOGRAD_SPAN == 0 && ITO__WINOGRAD_SPAN % p->across == 0
               ? in_image / ITO__WINOGRAD_SPAN
               : 0;
}

/* So many of these channels make a strip. */
static inline int64_t ito__winograd_strip(int64_t channels) {
    return channels % ITO__WINOGRAD_STRIP ? ITO__WINOGRAD_CHANNELS : ITO__WINOGRAD_STRIP;
}

static inline int64_t ito__winograd_blocks(const ito__winograd *p) {
    return p->in / ito__winograd_strip(p->in) * (p->out / ito__winograd_strip(p->out));
}

/* Parts of the tiles in the gradient of few weights, so that many threads have work; the same for any number
 * of threads, since the order of a sum depends on it. */
static inline int64_t ito__winograd_parts(const ito__winograd *p) {
    const int64_t wanted = (ITO__WINOGRAD_UNITS - 1) / ito__winograd_blocks(p) + 1;
    const int64_t most = (p->tiles + ITO__WINOGRAD_DEPTH - 1) / ITO__WINOGRAD_DEPTH;
    return wanted < most ? wanted : most;
}

/* Floats of scratch memory: of each thread, and of parts that await their sum. */
static inline int64_t ito__winograd_scratch(const ito_node *y, int threads) {
    const ito__winograd p = ito__winograd_of(y);
    const int64_t parts = y->op == ITO__OP_CONV2D_GRAD_W ? ito__winograd_parts(&p) : 1;
    return threads * (int64_t)ITO__WINOGRAD_FLOATS +
           (parts > 1 ? parts * ito__winograd_blocks(&p) * ITO__WINOGRAD_PRODUCTS : 0);
}

#endif
