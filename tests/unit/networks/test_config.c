/* SPDX-License-Identifier: Apache-2.0
 *
 * Which network configurations are valid, and that a refusal names the field.
 */
#include <ito/networks.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void the_default_is_valid(void **state) {
    (void)state;
    ito_error err = {0};
    ito_network_config c = ito_network_default();
    if (ito_network_check(&c, &err) != ITO_OK) fail_msg("%s", err.message);
}

static void refused(const ito_network_config *c, ito_status status, const char *field) {
    ito_error err = {0};
    assert_int_equal(ito_network_check(c, &err), status);
    print_message("  %s\n", err.message);
    if (strncmp(err.message, field, strlen(field)) != 0)
        fail_msg("the message does not begin with %s", field);
}

static void sizes_that_do_not_fit_are_refused_by_field(void **state) {
    (void)state;
    ito_network_config c = ito_network_default();
    c.image_size = 28;
    refused(&c, ITO_E_SHAPE, "image_size");
    c = ito_network_default();
    c.nf = 30;
    refused(&c, ITO_E_SHAPE, "nf");
    c.nf = 0;
    refused(&c, ITO_E_ARG, "nf");
    c = ito_network_default();
    c.levels = ITO_MAX_LEVELS + 1;
    refused(&c, ITO_E_ARG, "ch_mult");
    c = ito_network_default();
    c.ch_mult[2] = -2;
    refused(&c, ITO_E_ARG, "ch_mult");
    c = ito_network_default();
    c.num_res_blocks = 1 << 20;
    refused(&c, ITO_E_ARG, "num_res_blocks");
    c = ito_network_default();
    c.attn_count = -1;
    refused(&c, ITO_E_ARG, "attn_resolutions");
}

/* 48 + 96 channels meet on the way up, and 32 groups do not divide 144. */
static void channels_that_no_norm_divides_are_refused(void **state) {
    (void)state;
    ito_network_config c = ito_network_default();
    c.nf = 48;
    refused(&c, ITO_E_SHAPE, "up.1: a group norm (module 45) has 144 channels");
}

static void numbers_out_of_range_are_refused_by_field(void **state) {
    (void)state;
    ito_network_config c = ito_network_default();
    c.dropout = 1;
    refused(&c, ITO_E_ARG, "dropout");
    c.dropout = (double)NAN;
    refused(&c, ITO_E_ARG, "dropout");
    c = ito_network_default();
    c.init_scale = -1;
    refused(&c, ITO_E_ARG, "init_scale");
    c = ito_network_default();
    c.embedding_type = ITO_EMBEDDING_FOURIER;
    c.fourier_scale = 0;
    refused(&c, ITO_E_ARG, "fourier_scale");
    c = ito_network_default();
    c.fir = true;
    c.fir_taps = 9;
    refused(&c, ITO_E_ARG, "fir_kernel");
    c.fir_taps = 2;
    c.fir_kernel[0] = -3;
    refused(&c, ITO_E_ARG, "fir_kernel");
    c = ito_network_default();
    c.progressive = (ito_progressive)7;
    refused(&c, ITO_E_ARG, "progressive");
}

/* Fields of other architectures are not looked at. */
static void each_architecture_has_a_valid_default(void **state) {
    (void)state;
    ito_error err = {0};
    for (int a = 0; a < ITO_ARCHITECTURE_COUNT; a++) {
        ito_network_config c = ito_network_default_of((ito_architecture)a);
        if (c.architecture != ITO_NCSNPP) c.fir_taps = -1, c.progressive = (ito_progressive)9;
        if (ito_network_check(&c, &err) != ITO_OK) fail_msg("%s: %s", ito_architecture_name(a), err.message);
    }
}

static void misfits_of_the_other_architectures_are_refused(void **state) {
    (void)state;
    ito_network_config c = ito_network_default_of(ITO_DDPM);
    c.nf = 48;
    refused(&c, ITO_E_SHAPE, "nf");
    c = ito_network_default_of(ITO_NCSNV2_256);
    c.image_size = 36;
    refused(&c, ITO_E_SHAPE, "image_size");
    c = ito_network_default_of(ITO_NCSN);
    c.num_scales = 1;
    refused(&c, ITO_E_ARG, "num_scales");
    c.num_scales = 10;
    c.sigma_min = 0;
    refused(&c, ITO_E_ARG, "sigma_min");
    c = ito_network_default_of(ITO_NCSN);
    c.normalization = ITO_NORMALIZATION_INSTANCE;
    refused(&c, ITO_E_UNSUPPORTED, "normalization");
    c = ito_network_default_of(ITO_NCSNV2_64);
    c.normalization = (ito_normalization)3;
    refused(&c, ITO_E_ARG, "normalization");
    c.normalization = ITO_NORMALIZATION_VARIANCE;
    c.image_size = 2; /* halved once: one pixel */
    refused(&c, ITO_E_SHAPE, "image_size");
    c = ito_network_default_of(ITO_MLP);
    c.nf = 33;
    refused(&c, ITO_E_SHAPE, "nf");
    c = ito_network_default();
    c.architecture = (ito_architecture)77;
    refused(&c, ITO_E_ARG, "architecture");
}

static void classes_need_a_network_that_knows_them(void **state) {
    (void)state;
    ito_network_config c = ito_network_default_of(ITO_NCSN);
    c.classes = 10;
    refused(&c, ITO_E_UNSUPPORTED, "classes");
    c = ito_network_default();
    c.classes = -1;
    refused(&c, ITO_E_ARG, "classes");
    c.classes = 10;
    c.conditional = false;
    refused(&c, ITO_E_UNSUPPORTED, "classes");
    c.conditional = true;
    c.class_dropout = 1.5;
    refused(&c, ITO_E_ARG, "class_dropout");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_is_valid),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused_by_field),
        cmocka_unit_test(channels_that_no_norm_divides_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused_by_field),
        cmocka_unit_test(each_architecture_has_a_valid_default),
        cmocka_unit_test(misfits_of_the_other_architectures_are_refused),
        cmocka_unit_test(classes_need_a_network_that_knows_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
