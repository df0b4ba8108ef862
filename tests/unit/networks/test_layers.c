/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that no golden case reaches: the DDPM form of resampling, and FIR upsampling with a convolution.
 */
#include "networks/blocks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 6, CHANNELS = 2, OUT = 3, MOST = 4 * OUT * SIZE * SIZE };

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

static double value(int i) {
    return sin(1.0 + 3.7 * i);
}

/* Values of a node in double, every leaf of the graph holding value(0), value(1), ... */
static void evaluate(ito_graph *g, ito_node *y, ito_node *x, double *out) {
    ito_error err = {0};
    ito_plan *plan = NULL;
    ito_workspace *ws = NULL;
    static double leaf[1024];
    ito_plan_options o = ito_plan_default();
    o.precision = ITO_F64;
    o.reference = true;
    for (int i = 0; i < 1024; i++) leaf[i] = value(i);
    require(ito_plan_create(g, 1, &y, &o, &plan, &err), &err);
    require(ito_workspace_create(plan, &ws, &err), &err);
    require(ito_workspace_bind(ws, x, leaf, &err), &err);
    for (int i = 0; i < ito_graph_param_count(g); i++)
        require(ito_workspace_bind(ws, ito_graph_param(g, i), leaf, &err), &err);
    require(ito_workspace_bind(ws, y, out, &err), &err);
    require(ito_plan_run(plan, ws, &err), &err);
    ito_workspace_free(ws);
    ito_plan_free(plan);
}

typedef struct bench {
    ito_network_config config;
    ito__builder b;
    ito_node *x;
} bench;

static void start(bench *t) {
    ito_error err = {0};
    t->config = ito_network_default();
    t->b = (ito__builder){.config = &t->config};
    require(ito_graph_create(&t->b.g, &err), &err);
    t->x = ito_input(t->b.g, "x", ITO_SHAPE(1, CHANNELS, SIZE, SIZE));
}

/* StyleGAN2 states it so: zeros between the pixels, the convolution over all of that, then the filter. */
static void fir_upsampling_convolution_is_that_of_stylegan2(void **state) {
    (void)state;
    bench t;
    double got[MOST], want[MOST], worst = 0;
    start(&t);
    t.config.fir = true;
    ito_node *y = ito__resample_conv(&t.b, t.x, ITO__RESAMPLE_UP, OUT);
    ito_node *weight = ito_graph_find(t.b.g, "all_modules.0.Conv2d_0.weight");
    ito_node *bias = ito_graph_find(t.b.g, "all_modules.0.Conv2d_0.bias");
    assert_true(weight && bias);

    ito_fir zeros = {.up = 2, .down = 1, .pad_before = 2, .pad_after = 1, .ntaps = 1, .taps = {1}};
    ito_fir filter = {.up = 1, .down = 1, .pad_before = 1, .pad_after = 1, .ntaps = 4};
    for (int i = 0; i < 4; i++) filter.taps[i] = (double)t.config.fir_kernel[i] / 8 * 2;
    ito_node *h =
        ito_conv2d(ito_upfirdn(t.x, zeros), weight, NULL, (ito_conv){.stride = 1, .pad = 0, .dilation = 1});
    ito_node *z = ito_add(ito_upfirdn(h, filter), ito_reshape(bias, ITO_SHAPE(1, OUT, 1, 1)));

    assert_true(ito_shape_equal(ito_node_shape(y), ITO_SHAPE(1, OUT, 2 * SIZE, 2 * SIZE)));
    assert_true(ito_shape_equal(ito_node_shape(z), ito_node_shape(y)));
    evaluate(t.b.g, y, t.x, got);
    evaluate(t.b.g, z, t.x, want);
    for (int i = 0; i < MOST; i++) worst = fmax(worst, fabs(got[i] - want[i]));
    print_message("  off by %g\n", worst);
    assert_true(worst < 1e-12);
    ito_graph_free(t.b.g);
}

