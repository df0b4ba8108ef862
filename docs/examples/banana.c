/* SPDX-License-Identifier: Apache-2.0
 *
 * A density of your own: sampled by predictor-corrector and by ODE, and its likelihood.
 *
 * The data are a banana: Gaussians of deviation s around centres c = (u, (u^2 - 1) / 2), u on a grid weighted
 * as N(0, 1). At time t they are N(a c, v I), v = a^2 s^2 + b^2. With m and C the mean and covariance of the
 * centres, weighted as x sees them, score = (a m - x) / v and d score / dx = (a^2 C / v - I) / v.
 */
#include <ito/flow.h>
#include <math.h>
#include <stdio.h>

enum { n = 2000 };
static const double s = 0.2, two_pi = 6.28318530717958647692;

/* log p_t(x); and the score there and w^T d score / dx, where wanted. */
static double look(const void *sde, const double *x, double t, double *score, const double *w, double *vjp) {
    const double a = ito_sde_mean((const ito_sde *)sde, t), b = ito_sde_std((const ito_sde *)sde, t);
    double v = a * a * s * s + b * b, all = 0, seen = 0, m[2] = {0, 0}, C[3] = {0, 0, 0};
    for (int k = -20; k <= 20; k++) {
        const double u = k / 5.0, c[2] = {u, (u * u - 1) / 2}, weight = exp(-u * u / 2);
        const double r = weight * exp(-(pow(x[0] - a * c[0], 2) + pow(x[1] - a * c[1], 2)) / (2 * v));
        all += weight, seen += r;
        for (int i = 0; i < 2; i++) m[i] += r * c[i];
        for (int i = 0; i < 3; i++) C[i] += r * c[i / 2] * c[(i + 1) / 2]; /* (0, 0), (0, 1), (1, 1) */
    }
    for (int i = 0; i < 3; i++) C[i] = (C[i] - m[i / 2] * m[(i + 1) / 2] / seen) / seen * a * a / v;
    for (int i = 0; i < 2 && score != NULL; i++) score[i] = (a * m[i] / seen - x[i]) / v;
    for (int i = 0; i < 2 && vjp != NULL; i++) vjp[i] = (C[i] * w[0] + C[i + 1] * w[1] - w[i]) / v;
    return log(seen / all / (two_pi * v));
}

static ito_status eval(void *sde, int64_t rows, const double *x, const double *t, double *out, ito_error *e) {
    for (int64_t k = 0; k < rows; k++) look(sde, x + 2 * k, t[k], out + 2 * k, NULL, NULL);
    return (void)e, ITO_OK;
}

static ito_status vjp(void *sde, int64_t rows, const double *x, const double *t, const double *w, double *out,
                      ito_error *e) {
    for (int64_t k = 0; k < rows; k++) look(sde, x + 2 * k, t[k], NULL, w + 2 * k, out + 2 * k);
    return (void)e, ITO_OK;
}

static int wrong(const char *what, double value, double truth, double bound) {
    printf("%-40s %8.4f, exactly %8.4f (bound %g)\n", what, value, truth, bound);
    return !(fabs(value - truth) < bound);
}

/* The mean square of x_2 - (x_1^2 - 1) / 2 is 2 s^2 + 3/4 s^4; of a straight banana it would be 1.1. */
static int wrong_samples(const char *what, const double *x) {
    double sum = 0;
    for (int k = 0; k < 2 * n; k += 2) sum += pow(x[k + 1] - (x[k] * x[k] - 1) / 2, 2);
    return wrong(what, sum / n, s * s * (2 + 0.75 * s * s), 0.01);
}

int main(void) {
    static double x[2 * n], log_p[3];
    const double at[3][2] = {{0, -0.5}, {1.5, 0.7}, {-2, 1}};
    ito_sde sde = ito_sde_default(ITO_SDE_VP);
    const ito_score score = {&sde, 2, eval, vjp, NULL};
    ito_error err;

    ito_pc_options pc = ito_pc_default(&sde); /* Euler-Maruyama for VP */
    pc.corrector = "ald";
    pc.steps = 300;
    if (ito_pc_sample(&sde, &score, &pc, n, x, NULL, &err) != ITO_OK) return puts(err.message), 1;
    int failures = wrong_samples("off the parabola, predictor-corrector", x);
    const ito_flow_options ode = ito_flow_default();
    if (ito_ode_sample(&sde, &score, &ode, n, x, NULL, &err) != ITO_OK) return puts(err.message), 1;
    failures += wrong_samples("off the parabola, ODE", x);
    ito_likelihood_options exact = ito_likelihood_default();
    exact.divergence = "exact";
    const ito_likelihood_result to = {log_p, NULL, NULL, NULL, NULL, NULL};
    if (ito_likelihood(&sde, &score, &exact, 3, at[0], &to, NULL, &err) != ITO_OK)
        return puts(err.message), 1;
    for (int k = 0; k < 3; k++)
        failures += wrong("log-density", log_p[k], look(&sde, at[k], exact.eps, NULL, NULL, NULL), 1e-3);
    return failures > 0;
}
