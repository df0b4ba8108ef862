/* SPDX-License-Identifier: Apache-2.0
 *
 * Levy's construction of a Brownian path, descended from the root at every question.
 *
 *     W(1) = sqrt(length) z_0,   W(middle of [a, b]) = (W(a) + W(b)) / 2 + sqrt((b - a) length / 4) z_i
 *
 * Node i of the tree of halves is draw i of the stream: 1 the whole, 2i and 2i + 1 its halves. Nothing is
 * stored, as counters name the draws. Gaines and Lyons, Variable step size control in the numerical solution
 * of stochastic differential equations, SIAM J. Appl. Math. 57 (1997), on why a rejected step must keep its
 * path.
 */
#include "dynamics/brownian.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

void ito__brownian(ito_stream stream, double length, double u, int64_t dim, double *w, double *end,
                   double *z) {
    double a = 0, b = 1;
    uint32_t node = 1;
    memset(w, 0, (size_t)dim * sizeof *w);
    if (u == 0) return;
    ito_random_normal(stream, 0, dim, end);
    for (int64_t j = 0; j < dim; j++) end[j] *= sqrt(length);
    while (u != a && u != b) {
        const double middle = (a + b) / 2, spread = sqrt((b - a) * length / 4);
        const bool right = u >= middle;
        double *moved = right ? w : end;
        ito_random_normal(stream, node, dim, z);
        for (int64_t j = 0; j < dim; j++) moved[j] = (w[j] + end[j]) / 2 + spread * z[j];
        *(right ? &a : &b) = middle;
        node = 2 * node + right;
    }
    if (u == b) memcpy(w, end, (size_t)dim * sizeof *w);
}
