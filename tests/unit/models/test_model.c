/* SPDX-License-Identifier: Apache-2.0
 *
 * Models: what is saved loads back, whatever does not fit is refused by name, and every way of naming a model
 * leads to its file.
 */
#include <ito/engine.h>
#include <ito/formats.h>
#include <ito/recipe.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH = 600 };
static char folder[64]; /* everything the tests write */

static const char *in_folder(const char *name, char out[PATH]) {
    snprintf(out, PATH, "%s/%s", folder, name);
    return out;
}

static ito_recipe small_recipe(void) {
    ito_recipe r = ito_recipe_default();
    snprintf(r.name, sizeof r.name, "small");
    r.data.image_size = r.network.image_size = 8;
    r.network.nf = 8;
    r.network.channels = r.data.channels;
    r.network.levels = 2;
    r.network.num_res_blocks = 1;
    r.network.attn_count = 0;
    return r;
}

/* A model with random weights, some at steps that no rounding keeps. */
static ito_model *small_model(void) {
    ito_error err;
    ito_model *m = calloc(1, sizeof *m);
    m->recipe = small_recipe();
    m->step = 1234;
    m->images = 5678;
    if (ito_recipe_params(&m->recipe, &m->params, &err) != ITO_OK) fail_msg("%s", err.message);
    ito_params_init(m->params, 7);
    return m;
}

static void drop(ito_model *m) {
    ito_params_free(m->params);
    free(m);
}

static void expect_message(const ito_error *err, const char *part1, const char *part2) {
    if (!strstr(err->message, part1) || !strstr(err->message, part2)) {
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err->message, part1, part2);
    }
}

/* The largest |a - b| / |a| over all weights. */
static double worst_difference(ito_params *a, ito_params *b) {
    double worst = 0;
    assert_int_equal(ito_params_count(a), ito_params_count(b));
    for (int i = 0; i < ito_params_count(a); i++) {
        const float *x = ito_params_data(a, i), *y = ito_params_data(b, i);
        assert_string_equal(ito_params_name(a, i), ito_params_name(b, i));
        for (int64_t k = 0; k < ito_shape_count(ito_params_shape(a, i)); k++) {
            double d = fabs((double)x[k] - (double)y[k]) / fmax(fabs((double)x[k]), 1e-30);
            worst = fmax(worst, d);
        }
    }
    return worst;
}

