/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks as score functions: labels and factors of SPEC section 3, batches, and the derivative.
 */
#include <ito/networks.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { N = 5, DIM = 8 * 8 };

typedef struct fixture {
    ito_network_config config;
    ito_params *params;
    double x[N * DIM], v[N * DIM], t[N];
} fixture;

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

static int make(void **state) {
    static fixture f;
    ito_error err = {0};
    ito_graph *g = NULL;
    f.config = ito_network_default();
    f.config.image_size = 8;
    f.config.channels = 1;
    f.config.nf = 8;
    f.config.levels = 2;
    f.config.num_res_blocks = 1;
    f.config.attn_resolutions[0] = 4;
    f.config.init_scale = 1;
    require(ito_graph_create(&g, &err), &err);
    ito_network_build(&f.config, ito_input(g, "x", ITO_SHAPE(1, 1, 8, 8)),
                      ito_input(g, "labels", ITO_SHAPE(1)), false);
    require(ito_params_create(g, &f.params, &err), &err);
    ito_params_init(f.params, 3);
    ito_graph_free(g);
    for (int i = 0; i < N * DIM; i++) f.x[i] = sin(1.0 + 7 * i), f.v[i] = cos(2.0 + 5 * i);
    for (int i = 0; i < N; i++) f.t[i] = 0.05 + 0.2 * i;
    *state = &f;
    return 0;
}

static int unmake(void **state) {
    fixture *f = *state;
    ito_params_free(f->params);
    return 0;
}

static ito_network_score *score_of(fixture *f, const ito_sde *sde, int64_t batch, bool with_vjp) {
    ito_error err = {0};
    ito_network_score *s = NULL;
    ito_network_score_options o = ito_network_score_default();
    o.batch = batch;
    o.with_vjp = with_vjp;
    require(ito_network_score_create(&f->config, sde, f->params, &o, &s, &err), &err);
    return s;
}

static double largest_difference(int64_t n, const double *a, const double *b) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) worst = fmax(worst, fabs(a[i] - b[i]));
    return worst;
}

/* ---- labels and factors ---- */

static void continuous_networks_take_999_t_or_sigma(void **state) {
    (void)state;
    ito_sde vp = ito_sde_default(ITO_SDE_VP), sub = ito_sde_default(ITO_SDE_SUBVP),
            ve = ito_sde_default(ITO_SDE_VE);
    assert_true(fabs(ito_network_label(&vp, true, 0.3) - 299.7) < 1e-9);
    assert_true(fabs(ito_network_label(&sub, false, 0.3) - 299.7) < 1e-9); /* has no discrete form */
    assert_true(fabs(ito_network_label(&ve, true, 0.5) - sqrt(0.01 * 50)) < 1e-9);
    double B = 0.1 * 0.3 + 19.9 * 0.09 / 2;
    assert_true(fabs(ito_network_score_factor(&vp, true, 0.3) * sqrt(1 - exp(-B)) + 1) < 1e-12);
    assert_true(fabs(ito_network_score_factor(&sub, true, 0.3) * (1 - exp(-B)) + 1) < 1e-12);
    assert_true(ito_network_score_factor(&ve, true, 0.3) == 1);
}

static void discrete_networks_take_whole_numbers(void **state) {
    (void)state;
    ito_sde vp = ito_sde_default(ITO_SDE_VP), ve = ito_sde_default(ITO_SDE_VE);
    assert_true(ito_network_label(&vp, false, 1) == 999);
    assert_true(ito_network_label(&vp, false, 500.4 / 999) == 500);
    assert_true(ito_network_label(&ve, false, 1) == 0); /* 0 is the largest sigma */
    assert_true(ito_network_label(&ve, false, 0) == 999);
    assert_true(ito_network_score_factor(&ve, false, 0.4) == 1);
    /* 1 - abar_i by the plain product. */
    double abar = 1;
    for (int i = 0; i <= 700; i++) abar *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999);
    double factor = ito_network_score_factor(&vp, false, 700.0 / 999);
    assert_true(fabs(factor * sqrt(1 - abar) + 1) < 1e-10);
    assert_true(fabs(ito_network_score_factor(&vp, false, 0) + 100) < 1e-9); /* 1 / sqrt(beta_0) */
}

