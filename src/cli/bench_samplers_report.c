/* SPDX-License-Identifier: Apache-2.0
 *
 * The outcome of a contest of samplers as a table, JSON, CSV and a plot.
 */
#include "bench_samplers.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- table */

void cli_contest_print(const cli_contest *c) {
    const cli_quality *q = &c->quality;
    printf("%s, %s SDE, %" PRId64 " samples a run\n", c->source->name,
           ito_sde_name(c->source->recipe.sde.kind), q->count);
    for (int i = 0; i < q->measures; i++) {
        printf("%s: %s\n  of %s %.5f, from set to set +- %.5f\n", q->title[i], q->about[i], q->exact_name,
               q->floor[i].value, q->floor[i].standard_error);
    }
    printf("\n%-32s %6s %9s", "sampler", "calls", "steps by");
    for (int i = 0; i < q->measures; i++) printf(" %10s %9s", q->key[i], "+-");
    printf(" %8s\n", "seconds");
    for (int k = 0; k < c->trials; k++) {
        const cli_trial *t = &c->trial[k];
        const cli_contestant *who = &c->contestant[t->contestant];
        char by[16]; /* the grid, or the tolerance */
        if (t->tolerance > 0)
            snprintf(by, sizeof by, "%.0e", t->tolerance);
        else
            snprintf(by, sizeof by, "%s", who->sampler.pc.grid);
        printf("%-32s %6.0f %9s", who->name, t->nfe, by);
        for (int i = 0; i < q->measures; i++)
            printf(" %10.5f %9.5f", t->got[i].value, t->got[i].standard_error);
        printf(" %8.2f\n", t->seconds);
    }
}

/* ---- JSON */

static void add_estimate(cJSON *object, const char *key, ito_estimate e) {
    char error[32];
    snprintf(error, sizeof error, "%s_error", key);
    cJSON_AddNumberToObject(object, key, e.value);
    cJSON_AddNumberToObject(object, error, e.standard_error);
}

ito_status cli_contest_print_json(const cli_contest *c, const char *const files[2], ito_error *err) {
    const cli_quality *q = &c->quality;
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "model", c->source->name);
    cJSON_AddStringToObject(object, "sde", ito_sde_name(c->source->recipe.sde.kind));
    cJSON_AddNumberToObject(object, "count", (double)q->count);
    cJSON *list = cJSON_AddArrayToObject(object, "files");
    for (int i = 0; i < 2; i++) cJSON_AddItemToArray(list, cJSON_CreateString(files[i]));
    cJSON *floor = cJSON_AddObjectToObject(object, "exact");
    for (int i = 0; i < q->measures; i++) add_estimate(floor, q->key[i], q->floor[i]);
    cJSON *runs = cJSON_AddArrayToObject(object, "runs");
    for (int k = 0; k < c->trials; k++) {
        const cli_trial *t = &c->trial[k];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "sampler", c->contestant[t->contestant].name);
        cJSON_AddNumberToObject(item, "nfe", t->nfe);
        if (t->steps > 0) {
            cJSON_AddStringToObject(item, "grid", c->contestant[t->contestant].sampler.pc.grid);
            cJSON_AddNumberToObject(item, "steps", (double)t->steps);
        }
        if (t->tolerance > 0) cJSON_AddNumberToObject(item, "tolerance", t->tolerance);
        for (int i = 0; i < q->measures; i++) add_estimate(item, q->key[i], t->got[i]);
        cJSON_AddNumberToObject(item, "seconds", t->seconds);
        cJSON_AddItemToArray(runs, item);
    }
    return cli_print_json(object, err);
}

/* ---- CSV */

static void print_estimates(FILE *f, const cli_quality *q, const ito_estimate *e) {
    for (int i = 0; i < q->measures; i++) fprintf(f, ",%.9g,%.9g", e[i].value, e[i].standard_error);
}

