/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing the implementation of a convolution by time.
 */
#ifndef ITO_ENGINE_CONV_TUNED_H
#define ITO_ENGINE_CONV_TUNED_H

#include "engine/conv_timing.h"
#include "engine/tuning.h"

/* The fastest implementation by the plan's tuning, which is asked and filled; `rule`, what would be taken
 * without one, when there is none. Takes `rule`; the result is the caller's. Never fails: where memory runs
 * out, or the machine is too busy to tell, the rule stands. */
ito__conv_code ito__tuned_conv(ito__lowering *l, const ito_node *n, ito__conv_code rule);

/* As a table writes them: the convolution n of a plan on as many threads as OpenMP has now, and an
 * implementation of it. */
void ito__name_conv_work(const ito_plan *p, const ito_tuning *t, const ito_node *n,
                         char key[ITO__TUNING_KEY]);
void ito__name_conv_choice(ito__conv_way way, const char *implementation, char choice[ITO__TUNING_CHOICE]);

#endif
