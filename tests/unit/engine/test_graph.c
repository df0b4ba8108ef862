/* SPDX-License-Identifier: Apache-2.0
 *
 * Graphs: shapes of nodes, leaves and their names, and the sentence of the first bad op.
 */
#include <ito/engine.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ito_graph *new_graph(void) {
    ito_graph *g;
    ito_error err = {0};
    if (ito_graph_create(&g, &err) != ITO_OK) fail_msg("%s", err.message);
    return g;
}

static ito_node *input(ito_graph *g, ito_shape shape) {
    static int turn;
    char name[32];
    snprintf(name, sizeof name, "input.%d", turn++);
    return ito_input(g, name, shape);
}

static void assert_shape(const ito_node *x, ito_shape expected) {
    ito_shape s = ito_node_shape(x);
    bool equal = ito_shape_equal(s, expected);
    for (int i = 0; i < s.rank && !equal; i++)
        print_message("dimension %d is %lld\n", i, (long long)s.dim[i]);
    assert_true(equal);
}

/* How many steps of its plan are of that kind. */
static int steps_of(ito_node *y, const char *kind) {
    ito_error err = {0};
    ito_plan *p;
    int count = 0;
    if (ito_plan_create(ito_node_graph(y), 1, &y, NULL, &p, &err) != ITO_OK) fail_msg("%s", err.message);
    char *text = ito_plan_describe(p);
    for (const char *at = text; (at = strstr(at, kind)); at++) count++;
    free(text);
    ito_plan_free(p);
    return count;
}

/* ---- shapes ---- */

static void shapes_count_and_compare(void **state) {
    (void)state;
    assert_int_equal(ito_shape_count(ito_shape_scalar()), 1);
    assert_int_equal(ito_shape_count(ITO_SHAPE(2, 3, 4)), 24);
    assert_int_equal(ITO_SHAPE(7, 1, 2, 9).rank, 4);
    assert_true(ito_shape_equal(ITO_SHAPE(2, 3), ITO_SHAPE(2, 3)));
    assert_false(ito_shape_equal(ITO_SHAPE(2, 3), ITO_SHAPE(3, 2)));
    assert_false(ito_shape_equal(ITO_SHAPE(2), ITO_SHAPE(2, 1)));
    assert_true(ito_shape_equal(ito_shape_scalar(), ito_shape_scalar()));
}

static void ops_state_the_shape_of_their_result(void **state) {
    (void)state;
    ito_graph *g = new_graph();
    ito_node *x = input(g, ITO_SHAPE(2, 6, 8, 10)), *row = input(g, ITO_SHAPE(10)),
             *plane = input(g, ITO_SHAPE(6, 1, 1));
    assert_shape(ito_add(x, row), ITO_SHAPE(2, 6, 8, 10));
    assert_shape(ito_mul(plane, x), ITO_SHAPE(2, 6, 8, 10));
    assert_shape(ito_div(plane, row), ITO_SHAPE(6, 1, 10));
    assert_shape(ito_sum(x), ito_shape_scalar());
    assert_shape(ito_mean_to(x, ITO_SHAPE(6, 1, 1)), ITO_SHAPE(6, 1, 1));
    assert_shape(ito_permute(x, (int[]){3, 0, 2, 1}), ITO_SHAPE(10, 2, 8, 6));
    assert_shape(ito_slice(x, 2, 3, 7), ITO_SHAPE(2, 6, 4, 10));
    assert_shape(ito_pad(x, 1, 2, 3), ITO_SHAPE(2, 11, 8, 10));
    assert_shape(ito_concat(3, (ito_node *[]){x, x, x}, 3), ITO_SHAPE(2, 6, 8, 30));
    assert_shape(ito_matmul(x, input(g, ITO_SHAPE(2, 6, 10, 3)), false, false), ITO_SHAPE(2, 6, 8, 3));
    assert_shape(ito_matmul(x, input(g, ITO_SHAPE(7, 8)), true, true), ITO_SHAPE(2, 6, 10, 7));
    assert_shape(ito_matmul(input(g, ITO_SHAPE(5, 8)), x, false, false), ITO_SHAPE(2, 6, 5, 10));
    ito_node *w = input(g, ITO_SHAPE(4, 6, 3, 3));
    assert_shape(ito_conv2d(x, w, NULL, ito_conv_same(3)), ITO_SHAPE(2, 4, 8, 10));
    assert_shape(ito_conv2d(x, w, NULL, (ito_conv){2, 1, 1}), ITO_SHAPE(2, 4, 4, 5));
    assert_shape(ito_conv2d(x, w, NULL, (ito_conv){2, 0, 1}), ITO_SHAPE(2, 4, 3, 4));
    assert_shape(ito_conv2d(x, w, NULL, (ito_conv){1, 0, 2}), ITO_SHAPE(2, 4, 4, 6));
    assert_shape(ito_upsample_nearest(x, 3), ITO_SHAPE(2, 6, 24, 30));
    assert_shape(ito_average_pool(x, 2), ITO_SHAPE(2, 6, 4, 5));
    assert_shape(ito_upfirdn(x, (ito_fir){2, 1, 2, 1, 4, {1, 3, 3, 1}}), ITO_SHAPE(2, 6, 16, 20));
    assert_shape(ito_upfirdn(x, (ito_fir){1, 2, 1, 1, 4, {1, 3, 3, 1}}), ITO_SHAPE(2, 6, 4, 5));
    assert_shape(ito_group_norm(x, NULL, NULL, 3, 1e-5), ITO_SHAPE(2, 6, 8, 10));
    assert_shape(ito_embedding(input(g, ITO_SHAPE(9, 4)), input(g, ITO_SHAPE(5))), ITO_SHAPE(5, 4));
    assert_int_equal(ito_graph_status(g, NULL), ITO_OK);
    ito_graph_free(g);
}

