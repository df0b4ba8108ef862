/* SPDX-License-Identifier: Apache-2.0
 *
 * How far apart two sets of samples are, with the error that sampling alone makes.
 *
 *   points in few dimensions
 *     ito_cells_create, ito_cells_kl     KL divergence on cells of equal mass
 *     ito_wasserstein2                   2-Wasserstein distance by an optimal matching; of many samples,
 * match the ito_cells_means of both sets images ito_image_features                 a short row of numbers for
 * every image ito_frechet_rows                   Frechet distance of two sets of rows
 *
 * None of these is 0 for two finite sets of one law. Measure the same between two exact sets of the same
 * size: that is the floor, below which no sampler can be told from the truth. Rows are [n, dim], row-major.
 * Nothing here has state but ito_cells, which never changes: threads may share it.
 */
#ifndef ITO_METRICS_H
#define ITO_METRICS_H

#include <ito/status.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_estimate {
    double value, standard_error;
} ito_estimate;

/* A partition of space into boxes of equal mass under a reference law, by halving at medians. */
typedef struct ito_cells ito_cells;

/* count boxes, at least 2, of the reference [m, dim], which is not kept; m at least 16 count. Takes time
 * m log(count).  ARG: the reference has a value that is not finite, or so many equal rows that a box would
 * have no mass. */
ito_status ito_cells_create(int64_t count, int64_t m, int64_t dim, const double *reference, ito_cells **out,
                            ito_error *err);
/* NULL is fine. */
void ito_cells_free(ito_cells *cells);
int64_t ito_cells_count(const ito_cells *cells);
/* mass[k] of the reference in cell k, [count]; all equal when count divides m. */
void ito_cells_mass(const ito_cells *cells, double *mass);
/* means [count, dim] of the reference in each cell: the reference in short, as `count` points. Returns the
 * root mean square distance of a row from its cell's mean, which bounds the 2-Wasserstein distance of the
 * two. */
double ito_cells_means(const ito_cells *cells, double *means);
/* hits[k] rows of x [n, dim] lie in cell k, [count]. Rows that are not finite lie in some cell. */
void ito_cells_hits(const ito_cells *cells, int64_t n, const double *x, int64_t *hits);

/* KL(x || reference) in nats: sum_k q_k log(q_k / p_k), q_k the share of the n rows in cell k and p_k that of
 * the reference, less the bias that finite sets cause: (occupied - 1) / (2n) + (count - 1) / (2m) (Miller
 * 1955). So it is about 0 for exact samples, and may be negative. The cells hide what happens within them: a
 * lower bound of the divergence of the densities, which no x makes larger than log(count).
 * standard_error: of the n draws, by the delta method, with the limit of the chi-square law at 0. */
ito_status ito_cells_kl(const ito_cells *cells, int64_t n, const double *x, ito_estimate *out,
                        ito_error *err);

/* The 2-Wasserstein distance of the empirical laws of x and y [n, dim]: the square root of the mean of
 * |x[k] - y[pi(k)]|^2 under the matching pi that makes it least, exactly. Keeps n^2 doubles and takes time
 * n^3 at worst: 0.1 s for n = 1000.  ARG names a value that is not finite. */
ito_status ito_wasserstein2(int64_t n, int64_t dim, const double *x, const double *y, double *out,
                            ito_error *err);

/* |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)), the squared Frechet distance of N(m1, C1) and N(m2, C2)
 * (Dowson & Landau 1982), which FID reports. means [dim], covariances [dim, dim].  ARG: not symmetric, or not
 * positive semidefinite. Time dim^3. */
ito_status ito_frechet(int64_t dim, const double *mean1, const double *covariance1, const double *mean2,
                       const double *covariance2, double *out, ito_error *err);

/* Mean [dim] and unbiased covariance [dim, dim] of rows [n, dim], n at least 2. */
void ito_moments(int64_t n, int64_t dim, const double *rows, double *mean, double *covariance);

/* ito_frechet of the moments of a [n, dim] and those of b [m, dim]. Grows by about dim / n where n is small,
 * so compare at equal n alone. */
ito_status ito_frechet_rows(int64_t dim, int64_t n, const double *a, int64_t m, const double *b, double *out,
                            ito_error *err);

/* Feature space "ito-1", for images of any size from 8 on; values in [0, 1]. Of every channel the mean of
 * each tile of 4 x 4; then, of the mean over channels, at full size and halved, the strength of the gradient
 * in each quarter of the image along four directions. A fixed and simple space for comparing samplers of one
 * model: its distances are not FIDs. */
#define ITO_FEATURE_SPACE "ito-1"
/* 16 channels + 32. */
int64_t ito_image_features_count(int64_t channels);
/* pixels [n, height, width, channels] -> features [n, count].  SHAPE: an image smaller than 8 x 8. */
ito_status ito_image_features(int64_t n, int64_t height, int64_t width, int64_t channels,
                              const uint8_t *pixels, double *features, ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
