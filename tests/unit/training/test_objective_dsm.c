/* SPDX-License-Identifier: Apache-2.0
 *
 * The denoising score matching loss against golden numbers of the authors' implementation (an affine stand-in
 * for the network), and the draws against their names.
 */
#include "training/objective.h"
#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { B = 6, C = 3, D = 48, VALUES = B * D };

static ito_tensor_file *open_golden(const char *sde) {
    char path[128];
    ito_error err = {0};
    ito_tensor_file *f = NULL;
    snprintf(path, sizeof path, "tests/golden/dynamics/losses_%s.safetensors", sde);
    if (ito_safetensors_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    return f;
}

static void read_golden(const ito_tensor_file *f, const char *name, int64_t count, double *out) {
    const ito_tensor *t = ito_tensor_file_find(f, name);
    if (!t || t->count != count) fail_msg("golden tensor %s is missing or of another size", name);
    ito_tensor_read_f64(t, out);
}

static ito_sde golden_sde(const ito_tensor_file *f, const char *name) {
    ito_sde_kind kind = ITO_SDE_VP;
    double params[2];
    assert_int_equal(ito_sde_from_name(name, &kind, NULL), ITO_OK);
    ito_sde sde = ito_sde_default(kind);
    read_golden(f, "sde.params", 2, params);
    if (kind == ITO_SDE_VE) {
        sde.sigma_min = params[0];
        sde.sigma_max = params[1];
    } else {
        sde.beta_min = params[0];
        sde.beta_max = params[1];
    }
    return sde;
}

static double largest_difference(int64_t n, const double *a, const double *b) {
    double scale = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        scale = fmax(scale, fabs(b[i]));
        worst = fmax(worst, fabs(a[i] - b[i]));
    }
    return worst / scale;
}

