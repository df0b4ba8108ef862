/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of architectures, and what all have in common: shapes, data range, classes.
 */
#include "networks/config.h"
#include "networks/family.h"

const ito__family ito__families[ITO_ARCHITECTURE_COUNT] = {
    [ITO_NCSNPP] = {"ncsnpp", ito__check_ncsnpp, ito__build_ncsnpp, .knows_classes = true},
    [ITO_DDPM] = {"ddpm", ito__check_ddpm, ito__build_ddpm, .knows_classes = true},
    [ITO_NCSNV2_64] = {"ncsnv2_64", ito__check_ncsn, ito__build_ncsn, .always_reads_labels = true},
    [ITO_NCSNV2_128] = {"ncsnv2_128", ito__check_ncsn, ito__build_ncsn, .always_reads_labels = true},
    [ITO_NCSNV2_256] = {"ncsnv2_256", ito__check_ncsn, ito__build_ncsn, .always_reads_labels = true},
    [ITO_NCSN] = {"ncsn", ito__check_ncsn, ito__build_ncsn, .always_reads_labels = true},
    [ITO_MLP] = {"mlp", ito__check_mlp, ito__build_mlp, .always_reads_labels = true, .knows_classes = true},
};

const char *ito_architecture_name(ito_architecture a) {
    return ito__families[a].name;
}

bool ito_network_reads_labels(const ito_network_config *c) {
    return ito__families[c->architecture].always_reads_labels || c->conditional || c->scale_by_sigma;
}

/* Poisons the graph when the config or the shapes of x, labels and classes do not fit. */
static bool accepts(const ito_network_config *c, const ito_node *x, const ito_node *labels,
                    const ito_node *classes) {
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
        !ito_shape_equal(ito_node_shape(labels), ITO_SHAPE(n)) ||
        (classes && !ito_shape_equal(ito_node_shape(classes), ITO_SHAPE(n)))) {
        ito_graph_poison(g, ITO_E_SHAPE,
                         "network: needs x [B, %lld, %lld, %lld], labels and classes [B]: bind inputs of the "
                         "recipe's channels and image_size",
                         (long long)c->channels, (long long)c->image_size, (long long)c->image_size);
        return false;
    }
    if (classes && c->classes == 0) {
        ito_graph_poison(g, ITO_E_ARG, "classes: the network has none: set its number of classes");
        return false;
    }
    return true;
}

ito_node *ito_network_build_classes(const ito_network_config *c, ito_node *x, ito_node *labels,
                                    ito_node *classes, bool train) {
    if (!accepts(c, x, labels, classes)) return x;
    ito__builder b = {
        .config = c, .g = ito_node_graph(x), .labels = labels, .classes = classes, .train = train};
    if (c->classes > 0 && !classes) b.classes = ito_fill(b.g, (double)c->classes, ito_node_shape(labels));
    ito_node *y = ito__families[c->architecture].build(&b, c->centered ? x : ito_affine(x, 2, -1));
    ito_graph_scope(b.g, "");
    return y;
}

ito_node *ito_network_build(const ito_network_config *c, ito_node *x, ito_node *labels, bool train) {
    return ito_network_build_classes(c, x, labels, NULL, train);
}

/* Whether all channel counts fit their norms shows only along the walk: build one, at batch 1. */
ito_status ito_network_check(const ito_network_config *c, ito_error *err) {
    ito_graph *g = NULL;
    ito_status st = ito__config_check_fields(c, err);
    if (st != ITO_OK) goto done;
    if ((st = ito_graph_create(&g, err)) != ITO_OK) goto done;
    ito_node *x = ito_input(g, "x", ITO_SHAPE(1, c->channels, c->image_size, c->image_size));
    ito_network_build(c, x, ito_input(g, "labels", ITO_SHAPE(1)), false);
    st = ito_graph_status(g, err);
done:
    ito_graph_free(g);
    return st;
}
