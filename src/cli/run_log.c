/* SPDX-License-Identifier: Apache-2.0
 *
 * log.jsonl: one JSON object a line, one line a few steps. A line is one write, so that a killed run leaves
 * at most one torn line, at the end; resuming drops it together with the lines of steps that will come again.
 */
#include "run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_BYTES_MAX ((size_t)1 << 30)

static ito_status log_path(const cli_run *run, char path[CLI_PATH_MAX], ito_error *err) {
    return cli_path(path, CLI_PATH_MAX, err, "%s/log.jsonl", run->folder);
}

/* Reads one line, [line, line + length) without its line break; false when it is no log line. */
static bool parse_line(const char *line, size_t length, cli_log_line *out) {
    cJSON *object = cJSON_ParseWithLength(line, length);
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(object, "step");
    const cJSON *loss = cJSON_GetObjectItemCaseSensitive(object, "loss");
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(object, "seconds");
    bool good = cJSON_IsNumber(step) && step->valuedouble >= 0;
    if (good) {
        *out = (cli_log_line){.step = (int64_t)step->valuedouble};
        out->loss = cJSON_IsNumber(loss) ? loss->valuedouble : (double)NAN;
        out->seconds = cJSON_IsNumber(seconds) ? seconds->valuedouble : 0;
    }
    cJSON_Delete(object);
    return good;
}

/* Keeps the leading lines with steps up to `step`: rewrites the file beside itself if there are others. */
static ito_status truncate_log(cli_run *run, const char *path, int64_t step, ito_error *err) {
    char *text = NULL;
    size_t length = 0, kept = 0;
    if (!cli_exists(path)) return ITO_OK;
    ito_status st = ito_file_read(path, LOG_BYTES_MAX, &text, &length, err);
    if (st != ITO_OK) return st;
    while (kept < length) {
        const char *end = memchr(text + kept, '\n', length - kept);
        cli_log_line line;
        if (!end || !parse_line(text + kept, (size_t)(end - text) - kept, &line) || line.step > step) break;
        run->seconds = line.seconds;
        kept = (size_t)(end - text) + 1;
    }
    if (kept < length) st = ito_file_write(path, text, kept, err);
    free(text);
    return st;
}

static ito_status write_recipe(const cli_run *run, const ito_recipe *recipe, ito_error *err) {
    char path[CLI_PATH_MAX], *text = NULL;
    ito_status st = cli_path(path, sizeof path, err, "%s/recipe.yaml", run->folder);
    if (st == ITO_OK) st = ito_recipe_print(recipe, &text, err);
    if (st == ITO_OK) st = ito_file_write(path, text, strlen(text), err);
    free(text);
    return st;
}

ito_status cli_run_begin(cli_run *run, const ito_recipe *recipe, int64_t step, ito_error *err) {
    char path[CLI_PATH_MAX];
    ito_status st = log_path(run, path, err);
    if (st == ITO_OK) st = write_recipe(run, recipe, err);
    if (st == ITO_OK) st = truncate_log(run, path, step, err);
    if (st != ITO_OK) return st;
    run->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (run->log >= 0) return ITO_OK;
    return ito_error_set(err, ITO_E_IO, "%s: cannot be written (%s): choose another --out", path,
                         strerror(errno));
}

ito_status cli_run_log(cli_run *run, const cli_log_line *line, ito_error *err) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "step", (double)line->step);
    cJSON_AddNumberToObject(object, "images", (double)line->images);
    cJSON_AddNumberToObject(object, "loss", line->loss);
    cJSON_AddNumberToObject(object, "grad_norm", line->grad_norm);
    cJSON_AddNumberToObject(object, "learning_rate", line->learning_rate);
    cJSON_AddNumberToObject(object, "images_per_second", line->images_per_second);
    cJSON_AddNumberToObject(object, "skipped", (double)line->skipped);
    cJSON_AddNumberToObject(object, "seconds", line->seconds);
    char text[1024];
    bool printed = object && cJSON_PrintPreallocated(object, text, (int)sizeof text - 2, 0);
    cJSON_Delete(object);
    if (!printed) return ito_error_set(err, ITO_E_NOMEM, "log.jsonl: memory ran out: use a smaller batch");
    size_t length = strlen(text);
    text[length++] = '\n';
    errno = 0;
    ssize_t wrote = write(run->log, text, length);
    if (wrote == (ssize_t)length) return ITO_OK;
    return ito_error_set(err, ITO_E_IO, "%s/log.jsonl: cannot be written (%s): free some space and --resume",
                         run->folder, errno ? strerror(errno) : "disk full");
}

ito_status cli_run_plot(const cli_run *run, ito_error *err) {
    char path[CLI_PATH_MAX], *text = NULL;
    size_t length = 0;
    double *x = NULL, *y = NULL;
    int64_t n = 0, lines = 0;
    ito_status st = log_path(run, path, err);
    if (st == ITO_OK) st = ito_file_read(path, LOG_BYTES_MAX, &text, &length, err);
    if (st != ITO_OK) return st;
    for (size_t i = 0; i < length; i++) lines += text[i] == '\n';
    x = calloc((size_t)lines + 1, sizeof *x);
    y = calloc((size_t)lines + 1, sizeof *y);
    if (!x || !y) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out: raise training.log_every", path);
        goto done;
    }
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        cli_log_line line;
        if (!parse_line(at, (size_t)(end - at), &line) || !(line.loss > 0)) continue;
        x[n] = (double)line.step;
        y[n++] = line.loss;
    }
    if (n >= 2) {
        ito_series series = {.label = "mean loss", .n = n, .x = x, .y = y};
        ito_plot plot = {.title = "Training loss",
                         .x_label = "step",
                         .y_label = "loss",
                         .log_y = true,
                         .n = 1,
                         .series = &series};
        st = cli_path(path, sizeof path, err, "%s/loss.png", run->folder);
        if (st == ITO_OK) st = ito_plot_write(path, &plot, err);
    }
done:
    free(x);
    free(y);
    free(text);
    return st;
}
