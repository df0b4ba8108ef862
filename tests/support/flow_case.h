/* SPDX-License-Identifier: Apache-2.0
 *
 * The data that flows are tried on: a Gaussian, whose solutions are known in closed form, and two bumps.
 */
#ifndef ITO_TESTS_FLOW_CASE_H
#define ITO_TESTS_FLOW_CASE_H

#include "support/mixture.h"
#include <cmocka.h>

enum { dim = 3 };

static const double one = 1, std_one = 0.4, center[dim] = {0.7, -0.3, 0.1};
static const double weights[2] = {0.4, 0.6}, stds[2] = {0.3, 0.5};
static const double means[2 * dim] = {-1, 0.5, 0, 1, 0, 0.5};

static inline mixture gaussian(ito_sde_kind kind) {
    return (mixture){.sde = ito_sde_default(kind), .K = 1, .dim = dim, .w = &one, .m = center, .s = &std_one};
}

static inline mixture two_bumps(ito_sde_kind kind) {
    return (mixture){.sde = ito_sde_default(kind), .K = 2, .dim = dim, .w = weights, .m = means, .s = stds};
}

static inline void expect_ok(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

#endif
