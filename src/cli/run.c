/* SPDX-License-Identifier: Apache-2.0
 *
 * The run directory: who may use it, its recipe, its checkpoints.
 */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ito/formats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opening */

static ito_status make_folder(const char *parent, const char *name, ito_error *err) {
    char path[CLI_PATH_MAX];
    ito_status st = cli_path(path, sizeof path, err, "%s/%s", parent, name);
    return st == ITO_OK ? ito_directory_make(path, err) : st;
}

static bool holds_run(const char *folder) {
    static const char *const names[] = {"recipe.yaml", "log.jsonl", "checkpoints", "model.safetensors"};
    char path[CLI_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int length = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (length > 0 && (size_t)length < sizeof path && cli_exists(path)) return true;
    }
    return false;
}

/* Two trainings in one folder would overwrite each other's checkpoints. The lock goes with the process, so a
 * killed one leaves none behind. */
static ito_status lock_folder(cli_run *run, ito_error *err) {
    char path[CLI_PATH_MAX];
    ito_status st = cli_path(path, sizeof path, err, "%s/.lock", run->folder);
    if (st != ITO_OK) return st;
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (run->lock < 0) {
        return ito_error_set(err, ITO_E_IO, "%s: cannot be written (%s): choose another --out", run->folder,
                             strerror(errno));
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(run->lock, F_SETLK, &lock) == 0) return ITO_OK;
    if (errno != EAGAIN && errno != EACCES) return ITO_OK; /* a file system without locks */
    return ito_error_set(err, ITO_E_IO,
                         "%s: another ito train is writing there: stop it or choose another --out",
                         run->folder);
}

ito_status cli_run_check(const char *folder, bool resume, ito_error *err) {
    if (resume || !holds_run(folder)) return ITO_OK;
    return ito_error_set(
        err, ITO_E_ARG, "%s: already holds a run: continue it with --resume or choose another --out", folder);
}

ito_status cli_run_open(cli_run *run, const char *folder, ito_error *err) {
    run->log = run->lock = -1;
    run->seconds = 0;
    ito_status st = cli_path(run->folder, sizeof run->folder, err, "%s", folder);
    if (st != ITO_OK) return st;
    if ((st = ito_directory_make(folder, err)) != ITO_OK) return st;
    if ((st = lock_folder(run, err)) != ITO_OK) return st;
    if ((st = make_folder(folder, "checkpoints", err)) != ITO_OK) return st;
    return make_folder(folder, "samples", err);
}

void cli_run_release(cli_run *run) {
    if (run->log >= 0) close(run->log);
    if (run->lock >= 0) close(run->lock);
    run->log = run->lock = -1;
}

/* ---- checkpoints */

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names step_*.safetensors in order of steps; the caller frees all. Fixed width makes the order of names the
 * order of steps. */
static int list_checkpoints(const char *folder, char ***names) {
    int count = 0, room = 0;
    *names = NULL;
    DIR *d = opendir(folder);
    if (!d) return 0;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, "step_", 5) != 0 || !cli_ends_with(entry->d_name, ".safetensors"))
            continue;
        if (count == room) {
            room = room ? 2 * room : 16;
            char **more = realloc(*names, (size_t)room * sizeof *more);
            if (!more) break;
            *names = more;
        }
        char *name = strdup(entry->d_name);
        if (!name) break;
        (*names)[count++] = name;
    }
    closedir(d);
    if (count > 0) qsort(*names, (size_t)count, sizeof **names, by_name);
    return count;
}

/* Removal is housekeeping: what cannot be removed stays, and training goes on. */
static void remove_old(const char *folder, int64_t keep) {
    char **names;
    int count = list_checkpoints(folder, &names);
    for (int i = 0; i < count; i++) {
        char path[CLI_PATH_MAX + 300];
        if (i < count - keep) {
            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
            unlink(path);
        }
        free(names[i]);
    }
    free(names);
}

ito_status cli_run_checkpoint(const cli_run *run, const ito_trainer *t, int64_t keep, ito_error *err) {
    char folder[CLI_PATH_MAX], path[CLI_PATH_MAX];
    ito_status st = cli_path(folder, sizeof folder, err, "%s/checkpoints", run->folder);
    if (st != ITO_OK) return st;
    st = cli_path(path, sizeof path, err, "%s/step_%08lld.safetensors", folder,
                  (long long)ito_trainer_steps(t));
    if (st == ITO_OK) st = ito_trainer_save(t, path, err);
    if (st == ITO_OK) remove_old(folder, keep);
    return st;
}
