/* SPDX-License-Identifier: Apache-2.0
 *
 * Named point sets in the plane: the toy problems of flows and diffusion models. A set is a function from two
 * uniforms and two normals to a point, and a mixture with that law or close to it; adding one is two
 * functions and a row.
 *
 * The mixtures of curves, squares and blades stand in for a continuum of components by a row of them, no more
 * than 1.5 deviations apart where most points are: the density along the row then waves by less than 1e-3 of
 * itself (2 exp(-2 pi^2 s^2 / h^2) for spacing h).
 */
#include "dynamics/analytic.h"
#include "dynamics/check.h"

#include <math.h>
#include <stddef.h>

enum { most_components = 512 };

typedef struct component {
    double weight, mean[2], std;
} component;

typedef struct point_set {
    const char *name, *summary;
    void (*point)(const double u[2], const double z[2], double x[2]);
    int (*mixture)(component out[most_components]); /* fills out, returns how many */
} point_set;

static const double pi = 3.14159265358979323846;

/* A point of a curve with noise; `side` -1 takes the curve turned by half a turn about 0. */
typedef void (*curve)(double u, double x[2]);

static void near_curve(curve at, double u, double side, double std, const double z[2], double x[2]) {
    at(u, x);
    for (int j = 0; j < 2; j++) x[j] = side * x[j] + std * z[j];
}

/* `each` components on each arm at the midpoints of equal parts of u, so that they share the set's noise and
 * all its law but the points between them. */
static int along_curve(curve at, int arms, int each, double std, component *out) {
    for (int arm = 0; arm < arms; arm++)
        for (int k = 0; k < each; k++) {
            component *c = &out[arm * each + k];
            *c = (component){.weight = 1, .std = std};
            at((k + 0.5) / each, c->mean);
            for (int j = 0; j < 2; j++) c->mean[j] *= arm == 0 ? 1 : -1;
        }
    return arms * each;
}

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

static int eight_gaussians_mixture(component *out) {
    for (int k = 0; k < ring_components; k++) {
        out[k] = (component){.weight = 1, .std = ring_std};
        ring_mean(k, out[k].mean);
    }
    return ring_components;
}

/* An Archimedean spiral from 3/4 of a turn to 9/4, radius 2 at the end. */
static const double roll_std = 0.07;

static void roll(double u, double x[2]) {
    const double angle = 1.5 * pi * (1 + 2 * u), radius = 2 * angle / (4.5 * pi);
    x[0] = radius * cos(angle);
    x[1] = radius * sin(angle);
}

static void swissroll(const double u[2], const double z[2], double x[2]) {
    near_curve(roll, u[0], 1, roll_std, z, x);
}

static int swissroll_mixture(component *out) {
    return along_curve(roll, 1, 192, roll_std, out);
}

/* The squares (i, j) of a board of 4 by 4 unit squares with i + j even: u_0 falls on a column, the halves of
 * u_1 on its two squares. */
static void checkerboard(const double u[2], const double z[2], double x[2]) {
    const double column = floor(4 * u[0]), half = floor(2 * u[1]);
    (void)z;
    x[0] = 4 * u[0] - 2;
    x[1] = 2 * half + fmod(column, 2) + (2 * u[1] - half) - 2;
}

/* Components on a grid within each square; their deviation blurs the edges by a twelfth of a side. */
static int checkerboard_mixture(component *out) {
    enum { across = 8 };
    int count = 0;
    for (int row = 0; row < 4 * across; row++)
        for (int column = 0; column < 4 * across; column++) {
            if ((row / across + column / across) % 2 != 0) continue;
            out[count++] = (component){.weight = 1,
                                       .mean = {(column + 0.5) / across - 2, (row + 0.5) / across - 2},
                                       .std = 1.0 / (1.5 * across)};
        }
    return count;
}

/* Two half circles of radius 1, each the other turned by half a turn about 0. */
static const double moon_std = 0.08;

static void half_circle(double u, double x[2]) {
    x[0] = cos(pi * u) - 0.5;
    x[1] = sin(pi * u) - 0.25;
}

static void moons(const double u[2], const double z[2], double x[2]) {
    near_curve(half_circle, u[0], u[1] < 0.5 ? 1 : -1, moon_std, z, x);
}

static int moons_mixture(component *out) {
    return along_curve(half_circle, 2, 32, moon_std, out);
}