/* ---- evaluation ---- */

static void the_score_is_the_factor_times_the_output(void **state) {
    fixture *f = *state;
    ito_error err = {0};
    ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_network_score *s = score_of(f, &vp, N, false);
    ito_score score = ito_network_score_view(s);
    double got[N * DIM], worst = 0;
    float x[N * DIM], labels[N], out[N * DIM];
    assert_int_equal(score.dim, DIM);
    assert_null(score.vjp);
    assert_null(score.eval_vjp);
    for (int i = 0; i < N * DIM; i++) x[i] = (float)f->x[i];
    for (int i = 0; i < N; i++) labels[i] = (float)(999 * f->t[i]);
    require(score.eval(score.self, N, f->x, f->t, got, &err), &err);
    require(ito_network_score_forward(s, N, x, labels, out, &err), &err);
    for (int i = 0; i < N * DIM; i++)
        worst = fmax(worst, fabs(got[i] + (double)out[i] / ito_sde_std(&vp, f->t[i / DIM])));
    print_message("  off by %g\n", worst);
    assert_true(worst < 1e-12);
    ito_network_score_free(s);
}

/* Batches of 2 leave a remainder of 1 of the 5 samples; float sums may be ordered otherwise. */
static void results_do_not_depend_on_the_batch(void **state) {
    fixture *f = *state;
    ito_error err = {0};
    ito_sde sub = ito_sde_default(ITO_SDE_SUBVP);
    double whole[N * DIM], split[N * DIM], scale = 0;
    ito_network_score *s = score_of(f, &sub, N, true);
    ito_score score = ito_network_score_view(s);
    ito_network_score *s2 = score_of(f, &sub, 2, true);
    ito_score score2 = ito_network_score_view(s2);
    require(score.eval(score.self, N, f->x, f->t, whole, &err), &err);
    require(score2.eval(score2.self, N, f->x, f->t, split, &err), &err);
    for (int i = 0; i < N * DIM; i++) scale = fmax(scale, fabs(whole[i]));
    print_message("  score: %g relative\n", largest_difference(N * DIM, whole, split) / scale);
    assert_true(largest_difference(N * DIM, whole, split) < 1e-5 * scale);
    require(score.vjp(score.self, N, f->x, f->t, f->v, whole, &err), &err);
    require(score2.vjp(score2.self, N, f->x, f->t, f->v, split, &err), &err);
    print_message("  vjp: %g relative\n", largest_difference(N * DIM, whole, split) / scale);
    assert_true(largest_difference(N * DIM, whole, split) < 1e-5 * scale);
    ito_network_score_free(s2);
    ito_network_score_free(s);
}

/* The plan of the gradient holds the forward pass; it may be laid out otherwise than the one alone. */
static void value_and_vjp_in_one_go_are_those_of_two_calls(void **state) {
    fixture *f = *state;
    ito_error err = {0};
    ito_sde ve = ito_sde_default(ITO_SDE_VE);
    ito_network_score *s = score_of(f, &ve, 2, true);
    ito_score score = ito_network_score_view(s);
    double value[2][N * DIM], vjp[2][N * DIM];
    require(score.eval(score.self, N, f->x, f->t, value[0], &err), &err);
    require(score.vjp(score.self, N, f->x, f->t, f->v, vjp[0], &err), &err);
    require(score.eval_vjp(score.self, N, f->x, f->t, f->v, value[1], vjp[1], &err), &err);
    double scale = 0;
    for (int i = 0; i < N * DIM; i++) scale = fmax(scale, fabs(value[0][i]));
    print_message("  score: %g relative\n", largest_difference(N * DIM, value[0], value[1]) / scale);
    assert_true(largest_difference(N * DIM, value[0], value[1]) < 1e-5 * scale);
    assert_memory_equal(vjp[0], vjp[1], sizeof vjp[0]);
    ito_network_score_free(s);
}

