/* SPDX-License-Identifier: Apache-2.0
 *
 * Derivatives of every op, in double on the reference kernels, against central differences of fourth order:
 *     f'(x) = (f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12 h + O(h^4).
 * The first gradient answers to differences of phi, the second to differences of psi, which is built from the
 * first (see op_harness.h). Small operands are walked element by element, large ones at some elements and
 * along random directions. Linear ops also obey <A x, s> = <x, A^T s> to rounding.
 */
#include "op_harness.h"

#include <math.h>
#include <string.h>

/* Truncation is h^4 / 30 times the fifth derivative, 1e-13 to 1e-9 here; rounding of sums of O(10) over 12 h
 * is some 1e-12. The gradients are of order 1 to 0.01, hence: */
static const double H = 1e-3, DIFFERENCE_BOUND = 1e-8, LAW_BOUND = 1e-13;

enum { WALK_ALL = 24, SOME = 8, DIRECTIONS = 2 };

typedef struct scalars {
    double phi, psi;
} scalars;

/* The two scalars with leaf k moved by `step` along `direction` (NULL: along element i). */
static scalars moved(op_plan *p, const op_graph *o, int k, const double *direction, int64_t i, double step) {
    const op_leaf *leaf = &o->leaf[k];
    double *x = malloc((size_t)leaf->count * sizeof *x);
    assert_non_null(x);
    memcpy(x, leaf->values, (size_t)leaf->count * sizeof *x);
    if (direction) {
        for (int64_t e = 0; e < leaf->count; e++) x[e] += step * direction[e];
    } else {
        x[i] += step;
    }
    op_plan_set(p, leaf->node, x);
    free(x);
    op_plan_run(p);
    return (scalars){op_plan_get(p, o->phi, 0), op_plan_get(p, o->psi, 0)};
}

static scalars difference(op_plan *p, const op_graph *o, int k, const double *direction, int64_t i) {
    scalars f[4];
    /* A direction is as long as the root of its elements; beyond 64 of them a step keeps its length. */
    double h = direction ? H * fmin(1, 8 / sqrt((double)o->leaf[k].count)) : H;
    const double at[4] = {-2, -1, 1, 2}, weight[4] = {1, -8, 8, -1};
    scalars d = {0, 0};
    for (int j = 0; j < 4; j++) {
        f[j] = moved(p, o, k, direction, i, at[j] * h);
        d.phi += weight[j] * f[j].phi / (12 * h);
        d.psi += weight[j] * f[j].psi / (12 * h);
    }
    op_plan_set(p, o->leaf[k].node, o->leaf[k].values);
    return d;
}

/* Size against which an error counts: the largest element; 1 where a gradient vanishes identically. */
static double largest(const op_plan *p, const ito_node *x) {
    double m = 0;
    for (int64_t i = 0; i < ito_shape_count(ito_node_shape(x)); i++) m = fmax(m, fabs(op_plan_get(p, x, i)));
    return m > 1e-12 ? m : 1;
}

static double along(const op_plan *p, const ito_node *x, const double *direction) {
    double sum = 0;
    for (int64_t i = 0; i < ito_shape_count(ito_node_shape(x)); i++)
        sum += op_plan_get(p, x, i) * direction[i];
    return sum;
}

typedef struct check {
    const op_case *c;
    const op_graph *o;
    op_plan *scalars, *grads; /* outputs phi, psi; outputs y and every gradient */
    op_tally *first, *second;
} check;

static void compare(const check *q, int k, const double *direction, int64_t i) {
    const ito_node *first = k == q->o->s ? q->o->y : q->o->dx[k],
                   *second = k == q->o->s ? q->o->ds : q->o->ddx[k];
    scalars d = difference(q->scalars, q->o, k, direction, i);
    double g1 = direction ? along(q->grads, first, direction) : op_plan_get(q->grads, first, i);
    double g2 = direction ? along(q->grads, second, direction) : op_plan_get(q->grads, second, i);
    /* A random walk over n elements has the size of sqrt(n) of them. */
    double spread = direction ? sqrt((double)q->o->leaf[k].count) : 1;
    double bound = DIFFERENCE_BOUND * (q->c->loose > 0 ? q->c->loose : 1);
    char what[48];
    snprintf(what, sizeof what, "leaf %d %s %lld", k, direction ? "direction" : "element", (long long)i);
    op_tally_add(q->first, q->c, what, fabs(d.phi - g1) / (spread * largest(q->grads, first)), bound);
    op_tally_add(q->second, q->c, what, fabs(d.psi - g2) / (spread * largest(q->grads, second)), bound);
}