/* Two arms of one and a half turns; the root spreads points evenly over their length. */
static const double arm_std = 0.07;

static void arm(double u, double x[2]) {
    const double r = sqrt(u), angle = 3 * pi * r;
    x[0] = 2 * r * cos(angle);
    x[1] = 2 * r * sin(angle);
}

static void spirals(const double u[2], const double z[2], double x[2]) {
    near_curve(arm, u[0], u[1] < 0.5 ? 1 : -1, arm_std, z, x);
}

static int spirals_mixture(component *out) {
    return along_curve(arm, 2, 128, arm_std, out);
}

/* Five blades, N((1, 0), diag(0.3, 0.1)^2) turned to their places and further with the distance. */
enum { blades = 5 };
static const double blade_length = 0.3, blade_width = 0.1;

static double blade_angle(int blade, double along) {
    return 2 * pi * blade / blades + 0.25 * exp(along);
}

static void pinwheel(const double u[2], const double z[2], double x[2]) {
    const double along = 1 + blade_length * z[0], across = blade_width * z[1];
    const double angle = blade_angle((int)(blades * u[0]), along);
    x[0] = along * cos(angle) - across * sin(angle);
    x[1] = along * sin(angle) + across * cos(angle);
}

/* Components along the ridge of each blade. The turn shears it: with q = sqrt(1 + (r d angle / dr)^2) the
 * ridge is q times as long as it is in r, and the blade q times as thin across it. What a component's own
 * deviation adds to the spread of r is taken off the weights' spread. */
static int pinwheel_mixture(component *out) {
    const double reach = 3.3 * blade_length, step = 1.4;
    int count = 0;
    for (int blade = 0; blade < blades; blade++) {
        for (double r = 1 - reach, dr; r < 1 + reach; r += dr) {
            const double slope = r * 0.25 * exp(r), q = sqrt(1 + slope * slope), std = blade_width / q;
            const double spread2 = blade_length * blade_length - std * std, angle = blade_angle(blade, r);
            dr = step * std / q;
            out[count++] = (component){.weight = dr * exp(-(r - 1) * (r - 1) / (2 * spread2)),
                                       .mean = {r * cos(angle), r * sin(angle)},
                                       .std = std};
        }
    }
    return count;
}

static const point_set sets[] = {
    {"swissroll", "A spiral band of one and a half turns.", swissroll, swissroll_mixture},
    {"checkerboard", "Eight unit squares of a 4 by 4 board, uniformly.", checkerboard, checkerboard_mixture},
    {"8gaussians", "Eight Gaussians of deviation 0.2 on a circle of radius 2.", eight_gaussians,
     eight_gaussians_mixture},
    {"moons", "Two interleaved half circles of radius 1.", moons, moons_mixture},
    {"spirals", "Two interleaved spiral arms.", spirals, spirals_mixture},
    {"pinwheel", "Five curved blades.", pinwheel, pinwheel_mixture},
};
enum { set_count = sizeof sets / sizeof sets[0] };

const char *ito_points_name(int index) {
    return index >= 0 && index < set_count ? sets[index].name : NULL;
}

const char *ito_points_summary(int index) {
    return index >= 0 && index < set_count ? sets[index].summary : NULL;
}

static ito_status find(const char *what, const char *name, const point_set **out, ito_error *err) {
    int index;
    const ito_status st = ito__find_name(what, name, ito_points_name, &index, err);
    if (st == ITO_OK) *out = &sets[index];
    return st;
}

ito_status ito_points_sample(const char *name, uint64_t seed, int64_t first_sample, int64_t n, double *x,
                             ito_error *err) {
    const point_set *set = NULL;
    ito_status st;
    if ((st = find("points", name, &set, err)) != ITO_OK) return st;
    if ((st = ito__check_samples(n, first_sample, err)) != ITO_OK) return st;
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
    component parts[most_components];
    double weights[most_components], means[2 * most_components], stds[most_components];
    const point_set *set = NULL;
    *out = NULL;
    const ito_status st = find("mixture", name, &set, err);
    if (st != ITO_OK) return st;
    const int count = set->mixture(parts);
    for (int k = 0; k < count; k++) {
        weights[k] = parts[k].weight;
        stds[k] = parts[k].std;
        for (int j = 0; j < 2; j++) means[2 * k + j] = parts[k].mean[j];
    }
    return ito_mixture_create(sde, count, 2, weights, means, stds, out, err);
}