/* <v, s(x + h u) - s(x - h u)> / 2h = <vjp, u>, sample by sample. Float rounding of the network, about 1e-6
 * of the score, over h = 1e-2 leaves three digits. */
static void the_vjp_is_the_derivative(void **state) {
    fixture *f = *state;
    ito_error err = {0};
    ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_network_score *s = score_of(f, &vp, N, true);
    ito_score score = ito_network_score_view(s);
    double plus[N * DIM], minus[N * DIM], at_plus[N * DIM], at_minus[N * DIM], vjp[N * DIM], u[N * DIM],
        h = 1e-2;
    for (int i = 0; i < N * DIM; i++) {
        u[i] = sin(0.3 + 11 * i);
        plus[i] = f->x[i] + h * u[i];
        minus[i] = f->x[i] - h * u[i];
    }
    require(score.eval(score.self, N, plus, f->t, at_plus, &err), &err);
    require(score.eval(score.self, N, minus, f->t, at_minus, &err), &err);
    require(score.vjp(score.self, N, f->x, f->t, f->v, vjp, &err), &err);
    for (int k = 0; k < N; k++) {
        double numeric = 0, exact = 0, scale = 0;
        for (int i = k * DIM; i < (k + 1) * DIM; i++) {
            numeric += f->v[i] * (at_plus[i] - at_minus[i]) / (2 * h);
            exact += vjp[i] * u[i];
            scale += fabs(vjp[i] * u[i]);
        }
        print_message("  sample %d: %g by differences, %g exactly\n", k, numeric, exact);
        assert_true(fabs(numeric - exact) < 5e-3 * scale);
    }
    ito_network_score_free(s);
}

static void an_unconditional_network_is_a_score_too(void **state) {
    fixture f = *(fixture *)*state;
    ito_error err = {0};
    ito_graph *g = NULL;
    ito_sde vp = ito_sde_default(ITO_SDE_VP);
    double got[N * DIM];
    f.config.conditional = false;
    require(ito_graph_create(&g, &err), &err);
    ito_network_build(&f.config, ito_input(g, "x", ITO_SHAPE(1, 1, 8, 8)),
                      ito_input(g, "labels", ITO_SHAPE(1)), false);
    require(ito_params_create(g, &f.params, &err), &err);
    ito_params_init(f.params, 3);
    ito_network_score *s = score_of(&f, &vp, 2, false);
    ito_score score = ito_network_score_view(s);
    require(score.eval(score.self, N, f.x, f.t, got, &err), &err);
    assert_true(isfinite(got[N * DIM - 1]));
    ito_network_score_free(s);
    ito_params_free(f.params);
    ito_graph_free(g);
}

/* Weights of a network with classes, and its score by the options at hand. */
static void guided(const fixture *f, ito_params *params, int64_t class_index, double guidance, bool vjp,
                   double *got) {
    ito_error err = {0};
    ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_network_score *s = NULL;
    ito_network_score_options o = ito_network_score_default();
    o.batch = 2;
    o.with_vjp = vjp;
    o.class_index = class_index;
    o.guidance = guidance;
    require(ito_network_score_create(&f->config, &vp, params, &o, &s, &err), &err);
    ito_score score = ito_network_score_view(s);
    if (vjp)
        require(score.vjp(score.self, N, f->x, f->t, f->v, got, &err), &err);
    else
        require(score.eval(score.self, N, f->x, f->t, got, &err), &err);
    ito_network_score_free(s);
}

