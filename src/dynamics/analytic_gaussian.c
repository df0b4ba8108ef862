/* SPDX-License-Identifier: Apache-2.0
 *
 * N(m, C) with a full covariance. With C = Q^T diag(lambda) Q, eigenvectors in the rows q_i of Q,
 *
 *     p_t = N(a m, sum_i v_i q_i q_i^T),  v_i = a^2 lambda_i + b^2
 *     score = -sum_i q_i (q_i . (x - a m)) / v_i,   its Jacobian -sum_i q_i q_i^T / v_i
 *
 * so that one eigendecomposition serves every t.
 */
#include "core/eigen.h"
#include "core/memory.h"
#include "dynamics/analytic.h"
#include "dynamics/check.h"

#include <math.h>

typedef struct gaussian {
    ito_density base;
    double *mean;   /* [dim] */
    double *lambda; /* [dim] */
    double *Q;      /* [dim, dim] */
} gaussian;

static double variance(const gaussian *p, ito__moments m, int64_t i) {
    return m.a * m.a * p->lambda[i] + m.b2;
}

/* q_i . (x - a m) */
static double coordinate(const gaussian *p, double a, const double *x, int64_t i) {
    const int64_t dim = p->base.dim;
    const double *q = p->Q + i * dim;
    double sum = 0;
    for (int64_t j = 0; j < dim; j++) sum += q[j] * (x[j] - a * p->mean[j]);
    return sum;
}

static double log_density(const ito_density *density, ito__moments m, const double *x) {
    const gaussian *p = (const gaussian *)density;
    double sum = 0;
    for (int64_t i = 0; i < density->dim; i++) {
        const double v = variance(p, m, i), y = coordinate(p, m.a, x, i);
        sum += ito__log_2pi + log(v) + y * y / v;
    }
    return -sum / 2;
}

static void score(const ito_density *density, ito__moments m, const double *x, double *s) {
    const gaussian *p = (const gaussian *)density;
    const int64_t dim = density->dim;
    for (int64_t j = 0; j < dim; j++) s[j] = 0;
    for (int64_t i = 0; i < dim; i++) {
        const double c = coordinate(p, m.a, x, i) / variance(p, m, i);
        for (int64_t j = 0; j < dim; j++) s[j] -= c * p->Q[i * dim + j];
    }
}

static void scores(const ito_density *density, int64_t n, const ito__moments *m, const double *x, double *s) {
    for (int64_t k = 0; k < n; k++) score(density, m[k], x + k * density->dim, s + k * density->dim);
}

/* The Jacobian is symmetric and the same for every x: the score of v about 0. */
static void vjp(const ito_density *density, ito__moments m, const double *x, const double *v, double *out) {
    const gaussian *p = (const gaussian *)density;
    const int64_t dim = density->dim;
    (void)x;
    for (int64_t j = 0; j < dim; j++) out[j] = 0;
    for (int64_t i = 0; i < dim; i++) {
        const double c = coordinate(p, 0, v, i) / variance(p, m, i);
        for (int64_t j = 0; j < dim; j++) out[j] -= c * p->Q[i * dim + j];
    }
}

static double divergence(const ito_density *density, ito__moments m, const double *x, double *row) {
    const gaussian *p = (const gaussian *)density;
    double sum = 0;
    (void)x, (void)row;
    for (int64_t i = 0; i < density->dim; i++) sum -= 1 / variance(p, m, i);
    return sum;
}

/* x = m + sum_i sqrt(lambda_i) z_i q_i */
static void sample(const ito_density *density, ito_stream stream, double *z, double *x) {
    const gaussian *p = (const gaussian *)density;
    const int64_t dim = density->dim;
    ito_random_normal(stream, ITO__DRAW_NORMALS, dim, z);
    for (int64_t j = 0; j < dim; j++) x[j] = p->mean[j];
    for (int64_t i = 0; i < dim; i++) {
        const double c = sqrt(p->lambda[i]) * z[i];
        for (int64_t j = 0; j < dim; j++) x[j] += c * p->Q[i * dim + j];
    }
}

static const ito__density_record record = {
    .log_density = log_density, .scores = scores, .vjp = vjp, .divergence = divergence, .sample = sample};

/* Eigenvalues that rounding alone makes negative are 0. */
static ito_status take_eigenvalues(gaussian *p, const double *A, ito_error *err) {
    const int64_t n = p->base.dim;
    double largest = 0;
    for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(A[i * n + i]));
    for (int64_t i = 0; i < n; i++) {
        p->lambda[i] = fmax(A[i * n + i], 0);
        if (A[i * n + i] < -1e-12 * largest)
            return ito_error_set(err, ITO_E_ARG,
                                 "covariance: has the eigenvalue %g: use a positive semidefinite matrix",
                                 A[i * n + i]);
    }
    return ITO_OK;
}

ito_status ito_gaussian_create(const ito_sde *sde, int64_t dim, const double *mean, const double *covariance,
                               ito_density **out, ito_error *err) {
    void *made = NULL;
    double *data, *A = NULL;
    size_t square = 0;
    ito_status st;
    *out = NULL;
    if (dim > 0 && !ito__mul_size((size_t)dim, (size_t)dim + 2, &square)) square = SIZE_MAX;
    if ((st = ito__density_create(&record, sde, dim, sizeof(gaussian), square, &made, &data, err)) != ITO_OK)
        goto done;
    gaussian *p = made;
    p->mean = data;
    p->lambda = data + dim;
    p->Q = data + 2 * dim;

    if ((st = ito__check_finite("mean", "row", 1, dim, 0, mean, err)) != ITO_OK) goto done;
    if ((st = ito__check_symmetric("covariance", dim, covariance, err)) != ITO_OK) goto done;
    if ((A = ito__alloc((size_t)(dim * dim), sizeof *A)) == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "dim: no memory for a covariance of dim %lld: use a smaller one",
                           (long long)dim);
        goto done;
    }
    for (int64_t j = 0; j < dim; j++) p->mean[j] = mean[j];
    for (int64_t j = 0; j < dim * dim; j++) A[j] = covariance[j];
    if ((st = ito__eigen_symmetric("covariance", dim, A, p->Q, err)) != ITO_OK) goto done;
    if ((st = take_eigenvalues(p, A, err)) != ITO_OK) goto done;
    *out = &p->base;
    made = NULL;
done:
    ito__free(A);
    ito__free(made);
    return st;
}
