/* SPDX-License-Identifier: Apache-2.0
 *
 * The modules of the NCSN++ family. Each call makes one module of the published list, at b->module, and
 * increments that. Images are [B, C, H, W].
 */
#ifndef ITO_NETWORKS_BLOCKS_H
#define ITO_NETWORKS_BLOCKS_H

#include "networks/layers.h"

/* A residual block of the config's type: `out` channels; `how` resamples inside (BigGAN blocks only). */
ito_node *ito__module_resnet(ito__builder *b, ito_node *x, int64_t out, ito__resampling how);
/* Self-attention over the pixels of an image. */
ito_node *ito__module_attention(ito__builder *b, ito_node *x);
/* Up or down between two levels: a resampling residual block (BigGAN), or resampling alone (DDPM). */
ito_node *ito__module_between(ito__builder *b, ito_node *x, ito__resampling how);
/* Resampling and convolution of an image pyramid to `out` channels (progressive residual). */
ito_node *ito__module_pyramid(ito__builder *b, ito_node *x, ito__resampling how, int64_t out);
/* Joins an image pyramid to the features h: 1x1 convolution, then sum or concatenation. */
ito_node *ito__module_combine(ito__builder *b, ito_node *pyramid, ito_node *h);
/* Two modules, group norm and 3x3 convolution with silu between: features to `out` channels. */
ito_node *ito__module_head(ito__builder *b, ito_node *h, int64_t out, double scale);
/* A 3x3 convolution. */
ito_node *ito__module_conv(ito__builder *b, ito_node *x, int64_t out, double scale);

/* In embedding.c. */

/* One module for a Fourier embedding (its frequencies), two for a conditional network (dense layers): sets
 * b->temb from b->labels and b->classes. */
void ito__module_embedding(ito__builder *b);
/* Sinusoids of b->labels by the config's embedding_type: positional [B, nf]; Fourier [B, 2 nf], whose frozen
 * frequencies are named. */
ito_node *ito__embed_labels(ito__builder *b, const char *frequencies);
/* h [B, n] plus the row of b->classes in a table of classes and, last, the hidden class. */
ito_node *ito__embed_classes(ito__builder *b, ito_node *h);

#endif
