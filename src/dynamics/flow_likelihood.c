/* SPDX-License-Identifier: Apache-2.0
 *
 * Likelihood by the instantaneous change of variables along the probability-flow ODE.  [SDE] Eq 39, 40.
 *
 *     d/dt (x, delta_1 .. delta_k) = (f~(x, t), div_1 f~ .. div_k f~),   f~ = f1 x - g^2 s / 2
 *     log p(x(eps)) = log p_T(x(T)) + mean_p delta_p(T)
 *     probe v:  div_p = v^T (df~/dx) v = f1 |v|^2 - g^2/2 (v^T ds/dx) v
 *     exact:    div   = f1 D - g^2/2 sum_j (e_j^T ds/dx)_j
 *
 * The exact trace is the sum over D probes e_j into one integral, so both are one loop over probes. A
 * Gaussian probe keeps its own |v|^2 beside f1, as published, although D would do.
 */
#include "core/memory.h"
#include "dynamics/flow.h"
#include "dynamics/noise.h"

#include <math.h>
#include <string.h>

static const double log_2 = 0.69314718055994530942, log_2pi = 1.8378770664093454836;

typedef struct divergence {
    const char *name;
    void (*draw)(ito_stream stream, uint32_t step, int64_t n, double *out); /* NULL: exact */
} divergence;

static void draw_rademacher(ito_stream stream, uint32_t step, int64_t n, double *out) {
    ito_random_uniform(stream, step, n, out);
    for (int64_t j = 0; j < n; j++) out[j] = out[j] < 0.5 ? -1 : 1;
}

static const divergence divergences[] = {
    {"rademacher", draw_rademacher}, {"gaussian", ito_random_normal}, {"exact", NULL}};

enum { divergence_count = sizeof divergences / sizeof divergences[0] };

/* The augmented system: y = [n, dim] states, then [n, integrals] log-density integrals. */
typedef struct augmented {
    ito__flow flow;
    const divergence *method;
    int64_t probes;    /* of one evaluation: dim for the exact trace */
    int64_t integrals; /* per sample: one for the exact trace, else one per probe */
    double eps;
    double *y;            /* [n dim + n integrals] */
    double *jv;           /* [n, dim] v^T ds/dx */
    double *drawn;        /* [probes, n, dim]; [n, dim], one e_j at a time, for the exact trace */
    const double *values; /* what is used: drawn, or the caller's */
} augmented;

ito_likelihood_options ito_likelihood_default(void) {
    return (ito_likelihood_options){
        .ode = ito_ode_default(), .eps = 1e-5, .divergence = "rademacher", .probes = 1, .offset_bits = 7};
}

const char *ito_divergence_name(int index) {
    return index >= 0 && index < divergence_count ? divergences[index].name : NULL;
}

double ito_bits_per_dim(double log_p, int64_t dim, double offset_bits) {
    return -log_p / ((double)dim * log_2) + offset_bits;
}

static double dot(int64_t n, const double *a, const double *b) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += a[j] * b[j];
    return sum;
}

/* v = e_j for every sample, and 0 again. */
static void set_unit(augmented *a, int64_t j, double value) {
    for (int64_t k = 0; k < a->flow.n; k++) a->drawn[k * a->flow.dim + j] = value;
}

/* Adds probe p's estimate of the divergence to the integrals' derivatives. */
static ito_status add_divergence(augmented *a, double t, const double *x, int64_t p, double *ddelta,
                                 ito_error *err) {
    const int64_t n = a->flow.n, dim = a->flow.dim;
    const bool exact = a->method->draw == NULL;
    const double f1 = ito_sde_drift(&a->flow.sde, t), g = ito_sde_diffusion(&a->flow.sde, t);
    const double *v = exact ? a->drawn : a->values + p * n * dim;
    double *integral = exact ? ddelta : ddelta + p;

    if (exact) set_unit(a, p, 1);
    const ito_status st = ito__flow_vjp(&a->flow, t, x, v, a->jv, err);
    if (st == ITO_OK) {
#pragma omp parallel for schedule(static) if (n * dim > ITO__PARALLEL_VALUES)
        for (int64_t k = 0; k < n; k++) {
            const double *vk = v + k * dim;
            integral[k * a->integrals] += f1 * dot(dim, vk, vk) - g * g / 2 * dot(dim, a->jv + k * dim, vk);
        }
    }
    if (exact) set_unit(a, p, 0);
    return st;
}

