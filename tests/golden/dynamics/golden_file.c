/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading and comparing recorded numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "golden_file.h"
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void load_tensor(golden_file *g, const ito_tensor *t) {
    assert_true(g->count < golden_max_tensors);
    snprintf(g->tensor[g->count], sizeof g->tensor[0], "%s", t->name);
    g->size[g->count] = t->count;
    g->data[g->count] = malloc((size_t)t->count * sizeof(double));
    assert_non_null(g->data[g->count]);
    ito_tensor_read_f64(t, g->data[g->count]);
    g->count++;
}

static void load_sde_and_mixture(golden_file *g, ito_sde_kind kind) {
    const double *params = golden_get(g, "sde.params");
    ito_sde sde = ito_sde_default(kind);
    sde.steps = (int64_t)golden_get(g, "sde.N")[0];
    *(kind == ITO_SDE_VE ? &sde.sigma_min : &sde.beta_min) = params[0];
    *(kind == ITO_SDE_VE ? &sde.sigma_max : &sde.beta_max) = params[1];

    int64_t K = 1, values = 0;
    const double *s = golden_find(g, "mix.s", &K), *m = golden_find(g, "mix.m", &values);
    assert_true(s != NULL && m != NULL);
    g->mix = (mixture){.sde = sde, .K = K, .dim = values / K, .w = golden_get(g, "mix.w"), .m = m, .s = s};
}

void golden_load(const char *name, golden_file *g) {
    *g = (golden_file){0};
    snprintf(g->name, sizeof g->name, "%s", name);
    char path[128];
    snprintf(path, sizeof path, "tests/golden/dynamics/%s.safetensors", g->name);
    ito_tensor_file *file = NULL;
    ito_error err = {0};
    if (ito_safetensors_open(path, &file, &err) != ITO_OK) fail_msg("%s", err.message);
    for (int i = 0; i < ito_tensor_file_count(file); i++) load_tensor(g, ito_tensor_file_at(file, i));
    ito_tensor_file_close(file);
}

void golden_open(const char *group, ito_sde_kind kind, golden_file *g) {
    char name[64];
    snprintf(name, sizeof name, "%s_%s", group, ito_sde_name(kind));
    golden_load(name, g);
    load_sde_and_mixture(g, kind);
}

void golden_close(golden_file *g) {
    for (int i = 0; i < g->count; i++) free(g->data[i]);
    *g = (golden_file){0};
}

const double *golden_find(const golden_file *g, const char *name, int64_t *size) {
    for (int i = 0; i < g->count; i++) {
        if (strcmp(g->tensor[i], name) != 0) continue;
        if (size != NULL) *size = g->size[i];
        return g->data[i];
    }
    return NULL;
}

const double *golden_get(const golden_file *g, const char *format, ...) {
    char name[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const double *values = golden_find(g, name, NULL);
    if (values == NULL) fail_msg("%s has no tensor %s", g->name, name);
    return values;
}

static double relative_difference(int64_t n, const double *ours, const double *expected) {
    double difference = 0, scale = 0;
    for (int64_t j = 0; j < n; j++) {
        if (!isfinite(ours[j])) return INFINITY;
        difference = fmax(difference, fabs(ours[j] - expected[j]));
        scale = fmax(scale, fabs(expected[j]));
    }
    return scale > 0 ? difference / scale : difference;
}

void golden_compare(const golden_file *g, const char *what, int64_t rows, int64_t n, const double *ours,
                    const double *expected, double bound) {
    const int64_t row = n / rows;
    double worst = 0;
    for (int64_t k = 0; k < rows; k++)
        worst = fmax(worst, relative_difference(row, ours + k * row, expected + k * row));
    print_message("%-16s %-26s %.1e (bound %.0e)\n", g->name, what, worst, bound);
    if (!(worst <= bound)) fail_msg("%s: %s differs by %.2e, bound %.0e", g->name, what, worst, bound);
}
