/* SPDX-License-Identifier: Apache-2.0
 *
 * What the blocks of the NCSN++ and DDPM networks are made of: convolutions, dense layers, norms and
 * resampling, with parameters named as the published checkpoints name them:
 * all_modules.<index>.<layer>.<leaf>.
 *
 * Such a network is a flat list of modules. The builder holds the index of the module under
 * construction; whoever finishes a module increments it, also for a module without parameters.
 */
#ifndef ITO_NETWORKS_LAYERS_H
#define ITO_NETWORKS_LAYERS_H

#include <ito/networks.h>

typedef struct ito__builder {
    const ito_network_config *config;
    ito_graph *g;
    ito_node *labels;  /* [B] */
    ito_node *classes; /* [B]; NULL in a network without classes */
    bool train;        /* dropout is active */
    int module;        /* index of the module under construction */
    ito_node *temb;    /* activated time embedding, [B, 4 nf]; NULL in an unconditional network */
} ito__builder;

typedef enum ito__resampling { ITO__RESAMPLE_NONE, ITO__RESAMPLE_UP, ITO__RESAMPLE_DOWN } ito__resampling;

/* Channels of an image node [B, C, H, W]; 1 for a node of a poisoned graph, so that builders may divide. */
int64_t ito__channels(const ito_node *x);

/* The config's nonlinearity. */
ito_node *ito__activate(const ito__builder *b, ito_node *x);
/* [n, 1] holding 0, 1, ... n - 1. */
ito_node *ito__counting(ito_graph *g, int64_t n);
/* The noise level of each label, shaped to divide images: [B, 1, 1, 1]. Fourier embeddings are given sigma
 * itself, everything else the index of a discrete chain. */
ito_node *ito__sigma(const ito__builder *b);

/* Below, `layer` is the name inside the module ("Conv_0"), "" for a module that is itself the layer. `scale`
 * is the variance scale of the published initialization. Biases start at zero. */
ito_node *ito__layer_conv(ito__builder *b, const char *layer, ito_node *x, int64_t out, int kernel,
                          ito_conv conv, double scale);
ito_node *ito__layer_dense(ito__builder *b, const char *layer, ito_node *x, int64_t out);
/* "Network in network": a 1x1 convolution whose weight is stored as W [in, out]. */
ito_node *ito__layer_nin(ito__builder *b, const char *layer, ito_node *x, int64_t out, double scale);
/* Group norm of the config's groups and eps. */
ito_node *ito__layer_norm(ito__builder *b, const char *layer, ito_node *x);

/* Twice or half the size without parameters: nearest and mean, or FIR-filtered when the config says fir. */
ito_node *ito__resample(ito__builder *b, ito_node *x, ito__resampling how);
/* The same followed (down: combined) with a 3x3 convolution to `out` channels. */
ito_node *ito__resample_conv(ito__builder *b, ito_node *x, ito__resampling how, int64_t out);

/* x + h, divided by sqrt 2 when the config says skip_rescale: keeps the variance of a sum of two. */
ito_node *ito__residual(const ito__builder *b, ito_node *x, ito_node *h);

#endif
