/* SPDX-License-Identifier: Apache-2.0
 *
 * The Ornstein-Uhlenbeck process: paths of the SDE against its closed form.
 *
 * dx = -theta x dt + sigma dw carries x(0) to N(a(t) x(0), b(t)^2): what noise does to data, and what the
 * rest of the library turns back. The chain of ito_sde_discretize simulates the SDE in steps of T/N; the mean
 * and deviation of its paths are compared with a(t) x(0) and b(t).
 */
#include <ito/dynamics.h>
#include <math.h>
#include <stdio.h>

enum { paths = 20000, parts = 4 };

int main(void) {
    static double x[paths], z[paths];
    const double start = 2;
    ito_sde sde = ito_sde_default(ITO_SDE_OU); /* theta = 1/2, sigma = 1, T = 10 */
    sde.T = 4;
    sde.steps = 400;
    int failures = 0;

    for (int k = 0; k < paths; k++) x[k] = start;
    for (int64_t i = 0; i < sde.steps; i++) {
        const ito_stream stream = {1, ITO_RNG_USER, 0}; /* seed, purpose, sample; i names the draw */
        const double h = sde.T / (double)sde.steps, t = (double)(i + 1) * h;
        double F, G, mean = 0, square = 0;
        ito_sde_discretize(&sde, t, &F, &G);
        ito_random_normal(stream, (uint32_t)i, paths, z);
        for (int k = 0; k < paths; k++) x[k] += F * x[k] + G * z[k];
        if ((i + 1) % (sde.steps / parts) != 0) continue;

        for (int k = 0; k < paths; k++) mean += x[k] / paths;
        for (int k = 0; k < paths; k++) square += (x[k] - mean) * (x[k] - mean) / paths;
        /* 5 standard errors, and what steps of length h are off by. */
        const double a = ito_sde_mean(&sde, t), b = ito_sde_std(&sde, t), bound = 5 / sqrt((double)paths) + h;
        printf("t = %g: mean %.4f, a x(0) = %.4f; deviation %.4f, b = %.4f (bound %.3f)\n", t, mean,
               a * start, sqrt(square), b, bound);
        failures += !(fabs(mean - a * start) < bound && fabs(sqrt(square) - b) < bound);
    }
    return failures > 0;
}
