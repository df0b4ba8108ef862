/* SPDX-License-Identifier: Apache-2.0
 *
 * An architecture in one record. To add one: a builder in a file of its own, its fields' check in config.c, a
 * row in network.c.
 */
#ifndef ITO_NETWORKS_FAMILY_H
#define ITO_NETWORKS_FAMILY_H

#include "networks/layers.h"

typedef struct ito__family {
    const char *name; /* of the published configurations */
    /* Fields by themselves and against each other, without building. Errors as ito_network_check. */
    ito_status (*check)(const ito_network_config *c, ito_error *err);
    /* x: images in [-1, 1], [B, C, S, S] -> [B, C, S, S]. b->temb and b->module are the builder's own. */
    ito_node *(*build)(ito__builder *b, ito_node *x);
    bool always_reads_labels;
    bool knows_classes;
} ito__family;

extern const ito__family ito__families[ITO_ARCHITECTURE_COUNT];

ito_node *ito__build_ncsnpp(ito__builder *b, ito_node *x); /* ncsnpp.c */
ito_node *ito__build_ddpm(ito__builder *b, ito_node *x);   /* ddpm.c */
ito_node *ito__build_ncsn(ito__builder *b, ito_node *x);   /* ncsn.c: NCSN and NCSNv2 */
ito_node *ito__build_mlp(ito__builder *b, ito_node *x);    /* mlp.c */

/* config.c */
ito_status ito__check_ncsnpp(const ito_network_config *c, ito_error *err);
ito_status ito__check_ddpm(const ito_network_config *c, ito_error *err);
ito_status ito__check_ncsn(const ito_network_config *c, ito_error *err);
ito_status ito__check_mlp(const ito_network_config *c, ito_error *err);

#endif
