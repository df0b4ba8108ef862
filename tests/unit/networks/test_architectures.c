/* SPDX-License-Identifier: Apache-2.0
 *
 * The architectures beside NCSN++ as graphs: published sizes, names and their order, and what each does with
 * labels and classes. That the numbers are right is tests/golden/networks' business.
 */
#include <ito/networks.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- helpers ---- */

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

typedef struct built {
    ito_graph *g;
    ito_node *x, *labels, *classes, *out;
} built;

static built build(const ito_network_config *c, int64_t batch, bool with_classes) {
    built b = {0};
    ito_error err = {0};
    require(ito_graph_create(&b.g, &err), &err);
    b.x = ito_input(b.g, "x", ITO_SHAPE(batch, c->channels, c->image_size, c->image_size));
    b.labels = ito_input(b.g, "labels", ITO_SHAPE(batch));
    if (with_classes) b.classes = ito_input(b.g, "classes", ITO_SHAPE(batch));
    b.out = ito_network_build_classes(c, b.x, b.labels, b.classes, false);
    require(ito_graph_status(b.g, &err), &err);
    return b;
}

static int64_t size_of(const ito_network_config *c) {
    built b = build(c, 1, false);
    int64_t n = 0;
    for (int i = 0; i < ito_graph_param_count(b.g); i++)
        if (ito_node_trainable(ito_graph_param(b.g, i)))
            n += ito_shape_count(ito_node_shape(ito_graph_param(b.g, i)));
    ito_graph_free(b.g);
    return n;
}

enum { BATCH = 3, MOST = BATCH * 2 * 8 * 8 };

/* Output for fixed weights and inputs; classes may be NULL. */
static void run(const ito_network_config *c, const float *labels, const float *classes, double *out) {
    ito_error err = {0};
    ito_plan *plan = NULL;
    ito_workspace *ws = NULL;
    ito_params *params = NULL;
    float x[MOST], y[MOST], l[BATCH], k[BATCH];
    built b = build(c, BATCH, classes != NULL);
    int64_t n = ito_shape_count(ito_node_shape(b.x));
    for (int64_t i = 0; i < n; i++) x[i] = sinf((float)(3 * i + 1));
    ito_plan_options options = ito_plan_default();
    require(ito_plan_create(b.g, 1, &b.out, &options, &plan, &err), &err);
    require(ito_params_create(b.g, &params, &err), &err);
    ito_params_init(params, 7);
    for (int i = 0; i < ito_params_count(params); i++) { /* no layer starts at zero here */
        float *p = ito_params_data(params, i);
        for (int64_t j = 0; j < ito_shape_count(ito_params_shape(params, i)); j++)
            p[j] += 0.05f * cosf((float)(i + 5 * j));
    }
    require(ito_workspace_create(plan, &ws, &err), &err);
    require(ito_workspace_bind_params(ws, b.g, params, &err), &err);
    require(ito_workspace_bind(ws, b.x, x, &err), &err);
    memcpy(l, labels, sizeof l);
    if (ito_network_reads_labels(c)) require(ito_workspace_bind(ws, b.labels, l, &err), &err);
    if (classes) {
        memcpy(k, classes, sizeof k);
        require(ito_workspace_bind(ws, b.classes, k, &err), &err);
    }
    require(ito_workspace_bind(ws, b.out, y, &err), &err);
    require(ito_plan_run(plan, ws, &err), &err);
    for (int64_t i = 0; i < n; i++) out[i] = (double)y[i];
    ito_workspace_free(ws);
    ito_params_free(params);
    ito_plan_free(plan);
    ito_graph_free(b.g);
}

static ito_network_config tiny(ito_architecture a) {
    ito_network_config c = ito_network_default_of(a);
    c.image_size = a == ITO_MLP ? 1 : 8;
    c.channels = 2;
    c.nf = a == ITO_DDPM ? 32 : 8;
    c.levels = 2;
    c.num_res_blocks = 1;
    c.attn_resolutions[0] = 4;
    c.num_scales = 10;
    return c;
}

static int64_t values_of(const ito_network_config *c) {
    return c->channels * c->image_size * c->image_size;
}

static double largest_difference(const double *a, const double *b, int64_t n) {
    double worst = 0;
    for (int64_t i = 0; i < n; i++) worst = fmax(worst, fabs(a[i] - b[i]));
    return worst;
}

/* A norm and four 1x1 convolutions. */
static int64_t attention_size(int64_t channels) {
    return 2 * channels + 4 * channels * (channels + 1);
}

