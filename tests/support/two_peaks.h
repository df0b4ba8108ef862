/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture on the line of mean 0, so that the priors that keep the data's variance fit, and how far samples
 * are from its law.
 */
#ifndef ITO_TESTS_TWO_PEAKS_H
#define ITO_TESTS_TWO_PEAKS_H

#include "support/sde_example.h"
#include <cmocka.h>
#include <ito/analytic.h>
#include <math.h>
#include <stdlib.h>

static const double two_peaks_weights[2] = {0.4, 0.6}, two_peaks_means[2] = {-0.6, 0.4},
                    two_peaks_stds[2] = {0.15, 0.15};

static inline ito_sde two_peaks_sde(int kind) {
    ito_sde sde = sde_example(kind);
    sde.data_std = sqrt(0.4 * 0.36 + 0.6 * 0.16 + 0.15 * 0.15);
    return sde;
}

/* Free with ito_density_free. */
static inline ito_density *two_peaks(const ito_sde *sde) {
    ito_density *density;
    ito_error err;
    if (ito_mixture_create(sde, 2, 1, two_peaks_weights, two_peaks_means, two_peaks_stds, &density, &err) !=
        ITO_OK)
        fail_msg("%s", err.message);
    return density;
}

static inline double two_peaks_distribution(const ito_sde *sde, double x, double t) {
    const double a = ito_sde_mean(sde, t), b = ito_sde_std(sde, t);
    double sum = 0;
    for (int k = 0; k < 2; k++)
        sum += two_peaks_weights[k] *
               erfc(-(x - a * two_peaks_means[k]) / hypot(a * two_peaks_stds[k], b) / sqrt(2)) / 2;
    return sum;
}

static inline int two_peaks_ascending(const void *u, const void *v) {
    const double a = *(const double *)u, b = *(const double *)v;
    return (a > b) - (a < b);
}

/* The Kolmogorov-Smirnov distance of n samples from the law where sampling ends. Puts x in order. */
static inline double two_peaks_distance(const ito_sde *sde, int n, double *x) {
    qsort(x, (size_t)n, sizeof *x, two_peaks_ascending);
    double largest = 0;
    for (int k = 0; k < n; k++) {
        const double F = two_peaks_distribution(sde, x[k], ito_sde_sampling_eps(sde));
        largest = fmax(largest, fmax(fabs(F - (double)k / n), fabs(F - (double)(k + 1) / n)));
    }
    return largest;
}

#endif
