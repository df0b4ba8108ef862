/* SPDX-License-Identifier: Apache-2.0
 *
 * How a network is told the time: labels [B] to features, and two dense layers on them. Positional:
 * sinusoids of the label (Vaswani et al. 2017, as [DDPM] uses them). Fourier: sinusoids of log sigma at
 * random, frozen frequencies (Tancik et al. 2020, [SDE] App. H).
 */
#include "networks/blocks.h"

#include <math.h>
#include <stdio.h>

/* [1, n] holding 0, 1, ... n - 1, by doubling: exact in float32. */
static ito_node *counting(ito_graph *g, int64_t n) {
    ito_node *x = ito_fill(g, 0, ITO_SHAPE(1, 1));
    int64_t length = 1;
    for (; length < n; length *= 2) x = ito_concat(2, (ito_node *[]){x, ito_affine(x, 1, (double)length)}, 1);
    return length == n ? x : ito_slice(x, 1, 0, n);
}

/* [sin(phase) | cos(phase)], phase = labels x frequencies: [B, 2 n] for [B, 1] and [1, n]. */
static ito_node *sinusoids(ito_node *labels, ito_node *frequencies) {
    ito_node *phase = ito_mul(labels, frequencies);
    return ito_concat(2, (ito_node *[]){ito_sin(phase), ito_cos(phase)}, 1);
}

/* [B, dim]: wavelengths from 2 pi to 20000 pi, in geometric progression with both ends included. */
static ito_node *positional(ito_graph *g, ito_node *labels, int64_t dim) {
    int64_t half = dim / 2;
    ito_node *frequencies = ito_exp(ito_scale(counting(g, half), -log(10000.0) / (double)(half - 1)));
    return sinusoids(labels, frequencies);
}

static ito_node *fourier(ito__builder *b, ito_node *labels) {
    int64_t nf = b->config->nf;
    char name[64];
    snprintf(name, sizeof name, "all_modules.%d.W", b->module);
    ito_node *w = ito_buffer(b->g, name, ITO_SHAPE(nf), ito_init_normal(b->config->fourier_scale));
    b->module++;
    return sinusoids(ito_log(labels), ito_scale(ito_reshape(w, ITO_SHAPE(1, nf)), 8 * atan(1)));
}

void ito__module_embedding(ito__builder *b, ito_node *labels) {
    int64_t nf = b->config->nf;
    ito_node *column = ito_reshape(labels, ITO_SHAPE(ito_node_shape(labels).dim[0], 1));
    ito_node *h = b->config->embedding_type == ITO_EMBEDDING_FOURIER ? fourier(b, column)
                                                                     : positional(b->g, column, nf);
    b->temb = NULL;
    if (!b->config->conditional) return;
    h = ito__layer_dense(b, "", h, 4 * nf);
    b->module++;
    h = ito__layer_dense(b, "", ito_silu(h), 4 * nf);
    b->module++;
    b->temb = ito_silu(h); /* every block reads it through the same silu */
}
