/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of SDEs, and the public functions, each of which asks the SDE's own record.
 */
#include "dynamics/sde.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static const ito__sde_record *const records[] = {
    [ITO_SDE_VE] = &ito__sde_ve,
    [ITO_SDE_VP] = &ito__sde_vp,
    [ITO_SDE_SUBVP] = &ito__sde_subvp,
};
static_assert(sizeof records / sizeof records[0] == ITO_SDE_COUNT, "each SDE has a record");

/* A time computed as i T / (N-1) can land just below index i; a relative lift of this size puts it back and
 * moves no other time of a grid (SPEC section 1). */
static const double index_guard = 1e-9;

static bool known(ito_sde_kind kind) {
    return (int)kind >= 0 && kind < ITO_SDE_COUNT;
}

const ito__sde_record *ito__sde_record_of(const ito_sde *sde) {
    assert(known(sde->kind));
    return records[sde->kind];
}

ito_sde ito_sde_default(ito_sde_kind kind) {
    return (ito_sde){.kind = kind,
                     .T = 1,
                     .steps = 1000,
                     .beta_min = 0.1,
                     .beta_max = 20,
                     .sigma_min = 0.01,
                     .sigma_max = 50};
}

ito_status ito_sde_check(const ito_sde *sde, ito_error *err) {
    if (!known(sde->kind))
        return ito_error_set(err, ITO_E_ARG,
                             "kind: %d names no SDE: use ITO_SDE_VE, ITO_SDE_VP or ITO_SDE_SUBVP",
                             (int)sde->kind);
    if (sde->T != 1)
        return ito_error_set(err, ITO_E_ARG, "T: is %g: use 1, where the %s prior is reached", sde->T,
                             records[sde->kind]->name);
    if (sde->steps < 2)
        return ito_error_set(err, ITO_E_ARG, "steps: is %lld: use at least 2, such as 1000",
                             (long long)sde->steps);
    return records[sde->kind]->check(sde, err);
}

const char *ito_sde_name(ito_sde_kind kind) {
    return known(kind) ? records[kind]->name : "unknown";
}

ito_status ito_sde_from_name(const char *name, ito_sde_kind *out, ito_error *err) {
    char names[64] = "";
    for (int kind = 0; kind < ITO_SDE_COUNT; kind++) {
        if (strcmp(name, records[kind]->name) == 0) {
            *out = (ito_sde_kind)kind;
            return ITO_OK;
        }
        strncat(names, kind == 0 ? "" : ", ", sizeof names - strlen(names) - 1);
        strncat(names, records[kind]->name, sizeof names - strlen(names) - 1);
    }
    return ito_error_set(err, ITO_E_ARG, "sde: \"%.64s\" is not known: use one of %s", name, names);
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
    return ito__sde_record_of(sde)->sampling_eps;
}
