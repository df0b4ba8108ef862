/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights that need no file: entry i of parameter k is v = sin(1 + 0.7 k + 1.3 i), rounded to float after
 * scaling. A matrix or kernel has 1.5 v / sqrt(fan-in), a bias, beta or b 0.2 v, a vector W v itself, every
 * other vector 1 + 0.2 v.
 */
#ifndef ITO_TESTS_GOLDEN_FORMULA_H
#define ITO_TESTS_GOLDEN_FORMULA_H

#include <ito/engine.h>

void formula_weights(ito_params *p);

#endif
