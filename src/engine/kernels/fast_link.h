/* SPDX-License-Identifier: Apache-2.0
 *
 * A link of a chain, as its op makes it ready for the driver (fast_chain.h).
 */
#ifndef ITO_ENGINE_FAST_LINK_H
#define ITO_ENGINE_FAST_LINK_H

#include "engine/kernels/fast_math.h"

/* xhat = x rstd + shift and u = x slope + level, for the channels of a panel, repeated over the lanes. */
typedef struct norm_lanes {
    float rstd[LANES], shift[LANES], slope[LANES], level[LANES];
} norm_lanes;

/* dx = slope du + tilt x + base */
typedef struct dx_lanes {
    float tilt[LANES], base[LANES];
} dx_lanes;

/* What depends on the channels of a panel. */
typedef struct link_lanes {
    float number[LANES]; /* of an operand with a number per channel, or fewer */
    norm_lanes norm;
    dx_lanes dx;
} link_lanes;

typedef struct chain_link chain_link;

/* Elements at .. at + n of the result, within a run, in whole vectors of LANES; a, b and out lie at the first
 * of them. The result may lie over an operand. */
typedef void link_compute(const chain_link *k, const link_lanes *v, const element *a, const element *b,
                          element *out, int64_t at, int64_t n);
#define LINK_COMPUTE(name)                                                                                   \
    static void name(const chain_link *k, const link_lanes *v, const element *a, const element *b,           \
                     element *out, int64_t at, int64_t n)

struct chain_link {
    const ito__call *call;
    const element *in[2]; /* read by element, a single one twice; NULL: what the link before has made */
    int64_t cycle[2];     /* elements after which they repeat */
    int64_t panel;        /* elements of a panel, where an operand is read by its parts; 0: none is */
    int64_t run; /* elements of the result from one change of lanes, or end of a cycle, to the next */
    float p, q;  /* coefficients of the op's attribute */
    const float *numbers; /* an operand of fewer: in a run of the result, `period` of them */
    int64_t n_numbers, period;
    /* Fills the lanes of the run in which element `at` is; NULL: none. */
    void (*ready)(const chain_link *k, int64_t at, link_lanes *v);
    link_compute *compute;
};

#endif