/* Runs the loss in double on the golden network output; the loss and its gradient with respect to it. */
static void evaluate(bool reduce_mean, const double *out, const double *z, const double *scale,
                     const double *weight, double *loss, double *grad) {
    ito_graph *g = NULL;
    ito_plan *plan = NULL;
    ito_workspace *ws = NULL;
    ito_plan_options options = ito_plan_default();
    options.precision = ITO_F64;
    options.reference = true;
    assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
    ito_node *o = ito_input(g, "out", ITO_SHAPE(B, C, 4, 4)), *zn = ito_input(g, "z", ITO_SHAPE(B, C, 4, 4));
    ito_node *s = ito_input(g, "scale", ITO_SHAPE(B, 1, 1, 1));
    ito_node *w = weight ? ito_input(g, "weight", ITO_SHAPE(B, 1, 1, 1)) : NULL;
    ito_node *outputs[2] = {ito__dsm_loss(reduce_mean, o, zn, s, w), NULL};
    ito_gradients(outputs[0], NULL, 1, &o, &outputs[1]);

    ito_error err = {0};
    if (ito_plan_create(g, 2, outputs, &options, &plan, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_int_equal(ito_workspace_create(plan, &ws, NULL), ITO_OK);
    double copies[3][VALUES];
    memcpy(copies[0], out, sizeof copies[0]);
    memcpy(copies[1], z, sizeof copies[1]);
    memcpy(copies[2], scale, B * sizeof(double));
    if (weight) memcpy(copies[2] + B, weight, B * sizeof(double));
    assert_int_equal(ito_workspace_bind(ws, o, copies[0], NULL), ITO_OK);
    assert_int_equal(ito_workspace_bind(ws, zn, copies[1], NULL), ITO_OK);
    assert_int_equal(ito_workspace_bind(ws, s, copies[2], NULL), ITO_OK);
    if (w) assert_int_equal(ito_workspace_bind(ws, w, copies[2] + B, NULL), ITO_OK);
    assert_int_equal(ito_workspace_bind(ws, outputs[0], loss, NULL), ITO_OK);
    assert_int_equal(ito_workspace_bind(ws, outputs[1], grad, NULL), ITO_OK);
    assert_int_equal(ito_plan_run(plan, ws, NULL), ITO_OK);
    ito_workspace_free(ws);
    ito_plan_free(plan);
    ito_graph_free(g);
}

static void check_case(const ito_tensor_file *f, const ito_sde *sde, bool likelihood, bool reduce_mean) {
    double out[VALUES], z[VALUES], u[B], scale[B], weight[B], loss = 0, grad[VALUES], want, want_grad[VALUES];
    char name[64];
    ito_objective_config objective = {.continuous = true, .likelihood_weighting = likelihood, .eps = 1e-5};
    read_golden(f, "cont.affine_out", VALUES, out);
    read_golden(f, "z", VALUES, z);
    read_golden(f, "u", B, u);
    for (int k = 0; k < B; k++) {
        ito__dsm_point p = ito__dsm_at(sde, &objective, u[k]);
        scale[k] = p.scale;
        weight[k] = p.weight;
    }
    evaluate(reduce_mean, out, z, scale, likelihood ? weight : NULL, &loss, grad);

    snprintf(name, sizeof name, "cont.lw%d.rm%d.affine", likelihood, reduce_mean);
    read_golden(f, name, 1, &want);
    snprintf(name, sizeof name, "cont.lw%d.rm%d.affine_grad_out", likelihood, reduce_mean);
    read_golden(f, name, VALUES, want_grad);
    double off = fabs(loss / want - 1), grad_off = largest_difference(VALUES, grad, want_grad);
    printf("%-5s lw%d rm%d loss %.12g off %.1e, gradient off %.1e, bound 1e-9\n", ito_sde_name(sde->kind),
           likelihood, reduce_mean, loss, off, grad_off);
    assert_true(off < 1e-9 && grad_off < 1e-9);
}

static void loss_equals_the_published_one(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const char *name = ito_sde_name((ito_sde_kind)kind);
        ito_tensor_file *f = open_golden(name);
        ito_sde sde = golden_sde(f, name);
        for (int i = 0; i < 4; i++) check_case(f, &sde, i / 2 == 1, i % 2 == 1);
        ito_tensor_file_close(f);
    }
}

static void times_and_perturbation_equal_the_published_ones(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const char *name = ito_sde_name((ito_sde_kind)kind);
        ito_tensor_file *f = open_golden(name);
        ito_sde sde = golden_sde(f, name);
        ito_objective_config objective = {.continuous = true, .eps = 1e-5};
        double u[B], t[B], labels[B], x0[VALUES], z[VALUES], want[VALUES], x[VALUES], got_t[B], got_label[B];
        read_golden(f, "u", B, u);
        read_golden(f, "t", B, t);
        read_golden(f, "cont.affine_labels", B, labels);
        read_golden(f, "batch", VALUES, x0);
        read_golden(f, "z", VALUES, z);
        read_golden(f, "perturbed", VALUES, want);
        for (int k = 0; k < B; k++) {
            ito__dsm_point p = ito__dsm_at(&sde, &objective, u[k]);
            got_t[k] = p.t;
            got_label[k] = p.label;
            for (int i = k * D; i < (k + 1) * D; i++) x[i] = p.mean * x0[i] + p.std * z[i];
        }
        double off = fmax(largest_difference(B, got_t, t), largest_difference(B, got_label, labels));
        off = fmax(off, largest_difference(VALUES, x, want));
        printf("%-5s t, label and x off %.1e, bound 1e-9\n", name, off);
        assert_true(off < 1e-9);
        ito_tensor_file_close(f);
    }
}

/* u from the middle of the stretch that gives a label. */
static ito__dsm_point at_label(const ito_sde *sde, double label) {
    ito_objective_config objective = {.continuous = false};
    return ito__dsm_at(sde, &objective, (label + 0.5) / (double)sde->steps);
}

