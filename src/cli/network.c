/* SPDX-License-Identifier: Apache-2.0
 *
 * Building a recipe's network outside training and sampling.
 */
#include "network.h"

ito_status cli_network_build(cli_network *network, const ito_recipe *recipe, int64_t batch, ito_error *err) {
    int64_t C = recipe->data.channels, S = recipe->data.image_size;
    *network = (cli_network){0};
    ito_status st = ito_graph_create(&network->graph, err);
    if (st != ITO_OK) return st;
    network->x = ito_input(network->graph, "x", ITO_SHAPE(batch, C, S, S));
    network->labels = ito_input(network->graph, "labels", ITO_SHAPE(batch));
    network->out = ito_network_build(&recipe->network, network->x, network->labels, false);
    return ito_graph_status(network->graph, err);
}

void cli_network_release(cli_network *network) {
    ito_graph_free(network->graph);
    *network = (cli_network){0};
}

ito_status cli_network_measure(const ito_recipe *recipe, cli_network_size *size, ito_error *err) {
    cli_network network;
    ito_status st = cli_network_build(&network, recipe, 1, err);
    if (st == ITO_OK) {
        *size = (cli_network_size){.parameters = ito_graph_params_numbers(network.graph),
                                   .tensors = ito_graph_param_count(network.graph),
                                   .bytes = (double)ito_graph_params_bytes(network.graph)};
    }
    cli_network_release(&network);
    return st;
}

ito_status cli_network_flops(const ito_recipe *recipe, double *flops, ito_error *err) {
    cli_network network;
    ito_plan *plan = NULL;
    ito_plan_options options = ito_plan_default();
    options.sizes_only = true;
    ito_status st = cli_network_build(&network, recipe, 1, err);
    if (st == ITO_OK) st = ito_plan_create(network.graph, 1, &network.out, &options, &plan, err);
    if (st == ITO_OK) *flops = ito_plan_flops(plan);
    ito_plan_free(plan);
    cli_network_release(&network);
    return st;
}
