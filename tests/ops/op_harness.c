/* SPDX-License-Identifier: Apache-2.0
 *
 * Building, planning and running the cases of the table.
 */
#include "op_harness.h"

#include <ito/random.h>
#include <math.h>
#include <string.h>

enum { DROPOUT_SEED = 77, DROPOUT_STEP = 3, FIRST_SAMPLE = 5 };

void op_require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s: %s", ito_status_name(st), err->message);
}

static void *allocate(int64_t count, size_t size) {
    void *p = calloc((size_t)count, size);
    if (!p) fail_msg("out of memory");
    return p;
}

/* ---- values ---- */

void op_uniform(uint64_t stream, int64_t sample, int64_t n, double low, double high, double *out) {
    ito_random_uniform((ito_stream){stream, ITO_RNG_USER, sample}, 0, n, out);
    for (int64_t i = 0; i < n; i++) out[i] = (double)(float)(low + (high - low) * out[i]);
}

static void draw(const op_operand *o, uint64_t stream, int64_t sample, int64_t n, double *out) {
    double low = o->low, high = o->high;
    if (low == 0 && high == 0) low = -1, high = 1;
    if (o->role == OP_INDEX) low = -1;
    op_uniform(stream, sample, n, low, high, out);
    for (int64_t i = 0; i < n; i++) {
        if (o->role == OP_INDEX) out[i] = rint(out[i]) + 0.25; /* rounds to the nearest */
        if (o->spread) out[i] = (double)(float)((double)(i * 61 % 127) / 32 - 2);
        if (fabs(out[i]) < o->gap) out[i] += out[i] < 0 ? -o->gap : o->gap;
    }
}

/* ---- graphs ---- */

static op_leaf *add_leaf(op_graph *o, ito_node *node) {
    assert_true(o->n_leaves < OP_MAX_TENSORS);
    op_leaf *leaf = &o->leaf[o->n_leaves++];
    int64_t count = ito_shape_count(ito_node_shape(node));
    *leaf = (op_leaf){node, allocate(count, sizeof(double)), count};
    return leaf;
}

static bool fills_blocks(ito_shape s) {
    return s.rank == 4 && s.dim[1] % 8 == 0 && s.dim[2] * s.dim[3] > 1;
}

bool op_case_wraps(const op_case *c) {
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i].role == OP_INPUT && fills_blocks(c->in[i].shape)) return true;
    return false;
}

/* x through a convolution that changes nothing. */
static ito_node *wrap(op_graph *o, ito_node *x) {
    ito_shape s = ito_node_shape(x);
    if (!fills_blocks(s)) return x;
    char name[32];
    snprintf(name, sizeof name, "identity.%d", o->n_leaves);
    ito_node *w = ito_param(o->g, name, ITO_SHAPE(s.dim[1], s.dim[1], 1, 1), ito_init_zeros());
    op_leaf *leaf = add_leaf(o, w);
    for (int64_t i = 0; i < s.dim[1]; i++) leaf->values[i * s.dim[1] + i] = 1;
    return ito_conv2d(x, w, NULL, ito_conv_same(1));
}

static ito_node *make_operand(op_graph *o, const op_case *c, int i) {
    const op_operand *operand = &c->in[i];
    char name[32];
    snprintf(name, sizeof name, "x%d", i);
    ito_node *x = operand->role == OP_WEIGHT ? ito_param(o->g, name, operand->shape, ito_init_zeros())
                                             : ito_input(o->g, name, operand->shape);
    op_leaf *leaf = add_leaf(o, x);
    draw(operand, (uint64_t)(c - op_cases), i, leaf->count, leaf->values);
    o->differentiable[i] = operand->role != OP_INDEX;
    return x;
}

static ito_node *make_probe(op_graph *o, const op_case *c, const char *name, ito_shape shape) {
    ito_node *v = ito_input(o->g, name, shape);
    op_leaf *leaf = add_leaf(o, v);
    op_uniform((uint64_t)(c - op_cases), 100 + o->n_leaves, leaf->count, -1, 1, leaf->values);
    return v;
}

