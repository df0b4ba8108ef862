/* SPDX-License-Identifier: Apache-2.0
 *
 * Random numbers: the cipher against its published vectors, the counter's layout against an implementation of
 * its own, and the distributions.
 *
 * Statistical bounds are 5 standard errors of a normally distributed statistic: false-alarm rate 6e-7 each
 * for a random seed. The seeds are fixed, so a test that passes once passes always.
 */
#include <ito/random.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { DRAWS = 1 << 20 };

/* Philox4x32-10 as Salmon et al. 2011 define it, section 3.3. */
static void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k[2] = {key[0], key[1]};
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = 0xD2511F53ull * c[0], p1 = 0xCD9E8D57ull * c[2];
        uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k[0], (uint32_t)p1,
                            (uint32_t)(p0 >> 32) ^ c[3] ^ k[1], (uint32_t)p0};
        for (int i = 0; i < 4; i++) c[i] = next[i];
        k[0] += 0x9E3779B9;
        k[1] += 0xBB67AE85;
    }
    for (int i = 0; i < 4; i++) out[i] = c[i];
}

/* The three philox4x32 10 lines of Random123's kat_vectors: counter, key, result. */
static const uint32_t known[3][10] = {
    {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
    {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e,
     0xa20bc7c6, 0x6d5451fd},
    {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
     0x5001e420, 0x24126ea1},
};

static void the_tests_own_philox_gives_the_published_vectors(void **state) {
    (void)state;
    for (int v = 0; v < 3; v++) {
        uint32_t out[4];
        philox(known[v], known[v] + 4, out);
        for (int i = 0; i < 4; i++) assert_int_equal(out[i], known[v][6 + i]);
    }
}

static void zero_counter_and_key_give_the_published_vector(void **state) {
    uint32_t out[4];
    (void)state;
    ito_random_bits((ito_stream){.seed = 0, .purpose = (ito_purpose)0, .sample = 0}, 0, 4, out);
    for (int i = 0; i < 4; i++) assert_int_equal(out[i], known[0][6 + i]);
}

static void bits_follow_the_documented_counter(void **state) {
    const uint64_t seeds[] = {0, 1, 0x299f31d0a4093822, UINT64_MAX};
    const int64_t samples[] = {0, 1, 0xffffffff, 0x100000000, (INT64_C(1) << 56) - 1};
    const uint32_t steps[] = {0, 7, UINT32_MAX};
    (void)state;
    for (int s = 0; s < 4; s++) {
        for (int k = 0; k < 5; k++) {
            for (int t = 0; t < 3; t++) {
                uint32_t got[103], want[4];
                ito_stream stream = {seeds[s], ITO_RNG_NOISE, samples[k]};
                ito_random_bits(stream, steps[t], 103, got);
                for (uint32_t i = 0; i < 103; i++) {
                    uint32_t counter[4] = {i / 4, steps[t], (uint32_t)samples[k],
                                           (uint32_t)ITO_RNG_NOISE << 24 | (uint32_t)(samples[k] >> 32)};
                    uint32_t key[2] = {(uint32_t)seeds[s], (uint32_t)(seeds[s] >> 32)};
                    philox(counter, key, want);
                    assert_int_equal(got[i], want[i % 4]);
                }
            }
        }
    }
}

static void a_shorter_draw_is_a_prefix(void **state) {
    double longer[64], shorter[64];
    ito_stream stream = {5, ITO_RNG_PRIOR, 9};
    (void)state;
    for (int n = 0; n < 20; n++) {
        void (*const draws[])(ito_stream, uint32_t, int64_t, double *) = {ito_random_uniform,
                                                                          ito_random_normal};
        for (int d = 0; d < 2; d++) {
            shorter[n] = -77;
            draws[d](stream, 3, 64, longer);
            draws[d](stream, 3, n, shorter);
            for (int i = 0; i < n; i++) assert_true(shorter[i] == longer[i]);
            assert_true(shorter[n] == -77);
        }
    }
}

static void check(const char *what, double value, double expected, double standard_error) {
    printf("%s: %.6f, expected %.6f +- %.6f\n", what, value, expected, 5 * standard_error);
    assert_true(fabs(value - expected) < 5 * standard_error);
}

static void uniforms_have_their_moments(void **state) {
    double *u = malloc(DRAWS * sizeof *u), sum = 0, squares = 0, lag = 0;
    (void)state;
    ito_random_uniform((ito_stream){1, ITO_RNG_TIME, 2}, 3, DRAWS, u);
    for (int i = 0; i < DRAWS; i++) {
        assert_true(u[i] > 0 && u[i] < 1);
        sum += u[i];
        squares += (u[i] - 0.5) * (u[i] - 0.5);
        if (i > 0) lag += (u[i] - 0.5) * (u[i - 1] - 0.5);
    }
    check("uniform mean", sum / DRAWS, 0.5, sqrt(1.0 / 12 / DRAWS));
    check("uniform variance", squares / DRAWS, 1.0 / 12, sqrt(1.0 / 180 / DRAWS));
    check("uniform lag-1 covariance", lag / DRAWS, 0, 1.0 / 12 / sqrt(DRAWS));
    free(u);
}

static void normals_have_their_moments(void **state) {
    double *z = malloc(DRAWS * sizeof *z), m1 = 0, m2 = 0, m3 = 0, m4 = 0, lag = 0, pairs = 0;
    (void)state;
    ito_random_normal((ito_stream){1, ITO_RNG_NOISE, 2}, 3, DRAWS, z);
    for (int i = 0; i < DRAWS; i++) {
        double square = z[i] * z[i];
        m1 += z[i];
        m2 += square;
        m3 += square * z[i];
        m4 += square * square;
        if (i > 0) lag += z[i] * z[i - 1];
        if (i % 2 == 1) pairs += (square - 1) * (z[i - 1] * z[i - 1] - 1);
    }
    check("normal mean", m1 / DRAWS, 0, sqrt(1.0 / DRAWS));
    check("normal variance", m2 / DRAWS, 1, sqrt(2.0 / DRAWS));
    check("normal third moment", m3 / DRAWS, 0, sqrt(15.0 / DRAWS));
    check("normal fourth moment", m4 / DRAWS, 3, sqrt(96.0 / DRAWS));
    check("normal lag-1 covariance", lag / DRAWS, 0, sqrt(1.0 / DRAWS));
    check("covariance of the squares of a pair", pairs / (DRAWS / 2), 0, sqrt(4.0 / (DRAWS / 2)));
    free(z);
}

static void normals_follow_their_distribution(void **state) {
    static const double edges[] = {-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3};
    enum { EDGES = sizeof edges / sizeof edges[0] };
    double *z = malloc(DRAWS * sizeof *z);
    (void)state;
    ito_random_normal((ito_stream){4, ITO_RNG_PRIOR, 0}, 0, DRAWS, z);
    for (int k = 0; k < EDGES; k++) {
        int below = 0;
        double p = 0.5 * erfc(-edges[k] / sqrt(2));
        for (int i = 0; i < DRAWS; i++) below += z[i] < edges[k];
        check("normal distribution function", (double)below / DRAWS, p, sqrt(p * (1 - p) / DRAWS));
    }
    free(z);
}

/* Streams that differ in one name only must not be shifted copies of each other. */
static void neighbouring_streams_are_uncorrelated(void **state) {
    enum { N = 1 << 16 };
    const ito_stream base = {1, ITO_RNG_NOISE, 2};
    const ito_stream others[] = {
        {2, ITO_RNG_NOISE, 2}, {1, ITO_RNG_DROPOUT, 2}, {1, ITO_RNG_NOISE, 3}, {1, ITO_RNG_NOISE, 2}};
    double *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
    (void)state;
    ito_random_normal(base, 0, N, a);
    for (int k = 0; k < 4; k++) {
        double product = 0;
        ito_random_normal(others[k], k == 3, N, b);
        for (int i = 0; i < N; i++) product += a[i] * b[i];
        check("covariance with a neighbouring stream", product / N, 0, sqrt(1.0 / N));
    }
    free(b);
    free(a);
}

static void permutations_contain_every_number_once(void **state) {
    const int64_t sizes[] = {0, 1, 2, 7, 60000};
    (void)state;
    for (int k = 0; k < 5; k++) {
        int64_t n = sizes[k], *p = malloc((size_t)(n + 1) * sizeof *p);
        char *seen = calloc((size_t)(n + 1), 1);
        p[n] = -5;
        ito_random_permutation((ito_stream){3, ITO_RNG_ORDER, 0}, 1, n, p);
        for (int64_t i = 0; i < n; i++) {
            assert_in_range(p[i], 0, n - 1);
            assert_int_equal(seen[p[i]]++, 0);
        }
        assert_int_equal(p[n], -5);
        free(seen);
        free(p);
    }
}

/* All 24 orders of 4 are equally frequent: chi-square with 23 degrees of freedom; 72 has a false-alarm rate
 * of 6e-7. */
static void permutations_are_unbiased(void **state) {
    enum { TRIALS = 48000 };
    int count[256] = {0};
    double chi_square = 0;
    (void)state;
    for (uint32_t step = 0; step < TRIALS; step++) {
        int64_t p[4];
        ito_random_permutation((ito_stream){8, ITO_RNG_ORDER, 0}, step, 4, p);
        count[p[0] << 6 | p[1] << 4 | p[2] << 2 | p[3]]++;
    }
    for (int code = 0; code < 256; code++) {
        double expected = TRIALS / 24.0;
        if (count[code] > 0) chi_square += (count[code] - expected) * (count[code] - expected) / expected;
    }
    printf("chi-square of the 24 orders: %.2f, bound 72\n", chi_square);
    assert_true(chi_square < 72);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tests_own_philox_gives_the_published_vectors),
        cmocka_unit_test(zero_counter_and_key_give_the_published_vector),
        cmocka_unit_test(bits_follow_the_documented_counter),
        cmocka_unit_test(a_shorter_draw_is_a_prefix),
        cmocka_unit_test(uniforms_have_their_moments),
        cmocka_unit_test(normals_have_their_moments),
        cmocka_unit_test(normals_follow_their_distribution),
        cmocka_unit_test(neighbouring_streams_are_uncorrelated),
        cmocka_unit_test(permutations_contain_every_number_once),
        cmocka_unit_test(permutations_are_unbiased),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
