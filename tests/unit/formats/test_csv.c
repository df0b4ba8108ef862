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

/* ---- reading */

static void written_tables_read_back(void **state) {
    enum { N = 20000 };
    static const char *const names[] = {"x", "y"};
    double *x = calloc(N, 2 * sizeof *x), *read = NULL;
    int64_t n = 0, columns = 0;
    (void)state;
    assert_non_null(x);
    for (int k = 0; k < 2 * N; k++) x[k] = sin(k * 1.7) * pow(10, k % 600 - 300);
    assert_int_equal(ito_csv_write(scratch_path("b.csv"), N, 2, names, x, NULL), ITO_OK);
    assert_int_equal(ito_csv_read(scratch_path("b.csv"), &n, &columns, &read, NULL), ITO_OK);
    assert_int_equal(n, N);
    assert_int_equal(columns, 2);
    assert_memory_equal(read, x, 2 * N * sizeof *x);
    free(read);
    free(x);
}

static void spaces_and_line_ends_of_others_do_not_matter(void **state) {
    static const struct {
        const char *text;
        int64_t n, columns;
        double last;
    } cases[] = {
        {"1", 1, 1, 1},
        {"1,2\n3,4", 2, 2, 4},
        {"1,2\r\n3,4\r\n", 2, 2, 4},
        {" 1 ,\t2\n 3, 4e0 \n\n\n", 2, 2, 4},
        {"x, y\n1,-2\n", 1, 2, -2},
        {"speed (m/s),e5x,\n1,2,+.5\n", 1, 3, 0.5},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        int64_t n = 0, columns = 0;
        double *x = NULL;
        ito_error err = {0};
        scratch_write(scratch_path("c.csv"), cases[k].text, strlen(cases[k].text));
        if (ito_csv_read(scratch_path("c.csv"), &n, &columns, &x, &err) != ITO_OK)
            fail_msg("%s", err.message);
        assert_int_equal(n, cases[k].n);
        assert_int_equal(columns, cases[k].columns);
        assert_true(x[n * columns - 1] == cases[k].last);
        free(x);
    }
}

static void lines_that_are_no_rows_are_named(void **state) {
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "no rows"},
        {" \n\n", "no rows"},
        {"x,y\n", "no rows"},
        {"x,y\n1,2\n3\n4,5\n", ":3: has less than 2"},
        {"1,2\n3,4,5\n", ":2: has more than 2"},
        {"1,2\n\n3,4\n", ":2: has less than 2"},
        {"x\n1\n0x10\n", ":3: \"0x10\""},
        {"x\nnan\n", ":2: \"nan\""},
        {"x\n1e999\n", ":2: \"1e999\""},
        {"1,\n", ":1: \"\""},
        {"1,b\n2,3\n", ":1: \"b\""},
        {",,,,,,,,,,,,,,,,,,,,\n1\n1\n1\n1\n1\n1\n1\n1\n1\n", ":2: has less than 21"},
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        int64_t n = -1, columns = -1;
        double *x = NULL;
        ito_error err = {0};
        scratch_write(scratch_path("torn.csv"), cases[k].text, strlen(cases[k].text));
        assert_int_equal(ito_csv_read(scratch_path("torn.csv"), &n, &columns, &x, &err), ITO_E_FORMAT);
        if (!strstr(err.message, cases[k].says)) fail_msg("not \"%s\": %s", cases[k].says, err.message);
        assert_non_null(strstr(err.message, "torn.csv"));
        assert_null(x);
        assert_int_equal(n, -1);
    }
    double *x = NULL;
    int64_t n, columns;
    assert_int_equal(ito_csv_read(scratch_path("none.csv"), &n, &columns, &x, NULL), ITO_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_names_then_rows),
        cmocka_unit_test(long_tables_read_back_to_the_same_bits),
        cmocka_unit_test(written_tables_read_back),
        cmocka_unit_test(spaces_and_line_ends_of_others_do_not_matter),
        cmocka_unit_test(lines_that_are_no_rows_are_named),
        cmocka_unit_test(tables_of_no_or_too_many_columns_are_refused),
    };
    return cmocka_run_group_tests_name("csv", tests, scratch_make, scratch_remove);
}
