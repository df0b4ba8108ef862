/* SPDX-License-Identifier: Apache-2.0
 *
 * Time grids, and the way back from a noise-to-signal ratio b(t)/a(t) to its time.
 */
#ifndef ITO_DYNAMICS_GRID_H
#define ITO_DYNAMICS_GRID_H

#include <ito/dynamics.h>

typedef struct ito__grid {
    const char *name, *summary;
    /* Coordinate that takes equal steps, rising with the ratio b/a, and its inverse; NULL: t itself. */
    double (*coordinate)(double ratio);
    double (*ratio)(double coordinate);
} ito__grid;

/* ARG lists the known names. */
ito_status ito__grid_find(const char *name, const ito__grid **out, ito_error *err);
/* t [N] from T to eps. */
void ito__grid_fill(const ito__grid *grid, const ito_sde *sde, double eps, int64_t N, double *t);

/* b(t)/a(t), which rises with t under every affine SDE: d(b^2/a^2)/dt = g^2/a^2. */
double ito__sde_ratio(const ito_sde *sde, double t);
/* The t of [low, high] where b/a = ratio, to about 1e-14 relative; the nearer end if ratio is beyond one. */
double ito__sde_time_of_ratio(const ito_sde *sde, double ratio, double low, double high);

#endif