static void check_discrete(const ito_tensor_file *f, const ito_sde *sde, bool reduce_mean) {
    double out[VALUES], z[VALUES], labels[B], scale[B], loss = 0, grad[VALUES], want, want_grad[VALUES];
    char name[64];
    read_golden(f, "disc.affine_out", VALUES, out);
    read_golden(f, "z", VALUES, z);
    read_golden(f, "labels", B, labels);
    for (int k = 0; k < B; k++) scale[k] = at_label(sde, labels[k]).scale;
    evaluate(reduce_mean, out, z, scale, NULL, &loss, grad);
    snprintf(name, sizeof name, "disc.rm%d.affine", reduce_mean);
    read_golden(f, name, 1, &want);
    snprintf(name, sizeof name, "disc.rm%d.affine_grad_out", reduce_mean);
    read_golden(f, name, VALUES, want_grad);
    double off = fabs(loss / want - 1), grad_off = largest_difference(VALUES, grad, want_grad);
    printf("%-5s rm%d loss %.12g off %.1e, gradient off %.1e, bound 1e-9\n", ito_sde_name(sde->kind),
           reduce_mean, loss, off, grad_off);
    assert_true(off < 1e-9 && grad_off < 1e-9);
}

/* SMLD on VE, DDPM on VP. */
static void discrete_losses_equal_the_published_ones(void **state) {
    (void)state;
    for (int kind = ITO_SDE_VE; kind <= ITO_SDE_VP; kind++) {
        const char *name = ito_sde_name((ito_sde_kind)kind);
        ito_tensor_file *f = open_golden(name);
        ito_sde sde = golden_sde(f, name);
        double labels[B], got[B], x0[VALUES], z[VALUES], want[VALUES], x[VALUES];
        for (int rm = 0; rm < 2; rm++) check_discrete(f, &sde, rm == 1);
        read_golden(f, "labels", B, labels);
        read_golden(f, "batch", VALUES, x0);
        read_golden(f, "z", VALUES, z);
        read_golden(f, "disc.perturbed", VALUES, want);
        for (int k = 0; k < B; k++) {
            ito__dsm_point p = at_label(&sde, labels[k]);
            got[k] = p.label;
            for (int i = k * D; i < (k + 1) * D; i++) x[i] = p.mean * x0[i] + p.std * z[i];
        }
        double off = largest_difference(VALUES, x, want);
        printf("%-5s x off %.1e, bound 1e-9\n", name, off);
        assert_true(off < 1e-9);
        assert_memory_equal(got, labels, sizeof got);
        ito_tensor_file_close(f);
    }
}

/* Every label comes from a stretch of 1/N, ends included, and is the label of its own time. */
static void levels_are_drawn_alike_and_are_labels_of_their_times(void **state) {
    (void)state;
    for (int kind = ITO_SDE_VE; kind <= ITO_SDE_VP; kind++) {
        ito_sde sde = ito_sde_default((ito_sde_kind)kind);
        ito_objective_config objective = {.continuous = false};
        for (int64_t i = 0; i < sde.steps; i++) {
            double n = (double)sde.steps;
            ito__dsm_point low = ito__dsm_at(&sde, &objective, ((double)i + 1e-6) / n);
            ito__dsm_point high = ito__dsm_at(&sde, &objective, ((double)i + 1 - 1e-6) / n);
            assert_true(low.label == (double)i && high.label == (double)i);
            assert_true(ito_network_label(&sde, false, low.t) == low.label);
        }
        assert_true(ito__dsm_at(&sde, &objective, 1).label == (double)(sde.steps - 1));
    }
}

/* One in four, by the example's name alone: 4096 draws, standard error 0.0068, five of them: false alarm
 * 1e-6. */
static void classes_are_hidden_at_the_given_rate(void **state) {
    (void)state;
    int hidden = 0;
    for (int64_t e = 0; e < 4096; e++) {
        int64_t shown = ito__shown_class(42, e, e % 10, 10, 0.25);
        assert_true(shown == 10 || shown == e % 10);
        assert_int_equal(shown, ito__shown_class(42, e, e % 10, 10, 0.25));
        assert_int_equal(ito__shown_class(42, e, 3, 10, 0), 3);
        assert_int_equal(ito__shown_class(42, e, 3, 10, 1), 10);
        hidden += shown == 10;
    }
    printf("hidden %.4f (0.25 +- 0.034), seed 42\n", hidden / 4096.0);
    assert_true(fabs(hidden / 4096.0 - 0.25) < 0.034);
}

