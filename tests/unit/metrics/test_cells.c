/* SPDX-License-Identifier: Apache-2.0
 *
 * KL divergence on cells of equal mass: 0 within the stated error for exact samples, the closed form for
 * known shifts. Seeds are fixed; the bounds would fail a right program of another seed less than once in
 * 10,000.
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
    ito_random_normal((ito_stream){.seed = 5, .purpose = ITO_RNG_USER, .sample = stream}, 0, n, x);
}

static ito_cells *cells_of_normals(int64_t count, int64_t m, int64_t dim) {
    ito_cells *cells = NULL;
    ito_error err = {.message = ""};
    double *x = malloc((size_t)(m * dim) * sizeof *x);
    assert_non_null(x);
    normals(0, m * dim, x);
    if (ito_cells_create(count, m, dim, x, &cells, &err) != ITO_OK) fail_msg("%s", err.message);
    free(x);
    return cells;
}

static void cells_have_equal_mass(void **state) {
    (void)state;
    enum { m = 20000, count = 100, dim = 3 };
    double mass[count], least = 1, most = 0;
    int64_t hits[count];
    static double x[m * dim];
    ito_cells *cells = cells_of_normals(count, m, dim);
    normals(0, m * dim, x);
    ito_cells_mass(cells, mass);
    ito_cells_hits(cells, m, x, hits);
    for (int k = 0; k < count; k++) {
        least = fmin(least, mass[k]);
        most = fmax(most, mass[k]);
        assert_true(fabs((double)hits[k] / m - mass[k]) < 1e-12); /* the reference itself */
    }
    print_message("masses %.5f to %.5f of 1/100, bounds 0.00965 and 0.01035\n", least, most);
    assert_true(least > 0.00965 && most < 0.01035); /* each of 7 halvings rounds to a row of 200 or more */
    assert_int_equal(ito_cells_count(cells), count);
    ito_cells_free(cells);
}

/* The variance of all rows is that of the means and that within the cells. */
static void means_and_spread_share_the_variance(void **state) {
    (void)state;
    enum { m = 32 * 300, count = 32, dim = 2 };
    static double x[m * dim], means[count * dim];
    double all = 0, between = 0, largest = 0, mass[count];
    ito_cells *cells = cells_of_normals(count, m, dim);
    normals(0, m * dim, x);
    const double within = ito_cells_means(cells, means);
    for (int k = 0; k < m * dim; k++) all += x[k] * x[k] / m;
    for (int k = 0; k < count * dim; k++) between += means[k] * means[k] / count;
    ito_cells_mass(cells, mass);
    for (int k = 0; k < count; k++) largest = fmax(largest, fabs(mass[k] * count - 1));
    print_message("%.15f + %.15f of %.15f, bound 1e-12\n", between, within * within, all);
    assert_true(fabs(between + within * within - all) < 1e-12 && largest < 1e-15);
    ito_cells_free(cells);
}

/* value / standard_error over many exact sets has the mean 0 and the deviation 1. */
static void exact_samples_have_zero_within_the_error(void **state) {
    (void)state;
    enum { sets = 300, n = 2000, count = 64, m = 1 << 17 };
    static double x[2 * n];
    ito_cells *cells = cells_of_normals(count, m, 2);
    double sum = 0, squares = 0;
    for (int k = 0; k < sets; k++) {
        ito_estimate kl;
        normals(1 + k, 2 * n, x);
        assert_int_equal(ito_cells_kl(cells, n, x, &kl, NULL), ITO_OK);
        sum += kl.value / kl.standard_error;
        squares += pow(kl.value / kl.standard_error, 2);
    }
    const double mean = sum / sets, deviation = sqrt(squares / sets - mean * mean);
    print_message("mean %.3f errors, bound 0.25; deviation %.3f, bounds 0.8 and 1.2\n", mean, deviation);
    assert_true(fabs(mean) < 0.25 && deviation > 0.8 && deviation < 1.2);
    ito_cells_free(cells);
}

/* Cells of a reference no larger than the sample: its own chance is half of the bias, 0.0154 here. */
static void a_small_reference_adds_no_bias(void **state) {
    (void)state;
    enum { sets = 200, n = 2048, count = 64 };
    static double x[2 * n];
    double sum = 0;
    for (int k = 0; k < sets; k++) {
        ito_cells *cells = NULL;
        ito_estimate kl;
        normals(2 * k, 2 * n, x);
        assert_int_equal(ito_cells_create(count, n, 2, x, &cells, NULL), ITO_OK);
        normals(2 * k + 1, 2 * n, x);
        assert_int_equal(ito_cells_kl(cells, n, x, &kl, NULL), ITO_OK);
        sum += kl.value / sets;
        ito_cells_free(cells);
    }
    print_message("mean %.5f, bound 0.0015\n", sum); /* four errors of the mean, 0.00037 */
    assert_true(fabs(sum) < 0.0015);
}