static void saved_model_loads_with_the_same_bits(void **state) {
    (void)state;
    char path[PATH];
    ito_error err;
    ito_model *m = small_model(), *loaded = NULL;
    assert_int_equal(ito_model_save(m, in_folder("a.safetensors", path), false, &err), ITO_OK);
    if (ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &loaded, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_true(worst_difference(m->params, loaded->params) == 0);
    assert_int_equal(loaded->step, 1234);
    assert_int_equal(loaded->images, 5678);
    assert_string_equal(loaded->recipe.name, "small");
    assert_int_equal(loaded->recipe.network.nf, 8);
    assert_string_equal(loaded->path, path);
    ito_model_free(loaded);
    drop(m);
}

/* bfloat16 keeps 8 significant bits: rounding to nearest is off by 2^-8 of the value at most. */
static void bf16_model_is_half_as_large_and_close(void **state) {
    (void)state;
    char full[PATH], half[PATH];
    struct stat a, b;
    ito_error err;
    ito_model *m = small_model(), *loaded = NULL;
    assert_int_equal(ito_model_save(m, in_folder("full.safetensors", full), false, &err), ITO_OK);
    assert_int_equal(ito_model_save(m, in_folder("half.safetensors", half), true, &err), ITO_OK);
    if (ito_model_load(half, ITO_WEIGHTS_EMA, NULL, &loaded, &err) != ITO_OK) fail_msg("%s", err.message);
    double worst = worst_difference(m->params, loaded->params), bound = ldexp(1, -8);
    print_message("largest relative rounding %.3g, bound %.3g\n", worst, bound);
    assert_true(worst > 0 && worst <= bound);
    assert_int_equal(stat(full, &a), 0);
    assert_int_equal(stat(half, &b), 0);
    int64_t saved = (int64_t)(a.st_size - b.st_size), numbers = ito_params_trainable_count(m->params);
    assert_true(llabs(saved - 2 * numbers) < 2000); /* the header's words differ too */
    ito_model_free(loaded);
    drop(m);
}

static void another_recipe_is_refused_with_both_shapes(void **state) {
    (void)state;
    char path[PATH];
    ito_error err;
    ito_model *m = small_model(), *loaded = (ito_model *)&err;
    assert_int_equal(ito_model_save(m, in_folder("shape.safetensors", path), false, &err), ITO_OK);
    ito_recipe other = m->recipe;
    other.network.nf = 16;
    assert_int_equal(ito_model_load(path, ITO_WEIGHTS_EMA, &other, &loaded, &err), ITO_E_SHAPE);
    assert_null(loaded);
    expect_message(&err, "shape.safetensors: tensor \"", "the recipe needs [");
    expect_message(&err, "]", "use its own recipe");

    other = m->recipe;
    other.network.num_res_blocks = 2; /* more blocks than the file has */
    assert_int_not_equal(ito_model_load(path, ITO_WEIGHTS_EMA, &other, &loaded, &err), ITO_OK);
    expect_message(&err, "shape.safetensors", "tensor \"");
    drop(m);
}

/* Writes the model's tensors under a prefix, without number `omit`, with metadata recipe when with_recipe. */
static void write_tensors(ito_model *m, const char *path, const char *prefix, int omit, const char *extra,
                          bool with_recipe) {
    enum { MOST = 400, NAME = 200 };
    ito_error err;
    static char names[MOST][NAME];
    static ito_tensor tensors[MOST];
    int n = 0;
    char *text = NULL;
    assert_int_equal(ito_recipe_print(&m->recipe, &text, &err), ITO_OK);
    for (int i = 0; i < ito_params_count(m->params); i++) {
        ito_shape s = ito_params_shape(m->params, i);
        if (i == omit) continue;
        assert_true(n < MOST - 1);
        snprintf(names[n], NAME, "%s%s", prefix, ito_params_name(m->params, i));
        tensors[n] = (ito_tensor){.name = names[n],
                                  .dtype = ITO_DTYPE_F32,
                                  .rank = s.rank,
                                  .count = ito_shape_count(s),
                                  .data = ito_params_data(m->params, i)};
        memcpy(tensors[n].dim, s.dim, (size_t)s.rank * sizeof *s.dim);
        n++;
    }
    const float one = 1;
    if (extra)
        tensors[n++] = (ito_tensor){
            .name = extra, .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {1}, .count = 1, .data = &one};
    const ito_metadata metadata[] = {{"step", "9"}, {"recipe", text}};
    if (ito_safetensors_write(path, n, tensors, with_recipe ? 2 : 1, metadata, &err) != ITO_OK)
        fail_msg("%s", err.message);
    free(text);
}

static void missing_and_unknown_tensors_are_named(void **state) {
    (void)state;
    char path[PATH];
    ito_error err;
    ito_model *m = small_model(), *loaded = NULL;
    write_tensors(m, in_folder("lack.safetensors", path), "", 3, NULL, true);
    assert_int_equal(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &loaded, &err), ITO_E_FORMAT);
    expect_message(&err, "lacks tensor", ito_params_name(m->params, 3));
    write_tensors(m, path, "", -1, "all_modules.999.weight", true);
    assert_int_equal(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &loaded, &err), ITO_E_FORMAT);
    expect_message(&err, "has tensor", "all_modules.999.weight");
    write_tensors(m, path, "", -1, NULL, false);
    assert_int_equal(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &loaded, &err), ITO_E_FORMAT);
    expect_message(&err, "no recipe", "lack.safetensors");
    drop(m);
}

