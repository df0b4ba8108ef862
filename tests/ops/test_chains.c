/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementwise steps that a plan joins into chains give the bits of steps on their own. Those are had by a
 * resampling between any two, by a filter that is the identity: it is no link of a chain, and changes no
 * number.
 */
#include "op_harness.h"

#include "engine/plan.h"

#include <math.h>
#include <string.h>

enum { LEAVES = 24, IMAGES = 48, NUMBERS = 16, OUTPUTS = 12 };

/* What a network is built from, one part on the next. */
typedef struct layers {
    ito_graph *g;
    bool apart; /* no two steps are to be joined */
    ito_shape shape;
    ito_node *leaf[LEAVES];
    ito_node *image[IMAGES];
    ito_node *number[NUMBERS]; /* operands of fewer axes */
    ito_node *output[OUTPUTS];
    int n_leaves, n_images, n_numbers, n_outputs;
    uint64_t draws; /* state of the random choices */
} layers;

static ito_node *leaf(layers *n, ito_shape s) {
    char name[16];
    snprintf(name, sizeof name, "leaf%d", n->n_leaves);
    assert_true(n->n_leaves < LEAVES);
    return n->leaf[n->n_leaves++] = ito_input(n->g, name, s);
}

/* A result that nothing is computed together with, where steps are to be apart. */
static ito_node *end_step(const layers *n, ito_node *x) {
    const ito_fir identity = {1, 1, 0, 0, 1, {1}};
    const ito_shape s = x->shape;
    if (!n->apart) return x;
    if (s.rank == 4) return ito_upfirdn(x, identity);
    return ito_reshape(ito_upfirdn(ito_reshape(x, ITO_SHAPE(1, 1, 1, ito_shape_count(s))), identity), s);
}

/* A node as it is: builders fold some ops into others, and would into fewer where steps are apart. */
static ito_node *step(const layers *n, ito__op op, ito_node *x, ito_node *y, ito__attr attr) {
    ito_shape s = y && ito_shape_count(y->shape) > ito_shape_count(x->shape) ? y->shape : x->shape;
    return end_step(n, ito__node(n->g, op, y ? 2 : 1, (ito_node *[]){x, y}, s, attr));
}

static ito_node *plain(const layers *n, ito__op op, ito_node *x, ito_node *y) {
    return step(n, op, x, y, (ito__attr){.affine = {0.7, -0.3}});
}

/* An image, blocked where channels fill blocks: what a 1x1 convolution makes. */
static ito_node *image(layers *n) {
    ito_shape s = n->shape;
    if (s.rank != 4 || s.dim[1] % 16) return leaf(n, s);
    return ito_conv2d(leaf(n, s), leaf(n, ITO_SHAPE(s.dim[1], s.dim[1], 1, 1)), NULL, ito_conv_same(1));
}

static void begin(layers *n, ito_shape s, bool apart) {
    ito_error err = {0};
    *n = (layers){.apart = apart, .shape = s};
    op_require(ito_graph_create(&n->g, &err), &err);
}

static void run(op_plan *p, const layers *n, ito_plan_options options) {
    op_plan_open(p, n->g, n->n_outputs, n->output, options);
    for (int i = 0; i < n->n_leaves; i++) {
        const int64_t count = ito_shape_count(ito_node_shape(n->leaf[i]));
        double *values = test_malloc((size_t)count * sizeof *values);
        op_uniform((uint64_t)i + 1, 0, count, -1, 1.5, values);
        op_plan_set(p, n->leaf[i], values);
        test_free(values);
    }
    op_plan_run(p);
    op_plan_run(p); /* memory is reused from the first run on */
}

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

typedef void (*builder)(layers *n, int variant);

/* Runs what `build` makes both ways; returns how many links follow another. */
static int compare(builder build, int variant, ito_shape s, ito_plan_options options) {
    layers n, twin;
    op_plan joined, apart;
    begin(&n, s, false);
    begin(&twin, s, true);
    build(&n, variant);
    build(&twin, variant);
    run(&joined, &n, options);
    run(&apart, &twin, options);
    assert_int_equal(op_plan_count(&apart, " + "), 0);
    for (int k = 0; k < n.n_outputs; k++)
        for (int64_t i = 0; i < ito_shape_count(n.output[k]->shape); i++) {
            const double a = op_plan_get(&joined, n.output[k], i), b = op_plan_get(&apart, twin.output[k], i);
            if (same(a, b)) continue;
            char *text = ito_plan_describe(joined.plan);
            print_error("%s", text);
            free(text);
            fail_msg("variant %d, %s %s, %d threads: element %lld of output %d is %.9g, not %.9g", variant,
                     ito_isa_name(options.isa), ito_precision_name(options.precision), options.threads,
                     (long long)i, k, a, b);
        }
    const int links = op_plan_count(&joined, " + ");
    op_plan_close(&joined);
    op_plan_close(&apart);
    ito_graph_free(n.g);
    ito_graph_free(twin.g);
    return links;
}

/* ---- random networks ---- */

