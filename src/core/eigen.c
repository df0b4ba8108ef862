/* SPDX-License-Identifier: Apache-2.0
 *
 * The eigendecomposition by Jacobi's rotations, each of which makes one pair of entries 0.
 */
#include "core/eigen.h"

#include <math.h>
#include <string.h>

static void rotate(double *u, double *v, int64_t stride, int64_t n, double c, double s) {
    for (int64_t k = 0; k < n; k++) {
        const double uk = u[k * stride], vk = v[k * stride];
        u[k * stride] = c * uk - s * vk;
        v[k * stride] = s * uk + c * vk;
    }
}

/* Rotates A and the rows of Q so that A[p][q] = 0. */
static void eliminate(int64_t n, double *A, double *Q, int64_t p, int64_t q) {
    const double off = A[p * n + q];
    if (off == 0) return;
    const double cot = (A[q * n + q] - A[p * n + p]) / (2 * off); /* of twice the angle */
    const double tan = copysign(1, cot) / (fabs(cot) + hypot(1, cot));
    const double c = 1 / hypot(1, tan), s = tan * c;
    rotate(A + p, A + q, n, n, c, s);
    rotate(A + p * n, A + q * n, 1, n, c, s);
    rotate(Q + p * n, Q + q * n, 1, n, c, s);
    A[p * n + q] = A[q * n + p] = 0;
}

/* Convergence is quadratic: eight sweeps do for the dimensions that memory allows. */
ito_status ito__eigen_symmetric(const char *what, int64_t n, double *A, double *Q, ito_error *err) {
    enum { most_sweeps = 40 };
    memset(Q, 0, (size_t)(n * n) * sizeof *Q);
    for (int64_t i = 0; i < n; i++) Q[i * n + i] = 1;
    for (int sweep = 0; sweep < most_sweeps; sweep++) {
        double off = 0, all = 0;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                all += A[i * n + j] * A[i * n + j];
                if (i != j) off += A[i * n + j] * A[i * n + j];
            }
        if (off <= 1e-32 * all) return ITO_OK;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) eliminate(n, A, Q, p, q);
    }
    return ito_error_set(err, ITO_E_NUMERIC, "%s: has no eigenvectors after %d sweeps: scale it near 1", what,
                         (int)most_sweeps);
}

ito_status ito__check_symmetric(const char *what, int64_t n, const double *A, ito_error *err) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            const double u = A[i * n + j], v = A[j * n + i];
            if (!(fabs(u - v) <= 1e-12 * (fabs(u) + fabs(v))) || !isfinite(u))
                return ito_error_set(err, ITO_E_ARG,
                                     "%s: has %g at (%lld, %lld) and %g across: use a symmetric matrix", what,
                                     u, (long long)i, (long long)j, v);
        }
    return ITO_OK;
}
