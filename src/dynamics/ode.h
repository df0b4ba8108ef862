/* SPDX-License-Identifier: Apache-2.0
 *
 * Embedded Runge-Kutta pairs as data.
 *
 *     k_i = f(t + c_i h, y + h sum_j a_ij k_j),   error = h sum_i e_i k_i
 *
 * The last row of a holds the weights of the new state, so its stage is f there and serves as the first of
 * the next step ("first same as last"). Adding a pair is one row in ode_tableau.c.
 */
#ifndef ITO_DYNAMICS_ODE_H
#define ITO_DYNAMICS_ODE_H

#include <ito/ode.h>

enum { ITO__RK_STAGES = 7 };

typedef struct ito__tableau {
    const char *name, *summary;
    int order;       /* of the state that is carried on */
    int error_order; /* of the embedded solution */
    int stages;
    double c[ITO__RK_STAGES];
    double a[ITO__RK_STAGES][ITO__RK_STAGES];
    double e[ITO__RK_STAGES];
    double dense[ITO__RK_STAGES]; /* what dense output adds to the cubic Hermite polynomial */
} ito__tableau;

/* NULL past the last. */
const ito__tableau *ito__tableau_at(int index);
/* ARG lists the known names. */
ito_status ito__tableau_find(const char *name, const ito__tableau **out, ito_error *err);

#endif