static int draw(layers *n, int below) {
    n->draws = n->draws * 6364136223846793005u + 1442695040888963407u;
    return (int)((n->draws >> 33) % (uint64_t)below);
}

/* One of the last images more often than an older one. */
static ito_node *any_image(layers *n) {
    const int recent = n->n_images < 3 ? n->n_images : 3;
    return n->image[draw(n, 3) ? n->n_images - 1 - draw(n, recent) : draw(n, n->n_images)];
}

static void add_numbers(layers *n) {
    const ito_shape s = n->shape, one = ITO_SHAPE(1);
    n->number[n->n_numbers++] = leaf(n, one);
    if (s.rank == 2) {
        n->number[n->n_numbers++] = leaf(n, ITO_SHAPE(s.dim[1]));
        n->number[n->n_numbers++] = leaf(n, ITO_SHAPE(s.dim[0], 1));
    } else {
        n->number[n->n_numbers++] = leaf(n, ITO_SHAPE(s.dim[0], s.dim[1], 1, 1));
        n->number[n->n_numbers++] = leaf(n, ITO_SHAPE(1, s.dim[1], 1, 1));
        if (s.dim[1] % 8) n->number[n->n_numbers++] = leaf(n, ITO_SHAPE(s.dim[0], 1, 1, 1));
        if (s.dim[1] % 8) n->number[n->n_numbers++] = leaf(n, ITO_SHAPE(s.dim[2], s.dim[3]));
    }
}

/* Small results in between: of a sum over pixels, and steps on it. */
static void random_number(layers *n) {
    const ito_shape s = n->shape;
    if (n->n_numbers == NUMBERS || s.rank != 4) return;
    ito_node *sum = ito_sum_to(any_image(n), ITO_SHAPE(s.dim[0], s.dim[1], 1, 1));
    n->number[n->n_numbers++] = plain(n, ITO__OP_TANH, plain(n, ITO__OP_ADD, sum, n->number[1]), NULL);
}

static ito_node *random_norm(layers *n, ito_node *x) {
    const bool silu = draw(n, 2), dropout = draw(n, 2), gradient = draw(n, 2);
    const int64_t channels = n->shape.dim[1];
    ito_node *y = ito_group_norm(x, leaf(n, ITO_SHAPE(channels)), NULL, channels % 4 ? 1 : 4, 1e-6);
    if (silu) y = ito_silu(y);
    if (dropout && !gradient) y = ito_dropout(y, 0.3);
    if (gradient) ito_gradients(y, any_image(n), 1, &x, &y);
    return end_step(n, y);
}

/* The upper channels of one image and the lower ones of another, read where they lie by what follows. */
static ito_node *random_parts(layers *n) {
    const int64_t channels = n->shape.dim[1], half = channels / 2;
    ito_node *parts[2] = {ito_slice(any_image(n), 1, half, channels), ito_slice(any_image(n), 1, 0, half)};
    return end_step(n, ito_concat(2, parts, 1));
}

static ito_node *random_step(layers *n) {
    static const ito__op unary[] = {ITO__OP_AFFINE, ITO__OP_SIGMOID, ITO__OP_TANH, ITO__OP_SILU,
                                    ITO__OP_RELU,   ITO__OP_ELU,     ITO__OP_STEP, ITO__OP_SIN};
    static const ito__op binary[] = {ITO__OP_ADD, ITO__OP_MUL, ITO__OP_SILU_GRAD, ITO__OP_ADD};
    ito_node *x = any_image(n);
    const int kind = draw(n, 18);
    if (kind < 6) return plain(n, unary[draw(n, 8)], x, NULL);
    if (kind < 9) return plain(n, binary[draw(n, 4)], x, any_image(n));
    if (kind < 11) return plain(n, binary[draw(n, 4)], x, n->number[draw(n, n->n_numbers)]);
    if (kind < 12) return plain(n, binary[draw(n, 4)], n->number[draw(n, n->n_numbers)], x);
    if (kind < 13) return plain(n, ITO__OP_EXP, plain(n, ITO__OP_TANH, x, NULL), NULL);
    if (kind < 14) return plain(n, ITO__OP_DIV, x, plain(n, ITO__OP_EXP, n->number[0], NULL));
    if (kind < 15 && n->shape.rank == 4 && n->n_leaves < LEAVES) return random_norm(n, x);
    if (kind > 15 && n->shape.rank == 4 && n->shape.dim[1] % 32 == 0) return random_parts(n);
    return step(n, ITO__OP_DROPOUT, x, NULL, (ito__attr){.dropout = {0.3, (uint32_t)n->n_images}});
}

static void random_layers(layers *n, int variant) {
    n->draws = (uint64_t)variant;
    add_numbers(n);
    for (int i = 0; i < 3; i++) n->image[n->n_images++] = image(n);
    for (int i = 0; i < 30; i++) {
        n->image[n->n_images] = random_step(n);
        n->n_images++;
        if (draw(n, 6) == 0) random_number(n);
        if (draw(n, 8) == 0 && n->n_outputs < OUTPUTS - 2) n->output[n->n_outputs++] = any_image(n);
    }
    n->output[n->n_outputs++] = n->image[n->n_images - 1];
    n->output[n->n_outputs++] = n->image[n->n_images - 2];
}

