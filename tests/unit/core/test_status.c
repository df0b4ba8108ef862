/* SPDX-License-Identifier: Apache-2.0
 *
 * Status names and error sentences.
 */
#include <ito/status.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int i = 0; i < ITO_STATUS_COUNT; i++) {
        assert_non_null(ito_status_name((ito_status)i));
        assert_string_not_equal(ito_status_name((ito_status)i), "unknown");
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ito_status_name((ito_status)i), ito_status_name((ito_status)j));
    }
    assert_string_equal(ito_status_name(ITO_E_IO), "io");
}

static void a_status_out_of_range_is_unknown(void **state) {
    (void)state;
    assert_string_equal(ito_status_name(ITO_STATUS_COUNT), "unknown");
    assert_string_equal(ito_status_name((ito_status)-1), "unknown");
}

static void error_set_fills_and_returns(void **state) {
    ito_error err;
    (void)state;
    assert_int_equal(ito_error_set(&err, ITO_E_ARG, "steps: is %d: use at least %s", -3, "1"), ITO_E_ARG);
    assert_int_equal(err.status, ITO_E_ARG);
    assert_string_equal(err.message, "steps: is -3: use at least 1");
}

static void error_set_without_a_place_returns(void **state) {
    (void)state;
    assert_int_equal(ito_error_set(NULL, ITO_E_NOMEM, "memory: %s", "ran out"), ITO_E_NOMEM);
}

static void a_long_sentence_is_cut_and_terminated(void **state) {
    ito_error err;
    char longer[2 * sizeof err.message];
    (void)state;
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    ito_error_set(&err, ITO_E_IO, "%s", longer);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_of_its_own),
        cmocka_unit_test(a_status_out_of_range_is_unknown),
        cmocka_unit_test(error_set_fills_and_returns),
        cmocka_unit_test(error_set_without_a_place_returns),
        cmocka_unit_test(a_long_sentence_is_cut_and_terminated),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
