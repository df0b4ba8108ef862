/* SPDX-License-Identifier: Apache-2.0
 *
 * Likelihood by the instantaneous change of variables along the probability-flow ODE.  [SDE] Eq 39, 40.
 *
 *     d/dt (x, delta_1 .. delta_k) = (f~(x, t), div_1 f~ .. div_k f~),   f~ = f1 x - g^2 s / 2
 *     log p(x(eps)) = log p_T(x(T)) + mean_p delta_p(T)
 *     probe v:  div_p = v^T (df~/dx) v = f1 |v|^2 - g^2/2 (v^T ds/dx) v
 *     exact:    div   = f1 D - g^2/2 sum_j (e_j^T ds/dx)_j
 *
 * Each sample is a system (x, delta_1 .. delta_k) of its own, solved with its own step or with the batch's.
 * The exact trace is the sum over D probes e_j into one integral, so both are one loop over probes. A
 * Gaussian probe keeps its own |v|^2 beside f1, as published, although D would do.
 */
#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/flow.h"
#include "dynamics/noise.h"

#include <math.h>
#include <string.h>

static const double log_2 = 0.69314718055994530942;

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

/* The augmented system of a sample: its state [dim], then its log-density integrals [integrals]. */
typedef struct augmented {
    ito__flow flow;
    const divergence *method;
    int64_t probes;    /* of one evaluation: dim for the exact trace */
    int64_t integrals; /* one for the exact trace, else one per probe */
    double eps;
    double *y; /* [n, dim + integrals] */
    double *x, *dx, *v,
        *jv;              /* [n, dim] of the samples under way: state, drift, probe, v^T ds/dx; one block */
    double *drawn;        /* [probes, n, dim]; none for the exact trace */
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

/* Probe p of the samples under way; e_p for the exact trace. */
static void set_probe(augmented *a, ito__rows at, int64_t p) {
    const int64_t n = a->flow.n, dim = a->flow.dim;
    for (int64_t i = 0; i < at.m; i++) {
        double *v = a->v + i * dim;
        if (a->method->draw == NULL)
            for (int64_t j = 0; j < dim; j++) v[j] = j == p;
        else
            memcpy(v, a->values + (p * n + at.row[i]) * dim, (size_t)dim * sizeof *v);
    }
}

/* Adds the estimate by v and jv, those of probe p, to the integrals' derivatives. */
static void add_divergence(const augmented *a, ito__rows at, int64_t p, double *dydt) {
    const int64_t dim = a->flow.dim, width = dim + a->integrals;
    double *integral = dydt + dim + (a->method->draw == NULL ? 0 : p);
#pragma omp parallel for schedule(static) if (at.m * dim > ITO__PARALLEL_VALUES)
    for (int64_t i = 0; i < at.m; i++) {
        const double *v = a->v + i * dim;
        integral[i * width] +=
            a->flow.f1[i] * dot(dim, v, v) - a->flow.half_g2[i] * dot(dim, a->jv + i * dim, v);
    }
}

static ito_status rhs(void *self, int64_t m, const int64_t *row, const double *t, const double *y,
                      double *dydt, ito_error *err) {
    augmented *a = self;
    const int64_t dim = a->flow.dim, width = dim + a->integrals;
    const size_t bytes = (size_t)dim * sizeof *y;
    const ito__rows at = {m, row, t};
    for (int64_t i = 0; i < m; i++) memcpy(a->x + i * dim, y + i * width, bytes);
    set_probe(a, at, 0);
    ito_status st = ito__flow_score_vjp(&a->flow, at, a->x, a->v, a->dx, a->jv, err);
    if (st != ITO_OK) return st;
    ito__flow_drift_of_score(&a->flow, at, a->x, a->dx);
    for (int64_t i = 0; i < m; i++) {
        memcpy(dydt + i * width, a->dx + i * dim, bytes);
        for (int64_t j = dim; j < width; j++) dydt[i * width + j] = 0;
    }
    add_divergence(a, at, 0, dydt);
    for (int64_t p = 1; p < a->probes; p++) {
        set_probe(a, at, p);
        if ((st = ito__flow_vjp(&a->flow, at, a->x, a->v, a->jv, err)) != ITO_OK) return st;
        add_divergence(a, at, p, dydt);
    }
    return ITO_OK;
}

static ito_status settle(augmented *a, const ito_likelihood_options *o, ito_error *err) {
    int index;
    const ito_status st = ito__find_name("divergence", o->divergence, ito_divergence_name, &index, err);
    if (st != ITO_OK) return st;
    a->method = &divergences[index];
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
    if (!ito__mul_size(count, exact || given ? 0 : (size_t)o->probes, &drawn) ||
        !ito__mul_size(n, (size_t)a->integrals, &integrals) || integrals > INT64_MAX - count ||
        (a->y = ito__calloc(count + integrals, sizeof(double))) == NULL ||
        (a->x = ito__alloc(count, 4 * sizeof(double))) == NULL ||
        (a->drawn = ito__alloc(drawn, sizeof(double))) == NULL)
        return ito_error_set(err, ITO_E_NOMEM,
                             "n: no memory for %lld samples of %lld values with %lld probes: use a smaller "
                             "batch or fewer probes",
                             (long long)a->flow.n, (long long)a->flow.dim, (long long)o->probes);
    a->dx = a->x + count;
    a->v = a->dx + count;
    a->jv = a->v + count;
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

/* The caller's arrays: data and probes. */
static ito_status check_values(const augmented *a, const ito_likelihood_options *o, const double *x,
                               ito_error *err) {
    const int64_t n = a->flow.n, dim = a->flow.dim;
    ito_status st = ito__check_finite("x", "sample", n, dim, o->first_sample, x, err);
    for (int64_t p = 0; p < a->probes && st == ITO_OK && a->values == o->probe_values; p++)
        st = ito__check_finite("probe_values", "sample", n, dim, o->first_sample, a->values + p * n * dim,
                               err);
    return st;
}

static ito_status open_augmented(augmented *a, const ito_sde *sde, const ito_score *score,
                                 const ito_likelihood_options *o, int64_t n, const double *x,
                                 ito_error *err) {
    *a = (augmented){.eps = o->eps};
    ito_status st;
    if ((st = ito__flow_open(&a->flow, sde, score, n, o->first_sample, &a->eps, err)) != ITO_OK) return st;
    if ((st = settle(a, o, err)) != ITO_OK) return st;
    if ((st = allocate(a, o, err)) != ITO_OK) return st;
    if ((st = check_values(a, o, x, err)) != ITO_OK) return st;
    if (a->method->draw != NULL && a->values == a->drawn) draw_probes(a, o->seed);
    return ITO_OK;
}

static void close_augmented(augmented *a) {
    ito__free(a->drawn);
    ito__free(a->x);
    ito__free(a->y);
    ito__flow_close(&a->flow);
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
    const int64_t dim = a->flow.dim, width = dim + a->integrals;
    for (int64_t k = 0; k < a->flow.n; k++) {
        const double *z = a->y + k * width, *delta = z + dim;
        double prior;
        ito_sde_prior_log_density(&a->flow.sde, 1, dim, z, &prior);
        const double integral = mean(a->integrals, delta), log_p = prior + integral;
        if (r->z != NULL) memcpy(r->z + k * dim, z, (size_t)dim * sizeof *z);
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
    ito_flow_report spent = {0};
    ito_status st;
    if ((st = open_augmented(&a, sde, score, options, n, x, err)) != ITO_OK) goto done;
    const int64_t dim = score->dim, width = dim + a.integrals;
    for (int64_t k = 0; k < n; k++) memcpy(a.y + k * width, x + k * dim, (size_t)dim * sizeof *x);

    const ito_ode_rows rows = {
        .self = &a, .n = n, .dim = width, .first_sample = options->first_sample, .rhs = rhs};
    if ((st = ito__flow_solve(&a.flow, &rows, options->per_sample, &options->ode, a.eps, sde->T, a.y, &spent,
                              err)) != ITO_OK)
        goto done;
    write_result(&a, options->offset_bits, result);
    spent.nfe = a.flow.nfe;
    spent.vjps = a.flow.vjps;
    if (report != NULL) *report = spent;
done:
    close_augmented(&a);
    return st;
}