static void guidance_weighs_a_class_against_none(void **state) {
    fixture f = *(fixture *)*state;
    ito_error err = {0};
    ito_graph *g = NULL;
    static double none[N * DIM], class3[N * DIM], got[N * DIM];
    f.config.classes = 4;
    require(ito_graph_create(&g, &err), &err);
    ito_network_build(&f.config, ito_input(g, "x", ITO_SHAPE(1, 1, 8, 8)),
                      ito_input(g, "labels", ITO_SHAPE(1)), false);
    require(ito_params_create(g, &f.params, &err), &err);
    ito_params_init(f.params, 3);
    for (int vjp = 0; vjp < 2; vjp++) {
        const double weights[] = {0, 1, 2.5, -1};
        guided(&f, f.params, -1, 1, vjp, none);
        guided(&f, f.params, 3, 1, vjp, class3);
        double scale = largest_difference(N * DIM, none, class3);
        for (int k = 0; k < 4; k++) {
            double worst = 0;
            guided(&f, f.params, 3, weights[k], vjp, got);
            for (int i = 0; i < N * DIM; i++)
                worst = fmax(worst, fabs(got[i] - none[i] - weights[k] * (class3[i] - none[i])));
            print_message("  %s at %g: off by %.1e of the class's effect, bound 1e-12\n",
                          vjp ? "vjp" : "score", weights[k], worst / scale);
            assert_true(scale > 1e-3 && worst < 1e-12 * scale);
        }
    }
    ito_params_free(f.params);
    ito_graph_free(g);
}

/* A score's raw outputs for rows of several classes, and by the options' class for all. */
static void every_row_may_have_its_own_class(void **state) {
    fixture f = *(fixture *)*state;
    ito_error err = {0};
    ito_graph *g = NULL;
    ito_sde vp = ito_sde_default(ITO_SDE_VP);
    static float x[N * DIM], labels[N], own[N * DIM], each[5][N * DIM];
    int64_t classes[N], wrong[N] = {0};
    f.config.classes = 4;
    require(ito_graph_create(&g, &err), &err);
    ito_network_build(&f.config, ito_input(g, "x", ITO_SHAPE(1, 1, 8, 8)),
                      ito_input(g, "labels", ITO_SHAPE(1)), false);
    require(ito_params_create(g, &f.params, &err), &err);
    ito_params_init(f.params, 3);
    for (int i = 0; i < N * DIM; i++) x[i] = (float)f.x[i];
    for (int i = 0; i < N; i++) {
        labels[i] = (float)(999 * f.t[i]);
        classes[i] = i % 5 - 1;
    }
    for (int k = 0; k < 2; k++) {
        const double guidance = k == 0 ? 1 : 2.5;
        ito_network_score_options o = ito_network_score_default();
        ito_network_score *s = NULL;
        o.batch = 2; /* does not divide N: batches do not matter */
        o.guidance = guidance;
        for (int c = -1; c < 4; c++) {
            o.class_index = c;
            require(ito_network_score_create(&f.config, &vp, f.params, &o, &s, &err), &err);
            require(ito_network_score_forward(s, N, x, labels, each[c + 1], &err), &err);
            if (c < 3) ito_network_score_free(s);
        }
        require(ito_network_score_forward_classes(s, N, x, labels, classes, own, &err), &err);
        float worst = 0, apart = 0;
        for (int i = 0; i < N * DIM; i++) {
            worst = fmaxf(worst, fabsf(own[i] - each[classes[i / DIM] + 1][i]));
            apart = fmaxf(apart, fabsf(each[1][i] - each[2][i]));
        }
        print_message("  guidance %g: off by %.1e, bound 1e-6; classes 0 and 1 are %.1e apart\n", guidance,
                      (double)worst, (double)apart);
        assert_true(worst <= 1e-6F && apart > 1e-3F);
        wrong[N - 1] = 4;
        assert_int_equal(ito_network_score_forward_classes(s, N, x, labels, wrong, own, &err), ITO_E_ARG);
        assert_non_null(strstr(err.message, "classes: row"));
        ito_network_score_free(s);
    }
    ito_params_free(f.params);
    ito_graph_free(g);
}

