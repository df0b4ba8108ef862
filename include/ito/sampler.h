/* SPDX-License-Identifier: Apache-2.0
 *
 * Every sampler behind one call, chosen by name: what `ito sample --sampler`, recipes and benchmarks list.
 *
 *   1. ito_sampler_named("dpmpp_2m", &sde, &sampler, &err)     a kind of sampler, or settings with a name
 *   2. set fields of sampler
 *   3. ito_sample(&sde, &score, &sampler, n, x, &report, &err)
 *
 * A sampler is a plain value. Kinds differ in what moves the samples from the prior at T to the data at eps;
 * the settings that all kinds have are those of `pc`.
 */
#ifndef ITO_SAMPLER_H
#define ITO_SAMPLER_H

#include <ito/flow.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef enum ito_sampler_kind {
    ITO_SAMPLER_PC,             /* "pc": predictor and corrector on a time grid, ito_pc_sample */
    ITO_SAMPLER_ODE,            /* "ode": the probability-flow ODE with an adaptive step, ito_ode_sample */
    ITO_SAMPLER_ODE_PER_SAMPLE, /* "ode_per_sample": the same with a step for each sample */
    ITO_SAMPLER_ADAPTIVE,       /* "adaptive": the reverse SDE with a step for each, ito_adaptive_sample */
    ITO_SAMPLER_KIND_COUNT
} ito_sampler_kind;

typedef struct ito_sampler {
    ito_sampler_kind kind;
    /* All kinds: eps, denoise, seed, first_sample, temperature, prior_noise, progress. PC: the rest too. */
    ito_pc_options pc;
    ito_ode_options
        ode; /* both ODE kinds: method, rtol, atol, step lengths; adaptive: rtol, atol, first_step */
    /* The way from noise to data in `frames` pictures, none if 0: frame 0 is the prior at T, the last the
     * finished samples, those between spread evenly over the steps (PC) or over the grid karras (the rest).
     */
    int64_t frames;
    ito_status (*frame)(void *self, int64_t index, double t, int64_t n, int64_t dim, const double *x);
    void *frame_self;
} ito_sampler;

/* Settings by name: a kind with its published defaults, a sampler of [SDE] Table 1 (P1000, P2000, C2000,
 * PC1000), or a predictor with the grid and number of steps that suit it.  ARG lists the names. */
ito_status ito_sampler_named(const char *name, const ito_sde *sde, ito_sampler *out, ito_error *err);

/* Names and one sentence on each by index from 0, NULL past the last; the first ITO_SAMPLER_KIND_COUNT are
 * the kinds, in order. */
const char *ito_sampler_name(int index);
const char *ito_sampler_summary(int index);

/* Draws n samples at t = eps into x [n, score->dim]; report may be NULL. Written on success only; errors as
 * those of the kind's own function. */
ito_status ito_sample(const ito_sde *sde, const ito_score *score, const ito_sampler *sampler, int64_t n,
                      double *x, ito_sample_report *report, ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