/* A batch of n examples of 48 values, whose clean images are all 0.5. */
static ito__dsm_batch perturbed(int64_t first, int64_t n, int threads) {
    ito__dsm_batch b;
    ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_objective_config objective = {.continuous = true, .likelihood_weighting = true, .eps = 1e-5};
    assert_int_equal(ito__dsm_batch_init(&b, n, D, NULL), ITO_OK);
    for (int64_t i = 0; i < n * D; i++) b.x[i] = 0.5f;
    ito__dsm_perturb(&sde, &objective, 42, first, threads, &b);
    return b;
}

static void an_example_is_the_same_in_any_batch(void **state) {
    (void)state;
    ito__dsm_batch whole = perturbed(100, 8, 2), part = perturbed(103, 2, 1);
    assert_memory_equal(whole.x + 3 * D, part.x, 2 * D * sizeof(float));
    assert_memory_equal(whole.z + 3 * D, part.z, 2 * D * sizeof(float));
    assert_memory_equal(whole.labels + 3, part.labels, 2 * sizeof(float));
    assert_memory_equal(whole.scale + 3, part.scale, 2 * sizeof(float));
    assert_memory_equal(whole.weight + 3, part.weight, 2 * sizeof(float));
    ito__dsm_batch_release(&whole);
    ito__dsm_batch_release(&part);
}

static void rows_follow_the_named_streams(void **state) {
    (void)state;
    ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito__dsm_batch b = perturbed(7, 1, 1);
    double u, z[D];
    ito_random_uniform((ito_stream){42, ITO_RNG_TIME, 7}, 0, 1, &u);
    ito_random_normal((ito_stream){42, ITO_RNG_NOISE, 7}, 0, D, z);
    double t = 1e-5 + u * (1 - 1e-5), beta = 0.1 + t * 19.9, B_t = 0.1 * t + 19.9 * t * t / 2;
    double variance = -expm1(-B_t);
    for (int i = 0; i < D; i++) {
        double x = exp(-B_t / 2) * 0.5 + sqrt(variance) * z[i];
        assert_true(fabs((double)b.x[i] - x) < 1e-6 && b.z[i] == (float)z[i]);
    }
    assert_true(fabs((double)b.labels[0] - 999 * t) < 1e-4);
    assert_true(fabs((double)b.scale[0] + 1) < 1e-6); /* noise prediction: b s = -out */
    assert_true(fabs((double)b.weight[0] / (beta / variance) - 1) < 1e-6);
    assert_true(fabs(ito_sde_std(&sde, t) - sqrt(variance)) < 1e-12);
    ito__dsm_batch_release(&b);
}

static void times_are_uniform_between_eps_and_T(void **state) {
    (void)state;
    enum { N = 4096 };
    ito__dsm_batch b = perturbed(0, N, 2);
    double mean = 0, square = 0;
    for (int k = 0; k < N; k++) {
        double t = (double)b.labels[k] / 999;
        assert_true(t >= 0.99e-5 && t <= 1);
        mean += t / N;
        square += t * t / N;
    }
    /* Standard errors of the mean and of t^2 are 0.289 / 64 and 0.298 / 64; five of them: false alarm 1e-6.
     */
    printf("mean %.4f (0.5 +- 0.0226), second moment %.4f (0.3333 +- 0.0233), seed 42\n", mean, square);
    assert_true(fabs(mean - 0.5) < 0.0226 && fabs(square - 1.0 / 3) < 0.0233);
    ito__dsm_batch_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_equals_the_published_one),
        cmocka_unit_test(times_and_perturbation_equal_the_published_ones),
        cmocka_unit_test(discrete_losses_equal_the_published_ones),
        cmocka_unit_test(levels_are_drawn_alike_and_are_labels_of_their_times),
        cmocka_unit_test(classes_are_hidden_at_the_given_rate),
        cmocka_unit_test(an_example_is_the_same_in_any_batch),
        cmocka_unit_test(rows_follow_the_named_streams),
        cmocka_unit_test(times_are_uniform_between_eps_and_T),
    };
    return cmocka_run_group_tests_name("training_objective_dsm", tests, NULL, NULL);
}
