/* SPDX-License-Identifier: Apache-2.0
 *
 * Pointwise ops and broadcasting. Scalings are folded while the graph is built: a chain of affine maps is one
 * map, and a x + b y is one op, so that a residual with its rescaling, or a sum of scaled gradients, is one
 * pass over memory. So are repetitions: an op of two operands repeats the smaller one as it reads it, and the
 * gradient of a mean never becomes an image.
 */
#include "engine/graph.h"

static ito_node *unary(ito__op op, ito_node *x) {
    return ito__node(x->graph, op, 1, &x, x->shape, (ito__attr){0});
}

ito_node *ito_affine(ito_node *x, double a, double b) {
    if (a == 1 && b == 0) return x;
    if (x->op == ITO__OP_AFFINE && ito__is_open(x))
        return ito_affine(ito__through(x, 0), a * x->attr.affine.a, a * x->attr.affine.b + b);
    if (x->op == ITO__OP_ADD && b == 0 && ito__is_open(x))
        return ito__add_scaled(a * x->attr.affine.a, ito__through(x, 0), a * x->attr.affine.b, x->in[1]);
    return ito__node(x->graph, ITO__OP_AFFINE, 1, &x, x->shape, (ito__attr){.affine = {a, b}});
}

ito_node *ito_scale(ito_node *x, double a) {
    return ito_affine(x, a, 0);
}
ito_node *ito_neg(ito_node *x) {
    return ito_affine(x, -1, 0);
}
ito_node *ito_exp(ito_node *x) {
    return unary(ITO__OP_EXP, x);
}
ito_node *ito_log(ito_node *x) {
    return unary(ITO__OP_LOG, x);
}
ito_node *ito_sqrt(ito_node *x) {
    return unary(ITO__OP_SQRT, x);
}
ito_node *ito_sin(ito_node *x) {
    return unary(ITO__OP_SIN, x);
}
ito_node *ito_cos(ito_node *x) {
    return unary(ITO__OP_COS, x);
}
ito_node *ito_sigmoid(ito_node *x) {
    return unary(ITO__OP_SIGMOID, x);
}
ito_node *ito_tanh(ito_node *x) {
    return unary(ITO__OP_TANH, x);
}
ito_node *ito_relu(ito_node *x) {
    return unary(ITO__OP_RELU, x);
}
ito_node *ito_elu(ito_node *x) {
    return unary(ITO__OP_ELU, x);
}
ito_node *ito_step(ito_node *x) {
    return unary(ITO__OP_STEP, x);
}

/* SiLU after a norm is computed in the norm's own pass, forward and backward. */
ito_node *ito_silu(ito_node *x) {
    if (x->op == ITO__OP_NORM && !x->attr.norm.silu && x->attr.norm.dropout.rate == 0)
        return ito__norm_with_silu(x);
    return unary(ITO__OP_SILU, x);
}

/* NumPy's rule; false when the shapes do not broadcast. */
static bool broadcast_shape(ito_shape a, ito_shape b, ito_shape *out) {
    out->rank = a.rank > b.rank ? a.rank : b.rank;
    for (int i = 0; i < out->rank; i++) {
        int ia = a.rank - out->rank + i, ib = b.rank - out->rank + i;
        int64_t da = ia < 0 ? 1 : a.dim[ia], db = ib < 0 ? 1 : b.dim[ib];
        if (da != db && da != 1 && db != 1) return false;
        out->dim[i] = da == 1 ? db : da;
    }
    return true;
}

/* What x repeats. */
static ito_node *unrepeat(ito_node *x) {
    return x->op == ITO__OP_BROADCAST && ito__is_open(x) ? ito__through(x, 0) : x;
}

/* Of what the operands repeat; where neither has the shape of the result, the result is what is repeated. */
static ito_node *binary(ito__op op, ito_node *x, ito_node *y, ito__attr attr) {
    ito_shape shape, least;
    if (!broadcast_shape(x->shape, y->shape, &shape)) {
        char a[ITO__SHAPE_TEXT], b[ITO__SHAPE_TEXT];
        return ito__bad(x->graph, op, "shapes %s and %s do not broadcast: make them equal or 1",
                        ito__shape_text(x->shape, a), ito__shape_text(y->shape, b));
    }
    x = unrepeat(x);
    y = unrepeat(y);
    broadcast_shape(x->shape, y->shape, &least);
    return ito_broadcast(ito__node(x->graph, op, 2, (ito_node *[]){x, y}, least, attr), shape);
}