static ito_status rhs(void *self, double t, const double *y, double *dydt, ito_error *err) {
    augmented *a = self;
    double *ddelta = dydt + a->flow.n * a->flow.dim;
    ito_status st = ito__flow_drift(&a->flow, t, y, dydt, err);
    for (int64_t i = 0; i < a->flow.n * a->integrals; i++) ddelta[i] = 0;
    for (int64_t p = 0; p < a->probes && st == ITO_OK; p++) st = add_divergence(a, t, y, p, ddelta, err);
    return st;
}

static ito_status find_divergence(const char *name, const divergence **out, ito_error *err) {
    char names[64] = "";
    for (int i = 0; i < divergence_count; i++) {
        if (name != NULL && strcmp(name, divergences[i].name) == 0) {
            *out = &divergences[i];
            return ITO_OK;
        }
        strncat(names, i == 0 ? "" : ", ", sizeof names - strlen(names) - 1);
        strncat(names, divergences[i].name, sizeof names - strlen(names) - 1);
    }
    return ito_error_set(err, ITO_E_ARG, "divergence: \"%.64s\" is not known: use one of %s",
                         name != NULL ? name : "", names);
}

static ito_status settle(augmented *a, const ito_likelihood_options *o, ito_error *err) {
    ito_status st;
    if ((st = find_divergence(o->divergence, &a->method, err)) != ITO_OK) return st;
    if (a->flow.score->vjp == NULL)
        return ito_error_set(err, ITO_E_ARG,
                             "score: has no vjp, which the divergence needs: set the function");
    if (o->probes < 1 || o->probes > UINT32_MAX)
        return ito_error_set(err, ITO_E_ARG, "probes: is %lld: use 1 or more", (long long)o->probes);
    if (!isfinite(o->offset_bits))
        return ito_error_set(err, ITO_E_ARG, "offset_bits: is %g: use 7 for data in [-1, 1], 8 for [0, 1]",
                             o->offset_bits);
    const bool exact = a->method->draw == NULL;
    a->probes = exact ? a->flow.dim : o->probes;
    a->integrals = exact ? 1 : o->probes;
    return ITO_OK;
}

static ito_status allocate(augmented *a, const ito_likelihood_options *o, ito_error *err) {
    const size_t n = (size_t)a->flow.n, count = n * (size_t)a->flow.dim;
    const bool exact = a->method->draw == NULL, given = !exact && o->probe_values != NULL;
    size_t drawn, integrals;
    if (!ito__mul_size(count,
                       exact   ? 1
                       : given ? 0
                               : (size_t)o->probes,
                       &drawn) ||
        !ito__mul_size(n, (size_t)a->integrals, &integrals) || integrals > INT64_MAX - count ||
        (a->y = ito__calloc(count + integrals, sizeof(double))) == NULL ||
        (a->jv = ito__alloc(count, sizeof(double))) == NULL ||
        (a->drawn = ito__calloc(drawn, sizeof(double))) == NULL)
        return ito_error_set(err, ITO_E_NOMEM,
                             "n: no memory for %lld samples of %lld values with %lld probes: use a smaller "
                             "batch or fewer probes",
                             (long long)a->flow.n, (long long)a->flow.dim, (long long)o->probes);
    a->values = given ? o->probe_values : a->drawn;
    return ITO_OK;
}

