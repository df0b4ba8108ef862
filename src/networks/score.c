/* SPDX-License-Identifier: Apache-2.0
 *
 * A network as a score function: the one place that knows which label a network takes for a time, and how
 * its output becomes a score (SPEC section 3), and where doubles become floats.
 */
#include <ito/networks.h>

#include "core/memory.h"

#include <math.h>
#include <string.h>

/* 1 - abar_i of the discrete DDPM chain: beta_j evenly spaced from beta_min / N to beta_max / N, abar_i the
 * product of 1 - beta_j up to i. [DDPM] Eq 4. */
static double ddpm_variance(const ito_sde *sde, int64_t i) {
    double n = (double)sde->steps, log_abar = 0;
    for (int64_t j = 0; j <= i; j++) {
        double beta = (sde->beta_min + (sde->beta_max - sde->beta_min) * (double)j / (n - 1)) / n;
        log_abar += log1p(-beta);
    }
    return -expm1(log_abar);
}

/* Labels of discretely trained networks are whole numbers, as in training. */
double ito_network_label(const ito_sde *sde, bool continuous, double t) {
    double last = (double)(sde->steps - 1);
    if (sde->kind == ITO_SDE_VE) return continuous ? ito_sde_std(sde, t) : rint((sde->T - t) / sde->T * last);
    /* sub-VP networks exist in continuous form only. */
    if (continuous || sde->kind == ITO_SDE_SUBVP) return 999 * t / sde->T;
    return rint(t / sde->T * last);
}

double ito_network_score_factor(const ito_sde *sde, bool continuous, double t) {
    if (sde->kind == ITO_SDE_VE) return 1;
    if (continuous || sde->kind == ITO_SDE_SUBVP) return -1 / ito_sde_std(sde, t);
    return -1 / sqrt(ddpm_variance(sde, ito_sde_index(sde, t)));
}

struct ito_network_score {
    ito_sde sde;
    bool continuous, raw_labels;
    int64_t batch, dim;
    struct pass {
        double class, weight; /* the score is the weighted sum of what each gives */
    } pass[2];
    int passes;
    int64_t n_classes;
    double guidance;
    ito_graph *graph;
    ito_node *x, *labels, *v, *out, *grad; /* v and grad are NULL without a vjp */
    ito_node *classes;                     /* NULL in a network without */
    ito_plan *forward, *backward;
    ito_workspace *ws_forward, *ws_backward;
    float *x_data, *labels_data, *classes_data, *v_data, *out_data, *grad_data; /* one batch each */
};

ito_network_score_options ito_network_score_default(void) {
    return (ito_network_score_options){
        .batch = 64, .continuous = true, .class_index = -1, .guidance = 1, .plan = ito_plan_default()};
}

static void build(ito_network_score *s, const ito_network_config *c, bool with_vjp) {
    ito_shape shape = ITO_SHAPE(s->batch, c->channels, c->image_size, c->image_size);
    s->x = ito_input(s->graph, "x", shape);
    s->labels = ito_input(s->graph, "labels", ITO_SHAPE(s->batch));
    if (c->classes > 0) s->classes = ito_input(s->graph, "classes", ITO_SHAPE(s->batch));
    s->out = ito_network_build_classes(c, s->x, s->labels, s->classes, false);
    if (!with_vjp) return;
    s->v = ito_input(s->graph, "v", shape);
    ito_gradients(s->out, s->v, 1, &s->x, &s->grad);
}

/* x and out, v and grad, labels and classes. */
static size_t buffer_bytes(const ito_network_score *s) {
    return (size_t)(s->batch * ((s->grad ? 4 : 2) * s->dim + 2)) * sizeof(float);
}

static ito_status buffers(ito_network_score *s, ito_error *err) {
    size_t n = (size_t)(s->batch * s->dim);
    s->x_data = ito__calloc(n, sizeof(float));
    s->out_data = ito__calloc(n, sizeof(float));
    s->labels_data = ito__calloc((size_t)s->batch, sizeof(float));
    s->classes_data = ito__calloc((size_t)s->batch, sizeof(float));
    if (s->grad) {
        s->v_data = ito__calloc(n, sizeof(float));
        s->grad_data = ito__calloc(n, sizeof(float));
    }
    if (s->x_data && s->out_data && s->labels_data && s->classes_data &&
        (!s->grad || (s->v_data && s->grad_data)))
        return ITO_OK;
    return ito_error_set(err, ITO_E_NOMEM, "network: no memory for a batch of %lld: use a smaller batch",
                         (long long)s->batch);
}