/* One row for exact samples, whose error is the deviation of one set, then one a run. */
ito_status cli_contest_write_csv(const cli_contest *c, const char *path, ito_error *err) {
    const cli_quality *q = &c->quality;
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    if (!f) return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out: close other programs", path);
    fprintf(f, "sampler,nfe,grid,steps,tolerance");
    for (int i = 0; i < q->measures; i++) fprintf(f, ",%s,%s_error", q->key[i], q->key[i]);
    fprintf(f, ",seconds\nexact,,,,");
    print_estimates(f, q, q->floor);
    fprintf(f, ",\n");
    for (int k = 0; k < c->trials; k++) {
        const cli_trial *t = &c->trial[k];
        const cli_contestant *who = &c->contestant[t->contestant];
        fprintf(f, "%s,%.9g,", who->name, t->nfe);
        if (t->steps > 0)
            fprintf(f, "%s,%" PRId64 ",", who->sampler.pc.grid, t->steps);
        else
            fprintf(f, ",,");
        if (t->tolerance > 0) fprintf(f, "%g", t->tolerance);
        print_estimates(f, q, t->got);
        fprintf(f, ",%.3f\n", t->seconds);
    }
    const int failed = ferror(f) | fclose(f);
    ito_status st = failed ? ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out: close other programs", path)
                           : ito_file_write(path, text, length, err);
    free(text);
    return st;
}

/* ---- plot */

/* What cannot be told from exact samples: up to two deviations above what those got. */
static double band_top(const cli_quality *q, int i) {
    const ito_estimate e = q->floor[i];
    return (q->unbiased[i] ? 0 : e.value) + 2 * e.standard_error;
}

static double band_bottom(const cli_quality *q, int i) {
    const ito_estimate e = q->floor[i];
    return q->unbiased[i] ? 0 : e.value - 2 * e.standard_error;
}

/* Fills the curves of measure i; x and y have room for all trials. A logarithmic axis has no place for 0, so
 * values deep in the band lie in its middle. Where runs go wild, the chart ends. */
static void fill_chart(const cli_contest *c, int i, ito_series *series, double *x, double *y,
                       ito_plot *plot) {
    const cli_quality *q = &c->quality;
    const double top = band_top(q, i), least = q->unbiased[i] ? top / 2 : 0;
    double lowest = INFINITY, highest = 0;
    int k = 0;
    for (int who = 0; who < c->contestants; who++) {
        const int first = k;
        for (; k < c->trials && c->trial[k].contestant == who; k++) {
            x[k] = c->trial[k].nfe;
            y[k] = fmax(c->trial[k].got[i].value, least);
            lowest = fmin(lowest, y[k]);
            highest = fmax(highest, y[k]);
        }
        const char *label = k > first ? c->contestant[who].name : NULL; /* the colour stays its own */
        series[who] = (ito_series){label, k - first, x + first, y + first};
    }
    *plot = (ito_plot){.x_label = "score calls per sample (NFE)",
                       .y_label = q->title[i],
                       .log_x = true,
                       .log_y = true,
                       .n = c->contestants,
                       .series = series,
                       .band_label = q->exact_name,
                       .band_low = band_bottom(q, i),
                       .band_high = top,
                       .legend_beside = true};
    const double floor = q->unbiased[i] ? top / 2 : fmax(band_bottom(q, i), top / 4);
    plot->y_low = fmin(lowest, floor) / 1.15;
    plot->y_high = fmin(highest * 1.15, fmax(1e4 * top, 2 * lowest));
}

ito_status cli_contest_write_plot(const cli_contest *c, const char *path, ito_error *err) {
    const char *slash = strrchr(c->source->name, '/'), *model = slash ? slash + 1 : c->source->name;
    char titles[CLI_MOST_MEASURES][256];
    ito_plot plots[CLI_MOST_MEASURES];
    ito_series *series[CLI_MOST_MEASURES] = {0};
    double *xy[CLI_MOST_MEASURES] = {0};
    ito_status st = ITO_OK;
    for (int i = 0; i < c->quality.measures && st == ITO_OK; i++) {
        series[i] = calloc((size_t)c->contestants, sizeof *series[i]);
        xy[i] = calloc((size_t)c->trials, 2 * sizeof *xy[i]);
        if (!series[i] || !xy[i]) {
            st = ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out: close other programs", path);
            break;
        }
        fill_chart(c, i, series[i], xy[i], xy[i] + c->trials, &plots[i]);
        snprintf(titles[i], sizeof titles[i], "%s, %s SDE: %s of %" PRId64 " samples", model,
                 ito_sde_name(c->source->recipe.sde.kind), c->quality.title[i], c->quality.count);
        plots[i].title = titles[i];
    }
    if (st == ITO_OK) st = ito_plots_write(path, c->quality.measures, plots, err);
    for (int i = 0; i < CLI_MOST_MEASURES; i++) {
        free(series[i]);
        free(xy[i]);
    }
    return st;
}
