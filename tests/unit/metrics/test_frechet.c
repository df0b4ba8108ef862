/* SPDX-License-Identifier: Apache-2.0
 *
 * The Frechet distance in closed form, and the feature space of images, whose values are pinned.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/metrics.h>
#include <ito/random.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { dim = 4 };

static double frechet(const double *m1, const double *C1, const double *m2, const double *C2) {
    double d = -1;
    ito_error err = {.message = ""};
    if (ito_frechet(dim, m1, C1, m2, C2, &d, &err) != ITO_OK) fail_msg("%s", err.message);
    return d;
}

static const double origin[dim] = {0};

static void diagonal(const double *variance, double *C) {
    for (int i = 0; i < dim; i++)
        for (int j = 0; j < dim; j++) C[i * dim + j] = i == j ? variance[i] : 0;
}

static void axes_add_shifts_and_differences_of_deviations(void **state) {
    (void)state;
    const double u[] = {1, 4, 9, 0}, v[] = {4, 4, 1, 2}, shift[] = {1, 0, -2, 3};
    double C1[dim * dim], C2[dim * dim];
    diagonal(u, C1);
    diagonal(v, C2);
    const double d = frechet(origin, C1, shift, C2);
    print_message("%.15f, exact 21, bound 1e-12\n", d); /* 14 + 1 + 0 + 4 + 2 */
    assert_true(fabs(d - 21) < 1e-12);
    assert_true(fabs(frechet(shift, C1, shift, C1)) < 1e-12);
}

/* Rows y = A x, A symmetric and positive definite: trace((I - A) C (I - A)) = mean |x - A x|^2, also where C
 * and A do not commute. */
static void a_convex_linear_map_is_the_optimal_one(void **state) {
    (void)state;
    enum { n = 50 };
    double A[dim * dim], G[dim * dim], x[n * dim], y[n * dim] = {0}, mean[dim] = {0}, sum = 0, d = -1;
    const ito_stream stream = {.seed = 3, .purpose = ITO_RNG_USER};
    ito_random_normal(stream, 0, dim * dim, G);
    ito_random_normal(stream, 1, n * dim, x);
    for (int i = 0; i < dim; i++)
        for (int j = 0; j < dim; j++) {
            A[i * dim + j] = i == j ? 0.5 : 0;
            for (int k = 0; k < dim; k++) A[i * dim + j] += 0.2 * G[i * dim + k] * G[j * dim + k];
        }
    for (int k = 0; k < n * dim; k++) mean[k % dim] += x[k] / n;
    for (int k = 0; k < n; k++)
        for (int i = 0; i < dim; i++) {
            x[k * dim + i] -= mean[i];
            x[k * dim + i] *= 1 + i;
        }
    for (int k = 0; k < n; k++)
        for (int i = 0; i < dim; i++) {
            for (int j = 0; j < dim; j++) y[k * dim + i] += A[i * dim + j] * x[k * dim + j];
            sum += pow(y[k * dim + i] - x[k * dim + i], 2);
        }
    assert_int_equal(ito_frechet_rows(dim, n, x, n, y, &d, NULL), ITO_OK);
    print_message("%.13f, exact %.13f, bound 1e-11 of it\n", d, sum / (n - 1));
    assert_true(fabs(d / (sum / (n - 1)) - 1) < 1e-11);
}

static void it_is_symmetric(void **state) {
    (void)state;
    enum { n = 30 };
    double x[n * dim], y[n * dim], forth, back;
    const ito_stream stream = {.seed = 4, .purpose = ITO_RNG_USER};
    ito_random_normal(stream, 0, n * dim, x);
    ito_random_normal(stream, 1, n * dim, y);
    assert_int_equal(ito_frechet_rows(dim, n, x, n - 5, y, &forth, NULL), ITO_OK);
    assert_int_equal(ito_frechet_rows(dim, n - 5, y, n, x, &back, NULL), ITO_OK);
    print_message("%.15f and %.15f, bound 1e-13\n", forth, back);
    assert_true(fabs(forth - back) < 1e-13 && forth > 0.01);
}

