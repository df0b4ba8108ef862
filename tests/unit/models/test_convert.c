/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversions: every set of a published checkpoint arrives under ito's names with the same bits, counters
 * keep their meaning, files of other tools are taken, and what fails leaves nothing behind.
 *
 * Sources are safetensors with the names that the .pth reader gives; test_pth.c holds that reader to its own.
 */
#include "unit/formats/scratch.h"

#include <ito/engine.h>
#include <ito/formats.h>
#include <ito/recipe.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOST = 600, NAME = 200 };

static ito_recipe recipe(void) {
    ito_recipe r = ito_recipe_default();
    r.data.image_size = r.network.image_size = 8;
    r.network.nf = 8;
    r.network.channels = r.data.channels;
    r.network.levels = 2;
    r.network.num_res_blocks = 1;
    r.network.attn_count = 0;
    r.training.batch_size = 16;
    return r;
}

/* A file to be: tensors of the recipe's network under prefixes. Set k of parameters is drawn from seed k. */
typedef struct source {
    int n;
    ito_tensor tensors[MOST];
    char names[MOST][NAME];
    void *data[MOST]; /* free() */
    ito_params *sets[4];
} source;

static const char *const prefixes[4] = {"model/", "ema/", "adam_m/", "adam_v/"};

static void add(source *s, const char *prefix, ito_params *p, int i, ito_dtype dtype) {
    ito_shape shape = ito_params_shape(p, i);
    int64_t count = ito_shape_count(shape);
    const float *values = ito_params_data(p, i);
    assert_true(s->n < MOST);
    void *data = calloc((size_t)count + 1, 8);
    for (int64_t k = 0; k < count; k++) {
        if (dtype == ITO_DTYPE_F64) ((double *)data)[k] = (double)values[k];
        if (dtype == ITO_DTYPE_F32) ((float *)data)[k] = values[k];
    }
    if (dtype == ITO_DTYPE_BF16) ito_bf16_from_f32(count, values, data);
    snprintf(s->names[s->n], NAME, "%s%s", prefix, ito_params_name(p, i));
    ito_tensor *t = &s->tensors[s->n];
    *t = (ito_tensor){
        .name = s->names[s->n], .dtype = dtype, .rank = shape.rank, .count = count, .data = data};
    memcpy(t->dim, shape.dim, (size_t)shape.rank * sizeof *t->dim);
    s->data[s->n++] = data;
}

/* The first `sets` of model, ema, adam_m and adam_v. */
static source *make_source(int sets, ito_dtype dtype) {
    ito_error err = {0};
    ito_recipe r = recipe();
    source *s = calloc(1, sizeof *s);
    for (int k = 0; k < sets; k++) {
        if (ito_recipe_params(&r, &s->sets[k], &err) != ITO_OK) fail_msg("%s", err.message);
        ito_params_init(s->sets[k], (uint64_t)k + 1);
        for (int i = 0; i < ito_params_count(s->sets[k]); i++)
            if (k < 2 || ito_params_trainable(s->sets[k], i)) add(s, prefixes[k], s->sets[k], i, dtype);
    }
    return s;
}

static void drop(source *s) {
    for (int i = 0; i < s->n; i++) free(s->data[i]);
    for (int k = 0; k < 4; k++) ito_params_free(s->sets[k]);
    free(s);
}

static void write_source(const source *s, const char *path) {
    static const ito_metadata pairs[] = {
        {"step", "2501"}, {"ema_num_updates", "2400"}, {"adam_step", "7"}, {"written_by", "another tool"}};
    ito_error err = {0};
    if (ito_safetensors_write(path, s->n, s->tensors, 4, pairs, &err) != ITO_OK) fail_msg("%s", err.message);
}

static ito_status convert(const char *from, const char *to, ito_convert_content content, bool bf16,
                          ito_convert_report *report, ito_error *err) {
    const ito_recipe r = recipe();
    const ito_convert_options o = {.content = content, .bf16 = bf16};
    return ito_model_convert(from, &r, to, &o, report, err);
}

/* The largest difference between the file's tensors under a prefix and a set, relative to the set's values.
 */
