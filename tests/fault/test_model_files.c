/* SPDX-License-Identifier: Apache-2.0
 *
 * Conversions and diffusers folders, with every allocation failing in turn, then every system call that
 * writes: each failure is reported, nothing leaks or stays beside, and what a failed run leaves is whole or
 * absent.
 *
 * cJSON allocates through the library's functions here, so that its failures are walked too. It does not tell
 * a text that is no JSON from memory that ran out while reading one: such a message counts as NOMEM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "core/memory.h"
#include "support/failing_calls.h"
#include "support/failing_memory.h"
#include "unit/formats/scratch.h"
#include <cJSON.h>
#include <cmocka.h>
#include <errno.h>
#include <ito/formats.h>
#include <ito/recipe.h>

static const char *const files[] = {"diffusion_pytorch_model.safetensors", "scheduler_config.json",
                                    "config.json"};
enum { FILES = 3, CONFIG = 2 };

static ito_model model, other; /* of one network, with different weights */
static char source[1024], target[1024], folder[1024];

static void *give(size_t size) {
    return ito__alloc(1, size);
}

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

/* The smallest network that diffusers has a place for. */
static void make_model(ito_model *m, uint64_t seed) {
    static const char *const set[] = {"network.architecture=ddpm",   "objective.continuous=false",
                                      "data.image_size=8",           "network.nf=8",
                                      "network.ch_mult=[1]",         "network.num_res_blocks=1",
                                      "network.attn_resolutions=[]", "network.norm_groups=4"};
    ito_error err = {0};
    *m = (ito_model){.recipe = ito_recipe_default(), .step = (int64_t)seed};
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++)
        require(ito_recipe_set(&m->recipe, set[i], &err), &err);
    require(ito_recipe_params(&m->recipe, &m->params, &err), &err);
    ito_params_init(m->params, seed);
}

static int set_up(void **state) {
    ito_error err = {0};
    if (scratch_make(state) != 0) return 1;
    snprintf(source, sizeof source, "%s", scratch_path("source.safetensors"));
    snprintf(target, sizeof target, "%s", scratch_path("target.safetensors"));
    snprintf(folder, sizeof folder, "%s", scratch_path("folder"));
    make_model(&model, 1);
    make_model(&other, 2);
    require(ito_model_save(&model, source, false, &err), &err);
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = give, .free_fn = ito__free});
    return 0;
}

static int tear_down(void **state) {
    cJSON_InitHooks(NULL);
    ito_params_free(model.params);
    ito_params_free(other.params);
    return scratch_remove(state);
}

static const char *in_folder(int k) {
    static char path[1200];
    snprintf(path, sizeof path, "%s/%s", folder, files[k]);
    return path;
}

static int entries_of(const char *path) {
    int count = 0;
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) count += entry->d_name[0] != '.';
    if (d) closedir(d);
    return count;
}

static bool same_weights(const ito_model *m, const char *path) {
    ito_model *read = NULL;
    int64_t n = 0;
    ito_error err = {0};
    require(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &read, &err), &err);
    const float *a = ito_params_block(m->params, &n), *b = ito_params_block(read->params, &n);
    const bool same = memcmp(a, b, (size_t)n * sizeof *a) == 0;
    ito_model_free(read);
    return same;
}

/* ---- what is tried */

static ito_status convert(void *subject, ito_error *err) {
    const ito_convert_options o = {.content = ITO_CONVERT_EMA};
    (void)subject;
    ito_convert_report report = {.step = -1};
    const ito_status st = ito_model_convert(source, NULL, target, &o, &report, err);
    assert_int_equal(report.step == -1, st != ITO_OK);
    return st;
}

static ito_status save(void *subject, ito_error *err) {
    return ito_model_save_diffusers(subject, folder, err);
}

static ito_status load(void *subject, ito_error *err) {
    ito_model *m = subject;
    const ito_status st = ito_model_load(folder, ITO_WEIGHTS_EMA, NULL, &m, err);
    assert_int_equal(m != NULL, st == ITO_OK);
    ito_model_free(m);
    return st;
}

/* Of the files of a folder that met no failure: a field that memory ran out for would be missing. */
static off_t whole[FILES];

static void compare_sizes(void) {
    for (int k = 0; k < FILES; k++) {
        struct stat info;
        assert_int_equal(stat(in_folder(k), &info), 0);
        if (whole[k] == 0) whole[k] = info.st_size;
        assert_int_equal(info.st_size, whole[k]);
    }
}

