/* SPDX-License-Identifier: Apache-2.0
 *
 * The library's own mixture, made anew for each call, so that a test needs to free nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/mixture.h"
#include <cmocka.h>
#include <ito/analytic.h>

static ito_density *make(const mixture *mix) {
    ito_density *density;
    ito_error err;
    if (ito_mixture_create(&mix->sde, mix->K, mix->dim, mix->w, mix->m, mix->s, &density, &err) != ITO_OK)
        fail_msg("%s", err.message);
    return density;
}

static ito_status eval(void *self, int64_t n, const double *x, const double *t, double *score,
                       ito_error *err) {
    mixture *mix = self;
    ito_density *density = make(mix);
    const ito_score exact = ito_density_score(density);
    const ito_status st = exact.eval(exact.self, n, x, t, score, err);
    ito_density_free(density);
    mix->evals++;
    return st;
}

static ito_status vjp(void *self, int64_t n, const double *x, const double *t, const double *v,
                      double *vjp_out, ito_error *err) {
    ito_density *density = make(self);
    const ito_score exact = ito_density_score(density);
    const ito_status st = exact.vjp(exact.self, n, x, t, v, vjp_out, err);
    ito_density_free(density);
    return st;
}

ito_score mixture_score(mixture *mix) {
    return (ito_score){.self = mix, .dim = mix->dim, .eval = eval, .vjp = vjp};
}

double mixture_log_density(const mixture *mix, const double *x, double t) {
    ito_density *density = make(mix);
    double log_density;
    ito_density_log(density, 1, x, &t, &log_density);
    ito_density_free(density);
    return log_density;
}
