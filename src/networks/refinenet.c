/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocks of NCSN and NCSNv2. Sources: [NCSN] App. A (InstanceNorm++, Eq 6, and the conditional RefineNet),
 * [NCSNv2] App. C; Lin et al. 2017 (RefineNet). See refinenet.h.
 */
#include "networks/refinenet.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* A parameter's or block's name, as a value. */
typedef struct name {
    char text[96];
} name;

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
static name
named(const char *format, ...) {
    name n;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(n.text, sizeof n.text, format, arguments);
    va_end(arguments);
    return n;
}

/* ---- convolution ---- */

/* Weights and bias start uniform on +-1 / sqrt(fan_in), PyTorch's own way. */
static ito__conv_layer declare_conv(ito__builder *b, const char *prefix, int64_t in, int64_t out, int kernel,
                                    int dilation, bool bias) {
    ito_init init = ito_init_uniform(1 / sqrt((double)(in * kernel * kernel)));
    ito__conv_layer layer = {.dilation = dilation};
    layer.weight = ito_param(b->g, named("%s.weight", prefix).text, ITO_SHAPE(out, in, kernel, kernel), init);
    if (bias) layer.bias = ito_param(b->g, named("%s.bias", prefix).text, ITO_SHAPE(out), init);
    return layer;
}

ito__conv_layer ito__declare_conv(ito__builder *b, const char *prefix, int64_t in, int64_t out) {
    return declare_conv(b, prefix, in, out, 3, 1, true);
}

/* Padded by the dilation, a 3x3 kernel keeps the size; a 1x1 kernel needs no padding. */
ito_node *ito__apply_conv(const ito__conv_layer *layer, ito_node *x) {
    int kernel = (int)ito_node_shape(layer->weight).dim[2];
    ito_conv conv = {.stride = 1, .pad = kernel / 2 * layer->dilation, .dilation = layer->dilation};
    return ito_conv2d(x, layer->weight, layer->bias, conv);
}

/* ---- norms ---- */

ito__plus_norm ito__declare_norm(ito__builder *b, const char *prefix, int64_t channels) {
    ito__plus_norm norm = {.eps = 1e-5};
    if (b->config->architecture == ITO_NCSN) {
        ito_shape table = ITO_SHAPE(b->config->num_scales, 3 * channels);
        norm.table = ito_param(b->g, named("%s.embed.weight", prefix).text, table, ito_init_norm_rows(0.02));
        return norm;
    }
    if (b->config->normalization == ITO_NORMALIZATION_INSTANCE) return norm;
    ito_shape shape = ITO_SHAPE(channels);
    norm.alpha = ito_param(b->g, named("%s.alpha", prefix).text, shape, ito_init_near_one(0.02));
    if (b->config->normalization == ITO_NORMALIZATION_VARIANCE) return norm;
    norm.gamma = ito_param(b->g, named("%s.gamma", prefix).text, shape, ito_init_near_one(0.02));
    norm.beta = ito_param(b->g, named("%s.beta", prefix).text, shape, ito_init_zeros());
    return norm;
}

/* Each channel's mean mu [B, C, 1, 1], itself normalized over an image's channels (variance by 1/(C - 1)):
 * what an instance norm alone would forget. */
static ito_node *levels(ito_node *x) {
    int64_t n = ito_node_shape(x).dim[0], channels = ito__channels(x);
    ito_shape per_image = ITO_SHAPE(n, 1, 1, 1);
    ito_node *mu = ito_mean_to(x, ITO_SHAPE(n, channels, 1, 1));
    ito_node *centred = ito_sub(mu, ito_mean_to(mu, per_image));
    ito_node *variance = ito_scale(ito_sum_to(ito_square(centred), per_image), 1 / (double)(channels - 1));
    return ito_div(centred, ito_sqrt(ito_affine(variance, 1, 1e-5)));
}

/* alpha x / sigma, the variance by 1/(HW - 1). */
static ito_node *variance_norm(const ito__plus_norm *norm, ito_node *x) {
    ito_shape s = ito_node_shape(x), plane = ITO_SHAPE(s.dim[0], s.dim[1], 1, 1);
    ito_node *centred = ito_sub(x, ito_mean_to(x, plane));
    double share = 1 / (double)(s.dim[2] * s.dim[3] - 1);
    ito_node *variance = ito_scale(ito_sum_to(ito_square(centred), plane), share);
    ito_node *alpha = ito_reshape(norm->alpha, ITO_SHAPE(1, s.dim[1], 1, 1));
    return ito_mul(x, ito_div(alpha, ito_sqrt(ito_affine(variance, 1, norm->eps))));
}