/* Down is up's transpose but for the gain: every pixel of a mean counts a quarter. */
static void downsampling_is_a_quarter_of_the_adjoint_of_upsampling(void **state) {
    (void)state;
    for (int fir = 0; fir < 2; fir++) {
        bench t;
        double got[MOST], worst = 0;
        start(&t);
        t.config.fir = fir;
        ito_node *small = ito_fill(t.b.g, 0, ITO_SHAPE(1, CHANNELS, SIZE / 2, SIZE / 2)), *adjoint;
        ito_gradients(ito__resample(&t.b, small, ITO__RESAMPLE_UP), t.x, 1, &small, &adjoint);
        ito_node *down = ito__resample(&t.b, t.x, ITO__RESAMPLE_DOWN);
        evaluate(t.b.g, ito_sub(ito_scale(down, 4), adjoint), t.x, got);
        for (int i = 0; i < CHANNELS * SIZE * SIZE / 4; i++) worst = fmax(worst, fabs(got[i]));
        print_message("  %s: off by %g\n", fir ? "FIR" : "nearest and mean", worst);
        assert_true(worst < 1e-14);
        ito_graph_free(t.b.g);
    }
}

/* Pixel (i, j) of the output sees input rows 2i .. 2i + 2, and nothing above row 0. */
static void ddpm_downsampling_pads_below_and_right(void **state) {
    (void)state;
    bench t;
    double got[MOST], worst = 0;
    start(&t);
    ito_node *y = ito__resample_conv(&t.b, t.x, ITO__RESAMPLE_DOWN, OUT);
    assert_true(ito_shape_equal(ito_node_shape(y), ITO_SHAPE(1, OUT, SIZE / 2, SIZE / 2)));
    assert_non_null(ito_graph_find(t.b.g, "all_modules.0.Conv_0.weight"));
    evaluate(t.b.g, y, t.x, got);
    for (int o = 0; o < OUT; o++) {
        for (int p = 0; p < SIZE * SIZE / 4; p++) {
            double sum = value(o); /* the bias */
            int i = 2 * (p / (SIZE / 2)), j = 2 * (p % (SIZE / 2));
            for (int k = 0; k < CHANNELS * 9; k++) {
                int c = k / 9, row = i + k / 3 % 3, column = j + k % 3;
                if (row < SIZE && column < SIZE)
                    sum += value((o * CHANNELS + c) * 9 + k % 9) * value((c * SIZE + row) * SIZE + column);
            }
            worst = fmax(worst, fabs(sum - got[o * SIZE * SIZE / 4 + p]));
        }
    }
    print_message("  off by %g\n", worst);
    assert_true(worst < 1e-12);
    ito_graph_free(t.b.g);
}

/* The first modules of a DDPM-block network, as the published checkpoints of that type spell them. */
static void ddpm_blocks_have_published_names(void **state) {
    (void)state;
    static const char *const names[] = {
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "2.weight",
        "2.bias",
        "3.GroupNorm_0.weight",
        "3.GroupNorm_0.bias",
        "3.Conv_0.weight",
        "3.Conv_0.bias",
        "3.Dense_0.weight",
        "3.Dense_0.bias",
        "3.GroupNorm_1.weight",
        "3.GroupNorm_1.bias",
        "3.Conv_1.weight",
        "3.Conv_1.bias",
        "4.Conv_0.weight",
        "4.Conv_0.bias",
        "5.GroupNorm_0.weight",
        "5.GroupNorm_0.bias",
        "5.Conv_0.weight",
        "5.Conv_0.bias",
        "5.Dense_0.weight",
        "5.Dense_0.bias",
        "5.GroupNorm_1.weight",
        "5.GroupNorm_1.bias",
        "5.Conv_1.weight",
        "5.Conv_1.bias",
        "5.NIN_0.W",
        "5.NIN_0.b",
    };
    ito_error err = {0};
    ito_network_config c = ito_network_default();
    c.resblock_type = ITO_RESBLOCK_DDPM;
    c.num_res_blocks = 1;
    ito_graph *g = NULL;
    require(ito_graph_create(&g, &err), &err);
    ito_network_build(&c, ito_input(g, "x", ITO_SHAPE(1, 3, 32, 32)), ito_input(g, "labels", ITO_SHAPE(1)),
                      false);
    require(ito_graph_status(g, &err), &err);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_string_equal(ito_node_name(ito_graph_param(g, (int)i)) + strlen("all_modules."), names[i]);
    ito_graph_free(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fir_upsampling_convolution_is_that_of_stylegan2),
        cmocka_unit_test(downsampling_is_a_quarter_of_the_adjoint_of_upsampling),
        cmocka_unit_test(ddpm_downsampling_pads_below_and_right),
        cmocka_unit_test(ddpm_blocks_have_published_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
