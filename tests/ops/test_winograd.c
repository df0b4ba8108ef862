/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own Winograd convolution and its two gradients against the plain summation, for every instruction set
 * of this machine and both precisions, over sizes that tiles, spans and strips do not divide. Results have
 * the same bits on any number of threads.
 */
#include "engine/conv_tuned.h"

#include "op_harness.h"

#include <math.h>
#include <omp.h>
#include <string.h>

typedef struct shape {
    int64_t images, in, out, height, width;
    int dilation;
} shape;

static const shape shapes[] = {
    {2, 32, 32, 8, 8, 1},   /* one tile row of a span, one strip */
    {1, 64, 64, 9, 13, 1},  /* tiles that reach beyond the image */
    {3, 96, 32, 5, 7, 1},   /* depths of 32 and strips of 32 */
    {8, 128, 64, 4, 4, 1},  /* a tile an image */
    {2, 64, 160, 11, 6, 1}, /* five strips */
    {1, 64, 64, 33, 31, 1}, /* spans of tiles, the last one short */
    {5, 32, 64, 20, 24, 1}, /* spans across images; parts of the gradient by the weights */
    {2, 64, 64, 16, 16, 2}, /* whole tiles */
    {3, 32, 96, 16, 16, 4}, /* one for each of 16 smaller images */
    {2, 96, 32, 19, 14, 3}, /* smaller images of several sizes */
    {1, 64, 64, 35, 9, 4},  /* tiles that begin beyond the image */
    {2, 32, 64, 3, 2, 4},   /* taps that all but one lie outside */
};

enum { LEAVES = 4, RESULTS = 3 };

typedef struct conv {
    ito_graph *g;
    ito_node *leaf[LEAVES]; /* x, w, bias, dy */
    ito_node *result[RESULTS];
    double *values[LEAVES];
} conv;

/* Values are of 7 bits, so that bfloat16 holds them exactly. */
static void conv_build(conv *c, const shape *s) {
    ito_error err = {0};
    op_require(ito_graph_create(&c->g, &err), &err);
    c->leaf[0] = ito_input(c->g, "x", ITO_SHAPE(s->images, s->in, s->height, s->width));
    c->leaf[1] = ito_param(c->g, "w", ITO_SHAPE(s->out, s->in, 3, 3), ito_init_zeros());
    const ito_conv how = {.stride = 1, .pad = s->dilation, .dilation = s->dilation};
    c->leaf[2] = ito_param(c->g, "b", ITO_SHAPE(s->out), ito_init_zeros());
    c->result[0] = ito_conv2d(c->leaf[0], c->leaf[1], c->leaf[2], how);
    c->leaf[3] = ito_input(c->g, "dy", ito_node_shape(c->result[0]));
    ito_gradients(c->result[0], c->leaf[3], 2, c->leaf, c->result + 1);
    for (int i = 0; i < LEAVES; i++) {
        int64_t n = ito_shape_count(ito_node_shape(c->leaf[i]));
        c->values[i] = test_malloc((size_t)n * sizeof(double));
        op_uniform((uint64_t)i + 1, 0, n, -1, 1, c->values[i]);
        for (int64_t k = 0; k < n; k++) c->values[i][k] = round(64 * c->values[i][k]) / 64;
    }
}

static void conv_release(conv *c) {
    for (int i = 0; i < LEAVES; i++) test_free(c->values[i]);
    ito_graph_free(c->g);
}

static void conv_run(op_plan *p, conv *c, int result, ito_plan_options options) {
    op_plan_open(p, c->g, 1, &c->result[result], options);
    for (int i = 0; i < LEAVES; i++) op_plan_set(p, c->leaf[i], c->values[i]);
    op_plan_run(p);
}

/* Makes a plan for these options run our own kernel, whatever the rule says: by a tuning that knows no other
 * choice. */
static ito_tuning *choose_own(conv *c, int result, ito_plan_options options) {
    char key[ITO__TUNING_KEY], choice[ITO__TUNING_CHOICE];
    ito_error err = {0};
    ito_tuning *t;
    op_plan ruled;
    op_require(ito_tuning_create(&t, &err), &err);
    ito_tuning_measure(t, false);
    op_plan_open(&ruled, c->g, 1, &c->result[result], options);
    omp_set_num_threads(options.threads);
    ito__name_conv_work(ruled.plan, t, c->result[result], key);
    ito__name_conv_choice(ITO__OWN_WAY, ito__implementation(NULL), choice);
    op_require(ito__tuning_set(t, key, choice, &err), &err);
    op_plan_close(&ruled);
    return t;
}

