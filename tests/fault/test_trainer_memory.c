/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory running out at the first allocation of the library, then the second, and so on until a run meets no
 * fault: each run ends with NOMEM and a sentence, gives nothing back, and frees what it had taken.
 */
#include "fixture.h"
#include "support/failing_memory.h"
#include "training/trainer.h"

typedef struct subject {
    fixture f;
    ito_trainer *t;
    char path[FIXTURE_PATH];
} subject;

static ito_status create(void *self, ito_error *err) {
    subject *s = self;
    ito_trainer *t = (ito_trainer *)s; /* anything but NULL: a failure has to clear it */
    ito_trainer_options options = ito_trainer_default();
    options.micro_batch = 2;
    ito_status st = ito_trainer_create(&s->f.recipe, s->f.data, &options, &t, err);
    if (st == ITO_OK) {
        assert_non_null(t);
    } else {
        assert_null(t);
    }
    ito_trainer_free(t);
    return st;
}

static ito_status save(void *self, ito_error *err) {
    subject *s = self;
    return ito_trainer_save(s->t, s->path, err);
}

static ito_status load(void *self, ito_error *err) {
    subject *s = self;
    return ito_trainer_load(s->t, s->path, err);
}

/* One level only: the walk costs the square of the network's size. */
static void subject_init(subject *s) {
    ito_error err = {0};
    fixture_init(&s->f);
    require(ito_recipe_set(&s->f.recipe, "network.ch_mult=[1]", &err), &err);
    require(ito_recipe_set(&s->f.recipe, "network.attn_resolutions=[8]", &err), &err);
    snprintf(s->path, sizeof s->path, "%s", fixture_path(&s->f, "checkpoint.safetensors"));
    s->t = fixture_trainer(&s->f, 0);
}

static void subject_release(subject *s) {
    ito_trainer_free(s->t);
    fixture_release(&s->f);
}

static void creating_a_trainer_survives_every_failed_allocation(void **state) {
    (void)state;
    subject s = {0};
    subject_init(&s);
    int64_t total = walk_failed_allocations(create, &s);
    printf("%lld allocations failed in turn\n", (long long)total);
    assert_true(total > 10);
    subject_release(&s);
}

static void saving_and_loading_survive_every_failed_allocation(void **state) {
    (void)state;
    subject s = {0};
    subject_init(&s);
    run_steps(s.t, 3);
    int64_t saves = walk_failed_allocations(save, &s);
    ito_error err = {0};
    require(ito_trainer_save(s.t, s.path, &err), &err);
    run_steps(s.t, 1);
    int64_t loads = walk_failed_allocations(load, &s);
    printf("%lld allocations of save and %lld of load failed in turn\n", (long long)saves, (long long)loads);
    assert_int_equal(ito_trainer_steps(s.t), 3);
    subject_release(&s);
}

enum { STEPS = 3 };

static ito_status draw_batch(void *self, ito_error *err) {
    subject *s = self;
    float x[4 * FIXTURE_DIM];
    return ito_dataset_batch(s->f.data, 5, 0, 4, x, err);
}

static ito_status take_steps(void *self, ito_error *err) {
    subject *s = self;
    (void)err;
    run_steps(s->t, STEPS);
    return ITO_OK;
}

/* Drawing a batch from the data set has scratch of its own; the rest of a step has everything beforehand. */
static void a_step_allocates_nothing_beyond_its_data(void **state) {
    (void)state;
    subject s = {0};
    subject_init(&s);
    run_steps(s.t, 1);
    const int64_t data = count_allocations(draw_batch, &s), steps = count_allocations(take_steps, &s);
    printf("%lld allocations in three steps, of the data set %lld\n", (long long)steps,
           (long long)(STEPS * data));
    assert_int_equal(steps, STEPS * data);
    subject_release(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creating_a_trainer_survives_every_failed_allocation),
        cmocka_unit_test(saving_and_loading_survive_every_failed_allocation),
        cmocka_unit_test(a_step_allocates_nothing_beyond_its_data),
    };
    return cmocka_run_group_tests_name("fault_memory", tests, NULL, NULL);
}
