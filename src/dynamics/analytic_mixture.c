/* SPDX-License-Identifier: Apache-2.0
 *
 * A mixture of isotropic Gaussians, sum_k w_k N(m_k, s_k^2 I). At time t, with v_k = a^2 s_k^2 + b^2,
 *
 *     p_t = sum_k w_k N(a m_k, v_k I),   r_k = w_k N(x; a m_k, v_k I) / p_t
 *     u_k = (a m_k - x) / v_k,           score = s = sum_k r_k u_k
 *     d s / d x = sum_k r_k ((u_k - s) (u_k - s)^T - I / v_k)
 *
 * A first pass over the components finds the largest log term, the next ones add exp(term - largest): nothing
 * overflows, and no room for the r_k is needed, however many components there are.
 */
#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/mixture.h"

#include <math.h>

/* v_k and its share of the log terms; neighbours of equal deviation share them. */
typedef struct spread {
    double std, v, constant;
} spread;
static const spread no_spread = {.std = -1};

/* log(w_k N(x; a m_k, v_k I)), and *p for component k. */
static double log_term(const ito__mixture *mix, ito__moments m, int64_t k, const double *x, spread *p) {
    const int64_t dim = mix->base.dim;
    const double *mean = mix->mean + k * dim;
    if (p->std != mix->std[k]) {
        p->std = mix->std[k];
        p->v = m.a * m.a * p->std * p->std + m.b2;
        p->constant = (double)dim / 2 * (ito__log_2pi + log(p->v));
    }
    double squares = 0;
    for (int64_t j = 0; j < dim; j++) {
        const double d = m.a * mean[j] - x[j];
        squares += d * d;
    }
    return mix->log_w[k] - p->constant - squares / (2 * p->v);
}

static double largest_term(const ito__mixture *mix, ito__moments m, const double *x) {
    spread p = no_spread;
    double largest = -INFINITY;
    for (int64_t k = 0; k < mix->components; k++) largest = fmax(largest, log_term(mix, m, k, x, &p));
    return largest;
}

static double log_density(const ito_density *density, ito__moments m, const double *x) {
    const ito__mixture *mix = (const ito__mixture *)density;
    const double largest = largest_term(mix, m, x);
    spread p = no_spread;
    double total = 0;
    for (int64_t k = 0; k < mix->components; k++) total += exp(log_term(mix, m, k, x, &p) - largest);
    return largest + log(total);
}

static void score(const ito_density *density, ito__moments m, const double *x, double *s) {
    const ito__mixture *mix = (const ito__mixture *)density;
    const int64_t dim = density->dim;
    const double largest = largest_term(mix, m, x);
    spread p = no_spread;
    double total = 0;
    for (int64_t j = 0; j < dim; j++) s[j] = 0;
    for (int64_t k = 0; k < mix->components; k++) {
        const double e = exp(log_term(mix, m, k, x, &p) - largest), c = e / p.v;
        total += e;
        for (int64_t j = 0; j < dim; j++) s[j] += c * (m.a * mix->mean[k * dim + j] - x[j]);
    }
    for (int64_t j = 0; j < dim; j++) s[j] /= total;
}

void ito__mixture_scores_by_row(const ito__mixture *mix, int64_t n, const ito__moments *m, const double *x,
                                double *s) {
    const int64_t dim = mix->base.dim;
    for (int64_t k = 0; k < n; k++) score(&mix->base, m[k], x + k * dim, s + k * dim);
}

ito__mixture_scores *ito__mixture_scores_for(ito__isa limit) {
    const ito__isa isa = ito__isa_within(limit);
    if (isa == ITO__ISA_AVX512) return ito__mixture_scores_avx512;
    return isa == ITO__ISA_AVX2 ? ito__mixture_scores_avx2 : ito__mixture_scores_plain;
}

static void scores(const ito_density *density, int64_t n, const ito__moments *m, const double *x, double *s) {
    const ito__mixture *mix = (const ito__mixture *)density;
    const int64_t dim = density->dim;
    if (dim > ITO__MIXTURE_DIM) {
        ito__mixture_scores_by_row(mix, n, m, x, s);
        return;
    }
    ito__mixture_scores *const together = ito__mixture_scores_for(ITO__ISA_COUNT);
    for (int64_t k = 0; k < n; k += ITO__MIXTURE_LANES) {
        const int64_t count = n - k < ITO__MIXTURE_LANES ? n - k : ITO__MIXTURE_LANES;
        together(mix, count, m + k, x + k * dim, s + k * dim);
    }
}

/* u_k . v */
static double along(const ito__mixture *mix, ito__moments m, int64_t k, const double *x, const double *v,
                    double variance) {
    const int64_t dim = mix->base.dim;
    double sum = 0;
    for (int64_t j = 0; j < dim; j++) sum += (m.a * mix->mean[k * dim + j] - x[j]) * v[j];
    return sum / variance;
}

