/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of mixtures with a lane for each point: the same bits from every instruction set and in every batch,
 * and the scores of the loop over single points.
 */
#include "dynamics/mixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { components = 5, max_dim = ITO__MIXTURE_DIM, lanes = ITO__MIXTURE_LANES, points = 3 * lanes + 7 };

static const double weights[components] = {1, 2, 0.01, 4, 3};
/* Neighbours of equal and of different deviation, one of 0. */
static const double stds[components] = {0.3, 0.3, 0.05, 0.5, 0};
static const double means[components * max_dim] = {1,    0,   0.2,  -0.4, -1,  0.5, 0,   0.3, 0.1, -1,
                                                   -0.7, 0.8, -0.2, 0.4,  0.9, 1,   0.6, 0,   -1,  0.5};

/* A mixture of some dim, and points where p_t has its mass, and far away, at times over the whole range. */
typedef struct subject {
    ito_density *density;
    const ito__mixture *mix;
    int64_t dim;
    ito__moments m[points];
    double t[points], x[points * max_dim];
} subject;

static subject subject_of(int64_t dim) {
    subject s = {.dim = dim};
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_error err = {0};
    if (ito_mixture_create(&sde, components, dim, weights, means, stds, &s.density, &err) != ITO_OK)
        fail_msg("%s", err.message);
    s.mix = (const ito__mixture *)s.density;
    for (int k = 0; k < points; k++) {
        /* Runs of equal times, as in a sampler, and times of their own, as in adaptive solvers. */
        s.t[k] = k < points / 2 ? 0.2 : 0.01 + 0.98 * k / points;
        const double b = ito_sde_std(&sde, s.t[k]);
        s.m[k] = (ito__moments){.t = s.t[k], .a = ito_sde_mean(&sde, s.t[k]), .b2 = b * b};
        double *x = s.x + k * dim;
        assert_int_equal(ito_density_sample(s.density, 5, k, s.t[k], 1, x, NULL), ITO_OK);
        if (k % 10 == 0) x[0] += 40;
    }
    return s;
}

static void every_instruction_set_gives_the_same_bits(void **state) {
    (void)state;
    for (int64_t dim = 1; dim <= max_dim; dim++) {
        subject s = subject_of(dim);
        for (int isa = ITO__ISA_PLAIN + 1; isa <= (int)ito__isa_detect(); isa++)
            for (int64_t n = 1; n <= lanes; n++) {
                double plain[lanes * max_dim + 1], fast[lanes * max_dim + 1];
                memset(plain, 0x5a, sizeof plain);
                memset(fast, 0x5a, sizeof fast);
                const int64_t first = points - n;
                ito__mixture_scores_plain(s.mix, n, s.m + first, s.x + first * dim, plain);
                ito__mixture_scores_for((ito__isa)isa)(s.mix, n, s.m + first, s.x + first * dim, fast);
                assert_memory_equal(fast, plain, sizeof plain);
            }
        ito_density_free(s.density);
    }
}

/* The largest |u_k|, of which the score is an average, and the largest log term. */
static void scales_of(const subject *s, int64_t k, double *pull, double *term) {
    *pull = *term = 0;
    for (int c = 0; c < components; c++) {
        const double v = s->m[k].a * s->m[k].a * stds[c] * stds[c] + s->m[k].b2;
        double squares = 0;
        for (int64_t j = 0; j < s->dim; j++) {
            const double d = s->m[k].a * means[c * s->dim + j] - s->x[k * s->dim + j];
            squares += d * d;
        }
        *pull = fmax(*pull, sqrt(squares) / v);
        *term = fmax(*term, squares / (2 * v));
    }
}

/* An error of 2^-53 in a log term is one of term 2^-53 in its component's share of the score; a few roundings
 * and functions make it 8 of them, 1e-15. */
static void lanes_agree_with_single_points(void **state) {
    (void)state;
    for (int64_t dim = 1; dim <= max_dim; dim++) {
        subject s = subject_of(dim);
        const ito_score score = ito_density_score(s.density);
        double got[points * max_dim], want[points * max_dim], worst = 0;
        assert_int_equal(score.eval(score.self, points, s.x, s.t, got, NULL), ITO_OK);
        ito__mixture_scores_by_row(s.mix, points, s.m, s.x, want);
        for (int64_t k = 0; k < points; k++) {
            double pull, term;
            scales_of(&s, k, &pull, &term);
            for (int64_t j = 0; j < dim; j++) {
                const double error = fabs(got[k * dim + j] - want[k * dim + j]) / (pull * (1 + term));
                assert_true(error < 1e-15);
                worst = fmax(worst, error);
            }
        }
        print_message("dim %d: off by %.1e of the largest pull and log term (bound 1e-15)\n", (int)dim,
                      worst);
        ito_density_free(s.density);
    }
}

static void a_score_does_not_depend_on_its_batch(void **state) {
    (void)state;
    for (int64_t dim = 1; dim <= max_dim + 1; dim++) {
        double more_means[components * (max_dim + 1)];
        for (int64_t i = 0; i < components * dim; i++) more_means[i] = sin((double)i);
        const ito_sde sde = ito_sde_default(ITO_SDE_VE);
        ito_density *density;
        assert_int_equal(ito_mixture_create(&sde, components, dim, weights, more_means, stds, &density, NULL),
                         ITO_OK);
        const ito_score score = ito_density_score(density);
        double x[points * (max_dim + 1)], t[points], whole[points * (max_dim + 1)], alone[max_dim + 1];
        ito_random_normal((ito_stream){1, ITO_RNG_USER, 0}, 0, points * dim, x);
        ito_random_uniform((ito_stream){1, ITO_RNG_USER, 1}, 0, points, t);
        assert_int_equal(score.eval(score.self, points, x, t, whole, NULL), ITO_OK);
        for (int64_t k = 0; k < points; k++) {
            assert_int_equal(score.eval(score.self, 1, x + k * dim, t + k, alone, NULL), ITO_OK);
            assert_memory_equal(alone, whole + k * dim, (size_t)dim * sizeof *alone);
        }
        ito_density_free(density);
    }
}

/* The sampler stops at such a score and names it; a finite number would hide it. */
static void points_that_are_no_numbers_have_no_score(void **state) {
    (void)state;
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int64_t dim = 1; dim <= max_dim; dim++) {
        subject s = subject_of(dim);
        const ito_score score = ito_density_score(s.density);
        for (int b = 0; b < 3; b++)
            for (int64_t j = 0; j < dim; j++) {
                double x[max_dim] = {0.1, 0.2, 0.3, 0.4}, out[max_dim];
                x[j] = bad[b];
                assert_int_equal(score.eval(score.self, 1, x, s.t, out, NULL), ITO_OK);
                assert_false(isfinite(out[j]));
            }
        ito_density_free(s.density);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_gives_the_same_bits),
        cmocka_unit_test(lanes_agree_with_single_points),
        cmocka_unit_test(a_score_does_not_depend_on_its_batch),
        cmocka_unit_test(points_that_are_no_numbers_have_no_score),
    };
    return cmocka_run_group_tests_name("mixture", tests, NULL, NULL);
}
