/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a checkpoint over the last good one, with the first system call failing, then the second, and so on
 * until a write meets no fault: each failure is reported with the file's name and leaves the good one as it
 * was, with nothing beside it. Then the same with real limits of the operating system.
 */
#include "fixture.h"
#include "support/failing_calls.h"
#include "training/trainer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int files_in(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry = NULL; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

typedef struct scene {
    fixture f;
    char path[FIXTURE_PATH];
    ito_trainer *t;
    char *good; /* the bytes of the checkpoint of step 1 */
    size_t good_size;
    int files;
} scene;

static void scene_init(scene *s) {
    ito_error err = {0};
    memset(&fault, 0, sizeof fault);
    fixture_init(&s->f);
    snprintf(s->path, sizeof s->path, "%s", fixture_path(&s->f, "checkpoint.safetensors"));
    s->t = fixture_trainer(&s->f, 0);
    run_steps(s->t, 1);
    require(ito_trainer_save(s->t, s->path, &err), &err);
    require(ito_file_read(s->path, (size_t)1 << 30, &s->good, &s->good_size, &err), &err);
    s->files = files_in(s->f.folder);
    run_steps(s->t, 1);
}

/* The file on disk is byte for byte the good one, alone, and loads. */
static void assert_untouched(scene *s) {
    char *now = NULL;
    size_t size = 0;
    ito_error err = {0};
    require(ito_file_read(s->path, (size_t)1 << 30, &now, &size, &err), &err);
    assert_int_equal(size, s->good_size);
    assert_memory_equal(now, s->good, size);
    assert_int_equal(files_in(s->f.folder), s->files);
    free(now);
}

static void scene_release(scene *s) {
    memset(&fault, 0, sizeof fault);
    free(s->good);
    ito_trainer_free(s->t);
    fixture_release(&s->f);
}

static void walk(int number, bool short_writes) {
    scene s = {0};
    scene_init(&s);
    ito_status st = ITO_E_IO;
    int n = 0;
    while (st != ITO_OK) {
        ito_error err = {0};
        n++;
        fault.fail_at = n;
        fault.calls = 0;
        fault.number = number;
        fault.short_writes = short_writes;
        st = ito_trainer_save(s.t, s.path, &err);
        bool reached = fault.calls >= n;
        memset(&fault, 0, sizeof fault);
        if (st == ITO_OK) {
            /* The last calls sync the folder after the rename; their failure is none of the write's. */
            assert_true(!reached || n > 6);
            break;
        }
        assert_int_equal(st, ITO_E_IO);
        assert_non_null(strstr(err.message, s.path));
        if (!strstr(err.message, strerror(number))) fail_msg("no reason in: %s", err.message);
        assert_untouched(&s);
    }
    printf("%d calls failed in turn with \"%s\"\n", n - 1, strerror(number));
    assert_true(n > 6);

    ito_trainer *loaded = fixture_trainer(&s.f, 0);
    ito_error err = {0};
    require(ito_trainer_load(loaded, s.path, &err), &err);
    assert_int_equal(ito_trainer_steps(loaded), 2);
    ito_trainer_free(loaded);
    scene_release(&s);
}

static void every_failing_call_leaves_the_last_good_checkpoint(void **state) {
    (void)state;
    walk(ENOSPC, false);
}

static void short_writes_are_continued(void **state) {
    (void)state;
    scene s = {0};
    ito_error err = {0};
    scene_init(&s);
    fault.short_writes = true;
    require(ito_trainer_save(s.t, s.path, &err), &err);
    fault.short_writes = false;
    ito_trainer *loaded = fixture_trainer(&s.f, 0);
    require(ito_trainer_load(loaded, s.path, &err), &err);
    assert_params_equal(loaded->live, s.t->live);
    ito_trainer_free(loaded);
    scene_release(&s);
}

/* Otherwise a power failure could leave a final name on a file whose bytes never arrived. */
static void bytes_are_on_the_disk_before_the_name(void **state) {
    (void)state;
    scene s = {0};
    ito_error err = {0};
    scene_init(&s);
    require(ito_trainer_save(s.t, s.path, &err), &err);
    assert_false(fault.renamed_unsynced);
    scene_release(&s);
}

/* A file size limit behaves as a disk that fills up in the middle of the file. */
static void a_full_disk_is_reported_and_costs_nothing(void **state) {
    (void)state;
    scene s = {0};
    scene_init(&s);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t limit = 0; limit < s.good_size; limit += s.good_size / 5) {
        ito_error err = {0};
        small = before;
        small.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        ito_status st = ito_trainer_save(s.t, s.path, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(st, ITO_E_IO);
        assert_non_null(strstr(err.message, s.path));
        assert_untouched(&s);
    }
    signal(SIGXFSZ, handler);
    scene_release(&s);
}

/* Permissions do not bind root, so the walk's EACCES stands in for them there. */
static void a_read_only_folder_is_reported_and_costs_nothing(void **state) {
    (void)state;
    scene s = {0};
    ito_error err = {0};
    scene_init(&s);
    if (geteuid() == 0) {
        fault.fail_at = 1;
        fault.number = EACCES;
    } else {
        assert_int_equal(chmod(s.f.folder, 0500), 0);
    }
    ito_status st = ito_trainer_save(s.t, s.path, &err);
    memset(&fault, 0, sizeof fault);
    assert_int_equal(chmod(s.f.folder, 0700), 0);
    assert_int_equal(st, ITO_E_IO);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "permission"));
    assert_untouched(&s);
    scene_release(&s);
}

static void a_folder_that_is_missing_is_named(void **state) {
    (void)state;
    scene s = {0};
    ito_error err = {0};
    scene_init(&s);
    const char *path = fixture_path(&s.f, "nowhere/checkpoint.safetensors");
    assert_int_equal(ito_trainer_save(s.t, path, &err), ITO_E_IO);
    assert_non_null(strstr(err.message, path));
    assert_untouched(&s);
    scene_release(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_call_leaves_the_last_good_checkpoint),
        cmocka_unit_test(short_writes_are_continued),
        cmocka_unit_test(bytes_are_on_the_disk_before_the_name),
        cmocka_unit_test(a_full_disk_is_reported_and_costs_nothing),
        cmocka_unit_test(a_read_only_folder_is_reported_and_costs_nothing),
        cmocka_unit_test(a_folder_that_is_missing_is_named),
    };
    return cmocka_run_group_tests_name("fault_checkpoint", tests, NULL, NULL);
}
