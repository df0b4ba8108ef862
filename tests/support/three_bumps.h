/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture in the plane of mean 0, so that the priors that keep the data's variance fit.
 */
#ifndef ITO_TESTS_THREE_BUMPS_H
#define ITO_TESTS_THREE_BUMPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/analytic.h>

/* Free with ito_density_free. */
static inline ito_density *three_bumps(const ito_sde *sde) {
    const double weights[3] = {0.3, 0.3, 0.4}, stds[3] = {0.15, 0.2, 0.25};
    const double means[3][2] = {{-0.6, -0.3}, {0.6, -0.3}, {0, 0.45}};
    ito_density *density;
    ito_error err;
    if (ito_mixture_create(sde, 3, 2, weights, means[0], stds, &density, &err) != ITO_OK)
        fail_msg("%s", err.message);
    return density;
}

#endif
