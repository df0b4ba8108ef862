/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels for blocked images of bfloat16 against the plain ones on the same numbers: every case of the
 * table, for every instruction set of this machine. A result that is an image may be off by half a unit of
 * the last of its 8 bits, 2^-9, beyond the error of the float kernel; statistics and sums are floats and may
 * not.
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

static const kernel_table tables[] = {{"plain", ito__bf16_plain, ITO_ISA_PLAIN},
                                      {"avx2", ito__bf16_avx2, ITO_ISA_AVX2},
                                      {"avx512", ito__bf16_avx512, ITO_ISA_AVX512}};
enum { TABLES = sizeof tables / sizeof *tables, BLOCK = 16 };
static const double HALF_UNIT = 1.0 / 256;

/* Kept in bfloat16 by a plan. */
static bool is_image(ito_shape s) {
    return s.rank == 4 && s.dim[1] % BLOCK == 0 && s.dim[2] * s.dim[3] > 1;
}

/* Row-major floats as a plan would keep them; of malloc. */
static void *stored(ito_shape s, const float *x) {
    int64_t n = ito_shape_count(s);
    float *blocked = kernel_numbers(n);
    kernel_reorder(s, is_image(s) ? BLOCK : 1, x, blocked, false);
    if (!is_image(s)) return blocked;
    uint16_t *image = (uint16_t *)kernel_numbers(n);
    for (int64_t i = 0; i < n; i++) image[i] = kernel_bf16(blocked[i]);
    free(blocked);
    return image;
}

/* Back to row-major floats, in place of x. */
static void *plain(ito_shape s, void *x) {
    int64_t n = ito_shape_count(s);
    float *blocked = kernel_numbers(n), *rows = kernel_numbers(n);
    for (int64_t i = 0; i < n; i++)
        blocked[i] = is_image(s) ? kernel_bf16_value(((uint16_t *)x)[i]) : ((float *)x)[i];
    kernel_reorder(s, is_image(s) ? BLOCK : 1, blocked, rows, true);
    free(blocked);
    free(x);
    return rows;
}

static double kernel_error(const kernel_case *k, ito__kernel kernel, const ito_node *y,
                           const kernel_truth *truth) {
    int64_t n = ito_shape_count(y->shape);
    size_t bytes = (size_t)n * (is_image(y->shape) ? sizeof(uint16_t) : sizeof(float));
    void *in[ITO__MAX_IN] = {NULL}, *out = kernel_numbers(n), *again = kernel_numbers(n);
    for (int i = 0; i < y->n_in; i++) in[i] = stored(y->in[i]->shape, truth->in[i]);
    ito__call c = kernel_call(y, (const void *const *)in, out, BLOCK);
    c.threads = 3;
    c.scratch = kernel_numbers((int64_t)(ito__kernel_scratch(y, c.threads) / sizeof(float)) + 1);
    omp_set_num_threads(3);
    kernel(&c);
    omp_set_num_threads(1);
    c.out = k->in_place < 0 ? again : in[k->in_place];
    kernel(&c);
    assert_memory_equal(c.out, out, bytes);
    out = plain(y->shape, out);
    double error = kernel_worst(out, truth->out, n);
    for (int i = 0; i < y->n_in; i++) free(in[i]);
    free(c.scratch);
    free(out);
    free(again);
    return error;
}

static double bound_of(const kernel_case *k, const ito_node *y) {
    return k->bound + (is_image(y->shape) ? HALF_UNIT : 0);
}

/* A case at one size by every instruction set; *share is the worst error over its bound. */
static int check_size(const kernel_case *k, kernel_size s, double *share) {
    int made = 0;
    ito_graph *g = NULL;
    assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
    ito_node *y = k->build(g, s, k->variant);
    bool sums_to_image = y && y->op == ITO__OP_SUM_TO && is_image(y->shape); /* done row-major by plans */
    if (y && ito_graph_status(g, NULL) == ITO_OK && y->n_in > 0 && is_image(y->in[0]->shape) &&
        !sums_to_image) {
        kernel_truth truth = kernel_truth_of(y, k->offset, true);
        for (int t = 0; t < TABLES && tables[t].isa <= ito_isa_detect(); t++) {
            ito__kernel kernel = tables[t].kernels[y->op];
            if (!kernel) continue;
            double error = kernel_error(k, kernel, y, &truth), bound = bound_of(k, y);
            if (!(error <= bound))
                print_error("%s %d: [%d,%d,%d,%d] %s: error %.2g, bound %.2g\n", k->name, k->variant,
                            (int)s.n, (int)s.c, (int)s.h, (int)s.w, tables[t].name, error, bound);
            *share = fmax(*share, error / bound);
            made++;
        }
        kernel_truth_free(&truth);
    }
    ito_graph_free(g);
    return made;
}

static void bf16_kernels_agree_with_plain_ones(void **state) {
    (void)state;
    const int64_t channels[] = {16, 48, 64};
    const int64_t sizes[][2] = {{3, 5}, {1, 8}, {28, 28}};
    const kernel_size large = {1, 16, 73, 61}; /* for several threads, and panels in pieces */
    int bad = 0, kinds = 0;
    for (int k = 0; k < kernel_case_count; k++) {
        const kernel_case *each = &kernel_cases[k];
        if (each->plain_only) continue;
        double share = 0;
        int made = check_size(each, large, &share);
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
                made += check_size(each, (kernel_size){2, channels[c], sizes[i][0], sizes[i][1]}, &share);
        if (made)
            print_message("%-36s %4d %5d runs, %.2f of the bound\n", each->name, each->variant, made, share);
        kinds += made > 0;
        bad += share > 1;
    }
    print_message("%d cases on bfloat16 images\n", kinds);
    assert_true(kinds >= 60);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bf16_kernels_agree_with_plain_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