static void ops_that_change_nothing_add_no_node(void **state) {
    (void)state;
    ito_graph *g = new_graph();
    ito_node *x = input(g, ITO_SHAPE(2, 3));
    assert_ptr_equal(ito_reshape(x, ITO_SHAPE(2, 3)), x);
    assert_ptr_equal(ito_scale(x, 1), x);
    assert_ptr_equal(ito_sum_to(x, ITO_SHAPE(2, 3)), x);
    assert_ptr_equal(ito_broadcast(x, ITO_SHAPE(2, 3)), x);
    assert_ptr_equal(ito_slice(x, 0, 0, 2), x);
    assert_ptr_equal(ito_pad(x, 1, 0, 0), x);
    assert_ptr_equal(ito_concat(1, &x, 0), x);
    assert_ptr_equal(ito_dropout(x, 0), x);
    ito_graph_free(g);
}

/* An op of two operands repeats the smaller one as it reads it. */
static void repeated_operands_are_read_through(void **state) {
    (void)state;
    ito_graph *g = new_graph();
    ito_shape image = ITO_SHAPE(2, 6, 8, 10);
    ito_node *x = input(g, image), *plane = input(g, ITO_SHAPE(2, 6, 1, 1)), *row = input(g, ITO_SHAPE(10));
    ito_node *a = ito_add(ito_broadcast(plane, image), ito_neg(x)),
             *b = ito_mul(x, ito_broadcast(row, image));
    ito_node *c = ito_div(ito_broadcast(plane, image), ito_broadcast(row, image));
    ito_node *y = ito_add(ito_add(a, b), c), *dx;
    assert_shape(c, image);
    assert_shape(ito_add(ito_broadcast(plane, image), ito_broadcast(plane, image)), image);
    assert_int_equal(steps_of(c, "broadcast"), 1); /* the quotient has 2 x 6 x 10 numbers */
    assert_int_equal(steps_of(y, "broadcast"), 0);
    ito_gradients(ito_square(ito_sub(x, ito_mean_to(x, ITO_SHAPE(2, 6, 1, 1)))), NULL, 1, &x, &dx);
    assert_shape(dx, image);
    assert_int_equal(steps_of(dx, "broadcast"), 0);
    ito_graph_free(g);
}

/* ---- leaves ---- */

static void leaves_are_found_by_name_in_the_order_they_were_made(void **state) {
    (void)state;
    ito_graph *g = new_graph();
    ito_node *x = ito_input(g, "x", ITO_SHAPE(4));
    ito_node *a = ito_param(g, "a", ITO_SHAPE(4), ito_init_ones());
    ito_node *sum = ito_add(x, a);
    ito_node *b = ito_buffer(g, "b", ITO_SHAPE(2, 2), ito_init_zeros());
    assert_int_equal(ito_graph_param_count(g), 2);
    assert_ptr_equal(ito_graph_param(g, 0), a);
    assert_ptr_equal(ito_graph_param(g, 1), b);
    assert_true(ito_node_trainable(a));
    assert_false(ito_node_trainable(b));
    assert_false(ito_node_trainable(x));
    assert_ptr_equal(ito_graph_find(g, "x"), x);
    assert_ptr_equal(ito_graph_find(g, "b"), b);
    assert_null(ito_graph_find(g, "c"));
    assert_string_equal(ito_node_name(a), "a");
    assert_string_equal(ito_node_name(sum), "");
    assert_ptr_equal(ito_node_graph(sum), g);
    ito_graph_free(g);
}