/* The plan for the output, and the one for the gradient beside it, which needs the forward pass anyway. */
static ito_status make_plans(ito_network_score *s, const ito_plan_options *options, ito_error *err) {
    ito_plan_options o = *options;
    ito_node *outputs[] = {s->out, s->grad};
    o.frozen = true;
    ito_status st = ito_plan_create(s->graph, 1, outputs, &o, &s->forward, err);
    if (st == ITO_OK && s->grad) st = ito_plan_create(s->graph, 2, outputs, &o, &s->backward, err);
    return st;
}

/* The workspace of a plan with its leaves bound. */
static ito_status prepare(ito_network_score *s, const ito_network_config *c, ito_params *params,
                          const ito_plan *plan, ito_workspace **ws, ito_error *err) {
    ito_status st;
    const bool with_grad = plan == s->backward;
    if ((st = ito_workspace_create(plan, ws, err)) != ITO_OK) return st;
    if ((st = ito_workspace_bind_params(*ws, s->graph, params, err)) != ITO_OK) return st;
    if ((st = ito_workspace_bind(*ws, s->x, s->x_data, err)) != ITO_OK) return st;
    if (ito_network_reads_labels(c) &&
        (st = ito_workspace_bind(*ws, s->labels, s->labels_data, err)) != ITO_OK)
        return st;
    if (s->classes && (st = ito_workspace_bind(*ws, s->classes, s->classes_data, err)) != ITO_OK) return st;
    if (with_grad && (st = ito_workspace_bind(*ws, s->v, s->v_data, err)) != ITO_OK) return st;
    if (with_grad && (st = ito_workspace_bind(*ws, s->grad, s->grad_data, err)) != ITO_OK) return st;
    return ito_workspace_bind(*ws, s->out, s->out_data, err);
}

/* One pass for the class or for none, two when guidance weighs them. */
static ito_status choose_passes(ito_network_score *s, const ito_network_config *c,
                                const ito_network_score_options *o, ito_error *err) {
    if (o->class_index < -1 || (o->class_index >= 0 && o->class_index >= c->classes))
        return ito_error_set(err, ITO_E_ARG,
                             "class: is %lld, the network has %lld classes: use -1 for "
                             "none, or one of 0 to %lld",
                             (long long)o->class_index, (long long)c->classes, (long long)c->classes - 1);
    if (!isfinite(o->guidance))
        return ito_error_set(err, ITO_E_ARG, "guidance: is %g: use a finite number, as 1", o->guidance);
    double none = (double)c->classes;
    s->passes = 1;
    s->pass[0] = (struct pass){none, 1};
    if (o->class_index < 0 || o->guidance == 0) return ITO_OK;
    s->pass[0] = (struct pass){(double)o->class_index, o->guidance};
    if (o->guidance == 1) return ITO_OK;
    s->pass[1] = (struct pass){none, 1 - o->guidance};
    s->passes = 2;
    return ITO_OK;
}

/* Everything but memory: graph and plans. *out is to be freed after a failure too. */
static ito_status plan_score(const ito_network_config *c, const ito_network_score_options *o,
                             ito_network_score **out, ito_error *err) {
    ito_status st = ito_network_check(c, err);
    if (st != ITO_OK) return st;
    if (o->batch < 1)
        return ito_error_set(err, ITO_E_ARG, "batch: is %lld: use at least 1", (long long)o->batch);
    if (o->plan.precision == ITO_F64)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "precision: a network's score takes floats: use ITO_F32 or ITO_BF16");
    ito_network_score *s = *out = ito__calloc(1, sizeof *s);
    if (!s) return ito_error_set(err, ITO_E_NOMEM, "network: no memory for a score function: free some");
    s->continuous = o->continuous;
    s->raw_labels = o->raw_labels;
    s->batch = o->batch;
    s->n_classes = c->classes;
    s->guidance = o->guidance;
    s->dim = c->channels * c->image_size * c->image_size;
    if ((st = choose_passes(s, c, o, err)) != ITO_OK) return st;
    if ((st = ito_graph_create(&s->graph, err)) != ITO_OK) return st;
    build(s, c, o->with_vjp);
    return make_plans(s, &o->plan, err);
}

ito_status ito_network_score_bytes(const ito_network_config *c, const ito_network_score_options *options,
                                   size_t *bytes, ito_error *err) {
    ito_network_score *s = NULL;
    ito_network_score_options o = options ? *options : ito_network_score_default();
    o.plan.sizes_only = true;
    ito_status st = plan_score(c, &o, &s, err);
    if (st == ITO_OK) {
        *bytes = buffer_bytes(s) + ito_plan_bytes(s->forward);
        if (s->backward) *bytes += ito_plan_bytes(s->backward);
    }
    ito_network_score_free(s);
    return st;
}

