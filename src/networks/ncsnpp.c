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
#include "networks/family.h"

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
            if (ito__attends(c, level)) h = ito__module_attention(b, h);
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
            if (ito__attends(c, level) && c->attn_every_up) h = ito__module_attention(b, h);
        }
        if (ito__attends(c, level) && !c->attn_every_up) h = ito__module_attention(b, h);
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

ito_node *ito__build_ncsnpp(ito__builder *b, ito_node *x) {
    skips s = {0};
    ito_graph_scope(b->g, "embedding");
    ito__module_embedding(b);
    down(b, x, &s);
    ito_node *h = up(b, middle(b, s.h[s.n - 1]), &s);
    return b->config->scale_by_sigma ? ito_div(h, ito__sigma(b)) : h;
}
