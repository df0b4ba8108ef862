/* SPDX-License-Identifier: Apache-2.0
 *
 * The networks against the published implementation: outputs, the training loss, and its gradients, on every
 * execution path of the engine. See README.md for the cases.
 */
#include "golden_case.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const cases[] = {"ddpmpp_vp", "ncsnpp_ve", "ncsnpp_ffhq",
                                    "ddpm_vp",   "ncsnv2_ve", "ncsn_ve"};

/* Bounds relative to the largest entry: of an image for outputs and grad_x, of a tensor for gradients, of the
 * value itself for the loss and for gradient norms. Float32 is what the published numbers of a float32 run
 * allow, with room for another order of summation; in double, what rounding the stored values to float does.
 * Bfloat16 has 8 bits, some 4e-3, in every layer. Where a network takes the largest of a window, rounding
 * makes neighbours equal and sends gradients to another pixel: rounding the weights alone to bfloat16 moves
 * these gradients by 0.27 in double.
 */
typedef struct bounds {
    double out, grad_x, loss, norm, grad, zero;
} bounds;
static const bounds single_bounds = {1e-4, 1e-4, 1e-5, 1e-3, 1e-3, 1e-6};
static const bounds double_bounds = {1e-6, 1e-6, 1e-6, 1e-5, 1e-5, 1e-6};
static const bounds bf16_bounds = {4e-2, 8e-2, 1e-3, 0.1, 0.1, 5e-4};
static const bounds bf16_max_pool_bounds = {4e-2, 0.6, 1e-3, 0.4, 0.6, 5e-4};

/* The way a plan runs. */
typedef struct path {
    const char *name;
    ito_precision precision;
    ito_isa isa;
    bool reference, exact, frozen;
} path;
static const path paths[] = {
    {"reference f64", .precision = ITO_F64, .reference = true},
    {"reference f32", .reference = true},
    {"default", .isa = ITO_ISA_AUTO},
    {"exact", .exact = true},
    {"frozen", .frozen = true},
    {"plain", .isa = ITO_ISA_PLAIN},
    {"avx2", .isa = ITO_ISA_AVX2},
    {"avx512", .isa = ITO_ISA_AVX512},
    {"bf16", .precision = ITO_BF16},
    {"bf16 frozen", .precision = ITO_BF16, .frozen = true},
};
enum { PATHS = sizeof paths / sizeof paths[0] };

/* ---- running ---- */

/* A case's graph with the memory bound to it. Leaves and outputs hold float or double as the plan does. */
typedef struct run {
    const golden_case *c;
    const path *path;
    ito_graph *g;
    ito_node *x, *labels, *z, *v, *out, *loss, *grad_x;
    ito_node **grads; /* of the graph's parameters; NULL for buffers */
    int params;
    ito_plan *plan;
    ito_workspace *ws;
    void **memory;
    int memory_count;
} run;

static void must(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

/* Memory for a node, bound and filled with values (zeros if NULL). */
static void *bind(run *r, const ito_node *node, const double *values) {
    ito_error err = {0};
    size_t n = (size_t)ito_shape_count(ito_node_shape(node));
    void *data = aligned_alloc(64, (n * sizeof(double) + 63) / 64 * 64);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++) {
        double value = values ? values[i] : 0;
        if (r->path->precision == ITO_F64)
            ((double *)data)[i] = value;
        else
            ((float *)data)[i] = (float)value;
    }
    r->memory = realloc(r->memory, (size_t)(r->memory_count + 1) * sizeof *r->memory);
    assert_non_null(r->memory);
    r->memory[r->memory_count++] = data;
    must(ito_workspace_bind(r->ws, node, data, &err), &err);
    return data;
}