ito_status ito_network_score_create(const ito_network_config *c, const ito_sde *sde, ito_params *params,
                                    const ito_network_score_options *options, ito_network_score **out,
                                    ito_error *err) {
    ito_status st;
    ito_network_score *s = NULL;
    ito_network_score_options o = options ? *options : ito_network_score_default();

    *out = NULL;
    if ((st = ito_sde_check(sde, err)) != ITO_OK) goto done;
    if (sde->kind >= ITO_SDE_NETWORK_COUNT) {
        st = ito_error_set(err, ITO_E_UNSUPPORTED, "sde: networks know no labels for %s: use ve, vp or subvp",
                           ito_sde_name(sde->kind));
        goto done;
    }
    if ((st = plan_score(c, &o, &s, err)) != ITO_OK) goto done;
    s->sde = *sde;
    if ((st = buffers(s, err)) != ITO_OK) goto done;
    if ((st = prepare(s, c, params, s->forward, &s->ws_forward, err)) != ITO_OK) goto done;
    if (s->backward && (st = prepare(s, c, params, s->backward, &s->ws_backward, err)) != ITO_OK) goto done;
    *out = s;
    s = NULL;
done:
    ito_network_score_free(s);
    return st;
}

void ito_network_score_free(ito_network_score *s) {
    if (!s) return;
    ito_workspace_free(s->ws_backward);
    ito_workspace_free(s->ws_forward);
    ito_plan_free(s->backward);
    ito_plan_free(s->forward);
    ito_graph_free(s->graph);
    ito__free(s->classes_data);
    ito__free(s->labels_data);
    ito__free(s->grad_data);
    ito__free(s->out_data);
    ito__free(s->v_data);
    ito__free(s->x_data);
    ito__free(s);
}

const ito_plan *ito_network_score_plan(const ito_network_score *s) {
    return s->forward;
}

/* Rows of a batch past the n in use repeat row 0: any valid input does, and zeros might not be one. */
static void fill_rest(int64_t n, int64_t batch, int64_t width, float *x) {
    for (int64_t i = n; i < batch; i++) memcpy(x + i * width, x, (size_t)width * sizeof *x);
}

static void to_float(int64_t n, const double *x, float *out) {
    for (int64_t i = 0; i < n; i++) out[i] = (float)x[i];
}

/* result = weight factor(t) data of pass k, row by row, added to what the passes before gave. */
static void add_rows(const ito_network_score *s, int k, int64_t n, const double *t, const float *data,
                     double *result) {
    for (int64_t i = 0; i < n; i++) {
        double factor = s->pass[k].weight * ito_network_score_factor(&s->sde, s->continuous, t[i]);
        for (int64_t j = i * s->dim; j < (i + 1) * s->dim; j++)
            result[j] = (k > 0 ? result[j] : 0) + factor * (double)data[j];
    }
}

static double label_at(const ito_network_score *s, double t) {
    if (s->raw_labels && !s->continuous && s->sde.kind == ITO_SDE_VP)
        return t / s->sde.T * (double)(s->sde.steps - 1);
    return ito_network_label(&s->sde, s->continuous, t);
}

/* The network's output, and its gradient, for what is in the buffers and one class for all. */
static ito_status run_plan(ito_network_score *s, bool backward, double class, ito_error *err) {
    for (int64_t i = 0; i < s->batch; i++) s->classes_data[i] = (float)class;
    return backward ? ito_plan_run(s->backward, s->ws_backward, err)
                    : ito_plan_run(s->forward, s->ws_forward, err);
}

/* One batch of at most s->batch samples, through the forward plan, or the backward plan if v is given. score
 * and vjp_out may be NULL where they are not wanted. */
static ito_status run_batch(ito_network_score *s, int64_t n, const double *x, const double *t,
                            const double *v, double *score, double *vjp_out, ito_error *err) {
    to_float(n * s->dim, x, s->x_data);
    fill_rest(n, s->batch, s->dim, s->x_data);
    for (int64_t i = 0; i < n; i++) s->labels_data[i] = (float)label_at(s, t[i]);
    fill_rest(n, s->batch, 1, s->labels_data);
    if (v) {
        to_float(n * s->dim, v, s->v_data);
        fill_rest(n, s->batch, s->dim, s->v_data);
    }
    for (int k = 0; k < s->passes; k++) {
        ito_status st = run_plan(s, v != NULL, s->pass[k].class, err);
        if (st != ITO_OK) return st;
        if (score) add_rows(s, k, n, t, s->out_data, score);
        if (vjp_out) add_rows(s, k, n, t, s->grad_data, vjp_out);
    }
    return ITO_OK;
}

