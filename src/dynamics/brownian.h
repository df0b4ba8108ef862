/* SPDX-License-Identifier: Apache-2.0
 *
 * A Brownian path that can be asked at any time, in any order: the same (seed, purpose, sample) gives the
 * same path whatever the times asked for, so that a step can be taken again at another length.
 */
#ifndef ITO_DYNAMICS_BROWNIAN_H
#define ITO_DYNAMICS_BROWNIAN_H

#include <ito/random.h>

/* w [dim] = W(u), 0 <= u <= 1 a multiple of 2^-31, of the stream's path of variance `length` at u = 1;
 * W(0) = 0. Takes as many draws as u has binary digits, and one. end and z [dim] are scratch. Uses all draws
 * of the stream. */
void ito__brownian(ito_stream stream, double length, double u, int64_t dim, double *w, double *end,
                   double *z);

#endif