/* KL(N(d, I) || N(0, I)) = |d|^2 / 2; cells see a little less of it. */
static void a_shift_has_the_divergence_of_the_closed_form(void **state) {
    (void)state;
    enum { sets = 60, n = 20000, count = 256 };
    static double x[2 * n];
    ito_cells *cells = cells_of_normals(count, 1 << 18, 2);
    for (int j = 1; j <= 3; j++) {
        const double shift = 0.3 * j, exact = shift * shift / 2;
        double sum = 0, squares = 0, error = 0;
        for (int k = 0; k < sets; k++) {
            ito_estimate kl;
            normals(1 + k, 2 * n, x);
            for (int i = 0; i < n; i++) x[2 * i] += shift;
            assert_int_equal(ito_cells_kl(cells, n, x, &kl, NULL), ITO_OK);
            sum += kl.value;
            squares += kl.value * kl.value;
            error += kl.standard_error / sets;
        }
        const double mean = sum / sets, deviation = sqrt(squares / sets - mean * mean);
        print_message("shift %.1f: %.5f of %.5f, bounds 0.95 and 1.01; deviation %.5f, stated %.5f\n", shift,
                      mean, exact, deviation, error);
        assert_true(mean > 0.95 * exact && mean < 1.01 * exact);
        assert_true(deviation > 0.65 * error && deviation < 1.4 * error);
    }
    ito_cells_free(cells);
}

/* Samples in half the cells: log 2, whatever lies in the others. A reference of x and -x has its middle at 0.
 */
static void a_lost_half_costs_log_two(void **state) {
    (void)state;
    enum { n = 100000 };
    static double x[n], reference[2 * n];
    ito_estimate kl;
    ito_cells *cells = NULL;
    normals(0, n, reference);
    normals(1, n, x);
    for (int i = 0; i < n; i++) {
        reference[n + i] = -reference[i];
        x[i] = fabs(x[i]);
    }
    assert_int_equal(ito_cells_create(64, 2 * n, 1, reference, &cells, NULL), ITO_OK);
    assert_int_equal(ito_cells_kl(cells, n, x, &kl, NULL), ITO_OK);
    print_message("%.5f of %.5f +- %.5f, bound 4 errors\n", kl.value, log(2), kl.standard_error);
    assert_true(fabs(kl.value - log(2)) < 4 * kl.standard_error);
    ito_cells_free(cells);
}

static void rows_at_infinity_have_a_cell(void **state) {
    (void)state;
    const double x[] = {INFINITY, -INFINITY, NAN};
    int64_t hits[64], all = 0;
    ito_cells *cells = cells_of_normals(64, 1 << 12, 1);
    ito_cells_hits(cells, 3, x, hits);
    for (int k = 0; k < 64; k++) all += hits[k];
    assert_int_equal(all, 3);
    assert_int_equal(hits[0], 1);
    ito_cells_free(cells);
}

#define REFUSED(call, text)                                                                                  \
    do {                                                                                                     \
        ito_error err = {.message = ""};                                                                     \
        assert_int_not_equal((call), ITO_OK);                                                                \
        if (strstr(err.message, text) == NULL) fail_msg("\"%s\" lacks \"%s\"", err.message, text);           \
        assert_null(cells);                                                                                  \
    } while (0)

static void bad_references_are_refused_by_name(void **state) {
    (void)state;
    double x[64] = {0};
    ito_cells *cells = NULL;
    REFUSED(ito_cells_create(1, 64, 1, x, &cells, &err), "count: is 1");
    REFUSED(ito_cells_create(2, 64, 0, x, &cells, &err), "dim: is 0");
    REFUSED(ito_cells_create(5, 64, 1, x, &cells, &err), "m: 64 rows are few for 5 cells: use 80");
    REFUSED(ito_cells_create(4, 64, 1, x, &cells, &err), "reference: has too many equal rows for 4 cells");
    x[7] = NAN;
    REFUSED(ito_cells_create(4, 64, 1, x, &cells, &err), "reference: row 7 is not finite");
    ito_cells_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_have_equal_mass),
        cmocka_unit_test(means_and_spread_share_the_variance),
        cmocka_unit_test(exact_samples_have_zero_within_the_error),
        cmocka_unit_test(a_small_reference_adds_no_bias),
        cmocka_unit_test(a_shift_has_the_divergence_of_the_closed_form),
        cmocka_unit_test(a_lost_half_costs_log_two),
        cmocka_unit_test(rows_at_infinity_have_a_cell),
        cmocka_unit_test(bad_references_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
