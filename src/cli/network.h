/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph of a recipe's network, for those who count or time it.
 */
#ifndef ITO_CLI_NETWORK_H
#define ITO_CLI_NETWORK_H

#include <ito/recipe.h>

typedef struct cli_network {
    ito_graph *graph;
    ito_node *x, *labels, *out; /* [batch, C, S, S], [batch], [batch, C, S, S] */
} cli_network;

ito_status cli_network_build(cli_network *network, const ito_recipe *recipe, int64_t batch, ito_error *err);
void cli_network_release(cli_network *network);

/* What a network is before its weights are there. */
typedef struct cli_network_size {
    /* As published counts have it: frozen Fourier frequencies are parameters too. */
    int64_t parameters, tensors;
    double bytes; /* of the weights in memory */
} cli_network_size;
ito_status cli_network_measure(const ito_recipe *recipe, cli_network_size *size, ito_error *err);
/* Floating-point operations of one image forward. */
ito_status cli_network_flops(const ito_recipe *recipe, double *flops, ito_error *err);

#endif