/* ---- the claims ---- */

/* [DDPM]'s own networks count 35,746,307 (CIFAR-10) and 113,673,219 (256 x 256); [SDE]'s have one attention a
 * level on the way up instead of one a block, two less at the one level that attends. The rest are the cases
 * of tests/golden/networks. */
static void networks_have_their_published_sizes(void **state) {
    (void)state;
    ito_network_config c = ito_network_default_of(ITO_DDPM);
    assert_int_equal(size_of(&c), 35746307 - 2 * attention_size(256));
    c.image_size = 256;
    c.levels = 6;
    memcpy(c.ch_mult, (int64_t[]){1, 1, 2, 2, 4, 4}, 6 * sizeof(int64_t));
    assert_int_equal(size_of(&c), 113673219 - 2 * attention_size(512));
    c = ito_network_default_of(ITO_DDPM);
    c.nf = 32;
    c.levels = 3;
    c.num_res_blocks = 1;
    assert_int_equal(size_of(&c), 1097187);
    c = ito_network_default_of(ITO_NCSNV2_64);
    c.nf = 12;
    assert_int_equal(size_of(&c), 262911);
    c = ito_network_default_of(ITO_NCSN);
    c.nf = 12;
    assert_int_equal(size_of(&c), 302619);
}

/* A deeper NCSNv2 defines its blocks in this order, which is not the order of use. */
static void the_deepest_ncsnv2_has_published_names_in_order(void **state) {
    (void)state;
    static const char *const order[] = {"begin_conv.weight",
                                        "begin_conv.bias",
                                        "normalizer.alpha",
                                        "normalizer.gamma",
                                        "normalizer.beta",
                                        "end_conv.weight",
                                        "end_conv.bias",
                                        "res1.0.conv1.weight",
                                        "res1.0.normalize2.alpha",
                                        "res1.0.conv2.weight",
                                        "res1.0.normalize1.alpha",
                                        "res1.1.conv1.weight",
                                        "res2.0.conv2.conv.weight",
                                        "res2.0.shortcut.conv.weight",
                                        "res2.0.normalize1.alpha",
                                        "res3.0.shortcut.conv.bias",
                                        "res31.0.shortcut.conv.bias",
                                        "res4.0.conv2.weight",
                                        "res4.0.shortcut.weight",
                                        "res5.1.normalize1.beta",
                                        "refine1.adapt_convs.0.1_1_conv.weight",
                                        "refine1.output_convs.1_2_conv.weight",
                                        "refine1.crp.convs.1.weight",
                                        "refine2.adapt_convs.1.2_2_conv.weight",
                                        "refine2.output_convs.1_1_conv.weight",
                                        "refine2.msf.convs.0.weight",
                                        "refine2.msf.convs.1.bias",
                                        "refine2.crp.convs.0.weight",
                                        "refine3.msf.convs.0.weight",
                                        "refine31.msf.convs.0.weight",
                                        "refine4.msf.convs.0.weight",
                                        "refine5.output_convs.3_2_conv.weight",
                                        "refine5.crp.convs.1.weight"};
    ito_network_config c = tiny(ITO_NCSNV2_256);
    built b = build(&c, 1, false);
    int at = 0;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        while (at < ito_graph_param_count(b.g) &&
               strcmp(ito_node_name(ito_graph_param(b.g, at)), order[i]) != 0)
            at++;
        if (at == ito_graph_param_count(b.g)) fail_msg("%s is missing or comes too early", order[i]);
    }
    assert_int_equal(at, ito_graph_param_count(b.g) - 1);
    ito_graph_free(b.g);
}

/* NCSNv2 knows the label by the division at its end alone. */
static void ncsnv2_divides_by_the_noise_level_of_its_label(void **state) {
    (void)state;
    static const ito_architecture sizes[] = {ITO_NCSNV2_64, ITO_NCSNV2_128, ITO_NCSNV2_256};
    for (int k = 0; k < 3; k++) {
        ito_network_config c = tiny(sizes[k]);
        double a[MOST], z[MOST], worst = 0;
        int64_t n = BATCH * values_of(&c);
        run(&c, (float[]){0, 0, 0}, NULL, a);
        run(&c, (float[]){9, 9, 9}, NULL, z);
        for (int64_t i = 0; i < n; i++)
            worst = fmax(worst, fabs(z[i] * c.sigma_min / (a[i] * c.sigma_max) - 1));
        print_message("  %s: off by %.1e of 1e-5\n", ito_architecture_name(c.architecture), worst);
        assert_true(worst < 1e-5);
    }
}

