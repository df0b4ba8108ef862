/* SPDX-License-Identifier: Apache-2.0
 *
 * Samplers broken on purpose: what a test of their law has to notice.
 */
#ifndef ITO_TESTS_BROKEN_H
#define ITO_TESTS_BROKEN_H

#include "dynamics/pc.h"

/* The score times a factor: -1 for a wrong sign, 2 where an ODE lacks its factor 1/2, 1/2 for one too many.
 */
typedef struct scaled_score {
    ito_score inner;
    double factor;
} scaled_score;
/* Borrows *self. */
ito_score scaled_score_of(scaled_score *self);

/* Normals of the true stream, but zeros for one purpose. */
typedef struct muted_noise {
    ito__noise inner;
    ito_purpose purpose;
} muted_noise;
/* Borrows *self. */
ito__noise muted_noise_of(muted_noise *self);

/* A corrector that leaves out the noise of its update, found by the name of the record it stands in for.
 * (Langevin's step is as long as its normals are, so muting those would make no step at all.) */
ito__method silenced_corrector(const ito__method *honest);

/* Whether a predictor runs under an SDE and does anything: the tables' own checks tell, when a run is opened.
 */
bool predictor_applies(const ito__method *predictor, const ito_sde *sde);

#endif