static double worst(const char *path, const char *prefix, ito_params *set, bool trainable_only) {
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    double most = 0;
    if (ito_safetensors_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    for (int i = 0; i < ito_params_count(set); i++) {
        char name[NAME];
        if (trainable_only && !ito_params_trainable(set, i)) continue;
        snprintf(name, sizeof name, "%s%s", prefix, ito_params_name(set, i));
        const ito_tensor *t = ito_tensor_file_find(f, name);
        if (!t) fail_msg("%s lacks %s", path, name);
        float *values = calloc((size_t)t->count + 1, sizeof *values);
        ito_tensor_read_f32(t, values);
        for (int64_t k = 0; k < t->count; k++) {
            double want = (double)ito_params_data(set, i)[k];
            most = fmax(most, fabs((double)values[k] - want) / fmax(fabs(want), 1e-30));
        }
        free(values);
    }
    ito_tensor_file_close(f);
    return most;
}

static void expect_counter(const char *path, const char *key, const char *value) {
    ito_tensor_file *f = NULL;
    ito_error err = {0};
    if (ito_safetensors_open(path, &f, &err) != ITO_OK) fail_msg("%s", err.message);
    const char *got = ito_tensor_file_metadata(f, key);
    if (!got || strcmp(got, value) != 0) fail_msg("%s is %s, expected %s", key, got ? got : "missing", value);
    ito_tensor_file_close(f);
}

static void each_set_arrives_with_the_same_bits(void **state) {
    (void)state;
    char from[1024], to[1024];
    ito_error err = {0};
    ito_convert_report r;
    source *s = make_source(4, ITO_DTYPE_F32);
    snprintf(from, sizeof from, "%s", scratch_path("from.safetensors"));
    snprintf(to, sizeof to, "%s", scratch_path("to.safetensors"));
    write_source(s, from);
    for (int content = 0; content < ITO_CONVERT_COUNT; content++) {
        if (convert(from, to, (ito_convert_content)content, false, &r, &err) != ITO_OK)
            fail_msg("%s", err.message);
        assert_int_equal(r.step, 2501);
        assert_int_equal(r.parameters, ito_params_trainable_count(s->sets[0]));
        expect_counter(to, "step", "2501");
        expect_counter(to, "images", "40016"); /* 16 a step */
        if (content == ITO_CONVERT_EMA) assert_true(worst(to, "", s->sets[1], false) == 0);
        if (content == ITO_CONVERT_LIVE) assert_true(worst(to, "", s->sets[0], false) == 0);
        if (content < ITO_CONVERT_BOTH) continue;
        assert_true(worst(to, "ema/", s->sets[1], false) == 0);
        assert_true(worst(to, "live/", s->sets[0], false) == 0);
        if (content < ITO_CONVERT_CHECKPOINT) continue;
        assert_true(r.moments && worst(to, "adam_m/", s->sets[2], true) == 0);
        assert_true(worst(to, "adam_v/", s->sets[3], true) == 0);
        expect_counter(to, "format", "ito checkpoint 1");
        expect_counter(to, "updates", "7");
        expect_counter(to, "ema_updates", "2400");
        expect_counter(to, "skipped", "0");
    }
    drop(s);
}

static void both_sets_load_from_one_file(void **state) {
    (void)state;
    char from[1024], to[1024];
    ito_error err = {0};
    ito_convert_report r;
    ito_model *m = NULL;
    source *s = make_source(2, ITO_DTYPE_F32);
    snprintf(from, sizeof from, "%s", scratch_path("from.safetensors"));
    snprintf(to, sizeof to, "%s", scratch_path("to.safetensors"));
    write_source(s, from);
    if (convert(from, to, ITO_CONVERT_BOTH, false, &r, &err) != ITO_OK) fail_msg("%s", err.message);
    for (int k = 0; k < 2; k++) {
        if (ito_model_load(to, k ? ITO_WEIGHTS_EMA : ITO_WEIGHTS_LIVE, NULL, &m, &err) != ITO_OK)
            fail_msg("%s", err.message);
        assert_memory_equal(ito_params_data(m->params, 0), ito_params_data(s->sets[k], 0), 4 * 8);
        ito_model_free(m);
    }
    drop(s);
}

/* Names as in a state_dict, with and without DataParallel's prefix, in the types that other tools store. */
static void files_of_other_tools_convert(void **state) {
    (void)state;
    static const ito_dtype dtypes[] = {ITO_DTYPE_F64, ITO_DTYPE_F32, ITO_DTYPE_BF16};
    static const char *const names[] = {"", "module."};
    char from[1024], to[1024];
    ito_error err = {0};
    ito_convert_report r;
    snprintf(from, sizeof from, "%s", scratch_path("from.safetensors"));
    snprintf(to, sizeof to, "%s", scratch_path("to.safetensors"));
    for (int k = 0; k < 6; k++) {
        source *s = make_source(1, dtypes[k / 2]);
        for (int i = 0; i < s->n; i++) {
            char plain[NAME];
            snprintf(plain, sizeof plain, "%s", s->names[i] + strlen("model/"));
            snprintf(s->names[i], NAME, "%s%s", names[k % 2], plain);
        }
        write_source(s, from);
        if (convert(from, to, ITO_CONVERT_EMA, false, &r, &err) != ITO_OK) fail_msg("%s", err.message);
        double bound = dtypes[k / 2] == ITO_DTYPE_BF16 ? ldexp(1, -8) : 0,
               got = worst(to, "", s->sets[0], false);
        print_message("  %s \"%s\": largest relative difference %.3g, bound %.3g\n",
                      ito_dtype_name(dtypes[k / 2]), names[k % 2], got, bound);
        assert_true(got <= bound);
        if (convert(from, to, ITO_CONVERT_EMA, true, &r, &err) != ITO_OK) fail_msg("%s", err.message);
        assert_true(worst(to, "", s->sets[0], false) <= ldexp(1, -8));
        drop(s);
    }
}

static void a_checkpoint_without_moments_starts_them_at_zero(void **state) {
    (void)state;
    char from[1024], to[1024];
    ito_error err = {0};
    ito_convert_report r;
    source *s = make_source(2, ITO_DTYPE_F32);
    snprintf(from, sizeof from, "%s", scratch_path("from.safetensors"));
    snprintf(to, sizeof to, "%s", scratch_path("to.safetensors"));
    write_source(s, from);
    if (convert(from, to, ITO_CONVERT_CHECKPOINT, false, &r, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_false(r.moments);
    ito_recipe own = recipe();
    ito_params *zeros = NULL;
    assert_int_equal(ito_recipe_params(&own, &zeros, &err), ITO_OK);
    assert_true(worst(to, "adam_m/", zeros, true) == 0 && worst(to, "adam_v/", zeros, true) == 0);
    ito_params_free(zeros);
    drop(s);
}

static ito_status stop_halfway(void *self, int64_t done, int64_t total) {
    (void)self;
    return 4 * done > 3 * total ? ITO_E_CANCELLED : ITO_OK; /* while reading back */
}

static void what_fails_leaves_nothing(void **state) {
    (void)state;
    char from[1024], to[1024];
    ito_error err = {0};
    ito_convert_report r;
    source *s = make_source(2, ITO_DTYPE_F32);
    snprintf(from, sizeof from, "%s", scratch_path("from.safetensors"));
    snprintf(to, sizeof to, "%s", scratch_path("none.safetensors"));
    write_source(s, from);
    int before = scratch_entries();

    const ito_recipe own = recipe();
    ito_convert_options o = {.progress = {.report = stop_halfway}};
    assert_int_equal(ito_model_convert(from, &own, to, &o, &r, &err), ITO_E_CANCELLED);
    assert_int_equal(scratch_entries(), before);

    assert_int_equal(convert(from, to, ITO_CONVERT_CHECKPOINT, true, &r, &err), ITO_E_ARG);
    ito_recipe other = recipe();
    other.network.nf = 16;
    o = (ito_convert_options){.content = ITO_CONVERT_EMA};
    assert_int_equal(ito_model_convert(from, &other, to, &o, &r, &err), ITO_E_SHAPE);
    assert_int_equal(ito_model_convert(from, NULL, to, &o, &r, &err), ITO_E_FORMAT); /* no recipe inside */

    ((float *)s->data[s->n - 1])[0] = (float)INFINITY;
    write_source(s, from);
    assert_int_equal(convert(from, to, ITO_CONVERT_EMA, false, &r, &err), ITO_E_NUMERIC);
    print_message("  %s\n", err.message);
    assert_non_null(strstr(err.message, "at index 0"));
    assert_int_equal(scratch_entries(), before);
    drop(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_set_arrives_with_the_same_bits),
        cmocka_unit_test(both_sets_load_from_one_file),
        cmocka_unit_test(files_of_other_tools_convert),
        cmocka_unit_test(a_checkpoint_without_moments_starts_them_at_zero),
        cmocka_unit_test(what_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