/* gamma ((x - mu) / sigma + alpha levels) + beta, per image and channel. */
static ito_node *plus_norm(const ito__builder *b, const ito__plus_norm *norm, ito_node *x) {
    int64_t n = ito_node_shape(x).dim[0], channels = ito__channels(x);
    ito_node *level = levels(x);
    if (!norm->table) {
        ito_node *slope = ito_reshape(ito_mul(norm->gamma, norm->alpha), ITO_SHAPE(1, channels, 1, 1));
        ito_node *h = ito_group_norm(x, norm->gamma, norm->beta, (int)channels, norm->eps);
        return ito_add(h, ito_mul(slope, level));
    }
    ito_shape plane = ITO_SHAPE(n, channels, 1, 1);
    ito_node *rows = ito_embedding(norm->table, b->labels);
    ito_node *gamma = ito_reshape(ito_slice(rows, 1, 0, channels), plane);
    ito_node *alpha = ito_reshape(ito_slice(rows, 1, channels, 2 * channels), plane);
    ito_node *beta = ito_reshape(ito_slice(rows, 1, 2 * channels, 3 * channels), plane);
    ito_node *h = ito_group_norm(x, NULL, NULL, (int)channels, norm->eps);
    return ito_add(ito_mul(h, gamma), ito_add(ito_mul(ito_mul(gamma, alpha), level), beta));
}

ito_node *ito__apply_norm(const ito__builder *b, const ito__plus_norm *norm, ito_node *x) {
    switch (b->config->normalization) {
    case ITO_NORMALIZATION_INSTANCE: return ito_group_norm(x, NULL, NULL, (int)ito__channels(x), norm->eps);
    case ITO_NORMALIZATION_VARIANCE: return variance_norm(norm, x);
    default: return plus_norm(b, norm, x);
    }
}

/* ---- residual blocks ---- */

ito__residual_block ito__declare_residual(ito__builder *b, const char *prefix, int64_t in, int64_t out,
                                          bool down, int dilation) {
    ito__residual_block block = {.pool = down && dilation == 1};
    const char *pooled = block.pool ? ".conv" : ""; /* a pooling layer holds its convolution */
    int64_t between = down ? in : out;
    block.conv[0] = declare_conv(b, named("%s.conv1", prefix).text, in, between, 3, dilation, true);
    block.norm[1] = ito__declare_norm(b, named("%s.normalize2", prefix).text, between);
    block.conv[1] =
        declare_conv(b, named("%s.conv2%s", prefix, pooled).text, between, out, 3, dilation, true);
    if (down)
        block.shortcut = declare_conv(b, named("%s.shortcut%s", prefix, pooled).text, in, out,
                                      block.pool ? 1 : 3, dilation, true);
    block.norm[0] = ito__declare_norm(b, named("%s.normalize1", prefix).text, in);
    return block;
}

ito_node *ito__apply_residual(const ito__builder *b, const ito__residual_block *block, ito_node *x) {
    ito_node *h = x;
    for (int i = 0; i < 2; i++)
        h = ito__apply_conv(&block->conv[i], ito__activate(b, ito__apply_norm(b, &block->norm[i], h)));
    if (block->shortcut.weight) x = ito__apply_conv(&block->shortcut, x);
    h = ito_add(x, h);
    return block->pool ? ito_average_pool(h, 2) : h; /* a mean of sums is the sum of means */
}

/* ---- RefineNet ---- */

/* NCSN alone has norms here. */
static ito__plus_norm declare_extra_norm(ito__builder *b, const char *prefix, int64_t channels) {
    return b->config->architecture == ITO_NCSN ? ito__declare_norm(b, prefix, channels) : (ito__plus_norm){0};
}

static ito_node *extra_norm(const ito__builder *b, const ito__plus_norm *norm, ito_node *x) {
    return norm->table ? ito__apply_norm(b, norm, x) : x;
}

static ito__rcu declare_rcu(ito__builder *b, const char *prefix, int64_t channels, int count) {
    ito__rcu rcu = {.count = count};
    for (int i = 0; i < count; i++)
        for (int j = 0; j < 2; j++) {
            name unit = named("%s.%d_%d", prefix, i + 1, j + 1);
            rcu.norm[i][j] = declare_extra_norm(b, named("%s_norm", unit.text).text, channels);
            rcu.conv[i][j] =
                declare_conv(b, named("%s_conv", unit.text).text, channels, channels, 3, 1, false);
        }
    return rcu;
}

