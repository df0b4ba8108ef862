/* SPDX-License-Identifier: Apache-2.0
 *
 * The NCSN++ family, [SDE] App. H: a U-Net of residual blocks. Down the levels every state is remembered, in
 * the middle two blocks hold an attention, and up again each block takes the latest remembered state beside
 * its own. Image pyramids may join on the way down (progressive input) and up (progressive output).
 *
 * The walk makes modules in the order of the published list, so that parameter names and order agree.
 */
#include "networks/blocks.h"
#include "networks/config.h"

#include <stdio.h>

/* States of the way down, latest last. The first convolution, num_res_blocks per level, one between levels.
 */
typedef struct skips {
    int n;
    ito_node *h[1 + ITO_MAX_LEVELS * (ITO__MAX_RES_BLOCKS + 1)];
} skips;

static void scope(ito__builder *b, const char *part, int level) {
    char label[32];
    snprintf(label, sizeof label, "%s.%d", part, level);
    ito_graph_scope(b->g, label);
}

static bool attends(const ito_network_config *c, int level) {
    for (int i = 0; i < c->attn_count; i++)
        if (c->attn_resolutions[i] == c->image_size >> level) return true;
    return false;
}

/* From one level to the next smaller one; *pyramid is the input image at the level's size, if any. */
static ito_node *descend(ito__builder *b, ito_node *h, ito_node **pyramid) {
    const ito_network_config *c = b->config;
    h = ito__module_between(b, h, ITO__RESAMPLE_DOWN);
    switch (c->progressive_input) {
    case ITO_PROGRESSIVE_SKIP:
        *pyramid = ito__resample(b, *pyramid, ITO__RESAMPLE_DOWN);
        return ito__module_combine(b, *pyramid, h);
    case ITO_PROGRESSIVE_RESIDUAL:
        *pyramid = ito__module_pyramid(b, *pyramid, ITO__RESAMPLE_DOWN, ito__channels(h));
        *pyramid = ito__residual(b, *pyramid, h);
        return *pyramid;
    case ITO_PROGRESSIVE_NONE: break;
    }
    return h;
}

static void down(ito__builder *b, ito_node *x, skips *s) {
    const ito_network_config *c = b->config;
    ito_node *pyramid = x;
    ito_graph_scope(b->g, "in");
    ito_node *h = s->h[s->n++] = ito__module_conv(b, x, c->nf, 1);
    for (int level = 0; level < c->levels; level++) {
        scope(b, "down", level);
        for (int64_t i = 0; i < c->num_res_blocks; i++) {
            h = ito__module_resnet(b, h, c->nf * c->ch_mult[level], ITO__RESAMPLE_NONE);
            if (attends(c, level)) h = ito__module_attention(b, h);
            s->h[s->n++] = h;
        }
        if (level < c->levels - 1) h = s->h[s->n++] = descend(b, h, &pyramid);
    }
}

static ito_node *middle(ito__builder *b, ito_node *h) {
    ito_graph_scope(b->g, "middle");
    h = ito__module_resnet(b, h, ito__channels(h), ITO__RESAMPLE_NONE);
    h = ito__module_attention(b, h);
    return ito__module_resnet(b, h, ito__channels(h), ITO__RESAMPLE_NONE);
}

/* Adds a level's part to the output pyramid, NULL at the first (smallest) level, and returns it. */
static ito_node *grow(ito__builder *b, ito_node *pyramid, ito_node *h) {
    const ito_network_config *c = b->config;
    if (c->progressive == ITO_PROGRESSIVE_SKIP) {
        ito_node *part = ito__module_head(b, h, c->channels, c->init_scale);
        return pyramid ? ito_add(ito__resample(b, pyramid, ITO__RESAMPLE_UP), part) : part;
    }
    if (!pyramid) return ito__module_head(b, h, ito__channels(h), 1);
    return ito__residual(b, ito__module_pyramid(b, pyramid, ITO__RESAMPLE_UP, ito__channels(h)), h);
}

static ito_node *up(ito__builder *b, ito_node *h, skips *s) {
    const ito_network_config *c = b->config;
    ito_node *pyramid = NULL;
    for (int level = c->levels - 1; level >= 0; level--) {
        scope(b, "up", level);
        for (int64_t i = 0; i <= c->num_res_blocks; i++) {
            h = ito_concat(2, (ito_node *[]){h, s->h[--s->n]}, 1);
            h = ito__module_resnet(b, h, c->nf * c->ch_mult[level], ITO__RESAMPLE_NONE);
        }
        if (attends(c, level)) h = ito__module_attention(b, h);
        if (c->progressive != ITO_PROGRESSIVE_NONE) {
            bool first = !pyramid;
            pyramid = grow(b, pyramid, h);
            if (c->progressive == ITO_PROGRESSIVE_RESIDUAL && !first) h = pyramid;
        }
        if (level > 0) h = ito__module_between(b, h, ITO__RESAMPLE_UP);
    }
    ito_graph_scope(b->g, "out");
    return c->progressive == ITO_PROGRESSIVE_SKIP ? pyramid
                                                  : ito__module_head(b, h, c->channels, c->init_scale);
}

/* Poisons the graph when the config or the shapes of x and labels do not fit. */
static bool accepts(const ito_network_config *c, const ito_node *x, const ito_node *labels) {
    ito_graph *g = ito_node_graph(x);
    ito_error err = {0};
    ito_status st = ito__config_check_fields(c, &err);
    if (st != ITO_OK) {
        ito_graph_poison(g, st, "%s", err.message);
        return false;
    }
    ito_shape image = ito_node_shape(x);
    int64_t n = image.rank > 0 ? image.dim[0] : 0;
    if (!ito_shape_equal(image, ITO_SHAPE(n, c->channels, c->image_size, c->image_size)) ||
        !ito_shape_equal(ito_node_shape(labels), ITO_SHAPE(n))) {
        ito_graph_poison(g, ITO_E_SHAPE,
                         "network: needs x [B, %lld, %lld, %lld] and labels [B]: bind inputs of the recipe's "
                         "channels and image_size",
                         (long long)c->channels, (long long)c->image_size, (long long)c->image_size);
        return false;
    }
    return true;
}

ito_node *ito_network_build(const ito_network_config *c, ito_node *x, ito_node *labels, bool train) {
    if (!accepts(c, x, labels)) return x;
    ito__builder b = {.config = c, .g = ito_node_graph(x), .train = train};
    skips s = {0};

    ito_graph_scope(b.g, "embedding");
    ito__module_embedding(&b, labels);
    down(&b, c->centered ? x : ito_affine(x, 2, -1), &s);
    ito_node *h = up(&b, middle(&b, s.h[s.n - 1]), &s);

    if (c->scale_by_sigma) h = ito_div(h, ito_reshape(labels, ITO_SHAPE(ito_node_shape(x).dim[0], 1, 1, 1)));
    ito_graph_scope(b.g, "");
    return h;
}
