/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments that samplers, flows and likelihoods have in common.
 */
#include "dynamics/check.h"
#include "dynamics/pc.h"

#include <math.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

/* Streams name a sample by 56 bits (random.h). */
static const int64_t sample_limit = INT64_C(1) << 56;

ito_status ito__check_samples(int64_t n, int64_t first_sample, ito_error *err) {
    if (n < 1) return ito_error_set(err, ITO_E_ARG, "n: is %lld: use at least 1 sample", (long long)n);
    if (first_sample < 0 || first_sample > sample_limit - n)
        return ito_error_set(err, ITO_E_ARG, "first_sample: is %lld: use 0 or more, below 2^56",
                             (long long)first_sample);
    return ITO_OK;
}

ito_status ito__check_finite(const char *what, const char *row, int64_t n, int64_t dim, int64_t first,
                             const double *v, ito_error *err) {
    const int64_t bad = ito__first_bad_row(n, dim, v);
    if (bad == n) return ITO_OK;
    const double *values = v + bad * dim;
    int64_t j = 0;
    while (isfinite(values[j])) j++;
    return ito_error_set(err, ITO_E_ARG, "%s: is %g at value %lld of %s %lld: use finite numbers", what,
                         values[j], (long long)j, row, (long long)(first + bad));
}

ito_status ito__check_run(const ito_sde *sde, const ito_score *score, int64_t n, int64_t first_sample,
                          double *eps, ito_error *err) {
    ito_status st;
    if ((st = ito_sde_check(sde, err)) != ITO_OK) return st;
    if ((st = ito__check_samples(n, first_sample, err)) != ITO_OK) return st;
    if (score->dim < 1)
        return ito_error_set(err, ITO_E_ARG, "score: has dim %lld: use at least 1", (long long)score->dim);
    if (score->eval == NULL)
        return ito_error_set(err, ITO_E_ARG, "score: has no eval: set the function that evaluates it");
    const double usual = ito_sde_sampling_eps(sde);
    if (*eps == 0) *eps = usual;
    if (!(*eps > 0 && *eps < sde->T))
        return ito_error_set(err, ITO_E_ARG, "eps: is %g: use a time above 0 and below T = %g, such as %g",
                             *eps, sde->T, usual);
    return ITO_OK;
}

ito_status ito__check_temperature(double temperature, ito_error *err) {
    if (temperature >= 0 && isfinite(temperature)) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "temperature: is %g: use 0 or more, such as 1", temperature);
}

ito_status ito__find_name(const char *what, const char *name, const char *(*name_at)(int index), int *index,
                          ito_error *err) {
    char names[512] = "";
    for (int i = 0; name_at(i) != NULL; i++) {
        if (name != NULL && strcmp(name, name_at(i)) == 0) {
            *index = i;
            return ITO_OK;
        }
        strncat(names, i == 0 ? "" : ", ", sizeof names - strlen(names) - 1);
        strncat(names, name_at(i), sizeof names - strlen(names) - 1);
    }
    return ito_error_set(err, ITO_E_ARG, "%s: \"%.64s\" is not known: use one of %s", what,
                         name != NULL ? name : "", names);
}

double ito__seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

ito_status ito__no_memory(int64_t n, int64_t dim, ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM,
                         "n: no memory for %lld samples of %lld values: use a smaller batch", (long long)n,
                         (long long)dim);
}
