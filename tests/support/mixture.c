/* SPDX-License-Identifier: Apache-2.0
 *
 * Score, its vector-Jacobian product, and log-density of a Gaussian mixture under an SDE.
 */
#include "support/mixture.h"

#include <math.h>

static const double log_2pi = 1.8378770664093454836;

/* log(w_k N(x; a m_k, v_k)) of every component, and v_k. Returns the largest. */
static double log_terms(const mixture *mix, const double *x, double t, double *log_term, double *v) {
    const double a = ito_sde_mean(&mix->sde, t), b = ito_sde_std(&mix->sde, t);
    double largest = -INFINITY;
    for (int64_t k = 0; k < mix->K; k++) {
        v[k] = a * a * mix->s[k] * mix->s[k] + b * b;
        double squares = 0;
        for (int64_t j = 0; j < mix->dim; j++) {
            const double d = x[j] - a * mix->m[k * mix->dim + j];
            squares += d * d;
        }
        log_term[k] = log(mix->w[k]) - (double)mix->dim / 2 * (log_2pi + log(v[k])) - squares / (2 * v[k]);
        largest = fmax(largest, log_term[k]);
    }
    return largest;
}

/* score = sum_k r_k (a m_k - x) / v_k, with r_k the responsibilities. */
static void score_row(const mixture *mix, const double *x, double t, double *score) {
    double r[mixture_max], v[mixture_max], total = 0;
    const double a = ito_sde_mean(&mix->sde, t);
    const double largest = log_terms(mix, x, t, r, v);
    for (int64_t k = 0; k < mix->K; k++) total += r[k] = exp(r[k] - largest);
    for (int64_t j = 0; j < mix->dim; j++) score[j] = 0;
    for (int64_t k = 0; k < mix->K; k++)
        for (int64_t j = 0; j < mix->dim; j++)
            score[j] += r[k] / total * (a * mix->m[k * mix->dim + j] - x[j]) / v[k];
}

/* w^T H, the Hessian of log p_t being H = sum_k r_k (u_k u_k^T - I / v_k) - s s^T, u_k = (a m_k - x) / v_k.
 */
static void vjp_row(const mixture *mix, const double *x, double t, const double *w, double *out) {
    double r[mixture_max], v[mixture_max], total = 0, s_w = 0;
    const double a = ito_sde_mean(&mix->sde, t);
    const double largest = log_terms(mix, x, t, r, v);
    for (int64_t k = 0; k < mix->K; k++) total += r[k] = exp(r[k] - largest);
    score_row(mix, x, t, out);
    for (int64_t j = 0; j < mix->dim; j++) s_w += out[j] * w[j];
    for (int64_t j = 0; j < mix->dim; j++) out[j] *= -s_w;
    for (int64_t k = 0; k < mix->K; k++) {
        const double *m = mix->m + k * mix->dim;
        double u_w = 0;
        for (int64_t j = 0; j < mix->dim; j++) u_w += (a * m[j] - x[j]) / v[k] * w[j];
        for (int64_t j = 0; j < mix->dim; j++)
            out[j] += r[k] / total * ((a * m[j] - x[j]) * u_w - w[j]) / v[k];
    }
}

static ito_status eval(void *self, int64_t n, const double *x, const double *t, double *score,
                       ito_error *err) {
    mixture *mix = self;
    (void)err;
    for (int64_t i = 0; i < n; i++) score_row(mix, x + i * mix->dim, t[i], score + i * mix->dim);
    mix->evals++;
    return ITO_OK;
}

static ito_status vjp(void *self, int64_t n, const double *x, const double *t, const double *v,
                      double *vjp_out, ito_error *err) {
    const mixture *mix = self;
    (void)err;
    for (int64_t i = 0; i < n; i++)
        vjp_row(mix, x + i * mix->dim, t[i], v + i * mix->dim, vjp_out + i * mix->dim);
    return ITO_OK;
}

ito_score mixture_score(mixture *mix) {
    return (ito_score){.self = mix, .dim = mix->dim, .eval = eval, .vjp = vjp};
}

double mixture_log_density(const mixture *mix, const double *x, double t) {
    double log_term[mixture_max], v[mixture_max], total = 0;
    const double largest = log_terms(mix, x, t, log_term, v);
    for (int64_t k = 0; k < mix->K; k++) total += exp(log_term[k] - largest);
    return largest + log(total);
}