/* One of these, with its outputs away before and looked at after. */
typedef struct attempt {
    memory_attempt run;
    void *subject;
} attempt;

static ito_status alone(void *self, ito_error *err) {
    const attempt *a = self;
    const bool writes = a->run != load;
    unlink(target);
    for (int k = 0; writes && k < FILES; k++) unlink(in_folder(k));
    const int before = scratch_entries();
    ito_status st = a->run(a->subject, err);
    if (a->run == convert) assert_int_equal(scratch_entries(), before + (st == ITO_OK));
    if (a->run == save) assert_int_equal(entries_of(folder), st == ITO_OK ? FILES : 0);
    if (a->run == save && st == ITO_OK) compare_sizes();
    if (st == ITO_E_FORMAT && strstr(err->message, "JSON")) st = err->status = ITO_E_NOMEM;
    return st;
}

static void walk_memory(const char *name, memory_attempt run, void *subject) {
    attempt a = {run, subject};
    const int64_t allocations = walk_failed_allocations(alone, &a);
    print_message("%s: %lld allocations failed in turn\n", name, (long long)allocations);
    assert_true(allocations > 50);
}

static void conversions_survive_every_failed_allocation(void **state) {
    ito_error err = {0};
    (void)state;
    walk_memory("convert", convert, NULL);
    require(convert(NULL, &err), &err);
    assert_true(same_weights(&model, target));
}

static void diffusers_folders_survive_every_failed_allocation(void **state) {
    ito_error err = {0};
    (void)state;
    walk_memory("save", save, &model);
    require(save(&model, &err), &err);
    assert_true(same_weights(&model, folder));
    walk_memory("load", load, &model);
}

/* ---- system calls */

/* Lets call number n fail; false when the run makes fewer. Syncing a folder after a rename may fail unheard:
 * the file is there. */
static bool fail_call(int n, memory_attempt run, void *subject, ito_status *st) {
    ito_error err = {0};
    fault = (failing_calls){.fail_at = n, .number = ENOSPC};
    *st = run(subject, &err);
    const bool reached = fault.calls >= n;
    fault = (failing_calls){0};
    if (*st == ITO_OK) return reached;
    assert_int_equal(*st, ITO_E_IO);
    if (!strstr(err.message, strerror(ENOSPC))) fail_msg("no reason in: %s", err.message);
    return reached;
}

static void a_conversion_leaves_the_file_that_was_there(void **state) {
    ito_error err = {0};
    ito_status st;
    int failed = 0;
    (void)state;
    require(ito_model_save(&model, target, false, &err), &err);
    require(ito_model_save(&other, source, false, &err), &err);
    const int entries = scratch_entries();
    for (int n = 1; fail_call(n, convert, NULL, &st); n++) {
        assert_int_equal(scratch_entries(), entries);
        assert_true(same_weights(st == ITO_OK ? &other : &model, target));
        failed += st != ITO_OK;
        require(ito_model_save(&model, target, false, &err), &err);
    }
    print_message("%d calls failed in turn\n", failed);
    assert_true(failed > 6);
    require(convert(NULL, &err), &err);
    assert_true(same_weights(&other, target));
    require(ito_model_save(&model, source, false, &err), &err);
}

/* The old model until all files of the new one are written; then none, until that is whole. */
static void a_diffusers_folder_holds_a_whole_model_or_none(void **state) {
    ito_error err = {0};
    ito_status st;
    int kept = 0, gone = 0;
    (void)state;
    require(save(&model, &err), &err);
    for (int n = 1; fail_call(n, save, &other, &st); n++) {
        const bool there = access(in_folder(CONFIG), F_OK) == 0;
        assert_true(there || st != ITO_OK);
        assert_int_equal(entries_of(folder), there ? FILES : FILES - 1);
        if (there) assert_true(same_weights(st == ITO_OK ? &other : &model, folder));
        kept += st != ITO_OK && there;
        gone += !there;
        require(save(&model, &err), &err);
    }
    print_message("%d failures kept the old model, %d left none\n", kept, gone);
    assert_true(kept > 20 && gone > 4);
    require(save(&other, &err), &err);
    assert_true(same_weights(&other, folder));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions_survive_every_failed_allocation),
        cmocka_unit_test(diffusers_folders_survive_every_failed_allocation),
        cmocka_unit_test(a_conversion_leaves_the_file_that_was_there),
        cmocka_unit_test(a_diffusers_folder_holds_a_whole_model_or_none),
    };
    return cmocka_run_group_tests_name("model_files", tests, set_up, tear_down);
}