static void a_name_taken_twice_poisons_the_graph(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        ito_graph *g = new_graph();
        ito_error err = {0};
        ito_param(g, "down.0.weight", ITO_SHAPE(4), ito_init_ones());
        ito_node *again = kind == 0   ? ito_param(g, "down.0.weight", ITO_SHAPE(4), ito_init_ones())
                          : kind == 1 ? ito_input(g, "down.0.weight", ITO_SHAPE(2))
                                      : ito_buffer(g, "down.0.weight", ITO_SHAPE(3), ito_init_zeros());
        assert_non_null(again);
        assert_int_equal(ito_graph_status(g, &err), ITO_E_ARG);
        assert_non_null(strstr(err.message, "down.0.weight"));
        ito_graph_free(g);
    }
}

/* The table of names grows several times, and keeps every one; so do the blocks of weights, and copies. */
static void thousands_of_names_are_all_found(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    ito_graph *g = new_graph();
    ito_params *p = NULL, *copy = NULL;
    ito_error err = {0};
    char name[32];
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "blocks.%d.weight", i);
        ito_param(g, name, ITO_SHAPE(1), ito_init_zeros());
    }
    assert_int_equal(ito_params_create(g, &p, &err), ITO_OK);
    assert_int_equal(ito_params_clone(p, &copy, &err), ITO_OK);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "blocks.%d.weight", i);
        assert_ptr_equal(ito_graph_find(g, name), ito_graph_param(g, i));
        assert_int_equal(ito_params_find(p, name), i);
        assert_int_equal(ito_params_find(copy, name), i);
        snprintf(name, sizeof name, "blocks.%d.bias", i);
        assert_null(ito_graph_find(g, name));
        assert_int_equal(ito_params_find(p, name), -1);
    }
    ito_params_free(copy);
    ito_params_free(p);
    ito_graph_free(g);
}

/* ---- bad ops ---- */

typedef struct bad_op {
    const char *name;
    ito_node *(*build)(ito_graph *g);
    const char *says[3]; /* parts of the sentence */
} bad_op;

#define BAD(name) static ito_node *bad_##name(ito_graph *g)

