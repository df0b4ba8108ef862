/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast kernels against the plain ones, which are their specification: every case of the table, over
 * odd image sizes, for every instruction set of this machine and every layout. Each kernel runs twice, on
 * three threads and in place on one; the two results have the same bits.
 */
#include "kernel_cases.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The error of one kernel in one layout. */
static double kernel_error(const kernel_case *k, ito__kernel kernel, const ito_node *y, int64_t block,
                           const kernel_truth *truth) {
    int64_t n = ito_shape_count(y->shape);
    float *in[ITO__MAX_IN] = {NULL}, *out = kernel_numbers(n), *again = kernel_numbers(n);
    for (int i = 0; i < y->n_in; i++) {
        in[i] = kernel_numbers(ito_shape_count(y->in[i]->shape));
        kernel_reorder(y->in[i]->shape, block, truth->in[i], in[i], false);
    }
    ito__call c = kernel_call(y, (const void *const *)in, out, block);
    c.threads = 3;
    c.scratch = kernel_numbers((int64_t)(ito__kernel_scratch(y, c.threads) / sizeof(float)) + 1);
    omp_set_num_threads(3);
    kernel(&c);
    omp_set_num_threads(1);
    c.out = k->in_place < 0 ? again : in[k->in_place];
    kernel(&c);
    assert_memory_equal(c.out, out, (size_t)n * sizeof *out);
    kernel_reorder(y->shape, block, out, again, true);
    double error = kernel_worst(again, truth->out, n);
    for (int i = 0; i < y->n_in; i++) free(in[i]);
    free(c.scratch);
    free(out);
    free(again);
    return error;
}

static const kernel_table tables[] = {{"plain", ito__fast_plain, ITO_ISA_PLAIN},
                                      {"avx2", ito__fast_avx2, ITO_ISA_AVX2},
                                      {"avx512", ito__fast_avx512, ITO_ISA_AVX512}};
enum { TABLES = sizeof tables / sizeof *tables };

/* A case at one size, in all layouts and instruction sets; returns how many comparisons that made. */
static int check_size(const kernel_case *k, kernel_size s, double *error) {
    const int64_t blocks[] = {1, 8, 16};
    int made = 0;
    ito_graph *g = NULL;
    assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
    ito_node *y = k->build(g, s, k->variant);
    if (y && ito_graph_status(g, NULL) == ITO_OK) {
        kernel_truth truth = kernel_truth_of(y, k->offset, false);
        for (int b = 0; b < (k->plain_only ? 1 : 3); b++) {
            if (s.c % blocks[b]) continue;
            for (int t = 0; t < TABLES && tables[t].isa <= ito_isa_detect(); t++) {
                ito__kernel kernel = tables[t].kernels[y->op];
                if (!kernel) continue;
                double e = kernel_error(k, kernel, y, blocks[b], &truth);
                if (!(e <= k->bound))
                    print_error("%s %d: [%d,%d,%d,%d] block %d %s: error %.2g, bound %.2g\n", k->name,
                                k->variant, (int)s.n, (int)s.c, (int)s.h, (int)s.w, (int)blocks[b],
                                tables[t].name, e, k->bound);
                *error = fmax(*error, e);
                made++;
            }
        }
        kernel_truth_free(&truth);
    }
    ito_graph_free(g);
    return made;
}

static void fast_kernels_agree_with_plain_ones(void **state) {
    (void)state;
    const int64_t channels[] = {3, 8, 16, 24, 32, 48, 64, 128, 256};
    const int64_t sizes[][2] = {{1, 1}, {3, 5}, {4, 4}, {1, 8}, {8, 5}, {28, 28}, {37, 61}};
    /* Long enough for several threads, for panels in pieces and for sums in parts. */
    const kernel_size large[] = {{1, 16, 73, 61}, {7, 8, 37, 32}, {2, 3, 129, 93}};
    int bad = 0;
    for (size_t k = 0; k < (size_t)kernel_case_count; k++) {
        double error = 0;
        int made = 0;
        for (int64_t n = 1; n <= 3; n++)
            for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
                for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                    kernel_size s = {n, channels[c], sizes[i][0], sizes[i][1]};
                    if (s.n * s.c * s.h * s.w <= 10000) made += check_size(&kernel_cases[k], s, &error);
                }
        for (size_t i = 0; i < sizeof large / sizeof *large; i++)
            made += check_size(&kernel_cases[k], large[i], &error);
        print_message("%-36s %4d %5d runs, error %.2g, bound %.2g\n", kernel_cases[k].name,
                      kernel_cases[k].variant, made, error, kernel_cases[k].bound);
        assert_true(made > 0);
        bad += !(error <= kernel_cases[k].bound);
    }
    assert_int_equal(bad, 0);
}

