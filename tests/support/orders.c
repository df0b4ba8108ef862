/* SPDX-License-Identifier: Apache-2.0
 *
 * Convergence orders: the table, and one function for each kind of error.
 */
#include "support/orders.h"
#include "dynamics/pc.h"
#include "support/slope.h"

#include <ito/analytic.h>
#include <ito/flow.h>
#include <stdlib.h>

enum { most_steps = 256 };
static const double coarse[order_points] = {16, 32, 64, 128, most_steps};
/* High orders settle late. */
static const double fine[order_points] = {64, 96, 128, 192, most_steps};
/* A fifth-order error is soon down to rounding. */
static const double few[order_points] = {24, 32, 40, 56, 80};

static const order_case cases[] = {
    {"euler_maruyama", order_strong, 1, coarse},
    {"srk_strong", order_strong, 1, coarse},
    {"srk_weak2", order_strong, 1.5, coarse},
    {"euler_maruyama", order_weak, 1, coarse},
    {"srk_strong", order_weak, 2, coarse},
    {"srk_weak2", order_weak, 2, coarse},
    {"dpmpp_sde_2m", order_weak, 2, coarse},
    {"euler_maruyama", order_weak_step, 1, coarse},
    {"srk_strong", order_weak_step, 2, coarse},
    {"srk_weak2", order_weak_step, 2, coarse},
    {"euler_maruyama", order_ode, 1, coarse},
    {"reverse_diffusion", order_ode, 1, coarse},
    {"ddim", order_ode, 1, coarse},
    {"heun", order_ode, 2, coarse},
    {"srk_strong", order_ode, 2, coarse},
    {"srk_weak2", order_ode, 2, coarse},
    {"dpmpp_2m", order_ode, 2, coarse},
    {"dpmpp_3m", order_ode, 3, fine},
    {"unipc", order_ode, 4, fine},
    {"bogacki_shampine", order_solver, 3, few},
    {"dormand_prince", order_solver, 5, few},
};

const order_case *order_case_at(int index) {
    return index >= 0 && index < (int)(sizeof cases / sizeof cases[0]) ? &cases[index] : NULL;
}

const char *order_kind_name(order_kind kind) {
    static const char *const name[order_kind_count] = {
        [order_strong] = "strong", [order_weak] = "weak",     [order_weak_step] = "weak_step",
        [order_ode] = "ode",       [order_solver] = "solver",
    };
    return name[kind];
}

/* ---- the problem ---- */

enum { fine_steps = 2048, paths = 250, starts = 41 };
static const double eps = 0.1, longest_step = 0.4;
static const double gaussian_mean = 1, gaussian_std = 0.5;

typedef struct problem {
    const ito__method *method;
    ito_sde sde;
    ito_density *density;
    ito_score score;
    ito_pc_options options;
} problem;

/* A single step starts where little noise is added yet, so that the mixture's score bends. */
static ito_sde sde_of(order_kind kind) {
    ito_sde sde = ito_sde_default(ITO_SDE_VP);
    sde.beta_min = kind == order_weak_step ? 0.1 : 0.5;
    sde.beta_max = kind == order_weak_step ? 1 : 8;
    return sde;
}

static ito_status open(problem *p, const order_case *c, ito_error *err) {
    static const double weights[] = {0.4, 0.6}, means[] = {-1, 0.8}, stds[] = {0.4, 0.5}, one = 1;
    *p = (problem){.sde = sde_of(c->kind)};
    ito_status st;
    if (c->kind != order_solver && (st = ito__predictor_find(c->method, &p->method, err)) != ITO_OK)
        return st;
    st = c->kind == order_weak
             ? ito_mixture_create(&p->sde, 1, 1, &one, &gaussian_mean, &gaussian_std, &p->density, err)
             : ito_mixture_create(&p->sde, 2, 1, weights, means, stds, &p->density, err);
    if (st != ITO_OK) return st;
    p->score = ito_density_score(p->density);
    p->options = ito_pc_default(&p->sde);
    p->options.predictor = c->method;
    p->options.corrector = "none";
    p->options.grid = "log_snr";
    p->options.eps = eps;
    p->options.denoise = false;
    p->options.probability_flow = c->kind == order_ode && p->method->uses_eta;
    return ITO_OK;
}

