/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a method from its errors: minus the least-squares slope of log error over log N.
 */
#ifndef ITO_TESTS_SLOPE_H
#define ITO_TESTS_SLOPE_H

#include <math.h>
#include <stdint.h>

static inline double slope_order(int count, const double *N, const double *error) {
    double x_mean = 0, y_mean = 0, xx = 0, xy = 0;
    for (int i = 0; i < count; i++) {
        x_mean += log(N[i]) / count;
        y_mean += log(error[i]) / count;
    }
    for (int i = 0; i < count; i++) {
        const double x = log(N[i]) - x_mean;
        xx += x * x;
        xy += x * (log(error[i]) - y_mean);
    }
    return -xy / xx;
}

#endif
