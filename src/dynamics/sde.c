/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of SDEs, and the public functions, each of which asks the SDE's own record.
 */
#include "dynamics/sde.h"
#include "dynamics/check.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

static const ito__sde_record *const records[] = {
    [ITO_SDE_VE] = &ito__sde_ve,
    [ITO_SDE_VP] = &ito__sde_vp,
    [ITO_SDE_SUBVP] = &ito__sde_subvp,
    [ITO_SDE_OU] = &ito__sde_ou,
    [ITO_SDE_CONTRACTIVE_OU] = &ito__sde_contractive_ou,
    [ITO_SDE_CONTRACTIVE_SUBVP] = &ito__sde_contractive_subvp,
    [ITO_SDE_EDM] = &ito__sde_edm,
    [ITO_SDE_AFFINE] = &ito__sde_affine,
};
static_assert(sizeof records / sizeof records[0] == ITO_SDE_COUNT, "each SDE has a record");

/* A time computed as i T / (N-1) can land just below index i; a relative lift of this size puts it back and
 * moves no other time of a grid (SPEC section 1). */
static const double index_guard = 1e-9;

static const double log_2pi = 1.8378770664093454836;

static bool known(ito_sde_kind kind) {
    return (int)kind >= 0 && kind < ITO_SDE_COUNT;
}

const ito__sde_record *ito__sde_record_of(const ito_sde *sde) {
    assert(known(sde->kind));
    return records[sde->kind];
}

ito_sde ito_sde_default(ito_sde_kind kind) {
    ito_sde sde = {.kind = kind,
                   .T = 1,
                   .steps = 1000,
                   .beta_min = 0.1,
                   .beta_max = 20,
                   .sigma_min = 0.01,
                   .sigma_max = 50,
                   .theta = 0.5,
                   .sigma = 1,
                   .data_std = 0.5};
    if (known(kind) && records[kind]->defaults != NULL) records[kind]->defaults(&sde);
    return sde;
}

ito_status ito_sde_check(const ito_sde *sde, ito_error *err) {
    if (!known(sde->kind))
        return ito_error_set(err, ITO_E_ARG,
                             "kind: %d names no SDE: use one of ito_sde_kind, such as ITO_SDE_VP",
                             (int)sde->kind);
    if (records[sde->kind]->fixed_T && sde->T != 1)
        return ito_error_set(err, ITO_E_ARG, "T: is %g: use 1, where the %s prior is reached", sde->T,
                             records[sde->kind]->name);
    const ito_status st = ito__sde_check_positive("T", sde->T, err);
    if (st != ITO_OK) return st;
    if (sde->steps < 2)
        return ito_error_set(err, ITO_E_ARG, "steps: is %lld: use at least 2, such as 1000",
                             (long long)sde->steps);
    return records[sde->kind]->check(sde, err);
}

const char *ito_sde_name(ito_sde_kind kind) {
    return known(kind) ? records[kind]->name : "unknown";
}

static const char *name_at(int kind) {
    return known((ito_sde_kind)kind) ? records[kind]->name : NULL;
}

ito_status ito_sde_from_name(const char *name, ito_sde_kind *out, ito_error *err) {
    int kind;
    const ito_status st = ito__find_name("sde", name, name_at, &kind, err);
    if (st == ITO_OK) *out = (ito_sde_kind)kind;
    return st;
}

double ito_sde_mean(const ito_sde *sde, double t) {
    return ito__sde_record_of(sde)->mean(sde, t);
}

double ito_sde_std(const ito_sde *sde, double t) {
    return ito__sde_record_of(sde)->std(sde, t);
}

double ito_sde_drift(const ito_sde *sde, double t) {
    return ito__sde_record_of(sde)->drift(sde, t);
}

double ito_sde_diffusion(const ito_sde *sde, double t) {
    return ito__sde_record_of(sde)->diffusion(sde, t);
}

double ito_sde_prior_std(const ito_sde *sde) {
    return ito__sde_record_of(sde)->prior_std(sde);
}

void ito__sde_draw_prior(const ito_sde *sde, ito__noise noise, double temperature, const double *given,
                         int64_t n, int64_t dim, double *x) {
    const double scale = ito_sde_prior_std(sde) * temperature;
    if (given == NULL) {
        noise.normal(noise.self, ITO_RNG_PRIOR, 0, n, dim, x);
        given = x;
    }
    for (int64_t j = 0; j < n * dim; j++) x[j] = scale * given[j];
}

void ito_sde_prior_sample(const ito_sde *sde, uint64_t seed, int64_t first_sample, int64_t n, int64_t dim,
                          double *x) {
    ito__philox philox = {.seed = seed, .first_sample = first_sample};
    ito__sde_draw_prior(sde, ito__philox_noise(&philox), 1, NULL, n, dim, x);
}

void ito_sde_prior_log_density(const ito_sde *sde, int64_t n, int64_t dim, const double *x,
                               double *log_density) {
    const double std = ito_sde_prior_std(sde), constant = (double)dim * (log_2pi / 2 + log(std));
    for (int64_t k = 0; k < n; k++) {
        double squares = 0;
        for (int64_t j = 0; j < dim; j++) {
            const double z = x[k * dim + j] / std;
            squares += z * z;
        }
        log_density[k] = -squares / 2 - constant;
    }
}

void ito_sde_reverse(const ito_sde *sde, double eta, double t, double *A, double *S, double *Z) {
    const double g = ito_sde_diffusion(sde, t);
    *A = ito_sde_drift(sde, t);
    *S = -(1 + eta * eta) * g * g / 2;
    *Z = eta * g;
}

void ito_sde_discretize(const ito_sde *sde, double t, double *F, double *G) {
    ito__sde_record_of(sde)->discretize(sde, t, F, G);
}

int64_t ito_sde_index(const ito_sde *sde, double t) {
    const double last = (double)(sde->steps - 1);
    const double position = t / sde->T * last * (1 + index_guard);
    return (int64_t)fmin(fmax(position, 0), last);
}

double ito_sde_alpha(const ito_sde *sde, double t) {
    return ito__sde_record_of(sde)->alpha(sde, t);
}

double ito_sde_sampling_eps(const ito_sde *sde) {
    return ito__sde_record_of(sde)->sampling_eps * sde->T;
}

/* ---- what records share ---- */

double ito__sde_no_drift(const ito_sde *sde, double t) {
    (void)sde, (void)t;
    return 0;
}

double ito__sde_unit(const ito_sde *sde, double t) {
    (void)sde, (void)t;
    return 1;
}

void ito__sde_euler_chain(const ito_sde *sde, double t, double *F, double *G) {
    const double h = sde->T / (double)sde->steps;
    *F = ito_sde_drift(sde, t) * h;
    *G = ito_sde_diffusion(sde, t) * sqrt(h);
}

double ito__sde_prior_with_data(const ito_sde *sde) {
    return hypot(ito_sde_mean(sde, sde->T) * sde->data_std, ito_sde_std(sde, sde->T));
}

ito_status ito__sde_check_positive(const char *field, double value, ito_error *err) {
    if (value > 0 && isfinite(value)) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "%s: is %g: use a positive number", field, value);
}

ito_status ito__sde_check_data_std(const ito_sde *sde, ito_error *err) {
    if (sde->data_std >= 0 && isfinite(sde->data_std)) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG,
                         "data_std: is %g: use the standard deviation of the data, such as 0.5",
                         sde->data_std);
}
