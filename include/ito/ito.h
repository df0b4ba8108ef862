/* SPDX-License-Identifier: Apache-2.0
 *
 * All of ito's public headers; see each for its manual.
 */
#ifndef ITO_ITO_H
#define ITO_ITO_H

#include <ito/adaptive.h>
#include <ito/analytic.h>
#include <ito/data.h>
#include <ito/dynamics.h>
#include <ito/engine.h>
#include <ito/flow.h>
#include <ito/formats.h>
#include <ito/metrics.h>
#include <ito/networks.h>
#include <ito/ode.h>
#include <ito/random.h>
#include <ito/recipe.h>
#include <ito/sampler.h>
#include <ito/score.h>
#include <ito/status.h>
#include <ito/training.h>
#include <ito/version.h>

#endif