static ito_node *residual_units(const ito__builder *b, const ito__rcu *rcu, ito_node *x) {
    for (int i = 0; i < rcu->count; i++) {
        ito_node *h = x;
        for (int j = 0; j < 2; j++)
            h = ito__apply_conv(&rcu->conv[i][j], ito__activate(b, extra_norm(b, &rcu->norm[i][j], h)));
        x = ito_add(h, x);
    }
    return x;
}

ito__refine_block ito__declare_refine(ito__builder *b, const char *prefix, int inputs, const int64_t *in,
                                      int64_t out, int units) {
    ito__refine_block r = {.inputs = inputs};
    for (int i = 0; i < inputs; i++)
        r.adapt[i] = declare_rcu(b, named("%s.adapt_convs.%d", prefix, i).text, in[i], 2);
    r.output = declare_rcu(b, named("%s.output_convs", prefix).text, out, units);
    if (inputs > 1) {
        for (int i = 0; i < inputs; i++)
            r.fuse[i] = ito__declare_conv(b, named("%s.msf.convs.%d", prefix, i).text, in[i], out);
        for (int i = 0; i < inputs; i++)
            r.fuse_norm[i] = declare_extra_norm(b, named("%s.msf.norms.%d", prefix, i).text, in[i]);
    }
    for (int i = 0; i < 2; i++)
        r.pool[i] = declare_conv(b, named("%s.crp.convs.%d", prefix, i).text, out, out, 3, 1, false);
    for (int i = 0; i < 2; i++)
        r.pool_norm[i] = declare_extra_norm(b, named("%s.crp.norms.%d", prefix, i).text, out);
    return r;
}

/* [to, from]: row i holds the weights of linear interpolation at i (from - 1) / (to - 1), so that the ends
 * meet; as a hat function, max(0, 1 - |position - column|). */
static ito_node *interpolation(ito_graph *g, int64_t from, int64_t to) {
    double step = to > 1 ? (double)(from - 1) / (double)(to - 1) : 0;
    ito_node *position = ito_scale(ito__counting(g, to), step);
    ito_node *column = ito_reshape(ito__counting(g, from), ITO_SHAPE(1, from));
    ito_node *d = ito_sub(position, column);
    ito_node *distance = ito_add(ito_relu(d), ito_relu(ito_neg(d)));
    return ito_relu(ito_affine(distance, -1, 1));
}

/* Bilinear, corner pixels onto corner pixels. */
static ito_node *resize(ito_node *x, int64_t size) {
    int64_t from = ito_node_shape(x).dim[2];
    if (from == size) return x;
    ito_node *m = interpolation(ito_node_graph(x), from, size);
    return ito_matmul(m, ito_matmul(x, m, false, true), false, false);
}

/* Multi-resolution fusion. */
static ito_node *fuse(const ito__builder *b, const ito__refine_block *r, ito_node *const *x, int64_t size) {
    ito_node *sum = NULL;
    for (int i = 0; i < r->inputs; i++) {
        ito_node *h = ito__apply_conv(&r->fuse[i], extra_norm(b, &r->fuse_norm[i], x[i]));
        h = resize(h, size);
        sum = sum ? ito_add(sum, h) : h;
    }
    return sum;
}

/* The mean (NCSN) or the largest (NCSNv2) of the 5 x 5 pixels around each; the mean counts zeros beyond the
 * border. */
static ito_node *pool(const ito__builder *b, ito_node *x) {
    static const ito_fir mean = {1, 1, 2, 2, 5, {0.2, 0.2, 0.2, 0.2, 0.2}};
    return b->config->architecture == ITO_NCSN ? ito_upfirdn(x, mean) : ito_max_pool(x, 5);
}

/* Chained residual pooling. */
static ito_node *pool_chain(const ito__builder *b, const ito__refine_block *r, ito_node *x) {
    x = ito__activate(b, x);
    ito_node *path = x;
    for (int i = 0; i < 2; i++) {
        path = ito__apply_conv(&r->pool[i], pool(b, extra_norm(b, &r->pool_norm[i], path)));
        x = ito_add(path, x);
    }
    return x;
}

ito_node *ito__apply_refine(const ito__builder *b, const ito__refine_block *r, ito_node *const *x) {
    ito_node *h[2] = {NULL};
    for (int i = 0; i < r->inputs; i++) h[i] = residual_units(b, &r->adapt[i], x[i]);
    ito_node *y = r->inputs > 1 ? fuse(b, r, h, ito_node_shape(x[0]).dim[2]) : h[0];
    return residual_units(b, &r->output, pool_chain(b, r, y));
}
