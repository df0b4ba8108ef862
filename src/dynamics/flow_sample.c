/* SPDX-License-Identifier: Apache-2.0
 *
 * Sampling, encoding and decoding by the probability-flow ODE.  [SDE] Section 4.3.
 *
 *     sample:  x(T) ~ prior;  solve from T to eps;  x = x - F x + G^2 s(x, eps)
 *     encode:  solve from eps to T          decode:  solve from T to eps
 */
#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/flow.h"
#include "dynamics/noise.h"

#include <string.h>

ito_flow_options ito_flow_default(void) {
    return (ito_flow_options){.ode = ito_ode_default(), .denoise = true, .temperature = 1};
}

static ito_status drift(void *self, double t, const double *x, double *dxdt, ito_error *err) {
    return ito__flow_drift(self, t, x, dxdt, err);
}

/* The mean of one step of the N-step reverse diffusion at eps, as published: not Tweedie's formula. */
static ito_status denoise(ito__flow *flow, double eps, double *x, double *s, ito_error *err) {
    double F, G;
    ito_sde_discretize(&flow->sde, eps, &F, &G);
    const ito_status st = ito__flow_score(flow, eps, x, s, err);
    if (st != ITO_OK) return st;
    for (int64_t j = 0; j < flow->n * flow->dim; j++) x[j] += G * G * s[j] - F * x[j];
    return ITO_OK;
}

static void draw_prior(const ito__flow *flow, const ito_flow_options *o, double *x) {
    const int64_t count = flow->n * flow->dim;
    const double scale = ito_sde_prior_std(&flow->sde) * o->temperature;
    const double *z = o->prior_noise;
    if (z == NULL) {
        ito__philox philox = {.seed = o->seed, .first_sample = o->first_sample};
        const ito__noise noise = ito__philox_noise(&philox);
        noise.normal(noise.self, ITO_RNG_PRIOR, 0, flow->n, flow->dim, x);
        z = x;
    }
    for (int64_t j = 0; j < count; j++) x[j] = scale * z[j];
}

typedef enum way { from_prior, from_latent, from_data } way;

/* All three of the header: `in` is the start, NULL from the prior. */
static ito_status run(way w, const ito_sde *sde, const ito_score *score, const ito_flow_options *o, int64_t n,
                      const double *in, double *out, ito_flow_report *report, ito_error *err) {
    ito__flow flow;
    ito_ode_report solved;
    double eps = o->eps, *x = NULL, *s = NULL;
    ito_status st;
    if ((st = ito__flow_open(&flow, sde, score, n, o->first_sample, &eps, err)) != ITO_OK) goto done;
    const size_t count = (size_t)(n * flow.dim);
    const bool denoises = o->denoise && w != from_data;
    if ((x = ito__alloc(count, sizeof *x)) == NULL ||
        (denoises && (s = ito__alloc(count, sizeof *s)) == NULL)) {
        st = ito__no_memory(n, flow.dim, err);
        goto done;
    }
    if (w == from_prior)
        draw_prior(&flow, o, x);
    else
        memcpy(x, in, count * sizeof *x);

    const ito_ode ode = {.self = &flow, .dim = n * flow.dim, .rhs = drift};
    const double T = flow.sde.T;
    if ((st = w == from_data ? ito_ode_solve(&ode, &o->ode, eps, T, x, &solved, err)
                             : ito_ode_solve(&ode, &o->ode, T, eps, x, &solved, err)) != ITO_OK)
        goto done;
    if (denoises && (st = denoise(&flow, eps, x, s, err)) != ITO_OK) goto done;
    memcpy(out, x, count * sizeof *x);
    if (report != NULL) *report = (ito_flow_report){.nfe = flow.nfe, .ode = solved};
done:
    ito__free(s);
    ito__free(x);
    ito__flow_close(&flow);
    return st;
}

ito_status ito_ode_sample(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, double *x, ito_flow_report *report, ito_error *err) {
    const ito_status st = ito__check_temperature(options->temperature, err);
    return st != ITO_OK ? st : run(from_prior, sde, score, options, n, NULL, x, report, err);
}

ito_status ito_ode_encode(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, const double *x, double *z, ito_flow_report *report, ito_error *err) {
    return run(from_data, sde, score, options, n, x, z, report, err);
}

ito_status ito_ode_decode(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, const double *z, double *x, ito_flow_report *report, ito_error *err) {
    return run(from_latent, sde, score, options, n, z, x, report, err);
}