static void bad_covariances_are_refused(void **state) {
    (void)state;
    const double bad[] = {1, -1, 1, 1};
    double C[dim * dim], N[dim * dim], d = 7;
    ito_error err;
    diagonal((const double[]){1, 1, 1, 1}, C);
    diagonal(bad, N);
    assert_int_equal(ito_frechet(dim, origin, N, origin, C, &d, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "covariance1: has the eigenvalue -1"));
    assert_int_equal(ito_frechet(dim, origin, C, origin, N, &d, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "covariance2"));
    C[1] = 0.5;
    assert_int_equal(ito_frechet(dim, origin, N, origin, C, &d, &err), ITO_E_ARG);
    assert_int_equal(ito_frechet_rows(dim, 1, C, 5, C, &d, &err), ITO_E_ARG);
    assert_true(d == 7);
}

/* ---- features ---- */

enum { side = 32, features = 48 };

static void features_of(const uint8_t *pixels, double *out) {
    assert_int_equal(ito_image_features_count(1), features);
    assert_int_equal(ito_image_features(1, side, side, 1, pixels, out, NULL), ITO_OK);
}

static void a_flat_image_has_no_edges(void **state) {
    (void)state;
    uint8_t image[side * side];
    double f[features];
    memset(image, 51, sizeof image);
    features_of(image, f);
    for (int k = 0; k < 16; k++) assert_true(fabs(f[k] - 0.2) < 1e-15);
    for (int k = 16; k < features; k++) assert_true(fabs(f[k]) < 1e-15);
}

/* A ramp to the right, 4 levels a pixel: |d . gradient| is 1, sqrt(1/2), 0, sqrt(1/2) of it. */
static void a_ramp_points_across(void **state) {
    (void)state;
    uint8_t image[side * side];
    double f[features];
    const double g = 4 / 255.0, half = sqrt(0.5);
    const double expected[] = {g, half * g, 0, half * g};
    for (int k = 0; k < side * side; k++) image[k] = (uint8_t)(4 * (k % side));
    features_of(image, f);
    for (int k = 0; k < 16; k++) assert_true(fabs(f[16 + k] - expected[k % 4]) < 1e-14);
    for (int k = 0; k < 16; k++) assert_true(fabs(f[32 + k] - 2 * expected[k % 4]) < 1e-14);
    assert_true(fabs(f[0] - 3.5 * g) < 1e-14 && fabs(f[3] - 27.5 * g) < 1e-14);
}

/* The space is a promise: a change of these values is another space and needs another name. */
static void the_space_ito_1_is_pinned(void **state) {
    (void)state;
    uint8_t image[side * side * 3];
    double f[80], sum = 0, weighted = 0;
    for (int k = 0; k < side * side * 3; k++) image[k] = (uint8_t)(k * k % 251);
    assert_int_equal(ito_image_features(1, side, side, 3, image, f, NULL), ITO_OK);
    assert_int_equal(ito_image_features_count(3), 80);
    for (int k = 0; k < 80; k++) {
        sum += f[k];
        weighted += k * f[k];
    }
    print_message("%.12f %.12f, bound 1e-10\n", sum, weighted);
    assert_true(fabs(sum - 24.4264894301256) < 1e-10 && fabs(weighted - 659.288974904072) < 1e-10);
    assert_string_equal(ITO_FEATURE_SPACE, "ito-1");
}

static void small_images_are_refused(void **state) {
    (void)state;
    const uint8_t image[64] = {0};
    double f[features];
    ito_error err;
    assert_int_equal(ito_image_features(1, 7, 8, 1, image, f, &err), ITO_E_SHAPE);
    assert_non_null(strstr(err.message, "images: are 7 x 8 x 1"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_add_shifts_and_differences_of_deviations),
        cmocka_unit_test(a_convex_linear_map_is_the_optimal_one),
        cmocka_unit_test(it_is_symmetric),
        cmocka_unit_test(bad_covariances_are_refused),
        cmocka_unit_test(a_flat_image_has_no_edges),
        cmocka_unit_test(a_ramp_points_across),
        cmocka_unit_test(the_space_ito_1_is_pinned),
        cmocka_unit_test(small_images_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