/* Runs `steps` steps from prior_std z [n]. */
static ito_status run(problem *p, int64_t steps, ito__noise noise, int64_t n, const double *z, double *x,
                      ito_error *err) {
    p->options.steps = steps + 1;
    p->options.prior_noise = z;
    return ito__pc_sample(&p->sde, &p->score, &p->options, noise, n, x, NULL, err);
}

static double root_mean_square(int n, const double *x, const double *exact) {
    double squares = 0;
    for (int k = 0; k < n; k++) squares += (x[k] - exact[k]) * (x[k] - exact[k]);
    return sqrt(squares / n);
}

static int draws(const problem *p) {
    return 1 + p->method->more_draws;
}

/* ---- strong: every run along the same Brownian paths ---- */

/* W's increment over a step and I, the integral of W over it, W starting from 0: [fine_steps][paths]. */
typedef struct brownian {
    double (*dW)[paths], (*I)[paths];
    double t[fine_steps + 1];
    int64_t together; /* fine steps in one of the run */
    int draws;        /* of the run's method: z, then w */
} brownian;

static void brownian_fill(brownian *b) {
    double z[fine_steps], w[fine_steps];
    for (int k = 0; k < paths; k++) {
        const ito_stream stream = {.seed = 1, .purpose = ITO_RNG_USER, .sample = k};
        ito_random_normal(stream, 0, fine_steps, z);
        ito_random_normal(stream, 1, fine_steps, w);
        for (int f = 0; f < fine_steps; f++) {
            const double h = b->t[f] - b->t[f + 1];
            b->dW[f][k] = sqrt(h) * z[f];
            b->I[f][k] = h * sqrt(h) * (z[f] + w[f] / sqrt(3)) / 2;
        }
    }
}

/* The normals z and w with which a method makes dW = sqrt(h) z and I = h^(3/2) (z + w / sqrt(3)) / 2. */
static void brownian_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                            double *out) {
    const brownian *b = self;
    (void)purpose, (void)dim;
    const int64_t first = step / b->draws * b->together, last = first + b->together;
    const double length = b->t[first] - b->t[last];
    for (int64_t k = 0; k < n; k++) {
        double W = 0, I = 0;
        for (int64_t f = first; f < last; f++) {
            I += b->I[f][k] + W * (b->t[f] - b->t[f + 1]);
            W += b->dW[f][k];
        }
        const double z = W / sqrt(length);
        out[k] = step % b->draws == 0 ? z : sqrt(3) * (2 * I / (length * sqrt(length)) - z);
    }
}

static ito_status run_along(problem *p, brownian *b, int64_t steps, double *x, ito_error *err) {
    double z[paths];
    for (int k = 0; k < paths; k++)
        ito_random_normal((ito_stream){.seed = 1, .purpose = ITO_RNG_PRIOR, .sample = k}, 0, 1, &z[k]);
    b->together = fine_steps / steps;
    b->draws = draws(p);
    return run(p, steps, (ito__noise){b, brownian_normal}, paths, z, x, err);
}

static ito_status measure_strong(problem *p, order_curve *out, ito_error *err) {
    const order_case finest = {.method = "srk_weak2", .kind = order_strong};
    double x[paths], exact[paths];
    problem reference = {0};
    ito_status st;
    brownian b = {.dW = malloc(fine_steps * sizeof *b.dW), .I = malloc(fine_steps * sizeof *b.I)};
    if (b.dW == NULL || b.I == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "orders: no memory for the paths");
        goto done;
    }
    if ((st = ito_grid_fill(&p->sde, p->options.grid, eps, fine_steps + 1, b.t, err)) != ITO_OK) goto done;
    brownian_fill(&b);
    if ((st = open(&reference, &finest, err)) != ITO_OK) goto done;
    if ((st = run_along(&reference, &b, fine_steps, exact, err)) != ITO_OK) goto done;
    for (int i = 0; i < order_points; i++) {
        if ((st = run_along(p, &b, (int64_t)out->N[i], x, err)) != ITO_OK) goto done;
        out->error[i] = root_mean_square(paths, x, exact);
    }
