/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory running out at the first allocation of the library, then the second, and so on until a run meets no
 * fault: each run ends with NOMEM and a sentence, gives nothing back, and frees what it had taken.
 */
#include "core/memory.h"
#include "fixture.h"
#include "training/trainer.h"

static struct {
    int64_t fail_at, calls; /* the allocation that fails, counted from 1; 0: none */
    int64_t alive;          /* blocks not freed */
} fault;

void *__real_ito__alloc(size_t count, size_t size);
void *__real_ito__calloc(size_t count, size_t size);
char *__real_ito__strdup(const char *s);
void __real_ito__free(void *p);
void *__wrap_ito__alloc(size_t count, size_t size);
void *__wrap_ito__calloc(size_t count, size_t size);
char *__wrap_ito__strdup(const char *s);
void __wrap_ito__free(void *p);

static bool fails(void) {
    return ++fault.calls == fault.fail_at;
}

static void *counted(void *p) {
    fault.alive += p != NULL;
    return p;
}

void *__wrap_ito__alloc(size_t count, size_t size) {
    return fails() ? NULL : counted(__real_ito__alloc(count, size));
}

void *__wrap_ito__calloc(size_t count, size_t size) {
    return fails() ? NULL : counted(__real_ito__calloc(count, size));
}

char *__wrap_ito__strdup(const char *s) {
    return fails() ? NULL : counted(__real_ito__strdup(s));
}

void __wrap_ito__free(void *p) {
    fault.alive -= p != NULL;
    __real_ito__free(p);
}

typedef struct subject {
    fixture f;
    ito_trainer *t;
    char path[FIXTURE_PATH];
} subject;

/* Something that allocates and leaves no block behind. */
typedef ito_status (*attempt)(subject *s, ito_error *err);

static ito_status create(subject *s, ito_error *err) {
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

static ito_status save(subject *s, ito_error *err) {
    return ito_trainer_save(s->t, s->path, err);
}

static ito_status load(subject *s, ito_error *err) {
    return ito_trainer_load(s->t, s->path, err);
}

/* Fails every allocation of `run` in turn; the number of them. */
static int64_t walk(subject *s, attempt run) {
    ito_error err = {0};
    fault.fail_at = 0;
    fault.calls = 0;
    require(run(s, &err), &err);
    int64_t total = fault.calls, alive = fault.alive;
    for (int64_t n = 1; n <= total; n++) {
        err = (ito_error){0};
        fault.fail_at = n;
        fault.calls = 0;
        ito_status st = run(s, &err);
        fault.fail_at = 0;
        if (fault.alive != alive)
            fail_msg("allocation %lld: %lld blocks are left", (long long)n, (long long)(fault.alive - alive));
        if (st == ITO_OK) continue; /* a fallback needed no memory; its result is checked by the caller */
        if (st != ITO_E_NOMEM)
            fail_msg("allocation %lld: %s: %s", (long long)n, ito_status_name(st), err.message);
        assert_true(strlen(err.message) > 0);
        assert_int_equal(err.status, ITO_E_NOMEM);
    }
    return total;
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
    int64_t total = walk(&s, create);
    printf("%lld allocations failed in turn\n", (long long)total);
    assert_true(total > 10);
    subject_release(&s);
}

static void saving_and_loading_survive_every_failed_allocation(void **state) {
    (void)state;
    subject s = {0};
    subject_init(&s);
    run_steps(s.t, 3);
    int64_t saves = walk(&s, save);
    ito_error err = {0};
    require(ito_trainer_save(s.t, s.path, &err), &err);
    run_steps(s.t, 1);
    int64_t loads = walk(&s, load);
    printf("%lld allocations of save and %lld of load failed in turn\n", (long long)saves, (long long)loads);
    assert_int_equal(ito_trainer_steps(s.t), 3);
    subject_release(&s);
}

/* Drawing a batch from the data set has scratch of its own; the rest of a step has everything beforehand. */
static void a_step_allocates_nothing_beyond_its_data(void **state) {
    (void)state;
    enum { STEPS = 3 };
    subject s = {0};
    ito_error err = {0};
    float x[4 * FIXTURE_DIM];
    subject_init(&s);
    run_steps(s.t, 1);
    fault.calls = 0;
    require(ito_dataset_batch(s.f.data, 5, 0, 4, x, &err), &err);
    int64_t data = fault.calls;
    fault.calls = 0;
    run_steps(s.t, STEPS);
    printf("%lld allocations in three steps, of the data set %lld\n", (long long)fault.calls,
           (long long)(STEPS * data));
    assert_int_equal(fault.calls, STEPS * data);
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
