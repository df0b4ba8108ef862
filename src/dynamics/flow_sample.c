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
#include "dynamics/frames.h"

#include <string.h>

ito_flow_options ito_flow_default(void) {
    return (ito_flow_options){.ode = ito_ode_default(), .denoise = true, .temperature = 1};
}

static ito_status drift(void *self, int64_t m, const int64_t *row, const double *t, const double *x,
                        double *dxdt, ito_error *err) {
    return ito__flow_drift(self, (ito__rows){m, row, t}, x, dxdt, err);
}

/* The mean of one step of the N-step reverse diffusion at eps, as published: not Tweedie's formula. */
static ito_status denoise(ito__flow *flow, double eps, double *x, double *s, ito_error *err) {
    double F, G;
    ito_sde_discretize(&flow->sde, eps, &F, &G);
    const ito_status st = ito__flow_score(flow, ito__flow_all(flow, eps), x, s, err);
    if (st != ITO_OK) return st;
    for (int64_t j = 0; j < flow->n * flow->dim; j++) x[j] += G * G * s[j] - F * x[j];
    return ITO_OK;
}

typedef enum way { from_prior, from_latent, from_data } way;

/* A run: of the header's three, `in` is the start, NULL from the prior. */
typedef struct run {
    way way;
    const ito_flow_options *options;
    ito__flow flow;
    ito__frames frames;
    double t0, t1;
    double *x, *s; /* [n, dim]; s for denoising */
} run;

static ito_status open_run(run *r, const ito_sde *sde, const ito_score *score, int64_t n, const double *in,
                           ito_error *err) {
    const ito_flow_options *o = r->options;
    double eps = o->eps;
    ito_status st;
    if ((st = ito__flow_open(&r->flow, sde, score, n, o->first_sample, &eps, err)) != ITO_OK) return st;
    r->t0 = r->way == from_data ? eps : sde->T;
    r->t1 = r->way == from_data ? sde->T : eps;
    if ((st = ito__frames_open(&r->frames, o->frames, n, score->dim, o->per_sample ? n : 1, r->t0, r->t1,
                               err)) != ITO_OK)
        return st;
    const size_t count = (size_t)(n * score->dim);
    const double *given = in != NULL ? in : o->prior_noise;
    const char *const name = r->way == from_data ? "x" : r->way == from_latent ? "z" : "prior_noise";
    if (given != NULL &&
        (st = ito__check_finite(name, "sample", n, score->dim, o->first_sample, given, err)) != ITO_OK)
        return st;
    if ((r->x = ito__alloc(count, sizeof *r->x)) == NULL ||
        (o->denoise && r->way != from_data && (r->s = ito__alloc(count, sizeof *r->s)) == NULL))
        return ito__no_memory(n, score->dim, err);
    if (r->way == from_prior)
        ito__flow_prior(&r->flow, o->seed, o->temperature, o->prior_noise, r->x);
    else
        memcpy(r->x, in, count * sizeof *r->x);
    return ITO_OK;
}

static void close_run(run *r) {
    ito__free(r->s);
    ito__free(r->x);
    ito__frames_close(&r->frames);
    ito__flow_close(&r->flow);
}

/* Observes the solver: frames by its dense output, then the caller's own observer. */
static ito_status show_frames(void *self, const ito_ode_attempt *seen) {
    run *r = self;
    const ito_ode_options *ode = &r->options->ode;
    double t;
    while (seen->accepted && ito__frames_due(&r->frames, seen->row, seen->t_new, &t)) {
        ito_ode_interpolate(seen, (t - seen->t) / seen->h, ito__frames_place(&r->frames, seen->row));
        const ito_status st = ito__frames_mark(&r->frames, seen->row);
        if (st != ITO_OK) return st;
    }
    return ode->observe != NULL ? ode->observe(ode->observe_self, seen) : ITO_OK;
}

static ito_status carry(way w, const ito_sde *sde, const ito_score *score, const ito_flow_options *o,
                        int64_t n, const double *in, double *out, ito_flow_report *report, ito_error *err) {
    run r = {.way = w, .options = o};
    ito_flow_report spent = {0};
    ito_ode_options ode = o->ode;
    ito_status st;
    if ((st = open_run(&r, sde, score, n, in, err)) != ITO_OK) goto done;
    if (o->frames.count > 0) {
        ode.observe = show_frames;
        ode.observe_self = &r;
    }
    const ito_ode_rows rows = {
        .self = &r.flow, .n = n, .dim = score->dim, .first_sample = o->first_sample, .rhs = drift};
    if ((st = ito__flow_solve(&r.flow, &rows, o->per_sample, &ode, r.t0, r.t1, r.x, &spent, err)) != ITO_OK)
        goto done;
    if (r.s != NULL) {
        if ((st = denoise(&r.flow, r.t1, r.x, r.s, err)) != ITO_OK) goto done;
        spent.nfe_mean++;
    }
    if ((st = ito__frames_finish(&r.frames, r.x)) != ITO_OK) {
        ito_error_set(err, st, "frames: a callback stopped the run at t = %g: run it again", r.t1);
        goto done;
    }
    memcpy(out, r.x, (size_t)(n * score->dim) * sizeof *out);
    spent.nfe = r.flow.nfe;
    if (report != NULL) *report = spent;
done:
    close_run(&r);
    return st;
}

ito_status ito_ode_sample(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, double *x, ito_flow_report *report, ito_error *err) {
    const ito_status st = ito__check_temperature(options->temperature, err);
    return st != ITO_OK ? st : carry(from_prior, sde, score, options, n, NULL, x, report, err);
}

ito_status ito_ode_encode(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, const double *x, double *z, ito_flow_report *report, ito_error *err) {
    return carry(from_data, sde, score, options, n, x, z, report, err);
}

ito_status ito_ode_decode(const ito_sde *sde, const ito_score *score, const ito_flow_options *options,
                          int64_t n, const double *z, double *x, ito_flow_report *report, ito_error *err) {
    return carry(from_latent, sde, score, options, n, z, x, report, err);
}
