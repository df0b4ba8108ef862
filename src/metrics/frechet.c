/* SPDX-License-Identifier: Apache-2.0
 *
 * The Frechet distance of two Gaussians (Dowson & Landau, The Frechet distance between multivariate normal
 * distributions, 1982), by symmetric matrices alone: trace (C1 C2)^(1/2) = sum of the square roots of the
 * eigenvalues of R C2 R, R = C1^(1/2).
 */
#include "core/eigen.h"
#include "core/memory.h"

#include <ito/metrics.h>
#include <math.h>

void ito_moments(int64_t n, int64_t dim, const double *rows, double *mean, double *covariance) {
    for (int64_t j = 0; j < dim; j++) mean[j] = 0;
    for (int64_t j = 0; j < dim * dim; j++) covariance[j] = 0;
    for (int64_t k = 0; k < n; k++)
        for (int64_t j = 0; j < dim; j++) mean[j] += rows[k * dim + j] / (double)n;
    for (int64_t k = 0; k < n; k++) {
        const double *row = rows + k * dim;
        for (int64_t i = 0; i < dim; i++) {
            const double d = (row[i] - mean[i]) / (double)(n - 1);
            for (int64_t j = 0; j <= i; j++) covariance[i * dim + j] += d * (row[j] - mean[j]);
        }
    }
    for (int64_t i = 0; i < dim; i++)
        for (int64_t j = 0; j < i; j++) covariance[j * dim + i] = covariance[i * dim + j];
}

/* A [n, n] of eigenvalues becomes that of their roots; those that rounding alone makes negative are 0. */
static ito_status take_roots(const char *what, int64_t n, double *A, ito_error *err) {
    double largest = 0;
    for (int64_t k = 0; k < n; k++) largest = fmax(largest, fabs(A[k * n + k]));
    for (int64_t k = 0; k < n; k++) {
        if (A[k * n + k] < -1e-10 * largest)
            return ito_error_set(err, ITO_E_ARG,
                                 "%s: has the eigenvalue %g: use a positive semidefinite matrix", what,
                                 A[k * n + k]);
        A[k * n + k] = sqrt(fmax(A[k * n + k], 0));
    }
    return ITO_OK;
}

/* R = C^(1/2) = sum_k sqrt(lambda_k) q_k q_k^T; A and Q [n, n] are room to work in. */
static ito_status square_root(const char *what, int64_t n, const double *C, double *A, double *Q, double *R,
                              ito_error *err) {
    ito_status st = ito__check_symmetric(what, n, C, err);
    for (int64_t j = 0; j < n * n && st == ITO_OK; j++) {
        A[j] = C[j];
        R[j] = 0;
    }
    if (st == ITO_OK) st = ito__eigen_symmetric(what, n, A, Q, err);
    if (st == ITO_OK) st = take_roots(what, n, A, err);
    for (int64_t k = 0; k < n && st == ITO_OK; k++) {
        const double *q = Q + k * n, s = A[k * n + k];
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) R[i * n + j] += s * q[i] * q[j];
    }
    return st;
}

static void multiply(int64_t n, const double *A, const double *B, double *out) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) out[i * n + j] = 0;
        for (int64_t k = 0; k < n; k++)
            for (int64_t j = 0; j < n; j++) out[i * n + j] += A[i * n + k] * B[k * n + j];
    }
}

/* R C R, made symmetric to the last bit. */
static void sandwich(int64_t n, const double *R, const double *C, double *product, double *out) {
    multiply(n, R, C, product);
    multiply(n, product, R, out);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            out[i * n + j] = out[j * n + i] = (out[i * n + j] + out[j * n + i]) / 2;
}

ito_status ito_frechet(int64_t dim, const double *mean1, const double *covariance1, const double *mean2,
                       const double *covariance2, double *out, ito_error *err) {
    if (dim < 1) return ito_error_set(err, ITO_E_ARG, "dim: is %lld: use at least 1", (long long)dim);
    const int64_t n = dim;
    size_t square = SIZE_MAX;
    if (!ito__mul_size((size_t)n, (size_t)n, &square)) square = SIZE_MAX;
    double *room = ito__alloc(square, 3 * sizeof *room), distance = 0;
    ito_status st;
    if (room == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "dim: no memory for matrices of dim %lld: use a smaller one",
                             (long long)dim);
    double *A = room, *Q = room + n * n, *R = room + 2 * n * n;
    if ((st = square_root("covariance1", n, covariance1, A, Q, R, err)) != ITO_OK) goto done;
    if ((st = ito__check_symmetric("covariance2", n, covariance2, err)) != ITO_OK) goto done;
    sandwich(n, R, covariance2, Q, A);
    if ((st = ito__eigen_symmetric("covariance2", n, A, Q, err)) != ITO_OK) goto done;
    if ((st = take_roots("covariance2", n, A, err)) != ITO_OK) goto done;
    for (int64_t k = 0; k < n; k++) {
        const double shift = mean1[k] - mean2[k];
        distance += shift * shift + covariance1[k * n + k] + covariance2[k * n + k] - 2 * A[k * n + k];
    }
    *out = fmax(distance, 0);
done:
    ito__free(room);
    return st;
}

ito_status ito_frechet_rows(int64_t dim, int64_t n, const double *a, int64_t m, const double *b, double *out,
                            ito_error *err) {
    if (dim < 1 || n < 2 || m < 2)
        return ito_error_set(err, ITO_E_ARG, "dim, n, m: are %lld, %lld, %lld: use at least 1, 2, 2",
                             (long long)dim, (long long)n, (long long)m);
    const size_t d = (size_t)dim;
    size_t values = SIZE_MAX;
    if (!ito__mul_size(d, d + 1, &values)) values = SIZE_MAX;
    double *room = ito__alloc(values, 2 * sizeof *room);
    if (room == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "dim: no memory for matrices of dim %lld: use a smaller one",
                             (long long)dim);
    double *mean1 = room, *mean2 = room + dim, *C1 = room + 2 * dim, *C2 = C1 + dim * dim;
    ito_moments(n, dim, a, mean1, C1);
    ito_moments(m, dim, b, mean2, C2);
    const ito_status st = ito_frechet(dim, mean1, C1, mean2, C2, out, err);
    ito__free(room);
    return st;
}
