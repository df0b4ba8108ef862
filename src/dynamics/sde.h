/* SPDX-License-Identifier: Apache-2.0
 *
 * What defines an SDE to the library: one constant record of functions, dx = f1(t) x dt + g(t) dw.
 *
 * Adding an SDE is one file with its record, one kind in dynamics.h and one row in sde.c; nothing else asks
 * which kind it has before it.
 */
#ifndef ITO_DYNAMICS_SDE_H
#define ITO_DYNAMICS_SDE_H

#include "dynamics/noise.h"
#include <ito/dynamics.h>

typedef struct ito__sde_record {
    const char *name;
    double sampling_eps;               /* where the sampling grid ends, in units of T */
    const char *predictor, *corrector; /* the published pair; ours where none was published */
    double snr_pair, snr_alone; /* Langevin's ratio for PC1000 and C2000, [SDE] App. G; 0: none published */
    bool fixed_T;               /* its constants are made for T = 1 */
    /* Sets the fields whose default is this SDE's own; may be NULL. */
    void (*defaults)(ito_sde *sde);

    double (*drift)(const ito_sde *sde, double t);     /* f1(t) */
    double (*diffusion)(const ito_sde *sde, double t); /* g(t) */
    double (*mean)(const ito_sde *sde, double t);      /* a(t): da/dt = f1 a, a(0) = 1 */
    double (*std)(const ito_sde *sde, double t);       /* b(t): d(b^2)/dt = 2 f1 b^2 + g^2 */
    double (*prior_std)(const ito_sde *sde);

    /* One step of the forward chain at t, x' = x + F x + G z. */
    void (*discretize)(const ito_sde *sde, double t, double *F, double *G);
    /* The reverse step of the original chain, x' = A x + S score + Z z; NULL where none was published. */
    void (*ancestral)(const ito_sde *sde, double t, double *A, double *S, double *Z);
    /* The Langevin corrector's alpha at t. */
    double (*alpha)(const ito_sde *sde, double t);

    /* ARG names the first of the fields this SDE reads that is out of range. */
    ito_status (*check)(const ito_sde *sde, ito_error *err);
} ito__sde_record;

extern const ito__sde_record ito__sde_ve, ito__sde_vp, ito__sde_subvp, ito__sde_ou, ito__sde_contractive_ou,
    ito__sde_contractive_subvp, ito__sde_edm, ito__sde_affine;

const ito__sde_record *ito__sde_record_of(const ito_sde *sde);

/* x [n, dim] = temperature prior_std z, for z the prior's draw of `noise`, or `given` [n, dim] unless NULL.
 */
void ito__sde_draw_prior(const ito_sde *sde, ito__noise noise, double temperature, const double *given,
                         int64_t n, int64_t dim, double *x);

/* For records without a formula of their own (sde.c). */
double ito__sde_no_drift(const ito_sde *sde, double t);                        /* f1 = 0 */
double ito__sde_unit(const ito_sde *sde, double t);                            /* a = 1, or alpha = 1 */
void ito__sde_euler_chain(const ito_sde *sde, double t, double *F, double *G); /* Euler, length T/N */
double ito__sde_prior_with_data(const ito_sde *sde);                           /* sqrt(a^2 v + b^2) at T */
ito_status ito__sde_check_positive(const char *field, double value, ito_error *err); /* ARG names the field */
ito_status ito__sde_check_data_std(const ito_sde *sde, ito_error *err);

/* The linear schedule that VP and both sub-VPs share (sde_vp.c). */
double ito__vp_beta(const ito_sde *sde, double t);          /* beta(t) */
double ito__vp_beta_integral(const ito_sde *sde, double t); /* B(t), integral of beta from 0 */
double ito__vp_drift(const ito_sde *sde, double t);
double ito__vp_mean(const ito_sde *sde, double t);
double ito__vp_prior_std(const ito_sde *sde);
double ito__vp_alpha(const ito_sde *sde, double t);
ito_status ito__vp_check(const ito_sde *sde, ito_error *err);

#endif