static void conv_run_own(op_plan *p, conv *c, int result, ito_plan_options options) {
    options.tuning = choose_own(c, result, options);
    conv_run(p, c, result, options);
    ito_tuning_free(options.tuning);
    if (op_plan_count(p, "ito_winograd") != 1) fail_msg("result %d: another kernel runs", result);
}

/* Images of a bfloat16 plan are rounded as they are stored: half a unit of 8 bits. Gradients by weights stay
 * floats. */
static double bound_of(ito_precision precision, int result) {
    return precision == ITO_BF16 && result < 2 ? 0x1p-8 : 1e-5;
}

/* The error of one result, relative to its largest element; fails where threads change a bit. */
static double error_of(conv *c, int result, ito_plan_options options, const op_plan *exact) {
    const ito_node *y = c->result[result];
    op_plan p, other;
    double size, error;
    options.threads = 1;
    conv_run_own(&p, c, result, options);
    error = op_plan_difference(&p, exact, y, &size) / size;
    for (options.threads = 2; options.threads <= 3; options.threads++) {
        double unused;
        conv_run_own(&other, c, result, options);
        assert_true(op_plan_difference(&p, &other, y, &unused) == 0);
        op_plan_close(&other);
    }
    op_plan_close(&p);
    return error;
}

static void check(ito_isa isa, ito_precision precision) {
    static const char *const names[RESULTS] = {"result", "gradient by the image", "gradient by the weights"};
    for (int result = 0; result < RESULTS; result++) {
        const double bound = bound_of(precision, result);
        double worst = 0;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            ito_plan_options options = ito_plan_default();
            conv c;
            op_plan exact;
            conv_build(&c, &shapes[i]);
            conv_run(&exact, &c, result, op_reference(ITO_F32));
            options.isa = isa;
            options.precision = precision;
            const double error = error_of(&c, result, options, &exact);
            if (!(error <= bound)) fail_msg("shape %zu, %s: error %.2e", i, names[result], error);
            worst = fmax(worst, error);
            op_plan_close(&exact);
            conv_release(&c);
        }
        print_message("%s, %s, %s: error %.1e of the largest element, bound %.1e\n", ito_isa_name(isa),
                      ito_precision_name(precision), names[result], worst, bound);
    }
}

static void winograd_agrees_with_the_plain_summation(void **state) {
    (void)state;
    op_every_kind(check);
}

/* Of floats, where nothing was timed: whole tiles, or mostly. Never ours: padding that changes the size, taps
 * too far apart, strides. */
static void check_rule(ito_isa isa, ito_precision precision) {
    static const struct {
        int64_t size;
        ito_conv conv;
        bool own;
    } cases[] = {{16, {1, 1, 1}, true},  {16, {1, 2, 2}, true},  {16, {1, 4, 4}, true},
                 {12, {1, 4, 4}, true},  {10, {1, 2, 2}, false}, {8, {1, 4, 4}, false},
                 {16, {1, 1, 2}, false}, {20, {1, 5, 5}, false}, {16, {2, 1, 1}, false}};
    ito_plan_options options = ito_plan_default();
    options.isa = isa;
    for (size_t i = 0; precision == ITO_F32 && i < sizeof cases / sizeof *cases; i++) {
        ito_error err = {0};
        ito_graph *g;
        op_plan p;
        op_require(ito_graph_create(&g, &err), &err);
        ito_node *x = ito_input(g, "x", ITO_SHAPE(2, 64, cases[i].size, cases[i].size));
        ito_node *w = ito_param(g, "w", ITO_SHAPE(64, 64, 3, 3), ito_init_zeros());
        ito_node *y = ito_conv2d(x, w, NULL, cases[i].conv);
        op_plan_open(&p, g, 1, &y, options);
        if (op_plan_count(&p, "ito_winograd") != cases[i].own) fail_msg("case %zu is ruled otherwise", i);
        op_plan_close(&p);
        ito_graph_free(g);
    }
}

static void the_rule_takes_tiles_that_fit(void **state) {
    (void)state;
    op_every_kind(check_rule);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(winograd_agrees_with_the_plain_summation),
                                       cmocka_unit_test(the_rule_takes_tiles_that_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
