/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation: alignment, zeroes, overflow.
 */
#include "core/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void blocks_are_aligned_to_64_bytes(void **state) {
    (void)state;
    for (size_t count = 0; count < 200; count++) {
        unsigned char *p = ito__alloc(count, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 0xff, count);
        ito__free(p);
    }
}

static void calloc_gives_zeroes(void **state) {
    (void)state;
    for (int again = 0; again < 3; again++) { /* the second and third get a used block back */
        unsigned char *p = ito__calloc(1000, 7);
        assert_non_null(p);
        for (int i = 0; i < 7000; i++) assert_int_equal(p[i], 0);
        memset(p, 0xff, 7000);
        ito__free(p);
    }
}

static void sizes_past_memory_give_null(void **state) {
    (void)state;
    assert_null(ito__alloc(SIZE_MAX, 1));
    assert_null(ito__alloc((size_t)PTRDIFF_MAX + 1, 1));
    assert_null(ito__alloc(SIZE_MAX / 2 + 1, 2));  /* wraps to 0 */
    assert_null(ito__calloc(SIZE_MAX / 8 + 9, 8)); /* wraps to 64 */
}

static void mul_size_reports_overflow(void **state) {
    size_t product = 7;
    (void)state;
    assert_false(ito__mul_size(SIZE_MAX, 2, &product));
    assert_int_equal(product, 7);
    assert_true(ito__mul_size(SIZE_MAX, 1, &product));
    assert_true(product == SIZE_MAX);
    assert_true(ito__mul_size(0, SIZE_MAX, &product));
    assert_int_equal(product, 0);
}

static void strdup_copies(void **state) {
    char text[] = "drift";
    (void)state;
    char *copy = ito__strdup(text);
    text[0] = 'x';
    assert_string_equal(copy, "drift");
    ito__free(copy);
    ito__free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_to_64_bytes),
        cmocka_unit_test(calloc_gives_zeroes),
        cmocka_unit_test(sizes_past_memory_give_null),
        cmocka_unit_test(mul_size_reports_overflow),
        cmocka_unit_test(strdup_copies),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
