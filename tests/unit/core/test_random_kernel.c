/* SPDX-License-Identifier: Apache-2.0
 *
 * The vectorized draws: the same bits from every instruction set, rows that are the draws of their streams
 * however they are cut, and normals that are Box-Muller's.
 */
#include "core/random_kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = ITO__RANDOM_BATCH, WORDS = 4 * BATCH };

static ito__counters some_counters(uint32_t step) {
    ito__counters c = {.key = {0x299f31d0, step * 77}, .step = step};
    ito_random_bits((ito_stream){1, ITO_RNG_USER, 1}, step, BATCH, c.index);
    ito_random_bits((ito_stream){1, ITO_RNG_USER, 2}, step, BATCH, c.sample);
    ito_random_bits((ito_stream){1, ITO_RNG_USER, 3}, step, BATCH, c.purpose);
    return c;
}

/* Words, uniforms and normals of `blocks` blocks, and what lies behind each of them. */
typedef struct results {
    uint64_t pairs[2 * BATCH + 1];
    double uniforms[WORDS + 1], normals[WORDS + 1];
} results;

static void run(const ito__random_kernel *kernel, int64_t blocks, results *r) {
    memset(r, 0x5a, sizeof *r);
    const ito__counters c = some_counters((uint32_t)blocks);
    kernel->draw(&c, blocks, r->pairs);
    kernel->uniforms(2 * blocks, r->pairs, r->uniforms);
    kernel->normals(2 * blocks, r->pairs, r->normals);
}

static void every_instruction_set_gives_the_same_bits(void **state) {
    (void)state;
    static results plain, fast;
    for (int isa = ITO__ISA_PLAIN + 1; isa <= (int)ito__isa_detect(); isa++) {
        for (int64_t blocks = 0; blocks <= BATCH; blocks++) {
            run(&ito__random_plain, blocks, &plain);
            run(ito__random_kernel_for((ito__isa)isa), blocks, &fast);
            assert_memory_equal(&fast, &plain, sizeof plain);
        }
        print_message("instruction set %d: the bits of the plain loops for 0 to %d blocks\n", isa, BATCH);
    }
}

/* Pairs at the ends of their range, and where the angle or the logarithm is 0 or changes its branch. */
static void extreme_words_give_the_same_bits(void **state) {
    (void)state;
    static const uint32_t ends[] = {0,          1,          0x1fffffff, 0x20000000, 0x3fffffff, 0x40000000,
                                    0x5fffffff, 0x60000000, 0x7fffffff, 0x80000000, 0x9fffffff, 0xb504f333,
                                    0xb504f334, 0xbfffffff, 0xe0000000, 0xffffffff};
    enum { ENDS = sizeof ends / sizeof *ends };
    uint64_t pairs[ENDS * ENDS];
    static double plain[2 * ENDS * ENDS], fast[2 * ENDS * ENDS];
    for (int i = 0; i < ENDS * ENDS; i++) pairs[i] = ends[i % ENDS] | (uint64_t)ends[i / ENDS] << 32;
    ito__random_plain.normals(ENDS * ENDS, pairs, plain);
    for (int i = 0; i < 2 * ENDS * ENDS; i++) assert_true(isfinite(plain[i]));
    for (int isa = ITO__ISA_PLAIN + 1; isa <= (int)ito__isa_detect(); isa++) {
        ito__random_kernel_for((ito__isa)isa)->normals(ENDS * ENDS, pairs, fast);
        assert_memory_equal(fast, plain, sizeof plain);
    }
}

/* What a run recorded on one machine has to be on every other. */
static void recorded_normals_come_back_to_the_last_bit(void **state) {
    (void)state;
    static const double recorded[6] = {-0x1.4cd04faef4dcp+0, -0x1.f6f19e3eb5f7cp-1, 0x1.55ac196a5965ap+0,
                                       0x1.2efe16073dc7p+0,  -0x1.9825ec258e7dfp-1, 0x1.d92e2b2eeb45cp-3};
    double z[6];
    ito_random_normal((ito_stream){7, ITO_RNG_PRIOR, 5}, 3, 6, z);
    for (int i = 0; i < 6; i++) {
        if (z[i] != recorded[i]) print_error("element %d: %a\n", i, z[i]);
        assert_true(z[i] == recorded[i]);
    }
}

/* In units of the radius: root, sine and product err by less than 2 units of 2^-53 together. Relative errors
 * of small sines are the business of test_lane_math.c. */
static void normals_are_box_muller_of_their_uniforms(void **state) {
    (void)state;
    enum { N = 1 << 17 };
    const long double pi = 3.14159265358979323846264338327950288L;
    double *u = malloc(N * sizeof *u), *z = malloc(N * sizeof *z), worst = 0;
    const ito_stream stream = {3, ITO_RNG_NOISE, 4};
    ito_random_uniform(stream, 1, N, u);
    ito_random_normal(stream, 1, N, z);
    for (int i = 0; i < N; i += 2) {
        const long double radius = sqrtl(-2 * logl(u[i])), angle = 2 * pi * u[i + 1];
        const long double exact[2] = {radius * cosl(angle), radius * sinl(angle)};
        for (int j = 0; j < 2; j++) worst = fmax(worst, (double)(fabsl(z[i + j] - exact[j]) / radius));
    }
    print_message("largest difference from libm: %.1e of the radius (bound 4e-16)\n", worst);
    assert_true(worst < 4e-16);
    free(z);
    free(u);
}

static void rows_are_the_draws_of_their_streams(void **state) {
    (void)state;
    const int64_t dims[] = {1, 2, 3, 4, 5, 6, 7, 8, 63, 254, 256, 259, 1030}, cuts[] = {1, 3, 64, 67, 1000};
    const int64_t first_sample = INT64_C(0xffffffff) - 3;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
        const int64_t dim = dims[d], n = dim < 10 ? 150 : 7, blocks = n * ito__random_row_blocks(dim);
        const ito__random_rows rows = {9, ITO_RNG_PREDICTOR, first_sample, 11, dim};
        double *want = malloc((size_t)(n * dim) * sizeof *want),
               *got = malloc((size_t)(n * dim + 1) * sizeof *got);
        for (int64_t k = 0; k < n; k++)
            ito_random_normal((ito_stream){9, ITO_RNG_PREDICTOR, first_sample + k}, 11, dim, want + k * dim);
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
            for (int64_t i = 0; i <= n * dim; i++) got[i] = -77;
            for (int64_t at = 0; at < blocks; at += cuts[c])
                ito__random_normal_blocks(&rows, at, at + cuts[c] < blocks ? cuts[c] : blocks - at, got);
            assert_memory_equal(got, want, (size_t)(n * dim) * sizeof *got);
            assert_true(got[n * dim] == -77);
        }
        free(got);
        free(want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_gives_the_same_bits),
        cmocka_unit_test(extreme_words_give_the_same_bits),
        cmocka_unit_test(recorded_normals_come_back_to_the_last_bit),
        cmocka_unit_test(normals_are_box_muller_of_their_uniforms),
        cmocka_unit_test(rows_are_the_draws_of_their_streams),
    };
    return cmocka_run_group_tests_name("random_kernel", tests, NULL, NULL);
}
