/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversions of stored elements, held to the definitions of the types.
 */
#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint16_t to_bf16(float x) {
    uint16_t half;
    ito_bf16_from_f32(1, &x, &half);
    return half;
}

static float from_bf16(uint16_t half) {
    float x;
    ito_f32_from_bf16(1, &half, &x);
    return x;
}

static float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void every_bf16_survives_the_way_through_float(void **state) {
    (void)state;
    for (uint32_t half = 0; half <= 0xffff; half++) {
        float x = from_bf16((uint16_t)half);
        if (isnan(x))
            assert_true(isnan(from_bf16(to_bf16(x))));
        else
            assert_int_equal(to_bf16(x), half);
    }
}

static void bf16_rounds_to_nearest_and_ties_to_even(void **state) {
    (void)state;
    assert_int_equal(to_bf16(float_of_bits(0x3f800000)), 0x3f80);
    assert_int_equal(to_bf16(float_of_bits(0x3f807fff)), 0x3f80); /* just below half */
    assert_int_equal(to_bf16(float_of_bits(0x3f808000)), 0x3f80); /* half, even below */
    assert_int_equal(to_bf16(float_of_bits(0x3f808001)), 0x3f81);
    assert_int_equal(to_bf16(float_of_bits(0x3f818000)), 0x3f82); /* half, even above */
    assert_int_equal(to_bf16(float_of_bits(0xbf818000)), 0xbf82);
    assert_int_equal(to_bf16(float_of_bits(0x7f7fffff)),
                     0x7f80); /* the largest float is nearer to infinity */
    assert_int_equal(to_bf16(float_of_bits(0x00000001)), 0x0000);
}

static void a_nan_whose_fraction_is_cut_stays_nan(void **state) {
    (void)state;
    assert_true(isnan(from_bf16(to_bf16(float_of_bits(0x7f800001)))));
    assert_true(isnan(from_bf16(to_bf16(float_of_bits(0xffffffff)))));
    assert_true(isinf(from_bf16(to_bf16(INFINITY))));
}

static void every_f16_has_the_value_of_its_definition(void **state) {
    (void)state;
    for (uint32_t half = 0; half <= 0xffff; half++) {
        uint16_t stored = (uint16_t)half;
        ito_tensor t = {"x", ITO_DTYPE_F16, 0, {0}, 1, &stored};
        int exponent = half >> 10 & 31, fraction = half & 1023;
        double sign = half >> 15 ? -1 : 1, want;
        double got;
        if (exponent == 31)
            want = fraction ? NAN : INFINITY;
        else
            want = (exponent ? 1024 + fraction : fraction) * pow(2, (exponent ? exponent : 1) - 25);
        ito_tensor_read_f64(&t, &got);
        if (isnan(want)) {
            assert_true(isnan(got));
        } else {
            assert_true(got == sign * want);
            assert_int_equal(signbit(got) != 0, half >> 15);
        }
    }
}

/* Each dtype at each misalignment, through both readers. */
static void unaligned_elements_of_every_dtype_are_read(void **state) {
    static const double f64[] = {0.1, -3e200};
    static const float f32[] = {0.1f, -7.5f};
    static const uint16_t f16[] = {0x3c00, 0xc500}, bf16[] = {0x3f80, 0xc0a0}; /* 1, -5 */
    static const int64_t i64[] = {1, -123456789012};
    static const int32_t i32[] = {1, -2000000000};
    static const uint8_t u8[] = {1, 255};
    static const struct {
        ito_dtype dtype;
        const void *data;
        double want[2];
    } cases[] = {
        {ITO_DTYPE_F64, f64, {0.1, -3e200}},
        {ITO_DTYPE_F32, f32, {(double)0.1f, -7.5}},
        {ITO_DTYPE_F16, f16, {1, -5}},
        {ITO_DTYPE_BF16, bf16, {1, -5}},
        {ITO_DTYPE_I64, i64, {1, -123456789012}},
        {ITO_DTYPE_I32, i32, {1, -2e9}},
        {ITO_DTYPE_U8, u8, {1, 255}},
    };
    (void)state;
    assert_int_equal(sizeof cases / sizeof cases[0], ITO_DTYPE_COUNT);
    for (int k = 0; k < ITO_DTYPE_COUNT; k++) {
        for (int shift = 0; shift < 8; shift++) {
            unsigned char bytes[32];
            float as_float[2];
            double as_double[2];
            memcpy(bytes + shift, cases[k].data, 2 * ito_dtype_size(cases[k].dtype));
            ito_tensor t = {"x", cases[k].dtype, 1, {2}, 2, bytes + shift};
            ito_tensor_read_f32(&t, as_float);
            ito_tensor_read_f64(&t, as_double);
            for (int i = 0; i < 2; i++) {
                assert_true(as_double[i] == cases[k].want[i]);
                assert_true(as_float[i] == (float)cases[k].want[i]);
            }
        }
    }
}

static void dtypes_have_names_and_sizes(void **state) {
    (void)state;
    assert_string_equal(ito_dtype_name(ITO_DTYPE_BF16), "BF16");
    assert_string_equal(ito_dtype_name(ITO_DTYPE_U8), "U8");
    assert_int_equal(ito_dtype_size(ITO_DTYPE_F64), 8);
    assert_int_equal(ito_dtype_size(ITO_DTYPE_BF16), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bf16_survives_the_way_through_float),
        cmocka_unit_test(bf16_rounds_to_nearest_and_ties_to_even),
        cmocka_unit_test(a_nan_whose_fraction_is_cut_stays_nan),
        cmocka_unit_test(every_f16_has_the_value_of_its_definition),
        cmocka_unit_test(unaligned_elements_of_every_dtype_are_read),
        cmocka_unit_test(dtypes_have_names_and_sizes),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
