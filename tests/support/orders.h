/* SPDX-License-Identifier: Apache-2.0
 *
 * Which convergence orders are claimed, and how they are measured: for the tests, which bound the slopes, and
 * for the table and plot of docs/orders.md, which show them.
 *
 * All runs are under the VP SDE with beta from 0.5 to 8, from T = 1 to eps = 0.1 by N equal steps in
 * log(a/b), and return the state at eps itself. The data are one-dimensional.
 *
 *   strong     root mean square over 250 paths of the difference to a run of 2048 steps along the same
 *              Brownian path; mixture, whose score is not linear
 *   weak       error of mean and variance at eps; Gaussian data, of which a run is affine in its normals,
 *              so that both are had exactly from the response to each normal, without sampling
 *   weak_step  error of the first three moments after one step from T of length 0.4 / N, over that length:
 *              the difference to two steps of half of it; mixture, beta from 0.1 to 1, the normals by
 *              Gauss-Hermite quadrature
 *   ode        root mean square error of 41 samples without noise, that start from -2 to 2; mixture, against
 *              ito_ode_sample to 1e-13
 *   solver     the same of a method of ito_ode_sample with N equal steps in t
 */
#ifndef ITO_TESTS_ORDERS_H
#define ITO_TESTS_ORDERS_H

#include <ito/dynamics.h>

typedef enum order_kind {
    order_strong,
    order_weak,
    order_weak_step,
    order_ode,
    order_solver,
    order_kind_count
} order_kind;

typedef struct order_case {
    const char *method; /* a predictor; solver: of ito_ode_method_name */
    order_kind kind;
    double theory;
    const double *N; /* [order_points] numbers of steps, rising */
} order_case;

enum { order_points = 5 };

typedef struct order_curve {
    double N[order_points], error[order_points];
    double order; /* fitted */
} order_curve;

const char *order_kind_name(order_kind kind);
/* By index from 0; NULL past the last. */
const order_case *order_case_at(int index);
ito_status order_measure(const order_case *c, order_curve *out, ito_error *err);

#endif
