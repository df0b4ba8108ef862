/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out anywhere in a distance: each run ends with NOMEM, its output untouched, and leaks
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "support/failing_memory.h"
#include <cmocka.h>
#include <ito/metrics.h>

enum { n = 64 };
static double x[n];

static ito_status cells(double *out, ito_error *err) {
    ito_cells *made;
    ito_estimate kl;
    ito_status st = ito_cells_create(4, n, 1, x, &made, err);
    if (st != ITO_OK) return made == NULL ? st : ITO_E_ARG;
    st = ito_cells_kl(made, n, x, &kl, err);
    if (st == ITO_OK) *out = kl.value;
    ito_cells_free(made);
    return st;
}

static ito_status wasserstein(double *out, ito_error *err) {
    return ito_wasserstein2(n, 1, x, x, out, err);
}

static ito_status frechet(double *out, ito_error *err) {
    return ito_frechet_rows(4, n / 4, x, n / 4, x, out, err);
}

static ito_status features(double *out, ito_error *err) {
    const uint8_t pixels[64] = {0};
    double row[48] = {7};
    const ito_status st = ito_image_features(1, 8, 8, 1, pixels, row, err);
    if (st == ITO_OK) *out = row[0];
    return st;
}

typedef struct distance {
    const char *name;
    ito_status (*run)(double *out, ito_error *err);
} distance;

static ito_status attempt(void *subject, ito_error *err) {
    const distance *d = subject;
    double out = -1;
    const ito_status st = d->run(&out, err);
    if (st != ITO_OK) assert_true(out == -1);
    return st;
}

static void every_distance_survives_every_failure(void **state) {
    distance all[] = {
        {"cells", cells}, {"wasserstein", wasserstein}, {"frechet", frechet}, {"features", features}};
    (void)state;
    for (int i = 0; i < n; i++) x[i] = i * 37 % n;
    for (int k = 0; k < 4; k++) {
        const int64_t allocations = walk_failed_allocations(attempt, &all[k]);
        print_message("%s: %lld allocations failed in turn\n", all[k].name, (long long)allocations);
        assert_true(allocations > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_distance_survives_every_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
