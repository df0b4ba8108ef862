/* SPDX-License-Identifier: Apache-2.0
 *
 * Named point sets in the plane: the toy problems of flows and diffusion models. A set is a function from two
 * uniforms and two normals to a point; adding one is a function and a row.
 */
#include "dynamics/analytic.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct point_set {
    const char *name, *summary;
    void (*point)(const double u[2], const double z[2], double x[2]);
} point_set;

static const double pi = 3.14159265358979323846;

enum { ring_components = 8 };
static const double ring_radius = 2, ring_std = 0.2;

static void ring_mean(int k, double mean[2]) {
    mean[0] = ring_radius * cos(2 * pi * k / ring_components);
    mean[1] = ring_radius * sin(2 * pi * k / ring_components);
}

static void eight_gaussians(const double u[2], const double z[2], double x[2]) {
    ring_mean((int)(ring_components * u[0]), x);
    for (int j = 0; j < 2; j++) x[j] += ring_std * z[j];
}

/* An Archimedean spiral from 3/4 of a turn to 9/4, radius 2 at the end. */
static void swissroll(const double u[2], const double z[2], double x[2]) {
    const double angle = 1.5 * pi * (1 + 2 * u[0]), radius = 2 * angle / (4.5 * pi);
    x[0] = radius * cos(angle) + 0.07 * z[0];
    x[1] = radius * sin(angle) + 0.07 * z[1];
}

/* The squares (i, j) of a board of 4 by 4 unit squares with i + j even: u_0 falls on a column, the halves of
 * u_1 on its two squares. */
static void checkerboard(const double u[2], const double z[2], double x[2]) {
    const double column = floor(4 * u[0]), half = floor(2 * u[1]);
    (void)z;
    x[0] = 4 * u[0] - 2;
    x[1] = 2 * half + fmod(column, 2) + (2 * u[1] - half) - 2;
}

/* Two half circles of radius 1, each the other turned by half a turn about 0. */
static void moons(const double u[2], const double z[2], double x[2]) {
    const double angle = pi * u[0], side = u[1] < 0.5 ? 1 : -1;
    x[0] = side * (cos(angle) - 0.5) + 0.08 * z[0];
    x[1] = side * (sin(angle) - 0.25) + 0.08 * z[1];
}

/* Two arms of one and a half turns; the root spreads points evenly over their length. */
static void spirals(const double u[2], const double z[2], double x[2]) {
    const double r = sqrt(u[0]), angle = 3 * pi * r, side = u[1] < 0.5 ? 1 : -1;
    x[0] = side * 2 * r * cos(angle) + 0.07 * z[0];
    x[1] = side * 2 * r * sin(angle) + 0.07 * z[1];
}

/* Five blades, N((1, 0), diag(0.3, 0.1)^2) turned to their places and further with the distance. */
static void pinwheel(const double u[2], const double z[2], double x[2]) {
    const double along = 1 + 0.3 * z[0], across = 0.1 * z[1];
    const double angle = 2 * pi * floor(5 * u[0]) / 5 + 0.25 * exp(along);
    x[0] = along * cos(angle) - across * sin(angle);
    x[1] = along * sin(angle) + across * cos(angle);
}

static const point_set sets[] = {
    {"swissroll", "A spiral band of one and a half turns.", swissroll},
    {"checkerboard", "Eight unit squares of a 4 by 4 board, uniformly.", checkerboard},
    {"8gaussians", "Eight Gaussians of deviation 0.2 on a circle of radius 2; also a mixture.",
     eight_gaussians},
    {"moons", "Two interleaved half circles of radius 1.", moons},
    {"spirals", "Two interleaved spiral arms.", spirals},
    {"pinwheel", "Five curved blades.", pinwheel},
};
enum { set_count = sizeof sets / sizeof sets[0] };

const char *ito_points_name(int index) {
    return index >= 0 && index < set_count ? sets[index].name : NULL;
}

const char *ito_points_summary(int index) {
    return index >= 0 && index < set_count ? sets[index].summary : NULL;
}

static ito_status find(const char *name, const point_set **out, ito_error *err) {
    char names[128] = "";
    for (int i = 0; i < set_count; i++) {
        if (strcmp(name, sets[i].name) == 0) {
            *out = &sets[i];
            return ITO_OK;
        }
        strncat(names, i == 0 ? "" : ", ", sizeof names - strlen(names) - 1);
        strncat(names, sets[i].name, sizeof names - strlen(names) - 1);
    }
    return ito_error_set(err, ITO_E_ARG, "points: \"%.64s\" is not known: use one of %s", name, names);
}

ito_status ito_points_sample(const char *name, uint64_t seed, int64_t first_sample, int64_t n, double *x,
                             ito_error *err) {
    const point_set *set = NULL;
    const ito_status st = find(name, &set, err);
    if (st != ITO_OK) return st;
    for (int64_t k = 0; k < n; k++) {
        const ito_stream stream = {.seed = seed, .purpose = ITO_RNG_POINTS, .sample = first_sample + k};
        double u[2], z[2];
        ito_random_uniform(stream, ITO__DRAW_CHOICE, 2, u);
        ito_random_normal(stream, ITO__DRAW_NORMALS, 2, z);
        set->point(u, z, x + 2 * k);
    }
    return ITO_OK;
}

ito_status ito_mixture_named(const ito_sde *sde, const char *name, ito_density **out, ito_error *err) {
    *out = NULL;
    if (strcmp(name, "8gaussians") != 0)
        return ito_error_set(err, ITO_E_ARG, "mixture: \"%.64s\" is not known: use 8gaussians", name);
    double weights[ring_components], means[2 * ring_components], stds[ring_components];
    for (int k = 0; k < ring_components; k++) {
        weights[k] = 1;
        stds[k] = ring_std;
        ring_mean(k, means + 2 * k);
    }
    return ito_mixture_create(sde, ring_components, 2, weights, means, stds, out, err);
}
