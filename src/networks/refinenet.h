/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocks of NCSN and NCSNv2: a residual network down, a RefineNet (Lin et al. 2017) up, InstanceNorm++ or
 * a simpler norm throughout. In NCSN every norm, and there are more of them, is conditioned on the label.
 *
 * Published networks define some layers in another order than they use them, and checkpoints list them as
 * defined. Hence two steps: ito__declare_* makes a block's parameters under `name`, ito__apply_* builds on
 * them.
 */
#ifndef ITO_NETWORKS_REFINENET_H
#define ITO_NETWORKS_REFINENET_H

#include "networks/layers.h"

typedef struct ito__conv_layer {
    ito_node *weight, *bias; /* bias may be NULL */
    int dilation;
} ito__conv_layer;

/* A norm of C channels, of the config's normalization. InstanceNorm++: alpha, gamma, beta [C], or one table
 * [num_scales, 3 C] that labels read. VarianceNorm: alpha [C]. InstanceNorm: nothing. */
typedef struct ito__plus_norm {
    ito_node *alpha, *gamma, *beta, *table;
    double eps; /* added to the variance: 1e-5 */
} ito__plus_norm;

/* Norm, activation, convolution, twice; around it a shortcut. */
typedef struct ito__residual_block {
    ito__plus_norm norm[2];
    ito__conv_layer conv[2], shortcut; /* shortcut.weight is NULL where the input passes unchanged */
    bool pool;                         /* halves the image */
} ito__residual_block;

/* Residual convolution units: `count` times x + (activation, convolution) twice. */
typedef struct ito__rcu {
    int count;
    ito__plus_norm norm[3][2];
    ito__conv_layer conv[3][2];
} ito__rcu;

/* One step of the way up: joins a level's features with those of the level below. */
typedef struct ito__refine_block {
    int inputs; /* 1 at the bottom, otherwise 2 */
    ito__rcu adapt[2], output;
    ito__plus_norm fuse_norm[2], pool_norm[2];
    ito__conv_layer fuse[2], pool[2];
} ito__refine_block;

/* 3x3 with bias, at full size. */
ito__conv_layer ito__declare_conv(ito__builder *b, const char *name, int64_t in, int64_t out);
ito_node *ito__apply_conv(const ito__conv_layer *layer, ito_node *x);

ito__plus_norm ito__declare_norm(ito__builder *b, const char *name, int64_t channels);
ito_node *ito__apply_norm(const ito__builder *b, const ito__plus_norm *norm, ito_node *x);

/* dilation > 1 keeps the image's size even when `down`. */
ito__residual_block ito__declare_residual(ito__builder *b, const char *name, int64_t in, int64_t out,
                                          bool down, int dilation);
ito_node *ito__apply_residual(const ito__builder *b, const ito__residual_block *block, ito_node *x);

/* `units` residual units at the end. */
ito__refine_block ito__declare_refine(ito__builder *b, const char *name, int inputs, const int64_t *in,
                                      int64_t out, int units);
/* x[0] has the size of the result, x[1] may be smaller. */
ito_node *ito__apply_refine(const ito__builder *b, const ito__refine_block *block, ito_node *const *x);

#endif
