/* SPDX-License-Identifier: Apache-2.0
 *
 * A predictor-corrector run as its methods see it, and what a method is.
 *
 *   ito__pc_open(&pc, ...)                    checks the options, draws x(T); the only allocation
 *   while (pc.i < pc.steps) ito__pc_advance   one grid point: corrector sweeps, then the predictor
 *   ito__pc_close(&pc)                        also after a failed open
 */
#ifndef ITO_DYNAMICS_PC_H
#define ITO_DYNAMICS_PC_H

#include "dynamics/noise.h"
#include <ito/dynamics.h>

typedef struct ito__pc ito__pc;

/* A predictor or a corrector. step() takes pc->x at time pc->t and leaves the new state in pc->x, and in
 * pc->x_mean the same without the noise that it added last. */
typedef struct ito__method {
    const char *name;
    const char *summary; /* one sentence, with its source */
    int score_calls;     /* of one step */
    bool needs_noise;    /* draws normals, unless eta = 0 where it uses eta */
    int more_draws;      /* of normals in one step of a predictor, past the first */
    bool uses_chain;     /* reads coefficients of the forward chain, which needs enough steps */
    bool follows_grid;   /* a predictor that goes from pc->t to pc->t_next, whatever the grid */
    bool uses_eta;       /* scales its noise by pc->eta */
    double eta;          /* its own eta, where the options give none */
    bool uses_churn;     /* draws normals where options->churn > 0 */
    int arrays;          /* of [n, dim] that it keeps in pc->extra from step to step */
    /* Refuses what this method alone cannot do; may be NULL. */
    ito_status (*check)(const ito__pc *pc, ito_error *err);
    ito_status (*step)(ito__pc *pc, ito_error *err);
} ito__method;

enum { ITO__PC_EXTRA = 4 };

struct ito__pc {
    /* Settled by ito__pc_open; borrowed where a pointer. */
    ito_sde sde; /* its chain has as many steps as the run */
    const ito_score *score;
    const ito_pc_options *options;
    const ito__method *predictor, *corrector;
    ito__noise noise;
    int64_t n, dim, steps;
    double eps, eta;
    bool chain; /* the run takes the steps of the forward chain, each of length T/N, as published */

    /* Where the run is. */
    int64_t i;     /* grid point, 0..steps; steps when it is over */
    int64_t sweep; /* of the corrector */
    double t;      /* time of the grid point */
    double t_next; /* of the next; t itself at the last */
    int64_t nfe;
    double score_seconds, noise_seconds;

    /* [n, dim]: state, its noise-free twin, score, normals, and what the predictor keeps (zero at first).
     * [n]: times, norms of score and normals. [steps]: the grid. */
    double *x, *x_mean, *s, *z, *extra[ITO__PC_EXTRA];
    double *times, *s_norm, *z_norm;
    double *grid;
    double *block; /* owns all of them */
};

/* Borrows score, options and what noise.self points to until ito__pc_close. */
ito_status ito__pc_open(ito__pc *pc, const ito_sde *sde, const ito_score *score,
                        const ito_pc_options *options, ito__noise noise, int64_t n, ito_error *err);
ito_status ito__pc_advance(ito__pc *pc, ito_error *err);
void ito__pc_close(ito__pc *pc);

/* ito_pc_sample with normals from `noise`. */
ito_status ito__pc_sample(const ito_sde *sde, const ito_score *score, const ito_pc_options *options,
                          ito__noise noise, int64_t n, double *x, ito_sample_report *report, ito_error *err);

