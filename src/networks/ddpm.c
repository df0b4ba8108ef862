/* SPDX-License-Identifier: Apache-2.0
 *
 * [DDPM] App. B, as [SDE] trains it: the walk of the NCSN++ family with its plainest options. Blocks do not
 * resample, sums are not rescaled, no image pyramids, and a sinusoidal embedding of the label.
 */
#include "networks/family.h"

ito_node *ito__build_ddpm(ito__builder *b, ito_node *x) {
    ito_network_config c = *b->config;
    c.resblock_type = ITO_RESBLOCK_DDPM;
    c.fir = c.skip_rescale = false;
    c.embedding_type = ITO_EMBEDDING_POSITIONAL;
    c.progressive = c.progressive_input = ITO_PROGRESSIVE_NONE;
    c.init_scale = 0;

    ito__builder ddpm = *b;
    ddpm.config = &c;
    return ito__build_ncsnpp(&ddpm, x);
}
