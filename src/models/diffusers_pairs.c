/* SPDX-License-Identifier: Apache-2.0
 *
 * Names: the walk of networks/ncsnpp.c once more, module by module, with what diffusers calls each tensor.
 * There a level is a block with lists of its own; here a network is one flat list of modules.
 */
#include "models/diffusers.h"
#include "networks/config.h"

#include <stdio.h>

typedef struct walk {
    const ito_network_config *c;
    ito__diffusers_pair *pairs;
    int count, capacity;
    int module; /* ours */
    int depth;  /* of the stack */
    int64_t stack[1 + ITO_MAX_LEVELS *
                          (ITO__MAX_RES_BLOCKS + 1)]; /* channels of the states kept on the way down */
} walk;

/* One tensor: leaf of our layer ("" for a module that is itself the layer), and its name there. */
static void tensor(walk *w, const char *layer, const char *leaf, const char *theirs, const char *their_leaf,
                   ito__diffusers_form form) {
    if (w->count++ >= w->capacity) return;
    ito__diffusers_pair *p = &w->pairs[w->count - 1];
    p->form = form;
    snprintf(p->ours, sizeof p->ours, "all_modules.%d.%s%s%s", w->module, layer, layer[0] ? "." : "", leaf);
    snprintf(p->theirs, sizeof p->theirs, "%s.%s", theirs, their_leaf);
}

/* Weight and bias of a layer: prefix.name there. */
static void layer(walk *w, const char *ours, const char *prefix, const char *name) {
    char theirs[80];
    snprintf(theirs, sizeof theirs, "%s%s%s", prefix, prefix[0] ? "." : "", name);
    tensor(w, ours, "weight", theirs, "weight", ITO__DIFFUSERS_SAME);
    tensor(w, ours, "bias", theirs, "bias", ITO__DIFFUSERS_SAME);
}

static void nin(walk *w, const char *ours, const char *prefix, const char *name) {
    char theirs[80];
    snprintf(theirs, sizeof theirs, "%s.%s", prefix, name);
    tensor(w, ours, "W", theirs, "weight", ITO__DIFFUSERS_MATRIX);
    tensor(w, ours, "b", theirs, "bias", ITO__DIFFUSERS_SAME);
}

/* A module that is one layer. */
static void single(walk *w, const char *prefix, const char *name) {
    layer(w, "", prefix, name);
    w->module++;
}

static void resnet(walk *w, const char *prefix, bool with_shortcut) {
    layer(w, "GroupNorm_0", prefix, "norm1");
    layer(w, "Conv_0", prefix, "conv1");
    layer(w, "Dense_0", prefix, "time_emb_proj");
    layer(w, "GroupNorm_1", prefix, "norm2");
    layer(w, "Conv_1", prefix, "conv2");
    if (with_shortcut && w->c->architecture == ITO_DDPM) nin(w, "NIN_0", prefix, "conv_shortcut");
    if (with_shortcut && w->c->architecture == ITO_NCSNPP) layer(w, "Conv_2", prefix, "conv_shortcut");
    w->module++;
}

static void attention(walk *w, const char *prefix) {
    layer(w, "GroupNorm_0", prefix, "group_norm");
    nin(w, "NIN_0", prefix, "to_q");
    nin(w, "NIN_1", prefix, "to_k");
    nin(w, "NIN_2", prefix, "to_v");
    nin(w, "NIN_3", prefix, "to_out.0");
    w->module++;
}

/* "up_blocks.1.resnets.0" */
static const char *at(char out[64], const char *blocks, int level, const char *list, int i) {
    snprintf(out, 64, "%s.%d.%s.%d", blocks, level, list, i);
    return out;
}

static void embedding(walk *w) {
    if (w->c->architecture == ITO_NCSNPP && w->c->embedding_type == ITO_EMBEDDING_FOURIER) {
        tensor(w, "", "W", "time_proj", "weight", ITO__DIFFUSERS_SAME);
        w->module++;
    }
    tensor(w, "", "weight", "time_embedding.linear_1", "weight", ITO__DIFFUSERS_WAVES);
    tensor(w, "", "bias", "time_embedding.linear_1", "bias", ITO__DIFFUSERS_SAME);
    w->module++;
    single(w, "time_embedding", "linear_2");
}

static int64_t down(walk *w) {
    const ito_network_config *c = w->c;
    int64_t h = w->stack[w->depth++] = c->nf;
    char name[64], block[32];
    single(w, "", "conv_in");
    for (int level = 0; level < c->levels; level++) {
        int64_t channels = c->nf * c->ch_mult[level];
        for (int i = 0; i < c->num_res_blocks; i++) {
            resnet(w, at(name, "down_blocks", level, "resnets", i), h != channels);
            if (ito__attends(c, level)) attention(w, at(name, "down_blocks", level, "attentions", i));
            h = w->stack[w->depth++] = channels;
        }
        if (level == c->levels - 1) break;
        snprintf(block, sizeof block, "down_blocks.%d", level);
        if (c->architecture == ITO_DDPM) {
            layer(w, "Conv_0", block, "downsamplers.0.conv");
            w->module++;
        } else {
            snprintf(name, sizeof name, "%s.resnet_down", block);
            resnet(w, name, true);
            layer(w, "Conv_0", block, "skip_conv");
            w->module++;
        }
        w->stack[w->depth++] = h;
    }
    return h;
}

static void up(walk *w, int64_t h) {
    const ito_network_config *c = w->c;
    char name[64], block[32];
    for (int level = c->levels - 1; level >= 0; level--) {
        int64_t channels = c->nf * c->ch_mult[level];
        int theirs = c->levels - 1 - level;
        for (int i = 0; i <= c->num_res_blocks; i++) {
            resnet(w, at(name, "up_blocks", theirs, "resnets", i), h + w->stack[--w->depth] != channels);
            bool last = i == c->num_res_blocks;
            if (ito__attends(c, level) && (c->attn_every_up || last))
                attention(w, at(name, "up_blocks", theirs, "attentions", c->attn_every_up ? i : 0));
            h = channels;
        }
        if (level == 0) break;
        snprintf(block, sizeof block, "up_blocks.%d", theirs);
        if (c->architecture == ITO_DDPM) {
            layer(w, "Conv_0", block, "upsamplers.0.conv");
            w->module++;
        } else {
            single(w, block, "skip_norm");
            single(w, block, "skip_conv");
            snprintf(name, sizeof name, "%s.resnet_up", block);
            resnet(w, name, true);
        }
    }
}

int ito__diffusers_pairs(const ito_network_config *c, int capacity, ito__diffusers_pair *pairs) {
    walk w = {.c = c, .pairs = pairs, .capacity = capacity};
    embedding(&w);
    int64_t h = down(&w);
    resnet(&w, "mid_block.resnets.0", false);
    attention(&w, "mid_block.attentions.0");
    resnet(&w, "mid_block.resnets.1", false);
    up(&w, h);
    single(&w, "", "conv_norm_out");
    single(&w, "", "conv_out");
    return w.count;
}
