/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: exact resumption, and refusal of whatever is not a whole checkpoint of the same network.
 */
#include "fixture.h"
#include "training/trainer.h"

static void save(const ito_trainer *t, const char *path) {
    ito_error err = {0};
    require(ito_trainer_save(t, path, &err), &err);
}

static void assert_trainers_equal(ito_trainer *a, ito_trainer *b) {
    assert_params_equal(a->live, b->live);
    assert_params_equal(a->ema, b->ema);
    assert_params_equal(a->adam_m, b->adam_m);
    assert_params_equal(a->adam_v, b->adam_v);
    assert_memory_equal(&a->count, &b->count, sizeof a->count);
}

/* k + m steps against k steps, save, load into a fresh trainer, m steps. */
static void check_resumption(const fixture *f, int64_t micro_batch) {
    enum { K = 5, M = 4 };
    ito_error err = {0};
    const char *path = fixture_path(f, "checkpoint.safetensors");
    ito_trainer *through = fixture_trainer(f, micro_batch), *first = fixture_trainer(f, micro_batch);
    run_steps(first, K);
    save(first, path);
    ito_trainer_free(first);

    ito_trainer *second = fixture_trainer(f, micro_batch);
    run_steps(second, 2); /* whatever it did before must not matter */
    require(ito_trainer_load(second, path, &err), &err);
    assert_int_equal(ito_trainer_steps(second), K);
    ito_step_report resumed = run_steps(second, M), straight = run_steps(through, K + M);
    assert_trainers_equal(through, second);
    assert_true(resumed.loss == straight.loss && resumed.grad_norm == straight.grad_norm);
    ito_trainer_free(second);
    ito_trainer_free(through);
}

static void resuming_continues_bit_for_bit(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    check_resumption(&f, 0);
    check_resumption(&f, 2);
    fixture_release(&f);
}

/* What ito convert makes of a checkpoint resumes as the checkpoint itself does. */
static void a_converted_checkpoint_continues_bit_for_bit(void **state) {
    (void)state;
    fixture f = {0};
    ito_error err = {0};
    ito_convert_report report;
    const ito_convert_options o = {.content = ITO_CONVERT_CHECKPOINT};
    fixture_init(&f);
    ito_trainer *through = fixture_trainer(&f, 0), *resumed = fixture_trainer(&f, 0);
    run_steps(through, 5);
    through->count.ema_updates = 900; /* as a published checkpoint may have it */
    save(through, fixture_path(&f, "checkpoint.safetensors"));
    require(ito_model_convert(fixture_path(&f, "checkpoint.safetensors"), NULL,
                              fixture_path(&f, "converted.safetensors"), &o, &report, &err),
            &err);
    assert_true(report.moments && report.step == 5);
    require(ito_trainer_load(resumed, fixture_path(&f, "converted.safetensors"), &err), &err);
    assert_trainers_equal(through, resumed);
    run_steps(through, 3);
    run_steps(resumed, 3);
    assert_trainers_equal(through, resumed);
    assert_int_equal(resumed->count.ema_updates, 903);
    ito_trainer_free(resumed);
    ito_trainer_free(through);
    fixture_release(&f);
}

/* A Fourier embedding brings a buffer, which is stored but has no moments. */
static void buffers_travel_with_a_checkpoint(void **state) {
    (void)state;
    fixture f = {0};
    ito_error err = {0};
    fixture_init(&f);
    require(ito_recipe_set(&f.recipe, "sde.type=ve", &err), &err);
    require(ito_recipe_set(&f.recipe, "network.embedding_type=fourier", &err), &err);
    check_resumption(&f, 0);
    ito_tensor_file *file = NULL;
    require(ito_safetensors_open(fixture_path(&f, "checkpoint.safetensors"), &file, &err), &err);
    assert_non_null(ito_tensor_file_find(file, "live/all_modules.0.W"));
    assert_non_null(ito_tensor_file_find(file, "ema/all_modules.0.W"));
    assert_null(ito_tensor_file_find(file, "adam_m/all_modules.0.W"));
    ito_tensor_file_close(file);
    fixture_release(&f);
}

