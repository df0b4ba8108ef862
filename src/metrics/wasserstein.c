/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimal matching by shortest augmenting paths (Jonker & Volgenant, A shortest augmenting path algorithm
 * for dense and sparse linear assignment problems, 1987): columns are reduced and matched greedily; every row
 * left then finds a free column by Dijkstra's algorithm over reduced costs. Of their phases the reduction of
 * augmenting rows is left out: in doubles it may go on for long over ties.
 */
#include "core/memory.h"

#include <ito/metrics.h>
#include <math.h>
#include <stdbool.h>

typedef struct matching {
    int64_t n;
    const double *cost; /* [n, n], row to column */
    double *price;      /* [n] of columns: cost - price is what a row compares */
    double *distance;   /* [n] of columns from the free row */
    int64_t *row_of;    /* [n] of columns, -1 free */
    int64_t *column_of; /* [n] of rows, -1 free */
    int64_t *before;    /* [n] the row from which a column was reached */
    bool *reached;      /* [n] columns whose distance is final */
} matching;

static void reduce_columns(matching *m) {
    for (int64_t i = 0; i < m->n; i++) m->column_of[i] = -1;
    for (int64_t j = 0; j < m->n; j++) {
        int64_t least = 0;
        for (int64_t i = 1; i < m->n; i++)
            if (m->cost[i * m->n + j] < m->cost[least * m->n + j]) least = i;
        m->price[j] = m->cost[least * m->n + j];
        m->row_of[j] = m->column_of[least] < 0 ? least : -1;
        if (m->row_of[j] >= 0) m->column_of[least] = j;
    }
}

/* Goes on from `row` at distance `base`, lowering the distances of columns, and returns the nearest column
 * not yet reached. */
static int64_t relax(matching *m, int64_t row, double base) {
    const double *cost = m->cost + row * m->n;
    int64_t nearest = -1;
    double least = INFINITY;
    for (int64_t j = 0; j < m->n; j++) {
        if (m->reached[j]) continue;
        const double through = base + cost[j] - m->price[j];
        if (through < m->distance[j]) {
            m->distance[j] = through;
            m->before[j] = row;
        }
        if (m->distance[j] < least) {
            least = m->distance[j];
            nearest = j;
        }
    }
    return nearest;
}

/* Matches a free row along the shortest path to a free column; matched edges keep the reduced cost 0. */
static void augment(matching *m, int64_t free_row) {
    int64_t row = free_row, column;
    double base = 0;
    for (int64_t j = 0; j < m->n; j++) {
        m->distance[j] = INFINITY;
        m->reached[j] = false;
    }
    while (m->row_of[column = relax(m, row, base)] >= 0) {
        m->reached[column] = true;
        row = m->row_of[column];
        base = m->distance[column] - (m->cost[row * m->n + column] - m->price[column]);
    }
    const double length = m->distance[column];
    for (int64_t j = 0; j < m->n; j++)
        if (m->reached[j]) m->price[j] += m->distance[j] - length;
    do {
        row = m->before[column];
        const int64_t next = m->column_of[row];
        m->row_of[column] = row;
        m->column_of[row] = column;
        column = next;
    } while (row != free_row);
}

static ito_status fill_cost(int64_t n, int64_t dim, const double *x, const double *y, double *cost,
                            ito_error *err) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            double squares = 0;
            for (int64_t d = 0; d < dim; d++) {
                const double difference = x[i * dim + d] - y[j * dim + d];
                squares += difference * difference;
            }
            if (!isfinite(squares))
                return ito_error_set(err, ITO_E_ARG,
                                     "x, y: rows %lld and %lld have no finite distance: leave them out",
                                     (long long)i, (long long)j);
            cost[i * n + j] = squares;
        }
    }
    return ITO_OK;
}

ito_status ito_wasserstein2(int64_t n, int64_t dim, const double *x, const double *y, double *out,
                            ito_error *err) {
    if (n < 1 || dim < 1)
        return ito_error_set(err, ITO_E_ARG, "n, dim: are %lld and %lld: use at least 1", (long long)n,
                             (long long)dim);
    size_t square = SIZE_MAX, size = (size_t)n;
    if (!ito__mul_size(size, size, &square)) square = SIZE_MAX;
    double *cost = NULL, *doubles = NULL;
    int64_t *indices = NULL;
    bool *reached = NULL;
    ito_status st;
    if ((cost = ito__alloc(square, sizeof *cost)) == NULL ||
        (doubles = ito__alloc(size, 2 * sizeof *doubles)) == NULL ||
        (indices = ito__alloc(size, 3 * sizeof *indices)) == NULL ||
        (reached = ito__alloc(size, sizeof *reached)) == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "n: no memory to match %lld rows: use fewer", (long long)n);
        goto done;
    }
    if ((st = fill_cost(n, dim, x, y, cost, err)) != ITO_OK) goto done;
    matching m = {n, cost, doubles, doubles + n, indices, indices + n, indices + 2 * n, reached};
    reduce_columns(&m);
    for (int64_t i = 0; i < n; i++)
        if (m.column_of[i] < 0) augment(&m, i);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += cost[i * n + m.column_of[i]];
    *out = sqrt(sum / (double)n);
done:
    ito__free(reached);
    ito__free(indices);
    ito__free(doubles);
    ito__free(cost);
    return st;
}
