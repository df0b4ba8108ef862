/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics that a kernel takes of the image it makes have the bits of those that a pass over the image
 * takes. The pass is had by a ReLU between the two, which leaves images of positive numbers as they are.
 */
#include "op_harness.h"

typedef enum producer { CONV, SUM, PARTS, PRODUCERS } producer;

typedef struct shape {
    int64_t images, channels, height, width;
    int groups;
    bool conv; /* can our Winograd kernel take them: are spans of its tiles whole bands or images? */
    int dilation;
} shape;

static const shape shapes[] = {
    {2, 32, 32, 32, 8, true, 1},  /* a span an image */
    {3, 64, 8, 8, 16, true, 1},   /* images of a span, the last one short */
    {8, 96, 4, 4, 32, true, 1},   /* groups across blocks, strips of 32 */
    {2, 64, 64, 64, 32, true, 1}, /* bands of an image */
    {1, 32, 16, 256, 4, true, 1}, /* bands of one row of tiles */
    {2, 32, 12, 12, 8, false, 1}, /* spans that end within an image */
    {2, 64, 14, 13, 8, false, 1}, /* tiles that reach beyond it */
    {1, 32, 8, 512, 8, false, 1}, /* spans that end within a row */
    {1, 32, 48, 64, 32, true, 1}, /* a number of bands that is no power of two */
    {1, 64, 64, 48, 8, false, 1}, /* bands that would end within a row of tiles */
    {2, 64, 32, 32, 8, true, 2},  /* dilated: whole images */
    {5, 96, 16, 16, 8, true, 4},  /* several of them, the last span short */
    {1, 64, 64, 64, 8, false, 2}, /* spans whose rows alternate with those of others */
    {2, 64, 12, 12, 8, false, 2}, /* tiles that reach beyond the image */
};

enum { LEAVES = 8 };

typedef struct layers {
    ito_graph *g;
    ito_node *leaf[LEAVES];
    int n_leaves;
    ito_node *y;
} layers;

static ito_node *leaf(layers *n, bool weights, const char *name, ito_shape s) {
    ito_node *x = weights ? ito_param(n->g, name, s, ito_init_zeros()) : ito_input(n->g, name, s);
    return n->leaf[n->n_leaves++] = x;
}

/* A blocked image: what a 1x1 convolution makes. */
static ito_node *image(layers *n, const shape *s, const char *x, const char *w, int64_t channels) {
    ito_node *from = leaf(n, false, x, ITO_SHAPE(s->images, 32, s->height, s->width));
    return ito_conv2d(from, leaf(n, true, w, ITO_SHAPE(channels, 32, 1, 1)), NULL, ito_conv_same(1));
}

static void build(layers *n, const shape *s, producer of, bool apart, bool shifted) {
    const int64_t half = s->channels / 2; /* blocks still: channels come in 32s */
    ito_error err = {0};
    *n = (layers){0};
    op_require(ito_graph_create(&n->g, &err), &err);
    ito_node *a = image(n, s, "x", "w", s->channels), *x;
    if (of == CONV)
        x = ito_conv2d(a, leaf(n, true, "kernels", ITO_SHAPE(s->channels, s->channels, 3, 3)),
                       leaf(n, true, "bias", ITO_SHAPE(s->channels)),
                       (ito_conv){.stride = 1, .pad = s->dilation, .dilation = s->dilation});
    else
        x = ito_add(a, image(n, s, "x2", "w2", s->channels));
    if (of == PARTS) /* the halves of the sum in the other order */
        x = ito_concat(2, (ito_node *[]){ito_slice(x, 1, half, s->channels), ito_slice(x, 1, 0, half)}, 1);
    if (apart) x = ito_relu(x);
    if (shifted) x = ito_add(x, leaf(n, false, "shift", ITO_SHAPE(s->images, s->channels, 1, 1)));
    n->y = ito_group_norm(x, NULL, NULL, s->groups, 1e-6);
}

static void run(op_plan *p, const layers *n, ito_plan_options options) {
    op_plan_open(p, n->g, 1, &n->y, options);
    for (int i = 0; i < n->n_leaves; i++) {
        const int64_t count = ito_shape_count(ito_node_shape(n->leaf[i]));
        double *values = test_malloc((size_t)count * sizeof *values);
        op_uniform((uint64_t)i + 1, 0, count, 0.1, 1, values);
        op_plan_set(p, n->leaf[i], values);
        test_free(values);
    }
    op_plan_run(p);
}

/* Returns whether the statistics were taken on the way. */
static bool compare(const shape *s, producer of, bool shifted, ito_plan_options options) {
    layers n, twin;
    op_plan p, pass;
    double size;
    build(&n, s, of, false, shifted);
    build(&twin, s, of, true, shifted);
    run(&p, &n, options);
    run(&pass, &twin, options);
    const int taken = op_plan_count(&p, "norm_stats of moments");
    assert_int_equal(op_plan_count(&p, "norm_stats"), 1);
    assert_int_equal(op_plan_count(&pass, "norm_stats of moments"), 0);
    for (int64_t i = 0; i < ito_shape_count(ito_node_shape(n.y)); i++)
        if (op_plan_get(&p, n.y, i) != op_plan_get(&pass, twin.y, i))
            fail_msg("producer %d, %d threads: element %lld is %.9g, not %.9g", (int)of, options.threads,
                     (long long)i, op_plan_get(&p, n.y, i), op_plan_get(&pass, twin.y, i));
    (void)op_plan_difference(&p, &p, n.y, &size);
    assert_true(size > 1); /* a norm of something */
    op_plan_close(&p);
    op_plan_close(&pass);
    ito_graph_free(n.g);
    ito_graph_free(twin.g);
    return taken == 1;
}

static void check(ito_isa isa, ito_precision precision) {
    ito_plan_options options = ito_plan_default();
    options.isa = isa;
    options.precision = precision;
    int taken = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (producer of = 0; of < PRODUCERS; of++)
            for (options.threads = 1; options.threads <= 2; options.threads++) {
                const bool on_the_way = compare(&shapes[i], of, i % 2 == 0, options);
                if (on_the_way != (of != CONV || shapes[i].conv))
                    fail_msg("shape %zu, producer %d: statistics are%s taken on the way", i, (int)of,
                             on_the_way ? "" : " not");
                taken += on_the_way;
            }
    print_message("%s, %s: %d images whose statistics were taken on the way, every bit that of a pass\n",
                  ito_isa_name(isa), ito_precision_name(precision), taken);
}

static void statistics_taken_on_the_way_have_the_bits_of_a_pass(void **state) {
    (void)state;
    op_every_kind(check);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(statistics_taken_on_the_way_have_the_bits_of_a_pass)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
