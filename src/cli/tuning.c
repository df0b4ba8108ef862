/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of convolution timings: $XDG_CACHE_HOME/ito/tuning.txt, or ~/.cache/ito/tuning.txt.
 */
#include "tuning.h"

#include <ito/formats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Timing a network's convolutions takes as long as some ten runs of it, and gains a few hundredths. */
enum { WORTH_TIMING = 300 };

/* As the XDG Base Directory Specification says: relative paths do not count. */
static bool cache_path(char path[CLI_PATH_MAX]) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *folder = "";
    if (!cache || cache[0] != '/') {
        cache = home;
        folder = "/.cache";
    }
    ito_error err;
    if (!cache || cache[0] != '/') return false;
    if (cli_path(path, CLI_PATH_MAX, &err, "%s%s/ito", cache, folder) != ITO_OK) return false;
    if (ito_directory_make(path, &err) != ITO_OK) return false;
    if (cli_path(path, CLI_PATH_MAX, &err, "%s%s/ito/tuning.txt", cache, folder) != ITO_OK) return false;
    return cli_check_writable(path, &err) == ITO_OK;
}

static void read_file(cli_tuning *t) {
    char *text = NULL;
    if (ito_file_read(t->path, ITO_TUNING_BYTES, &text, NULL, NULL) != ITO_OK) return;
    (void)ito_tuning_add(t->table, text, NULL); /* a damaged file is written anew */
    free(text);
}

ito_status cli_tuning_open(cli_tuning *t, const cli_common *common, int64_t calls, ito_error *err) {
    const bool automatic = strcmp(common->tuning, "auto") == 0;
    ito_status st = ITO_OK;
    *t = (cli_tuning){0};
    if (common->exact || common->memory_limit > 0 || strcmp(common->tuning, "no") == 0) return ITO_OK;
    if (automatic || strcmp(common->tuning, "yes") == 0) {
        if (!cache_path(t->path)) return ITO_OK;
    } else {
        ito_error inner;
        if ((st = cli_path(t->path, sizeof t->path, err, "%s", common->tuning)) != ITO_OK) return st;
        if (cli_check_writable(t->path, &inner) != ITO_OK)
            return ito_error_set(err, ITO_E_IO,
                                 "--tuning: %s cannot be written: give auto, yes, no, or a file in a folder "
                                 "that takes new ones",
                                 t->path);
    }
    if ((st = ito_tuning_create(&t->table, err)) != ITO_OK) return st;
    ito_tuning_measure(t->table, !automatic || calls >= WORTH_TIMING);
    read_file(t);
    return ITO_OK;
}

/* The choices of a run, beside its checkpoints. */
static ito_status kept_path(char path[CLI_PATH_MAX], const char *folder, ito_error *err) {
    return cli_path(path, CLI_PATH_MAX, err, "%s/tuning.txt", folder);
}

ito_status cli_tuning_resume(cli_tuning *t, const cli_common *common, const char *folder, ito_error *err) {
    char *text = NULL, path[CLI_PATH_MAX];
    *t = (cli_tuning){0};
    ito_status st = kept_path(path, folder, err);
    if (st != ITO_OK || common->exact || access(path, F_OK) != 0) return st;
    if ((st = ito_file_read(path, ITO_TUNING_BYTES, &text, NULL, err)) != ITO_OK) return st;
    if ((st = ito_tuning_create(&t->table, err)) == ITO_OK) {
        ito_tuning_measure(t->table, false);
        st = ito_tuning_add(t->table, text, err);
    }
    free(text);
    return st;
}

ito_status cli_tuning_keep(const cli_tuning *t, const char *folder, ito_error *err) {
    char path[CLI_PATH_MAX];
    if (!t->table) return ITO_OK;
    ito_status st = kept_path(path, folder, err);
    if (st != ITO_OK) return st;
    char *text = ito_tuning_text(t->table);
    if (!text) return ito_error_set(err, ITO_E_NOMEM, "%s: out of memory: free some", path);
    st = ito_file_write(path, text, strlen(text), err);
    free(text);
    return st;
}

void cli_tuning_close(cli_tuning *t) {
    if (t->table && ito_tuning_measured(t->table) > 0) {
        read_file(t); /* what others found out since */
        char *text = ito_tuning_text(t->table);
        if (text) (void)ito_file_write(t->path, text, strlen(text), NULL);
        free(text);
    }
    ito_tuning_free(t->table);
    *t = (cli_tuning){0};
}