BAD(add) {
    return ito_add(input(g, ITO_SHAPE(2, 3)), input(g, ITO_SHAPE(2)));
}
BAD(sum_to) {
    return ito_sum_to(input(g, ITO_SHAPE(2, 3)), ITO_SHAPE(2));
}
BAD(broadcast) {
    return ito_broadcast(input(g, ITO_SHAPE(2, 3)), ITO_SHAPE(3));
}
BAD(reshape) {
    return ito_reshape(input(g, ITO_SHAPE(2, 3)), ITO_SHAPE(7));
}
BAD(permute_twice) {
    return ito_permute(input(g, ITO_SHAPE(2, 3, 4)), (int[]){0, 2, 2});
}
BAD(permute_range) {
    return ito_permute(input(g, ITO_SHAPE(2, 3)), (int[]){0, 2});
}
BAD(slice_end) {
    return ito_slice(input(g, ITO_SHAPE(2, 3)), 1, 1, 4);
}
BAD(slice_empty) {
    return ito_slice(input(g, ITO_SHAPE(2, 3)), 1, 2, 2);
}
BAD(slice_axis) {
    return ito_slice(input(g, ITO_SHAPE(2, 3)), 2, 0, 1);
}
BAD(pad_negative) {
    return ito_pad(input(g, ITO_SHAPE(2, 3)), 0, -1, 0);
}
BAD(pad_axis) {
    return ito_pad(input(g, ITO_SHAPE(2, 3)), -1, 1, 0);
}
BAD(concat_shape) {
    return ito_concat(2, (ito_node *[]){input(g, ITO_SHAPE(2, 3)), input(g, ITO_SHAPE(3, 3))}, 1);
}
BAD(concat_rank) {
    return ito_concat(2, (ito_node *[]){input(g, ITO_SHAPE(2, 3)), input(g, ITO_SHAPE(2))}, 1);
}
BAD(matmul_inner) {
    return ito_matmul(input(g, ITO_SHAPE(2, 3)), input(g, ITO_SHAPE(3, 4)), true, false);
}
BAD(matmul_batch) {
    return ito_matmul(input(g, ITO_SHAPE(2, 3, 4)), input(g, ITO_SHAPE(5, 4, 3)), false, false);
}
BAD(matmul_rank) {
    return ito_matmul(input(g, ITO_SHAPE(2, 3)), input(g, ITO_SHAPE(3)), false, false);
}
BAD(conv_channels) {
    return ito_conv2d(input(g, ITO_SHAPE(1, 3, 8, 8)), input(g, ITO_SHAPE(4, 5, 3, 3)), NULL,
                      ito_conv_same(3));
}
BAD(conv_bias) {
    return ito_conv2d(input(g, ITO_SHAPE(1, 3, 8, 8)), input(g, ITO_SHAPE(4, 3, 3, 3)),
                      input(g, ITO_SHAPE(3)), ito_conv_same(3));
}
BAD(conv_small) {
    return ito_conv2d(input(g, ITO_SHAPE(1, 3, 2, 8)), input(g, ITO_SHAPE(4, 3, 3, 3)), NULL,
                      (ito_conv){1, 0, 1});
}
BAD(conv_stride) {
    return ito_conv2d(input(g, ITO_SHAPE(1, 3, 8, 8)), input(g, ITO_SHAPE(4, 3, 3, 3)), NULL,
                      (ito_conv){0, 1, 1});
}
BAD(pool) {
    return ito_average_pool(input(g, ITO_SHAPE(1, 3, 7, 8)), 2);
}
BAD(upsample) {
    return ito_upsample_nearest(input(g, ITO_SHAPE(3, 8, 8)), 2);
}
BAD(upfirdn_taps) {
    return ito_upfirdn(input(g, ITO_SHAPE(1, 3, 8, 8)), (ito_fir){1, 1, 0, 0, 9, {1}});
}
BAD(upfirdn_crop) {
    return ito_upfirdn(input(g, ITO_SHAPE(1, 3, 4, 4)), (ito_fir){1, 1, -2, -1, 2, {1, 1}});
}
BAD(norm_groups) {
    return ito_group_norm(input(g, ITO_SHAPE(1, 6, 4, 4)), NULL, NULL, 4, 1e-5);
}
BAD(norm_gamma) {
    return ito_group_norm(input(g, ITO_SHAPE(1, 6, 4, 4)), input(g, ITO_SHAPE(5)), NULL, 2, 1e-5);
}
BAD(norm_rank) {
    return ito_group_norm(input(g, ITO_SHAPE(6, 4)), NULL, NULL, 2, 1e-5);
}
BAD(softmax) {
    return ito_softmax(input(g, ito_shape_scalar()));
}
BAD(embedding) {
    return ito_embedding(input(g, ITO_SHAPE(6)), input(g, ITO_SHAPE(4)));
}
BAD(dropout) {
    return ito_dropout(input(g, ITO_SHAPE(6)), 1);
}
BAD(empty) {
    return ito_input(g, "nothing", ITO_SHAPE(2, 0));
}
BAD(seed) {
    ito_node *x = input(g, ITO_SHAPE(2, 3)), *dx;
    ito_gradients(ito_exp(x), input(g, ITO_SHAPE(3, 2)), 1, &x, &dx);
    return dx;
}

static const bad_op bad_ops[] = {
    {"add", bad_add, {"add", "[2,3]", "[2]"}},
    {"sum_to", bad_sum_to, {"sum_to", "[2,3]", "[2]"}},
    {"broadcast", bad_broadcast, {"broadcast", "[2,3]", "[3]"}},
    {"reshape", bad_reshape, {"reshape", "[2,3]", "[7]"}},
    {"permute, an axis twice", bad_permute_twice, {"permute", "order[2]", "2"}},
    {"permute, no such axis", bad_permute_range, {"permute", "order[1]", "2"}},
    {"slice past the end", bad_slice_end, {"slice", "[1, 4)", "3"}},
    {"slice of nothing", bad_slice_empty, {"slice", "[2, 2)", ""}},
    {"slice, no such axis", bad_slice_axis, {"slice", "axis 2", "rank 2"}},
    {"negative pad", bad_pad_negative, {"pad", "-1", "ito_slice"}},
    {"pad, no such axis", bad_pad_axis, {"pad", "axis -1", ""}},
    {"concat", bad_concat_shape, {"concat", "[3,3]", "[2,3]"}},
    {"concat of ranks", bad_concat_rank, {"concat", "[2]", "[2,3]"}},
    {"matmul", bad_matmul_inner, {"matmul", "[2,3]^T", "2 and 3"}},
    {"matmul of batches", bad_matmul_batch, {"matmul", "[2,3,4]", "leading"}},
    {"matmul of a vector", bad_matmul_rank, {"matmul", "[3]", "two dimensions"}},
    {"convolution channels", bad_conv_channels, {"conv2d", "[1,3,8,8]", "[4,5,3,3]"}},
    {"convolution bias", bad_conv_bias, {"conv2d", "bias [3]", "[4]"}},
    {"convolution of a small image", bad_conv_small, {"conv2d", "[1,3,2,8]", "smaller"}},
    {"convolution stride", bad_conv_stride, {"conv2d", "stride 0", ""}},
    {"pooling", bad_pool, {"pool", "7 x 8", "2"}},
    {"upsampling", bad_upsample, {"upsample", "[3,8,8]", "[N,C,H,W]"}},
    {"taps", bad_upfirdn_taps, {"upfirdn", "9 taps", "1 to 8"}},
    {"crop", bad_upfirdn_crop, {"upfirdn", "2 taps", "pad more"}},
    {"groups", bad_norm_groups, {"norm", "6 channels", "4 groups"}},
    {"gamma", bad_norm_gamma, {"norm", "[5]", "[6]"}},
    {"norm of a matrix", bad_norm_rank, {"norm", "[6,4]", "[N,C,H,W]"}},
    {"softmax", bad_softmax, {"softmax", "scalar", ""}},
    {"embedding", bad_embedding, {"embedding", "rank 1", "[V,D]"}},
    {"dropout", bad_dropout, {"dropout", "rate 1", "[0, 1)"}},
    {"empty dimension", bad_empty, {"dimension 1", "0", "at least 1"}},
    {"seed", bad_seed, {"gradients", "[3,2]", "[2,3]"}},
};