done:
    ito_density_free(reference.density);
    free(b.dW);
    free(b.I);
    return st;
}

/* ---- weak: mean and variance from the response to each normal ---- */

enum { most_draws = 2, most_rows = 2 + most_draws * most_steps };

/* Row 0 gets no noise, row 1 that of the prior, row 2 + k the unit normal of draw k alone. */
static void response_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                            double *out) {
    (void)self, (void)purpose, (void)dim;
    for (int64_t k = 0; k < n; k++) out[k] = k == 2 + (int64_t)step;
}

/* With v(t) the variance of the data's marginal, deviations from its mean shrink by v(eps)/v(T) a(T)/a(eps)
 * along the reverse SDE, and v itself solves the equation of the variance. */
static void exact_moments(const ito_sde *sde, double *mean, double *variance) {
    const double a = ito_sde_mean(sde, eps), a_T = ito_sde_mean(sde, sde->T), s = gaussian_std;
    const double b = ito_sde_std(sde, eps), b_T = ito_sde_std(sde, sde->T), prior = ito_sde_prior_std(sde);
    const double v = a * a * s * s + b * b, v_T = a_T * a_T * s * s + b_T * b_T;
    const double kept = v / v_T * a_T / a;
    *mean = a * gaussian_mean - kept * a_T * gaussian_mean;
    *variance = v + kept * kept * (prior * prior - v_T);
}

static ito_status measure_weak(problem *p, order_curve *out, ito_error *err) {
    static const double z[most_rows] = {0, 1};
    double x[most_rows], exact_mean, exact_variance;
    exact_moments(&p->sde, &exact_mean, &exact_variance);
    for (int i = 0; i < order_points; i++) {
        const int64_t steps = (int64_t)out->N[i], rows = 2 + steps * draws(p);
        const ito_status st = run(p, steps, (ito__noise){NULL, response_normal}, rows, z, x, err);
        if (st != ITO_OK) return st;
        double variance = 0;
        for (int64_t k = 1; k < rows; k++) variance += (x[k] - x[0]) * (x[k] - x[0]);
        out->error[i] = hypot(x[0] - exact_mean, variance - exact_variance);
    }
    return ITO_OK;
}

/* ---- weak_step: moments after one step, by quadrature ---- */

enum { nodes = 5, most_normals = 4, lattice = 625 /* nodes^most_normals */, moments = 3 };

/* Gauss-Hermite nodes of the standard normal: the roots of z^5 - 10 z^3 + 15 z, and their weights. */
static void quadrature(double *z, double *weight) {
    const double root = sqrt(10);
    for (int side = 0; side < 2; side++) {
        const double sign = side == 0 ? -1 : 1;
        z[side] = sign * sqrt(5 - root);
        z[2 + side] = sign * sqrt(5 + root);
        weight[side] = (7 + 2 * root) / 60;
        weight[2 + side] = (7 - 2 * root) / 60;
    }
    z[4] = 0;
    weight[4] = 8.0 / 15;
}

/* The node of normal i at lattice point k. */
static int64_t node_of(int64_t k, int64_t i) {
    for (; i > 0; i--) k /= nodes;
    return k % nodes;
}

static void lattice_normal(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim,
                           double *out) {
    double z[nodes], weight[nodes];
    (void)self, (void)purpose, (void)dim;
    quadrature(z, weight);
    for (int64_t k = 0; k < n; k++) out[k] = z[node_of(k, step)];
}