static void live_weights_come_from_checkpoints_only(void **state) {
    (void)state;
    char path[PATH];
    ito_error err;
    ito_model *m = small_model(), *loaded = NULL;
    write_tensors(m, in_folder("live.safetensors", path), "live/", -1, NULL, true);
    if (ito_model_load(path, ITO_WEIGHTS_LIVE, NULL, &loaded, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_int_equal(loaded->step, 9);
    ito_model_free(loaded);
    assert_int_equal(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &loaded, &err), ITO_E_FORMAT);
    write_tensors(m, path, "", -1, NULL, true);
    assert_int_equal(ito_model_load(path, ITO_WEIGHTS_LIVE, NULL, &loaded, &err), ITO_E_ARG);
    expect_message(&err, "averaged weights only", "checkpoint");
    drop(m);
}

static void non_finite_weight_is_refused(void **state) {
    (void)state;
    char path[PATH];
    ito_error err;
    ito_model *m = small_model(), *loaded = NULL;
    ito_params_data(m->params, 2)[0] = (float)NAN;
    assert_int_equal(ito_model_save(m, in_folder("nan.safetensors", path), false, &err), ITO_OK);
    assert_int_equal(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &loaded, &err), ITO_E_NUMERIC);
    expect_message(&err, ito_params_name(m->params, 2), "index 0");
    drop(m);
}

static void run_directory_gives_its_newest_good_checkpoint(void **state) {
    (void)state;
    char run[PATH], checkpoints[PATH], old[PATH], newer[PATH], newest[PATH];
    ito_error err;
    ito_model *m = small_model(), *loaded = NULL;
    in_folder("run", run);
    in_folder("run/checkpoints", checkpoints);
    assert_int_equal(ito_directory_make(checkpoints, &err), ITO_OK);
    assert_int_equal(ito_model_load(run, ITO_WEIGHTS_EMA, NULL, &loaded, &err), ITO_E_IO);
    expect_message(&err, run, "no checkpoint");

    /* 1000 comes after 900 by number, before it by name. */
    write_tensors(m, in_folder("run/checkpoints/step_900.safetensors", old), "ema/", -1, NULL, true);
    write_tensors(m, in_folder("run/checkpoints/step_1000.safetensors", newer), "ema/", -1, NULL, true);
    write_tensors(m, in_folder("run/checkpoints/step_2000.safetensors", newest), "ema/", -1, NULL, true);
    struct stat info;
    assert_int_equal(stat(newest, &info), 0);
    assert_int_equal(truncate(newest, info.st_size - 1), 0);

    char *found = NULL, *skipped = NULL;
    assert_int_equal(ito_checkpoint_newest(checkpoints, &found, &skipped, &err), ITO_OK);
    assert_string_equal(found, newer);
    assert_string_equal(skipped, newest);
    free(found);
    free(skipped);
    if (ito_model_load(run, ITO_WEIGHTS_EMA, NULL, &loaded, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_string_equal(loaded->path, newer);
    ito_model_free(loaded);
    drop(m);
}

static void bundled_model_is_found_by_name(void **state) {
    (void)state;
    char path[PATH];
    ito_error err;
    ito_model *m = small_model(), *loaded = NULL;
    assert_int_equal(ito_model_save(m, in_folder("socks.safetensors", path), true, &err), ITO_OK);
    setenv("ITO_MODELS", folder, 1);
    if (ito_model_load("socks", ITO_WEIGHTS_EMA, NULL, &loaded, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_string_equal(loaded->path, path);
    ito_model_free(loaded);
    assert_int_equal(ito_model_load("sock", ITO_WEIGHTS_EMA, NULL, &loaded, &err), ITO_E_IO);
    expect_message(&err, "sock: no file", "socks");
    unsetenv("ITO_MODELS");
    drop(m);
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ito-test-model-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    static const char *const names[] = {"a",
                                        "full",
                                        "half",
                                        "shape",
                                        "lack",
                                        "live",
                                        "nan",
                                        "socks",
                                        "run/checkpoints/step_900",
                                        "run/checkpoints/step_1000",
                                        "run/checkpoints/step_2000"};
    char path[PATH];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s.safetensors", folder, names[i]);
        unlink(path);
    }
    rmdir(in_folder("run/checkpoints", path));
    rmdir(in_folder("run", path));
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_model_loads_with_the_same_bits),
        cmocka_unit_test(bf16_model_is_half_as_large_and_close),
        cmocka_unit_test(another_recipe_is_refused_with_both_shapes),
        cmocka_unit_test(missing_and_unknown_tensors_are_named),
        cmocka_unit_test(live_weights_come_from_checkpoints_only),
        cmocka_unit_test(non_finite_weight_is_refused),
        cmocka_unit_test(run_directory_gives_its_newest_good_checkpoint),
        cmocka_unit_test(bundled_model_is_found_by_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