/* A poisoned graph can be built on, differentiated and planned: the plan is refused with the first op's
 * sentence. */
static void plan_creation_reports_the_first_bad_op(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_ops / sizeof bad_ops[0]; i++) {
        ito_graph *g = new_graph();
        ito_error err = {0};
        ito_plan *p = (ito_plan *)g;
        ito_graph_scope(g, "down.0.block.1");
        ito_node *x = bad_ops[i].build(g), *dx = NULL;
        ito_graph_scope(g, "later");
        ito_node *y = ito_sum(ito_silu(ito_group_norm(ito_conv2d(x, x, x, ito_conv_same(3)), x, x, 3, 1e-5)));
        y = ito_add(y, ito_matmul(ito_permute(x, (int[]){1, 0}), bad_add(g), true, false));
        ito_gradients(y, NULL, 1, &x, &dx);
        assert_non_null(dx);
        assert_int_not_equal(ito_plan_create(g, 1, &dx, NULL, &p, &err), ITO_OK);
        assert_null(p);
        bool good = err.status == ITO_E_SHAPE && strncmp(err.message, "down.0.block.1: ", 16) == 0;
        for (int k = 0; k < 3; k++) good = good && strstr(err.message, bad_ops[i].says[k]);
        if (!good) fail_msg("%s says \"%s\"", bad_ops[i].name, err.message);
        ito_graph_free(g);
    }
}

static void the_first_refusal_of_network_code_stays(void **state) {
    (void)state;
    ito_graph *g = new_graph();
    ito_error err = {0};
    ito_graph_poison(g, ITO_E_UNSUPPORTED, "network.attn: level %d of %d: use 0..%d", 5, 4, 3);
    ito_graph_poison(g, ITO_E_ARG, "a later one");
    bad_add(g);
    assert_int_equal(ito_graph_status(g, &err), ITO_E_UNSUPPORTED);
    assert_string_equal(err.message, "network.attn: level 5 of 4: use 0..3");
    assert_int_equal(ito_graph_status(g, NULL), ITO_E_UNSUPPORTED);
    ito_graph_free(g);
}

static void operands_of_another_graph_are_refused(void **state) {
    (void)state;
    ito_graph *g = new_graph(), *other = new_graph();
    ito_error err = {0};
    ito_add(input(g, ITO_SHAPE(2)), input(other, ITO_SHAPE(2)));
    assert_int_not_equal(ito_graph_status(g, &err), ITO_OK);
    assert_non_null(strstr(err.message, "another graph"));
    assert_int_equal(ito_graph_status(other, NULL), ITO_OK);
    ito_graph_free(g);
    ito_graph_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_count_and_compare),
        cmocka_unit_test(ops_state_the_shape_of_their_result),
        cmocka_unit_test(ops_that_change_nothing_add_no_node),
        cmocka_unit_test(repeated_operands_are_read_through),
        cmocka_unit_test(leaves_are_found_by_name_in_the_order_they_were_made),
        cmocka_unit_test(a_name_taken_twice_poisons_the_graph),
        cmocka_unit_test(thousands_of_names_are_all_found),
        cmocka_unit_test(plan_creation_reports_the_first_bad_op),
        cmocka_unit_test(the_first_refusal_of_network_code_stays),
        cmocka_unit_test(operands_of_another_graph_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
