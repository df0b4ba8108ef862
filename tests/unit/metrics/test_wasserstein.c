/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimal matching, held against all permutations of small sets and against maps known to be optimal:
 * gradients of convex functions (Brenier).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/metrics.h>
#include <ito/random.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void normals(int64_t stream, int64_t n, double *x) {
    ito_random_normal((ito_stream){.seed = 6, .purpose = ITO_RNG_USER, .sample = stream}, 0, n, x);
}

static double distance(int64_t n, int64_t dim, const double *x, const double *y) {
    double w = -1;
    ito_error err = {.message = ""};
    if (ito_wasserstein2(n, dim, x, y, &w, &err) != ITO_OK) fail_msg("%s", err.message);
    return w;
}

enum { few = 6 };

/* The least sum over all ways to go on from row i. */
static double least_sum(const double *x, const double *y, int i, unsigned taken) {
    if (i == few) return 0;
    double least = INFINITY;
    for (int j = 0; j < few; j++) {
        if (taken & (1u << j)) continue;
        const double dx = x[2 * i] - y[2 * j], dy = x[2 * i + 1] - y[2 * j + 1];
        least = fmin(least, dx * dx + dy * dy + least_sum(x, y, i + 1, taken | 1u << j));
    }
    return least;
}

/* On a lattice too, where most costs are tied. */
static void small_sets_match_as_the_best_permutation(void **state) {
    (void)state;
    double x[2 * few], y[2 * few], worst = 0;
    for (int k = 0; k < 300; k++) {
        normals(2 * k, 2 * few, x);
        normals(2 * k + 1, 2 * few, y);
        for (int i = 0; i < 2 * few && k % 2 == 0; i++) {
            x[i] = round(x[i]);
            y[i] = round(y[i]);
        }
        worst = fmax(worst, fabs(distance(few, 2, x, y) - sqrt(least_sum(x, y, 0, 0) / few)));
    }
    print_message("largest difference of 300 sets %.1e, bound 1e-13\n", worst);
    assert_true(worst < 1e-13);
}

enum { n = 400 };

static void a_set_is_at_distance_zero_from_itself_in_any_order(void **state) {
    (void)state;
    double x[2 * n], y[2 * n];
    int64_t order[n];
    normals(0, 2 * n, x);
    ito_random_permutation((ito_stream){.seed = 1, .purpose = ITO_RNG_USER}, 0, n, order);
    for (int i = 0; i < n; i++) memcpy(y + 2 * i, x + 2 * order[i], 2 * sizeof *x);
    assert_true(distance(n, 2, x, y) == 0);
}

static void a_translation_is_as_far_as_its_length(void **state) {
    (void)state;
    double x[3 * n], y[3 * n];
    normals(0, 3 * n, x);
    for (int i = 0; i < 3 * n; i++) y[i] = x[i] + (i % 3 == 0 ? 2 : i % 3 == 1 ? -1 : 2);
    const double w = distance(n, 3, x, y);
    print_message("%.15f, exact 3, bound 1e-12\n", w);
    assert_true(fabs(w - 3) < 1e-12);
}

/* y = A x with A symmetric and positive definite: the map of N(0, C) to N(0, A C A). */
static void a_convex_linear_map_is_the_optimal_matching(void **state) {
    (void)state;
    const double A[] = {1.5, 0.6, 0.6, 0.7};
    double x[2 * n], y[2 * n], sum = 0;
    int64_t order[n];
    normals(0, 2 * n, x);
    ito_random_permutation((ito_stream){.seed = 2, .purpose = ITO_RNG_USER}, 0, n, order);
    for (int i = 0; i < n; i++) {
        const double *u = x + 2 * i;
        double *v = y + 2 * order[i];
        v[0] = A[0] * u[0] + A[1] * u[1];
        v[1] = A[2] * u[0] + A[3] * u[1];
        sum += pow(v[0] - u[0], 2) + pow(v[1] - u[1], 2);
    }
    const double w = distance(n, 2, x, y), exact = sqrt(sum / n);
    print_message("%.15f, exact %.15f, bound 1e-12\n", w, exact);
    assert_true(fabs(w - exact) < 1e-12);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void on_a_line_order_is_kept(void **state) {
    (void)state;
    double x[n], y[n], sum = 0;
    normals(0, n, x);
    normals(1, n, y);
    for (int i = 0; i < n; i++) y[i] = 0.5 * y[i] + 1;
    const double w = distance(n, 1, x, y);
    qsort(x, n, sizeof *x, by_value);
    qsort(y, n, sizeof *y, by_value);
    for (int i = 0; i < n; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
    print_message("%.15f, sorted %.15f, bound 1e-12; of the laws %.3f\n", w, sqrt(sum / n), sqrt(1.25));
    assert_true(fabs(w - sqrt(sum / n)) < 1e-12);
}

static void bad_rows_are_refused(void **state) {
    (void)state;
    const double x[] = {0, 1, 2}, y[] = {0, NAN, 2};
    double w = 7;
    ito_error err;
    assert_int_equal(ito_wasserstein2(3, 1, x, y, &w, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "rows 0 and 1"));
    assert_int_equal(ito_wasserstein2(0, 1, x, x, &w, &err), ITO_E_ARG);
    assert_true(w == 7);
    assert_int_equal(ito_wasserstein2(INT64_MAX / 2, 1, x, x, &w, &err), ITO_E_NOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_sets_match_as_the_best_permutation),
        cmocka_unit_test(a_set_is_at_distance_zero_from_itself_in_any_order),
        cmocka_unit_test(a_translation_is_as_far_as_its_length),
        cmocka_unit_test(a_convex_linear_map_is_the_optimal_matching),
        cmocka_unit_test(on_a_line_order_is_kept),
        cmocka_unit_test(bad_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
