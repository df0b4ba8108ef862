/* SPDX-License-Identifier: Apache-2.0
 *
 * ito_tuning: its text, and when a plan looks up, measures, or does neither. That every implementation which
 * it may choose computes the same is the business of tests/ops/test_conv_choices.
 */
#include "engine/conv_tuned.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

static ito_tuning *new_tuning(void) {
    ito_tuning *t;
    ito_error err = {0};
    require(ito_tuning_create(&t, &err), &err);
    return t;
}

static void set(ito_tuning *t, const char *key, const char *choice) {
    ito_error err = {0};
    require(ito__tuning_set(t, key, choice, &err), &err);
}

static int count(const ito_tuning *t) {
    char *text = ito_tuning_text(t);
    int lines = -1; /* the first is no entry */
    assert_non_null(text);
    for (const char *c = text; *c; c++) lines += *c == '\n';
    free(text);
    return lines;
}

/* ---- text ---- */

static const char sample[] =
    "ito-tuning 1\nsome machine\tconv a\tdirect f32 ours x\nother\tconv b\twinograd\n";

static void a_text_comes_back_as_it_went(void **state) {
    (void)state;
    ito_tuning *t = new_tuning(), *u = new_tuning();
    ito_error err = {0};
    set(t, "m\twork one", "first");
    set(t, "m\twork two", "second");
    set(t, "m\twork one", "better");
    char *text = ito_tuning_text(t);
    require(ito_tuning_add(u, text, &err), &err);
    assert_string_equal(ito__tuning_find(u, "m\twork one"), "better");
    assert_string_equal(ito__tuning_find(u, "m\twork two"), "second");
    assert_null(ito__tuning_find(u, "m\twork"));
    char *again = ito_tuning_text(u);
    assert_string_equal(text, again);
    assert_int_equal(ito_tuning_measured(t), 3);
    assert_int_equal(ito_tuning_measured(u), 0);
    free(text);
    free(again);
    ito_tuning_free(t);
    ito_tuning_free(u);
}

static void what_is_known_stays_and_other_machines_are_kept(void **state) {
    (void)state;
    ito_tuning *t = new_tuning();
    ito_error err = {0};
    set(t, "some machine\tconv a", "mine");
    require(ito_tuning_add(t, sample, &err), &err);
    assert_string_equal(ito__tuning_find(t, "some machine\tconv a"), "mine");
    assert_string_equal(ito__tuning_find(t, "other\tconv b"), "winograd");
    assert_int_equal(count(t), 2);
    ito_tuning_free(t);
}

/* Cut anywhere, or with any byte replaced, a text is taken whole or not at all. */
static void damaged_texts_are_refused_whole(void **state) {
    (void)state;
    const size_t length = sizeof sample - 1;
    char copy[sizeof sample];
    int refused = 0, taken = 0;
    for (size_t i = 0; i < length; i++)
        for (int byte = 0; byte < 128; byte++) {
            ito_tuning *t = new_tuning();
            ito_error err = {0};
            memcpy(copy, sample, sizeof sample);
            copy[i] = (char)byte; /* 0 cuts */
            ito_status st = ito_tuning_add(t, copy, &err);
            if (st == ITO_OK) {
                taken++;
            } else {
                assert_int_equal(st, ITO_E_FORMAT);
                assert_int_equal(count(t), 0);
                refused++;
            }
            /* Only what an entry says may change; a cut after a line is a shorter text. */
            if (byte < ' ' || byte > '~')
                assert_true(st != ITO_OK || copy[i] == sample[i] || copy[i - 1] == '\n');
            ito_tuning_free(t);
        }
    print_message("%d damaged texts refused, %d read as other entries\n", refused, taken);
    assert_true(refused > 3000);
}

static void a_table_forgets_its_oldest_entries_and_its_text_stays_small(void **state) {
    (void)state;
    enum { MANY = 3000 };
    ito_tuning *t = new_tuning();
    char key[64];
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "m\twork %d", i);
        set(t, key, "x");
    }
    assert_null(ito__tuning_find(t, "m\twork 0"));
    assert_non_null(ito__tuning_find(t, key));
    char *text = ito_tuning_text(t);
    print_message("%d entries of %d, %zu bytes, bound %zu\n", count(t), MANY, strlen(text), ITO_TUNING_BYTES);
    assert_true(count(t) < MANY && strlen(text) < ITO_TUNING_BYTES);
    free(text);
    ito_tuning_free(t);
}

/* ---- plans ---- */

/* Two convolutions of one shape and one of another, with both their gradients. */
enum { OUTPUTS = 4, SHAPES = 2 * 3 };
typedef struct setting {
    ito_graph *g;
    ito_node *outputs[OUTPUTS];
} setting;

