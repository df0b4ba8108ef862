/* SPDX-License-Identifier: Apache-2.0
 *
 * Eigenvectors of symmetric matrices: they are orthonormal and make the matrix again.
 */
#include "core/eigen.h"

#include <ito/random.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { n = 30 };

/* G G^T of rank `rank`, so that eigenvalues of 0 are repeated. */
static void fill(int rank, double *C) {
    double G[n * n];
    ito_random_normal((ito_stream){.seed = 8, .purpose = ITO_RNG_USER}, 0, n * n, G);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            C[i * n + j] = 0;
            for (int k = 0; k < rank; k++) C[i * n + j] += G[i * n + k] * G[j * n + k];
        }
}

static void eigenvectors_make_the_matrix_again(void **state) {
    (void)state;
    for (int rank = 0; rank <= n; rank += 10) {
        double C[n * n], A[n * n], Q[n * n], made = 0, right = 0;
        fill(rank, C);
        memcpy(A, C, sizeof A);
        assert_int_equal(ito__eigen_symmetric("C", n, A, Q, NULL), ITO_OK);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                double again = 0, product = 0;
                for (int k = 0; k < n; k++) {
                    again += Q[k * n + i] * A[k * n + k] * Q[k * n + j];
                    product += Q[i * n + k] * Q[j * n + k];
                }
                made = fmax(made, fabs(again - C[i * n + j]));
                right = fmax(right, fabs(product - (i == j)));
            }
        print_message("rank %d: matrix to %.1e, bound 1e-12; angles to %.1e, bound 1e-13\n", rank, made,
                      right);
        assert_true(made < 1e-12 && right < 1e-13);
    }
}

static void other_matrices_are_refused(void **state) {
    (void)state;
    const double skew[] = {1, 2, -2, 1}, wild[] = {NAN};
    ito_error err;
    assert_int_equal(ito__check_symmetric("C", 2, skew, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "C: has -2 at (1, 0) and 2 across"));
    assert_int_equal(ito__check_symmetric("C", 1, wild, &err), ITO_E_ARG);
    assert_int_equal(ito__check_symmetric("C", 0, wild, &err), ITO_OK);
}

/* What never becomes diagonal ends with a message. */
static void endless_sweeps_end(void **state) {
    (void)state;
    double A[] = {1, NAN, NAN, 1}, Q[4];
    ito_error err;
    assert_int_equal(ito__eigen_symmetric("C", 2, A, Q, &err), ITO_E_NUMERIC);
    assert_non_null(strstr(err.message, "C: has no eigenvectors"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigenvectors_make_the_matrix_again),
        cmocka_unit_test(other_matrices_are_refused),
        cmocka_unit_test(endless_sweeps_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