static void skipped_steps_are_remembered(void **state) {
    (void)state;
    fixture f = {0};
    ito_error err = {0};
    fixture_init(&f);
    ito_trainer *a = fixture_trainer(&f, 0), *b = fixture_trainer(&f, 0);
    a->count = (ito__counters){
        .step = 70, .images = 280, .updates = 66, .skipped = 4, .skipped_in_a_row = 3, .ema_updates = 67};
    const char *path = fixture_path(&f, "checkpoint.safetensors");
    save(a, path);
    require(ito_trainer_load(b, path, &err), &err);
    assert_trainers_equal(a, b);
    ito_trainer_free(b);
    ito_trainer_free(a);
    fixture_release(&f);
}

static void a_model_can_be_loaded_from_a_checkpoint(void **state) {
    (void)state;
    fixture f = {0};
    ito_error err = {0};
    fixture_init(&f);
    ito_trainer *t = fixture_trainer(&f, 0);
    run_steps(t, 4);
    const char *path = fixture_path(&f, "checkpoint.safetensors");
    save(t, path);
    ito_model *ema = NULL, *live = NULL;
    require(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &ema, &err), &err);
    require(ito_model_load(path, ITO_WEIGHTS_LIVE, NULL, &live, &err), &err);
    assert_params_equal(ema->params, t->ema);
    assert_params_equal(live->params, t->live);
    assert_int_equal(ema->step, 4);
    assert_int_equal(ema->images, 16);
    assert_int_equal(ema->recipe.network.nf, 8);
    ito_model_free(live);
    ito_model_free(ema);
    ito_trainer_free(t);
    fixture_release(&f);
}

/* Saves from the fixture's recipe, then tries to load it into a trainer of the recipe changed by
 * `assignment`. */
static ito_status load_after(const fixture *f, const char *assignment, ito_error *err) {
    fixture other = *f;
    const char *path = fixture_path(f, "checkpoint.safetensors");
    ito_trainer *t = fixture_trainer(f, 0);
    save(t, path);
    ito_trainer_free(t);
    require(ito_recipe_set(&other.recipe, assignment, err), err);
    t = fixture_trainer(&other, 0);
    ito_status st = ito_trainer_load(t, path, err);
    ito_trainer_free(t);
    return st;
}

static void another_network_sde_or_objective_is_named(void **state) {
    (void)state;
    const char *const cases[][3] = {
        {"network.nf=16", "network", "\"nf: 8\" where this run has \"nf: 16\""},
        {"network.dropout=0.2", "network", "dropout: 0.2"},
        {"network.skip_rescale=false", "network", "skip_rescale: true"},
        {"sde.beta_max=10", "sde", "\"beta_max: 20\" where this run has \"beta_max: 10\""},
        {"objective.likelihood_weighting=true", "objective", "likelihood_weighting: false"},
    };
    fixture f = {0};
    fixture_init(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ito_error err = {0};
        assert_int_equal(load_after(&f, cases[i][0], &err), ITO_E_FORMAT);
        printf("%s\n", err.message);
        assert_non_null(strstr(err.message, cases[i][1]));
        assert_non_null(strstr(err.message, cases[i][2]));
    }
    fixture_release(&f);
}

static void settings_of_a_session_may_change(void **state) {
    (void)state;
    const char *const cases[] = {"training.lr=1e-5", "training.steps=7",       "sampling.steps=10",
                                 "name=other",       "data.random_flip=false", "training.batch_size=2"};
    fixture f = {0};
    fixture_init(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ito_error err = {0};
        require(load_after(&f, cases[i], &err), &err);
    }
    fixture_release(&f);
}

static void copy_prefix(const char *from, const char *to, size_t length) {
    char *bytes = NULL;
    size_t size = 0;
    ito_error err = {0};
    require(ito_file_read(from, (size_t)1 << 30, &bytes, &size, &err), &err);
    FILE *out = fopen(to, "wb"); /* not ito_file_write: a cut file must be able to exist */
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, length < size ? length : size, out), length < size ? length : size);
    assert_int_equal(fclose(out), 0);
    free(bytes);
}

