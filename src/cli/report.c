/* SPDX-License-Identifier: Apache-2.0
 *
 * What every verb needs around its own work: plan options, --set, JSON, paths, sizes for people.
 */
#include "cli.h"
#include "signals.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ito_status cli_plan_options(const cli_common *common, ito_plan_options *out, ito_error *err) {
    ito_plan_options options = ito_plan_default();
    if (strcmp(common->precision, "bf16") == 0) options.precision = ITO_BF16;
    if (common->exact && options.precision != ITO_F32) {
        return ito_error_set(err, ITO_E_ARG, "--exact: is direct summation in f32: leave --precision out");
    }
    for (int i = 0; i < ITO_ISA_COUNT; i++) {
        if (strcmp(common->isa, ito_isa_name((ito_isa)i)) == 0) options.isa = (ito_isa)i;
    }
    if (common->exact) options.exact = true;
    if (common->threads > 4096) {
        return ito_error_set(err, ITO_E_ARG, "--threads: is %lld: use at most 4096",
                             (long long)common->threads);
    }
    if (common->threads > 0) options.threads = (int)common->threads;
    *out = options;
    return ITO_OK;
}

const char *cli_weights_name(int index) {
    static const char *const names[] = {"ema", "live"};
    return index < 2 ? names[index] : NULL;
}

ito_weights cli_weights_kind(const char *name) {
    return strcmp(name, "live") == 0 ? ITO_WEIGHTS_LIVE : ITO_WEIGHTS_EMA;
}

ito_status cli_apply_set(const cli_common *common, ito_recipe *recipe, ito_error *err) {
    ito_status st = ITO_OK;
    for (int i = 0; i < common->set.count && st == ITO_OK; i++) {
        st = ito_recipe_set(recipe, common->set.item[i], err);
    }
    return st;
}

ito_status cli_model_load(const cli_common *common, const char *name, const char *weights, const char *recipe,
                          ito_model **out, ito_error *err) {
    ito_recipe given;
    ito_status st = ITO_OK;
    *out = NULL;
    if (!recipe && cli_ends_with(name, ".pth"))
        return ito_error_set(err, ITO_E_ARG, "%s: a .pth does not say what network it is: give --recipe",
                             name);
    if (recipe) st = ito_recipe_read(recipe, &given, err);
    if (st == ITO_OK && recipe) st = cli_apply_set(common, &given, err);
    if (st == ITO_OK) st = ito_model_load(name, cli_weights_kind(weights), recipe ? &given : NULL, out, err);
    if (st == ITO_OK && !recipe) st = cli_apply_set(common, &(*out)->recipe, err);
    if (st == ITO_OK) return ITO_OK;
    ito_model_free(*out);
    *out = NULL;
    return st;
}

ito_status cli_print_json(cJSON *object, ito_error *err) {
    char *text = cJSON_Print(object);
    cJSON_Delete(object);
    if (!text) return ito_error_set(err, ITO_E_NOMEM, "--json: memory ran out: close other programs");
    printf("%s\n", text);
    cJSON_free(text);
    return ITO_OK;
}

ito_status cli_stopped(const char *where, const char *remedy, ito_error *err) {
    if (!cli_stop_requested()) return ITO_OK;
    return ito_error_set(err, ITO_E_CANCELLED, "%s: stopped on request: %s", where, remedy);
}

ito_status cli_check_writable(const char *path, ito_error *err) {
    char folder[CLI_PATH_MAX];
    ito_status st = cli_path(folder, sizeof folder, err, "%s", path);
    if (st != ITO_OK) return st;
    char *slash = strrchr(folder, '/');
    if (!slash) {
        strcpy(folder, ".");
    } else {
        slash[slash == folder ? 1 : 0] = 0;
    }
    if (cli_is_directory(path)) {
        return ito_error_set(err, ITO_E_IO, "%s: is a folder: give the name of a file", path);
    }
    if (access(folder, W_OK) == 0) return ITO_OK;
    return ito_error_set(err, ITO_E_IO,
                         "%s: the folder %s does not take new files (%s): choose another --out", path, folder,
                         strerror(errno));
}

const char *cli_human(double value, const char *unit, char buffer[32]) {
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
    int i = 0;
    while (value >= 999.5 && i < 5) {
        value /= 1000;
        i++;
    }
    const char *gap = i > 0 || unit[0] ? " " : "";
    int digits = i == 0 && value == (double)(int64_t)value ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(buffer, 32, "%.*f%s%s%s", digits, value, gap, prefixes[i], unit);
    return buffer;
}

cli_fingerprint cli_fingerprint_start(void) {
    return (cli_fingerprint){UINT64_C(14695981039346656037)};
}

cli_fingerprint cli_fingerprint_add(cli_fingerprint f, const void *bytes, size_t size) {
    const unsigned char *b = bytes;
    for (size_t i = 0; i < size; i++) f.value = (f.value ^ b[i]) * UINT64_C(1099511628211);
    return f;
}

bool cli_ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

bool cli_is_directory(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cli_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

int64_t cli_file_size(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

ito_status cli_path(char *buffer, size_t size, ito_error *err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < size) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "%.64s...: a path of more than %zu characters: use a shorter one",
                         buffer, size - 1);
}
