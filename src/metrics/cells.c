/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells of equal mass by halving at medians (a k-d tree), and the KL divergence on them with its bias taken
 * off (Miller, Note on the bias of information estimates, 1955).
 */
#include "core/memory.h"

#include <ito/metrics.h>
#include <math.h>
#include <stdbool.h>

/* Rows with x[axis] < cut go to the first child, others to the second. Cells are numbered from left to right;
 * a node over one cell has no children. */
typedef struct node {
    int64_t axis, first, second;
    int64_t cell; /* -1: has children */
    double cut;
} node;

struct ito_cells {
    int64_t count, dim, m;
    int64_t nodes; /* in use, of 2 count - 1 */
    node *node;
    double *mass;   /* [count] */
    double *mean;   /* [count, dim] */
    double squares; /* sum over rows of |x - mean of the cell|^2 */
};

/* ---- building ---- */

static void swap_rows(int64_t dim, double *a, double *b) {
    for (int64_t j = 0; j < dim; j++) {
        const double t = a[j];
        a[j] = b[j];
        b[j] = t;
    }
}

/* Hoare's selection: orders the rows so that none before row `rank` exceeds it on the axis, none after it is
 * below. */
static void select_row(int64_t dim, double *x, int64_t n, int64_t axis, int64_t rank) {
    int64_t low = 0, high = n - 1;
    while (low < high) {
        const double pivot = x[(low + (high - low) / 2) * dim + axis];
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i * dim + axis] < pivot) i++;
            while (pivot < x[j * dim + axis]) j--;
            if (i > j) break;
            swap_rows(dim, x + i++ * dim, x + j-- * dim);
        }
        if (rank <= j)
            high = j;
        else if (rank >= i)
            low = i;
        else
            return;
    }
}

static int64_t widest_axis(int64_t n, int64_t dim, const double *x) {
    int64_t widest = 0;
    double largest = -1;
    for (int64_t j = 0; j < dim; j++) {
        double sum = 0, squares = 0;
        for (int64_t k = 0; k < n; k++) {
            const double d = x[k * dim + j] - x[j];
            sum += d;
            squares += d * d;
        }
        const double variance = squares - sum * sum / (double)n;
        if (variance <= largest) continue;
        largest = variance;
        widest = j;
    }
    return widest;
}

static void close_cell(ito_cells *c, const double *x, int64_t n, int64_t cell) {
    double *mean = c->mean + cell * c->dim;
    c->mass[cell] = (double)n / (double)c->m;
    for (int64_t k = 0; k < n; k++)
        for (int64_t j = 0; j < c->dim; j++) mean[j] += x[k * c->dim + j] / (double)n;
    for (int64_t k = 0; k < n; k++)
        for (int64_t j = 0; j < c->dim; j++) {
            const double d = x[k * c->dim + j] - mean[j];
            c->squares += d * d;
        }
}

/* Splits rows [n, dim] into the cells first_cell .. first_cell + count - 1; *made is the node's index. Calls
 * itself as deep as log2(count). */
static ito_status split(ito_cells *c, double *x, int64_t n, int64_t first_cell, int64_t count, int64_t *made,
                        ito_error *err) {
    const int64_t index = *made = c->nodes++;
    ito_status st;
    if (count == 1) {
        c->node[index] = (node){.cell = first_cell};
        close_cell(c, x, n, first_cell);
        return ITO_OK;
    }
    const int64_t axis = widest_axis(n, c->dim, x), lower = count / 2, rank = n * lower / count;
    select_row(c->dim, x, n, axis, rank);
    double below = x[axis], first, second;
    for (int64_t k = 1; k < rank; k++) below = fmax(below, x[k * c->dim + axis]);
    second = x[rank * c->dim + axis];
    first = below + (second - below) / 2;
    if (!(below < second))
        return ito_error_set(err, ITO_E_ARG, "reference: has too many equal rows for %lld cells: use fewer",
                             (long long)c->count);
    /* Between neighbouring numbers the middle may round down to the lower one. */
    c->node[index] = (node){.axis = axis, .cell = -1, .cut = first > below ? first : second};
    st = split(c, x, rank, first_cell, lower, &c->node[index].first, err);
    if (st != ITO_OK) return st;
    return split(c, x + rank * c->dim, n - rank, first_cell + lower, count - lower, &c->node[index].second,
                 err);
}

