/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds of network configurations that builders rely on.
 */
#ifndef ITO_NETWORKS_CONFIG_H
#define ITO_NETWORKS_CONFIG_H

#include <ito/networks.h>

#define ITO__MAX_RES_BLOCKS 64

/* Every field that the architecture reads, by itself and against the others, without building anything.
 * Errors as ito_network_check. */
ito_status ito__config_check_fields(const ito_network_config *c, ito_error *err);

/* Does this level of a U-Net have attention? */
bool ito__attends(const ito_network_config *c, int level);

/* Are labels noise levels themselves? Otherwise they count those of a discrete chain. */
bool ito__labels_are_sigma(const ito_network_config *c);

#endif