static const ito_shape shapes[] = {
    {4, {2, 32, 5, 7}}, {4, {1, 48, 37, 41}}, {4, {3, 16, 4, 4}}, {4, {2, 3, 19, 23}}, {2, {37, 29}},
};

static void check_random_layers(ito_isa isa, ito_precision precision) {
    ito_plan_options options = ito_plan_default();
    options.isa = isa;
    options.precision = precision;
    int links = 0;
    for (int variant = 0; variant < 12; variant++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            options.threads = 1 + variant % 3;
            links += compare(random_layers, variant, shapes[i], options);
        }
    print_message("%s %s: %d links behind another\n", ito_isa_name(isa), ito_precision_name(precision),
                  links);
    assert_true(links > 300);
}

static void chains_have_the_bits_of_steps_apart(void **state) {
    (void)state;
    op_every_kind(check_random_layers);
}

/* A sum whose moments a norm takes, and that goes on into other steps as well. */
static void sum_with_moments(layers *n, int steps_ahead) {
    ito_node *sum = plain(n, ITO__OP_ADD, plain(n, ITO__OP_RELU, image(n), NULL), image(n)), *y = sum;
    for (int i = 0; i < steps_ahead; i++) y = plain(n, ITO__OP_TANH, y, NULL);
    n->output[n->n_outputs++] = end_step(n, ito_group_norm(sum, NULL, NULL, 4, 1e-6));
    n->output[n->n_outputs++] = plain(n, ITO__OP_SIGMOID, y, NULL);
}

static void check_sum_with_moments(ito_isa isa, ito_precision precision) {
    ito_plan_options options = ito_plan_default();
    options.isa = isa;
    options.precision = precision;
    for (int steps_ahead = 0; steps_ahead < 3; steps_ahead++)
        for (options.threads = 1; options.threads <= 2; options.threads++)
            assert_true(compare(sum_with_moments, steps_ahead, ITO_SHAPE(2, 16, 37, 41), options) > 0);
}

static void a_sum_with_moments_ends_a_chain(void **state) {
    (void)state;
    op_every_kind(check_sum_with_moments);
}

/* ---- what a plan says of a chain ---- */

/* A norm with coefficients of its own and an ELU, as in NCSN. */
static void conditional_norm(layers *n, int outputs) {
    const ito_shape s = n->shape;
    ito_node *scale = leaf(n, ITO_SHAPE(s.dim[0], s.dim[1], 1, 1));
    ito_node *y = end_step(n, ito_group_norm(image(n), NULL, NULL, 4, 1e-6));
    ito_node *scaled = plain(n, ITO__OP_MUL, y, scale);
    y = plain(n, ITO__OP_ELU, plain(n, ITO__OP_ADD, scaled, scale), NULL);
    n->output[n->n_outputs++] = y;
    if (outputs > 1) n->output[n->n_outputs++] = scaled;
}

static void a_chain_is_one_row_of_a_profile(void **state) {
    (void)state;
    layers n;
    op_plan p;
    ito_plan_options options = ito_plan_default();
    options.profile = true;
    begin(&n, ITO_SHAPE(2, 16, 32, 32), false);
    conditional_norm(&n, 1);
    run(&p, &n, options);
    int rows, found = 0;
    const ito_profile_row *row = ito_workspace_profile(p.ws, &rows);
    const double image = (double)(ito_shape_count(n.shape) * (int64_t)sizeof(float));
    for (int i = 0; i < rows; i++) {
        if (strcmp(row[i].kind, "norm+mul+add+elu") != 0) continue;
        found++;
        assert_int_equal(row[i].calls, 2);
        assert_true(row[i].bytes > 2 * 2 * image && row[i].bytes < 2 * 2.1 * image); /* one in, one out */
    }
    assert_int_equal(found, 1);
    op_plan_close(&p);
    ito_graph_free(n.g);
}

static void results_that_others_want_are_kept(void **state) {
    (void)state;
    for (int outputs = 1; outputs <= 2; outputs++) {
        layers n;
        op_plan p;
        begin(&n, ITO_SHAPE(2, 16, 32, 32), false);
        conditional_norm(&n, outputs);
        run(&p, &n, ito_plan_default());
        assert_int_equal(op_plan_count(&p, " + "), 3);
        assert_int_equal(op_plan_count(&p, " tile "), 4 - outputs);
        op_plan_close(&p);
        ito_graph_free(n.g);
        assert_int_equal(compare(conditional_norm, outputs, ITO_SHAPE(2, 16, 32, 32), ito_plan_default()), 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(chains_have_the_bits_of_steps_apart),
                                       cmocka_unit_test(a_sum_with_moments_ends_a_chain),
                                       cmocka_unit_test(a_chain_is_one_row_of_a_profile),
                                       cmocka_unit_test(results_that_others_want_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