static void draw_probes(augmented *a, uint64_t seed) {
    const int64_t n = a->flow.n, dim = a->flow.dim;
    for (int64_t p = 0; p < a->probes; p++)
        for (int64_t k = 0; k < n; k++) {
            const ito_stream stream = {seed, ITO_RNG_PROBE, a->flow.first_sample + k};
            a->method->draw(stream, (uint32_t)p, dim, a->drawn + (p * n + k) * dim);
        }
}

static ito_status open_augmented(augmented *a, const ito_sde *sde, const ito_score *score,
                                 const ito_likelihood_options *o, int64_t n, ito_error *err) {
    *a = (augmented){.eps = o->eps};
    ito_status st;
    if ((st = ito__flow_open(&a->flow, sde, score, n, o->first_sample, &a->eps, err)) != ITO_OK) return st;
    if ((st = settle(a, o, err)) != ITO_OK) return st;
    if ((st = allocate(a, o, err)) != ITO_OK) return st;
    if (a->method->draw != NULL && a->values == a->drawn) draw_probes(a, o->seed);
    return ITO_OK;
}

static void close_augmented(augmented *a) {
    ito__free(a->drawn);
    ito__free(a->jv);
    ito__free(a->y);
    ito__flow_close(&a->flow);
}

static double prior_log_density(const ito_sde *sde, int64_t dim, const double *z) {
    const double sigma = ito_sde_prior_std(sde);
    return -(double)dim * (log_2pi / 2 + log(sigma)) - dot(dim, z, z) / (2 * sigma * sigma);
}

static double mean(int64_t n, const double *v) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += v[i];
    return sum / (double)n;
}

static double standard_error(int64_t n, const double *v) {
    if (n == 1) return NAN;
    const double m = mean(n, v);
    double squares = 0;
    for (int64_t i = 0; i < n; i++) squares += (v[i] - m) * (v[i] - m);
    return sqrt(squares / ((double)n * (double)(n - 1)));
}

static void write_result(const augmented *a, double offset_bits, const ito_likelihood_result *r) {
    const int64_t n = a->flow.n, dim = a->flow.dim;
    const double *delta = a->y + n * dim;
    if (r->z != NULL) memcpy(r->z, a->y, (size_t)(n * dim) * sizeof *r->z);
    for (int64_t k = 0; k < n; k++, delta += a->integrals) {
        const double prior = prior_log_density(&a->flow.sde, dim, a->y + k * dim);
        const double integral = mean(a->integrals, delta), log_p = prior + integral;
        if (r->log_p != NULL) r->log_p[k] = log_p;
        if (r->standard_error != NULL)
            r->standard_error[k] = a->method->draw == NULL ? 0 : standard_error(a->integrals, delta);
        if (r->bits_per_dim != NULL) r->bits_per_dim[k] = ito_bits_per_dim(log_p, dim, offset_bits);
        if (r->prior_log_p != NULL) r->prior_log_p[k] = prior;
        if (r->delta != NULL) r->delta[k] = integral;
    }
}

ito_status ito_likelihood(const ito_sde *sde, const ito_score *score, const ito_likelihood_options *options,
                          int64_t n, const double *x, const ito_likelihood_result *result,
                          ito_flow_report *report, ito_error *err) {
    augmented a;
    ito_ode_report solved;
    ito_status st;
    if ((st = open_augmented(&a, sde, score, options, n, err)) != ITO_OK) goto done;
    memcpy(a.y, x, (size_t)(n * a.flow.dim) * sizeof *x);

    const ito_ode ode = {.self = &a, .dim = n * (a.flow.dim + a.integrals), .rhs = rhs};
    if ((st = ito_ode_solve(&ode, &options->ode, a.eps, a.flow.sde.T, a.y, &solved, err)) != ITO_OK)
        goto done;
    write_result(&a, options->offset_bits, result);
    if (report != NULL) *report = (ito_flow_report){.nfe = a.flow.nfe, .vjps = a.flow.vjps, .ode = solved};
done:
    close_augmented(&a);
    return st;
}
