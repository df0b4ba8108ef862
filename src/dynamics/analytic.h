/* SPDX-License-Identifier: Apache-2.0
 *
 * What a density with a known score is to the library: one record of functions, each for one row but the
 * score.
 *
 * A family embeds ito_density as its first member and has one record; the loops over rows, the threads and
 * the public functions are in analytic.c.
 */
#ifndef ITO_DYNAMICS_ANALYTIC_H
#define ITO_DYNAMICS_ANALYTIC_H

#include <ito/analytic.h>
#include <stddef.h>

/* a(t) and b(t)^2, looked up once for a run of rows with the same t. */
typedef struct ito__moments {
    double t, a, b2;
} ito__moments;

typedef struct ito__density_record {
    double (*log_density)(const ito_density *density, ito__moments m, const double *x);
    /* Of n rows, each with its moments m [n]; a row's score does not depend on the others. */
    void (*scores)(const ito_density *density, int64_t n, const ito__moments *m, const double *x,
                   double *score);
    void (*vjp)(const ito_density *density, ito__moments m, const double *x, const double *v, double *vjp);
    /* row [dim] is room to work in. */
    double (*divergence)(const ito_density *density, ito__moments m, const double *x, double *row);
    /* x(0) of a stream, by its draws of choice and normals. */
    void (*sample)(const ito_density *density, ito_stream stream, double *row, double *x);
} ito__density_record;

struct ito_density {
    const ito__density_record *record;
    ito_sde sde;
    int64_t dim;
};

/* The draws of a sample: uniforms that choose its component, normals of x(0), z of x(t) = a x(0) + b z. */
enum { ITO__DRAW_CHOICE, ITO__DRAW_NORMALS, ITO__DRAW_NOISE };

extern const double ito__log_2pi;

/* A block of `bytes` that begins with an ito_density and goes on with `values` doubles (*data); the SDE and
 * dim are checked. *out is NULL after a failure. */
ito_status ito__density_create(const ito__density_record *record, const ito_sde *sde, int64_t dim,
                               size_t bytes, size_t values, void **out, double **data, ito_error *err);

#endif
