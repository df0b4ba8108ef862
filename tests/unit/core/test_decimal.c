/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text: short, exact, and with a point in every locale.
 */
#include "core/decimal.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void written(double x, const char *expected) {
    char text[ITO__DECIMAL_TEXT], *end;
    ito__decimal_write(x, text);
    if (expected) assert_string_equal(text, expected);
    assert_true(ito__decimal_read(text, &end) == x && *end == '\0');
}

static void check_numbers(void) {
    written(0.1, "0.1");
    written(-0.999, "-0.999");
    written(20000, "20000");
    written(1e-5, "1e-05");
    written(1.0 / 3, NULL);
    written(DBL_MAX, NULL);
    written(-DBL_MIN / 3, NULL);
    written(nextafter(1, 2), "1.0000000000000002");
}

static void numbers_read_back_as_they_were(void **state) {
    (void)state;
    check_numbers();
}

/* Where one of these locales is there: a plain system has none. */
static void a_locale_with_commas_changes_nothing(void **state) {
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8", "de_DE"};
    (void)state;
    for (size_t i = 0; i < sizeof commas / sizeof *commas; i++) {
        if (!setlocale(LC_ALL, commas[i])) continue;
        assert_true(strtod("0,5", NULL) == 0.5);
        check_numbers();
        setlocale(LC_ALL, "C");
        return;
    }
    skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_read_back_as_they_were),
                                       cmocka_unit_test(a_locale_with_commas_changes_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