static void check_leaf(const check *q, int k) {
    const op_leaf *leaf = &q->o->leaf[k];
    uint64_t stream = 1000 + (uint64_t)(q->c - op_cases);
    if (leaf->count <= WALK_ALL) {
        for (int64_t i = 0; i < leaf->count; i++) compare(q, k, NULL, i);
        return;
    }
    double pick[SOME];
    op_uniform(stream, k, SOME, 0, (double)leaf->count - 0.5, pick);
    for (int j = 0; j < SOME; j++) compare(q, k, NULL, (int64_t)pick[j]);
    double *direction = malloc((size_t)leaf->count * sizeof *direction);
    assert_non_null(direction);
    for (int j = 0; j < DIRECTIONS; j++) {
        op_uniform(stream, 100 + j, leaf->count, -1, 1, direction);
        for (int64_t i = 0; i < leaf->count; i++) direction[i] = direction[i] < 0 ? -1 : 1;
        compare(q, k, direction, j);
    }
    free(direction);
}

/* Plans of a case: the scalars, and everything. */
static void open_plans(const op_graph *o, op_plan *scalars_plan, op_plan *grads_plan) {
    ito_node *outputs[2 * OP_MAX_IN + 2] = {o->y, o->ds};
    int n = 2;
    for (int i = 0; i < o->n_x; i++) {
        if (!o->differentiable[i]) continue;
        outputs[n++] = o->dx[i];
        outputs[n++] = o->ddx[i];
    }
    op_plan_open(scalars_plan, o->g, 2, (ito_node *[]){o->phi, o->psi}, op_reference(ITO_F64));
    op_plan_open(grads_plan, o->g, n, outputs, op_reference(ITO_F64));
    op_plan_set_all(scalars_plan, o);
    op_plan_set_all(grads_plan, o);
    op_plan_run(grads_plan);
}

static void derivatives_match_central_differences(void **state) {
    (void)state;
    static op_tally first = {.title = "gradients"}, second = {.title = "gradients of gradients"};
    for (int i = 0; i < op_case_count; i++) {
        op_graph o;
        op_plan scalars_plan, grads_plan;
        op_graph_build(&o, &op_cases[i], false);
        open_plans(&o, &scalars_plan, &grads_plan);
        check q = {&op_cases[i], &o, &scalars_plan, &grads_plan, &first, &second};
        for (int k = 0; k < o.n_x; k++)
            if (o.differentiable[k]) check_leaf(&q, k);
        check_leaf(&q, o.s);
        op_plan_close(&scalars_plan);
        op_plan_close(&grads_plan);
        op_graph_release(&o);
    }
    op_tally_close(2, (const op_tally *[]){&first, &second});
}

static double inner(const op_plan *p, const ito_node *x, const op_leaf *leaf) {
    double sum = 0;
    for (int64_t i = 0; i < leaf->count; i++) sum += op_plan_get(p, x, i) * leaf->values[i];
    return sum;
}

/* What rounding of an inner product is measured against. */
static double norms(const op_plan *p, const ito_node *x, const op_leaf *leaf) {
    double a = 0, b = 0;
    for (int64_t i = 0; i < leaf->count; i++) {
        a += op_plan_get(p, x, i) * op_plan_get(p, x, i);
        b += leaf->values[i] * leaf->values[i];
    }
    return sqrt(a * b);
}

static void check_law(op_tally *t, const op_case *c, const op_graph *o, const op_plan *p) {
    const op_leaf *s = &o->leaf[o->s];
    double image = inner(p, o->y, s), total = 0, size = norms(p, o->y, s);
    for (int i = 0; i < o->n_x; i++) {
        double preimage = inner(p, o->dx[i], &o->leaf[i]);
        double scale = size + norms(p, o->dx[i], &o->leaf[i]);
        total += preimage;
        if (c->law == OP_MULTILINEAR)
            op_tally_add(t, c, "one operand", fabs(image - preimage) / scale, LAW_BOUND);
    }
    if (c->law == OP_LINEAR) op_tally_add(t, c, "all operands", fabs(image - total) / size, LAW_BOUND);
}

static void linear_ops_equal_their_transposes_under_inner_products(void **state) {
    (void)state;
    static op_tally tally = {.title = "<A x, s> = <x, A^T s>"};
    for (int i = 0; i < op_case_count; i++) {
        if (op_cases[i].law == OP_NO_LAW) continue;
        op_graph o;
        op_plan scalars_plan, grads_plan;
        op_graph_build(&o, &op_cases[i], false);
        open_plans(&o, &scalars_plan, &grads_plan);
        check_law(&tally, &op_cases[i], &o, &grads_plan);
        op_plan_close(&scalars_plan);
        op_plan_close(&grads_plan);
        op_graph_release(&o);
    }
    op_tally_close(1, (const op_tally *[]){&tally});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_match_central_differences),
        cmocka_unit_test(linear_ops_equal_their_transposes_under_inner_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
