/* SPDX-License-Identifier: Apache-2.0
 *
 * Exponential multistep methods for the probability flow, in lambda = log(a/b) and the data prediction
 * D = (x + b^2 s)/a:
 *
 *     x(t') = (b'/b) x(t) + a' integral of e^(l - lambda') D(l) dl from lambda to lambda'
 *
 * with a polynomial through a few D's under the integral ([DPM++] Section 4; [UniPC] Section 3). All of it
 * holds for any affine SDE.
 *
 * A predictor of this kind keeps `arrays` D's: pc->extra[k] is that of the grid point k steps ago.
 */
#ifndef ITO_DYNAMICS_MULTISTEP_H
#define ITO_DYNAMICS_MULTISTEP_H

#include "dynamics/pc.h"

/* lambda' - lambda of the step that leads from grid point i to the next. */
double ito__multistep_length(const ito__pc *pc, int64_t i);
/* One score call: D at the grid point becomes extra[0], the older ones move up by one. */
ito_status ito__multistep_observe(ito__pc *pc, ito_error *err);
/* x and x_mean at t_next, by the polynomial through the last `points` D's: local order points + 1. */
void ito__multistep_predict(ito__pc *pc, int points);
/* Adds to x what the step that ended here, predicted by `points` D's, would have gained by knowing the D at
 * its end: local order points + 2. An increment, so what a corrector did to x stays. */
void ito__multistep_correct(ito__pc *pc, int points);
/* w[count]: integral of e^(u - h) P(u) du from 0 to h = h sum_k w[k] P(r[k] h), exact for polynomials P of
 * degree below count; the r are distinct, count at most ITO__PC_EXTRA. */
void ito__multistep_weights(double h, int count, const double *r, double *w);

#endif