static size_t file_size(const char *path) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    fclose(f);
    return (size_t)size;
}

static void a_checkpoint_cut_short_is_refused_and_changes_nothing(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    ito_trainer *t = fixture_trainer(&f, 0), *untouched = fixture_trainer(&f, 0);
    run_steps(t, 2);
    char whole[FIXTURE_PATH], cut[FIXTURE_PATH];
    snprintf(whole, sizeof whole, "%s", fixture_path(&f, "whole.safetensors"));
    snprintf(cut, sizeof cut, "%s", fixture_path(&f, "cut.safetensors"));
    save(t, whole);
    ito_trainer_free(t);

    t = fixture_trainer(&f, 0);
    size_t size = file_size(whole), refused = 0;
    for (size_t length = 0; length < size; length += length < 24 ? 1 : size / 61) {
        ito_error err = {0};
        copy_prefix(whole, cut, length);
        ito_status st = ito_trainer_load(t, cut, &err);
        if (st != ITO_E_FORMAT)
            fail_msg("cut at %zu of %zu: %s %s", length, size, ito_status_name(st), err.message);
        assert_non_null(strstr(err.message, cut));
        refused++;
    }
    ito_error err = {0};
    copy_prefix(whole, cut, size - 1);
    assert_int_equal(ito_trainer_load(t, cut, &err), ITO_E_FORMAT);
    printf("%zu lengths refused, the last with: %s\n", refused + 1, err.message);
    assert_trainers_equal(t, untouched);
    ito_trainer_free(untouched);
    ito_trainer_free(t);
    fixture_release(&f);
}

/* What `ito train --resume` does after a crash of the file system: the newest file is damaged, the one before
 * it is used. */
static void the_older_checkpoint_is_used_when_the_newest_is_damaged(void **state) {
    (void)state;
    fixture f = {0};
    ito_error err = {0};
    fixture_init(&f);
    ito_trainer *t = fixture_trainer(&f, 0), *resumed = fixture_trainer(&f, 0);
    char older[FIXTURE_PATH], newer[FIXTURE_PATH], *path = NULL, *skipped = NULL;
    snprintf(older, sizeof older, "%s", fixture_path(&f, "step-00000002.safetensors"));
    snprintf(newer, sizeof newer, "%s", fixture_path(&f, "step-00000004.safetensors"));
    run_steps(t, 2);
    save(t, older);
    run_steps(t, 2);
    save(t, newer);
    copy_prefix(newer, newer, file_size(newer) / 2);

    require(ito_checkpoint_newest(f.folder, &path, &skipped, &err), &err);
    assert_string_equal(path, older);
    assert_non_null(skipped);
    assert_non_null(strstr(skipped, "step-00000004.safetensors"));
    require(ito_trainer_load(resumed, path, &err), &err);
    run_steps(resumed, 2);
    assert_trainers_equal(t, resumed);
    free(skipped);
    free(path);
    ito_trainer_free(resumed);
    ito_trainer_free(t);
    fixture_release(&f);
}

