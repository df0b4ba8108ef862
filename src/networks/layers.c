/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions, dense layers, norms and resampling with published parameter names. See layers.h.
 */
#include "networks/layers.h"

#include "networks/config.h"

#include <math.h>
#include <stdio.h>

int64_t ito__channels(const ito_node *x) {
    ito_shape shape = ito_node_shape(x);
    return shape.rank == 4 && shape.dim[1] > 0 ? shape.dim[1] : 1;
}

ito_node *ito__activate(const ito__builder *b, ito_node *x) {
    switch (b->config->nonlinearity) {
    case ITO_ACTIVATION_SWISH: return ito_silu(x);
    case ITO_ACTIVATION_ELU: return ito_elu(x);
    case ITO_ACTIVATION_RELU: return ito_relu(x);
    case ITO_ACTIVATION_LRELU: return ito_sub(ito_relu(x), ito_scale(ito_relu(ito_neg(x)), 0.2));
    }
    return x;
}

/* By doubling: exact in float32. */
ito_node *ito__counting(ito_graph *g, int64_t n) {
    ito_node *x = ito_fill(g, 0, ITO_SHAPE(1, 1));
    int64_t length = 1;
    for (; length < n; length *= 2) x = ito_concat(2, (ito_node *[]){x, ito_affine(x, 1, (double)length)}, 0);
    return length == n ? x : ito_slice(x, 0, 0, n);
}

/* sigma_i = sigma_max (sigma_min / sigma_max)^(i / (N - 1)). */
ito_node *ito__sigma(const ito__builder *b) {
    const ito_network_config *c = b->config;
    ito_node *labels = ito_reshape(b->labels, ITO_SHAPE(ito_node_shape(b->labels).dim[0], 1, 1, 1));
    if (ito__labels_are_sigma(c)) return labels;
    double step = log(c->sigma_min / c->sigma_max) / (double)(c->num_scales - 1);
    return ito_exp(ito_affine(labels, step, log(c->sigma_max)));
}

static ito_node *param(ito__builder *b, const char *layer, const char *leaf, ito_shape shape, ito_init init) {
    char name[64];
    snprintf(name, sizeof name, "all_modules.%d.%s%s%s", b->module, layer, layer[0] ? "." : "", leaf);
    return ito_param(b->g, name, shape, init);
}

ito_node *ito__layer_conv(ito__builder *b, const char *layer, ito_node *x, int64_t out, int kernel,
                          ito_conv conv, double scale) {
    ito_shape shape = ITO_SHAPE(out, ito__channels(x), kernel, kernel);
    ito_node *weight = param(b, layer, "weight", shape, ito_init_fan_avg(scale));
    ito_node *bias = param(b, layer, "bias", ITO_SHAPE(out), ito_init_zeros());
    return ito_conv2d(x, weight, bias, conv);
}

ito_node *ito__layer_dense(ito__builder *b, const char *layer, ito_node *x, int64_t out) {
    ito_node *weight =
        param(b, layer, "weight", ITO_SHAPE(out, ito_node_shape(x).dim[1]), ito_init_fan_avg(1));
    ito_node *bias = param(b, layer, "bias", ITO_SHAPE(out), ito_init_zeros());
    return ito_add(ito_matmul(x, weight, false, true), bias);
}

ito_node *ito__layer_nin(ito__builder *b, const char *layer, ito_node *x, int64_t out, double scale) {
    int64_t in = ito__channels(x);
    ito_node *weight = param(b, layer, "W", ITO_SHAPE(in, out), ito_init_fan_avg(scale));
    ito_node *bias = param(b, layer, "b", ITO_SHAPE(out), ito_init_zeros());
    /* As a convolution its input and output stay in the layout of the convolutions around it. */
    ito_node *kernel = ito_reshape(ito_permute(weight, (int[]){1, 0}), ITO_SHAPE(out, in, 1, 1));
    return ito_conv2d(x, kernel, bias, ito_conv_same(1));
}

