/* SPDX-License-Identifier: Apache-2.0
 *
 * Embedded Runge-Kutta pairs as data, the step controller, and the stages of many systems at once.
 */
#ifndef ITO_DYNAMICS_ODE_H
#define ITO_DYNAMICS_ODE_H

#include <ito/ode.h>

enum { ITO__RK_STAGES = 7 };

/* Embedded Runge-Kutta pairs (ode_tableau.c):
 *
 *     k_i = f(t + c_i h, y + h sum_j a_ij k_j),   error = h sum_i e_i k_i
 *
 * The last row of a holds the weights of the new state, so its stage is f there and serves as the first of
 * the next step ("first same as last"). Adding a pair is one row. */
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

/* What every system of a run shares (ode_control.c). */
typedef struct ito__ode_span {
    double t0, t1, direction; /* direction: +1 or -1 */
    double max_step;          /* limit of |h| */
    int error_order;
} ito__ode_span;

/* Where one system is, and its step. */
typedef struct ito__ode_control {
    double t, length;       /* length: |h| of the next attempt */
    double h, t_new, error; /* of the attempt under way */
    bool retries;           /* the last attempt from t was rejected */
    ito_ode_report report;
} ito__ode_control;

/* h of the trial step that the first step is chosen from: d0 and d1 are scaled norms of y and y'. */
void ito__ode_try_first(const ito__ode_span *span, double d0, double d1, ito__ode_control *c);
/* Its outcome: d2 is the scaled norm of the change of y' over it. */
void ito__ode_choose_first(const ito__ode_span *span, double d1, double d2, ito__ode_control *c);
/* Settles h and t_new of the next attempt; false when the step has vanished. */
bool ito__ode_plan(const ito__ode_span *span, ito__ode_control *c);
/* Accepts or rejects the attempt by c->error and chooses the length of the next. */
bool ito__ode_judge(const ito__ode_span *span, ito__ode_control *c);
/* The system has reached t1. */
bool ito__ode_arrived(const ito__ode_span *span, const ito__ode_control *c);

/* A run. Systems under way lie in the first `active` places of y, y_new and k, in the order of their rows. */
struct ito_ode_solver {
    const ito__tableau *tableau;
    const ito_ode_rows *ode;
    const ito_ode_options *options;
    ito__ode_span span;
    bool alone;                  /* one system, not called a sample */
    int64_t active, calls;       /* calls of rhs */
    int64_t *row;                /* [n] whose system is in a place */
    ito__ode_control *control;   /* [n] by row */
    double *y, *y_new, *arrived; /* [n, dim]; arrived by row */
    double *k[ITO__RK_STAGES];   /* [n, dim] each; k[0] = f(t, y) */
    double *times, *norm[3];     /* [n] by place */
    double *block_sum;           /* [n, blocks] */
    double *memory;              /* owns all of the doubles */
};

/* Arithmetic of all systems under way (ode_rk.c). */
int64_t ito__rk_blocks(int64_t dim); /* partial sums that a norm of dim values takes */
ito_status ito__rk_evaluate(ito_ode_solver *rk, double c, const double *y, double *dydt, ito_error *err);
/* Fills length of every control. */
ito_status ito__rk_first_step(ito_ode_solver *rk, ito_error *err);
/* All stages of the steps of length control.h: y_new, and control.error. */
ito_status ito__rk_attempt(ito_ode_solver *rk, ito_error *err);

#endif
