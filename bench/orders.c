/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_orders DOCS: measures the convergence orders of tests/support/orders.c, puts their table between the
 * two marks of DOCS/orders.md, and draws the errors of each kind, DOCS/pictures/orders_KIND.png.
 */
#include "support/orders.h"

#include <ito/formats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_cases = 64, most_text = 1 << 20, line = 160 };

static const char opening[] = "<!-- measured -->\n", closing[] = "<!-- end -->\n";

typedef struct measurement {
    const order_case *what;
    order_curve curve;
    char label[line]; /* in the plot */
} measurement;

static ito_status measure_all(measurement *all, int *count, ito_error *err) {
    for (*count = 0; order_case_at(*count) != NULL; (*count)++) {
        if (*count == most_cases) return ito_error_set(err, ITO_E_ARG, "orders: more than %d", most_cases);
        measurement *m = &all[*count];
        m->what = order_case_at(*count);
        const ito_status st = order_measure(m->what, &m->curve, err);
        if (st != ITO_OK) return st;
        snprintf(m->label, sizeof m->label, "%s: %.2f", m->what->method, m->curve.order);
    }
    return ITO_OK;
}

/* The Markdown table; its last column tells N and the error at both ends. */
static void write_table(const measurement *all, int count, char *out, size_t size) {
    int used = snprintf(out, size,
                        "| method | error | order in theory | measured | errors |\n"
                        "| --- | --- | --- | --- | --- |\n");
    for (int i = 0; i < count; i++) {
        const order_curve *c = &all[i].curve;
        const int last = order_points - 1;
        used += snprintf(out + used, size - (size_t)used,
                         "| %s | %s | %g | %.2f | %.1e at N = %g, %.1e at %g |\n", all[i].what->method,
                         order_kind_name(all[i].what->kind), all[i].what->theory, c->order, c->error[0],
                         c->N[0], c->error[last], c->N[last]);
    }
}

static ito_status renew_page(const char *docs, const char *table, ito_error *err) {
    char path[4096], *text = NULL, *page = NULL;
    size_t length;
    ito_status st;
    snprintf(path, sizeof path, "%s/orders.md", docs);
    if ((st = ito_file_read(path, most_text, &text, &length, err)) != ITO_OK) goto done;
    const char *first = strstr(text, opening), *last = first == NULL ? NULL : strstr(first, closing);
    if (last == NULL) {
        st = ito_error_set(err, ITO_E_FORMAT, "%s: has no marks: put %s and %s around the table", path,
                           "<!-- measured -->", "<!-- end -->");
        goto done;
    }
    const size_t head = (size_t)(first - text) + strlen(opening), size = length + strlen(table) + 1;
    if ((page = malloc(size)) == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory for it", path);
        goto done;
    }
    snprintf(page, size, "%.*s%s%s", (int)head, text, table, last);
    st = ito_file_write(path, page, strlen(page), err);
done:
    free(page);
    free(text);
    return st;
}

static ito_status draw(const char *docs, order_kind kind, const measurement *all, int count, ito_error *err) {
    ito_series series[most_cases];
    char path[4096], title[line];
    int n = 0;
    for (int i = 0; i < count; i++) {
        const measurement *m = &all[i];
        if (m->what->kind == kind)
            series[n++] = (ito_series){m->label, order_points, m->curve.N, m->curve.error};
    }
    snprintf(path, sizeof path, "%s/pictures/orders_%s.png", docs, order_kind_name(kind));
    snprintf(title, sizeof title, "Error (%s) and its order", order_kind_name(kind));
    const ito_plot plot = {.title = title,
                           .x_label = "steps N",
                           .y_label = "error",
                           .log_x = true,
                           .log_y = true,
                           .n = n,
                           .series = series};
    return ito_plot_write(path, &plot, err);
}

int main(int argc, char **argv) {
    static measurement all[most_cases];
    static char table[most_cases * line];
    int count;
    ito_error err = {0};
    if (argc != 2) {
        fprintf(stderr, "bench_orders: give the folder docs\n");
        return 2;
    }
    ito_status st = measure_all(all, &count, &err);
    if (st == ITO_OK) {
        write_table(all, count, table, sizeof table);
        st = renew_page(argv[1], table, &err);
    }
    for (int kind = 0; kind < order_kind_count && st == ITO_OK; kind++)
        st = draw(argv[1], (order_kind)kind, all, count, &err);
    if (st != ITO_OK) {
        fprintf(stderr, "bench_orders: %s\n", err.message);
        return 1;
    }
    fputs(table, stdout);
    return 0;
}
