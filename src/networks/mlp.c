/* SPDX-License-Identifier: Apache-2.0
 *
 * A multilayer perceptron for points, told the time: residual blocks of width nf, each with a shift read from
 * the time embedding between its two layers, as in the blocks of the image networks without their norms. Not
 * of a paper.
 *
 *   h = x W_in;   h += W_1 act(W_0 act(h) + W_t e(t))   num_res_blocks times;   y = W_out act(h)
 *
 * W_out starts near zero, so that training starts from the zero function.
 */
#include "networks/blocks.h"
#include "networks/family.h"

#include <stdio.h>

/* [B, out] of h [B, in]: name.weight [out, in] and name.bias [out]. */
static ito_node *dense(ito__builder *b, const char *name, ito_node *h, int64_t out, double scale) {
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    ito_shape shape = ITO_SHAPE(out, ito_node_shape(h).dim[1]);
    ito_node *weight = ito_param(b->g, full, shape, ito_init_fan_avg(scale));
    snprintf(full, sizeof full, "%s.bias", name);
    return ito_add(ito_matmul(h, weight, false, true),
                   ito_param(b->g, full, ITO_SHAPE(out), ito_init_zeros()));
}

static ito_node *block(ito__builder *b, int64_t index, ito_node *h, ito_node *temb) {
    int64_t width = b->config->nf;
    char name[3][32];
    static const char *const parts[3] = {"time", "0", "1"};
    for (int i = 0; i < 3; i++) snprintf(name[i], sizeof name[i], "blocks.%d.%s", (int)index, parts[i]);
    ito_node *shift = dense(b, name[0], temb, width, 1);
    ito_node *u = ito_add(dense(b, name[1], ito__activate(b, h), width, 1), shift);
    return ito_add(h, dense(b, name[2], ito__activate(b, u), width, 1));
}

ito_node *ito__build_mlp(ito__builder *b, ito_node *x) {
    ito_shape shape = ito_node_shape(x);
    int64_t n = shape.dim[0], dim = ito_shape_count(shape) / n, width = b->config->nf;

    ito_graph_scope(b->g, "embedding");
    ito_node *temb = dense(b, "embedding.0", ito__embed_labels(b, "embedding.W"), width, 1);
    temb = dense(b, "embedding.1", ito__activate(b, temb), width, 1);
    temb = ito__activate(b, ito__embed_classes(b, temb));

    ito_graph_scope(b->g, "blocks");
    ito_node *h = dense(b, "input", ito_reshape(x, ITO_SHAPE(n, dim)), width, 1);
    for (int64_t i = 0; i < b->config->num_res_blocks; i++) h = block(b, i, h, temb);
    h = ito_reshape(dense(b, "output", ito__activate(b, h), dim, 0), shape);
    return b->config->scale_by_sigma ? ito_div(h, ito__sigma(b)) : h;
}
