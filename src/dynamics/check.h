/* SPDX-License-Identifier: Apache-2.0
 *
 * What every run over [eps, T] checks before it begins: SDE, score, sizes, and the options that all runs
 * have.
 */
#ifndef ITO_DYNAMICS_CHECK_H
#define ITO_DYNAMICS_CHECK_H

#include <ito/dynamics.h>

/* ARG names the argument at fault. *eps = 0 becomes the SDE's sampling eps. */
ito_status ito__check_run(const ito_sde *sde, const ito_score *score, int64_t n, int64_t first_sample,
                          double *eps, ito_error *err);
ito_status ito__check_temperature(double temperature, ito_error *err);
/* n and first_sample of a run, or of draws. */
ito_status ito__check_samples(int64_t n, int64_t first_sample, ito_error *err);
/* ARG names the first value of v [n, dim] that is not finite: "WHAT: is nan at value 2 of ROW 5", the rows
 * counted from `first`. */
ito_status ito__check_finite(const char *what, const char *row, int64_t n, int64_t dim, int64_t first,
                             const double *v, ito_error *err);
/* *index of `name` among the names of a table, name_at(i), NULL past the last. ARG, opening with `what`,
 * lists them. */
ito_status ito__find_name(const char *what, const char *name, const char *(*name_at)(int index), int *index,
                          ito_error *err);
/* Of the monotonic clock, for reports. */
double ito__seconds(void);
/* NOMEM for a state of [n, dim]. */
ito_status ito__no_memory(int64_t n, int64_t dim, ito_error *err);

#endif
