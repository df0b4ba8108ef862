/* SPDX-License-Identifier: Apache-2.0
 *
 * Residual blocks, attention, and the joints of image pyramids. Sources: [SDE] App. H; [DDPM] App. B;
 * Brock et al. 2019 (BigGAN) for resampling inside a residual block. Layers are made in the order of the
 * published definitions, which is also the order of the checkpoints' EMA lists.
 */
#include "networks/blocks.h"

#include <math.h>

static ito_node *norm_act(ito__builder *b, const char *layer, ito_node *x) {
    return ito__activate(b, ito__layer_norm(b, layer, x));
}

/* h [B, C, H, W] plus a per-image, per-channel shift read from the time embedding. A network that is not
 * conditional has the layer's parameters too, as published, and no use for them. */
static ito_node *add_time(ito__builder *b, ito_node *h) {
    int64_t channels = ito__channels(h);
    ito_node *temb = b->temb ? b->temb : ito_fill(b->g, 0, ITO_SHAPE(1, 4 * b->config->nf));
    ito_node *shift = ito__layer_dense(b, "Dense_0", temb, channels);
    if (!b->temb) return h;
    return ito_add(h, ito_reshape(shift, ITO_SHAPE(ito_node_shape(b->temb).dim[0], channels, 1, 1)));
}

/* The path around a residual block: x, brought to the block's channels and size. */
static ito_node *shortcut(ito__builder *b, ito_node *x, int64_t out, ito__resampling how) {
    const ito_network_config *c = b->config;
    if (ito__channels(x) == out && how == ITO__RESAMPLE_NONE) return x;
    if (c->resblock_type == ITO_RESBLOCK_DDPM) return ito__layer_nin(b, "NIN_0", x, out, 0.1);
    /* Repeating pixels commutes with a 1x1 convolution, which costs a quarter on the small image. A FIR does
     * not: its border would fade the bias. */
    bool convolve_first = how == ITO__RESAMPLE_UP && !c->fir;
    if (!convolve_first) x = ito__resample(b, x, how);
    x = ito__layer_conv(b, "Conv_2", x, out, 1, ito_conv_same(1), 1);
    return convolve_first ? ito__resample(b, x, how) : x;
}

ito_node *ito__module_resnet(ito__builder *b, ito_node *x, int64_t out, ito__resampling how) {
    const ito_network_config *c = b->config;

    ito_node *h = norm_act(b, "GroupNorm_0", x);
    h = ito__resample(b, h, how);
    h = ito__layer_conv(b, "Conv_0", h, out, 3, ito_conv_same(3), 1);
    h = add_time(b, h);
    h = norm_act(b, "GroupNorm_1", h);
    if (b->train && c->dropout > 0) h = ito_dropout(h, c->dropout);
    h = ito__layer_conv(b, "Conv_1", h, out, 3, ito_conv_same(3), c->init_scale);

    x = shortcut(b, x, out, how);
    b->module++;
    return ito__residual(b, x, h);
}

ito_node *ito__module_attention(ito__builder *b, ito_node *x) {
    int64_t channels = ito__channels(x);
    ito_node *h = ito__layer_norm(b, "GroupNorm_0", x);
    ito_node *q = ito__layer_nin(b, "NIN_0", h, channels, 0.1);
    ito_node *k = ito__layer_nin(b, "NIN_1", h, channels, 0.1);
    ito_node *v = ito__layer_nin(b, "NIN_2", h, channels, 0.1);

    int64_t width = b->config->attn_head_dim ? b->config->attn_head_dim : channels;
    h = ito_attention(q, k, v, width, 1 / sqrt((double)width));
    h = ito__layer_nin(b, "NIN_3", h, channels, b->config->init_scale);
    b->module++;
    return ito__residual(b, x, h);
}

ito_node *ito__module_between(ito__builder *b, ito_node *x, ito__resampling how) {
    if (b->config->resblock_type == ITO_RESBLOCK_BIGGAN)
        return ito__module_resnet(b, x, ito__channels(x), how);
    ito_node *h = b->config->resamp_with_conv ? ito__resample_conv(b, x, how, ito__channels(x))
                                              : ito__resample(b, x, how);
    b->module++;
    return h;
}

ito_node *ito__module_pyramid(ito__builder *b, ito_node *x, ito__resampling how, int64_t out) {
    ito_node *h = ito__resample_conv(b, x, how, out);
    b->module++;
    return h;
}

ito_node *ito__module_combine(ito__builder *b, ito_node *pyramid, ito_node *h) {
    ito_node *p = ito__layer_conv(b, "Conv_0", pyramid, ito__channels(h), 1, ito_conv_same(1), 1);
    b->module++;
    if (b->config->progressive_combine == ITO_COMBINE_CAT) return ito_concat(2, (ito_node *[]){p, h}, 1);
    return ito_add(p, h);
}

ito_node *ito__module_head(ito__builder *b, ito_node *h, int64_t out, double scale) {
    h = norm_act(b, "", h);
    b->module++;
    return ito__module_conv(b, h, out, scale);
}

ito_node *ito__module_conv(ito__builder *b, ito_node *x, int64_t out, double scale) {
    ito_node *h = ito__layer_conv(b, "", x, out, 3, ito_conv_same(3), scale);
    b->module++;
    return h;
}