static double at(const run *r, const void *data, int64_t i) {
    return r->path->precision == ITO_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static ito_shape tensor_shape(const ito_tensor *t) {
    ito_shape s = {.rank = t->rank};
    for (int i = 0; i < t->rank; i++) s.dim[i] = t->dim[i];
    return s;
}

/* [B, 1, 1, 1]: the noise level behind each label. */
static ito_node *sigma(const run *r) {
    const ito_network_config *c = &r->c->config;
    ito_node *labels = ito_reshape(r->labels, ITO_SHAPE(ito_node_shape(r->x).dim[0], 1, 1, 1));
    if (r->c->continuous) return labels;
    double step = log(c->sigma_min / c->sigma_max) / (double)(c->num_scales - 1);
    return ito_scale(ito_exp(ito_scale(labels, step)), c->sigma_max);
}

/* The denoising objective; README.md of the cases. VP networks return noise, VE networks the score. */
static ito_node *objective(const run *r) {
    ito_node *residual = r->c->ve ? ito_add(ito_mul(r->out, sigma(r)), r->z) : ito_sub(r->z, r->out);
    ito_node *square = ito_square(residual);
    int64_t batch = ito_node_shape(r->x).dim[0];
    return r->c->reduce_mean ? ito_mean(square) : ito_scale(ito_sum(square), 0.5 / (double)batch);
}

static void build(run *r, bool gradients) {
    ito_error err = {0};
    must(ito_graph_create(&r->g, &err), &err);
    ito_shape image = tensor_shape(ito_tensor_file_find(r->c->io, "x"));
    r->x = ito_input(r->g, "x", image);
    r->labels = ito_input(r->g, "labels", ITO_SHAPE(image.dim[0]));
    r->out = ito_network_build(&r->c->config, r->x, r->labels, false);
    r->params = ito_graph_param_count(r->g);
    if (!gradients) return;
    r->z = ito_input(r->g, "z", image);
    r->v = ito_input(r->g, "v", image);
    r->loss = objective(r);
    ito_gradients(r->out, r->v, 1, &r->x, &r->grad_x);

    ito_node **wrt = calloc((size_t)r->params, sizeof *wrt), **d = calloc((size_t)r->params, sizeof *d);
    r->grads = calloc((size_t)r->params, sizeof *r->grads);
    assert_true(wrt && d && r->grads);
    int n = 0;
    for (int i = 0; i < r->params; i++)
        if (ito_node_trainable(ito_graph_param(r->g, i))) wrt[n++] = ito_graph_param(r->g, i);
    ito_gradients(r->loss, NULL, n, wrt, d);
    for (int i = 0, k = 0; i < r->params; i++)
        if (ito_node_trainable(ito_graph_param(r->g, i))) r->grads[i] = d[k++];
    free(wrt);
    free(d);
}

static void plan(run *r) {
    ito_error err = {0};
    ito_plan_options o = ito_plan_default();
    o.precision = r->path->precision;
    o.isa = r->path->isa;
    o.reference = r->path->reference;
    o.exact = r->path->exact;
    o.frozen = r->path->frozen;
    ito_node **outputs = calloc((size_t)r->params + 3, sizeof *outputs);
    assert_non_null(outputs);
    int n = 0;
    outputs[n++] = r->out;
    if (r->loss) {
        outputs[n++] = r->loss;
        outputs[n++] = r->grad_x;
        for (int i = 0; i < r->params; i++)
            if (r->grads[i]) outputs[n++] = r->grads[i];
    }
    must(ito_plan_create(r->g, n, outputs, &o, &r->plan, &err), &err);
    must(ito_workspace_create(r->plan, &r->ws, &err), &err);
    free(outputs);
}

static void bind_input(run *r, const ito_node *node, const char *name) {
    double *values = golden_case_expected(r->c, name);
    assert_non_null(values);
    bind(r, node, values);
    free(values);
}

/* Binds weights ("model" or "ema"), each found by its name and of its shape. */
static void bind_weights(run *r, const char *which) {
    char name[256];
    for (int i = 0; i < r->params; i++) {
        const ito_node *p = ito_graph_param(r->g, i);
        snprintf(name, sizeof name, "%s/%s", which, ito_node_name(p));
        const ito_tensor *t = ito_tensor_file_find(r->c->weights, name);
        if (!t) fail_msg("the checkpoint has no %s", name);
        if (!ito_shape_equal(tensor_shape(t), ito_node_shape(p))) fail_msg("%s has another shape", name);
        double *values = calloc((size_t)t->count, sizeof *values);
        assert_non_null(values);
        ito_tensor_read_f64(t, values);
        bind(r, p, values);
        free(values);
    }
}

static void start(run *r, const golden_case *c, const path *p, const char *which, bool gradients) {
    *r = (run){.c = c, .path = p};
    build(r, gradients);
    plan(r);
    bind_input(r, r->x, "x");
    bind_input(r, r->labels, "labels");
    if (gradients) {
        bind_input(r, r->z, "z");
        bind_input(r, r->v, "v");
    }
    bind_weights(r, which);
}

static void finish(run *r) {
    ito_workspace_free(r->ws);
    ito_plan_free(r->plan);
    ito_graph_free(r->g);
    for (int i = 0; i < r->memory_count; i++) free(r->memory[i]);
    free(r->memory);
    free(r->grads);
}

/* ---- comparing ---- */

/* Largest |got - want| over the largest |want|, the worst over `groups` equal parts (images of a batch). */
static double distance(const run *r, const void *got, const double *want, int64_t n, int64_t groups) {
    double worst = 0;
    for (int64_t k = 0; k < groups; k++) {
        double error = 0, largest = 0;
        for (int64_t i = k * n / groups; i < (k + 1) * n / groups; i++) {
            double e = fabs(at(r, got, i) - want[i]);
            if (!isnan(error) && !(e <= error)) error = e; /* a NaN stays */
            largest = fmax(largest, fabs(want[i]));
        }
        if (!isnan(worst) && !(error / largest <= worst)) worst = error / largest;
    }
    return worst;
}

static void check(const run *r, const char *what, double measured, double bound) {
    print_message("    %-14s %-44s %.2e (bound %.0e)\n", r->path->name, what, measured, bound);
    if (!(measured <= bound)) fail_msg("%s, %s: off by %g, allowed %g", r->path->name, what, measured, bound);
}

static void check_images(const run *r, const char *name, const void *got, double bound) {
    const ito_tensor *t = ito_tensor_file_find(r->c->io, name);
    double *want = golden_case_expected(r->c, name);
    assert_non_null(want);
    check(r, name, distance(r, got, want, t->count, t->dim[0]), bound);
    free(want);
}

/* Norms of all gradients; those that are zero in exact arithmetic against the largest norm. */
static void check_norms(const run *r, void *const *grads, double bound, double zero_bound) {
    double *want = golden_case_expected(r->c, "gradnorm"), largest = 0, worst = 0, worst_zero = 0;
    assert_non_null(want);
    for (int k = 0; k < r->c->param_count; k++) largest = fmax(largest, want[k]);
    for (int i = 0, k = 0; i < r->params; i++) {
        if (!r->grads[i]) continue;
        double sum = 0;
        int64_t n = ito_shape_count(ito_node_shape(r->grads[i]));
        for (int64_t j = 0; j < n; j++) sum += at(r, grads[i], j) * at(r, grads[i], j);
        bool zero = want[k] < 1e-12 * largest;
        double error = fabs(sqrt(sum) - want[k]) / (zero ? largest : want[k]);
        if (!zero && !isnan(worst) && !(error <= worst)) worst = error;
        if (zero && !isnan(worst_zero) && !(error <= worst_zero)) worst_zero = error;
        if (!zero && !(error <= bound))
            print_message("    gradient norm of %s: %g\n", r->c->param_names[k], error);
        k++;
    }
    free(want);
    check(r, "gradient norms", worst, bound);
    check(r, "gradients that are zero", worst_zero, zero_bound);
}

static void check_full_gradients(const run *r, void *const *grads, double bound) {
    int found = 0;
    char name[256];
    for (int i = 0; i < r->params; i++) {
        if (!r->grads[i]) continue;
        snprintf(name, sizeof name, "grad:module.%s", ito_node_name(ito_graph_param(r->g, i)));
        double *want = golden_case_expected(r->c, name);
        if (!want) continue;
        found++;
        check(r, name, distance(r, grads[i], want, ito_shape_count(ito_node_shape(r->grads[i])), 1), bound);
        free(want);
    }
    assert_int_equal(found, 4);
}

static bool runs_here(const path *p) {
    if (p->precision == ITO_BF16 && ito_isa_detect() < ITO_ISA_AVX512) return false;
    return p->isa <= ito_isa_detect();
}

static bounds bounds_of(const golden_case *c, const path *p) {
    ito_architecture family = c->config.architecture;
    bool max_pool = family >= ITO_NCSNV2_64 && family <= ITO_NCSNV2_256;
    if (p->precision == ITO_BF16) return max_pool ? bf16_max_pool_bounds : bf16_bounds;
    return p->precision == ITO_F64 ? double_bounds : single_bounds;
}

/* ---- the claims ---- */

static void forward_agrees(const golden_case *c, const path *p, const char *which) {
    run r;
    ito_error err = {0};
    start(&r, c, p, which, false);
    void *out = bind(&r, r.out, NULL);
    for (int repeat = 0; repeat < 2; repeat++) must(ito_plan_run(r.plan, r.ws, &err), &err);
    check_images(&r, strcmp(which, "ema") == 0 ? "out_ema" : "out_model", out, bounds_of(c, p).out);
    finish(&r);
}

static void gradients_agree(const golden_case *c, const path *p) {
    run r;
    ito_error err = {0};
    bounds b = bounds_of(c, p);
    start(&r, c, p, "model", true);
    void *out = bind(&r, r.out, NULL), *loss = bind(&r, r.loss, NULL), *grad_x = bind(&r, r.grad_x, NULL);
    void **grads = calloc((size_t)r.params, sizeof *grads);
    assert_non_null(grads);
    for (int i = 0; i < r.params; i++)
        if (r.grads[i]) grads[i] = bind(&r, r.grads[i], NULL);
    must(ito_plan_run(r.plan, r.ws, &err), &err);

    double *want = golden_case_expected(c, "loss");
    assert_non_null(want);
    check(&r, "loss", fabs(at(&r, loss, 0) - *want) / fabs(*want), b.loss);
    check_images(&r, "out_model", out, b.out);
    check_images(&r, "grad_x", grad_x, b.grad_x);
    check_norms(&r, grads, b.norm, b.zero);
    check_full_gradients(&r, grads, b.grad);
    free(want);
    free(grads);
    finish(&r);
}

static void project_case(const char *name) {
    char folder[256];
    golden_case c;
    snprintf(folder, sizeof folder, "tests/golden/networks/%s", name);
    golden_case_open(folder, "weights.safetensors", &c);
    print_message("  %s\n", name);
    for (int i = 0; i < PATHS; i++) {
        if (!runs_here(&paths[i])) continue;
        forward_agrees(&c, &paths[i], "model");
        if (ito_tensor_file_find(c.weights, "ema/all_modules.3.Conv_0.weight"))
            forward_agrees(&c, &paths[i], "ema");
        gradients_agree(&c, &paths[i]);
    }
    golden_case_close(&c);
}

static void ddpmpp_agrees_with_the_published_code(void **state) {
    (void)state;
    project_case(cases[0]);
}

static void ncsnpp_agrees_with_the_published_code(void **state) {
    (void)state;
    project_case(cases[1]);
}

static void ncsnpp_with_skip_pyramids_agrees_with_the_published_code(void **state) {
    (void)state;
    project_case(cases[2]);
}

static void ddpm_agrees_with_the_published_code(void **state) {
    (void)state;
    project_case(cases[3]);
}

static void ncsnv2_agrees_with_the_published_code(void **state) {
    (void)state;
    project_case(cases[4]);
}

static void ncsn_agrees_with_the_published_code(void **state) {
    (void)state;
    project_case(cases[5]);
}

/* Names and their order are the checkpoint's, so that unnamed EMA lists and optimizer states fit. */
static void parameters_have_published_names_and_order(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[256];
        golden_case c;
        snprintf(folder, sizeof folder, "tests/golden/networks/%s", cases[i]);
        golden_case_open(folder, "weights.safetensors", &c);
        run r = {.c = &c, .path = &paths[0]};
        build(&r, false);
        int k = 0;
        for (int j = 0; j < r.params; j++) {
            const ito_node *p = ito_graph_param(r.g, j);
            if (!ito_node_trainable(p)) continue;
            assert_true(k < c.param_count);
            assert_string_equal(ito_node_name(p), c.param_names[k++]);
        }
        assert_int_equal(k, c.param_count);
        print_message("  %s: %d trainable tensors\n", cases[i], k);
        finish(&r);
        golden_case_close(&c);
    }
}

