/* SPDX-License-Identifier: Apache-2.0
 *
 * NCSN [NCSN] and NCSNv2 [NCSNv2]: residual stages down, a RefineNet up. A stage is two residual blocks, the
 * first of which may change channels and halve the image; from the third or fourth on dilation takes the
 * place of halving. Every stage's features join the way up through a refine block.
 *
 * Both return the score: NCSNv2 divides its last convolution by the label's sigma, NCSN learns the scale by
 * its norms.
 */
#include "networks/family.h"
#include "networks/refinenet.h"

#include <stdio.h>

/* Channels in multiples of nf. `place`: of the refine block in the order of definition. */
typedef struct stage {
    const char *name;
    int in, out;
    bool down;
    int dilation;
    const char *refine;
    int refined, place;
} stage;

enum { MOST_STAGES = 6 };

/* NCSN has the stages of the smallest NCSNv2. */
static const stage stages_64[] = {
    {"res1", 1, 1, false, 1, "refine4", 1, 3},
    {"res2", 1, 2, true, 1, "refine3", 1, 2},
    {"res3", 2, 2, true, 2, "refine2", 2, 1},
    {"res4", 2, 2, true, 4, "refine1", 2, 0},
};
static const stage stages_128[] = {
    {"res1", 1, 1, false, 1, "refine5", 1, 4}, {"res2", 1, 2, true, 1, "refine4", 1, 3},
    {"res3", 2, 2, true, 1, "refine3", 2, 2},  {"res4", 2, 4, true, 2, "refine2", 2, 1},
    {"res5", 4, 4, true, 4, "refine1", 4, 0},
};
static const stage stages_256[] = {
    {"res1", 1, 1, false, 1, "refine5", 1, 5}, {"res2", 1, 2, true, 1, "refine4", 1, 4},
    {"res3", 2, 2, true, 1, "refine3", 2, 2},  {"res31", 2, 2, true, 1, "refine31", 2, 3},
    {"res4", 2, 4, true, 2, "refine2", 2, 1},  {"res5", 4, 4, true, 4, "refine1", 4, 0},
};

static const stage *stages_of(ito_architecture a, int *count) {
    switch (a) {
    case ITO_NCSNV2_128: *count = sizeof stages_128 / sizeof *stages_128; return stages_128;
    case ITO_NCSNV2_256: *count = sizeof stages_256 / sizeof *stages_256; return stages_256;
    default: *count = sizeof stages_64 / sizeof *stages_64; return stages_64;
    }
}

/* Everything with parameters, in the published order. */
typedef struct network {
    ito__conv_layer begin, end;
    ito__plus_norm normalizer;
    ito__residual_block res[MOST_STAGES][2];
    ito__refine_block refine[MOST_STAGES]; /* by stage */
} network;

static void declare(ito__builder *b, int count, const stage *s, network *n) {
    int64_t nf = b->config->nf, channels = b->config->channels;
    n->begin = ito__declare_conv(b, "begin_conv", channels, nf);
    n->normalizer = ito__declare_norm(b, "normalizer", nf);
    /* The published code passes a number of classes to whatever norm it is: an InstanceNorm takes it for eps.
     */
    if (b->config->normalization == ITO_NORMALIZATION_INSTANCE)
        n->normalizer.eps = (double)b->config->num_scales;
    n->end = ito__declare_conv(b, "end_conv", nf, channels);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 2; k++) {
            char name[32];
            snprintf(name, sizeof name, "%s.%d", s[i].name, k);
            n->res[i][k] = ito__declare_residual(b, name, nf * (k ? s[i].out : s[i].in), nf * s[i].out,
                                                 s[i].down && k == 0, s[i].dilation);
        }
    for (int place = 0; place < count; place++) {
        int i = 0;
        while (s[i].place != place) i++;
        bool bottom = i == count - 1;
        int64_t in[2] = {nf * s[i].out, bottom ? 0 : nf * s[i + 1].refined};
        n->refine[i] =
            ito__declare_refine(b, s[i].refine, bottom ? 1 : 2, in, nf * s[i].refined, i == 0 ? 3 : 1);
    }
}

ito_node *ito__build_ncsn(ito__builder *b, ito_node *x) {
    int count;
    const stage *s = stages_of(b->config->architecture, &count);
    network n;
    ito_node *layer[MOST_STAGES];
    declare(b, count, s, &n);

    ito_node *h = ito__apply_conv(&n.begin, x);
    for (int i = 0; i < count; i++) {
        ito_graph_scope(b->g, s[i].name);
        for (int k = 0; k < 2; k++) h = ito__apply_residual(b, &n.res[i][k], h);
        layer[i] = h;
    }
    for (int i = count - 1; i >= 0; i--) {
        ito_graph_scope(b->g, s[i].refine);
        h = ito__apply_refine(b, &n.refine[i], (ito_node *[]){layer[i], h});
    }
    ito_graph_scope(b->g, "out");
    h = ito__apply_conv(&n.end, ito__activate(b, ito__apply_norm(b, &n.normalizer, h)));
    return b->config->architecture == ITO_NCSN ? h : ito_div(h, ito__sigma(b));
}