/* Distance of x from the exact value in units of the last place of a float. */
static double ulps(float x, double exact) {
    int exponent;
    frexp(exact, &exponent);
    return fabs((double)x - exact) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static void exp_is_within_two_units_of_the_last_place(void **state) {
    (void)state;
    enum { COUNT = 1 << 20 };
    float *x = kernel_numbers(COUNT), *y = kernel_numbers(COUNT);
    for (int i = 0; i < COUNT; i++) x[i] = -104.5f + 194.0f * ((float)i / COUNT);
    const float special[] = {-INFINITY, INFINITY, NAN,      0,     -0.0f,  88.72283f,
                             88.72284f, -103.97f, -103.98f, 1e30f, -1e30f, 1e-30f};
    memcpy(x, special, sizeof special);
    ito_graph *g = NULL;
    assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
    ito_node *node = ito_exp(ito_input(g, "x", ITO_SHAPE(COUNT)));
    ito__call c = kernel_call(node, (const void *const[]){x}, y, 1);
    for (int t = 0; t < TABLES && tables[t].isa <= ito_isa_detect(); t++) {
        if (!tables[t].kernels[ITO__OP_EXP]) continue;
        double error = 0;
        tables[t].kernels[ITO__OP_EXP](&c);
        for (int i = 0; i < COUNT; i++) {
            double exact = exp((double)x[i]);
            if (isnan(x[i]))
                assert_true(isnan(y[i]));
            else if (exact > 0x1.ffffffp127)
                assert_true(isinf(y[i]));
            else
                error = fmax(error, ulps(y[i], exact));
        }
        print_message("exp %s: %.2f units of the last place, bound 2\n", tables[t].name, error);
        assert_true(error <= 2);
    }
    ito_graph_free(g);
    free(x);
    free(y);
}

/* A value that training has to notice does not become an ordinary number. */
static void non_finite_values_stay_non_finite(void **state) {
    (void)state;
    enum { COUNT = 64 };
    const char *const names[] = {"affine", "exp", "sigmoid", "tanh", "silu", "elu", "silu_grad", "softmax"};
    const float special[] = {NAN, -NAN, INFINITY, -INFINITY, 3e38f, -3e38f};
    for (size_t b = 0; b < sizeof names / sizeof *names; b++) {
        float x[COUNT], y[COUNT], truth[COUNT];
        for (size_t i = 0; i < COUNT; i++) x[i] = special[i % 11 % (sizeof special / sizeof *special)];
        ito_graph *g = NULL;
        assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
        const kernel_case *k = kernel_case_find(names[b]);
        ito_node *node = k->build(g, (kernel_size){1, 1, 1, COUNT}, k->variant);
        ito__call c = kernel_call(node, (const void *const[]){x, x}, truth, 1);
        ito__plain_f32[node->op](&c);
        c.out = y;
        for (int t = 0; t < TABLES && tables[t].isa <= ito_isa_detect(); t++) {
            if (!tables[t].kernels[node->op]) continue;
            tables[t].kernels[node->op](&c);
            for (int i = 0; i < COUNT; i++)
                if (!isfinite(truth[i]) && isfinite(y[i]))
                    fail_msg("%s %s: %g becomes %g, not %g", ito__op_name(node->op), tables[t].name,
                             (double)x[i], (double)y[i], (double)truth[i]);
        }
        ito_graph_free(g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_kernels_agree_with_plain_ones),
                                       cmocka_unit_test(exp_is_within_two_units_of_the_last_place),
                                       cmocka_unit_test(non_finite_values_stay_non_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
