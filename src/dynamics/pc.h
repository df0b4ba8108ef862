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
    bool needs_noise;    /* draws normals (a predictor that follows the ODE does not) */
    bool uses_chain;     /* reads coefficients of the forward chain, which needs enough steps */
    /* Refuses what this method alone cannot do; may be NULL. */
    ito_status (*check)(const ito_sde *sde, const ito_pc_options *options, ito_error *err);
    ito_status (*step)(ito__pc *pc, ito_error *err);
} ito__method;

struct ito__pc {
    /* Settled by ito__pc_open; borrowed where a pointer. */
    ito_sde sde; /* its chain has as many steps as the run */
    const ito_score *score;
    const ito_pc_options *options;
    const ito__method *predictor, *corrector;
    ito__noise noise;
    int64_t n, dim, steps;
    double eps;

    /* Where the run is. */
    int64_t i;     /* grid point, 0..steps; steps when it is over */
    int64_t sweep; /* of the corrector */
    double t;      /* time of the grid point */
    int64_t nfe;

    /* [n, dim]: state, its noise-free twin, score, normals. [n]: times, norms of score and normals. */
    double *x, *x_mean, *s, *z;
    double *times, *s_norm, *z_norm;
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

/* Time of grid point i of N: linspace(T, eps, N). */
double ito__grid_time(double T, double eps, int64_t N, int64_t i);

/* The steps of an algorithm, as methods write them. */
ito_status ito__pc_score(ito__pc *pc, ito_error *err); /* s = score(x, t); NUMERIC unless finite */
void ito__pc_noise(ito__pc *pc, ito_purpose purpose);  /* z ~ N(0, I) */
/* x_mean = A x + S s;  x = x_mean + Z z.  z is not read when Z = 0. */
void ito__pc_update(ito__pc *pc, double A, double S, double Z);
/* The Langevin step with a step size per sample: x_mean = x + step s;  x = x_mean + sqrt(2 step) z. */
void ito__pc_update_langevin(ito__pc *pc, const double *step);
/* The first row of v [n, dim] that holds a NaN or infinity; n if there is none. */
int64_t ito__first_bad_row(int64_t n, int64_t dim, const double *v);
/* Euclidean norm of each row of v [n, dim]. */
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
ito_status ito__predictor_ancestral_check(const ito_sde *sde, const ito_pc_options *options, ito_error *err);
ito_status ito__corrector_langevin(ito__pc *pc, ito_error *err);
ito_status ito__corrector_ald(ito__pc *pc, ito_error *err);

#endif