/* phi, G_i, psi, H_i and J of the header. */
static void differentiate(op_graph *o, const op_case *c) {
    ito_node *wrt[OP_MAX_IN + 1], *grads[OP_MAX_IN + 1];
    int n = 0;
    o->s = o->n_leaves;
    ito_node *s = make_probe(o, c, "s", ito_node_shape(o->y));
    o->phi = ito_sum(ito_mul(o->y, s));
    for (int i = 0; i < o->n_x; i++)
        if (o->differentiable[i]) wrt[n++] = o->leaf[i].node;
    ito_gradients(o->y, s, n, wrt, grads);
    o->psi = ito_fill(o->g, 0, ito_shape_scalar());
    for (int i = 0, k = 0; i < o->n_x; i++) {
        if (!o->differentiable[i]) continue;
        char name[32];
        snprintf(name, sizeof name, "v%d", i);
        o->dx[i] = grads[k++];
        ito_node *v = make_probe(o, c, name, c->in[i].shape);
        o->psi = ito_add(o->psi, ito_sum(ito_mul(o->dx[i], v)));
    }
    wrt[n] = s;
    ito_gradients(o->psi, NULL, n + 1, wrt, grads);
    for (int i = 0, k = 0; i < o->n_x; i++)
        if (o->differentiable[i]) o->ddx[i] = grads[k++];
    o->ds = grads[n];
}

void op_graph_build(op_graph *o, const op_case *c, bool wrapped) {
    ito_error err = {0};
    *o = (op_graph){.n_x = c->n_in};
    op_require(ito_graph_create(&o->g, &err), &err);
    ito_graph_scope(o->g, c->name);
    ito_node *x[OP_MAX_IN];
    for (int i = 0; i < c->n_in; i++) x[i] = make_operand(o, c, i);
    for (int i = 0; i < c->n_in; i++)
        if (wrapped && c->in[i].role == OP_INPUT) x[i] = wrap(o, x[i]);
    o->y = c->build(c, x);
    if (wrapped) o->y = wrap(o, o->y);
    differentiate(o, c);
    op_require(ito_graph_status(o->g, &err), &err);
}

void op_graph_release(op_graph *o) {
    for (int i = 0; i < o->n_leaves; i++) free(o->leaf[i].values);
    ito_graph_free(o->g);
}

/* ---- plans ---- */

ito_plan_options op_reference(ito_precision precision) {
    ito_plan_options options = ito_plan_default();
    options.precision = precision;
    options.reference = true;
    options.threads = 1;
    return options;
}

static int find(const op_plan *p, const ito_node *node) {
    for (int i = 0; i < p->n; i++)
        if (p->node[i] == node) return i;
    return -1;
}

/* Memory for a node, bound to the workspace; false when the plan has no such leaf or output. */
static bool bind(op_plan *p, const ito_node *node) {
    assert_true(p->n < OP_MAX_TENSORS);
    size_t size = p->f64 ? sizeof(double) : sizeof(float);
    void *data = allocate(ito_shape_count(ito_node_shape(node)), size);
    if (ito_workspace_bind(p->ws, node, data, NULL) != ITO_OK) {
        free(data);
        return false;
    }
    p->node[p->n] = node;
    p->data[p->n++] = data;
    return true;
}

void op_plan_open(op_plan *p, ito_graph *g, int n_outputs, ito_node *const *outputs,
                  ito_plan_options options) {
    ito_error err = {0};
    *p = (op_plan){.f64 = options.precision == ITO_F64};
    op_require(ito_plan_create(g, n_outputs, outputs, &options, &p->plan, &err), &err);
    op_require(ito_workspace_create(p->plan, &p->ws, &err), &err);
    ito_workspace_random(p->ws, DROPOUT_SEED, DROPOUT_STEP, FIRST_SAMPLE);
    for (int i = 0; i < n_outputs; i++) {
        if (find(p, outputs[i]) < 0 && !bind(p, outputs[i])) fail_msg("output %d cannot be bound", i);
    }
}

void op_plan_close(op_plan *p) {
    for (int i = 0; i < p->n; i++) free(p->data[i]);
    ito_workspace_free(p->ws);
    ito_plan_free(p->plan);
}