/* Whatever further cases lie beside the project, straight from their checkpoints. */
static void cases_beside_the_project_agree(void **state) {
    (void)state;
    const char *root = "../shared/golden/networks";
    DIR *dir = opendir(root);
    if (!dir) skip();
    for (struct dirent *entry; (entry = readdir(dir));) {
        char folder[512];
        golden_case c;
        snprintf(folder, sizeof folder, "%s/%s", root, entry->d_name);
        if (entry->d_name[0] == '.' || !golden_case_known(folder)) continue;
        print_message("  %s\n", folder);
        golden_case_open(folder, "checkpoint.pth", &c);
        forward_agrees(&c, &paths[2], "model");
        forward_agrees(&c, &paths[2], "ema");
        gradients_agree(&c, &paths[2]);
        golden_case_close(&c);
    }
    closedir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_have_published_names_and_order),
        cmocka_unit_test(ddpmpp_agrees_with_the_published_code),
        cmocka_unit_test(ncsnpp_agrees_with_the_published_code),
        cmocka_unit_test(ncsnpp_with_skip_pyramids_agrees_with_the_published_code),
        cmocka_unit_test(ddpm_agrees_with_the_published_code),
        cmocka_unit_test(ncsnv2_agrees_with_the_published_code),
        cmocka_unit_test(ncsn_agrees_with_the_published_code),
        cmocka_unit_test(cases_beside_the_project_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
