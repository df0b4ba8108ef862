/* SPDX-License-Identifier: Apache-2.0
 *
 * An SDE of every kind for tests that walk them all.
 */
#ifndef ITO_TESTS_SDE_EXAMPLE_H
#define ITO_TESTS_SDE_EXAMPLE_H

#include <ito/dynamics.h>

static inline double vp_f1(const void *self, double t) {
    return ito_sde_drift(self, t);
}

static inline double vp_g(const void *self, double t) {
    return ito_sde_diffusion(self, t);
}

/* The default of a kind; for the affine SDE, whose functions have none, those of VP. */
static inline ito_sde sde_example(int kind) {
    static ito_sde vp;
    vp = ito_sde_default(ITO_SDE_VP);
    ito_sde sde = ito_sde_default((ito_sde_kind)kind);
    sde.f1 = vp_f1;
    sde.g = vp_g;
    sde.affine_self = &vp;
    return sde;
}

#endif
