/* SPDX-License-Identifier: Apache-2.0
 *
 * Every attempt of a solver, logged by its observer and held against SciPy's.
 */
#ifndef ITO_TESTS_SOLVER_LOG_H
#define ITO_TESTS_SOLVER_LOG_H

#include "golden_file.h"
#include <ito/ode.h>

enum { solver_log_max = 1300 };

typedef struct solver_log {
    int64_t attempts, accepted;
    double h[solver_log_max], error[solver_log_max];
    double t[solver_log_max]; /* accepted times, the first included */
    const double *y;          /* recorded states at the accepted times, or NULL */
    double y_scale, y_worst;  /* largest recorded value, largest difference */
} solver_log;

/* Options with the tolerances recorded under `prefix` and the log as observer. `states` is the tensor of
 * states to compare on the way, "" for none. */
ito_ode_options solver_log_options(const golden_file *g, const char *prefix, const char *states,
                                   solver_log *log);

/* Counts are equal; accepted times and states within 1e-5 of the largest; attempts within 1e-3 relative plus
 * 1e-3, since an error estimate is a difference of nearly equal numbers. */
void solver_log_compare(const golden_file *g, const char *prefix, const solver_log *log,
                        const ito_ode_report *report);

#endif
