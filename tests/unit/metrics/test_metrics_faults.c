/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out anywhere in a distance: the first allocation fails, then the second, until a run meets
 * no fault. Each run ends well or with NOMEM, its output untouched, and leaks nothing.
 *
 * Linked with --wrap for the library's allocator.
 */
#include "core/memory.h"

#include <ito/metrics.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int calls, fail_at, alive;

static void *give(void *p) {
    alive += p != NULL;
    return p;
}

void *__real_ito__alloc(size_t count, size_t size);
void *__wrap_ito__alloc(size_t count, size_t size);
void *__wrap_ito__alloc(size_t count, size_t size) {
    return ++calls == fail_at ? NULL : give(__real_ito__alloc(count, size));
}

void *__real_ito__calloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size) {
    return ++calls == fail_at ? NULL : give(__real_ito__calloc(count, size));
}

void __real_ito__free(void *p);
void __wrap_ito__free(void *p);
void __wrap_ito__free(void *p) {
    alive -= p != NULL;
    __real_ito__free(p);
}

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

static void every_distance_survives_every_failure(void **state) {
    static ito_status (*const all[])(double *out, ito_error *err) = {cells, wasserstein, frechet, features};
    (void)state;
    for (int i = 0; i < n; i++) x[i] = i * 37 % n;
    for (int k = 0; k < 4; k++) {
        int faults = 0;
        for (fail_at = 1;; fail_at++) {
            ito_error err = {.message = ""};
            double out = -1;
            calls = 0;
            const ito_status st = all[k](&out, &err);
            assert_int_equal(alive, 0);
            if (st == ITO_OK) break;
            faults++;
            assert_int_equal(st, ITO_E_NOMEM);
            assert_true(out == -1 && err.message[0] != '\0');
        }
        print_message("%d allocations failed in turn\n", faults);
        assert_true(faults > 0 && calls == faults);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_distance_survives_every_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