/* The steps of an algorithm, as methods write them. */
/* s = score(x, t) at the grid point. This and the next: NUMERIC with step, time and sample unless finite. */
ito_status ito__pc_score(ito__pc *pc, ito_error *err);
/* s = score(x, t) anywhere; x, s [n, dim]. */
ito_status ito__pc_score_at(ito__pc *pc, const double *x, double t, double *s, ito_error *err);
/* Its two halves, for a method that finds values that are not finite without a pass of its own. */
ito_status ito__pc_eval(ito__pc *pc, const double *x, double t, double *s, ito_error *err);
ito_status ito__pc_check_score(const ito__pc *pc, double t, const double *s, ito_error *err);
void ito__pc_noise(ito__pc *pc, ito_purpose purpose); /* z ~ N(0, I) */
/* out [n, dim] ~ N(0, I): draw 1..more_draws of this step of the predictor; z is draw 0. */
void ito__pc_noise_more(ito__pc *pc, int draw, double *out);
/* Of the step from t to t_next: its length, F and G of the forward transition x' = x + F x + G z from t_next
 * to t, and Langevin's alpha. Those of the chain where the run follows it. */
double ito__pc_length(const ito__pc *pc);
void ito__pc_discretize(const ito__pc *pc, double *F, double *G);
double ito__pc_alpha(const ito__pc *pc);
/* x_mean = A x + S s;  x = x_mean + Z z.  z is not read when Z = 0. */
void ito__pc_update(ito__pc *pc, double A, double S, double Z);
/* out = E[x(0) | x(t)] = (x + b^2 s) / a, Tweedie's formula, of a score call at the grid point; x stays. */
ito_status ito__pc_denoise(ito__pc *pc, double *out, ito_error *err);
/* out = sum_k c[k] v[k] over `count` terms of [n, dim]; out may be one of the v. */
void ito__pc_combine(const ito__pc *pc, int count, const double *c, const double *const *v, double *out);
/* The Langevin step of row k: x_mean = x + step s;  x = x_mean + sqrt(2 step) z. */
void ito__pc_update_langevin(ito__pc *pc, int64_t k, double step);
/* The first row of v [n, dim] that holds a NaN or infinity; n if there is none. */
int64_t ito__first_bad_row(int64_t n, int64_t dim, const double *v);
/* Euclidean norm of v [dim], and of each row of v [n, dim]. */
double ito__norm(int64_t dim, const double *v);
void ito__row_norms(int64_t n, int64_t dim, const double *v, double *norm);

/* The tables (methods.c). NULL past the last. */
const ito__method *ito__predictor_at(int index);
const ito__method *ito__corrector_at(int index);
/* ARG lists the known names. */
ito_status ito__predictor_find(const char *name, const ito__method **out, ito_error *err);
ito_status ito__corrector_find(const char *name, const ito__method **out, ito_error *err);

ito_status ito__predictor_euler_maruyama(ito__pc *pc, ito_error *err);
ito_status ito__predictor_reverse_diffusion(ito__pc *pc, ito_error *err);
ito_status ito__predictor_ancestral(ito__pc *pc, ito_error *err);
ito_status ito__predictor_ancestral_check(const ito__pc *pc, ito_error *err);
ito_status ito__predictor_ddim(ito__pc *pc, ito_error *err);
ito_status ito__predictor_ddim_check(const ito__pc *pc, ito_error *err);
ito_status ito__predictor_dpmpp_2m(ito__pc *pc, ito_error *err);
ito_status ito__predictor_dpmpp_3m(ito__pc *pc, ito_error *err);
ito_status ito__predictor_dpmpp_sde_2m(ito__pc *pc, ito_error *err);
ito_status ito__predictor_unipc(ito__pc *pc, ito_error *err);
ito_status ito__predictor_heun(ito__pc *pc, ito_error *err);
ito_status ito__predictor_heun_check(const ito__pc *pc, ito_error *err);
ito_status ito__predictor_srk_strong(ito__pc *pc, ito_error *err);
ito_status ito__predictor_srk_weak2(ito__pc *pc, ito_error *err);
ito_status ito__corrector_langevin(ito__pc *pc, ito_error *err);
ito_status ito__corrector_ald(ito__pc *pc, ito_error *err);

#endif
