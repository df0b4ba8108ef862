/* SPDX-License-Identifier: Apache-2.0
 *
 * Densities with a known score: the loops over rows that all families share. Rows are independent, so threads
 * change no digit.
 */
#include "dynamics/analytic.h"
#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/noise.h"

#include <math.h>

enum { CHUNK = 128 }; /* rows that a thread scores at a time */

const double ito__log_2pi = 1.8378770664093454836;

/* The value of an affine SDE's a and b costs an integral, so rows that share t share them. */
static void at(ito__moments *m, const ito_density *density, double t) {
    if (m->t == t) return;
    const double b = ito_sde_std(&density->sde, t);
    *m = (ito__moments){.t = t, .a = ito_sde_mean(&density->sde, t), .b2 = b * b};
}

ito_status ito__density_create(const ito__density_record *record, const ito_sde *sde, int64_t dim,
                               size_t bytes, size_t values, void **out, double **data, ito_error *err) {
    *out = NULL;
    const ito_status st = ito_sde_check(sde, err);
    if (st != ITO_OK) return st;
    if (dim < 1) return ito_error_set(err, ITO_E_ARG, "dim: is %lld: use at least 1", (long long)dim);

    const size_t head = (bytes + sizeof(double) - 1) / sizeof(double);
    ito_density *density = values > SIZE_MAX - head ? NULL : ito__calloc(head + values, sizeof(double));
    if (density == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "dim: no memory for a density of dim %lld: use a smaller one",
                             (long long)dim);
    *density = (ito_density){.record = record, .sde = *sde, .dim = dim};
    *data = (double *)(void *)density + head;
    *out = density;
    return ITO_OK;
}

void ito_density_free(ito_density *density) {
    ito__free(density);
}

int64_t ito_density_dim(const ito_density *density) {
    return density->dim;
}

static ito_status eval(void *self, int64_t n, const double *x, const double *t, double *score,
                       ito_error *err) {
    const ito_density *density = self;
    const int64_t dim = density->dim;
    (void)err;
#pragma omp parallel if (n * dim > ITO__PARALLEL_VALUES)
    {
        ito__moments m = {.t = NAN};
#pragma omp for schedule(static)
        for (int64_t first = 0; first < n; first += CHUNK) {
            const int64_t count = n - first < CHUNK ? n - first : CHUNK;
            ito__moments each[CHUNK];
            for (int64_t k = 0; k < count; k++) {
                at(&m, density, t[first + k]);
                each[k] = m;
            }
            density->record->scores(density, count, each, x + first * dim, score + first * dim);
        }
    }
    return ITO_OK;
}

static ito_status vjp(void *self, int64_t n, const double *x, const double *t, const double *v,
                      double *vjp_out, ito_error *err) {
    const ito_density *density = self;
    const int64_t dim = density->dim;
    (void)err;
#pragma omp parallel if (n * dim > ITO__PARALLEL_VALUES)
    {
        ito__moments m = {.t = NAN};
#pragma omp for schedule(static)
        for (int64_t k = 0; k < n; k++) {
            at(&m, density, t[k]);
            density->record->vjp(density, m, x + k * dim, v + k * dim, vjp_out + k * dim);
        }
    }
    return ITO_OK;
}

ito_score ito_density_score(ito_density *density) {
    return (ito_score){.self = density, .dim = density->dim, .eval = eval, .vjp = vjp};
}

void ito_density_log(const ito_density *density, int64_t n, const double *x, const double *t,
                     double *log_density) {
    const int64_t dim = density->dim;
#pragma omp parallel if (n * dim > ITO__PARALLEL_VALUES)
    {
        ito__moments m = {.t = NAN};
#pragma omp for schedule(static)
        for (int64_t k = 0; k < n; k++) {
            at(&m, density, t[k]);
            log_density[k] = density->record->log_density(density, m, x + k * dim);
        }
    }
}

static ito_status work_row(const ito_density *density, double **row, ito_error *err) {
    *row = ito__alloc((size_t)density->dim, sizeof **row);
    if (*row != NULL) return ITO_OK;
    return ito_error_set(err, ITO_E_NOMEM, "density: no memory for %lld values: use a smaller dim",
                         (long long)density->dim);
}

ito_status ito_density_divergence(const ito_density *density, int64_t n, const double *x, const double *t,
                                  double *divergence, ito_error *err) {
    double *row;
    const ito_status st = work_row(density, &row, err);
    if (st != ITO_OK) return st;
    ito__moments m = {.t = NAN};
    for (int64_t k = 0; k < n; k++) {
        at(&m, density, t[k]);
        divergence[k] = density->record->divergence(density, m, x + k * density->dim, row);
    }
    ito__free(row);
    return ITO_OK;
}

ito_status ito_density_sample(const ito_density *density, uint64_t seed, int64_t first_sample, double t,
                              int64_t n, double *x, ito_error *err) {
    double *row;
    ito_status st;
    if ((st = ito__check_samples(n, first_sample, err)) != ITO_OK) return st;
    if (!(t >= 0 && t <= density->sde.T))
        return ito_error_set(err, ITO_E_ARG, "t: is %g: use a time from 0 to T = %g", t, density->sde.T);
    if ((st = work_row(density, &row, err)) != ITO_OK) return st;
    const double a = ito_sde_mean(&density->sde, t), b = ito_sde_std(&density->sde, t);
    for (int64_t k = 0; k < n; k++) {
        const ito_stream stream = {.seed = seed, .purpose = ITO_RNG_POINTS, .sample = first_sample + k};
        double *to = x + k * density->dim;
        density->record->sample(density, stream, row, to);
        ito_random_normal(stream, ITO__DRAW_NOISE, density->dim, row);
        for (int64_t j = 0; j < density->dim; j++) to[j] = a * to[j] + b * row[j];
    }
    ito__free(row);
    return ITO_OK;
}