static ito_status check(int64_t count, int64_t m, int64_t dim, const double *reference, ito_error *err) {
    if (count < 2 || count > INT32_MAX)
        return ito_error_set(err, ITO_E_ARG, "count: is %lld: use 2 or more cells", (long long)count);
    if (dim < 1) return ito_error_set(err, ITO_E_ARG, "dim: is %lld: use at least 1", (long long)dim);
    if (m < 16 * count)
        return ito_error_set(err, ITO_E_ARG, "m: %lld rows are few for %lld cells: use %lld or more",
                             (long long)m, (long long)count, (long long)(16 * count));
    for (int64_t k = 0; k < m; k++)
        for (int64_t j = 0; j < dim; j++)
            if (!isfinite(reference[k * dim + j]))
                return ito_error_set(err, ITO_E_ARG, "reference: row %lld is not finite: leave it out",
                                     (long long)k);
    return ITO_OK;
}

ito_status ito_cells_create(int64_t count, int64_t m, int64_t dim, const double *reference, ito_cells **out,
                            ito_error *err) {
    ito_cells *c = NULL;
    double *x = NULL;
    size_t values = SIZE_MAX;
    int64_t root;
    ito_status st;
    *out = NULL;
    if ((st = check(count, m, dim, reference, err)) != ITO_OK) return st;
    if (!ito__mul_size((size_t)m, (size_t)dim, &values)) values = SIZE_MAX;
    if ((c = ito__calloc(1, sizeof *c)) != NULL) {
        *c = (ito_cells){.count = count, .dim = dim, .m = m};
        c->node = ito__calloc((size_t)(2 * count - 1), sizeof *c->node);
        c->mass = ito__calloc((size_t)count, sizeof *c->mass);
        c->mean = ito__calloc((size_t)count, (size_t)dim * sizeof *c->mean);
        x = ito__alloc(values, sizeof *x);
    }
    if (c == NULL || c->node == NULL || c->mass == NULL || c->mean == NULL || x == NULL) {
        st = ito_error_set(err, ITO_E_NOMEM, "m: no memory for %lld rows: use fewer", (long long)m);
        goto done;
    }
    for (size_t k = 0; k < values; k++) x[k] = reference[k];
    if ((st = split(c, x, m, 0, count, &root, err)) != ITO_OK) goto done;
    *out = c;
    c = NULL;
done:
    ito__free(x);
    ito_cells_free(c);
    return st;
}

void ito_cells_free(ito_cells *cells) {
    if (cells == NULL) return;
    ito__free(cells->node);
    ito__free(cells->mass);
    ito__free(cells->mean);
    ito__free(cells);
}

int64_t ito_cells_count(const ito_cells *cells) {
    return cells->count;
}

void ito_cells_mass(const ito_cells *cells, double *mass) {
    for (int64_t k = 0; k < cells->count; k++) mass[k] = cells->mass[k];
}

double ito_cells_means(const ito_cells *cells, double *means) {
    for (int64_t k = 0; k < cells->count * cells->dim; k++) means[k] = cells->mean[k];
    return sqrt(cells->squares / (double)cells->m);
}

/* ---- using ---- */

void ito_cells_hits(const ito_cells *cells, int64_t n, const double *x, int64_t *hits) {
    for (int64_t k = 0; k < cells->count; k++) hits[k] = 0;
    for (int64_t k = 0; k < n; k++) {
        const node *at = cells->node;
        while (at->cell < 0)
            at = &cells->node[x[k * cells->dim + at->axis] < at->cut ? at->first : at->second];
        hits[at->cell]++;
    }
}

/* With L_k = log(q_k / p_k): the variance of the sum is Var_q(L) / n to first order, which itself has the
 * bias (occupied - 1) / n; where L = 0 the next order is all there is, that of chi-square / (2n). */
static ito_estimate kl_of(const ito_cells *c, int64_t n, const int64_t *hits) {
    double sum = 0, squares = 0, occupied = 0;
    for (int64_t k = 0; k < c->count; k++) {
        if (hits[k] == 0) continue;
        const double q = (double)hits[k] / (double)n, L = log(q / c->mass[k]);
        sum += q * L;
        squares += q * L * L;
        occupied++;
    }
    const double chance = (occupied - 1) / (double)n, known = (double)(c->count - 1) / (2 * (double)c->m);
    const double variance = fmax(squares - sum * sum - chance, 0) + chance / 2;
    return (ito_estimate){sum - chance / 2 - known, sqrt(variance / (double)n)};
}

ito_status ito_cells_kl(const ito_cells *cells, int64_t n, const double *x, ito_estimate *out,
                        ito_error *err) {
    if (n < 1) return ito_error_set(err, ITO_E_ARG, "n: is %lld: use at least 1", (long long)n);
    int64_t *hits = ito__alloc((size_t)cells->count, sizeof *hits);
    if (hits == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "cells: no memory to count in %lld: use fewer",
                             (long long)cells->count);
    ito_cells_hits(cells, n, x, hits);
    *out = kl_of(cells, n, hits);
    ito__free(hits);
    return ITO_OK;
}