ito_node *ito__layer_norm(ito__builder *b, const char *layer, ito_node *x) {
    int64_t channels = ito__channels(x);
    int64_t groups = b->config->norm_groups;
    if (groups == 0) groups = channels / 4 < 32 ? channels / 4 : 32;
    if (groups < 1) groups = 1;
    if (channels % groups != 0)
        ito_graph_poison(b->g, ITO_E_SHAPE,
                         "a group norm (module %d) has %lld channels, which its %lld groups do not "
                         "divide: use an nf that is a multiple of 32",
                         b->module, (long long)channels, (long long)groups);
    ito_node *weight = param(b, layer, "weight", ITO_SHAPE(channels), ito_init_ones());
    ito_node *bias = param(b, layer, "bias", ITO_SHAPE(channels), ito_init_zeros());
    return ito_group_norm(x, weight, bias, (int)groups, b->config->norm_eps);
}

/* The filter of StyleGAN2's resampling by two. Taps are normalized to sum 1 (2 when upsampling, which makes
 * up for the zeros between samples). `margin` widens the padding for an unpadded convolution that follows. */
static ito_node *fir(ito__builder *b, ito_node *x, ito__resampling how, int margin) {
    const ito_network_config *c = b->config;
    int up = how == ITO__RESAMPLE_UP ? 2 : 1, spare = c->fir_taps - 2;
    double sum = 0;
    for (int i = 0; i < c->fir_taps; i++) sum += (double)c->fir_kernel[i];
    ito_fir f = {.up = up,
                 .down = how == ITO__RESAMPLE_DOWN ? 2 : 1,
                 .pad_before = (spare + 1) / 2 + (up - 1) + margin,
                 .pad_after = spare / 2 + margin,
                 .ntaps = c->fir_taps};
    if (margin > 0) f.down = 1; /* the strided convolution that follows takes every second sample */
    for (int i = 0; i < c->fir_taps; i++) f.taps[i] = up * (double)c->fir_kernel[i] / sum;
    return ito_upfirdn(x, f);
}

ito_node *ito__resample(ito__builder *b, ito_node *x, ito__resampling how) {
    if (how == ITO__RESAMPLE_NONE) return x;
    if (b->config->fir) return fir(b, x, how, 0);
    return how == ITO__RESAMPLE_UP ? ito_upsample_nearest(x, 2) : ito_average_pool(x, 2);
}

ito_node *ito__resample_conv(ito__builder *b, ito_node *x, ito__resampling how, int64_t out) {
    ito_conv valid = {.stride = how == ITO__RESAMPLE_DOWN ? 2 : 1, .pad = 0, .dilation = 1};
    if (b->config->fir) {
        /* The image is padded once, ahead of the filter: its tails, not zeros, feed the convolution's border.
         * For upsampling the published PyTorch code cannot run; this is the StyleGAN2 form it ports (there
         * convolution first, then filter: the two commute, since both see all of the padded image). */
        return ito__layer_conv(b, "Conv2d_0", fir(b, x, how, 1), out, 3, valid, 1);
    }
    if (how == ITO__RESAMPLE_UP)
        return ito__layer_conv(b, "Conv_0", ito_upsample_nearest(x, 2), out, 3, ito_conv_same(3), 1);
    if (b->config->pad_evenly) {
        valid.pad = 1;
        return ito__layer_conv(b, "Conv_0", x, out, 3, valid, 1);
    }
    x = ito_pad(ito_pad(x, 2, 0, 1), 3, 0, 1); /* below and right only, as TensorFlow pads "same" */
    return ito__layer_conv(b, "Conv_0", x, out, 3, valid, 1);
}

ito_node *ito__residual(const ito__builder *b, ito_node *x, ito_node *h) {
    ito_node *sum = ito_add(x, h);
    return b->config->skip_rescale ? ito_scale(sum, sqrt(0.5)) : sum;
}