/* SPEC section 10: published samples of discrete VP networks were made with labels between whole numbers. */
static void raw_labels_are_not_rounded(void **state) {
    fixture *f = *state;
    ito_error err = {0};
    ito_sde vp = ito_sde_default(ITO_SDE_VP);
    for (int raw = 0; raw < 2; raw++) {
        ito_network_score *s = NULL;
        ito_network_score_options o = ito_network_score_default();
        o.batch = N;
        o.continuous = false;
        o.raw_labels = raw;
        require(ito_network_score_create(&f->config, &vp, f->params, &o, &s, &err), &err);
        ito_score score = ito_network_score_view(s);
        double got[N * DIM], worst = 0;
        float x[N * DIM], labels[N], out[N * DIM];
        for (int i = 0; i < N * DIM; i++) x[i] = (float)f->x[i];
        for (int i = 0; i < N; i++) labels[i] = (float)(raw ? 999 * f->t[i] : rint(999 * f->t[i]));
        require(score.eval(score.self, N, f->x, f->t, got, &err), &err);
        require(ito_network_score_forward(s, N, x, labels, out, &err), &err);
        for (int i = 0; i < N * DIM; i++) {
            double factor = ito_network_score_factor(&vp, false, f->t[i / DIM]);
            worst = fmax(worst, fabs(got[i] - factor * (double)out[i]));
        }
        print_message("  %s: off by %g\n", raw ? "raw" : "rounded", worst);
        assert_true(worst < 1e-12);
        ito_network_score_free(s);
    }
}

static void bad_options_are_refused_by_name(void **state) {
    fixture *f = *state;
    ito_error err = {0};
    ito_sde vp = ito_sde_default(ITO_SDE_VP);
    ito_network_score *s = NULL;
    ito_network_score_options o = ito_network_score_default();
    o.batch = 0;
    assert_int_equal(ito_network_score_create(&f->config, &vp, f->params, &o, &s, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "batch"));
    assert_null(s);
    o = ito_network_score_default();
    o.plan.precision = ITO_F64;
    assert_int_equal(ito_network_score_create(&f->config, &vp, f->params, &o, &s, &err), ITO_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "precision"));
    o = ito_network_score_default();
    o.class_index = 0;
    assert_int_equal(ito_network_score_create(&f->config, &vp, f->params, &o, &s, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "class: is 0"));
    o = ito_network_score_default();
    o.guidance = (double)INFINITY;
    assert_int_equal(ito_network_score_create(&f->config, &vp, f->params, &o, &s, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "guidance"));
    const ito_sde ou = ito_sde_default(ITO_SDE_OU);
    o = ito_network_score_default();
    assert_int_equal(ito_network_score_create(&f->config, &ou, f->params, &o, &s, &err), ITO_E_UNSUPPORTED);
    assert_string_equal(err.message, "sde: networks know no labels for ou: use ve, vp or subvp");
    ito_network_score_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continuous_networks_take_999_t_or_sigma),
        cmocka_unit_test(discrete_networks_take_whole_numbers),
        cmocka_unit_test(the_score_is_the_factor_times_the_output),
        cmocka_unit_test(results_do_not_depend_on_the_batch),
        cmocka_unit_test(value_and_vjp_in_one_go_are_those_of_two_calls),
        cmocka_unit_test(the_vjp_is_the_derivative),
        cmocka_unit_test(an_unconditional_network_is_a_score_too),
        cmocka_unit_test(guidance_weighs_a_class_against_none),
        cmocka_unit_test(every_row_may_have_its_own_class),
        cmocka_unit_test(raw_labels_are_not_rounded),
        cmocka_unit_test(bad_options_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