/* x as factor * inner, where a pure scaling can be read through. */
static ito_node *unscale(ito_node *x, double *factor) {
    if (x->op != ITO__OP_AFFINE || x->attr.affine.b != 0 || !ito__is_open(x)) return x;
    *factor *= x->attr.affine.a;
    return ito__through(x, 0);
}

ito_node *ito__add_scaled(double a, ito_node *x, double b, ito_node *y) {
    x = unscale(x, &a);
    y = unscale(y, &b);
    return binary(ITO__OP_ADD, x, y, (ito__attr){.affine = {a, b}});
}

ito_node *ito_add(ito_node *a, ito_node *b) {
    return ito__add_scaled(1, a, 1, b);
}
ito_node *ito_sub(ito_node *a, ito_node *b) {
    return ito__add_scaled(1, a, -1, b);
}
ito_node *ito_mul(ito_node *a, ito_node *b) {
    return binary(ITO__OP_MUL, a, b, (ito__attr){0});
}
ito_node *ito_div(ito_node *a, ito_node *b) {
    return binary(ITO__OP_DIV, a, b, (ito__attr){0});
}
ito_node *ito_square(ito_node *x) {
    return ito_mul(x, x);
}

/* g d silu / dx, with s = sigmoid(x): g s (1 + x (1 - s)). */
ito_node *ito__silu_grad(ito_node *x, ito_node *g) {
    return binary(ITO__OP_SILU_GRAD, x, g, (ito__attr){0});
}

ito_node *ito__expand_silu_grad(ito_node *y) {
    ito_node *x = y->in[0], *s = ito_sigmoid(x);
    ito_node *slope = ito_mul(s, ito_affine(ito_mul(x, ito_affine(s, -1, 1)), 1, 1));
    return ito_mul(y->in[1], slope);
}

/* ---- gradients ---- */

void ito__adjoint_affine(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_scale(g, y->attr.affine.a);
}
void ito__adjoint_exp(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_mul(g, y);
}
void ito__adjoint_log(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_div(g, y->in[0]);
}
void ito__adjoint_sqrt(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_scale(ito_div(g, y), 0.5);
}
void ito__adjoint_sin(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_mul(g, ito_cos(y->in[0]));
}
void ito__adjoint_cos(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_neg(ito_mul(g, ito_sin(y->in[0])));
}
void ito__adjoint_sigmoid(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_mul(g, ito_mul(y, ito_affine(y, -1, 1)));
}
void ito__adjoint_tanh(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_mul(g, ito_affine(ito_square(y), -1, 1));
}
void ito__adjoint_silu(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito__silu_grad(y->in[0], g);
}
void ito__adjoint_relu(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_mul(g, ito_step(y->in[0]));
}
/* elu' is 1 for x > 0 and e^x below: exp(-relu(-x)) in one formula. */
void ito__adjoint_elu(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_mul(g, ito_exp(ito_neg(ito_relu(ito_neg(y->in[0])))));
}

void ito__adjoint_add(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_sum_to(ito_scale(g, y->attr.affine.a), y->in[0]->shape);
    gin[1] = ito_sum_to(ito_scale(g, y->attr.affine.b), y->in[1]->shape);
}
void ito__adjoint_mul(ito_node *y, ito_node *g, ito_node **gin) {
    gin[0] = ito_sum_to(ito_mul(g, y->in[1]), y->in[0]->shape);
    gin[1] = ito_sum_to(ito_mul(g, y->in[0]), y->in[1]->shape);
}
void ito__adjoint_div(ito_node *y, ito_node *g, ito_node **gin) {
    ito_node *quotient = ito_div(g, y->in[1]);
    gin[0] = ito_sum_to(quotient, y->in[0]->shape);
    gin[1] = ito_sum_to(ito_neg(ito_mul(quotient, y)), y->in[1]->shape);
}