/* sum_k r_k (u_k (u_k . v - s . v) - v / v_k): s itself drops out, since the r_k weigh u_k - s to 0. */
static void vjp(const ito_density *density, ito__moments m, const double *x, const double *v, double *out) {
    const ito__mixture *mix = (const ito__mixture *)density;
    const int64_t dim = density->dim;
    const double largest = largest_term(mix, m, x);
    spread p = no_spread;
    double total = 0, sv = 0;
    for (int64_t k = 0; k < mix->components; k++) {
        const double e = exp(log_term(mix, m, k, x, &p) - largest);
        total += e;
        sv += e * along(mix, m, k, x, v, p.v);
    }
    sv /= total;
    for (int64_t j = 0; j < dim; j++) out[j] = 0;
    for (int64_t k = 0; k < mix->components; k++) {
        const double r = exp(log_term(mix, m, k, x, &p) - largest) / total;
        const double c = r * (along(mix, m, k, x, v, p.v) - sv);
        for (int64_t j = 0; j < dim; j++)
            out[j] += (c * (m.a * mix->mean[k * dim + j] - x[j]) - r * v[j]) / p.v;
    }
}

static double divergence(const ito_density *density, ito__moments m, const double *x, double *s) {
    const ito__mixture *mix = (const ito__mixture *)density;
    const int64_t dim = density->dim;
    score(density, m, x, s);
    const double largest = largest_term(mix, m, x);
    spread p = no_spread;
    double total = 0, sum = 0;
    for (int64_t k = 0; k < mix->components; k++) {
        const double e = exp(log_term(mix, m, k, x, &p) - largest);
        double squares = 0;
        for (int64_t j = 0; j < dim; j++) {
            const double d = (m.a * mix->mean[k * dim + j] - x[j]) / p.v - s[j];
            squares += d * d;
        }
        total += e;
        sum += e * (squares - (double)dim / p.v);
    }
    return sum / total;
}

static void sample(const ito_density *density, ito_stream stream, double *z, double *x) {
    const ito__mixture *mix = (const ito__mixture *)density;
    const int64_t dim = density->dim;
    double u;
    ito_random_uniform(stream, ITO__DRAW_CHOICE, 1, &u);
    int64_t k = 0;
    while (k < mix->components - 1 && u >= mix->cumulative[k]) k++;
    ito_random_normal(stream, ITO__DRAW_NORMALS, dim, z);
    for (int64_t j = 0; j < dim; j++) x[j] = mix->mean[k * dim + j] + mix->std[k] * z[j];
}

static const ito__density_record record = {
    .log_density = log_density, .scores = scores, .vjp = vjp, .divergence = divergence, .sample = sample};

static ito_status check(int64_t components, const double *weights, const double *stds, ito_error *err) {
    if (components < 1)
        return ito_error_set(err, ITO_E_ARG, "components: is %lld: use at least 1", (long long)components);
    for (int64_t k = 0; k < components; k++) {
        if (!(weights[k] > 0 && isfinite(weights[k])))
            return ito_error_set(err, ITO_E_ARG, "weights: component %lld has %g: use a positive number",
                                 (long long)k, weights[k]);
        if (!(stds[k] >= 0 && isfinite(stds[k])))
            return ito_error_set(err, ITO_E_ARG, "stds: component %lld has %g: use 0 or more", (long long)k,
                                 stds[k]);
    }
    return ITO_OK;
}

static void fill(ito__mixture *mix, const double *weights, const double *means, const double *stds) {
    double total = 0, sum = 0;
    for (int64_t k = 0; k < mix->components; k++) total += weights[k];
    for (int64_t k = 0; k < mix->components; k++) {
        const double w = weights[k] / total;
        mix->log_w[k] = log(w);
        mix->cumulative[k] = sum += w;
        mix->std[k] = stds[k];
    }
    for (int64_t j = 0; j < mix->components * mix->base.dim; j++) mix->mean[j] = means[j];
}

ito_status ito_mixture_create(const ito_sde *sde, int64_t components, int64_t dim, const double *weights,
                              const double *means, const double *stds, ito_density **out, ito_error *err) {
    void *made;
    double *data;
    size_t values = 0;
    *out = NULL;
    ito_status st = check(components, weights, stds, err);
    if (st != ITO_OK) return st;
    if (dim > 0 && !ito__mul_size((size_t)components, (size_t)dim + 3, &values)) values = SIZE_MAX;
    if ((st = ito__density_create(&record, sde, dim, sizeof(ito__mixture), values, &made, &data, err)) !=
        ITO_OK)
        return st;
    if ((st = ito__check_finite("means", "component", components, dim, 0, means, err)) != ITO_OK) {
        ito__free(made);
        return st;
    }
    ito__mixture *mix = made;
    mix->components = components;
    mix->log_w = data;
    mix->cumulative = data + components;
    mix->std = data + 2 * components;
    mix->mean = data + 3 * components;
    fill(mix, weights, means, stds);
    *out = &mix->base;
    return ITO_OK;
}
