/* SPDX-License-Identifier: Apache-2.0
 *
 * NCSNv2 of every size with every normalization it is published with, against the published code. Weights
 * come from a formula, so that the file holds inputs and outputs alone. See normalization/README.md.
 */
#include "formula.h"

#include <ito/formats.h>
#include <ito/networks.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N = 2, CHANNELS = 2, SIZE = 16, VALUES = N * CHANNELS * SIZE * SIZE };

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s: %s", ito_status_name(st), err->message);
}

static void read(const ito_tensor_file *f, const char *name, int64_t count, float *out) {
    const ito_tensor *t = ito_tensor_file_find(f, name);
    if (!t || t->count != count) fail_msg("golden array %s is missing or of another size", name);
    ito_tensor_read_f32(t, out);
}

/* The network's output for the file's inputs. */
static void run(const ito_network_config *c, const float *x, const float *labels, float *out) {
    ito_error err = {0};
    ito_graph *g = NULL;
    ito_params *p = NULL;
    ito_network_score *s = NULL;
    ito_network_score_options o = ito_network_score_default();
    const ito_sde ve = ito_sde_default(ITO_SDE_VE);
    o.batch = N;
    o.continuous = false;
    require(ito_graph_create(&g, &err), &err);
    ito_network_build(c, ito_input(g, "x", ITO_SHAPE(1, CHANNELS, SIZE, SIZE)),
                      ito_input(g, "labels", ITO_SHAPE(1)), false);
    require(ito_params_create(g, &p, &err), &err);
    formula_weights(p);
    require(ito_network_score_create(c, &ve, p, &o, &s, &err), &err);
    require(ito_network_score_forward(s, N, x, labels, out, &err), &err);
    ito_network_score_free(s);
    ito_params_free(p);
    ito_graph_free(g);
}

static void every_normalization_gives_the_published_outputs(void **state) {
    static const char *const norms[] = {[ITO_NORMALIZATION_INSTANCE_PLUS] = "InstanceNorm++",
                                        [ITO_NORMALIZATION_INSTANCE] = "InstanceNorm",
                                        [ITO_NORMALIZATION_VARIANCE] = "VarianceNorm"};
    static float x[VALUES], labels[N], got[VALUES], want[VALUES];
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    (void)state;
    require(ito_npz_open("tests/golden/networks/normalization/ncsnv2.npz", &f, &err), &err);
    read(f, "x", VALUES, x);
    read(f, "labels", N, labels);
    for (int a = ITO_NCSNV2_64; a <= ITO_NCSNV2_256; a++) {
        for (int k = 0; k < 3; k++) {
            char name[64];
            float off = 0, largest = 0;
            ito_network_config c = ito_network_default_of((ito_architecture)a);
            c.image_size = SIZE;
            c.channels = CHANNELS;
            c.nf = 4;
            c.num_scales = 5;
            c.sigma_max = 1;
            c.sigma_min = 0.1;
            c.normalization = (ito_normalization)k;
            snprintf(name, sizeof name, "%s.%s", ito_architecture_name(c.architecture), norms[k]);
            read(f, name, VALUES, want);
            run(&c, x, labels, got);
            for (int i = 0; i < VALUES; i++) {
                off = fmaxf(off, fabsf(got[i] - want[i]));
                largest = fmaxf(largest, fabsf(want[i]));
            }
            print_message("  %s off %.1e of the largest output, bound 1e-4\n", name, (double)(off / largest));
            assert_true(off < 1e-4F * largest);
        }
    }
    ito_tensor_file_close(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_normalization_gives_the_published_outputs)};
    return cmocka_run_group_tests_name("normalization", tests, NULL, NULL);
}