static setting begin(void) {
    setting s;
    ito_error err = {0};
    require(ito_graph_create(&s.g, &err), &err);
    ito_node *x = ito_input(s.g, "x", ITO_SHAPE(2, 16, 8, 8)), *w[3];
    w[0] = ito_param(s.g, "a", ITO_SHAPE(16, 16, 3, 3), ito_init_zeros());
    w[1] = ito_param(s.g, "b", ITO_SHAPE(16, 16, 3, 3), ito_init_zeros());
    w[2] = ito_param(s.g, "c", ITO_SHAPE(3, 16, 3, 3), ito_init_zeros());
    ito_node *y = x;
    for (int i = 0; i < 3; i++) y = ito_conv2d(y, w[i], NULL, ito_conv_same(3));
    s.outputs[0] = y;
    ito_gradients(ito_sum(ito_square(y)), NULL, 3, w, s.outputs + 1);
    return s;
}

static void plan(const setting *s, ito_plan_options options) {
    ito_plan *p;
    ito_error err = {0};
    require(ito_plan_create(s->g, OUTPUTS, (ito_node *const *)s->outputs, &options, &p, &err), &err);
    ito_plan_free(p);
}

/* A busy machine may leave a convolution untimed, so plans are made until `expected` are: 200 times at most.
 */
static void expect_measured(const setting *s, ito_plan_options options, int64_t expected) {
    for (int i = 0; i < 200 && ito_tuning_measured(options.tuning) < expected; i++) plan(s, options);
    assert_int_equal(ito_tuning_measured(options.tuning), expected);
}

static void every_shape_is_measured_once(void **state) {
    (void)state;
    setting s = begin();
    ito_plan_options options = ito_plan_default();
    options.threads = 1;
    options.tuning = new_tuning();
    expect_measured(&s, options, SHAPES);
    plan(&s, options);
    assert_int_equal(ito_tuning_measured(options.tuning), SHAPES);
    options.frozen =
        true; /* another question; one answer will do, where nothing is timed on a busy machine */
    for (int i = 0; i < 200 && ito_tuning_measured(options.tuning) == SHAPES; i++) plan(&s, options);
    assert_true(ito_tuning_measured(options.tuning) > SHAPES);
    ito_tuning_free(options.tuning);
    ito_graph_free(s.g);
}

static void exact_plans_plans_of_sizes_and_lookers_measure_nothing(void **state) {
    (void)state;
    setting s = begin();
    ito_plan_options options[3];
    ito_tuning *t = new_tuning();
    for (int i = 0; i < 3; i++) {
        options[i] = ito_plan_default();
        options[i].tuning = t;
    }
    options[0].exact = true;
    options[1].sizes_only = true;
    for (int i = 0; i < 3; i++) {
        ito_tuning_measure(t, i < 2);
        plan(&s, options[i]);
        assert_int_equal(ito_tuning_measured(t), 0);
    }
    ito_tuning_free(t);
    ito_graph_free(s.g);
}

static void a_choice_that_does_not_exist_is_measured_anew(void **state) {
    (void)state;
    setting s = begin();
    ito_plan_options options = ito_plan_default();
    options.threads = 1;
    options.tuning = new_tuning();
    expect_measured(&s, options, SHAPES);
    char *text = ito_tuning_text(options.tuning);
    for (char *c = strchr(text, '\n'); (c = strchr(c + 1, '\n')) != NULL;)
        c[-1] = '?'; /* "jit:avx2" to "jit:avx?" */
    ito_tuning *t = new_tuning();
    ito_error err = {0};
    require(ito_tuning_add(t, text, &err), &err);
    ito_tuning_free(options.tuning);
    options.tuning = t;
    expect_measured(&s, options, SHAPES);
    assert_int_equal(count(t), SHAPES);
    free(text);
    ito_tuning_free(t);
    ito_graph_free(s.g);
}

/* By the name of the work: timings on two threads would wait for a machine that leaves both alone. */
static void a_number_of_threads_is_part_of_the_question(void **state) {
    (void)state;
    setting s = begin();
    ito_tuning *t = new_tuning();
    ito_error err = {0};
    ito_plan *p;
    char one[ITO__TUNING_KEY], two[ITO__TUNING_KEY], again[ITO__TUNING_KEY];
    require(ito_plan_create(s.g, 1, s.outputs, NULL, &p, &err), &err);
    omp_set_num_threads(1);
    ito__name_conv_work(p, t, s.outputs[0], one);
    omp_set_num_threads(2);
    ito__name_conv_work(p, t, s.outputs[0], two);
    omp_set_num_threads(1);
    ito__name_conv_work(p, t, s.outputs[0], again);
    assert_string_not_equal(one, two);
    assert_string_equal(one, again);
    ito_plan_free(p);
    ito_tuning_free(t);
    ito_graph_free(s.g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_comes_back_as_it_went),
        cmocka_unit_test(what_is_known_stays_and_other_machines_are_kept),
        cmocka_unit_test(damaged_texts_are_refused_whole),
        cmocka_unit_test(a_table_forgets_its_oldest_entries_and_its_text_stays_small),
        cmocka_unit_test(every_shape_is_measured_once),
        cmocka_unit_test(a_number_of_threads_is_part_of_the_question),
        cmocka_unit_test(exact_plans_plans_of_sizes_and_lookers_measure_nothing),
        cmocka_unit_test(a_choice_that_does_not_exist_is_measured_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