void op_plan_set(op_plan *p, const ito_node *leaf, const double *values) {
    int k = find(p, leaf);
    if (k < 0 && bind(p, leaf)) k = p->n - 1;
    if (k < 0) return;
    int64_t n = ito_shape_count(ito_node_shape(leaf));
    for (int64_t i = 0; i < n; i++) {
        if (p->f64)
            ((double *)p->data[k])[i] = values[i];
        else
            ((float *)p->data[k])[i] = (float)values[i];
    }
}

void op_plan_set_all(op_plan *p, const op_graph *o) {
    for (int i = 0; i < o->n_leaves; i++) op_plan_set(p, o->leaf[i].node, o->leaf[i].values);
}

void op_plan_run(op_plan *p) {
    ito_error err = {0};
    op_require(ito_plan_run(p->plan, p->ws, &err), &err);
}

double op_plan_get(const op_plan *p, const ito_node *node, int64_t i) {
    int k = find(p, node);
    if (k < 0) fail_msg("the node is not bound");
    return p->f64 ? ((const double *)p->data[k])[i] : (double)((const float *)p->data[k])[i];
}

double op_plan_difference(const op_plan *a, const op_plan *b, const ito_node *x, double *size) {
    double difference = 0;
    *size = 0;
    for (int64_t i = 0; i < ito_shape_count(ito_node_shape(x)); i++) {
        double u = op_plan_get(a, x, i), v = op_plan_get(b, x, i);
        if (!(fabs(u - v) <= difference)) difference = fabs(u - v); /* keeps a NaN */
        *size = fmax(*size, fabs(v));
    }
    return difference;
}

int op_plan_count(const op_plan *p, const char *text) {
    char *description = ito_plan_describe(p->plan);
    assert_non_null(description);
    int n = 0;
    for (const char *at = description; (at = strstr(at, text)) != NULL; at++) n++;
    free(description);
    return n;
}

/* ---- tally ---- */

static int family_row(op_tally *t, const op_case *c) {
    char family[32];
    size_t length = strcspn(c->name, ":");
    snprintf(family, sizeof family, "%.*s", (int)length, c->name);
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->row[i].family, family) == 0) return i;
    assert_true(t->n < (int)(sizeof t->row / sizeof t->row[0]));
    strcpy(t->row[t->n].family, family);
    return t->n++;
}

void op_tally_add(op_tally *t, const op_case *c, const char *what, double error, double bound) {
    int i = family_row(t, c);
    t->row[i].checks++;
    if (!(error <= bound)) {
        t->failures++;
        print_message("  beyond its bound: %s, %s: %.2e > %.1e\n", c->name, what, error, bound);
    }
    if (t->row[i].bound == 0 || !(error / bound <= t->row[i].worst / t->row[i].bound)) {
        t->row[i].worst = error;
        t->row[i].bound = bound;
        snprintf(t->row[i].where, sizeof t->row[i].where, "%s, %s", c->name, what);
    }
}

void op_tally_close(int n, const op_tally *const *tallies) {
    int failures = 0;
    for (int k = 0; k < n; k++) {
        const op_tally *t = tallies[k];
        print_message("%s: worst of each family\n", t->title);
        for (int i = 0; i < t->n; i++)
            print_message("  %-14s %5d checks  %.2e of %.1e  %s\n", t->row[i].family, t->row[i].checks,
                          t->row[i].worst, t->row[i].bound, t->row[i].where);
        failures += t->failures;
    }
    if (failures) fail_msg("%d checks are beyond their bounds", failures);
}

void op_every_kind(void (*check)(ito_isa isa, ito_precision precision)) {
    /* oneDNN, limited by environment, may want blocks of 8, which a register of AVX-512 does not fit into. */
    const bool narrow = getenv("ONEDNN_MAX_CPU_ISA") != NULL;
    ito_isa most = ito_isa_detect();
    if (narrow && most == ITO_ISA_AVX512) most = ITO_ISA_AVX2;
    for (ito_isa isa = ITO_ISA_PLAIN; isa <= most; isa++) check(isa, ITO_F32);
    if (ito_isa_detect() < ITO_ISA_AVX512 || narrow) return; /* where bfloat16 plans are refused */
    for (ito_isa isa = ITO_ISA_PLAIN; isa <= most; isa++) check(isa, ITO_BF16);
}