/* Whole safetensors files that are no checkpoint of this trainer: one tensor and chosen metadata. */
static void files_of_another_kind_are_refused_with_their_fault(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    ito_trainer *t = fixture_trainer(&f, 0);
    const ito_metadata format = {"format", "ito checkpoint 1"}, recipe = {"recipe", t->recipe_text};
    const ito_metadata count[] = {
        {"step", "1"}, {"images", "4"}, {"updates", "1"}, {"skipped", "0"}, {"skipped_in_a_row", "0"}};
    const struct {
        int n;
        ito_metadata metadata[7];
        const char *fault;
    } cases[] = {
        {0, {{NULL, NULL}}, "is no checkpoint"},
        {1, {{"format", "ito checkpoint 9"}}, "\"ito checkpoint 9\""},
        {1, {format}, "holds no recipe"},
        {2, {format, {"recipe", "network: [1"}}, "not valid YAML"},
        {2, {format, recipe}, "\"step\" is missing"},
        {3, {format, recipe, {"step", "12x"}}, "\"step\" is 12x"},
        {3, {format, recipe, {"step", "-3"}}, "\"step\" is -3"},
        {3, {format, recipe, {"step", "99999999999999999999"}}, "\"step\" is 9999"},
        {7, {format, recipe, count[0], count[1], count[2], count[3], count[4]}, "is missing"},
    };
    const float value = 1;
    const ito_tensor tensor = {
        .name = "x", .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {1}, .count = 1, .data = &value};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = fixture_path(&f, "other.safetensors");
        ito_error err = {0};
        require(ito_safetensors_write(path, 1, &tensor, cases[i].n, cases[i].metadata, &err), &err);
        assert_int_equal(ito_trainer_load(t, path, &err), ITO_E_FORMAT);
        if (!strstr(err.message, cases[i].fault)) fail_msg("expected %s in: %s", cases[i].fault, err.message);
    }
    ito_trainer_free(t);
    fixture_release(&f);
}

/* The last tensor of the file is at fault, after hundreds of good ones: none of those may be taken over. */
static void a_tensor_of_another_shape_is_refused_and_changes_nothing(void **state) {
    (void)state;
    fixture f = {0};
    ito_error err = {0};
    fixture_init(&f);
    ito_trainer *trained = fixture_trainer(&f, 0), *t = fixture_trainer(&f, 0),
                *untouched = fixture_trainer(&f, 0);
    run_steps(trained, 3);
    const char *path = fixture_path(&f, "checkpoint.safetensors");
    save(trained, path);
    ito_tensor_file *file = NULL;
    require(ito_safetensors_open(path, &file, &err), &err);
    int n = ito_tensor_file_count(file), m = ito_tensor_file_metadata_count(file);
    ito_tensor *tensors = calloc((size_t)n, sizeof *tensors);
    ito_metadata *metadata = calloc((size_t)m, sizeof *metadata);
    assert_true(tensors && metadata);
    for (int i = 0; i < n; i++) tensors[i] = *ito_tensor_file_at(file, i);
    for (int i = 0; i < m; i++) metadata[i] = ito_tensor_file_metadata_at(file, i);
    tensors[n - 1].rank = 2; /* as many values, in a column */
    tensors[n - 1].dim[0] = tensors[n - 1].count;
    tensors[n - 1].dim[1] = 1;
    const char *other = fixture_path(&f, "other.safetensors");
    require(ito_safetensors_write(other, n, tensors, m, metadata, &err), &err);
    assert_int_equal(ito_trainer_load(t, other, &err), ITO_E_FORMAT);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, tensors[n - 1].name));
    assert_non_null(strstr(err.message, ", expected F32 ["));
    assert_trainers_equal(t, untouched);
    free(metadata);
    free(tensors);
    ito_tensor_file_close(file);
    ito_trainer_free(untouched);
    ito_trainer_free(t);
    ito_trainer_free(trained);
    fixture_release(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resuming_continues_bit_for_bit),
        cmocka_unit_test(a_converted_checkpoint_continues_bit_for_bit),
        cmocka_unit_test(buffers_travel_with_a_checkpoint),
        cmocka_unit_test(skipped_steps_are_remembered),
        cmocka_unit_test(a_model_can_be_loaded_from_a_checkpoint),
        cmocka_unit_test(another_network_sde_or_objective_is_named),
        cmocka_unit_test(settings_of_a_session_may_change),
        cmocka_unit_test(a_checkpoint_cut_short_is_refused_and_changes_nothing),
        cmocka_unit_test(the_older_checkpoint_is_used_when_the_newest_is_damaged),
        cmocka_unit_test(files_of_another_kind_are_refused_with_their_fault),
        cmocka_unit_test(a_tensor_of_another_shape_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests_name("training_checkpoint", tests, NULL, NULL);
}
