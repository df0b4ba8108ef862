/* SPDX-License-Identifier: Apache-2.0
 *
 * Densities whose score is known exactly under every SDE, and named point sets in the plane: what samplers
 * and likelihoods are tried on, and a model that needs no training.
 *
 *   1. ito_gaussian_create, ito_mixture_create or ito_mixture_named     a density p_0 and an SDE
 *   2. ito_density_score                                                for any sampler or solver
 *   3. ito_density_sample, ito_density_log                              the truth to compare with
 *   4. ito_density_free
 *
 * At time t a density is that of a(t) x(0) + b(t) z: N(m, C) becomes N(a m, a^2 C + b^2 I), each component of
 * a mixture likewise. A density never changes, so threads may share it. Its score allocates nothing;
 * divergence and sampling allocate one row. States are [n, dim], row-major, and every row has its own time in
 * t [n].
 */
#ifndef ITO_ANALYTIC_H
#define ITO_ANALYTIC_H

#include <ito/dynamics.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_density ito_density;

/* N(mean, covariance) of any dimension; mean [dim], covariance [dim, dim], both copied. Its eigenvectors are
 * found once, in time dim^3; a row then costs dim^2. A covariance without full rank is welcome, but has no
 * density where b(t) = 0.  ARG: not symmetric, or with a negative eigenvalue. *sde is copied, not what its
 * affine_self points to. */
ito_status ito_gaussian_create(const ito_sde *sde, int64_t dim, const double *mean, const double *covariance,
                               ito_density **out, ito_error *err);

/* sum_k w_k N(m_k, s_k^2 I): weights [components], positive, scaled to the sum 1; means [components, dim];
 * stds [components], 0 or more. All copied. A row costs components * dim. */
ito_status ito_mixture_create(const ito_sde *sde, int64_t components, int64_t dim, const double *weights,
                              const double *means, const double *stds, ito_density **out, ito_error *err);

/* The mixture behind a point set, any name of ito_points_name: exactly its law for "8gaussians"; for the
 * others, whose laws have no finite mixture, components along their curves and blades, or within their
 * squares, 64 to 512 of them. Those keep the set's noise; a checkerboard gets edges blurred by 1/12. ARG
 * lists the names. */
ito_status ito_mixture_named(const ito_sde *sde, const char *name, ito_density **out, ito_error *err);

/* NULL is fine. */
void ito_density_free(ito_density *density);

int64_t ito_density_dim(const ito_density *density);

/* score: eval and vjp of the exact score. Borrows the density. */
ito_score ito_density_score(ito_density *density);

/* log_density[k] = log p_t(x[k]), natural logarithm. */
void ito_density_log(const ito_density *density, int64_t n, const double *x, const double *t,
                     double *log_density);

/* divergence[k] = trace of d score(x[k], t[k]) / dx, exactly. */
ito_status ito_density_divergence(const ito_density *density, int64_t n, const double *x, const double *t,
                                  double *divergence, ito_error *err);

/* Row k of x [n, dim] is an exact draw of p_t, sample first_sample + k of the seed (purpose ITO_RNG_POINTS),
 * at one t for all; the draws of two times share x(0). t = 0 draws the data themselves where b(0) = 0. */
ito_status ito_density_sample(const ito_density *density, uint64_t seed, int64_t first_sample, double t,
                              int64_t n, double *x, ito_error *err);

/* Named point sets in the plane, around 0, all but a few of a million points within [-3, 3]: "swissroll",
 * "checkerboard", "8gaussians", "moons", "spirals", "pinwheel". By index from 0, NULL past the last; the
 * summary is one sentence. */
const char *ito_points_name(int index);
const char *ito_points_summary(int index);

/* Row k of x [n, 2] is sample first_sample + k of the seed (purpose ITO_RNG_POINTS). ARG lists the names,
 * or names n or first_sample. */
ito_status ito_points_sample(const char *name, uint64_t seed, int64_t first_sample, int64_t n, double *x,
                             ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
