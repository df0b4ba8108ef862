/* SPDX-License-Identifier: Apache-2.0
 *
 * How a network is told the time: labels [B] to features, and two dense layers on them. Positional:
 * sinusoids of the label (Vaswani et al. 2017, as [DDPM] uses them). Fourier: sinusoids of log sigma at
 * random, frozen frequencies (Tancik et al. 2020, [SDE] App. H).
 */
#include "networks/blocks.h"

#include <math.h>
#include <stdio.h>

/* [sin(phase) | cos(phase)], phase = labels x frequencies: [B, 2 n] for [B, 1] and [1, n]. */
static ito_node *sinusoids(ito_node *labels, ito_node *frequencies) {
    ito_node *phase = ito_mul(labels, frequencies);
    return ito_concat(2, (ito_node *[]){ito_sin(phase), ito_cos(phase)}, 1);
}

/* [B, dim]: wavelengths from 2 pi to 20000 pi, in geometric progression: both ends are included when the
 * shift is 1, as published, and the last is not when it is 0. */
static ito_node *positional(ito_graph *g, ito_node *labels, int64_t dim, int64_t shift) {
    int64_t half = dim / 2;
    ito_node *exponents = ito_reshape(ito__counting(g, half), ITO_SHAPE(1, half));
    return sinusoids(labels, ito_exp(ito_scale(exponents, -log(10000.0) / (double)(half - shift))));
}

static ito_node *fourier(ito__builder *b, const char *name, ito_node *labels, int64_t half) {
    ito_node *w = ito_buffer(b->g, name, ITO_SHAPE(half), ito_init_normal(b->config->fourier_scale));
    return sinusoids(ito_log(labels), ito_scale(ito_reshape(w, ITO_SHAPE(1, half)), 8 * atan(1)));
}

ito_node *ito__embed_labels(ito__builder *b, const char *frequencies) {
    int64_t nf = b->config->nf;
    ito_node *column = ito_reshape(b->labels, ITO_SHAPE(ito_node_shape(b->labels).dim[0], 1));
    return b->config->embedding_type == ITO_EMBEDDING_FOURIER
               ? fourier(b, frequencies, column, nf)
               : positional(b->g, column, nf, b->config->embed_freq_shift);
}

ito_node *ito__embed_classes(ito__builder *b, ito_node *h) {
    if (!b->classes) return h;
    ito_shape shape = ITO_SHAPE(b->config->classes + 1, ito_node_shape(h).dim[1]);
    ito_node *table = ito_param(b->g, "class_embedding.weight", shape, ito_init_normal(1));
    return ito_add(h, ito_embedding(table, b->classes));
}

void ito__module_embedding(ito__builder *b) {
    int64_t nf = b->config->nf;
    char name[64];
    snprintf(name, sizeof name, "all_modules.%d.W", b->module);
    ito_node *h = ito__embed_labels(b, name);
    if (b->config->embedding_type == ITO_EMBEDDING_FOURIER) b->module++;
    b->temb = NULL;
    if (!b->config->conditional) return;
    h = ito__layer_dense(b, "", h, 4 * nf);
    b->module++;
    h = ito__layer_dense(b, "", ito__activate(b, h), 4 * nf);
    b->module++;
    /* Every block reads it through the same activation. */
    b->temb = ito__activate(b, ito__embed_classes(b, h));
}