static ito_status moments_after(problem *p, int64_t steps, double *moment, ito_error *err) {
    double x[lattice], start[lattice], z[nodes], weight[nodes];
    quadrature(z, weight);
    for (int64_t k = 0; k < lattice; k++) start[k] = 0.3;
    const ito_status st = run(p, steps, (ito__noise){NULL, lattice_normal}, lattice, start, x, err);
    if (st != ITO_OK) return st;
    for (int m = 0; m < moments; m++) moment[m] = 0;
    for (int64_t k = 0; k < lattice; k++) {
        double term = 1;
        for (int i = 0; i < most_normals; i++) term *= weight[node_of(k, i)];
        for (int m = 0; m < moments; m++) moment[m] += term *= x[k];
    }
    return ITO_OK;
}

static ito_status measure_weak_step(problem *p, order_curve *out, ito_error *err) {
    for (int i = 0; i < order_points; i++) {
        const double h = longest_step / out->N[i];
        double one[moments], two[moments], squares = 0;
        ito_status st;
        p->options.eps = p->sde.T - h;
        if ((st = moments_after(p, 1, one, err)) != ITO_OK) return st;
        if ((st = moments_after(p, 2, two, err)) != ITO_OK) return st;
        for (int m = 0; m < moments; m++) squares += (one[m] - two[m]) * (one[m] - two[m]);
        out->error[i] = sqrt(squares) / h;
    }
    return ITO_OK;
}

/* ---- ode, solver ---- */

static ito_status solve(const problem *p, ito_ode_options ode, const double *z, double *x, ito_error *err) {
    ito_flow_options flow = ito_flow_default();
    flow.ode = ode;
    flow.eps = eps;
    flow.denoise = false;
    flow.prior_noise = z;
    return ito_ode_sample(&p->sde, &p->score, &flow, starts, x, NULL, err);
}

/* Tolerances that accept every step; the first and the longest give its length. */
static ito_status solve_by_steps(const problem *p, double steps, const double *z, double *x, ito_error *err) {
    ito_ode_options ode = ito_ode_default();
    ode.method = p->options.predictor;
    ode.rtol = 1;
    ode.atol = 1e6;
    ode.first_step = ode.max_step = (p->sde.T - eps) / steps;
    return solve(p, ode, z, x, err);
}

static ito_status measure_ode(problem *p, order_curve *out, ito_error *err) {
    double z[starts], x[starts], exact[starts];
    ito__philox unused = {0};
    ito_ode_options tight = ito_ode_default();
    tight.rtol = tight.atol = 1e-13;
    for (int k = 0; k < starts; k++) z[k] = 4.0 * k / (starts - 1) - 2;
    ito_status st;
    if ((st = solve(p, tight, z, exact, err)) != ITO_OK) return st;
    for (int i = 0; i < order_points; i++) {
        st = p->method == NULL ? solve_by_steps(p, out->N[i], z, x, err)
                               : run(p, (int64_t)out->N[i], ito__philox_noise(&unused), starts, z, x, err);
        if (st != ITO_OK) return st;
        out->error[i] = root_mean_square(starts, x, exact);
    }
    return ITO_OK;
}

ito_status order_measure(const order_case *c, order_curve *out, ito_error *err) {
    static ito_status (*const measure[order_kind_count])(problem *, order_curve *, ito_error *) = {
        [order_strong] = measure_strong, [order_weak] = measure_weak,  [order_weak_step] = measure_weak_step,
        [order_ode] = measure_ode,       [order_solver] = measure_ode,
    };
    problem p = {0};
    ito_status st;
    for (int i = 0; i < order_points; i++) out->N[i] = c->N[i];
    if ((st = open(&p, c, err)) != ITO_OK) goto done;
    if ((st = measure[c->kind](&p, out, err)) != ITO_OK) goto done;
    out->order = slope_order(order_points, out->N, out->error);
done:
    ito_density_free(p.density);
    return st;
}