/* Every sample's norms are its own: a sample's output does not depend on the labels of the others. */
static void ncsn_reads_the_row_of_each_label(void **state) {
    (void)state;
    ito_network_config c = tiny(ITO_NCSN);
    double a[MOST], z[MOST];
    int64_t n = values_of(&c);
    run(&c, (float[]){4, 4, 4}, NULL, a);
    run(&c, (float[]){4, 5, 4}, NULL, z);
    print_message("  the sample whose label moved: %.1e, the others: %.1e\n",
                  largest_difference(a + n, z + n, n),
                  fmax(largest_difference(a, z, n), largest_difference(a + 2 * n, z + 2 * n, n)));
    assert_true(largest_difference(a + n, z + n, n) > 1e-3);
    assert_true(largest_difference(a, z, n) < 1e-6);
    assert_true(largest_difference(a + 2 * n, z + 2 * n, n) < 1e-6);
}

/* A hidden class is the network that was asked for none; a class moves its own sample alone. */
static void classes_move_their_own_sample(void **state) {
    (void)state;
    static const ito_architecture kinds[] = {ITO_NCSNPP, ITO_DDPM, ITO_MLP};
    for (int k = 0; k < 3; k++) {
        ito_network_config c = tiny(kinds[k]);
        c.classes = 4;
        c.init_scale = 1;
        double none[MOST], hidden[MOST], some[MOST];
        const float labels[BATCH] = {1, 20, 300};
        int64_t n = values_of(&c);
        run(&c, labels, NULL, none);
        run(&c, labels, (float[]){4, 4, 4}, hidden);
        run(&c, labels, (float[]){4, 1, 4}, some);
        print_message("  %s: hidden %.1e, own %.1e\n", ito_architecture_name(c.architecture),
                      largest_difference(none, hidden, BATCH * n), largest_difference(some + n, none + n, n));
        assert_true(largest_difference(none, hidden, BATCH * n) < 1e-6);
        assert_true(largest_difference(some + n, none + n, n) > 1e-4);
        assert_true(largest_difference(some, none, n) < 1e-6);
    }
}

static void classes_of_a_network_without_any_are_refused(void **state) {
    (void)state;
    ito_error err = {0};
    ito_graph *g = NULL;
    ito_network_config c = tiny(ITO_MLP);
    require(ito_graph_create(&g, &err), &err);
    ito_node *labels = ito_input(g, "labels", ITO_SHAPE(1));
    ito_network_build_classes(&c, ito_input(g, "x", ITO_SHAPE(1, 2, 1, 1)), labels, labels, false);
    assert_int_equal(ito_graph_status(g, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "classes"));
    ito_graph_free(g);
}

/* Positional labels count noise levels, largest first; Fourier labels are noise levels. */
static void scale_by_sigma_divides_by_what_the_label_means(void **state) {
    (void)state;
    for (int k = 0; k < 3; k++) {
        ito_network_config c = tiny(k == 1 ? ITO_DDPM : k == 2 ? ITO_MLP : ITO_NCSNPP);
        c.conditional = k == 2; /* nothing else reads the label */
        c.init_scale = 1;
        const float labels[BATCH] = {0, 3, 9};
        double plain[MOST], scaled[MOST], worst = 0;
        int64_t n = values_of(&c);
        run(&c, labels, NULL, plain);
        c.scale_by_sigma = true;
        run(&c, labels, NULL, scaled);
        for (int64_t i = 0; i < BATCH * n; i++) {
            double sigma = c.sigma_max * pow(c.sigma_min / c.sigma_max, (double)labels[i / n] / 9);
            worst = fmax(worst, fabs(scaled[i] * sigma / plain[i] - 1));
        }
        print_message("  %s: off by %.1e of 1e-5\n", ito_architecture_name(c.architecture), worst);
        assert_true(worst < 1e-5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_have_their_published_sizes),
        cmocka_unit_test(the_deepest_ncsnv2_has_published_names_in_order),
        cmocka_unit_test(ncsnv2_divides_by_the_noise_level_of_its_label),
        cmocka_unit_test(ncsn_reads_the_row_of_each_label),
        cmocka_unit_test(classes_move_their_own_sample),
        cmocka_unit_test(classes_of_a_network_without_any_are_refused),
        cmocka_unit_test(scale_by_sigma_divides_by_what_the_label_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
