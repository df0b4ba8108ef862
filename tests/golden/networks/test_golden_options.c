/* SPDX-License-Identifier: Apache-2.0
 *
 * The options of NCSN++ and DDPM, in random combinations, against the published code: outputs, the gradient
 * by the image, and the norm of the gradient by all weights. See options/README.md.
 */
#include "formula.h"
#include "golden_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include <cmocka.h>

enum { N = 2 };

/* Relative to the largest output and gradient, and to the norm. */
static const double OUT_BOUND = 1e-4, GRAD_X_BOUND = 1e-4, GRAD_BOUND = 1e-4;

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s: %s", ito_status_name(st), err->message);
}

/* A network with its results in memory. */
typedef struct subject {
    ito_graph *g;
    ito_params *params;
    ito_node *x, *labels, *v, *out, *grad_x, *square; /* square: of the gradient's norm */
    ito_plan *plan;
    ito_workspace *ws;
    int64_t values;
    float *memory[4]; /* x, v, out, grad_x */
    float label[N], norm2;
} subject;

static void build(subject *s, const ito_network_config *c) {
    ito_error err = {0};
    ito_shape image = ITO_SHAPE(N, c->channels, c->image_size, c->image_size);
    require(ito_graph_create(&s->g, &err), &err);
    s->x = ito_input(s->g, "x", image);
    s->labels = ito_input(s->g, "labels", ITO_SHAPE(N));
    s->out = ito_network_build(c, s->x, s->labels, false);
    s->v = ito_input(s->g, "v", image);
    s->values = ito_shape_count(image);
    const int params = ito_graph_param_count(s->g);
    ito_node **wrt = test_calloc((size_t)params + 1, sizeof *wrt),
             **grad = test_calloc((size_t)params + 1, sizeof *grad);
    int n = 0;
    wrt[n++] = s->x;
    for (int i = 0; i < params; i++)
        if (ito_node_trainable(ito_graph_param(s->g, i))) wrt[n++] = ito_graph_param(s->g, i);
    ito_gradients(s->out, s->v, n, wrt, grad);
    s->grad_x = grad[0];
    s->square = ito_fill(s->g, 0, ITO_SHAPE(1));
    for (int i = 1; i < n; i++) s->square = ito_add(s->square, ito_sum(ito_square(grad[i])));
    test_free(wrt);
    test_free(grad);
    require(ito_params_create(s->g, &s->params, &err), &err);
    formula_weights(s->params);
}

static void run(subject *s, bool exact) {
    ito_error err = {0};
    ito_plan_options options = ito_plan_default();
    options.exact = exact;
    require(ito_plan_create(s->g, 3, (ito_node *[]){s->out, s->grad_x, s->square}, &options, &s->plan, &err),
            &err);
    require(ito_workspace_create(s->plan, &s->ws, &err), &err);
    require(ito_workspace_bind_params(s->ws, s->g, s->params, &err), &err);
    ito_node *const nodes[] = {s->x, s->v, s->out, s->grad_x};
    for (int k = 0; k < 4; k++) {
        s->memory[k] = test_calloc((size_t)s->values, sizeof *s->memory[k]);
        require(ito_workspace_bind(s->ws, nodes[k], s->memory[k], &err), &err);
    }
    for (int64_t i = 0; i < s->values; i++) {
        s->memory[0][i] = (float)sin(1 + 0.9 * (double)i);
        s->memory[1][i] = (float)sin(2 + 0.7 * (double)i);
    }
    (void)ito_workspace_bind(s->ws, s->labels, s->label, NULL); /* not every network reads them */
    require(ito_workspace_bind(s->ws, s->square, &s->norm2, &err), &err);
    require(ito_plan_run(s->plan, s->ws, &err), &err);
}

static void release(subject *s) {
    for (int k = 0; k < 4; k++) test_free(s->memory[k]);
    ito_workspace_free(s->ws);
    ito_plan_free(s->plan);
    ito_params_free(s->params);
    ito_graph_free(s->g);
}

/* The largest difference from an array of the file, relative to its largest entry. */
static double distance(const ito_tensor_file *f, int config, const char *what, const float *got, int64_t n) {
    char name[32];
    double off = 0, largest = 0;
    snprintf(name, sizeof name, "%d.%s", config, what);
    const ito_tensor *t = ito_tensor_file_find(f, name);
    if (!t || t->count != n) fail_msg("golden array %s is missing or of another size", name);
    double *want = test_calloc((size_t)n, sizeof *want);
    ito_tensor_read_f64(t, want);
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs((double)got[i] - want[i]);
        if (!(e <= off)) off = e;
        largest = fmax(largest, fabs(want[i]));
    }
    test_free(want);
    return off / largest;
}

static void options_agree(bool exact) {
    ito_error err = {0};
    char *text = NULL;
    size_t length;
    ito_tensor_file *f = NULL;
    require(ito_file_read("tests/golden/networks/options/configs.json", 1 << 20, &text, &length, &err), &err);
    require(ito_npz_open("tests/golden/networks/options/options.npz", &f, &err), &err);
    cJSON *all = cJSON_Parse(text);
    const cJSON *json;
    int k = 0;
    double worst[3] = {0};
    cJSON_ArrayForEach(json, all) {
        const ito_network_config c = golden_config(json);
        subject s = {0};
        build(&s, &c);
        for (int i = 0; i < N; i++)
            s.label[i] = (float)cJSON_GetArrayItem(cJSON_GetObjectItem(json, "labels"), i)->valuedouble;
        run(&s, exact);
        const float norm = sqrtf(s.norm2);
        const double error[3] = {distance(f, k, "out", s.memory[2], s.values),
                                 distance(f, k, "grad_x", s.memory[3], s.values),
                                 distance(f, k, "grad", &norm, 1)};
        if (!(error[0] <= OUT_BOUND && error[1] <= GRAD_X_BOUND && error[2] <= GRAD_BOUND))
            fail_msg("configuration %d: output off by %.1e, grad_x %.1e, gradient %.1e", k, error[0],
                     error[1], error[2]);
        for (int i = 0; i < 3; i++) worst[i] = fmax(worst[i], error[i]);
        release(&s);
        k++;
    }
    print_message("  %d networks: output %.1e (bound %.0e), grad_x %.1e (%.0e), gradient %.1e (%.0e)\n", k,
                  worst[0], OUT_BOUND, worst[1], GRAD_X_BOUND, worst[2], GRAD_BOUND);
    assert_true(k > 40);
    cJSON_Delete(all);
    free(text);
    ito_tensor_file_close(f);
}

static void options_agree_with_the_published_code(void **state) {
    (void)state;
    options_agree(false);
}

static void options_agree_by_direct_sums(void **state) {
    (void)state;
    options_agree(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(options_agree_with_the_published_code),
                                       cmocka_unit_test(options_agree_by_direct_sums)};
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
