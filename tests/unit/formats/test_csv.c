/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables: the text, and the same bits when it is read back.
 */
#include "unit/formats/scratch.h"

#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char *written(const char *path) {
    size_t length;
    char *text = (char *)scratch_read(path, &length); /* has room for one byte more */
    text[length] = '\0';
    return text;
}

static void a_table_is_names_then_rows(void **state) {
    static const char *const names[] = {"x", "y", "z"};
    const double x[] = {1, -2.5, 0, 1e300, -0.0, NAN};
    (void)state;
    assert_int_equal(ito_csv_write(scratch_path("t.csv"), 2, 3, names, x, NULL), ITO_OK);
    char *text = written(scratch_path("t.csv"));
    assert_string_equal(text, "x,y,z\n1,-2.5,0\n1.0000000000000001e+300,-0,nan\n");
    free(text);
    assert_int_equal(ito_csv_write(scratch_path("t.csv"), 0, 3, names, NULL, NULL), ITO_OK);
    text = written(scratch_path("t.csv"));
    assert_string_equal(text, "x,y,z\n");
    free(text);
}

static void long_tables_read_back_to_the_same_bits(void **state) {
    enum { N = 20000 };
    static const char *const names[] = {"x", "y"};
    double *x = calloc(N, 2 * sizeof *x);
    (void)state;
    assert_non_null(x);
    for (int k = 0; k < 2 * N; k++) x[k] = sin(k * 1.7) * pow(10, k % 60 - 30);
    assert_int_equal(ito_csv_write(scratch_path("long.csv"), N, 2, names, x, NULL), ITO_OK);
    char *text = written(scratch_path("long.csv")), *next = strchr(text, '\n') + 1;
    for (int k = 0; k < 2 * N; k++) {
        assert_true(strtod(next, &next) == x[k]);
        assert_int_equal(*next++, k % 2 == 0 ? ',' : '\n');
    }
    assert_int_equal(*next, 0);
    free(text);
    free(x);
}

static void tables_of_no_or_too_many_columns_are_refused(void **state) {
    static const char *const names[] = {"x"};
    const double x[] = {1};
    const int columns[] = {0, -1, 129};
    (void)state;
    for (int k = 0; k < 3; k++) {
        ito_error err;
        assert_int_equal(ito_csv_write(scratch_path("bad.csv"), 1, columns[k], names, x, &err), ITO_E_SHAPE);
        assert_non_null(strstr(err.message, "bad.csv"));
        assert_int_not_equal(access(scratch_path("bad.csv"), F_OK), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_names_then_rows),
        cmocka_unit_test(long_tables_read_back_to_the_same_bits),
        cmocka_unit_test(tables_of_no_or_too_many_columns_are_refused),
    };
    return cmocka_run_group_tests_name("csv", tests, scratch_make, scratch_remove);
}