/* All samples, a batch at a time. */
static ito_status run(ito_network_score *s, int64_t n, const double *x, const double *t, const double *v,
                      double *score, double *vjp_out, ito_error *err) {
    for (int64_t i = 0; i < n; i += s->batch) {
        int64_t m = n - i < s->batch ? n - i : s->batch, at = i * s->dim;
        ito_status st = run_batch(s, m, x + at, t + i, v ? v + at : NULL, score ? score + at : NULL,
                                  vjp_out ? vjp_out + at : NULL, err);
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

static ito_status eval(void *self, int64_t n, const double *x, const double *t, double *score,
                       ito_error *err) {
    return run(self, n, x, t, NULL, score, NULL, err);
}

static ito_status vjp(void *self, int64_t n, const double *x, const double *t, const double *v,
                      double *vjp_out, ito_error *err) {
    return run(self, n, x, t, v, NULL, vjp_out, err);
}

static ito_status eval_vjp(void *self, int64_t n, const double *x, const double *t, const double *v,
                           double *score, double *vjp_out, ito_error *err) {
    return run(self, n, x, t, v, score, vjp_out, err);
}

ito_score ito_network_score_view(ito_network_score *s) {
    return (ito_score){.self = s,
                       .dim = s->dim,
                       .eval = eval,
                       .vjp = s->grad ? vjp : NULL,
                       .eval_vjp = s->grad ? eval_vjp : NULL};
}

/* ---- raw outputs ---- */

/* What the buffers of a pass are shown: one class for all, or own [m], -1 for none. */
static void show_classes(ito_network_score *s, double class, int64_t m, const int64_t *own) {
    for (int64_t i = 0; i < s->batch; i++) s->classes_data[i] = (float)class;
    for (int64_t i = 0; own && i < m; i++)
        if (own[i] >= 0) s->classes_data[i] = (float)own[i];
}

/* At most s->batch rows through the passes. */
static ito_status forward_batch(ito_network_score *s, int passes, const struct pass *pass, int64_t m,
                                const int64_t *classes, float *out, ito_error *err) {
    for (int k = 0; k < passes; k++) {
        show_classes(s, pass[k].class, m, k == 0 ? classes : NULL);
        const ito_status st = ito_plan_run(s->forward, s->ws_forward, err);
        if (st != ITO_OK) return st;
        const float weight = (float)pass[k].weight;
        for (int64_t j = 0; j < m * s->dim; j++)
            out[j] = k > 0 ? out[j] + weight * s->out_data[j] : weight * s->out_data[j];
    }
    return ITO_OK;
}

static ito_status forward(ito_network_score *s, int passes, const struct pass *pass, int64_t n,
                          const float *x, const float *labels, const int64_t *classes, float *out,
                          ito_error *err) {
    for (int64_t i = 0; i < n; i += s->batch) {
        int64_t m = n - i < s->batch ? n - i : s->batch;
        memcpy(s->x_data, x + i * s->dim, (size_t)(m * s->dim) * sizeof *x);
        memcpy(s->labels_data, labels + i, (size_t)m * sizeof *labels);
        fill_rest(m, s->batch, s->dim, s->x_data);
        fill_rest(m, s->batch, 1, s->labels_data);
        const int64_t *own = classes ? classes + i : NULL;
        const ito_status st = forward_batch(s, passes, pass, m, own, out + i * s->dim, err);
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

ito_status ito_network_score_forward(ito_network_score *s, int64_t n, const float *x, const float *labels,
                                     float *out, ito_error *err) {
    return forward(s, s->passes, s->pass, n, x, labels, NULL, out, err);
}

ito_status ito_network_score_forward_classes(ito_network_score *s, int64_t n, const float *x,
                                             const float *labels, const int64_t *classes, float *out,
                                             ito_error *err) {
    const double none = (double)s->n_classes;
    const struct pass pass[2] = {{none, s->guidance}, {none, 1 - s->guidance}};
    for (int64_t i = 0; i < n; i++) {
        if (classes[i] >= -1 && classes[i] < s->n_classes) continue;
        return ito_error_set(
            err, ITO_E_ARG,
            "classes: row %lld is %lld, the network has %lld classes: use -1 for none, or one "
            "of 0 to %lld",
            (long long)i, (long long)classes[i], (long long)s->n_classes, (long long)s->n_classes - 1);
    }
    return forward(s, s->guidance == 1 ? 1 : 2, pass, n, x, labels, classes, out, err);
}
