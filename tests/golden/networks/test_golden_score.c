/* SPDX-License-Identifier: Apache-2.0
 *
 * What a network is given for a time, and what its output means, against the published code; with an affine
 * stand-in for the network, so that every number comes from the file alone. See README.md.
 */
#include <ito/formats.h>
#include <ito/networks.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { TIMES = 8, DIM = 48 };

static void read(const ito_tensor_file *f, const char *group, const char *name, int64_t count, double *out) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", group, name);
    const ito_tensor *t = ito_tensor_file_find(f, full);
    if (!t || t->count != count) fail_msg("golden tensor %s is missing or of another size", full);
    ito_tensor_read_f64(t, out);
}

static ito_sde golden_sde(const ito_tensor_file *f, ito_sde_kind kind) {
    ito_sde sde = ito_sde_default(kind);
    double params[2];
    read(f, "sde.", "params", 2, params);
    if (kind == ITO_SDE_VE)
        sde.sigma_min = params[0], sde.sigma_max = params[1];
    else
        sde.beta_min = params[0], sde.beta_max = params[1];
    return sde;
}

static void check(const ito_tensor_file *f, const ito_sde *sde, bool continuous) {
    const char *group = continuous ? "cont." : "disc.";
    double t[TIMES], labels[TIMES], out[TIMES * DIM], score[TIMES * DIM], label_off = 0, score_off = 0;
    read(f, "", "t", TIMES, t);
    read(f, group, "labels", TIMES, labels);
    read(f, group, "model_out", TIMES * DIM, out);
    read(f, group, "score", TIMES * DIM, score);
    for (int k = 0; k < TIMES; k++) {
        /* The published code leaves the labels of discrete VP networks unrounded. */
        double want = !continuous && sde->kind == ITO_SDE_VP ? rint(labels[k]) : labels[k];
        double factor = ito_network_score_factor(sde, continuous, t[k]);
        label_off = fmax(label_off, fabs(ito_network_label(sde, continuous, t[k]) - want) / fmax(want, 1));
        for (int i = k * DIM; i < (k + 1) * DIM; i++)
            score_off = fmax(score_off, fabs(factor * out[i] / score[i] - 1));
    }
    print_message("  %s %s labels off %.1e, score off %.1e, bound 1e-9\n", ito_sde_name(sde->kind), group,
                  label_off, score_off);
    assert_true(label_off < 1e-9 && score_off < 1e-9);
}

static void labels_and_scores_are_the_published_ones(void **state) {
    (void)state;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        char path[128];
        ito_error err = {0};
        ito_tensor_file *f = NULL;
        snprintf(path, sizeof path, "tests/golden/networks/scorewrap_%s.safetensors", ito_sde_name(kind));
        if (ito_safetensors_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
        ito_sde sde = golden_sde(f, (ito_sde_kind)kind);
        check(f, &sde, true);
        check(f, &sde, false);
        ito_tensor_file_close(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(labels_and_scores_are_the_published_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
