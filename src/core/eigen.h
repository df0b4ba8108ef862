/* SPDX-License-Identifier: Apache-2.0
 *
 * Eigenvectors of symmetric matrices, and whether a matrix is one.
 */
#ifndef ITO_CORE_EIGEN_H
#define ITO_CORE_EIGEN_H

#include <ito/status.h>

/* A [n, n], symmetric, becomes diagonal, its eigenvalues; Q [n, n] their eigenvectors in rows, so that the
 * matrix was Q^T diag Q. Takes time n^3. `what` opens messages: NUMERIC when it does not converge. */
ito_status ito__eigen_symmetric(const char *what, int64_t n, double *A, double *Q, ito_error *err);

/* ARG, opening with `what`, for a matrix that is not symmetric to 12 digits or not finite. */
ito_status ito__check_symmetric(const char *what, int64_t n, const double *A, ito_error *err);

#endif
