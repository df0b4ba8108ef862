/* SPDX-License-Identifier: Apache-2.0
 *
 * Every op of the engine in one table. A case says how to build the op from its operands, where the operands
 * are drawn, which law of linearity it obeys, and how closely a fast plan must follow the reference. The
 * checks of this folder walk the table: test_gradients holds first and second derivatives to central
 * differences, test_plans the fast plans to the reference ones.
 */
#ifndef ITO_TESTS_OP_CASES_H
#define ITO_TESTS_OP_CASES_H

#include <ito/engine.h>

enum { OP_MAX_IN = 12 };

typedef enum op_role {
    OP_INPUT,  /* an ito_input */
    OP_WEIGHT, /* an ito_param, so that a frozen plan packs it */
    OP_INDEX   /* numbers that pick rows: no derivative */
} op_role;

/* Elements are uniform in [low, high] (both 0: [-1, 1]) with |x| >= gap, which keeps them off the kink of a
 * piecewise op; those of an index are spread over -1..high, so that clamping happens. */
typedef struct op_operand {
    ito_shape shape;
    op_role role;
    double low, high, gap;
    bool spread; /* neighbours differ by 0.03 at least: a step of the differences changes no order */
} op_operand;

/* What <y, s> equals, for G_i the gradient of <y, s> by operand i. */
typedef enum op_law {
    OP_NO_LAW,
    OP_LINEAR,     /* sum of <x_i, G_i>: linear in the operands together */
    OP_MULTILINEAR /* every <x_i, G_i>: linear in each operand with the others held */
} op_law;

typedef struct op_case op_case;
struct op_case {
    const char *name; /* "family: what is special" */
    ito_node *(*build)(const op_case *c, ito_node *const *x);
    int n_in;
    op_operand in[OP_MAX_IN];
    op_law law;
    double loose; /* factor on the bounds, for long compositions; 0: 1 */
    /* Options, as the builder reads them. */
    ito_conv conv;
    ito_fir fir;
    ito_shape shape;
    int axis, factor, groups, order[ITO_MAX_RANK];
    int64_t begin, end;
    bool transpose_a, transpose_b, silu;
    double a, b;
};

extern const op_case op_cases[];
extern const int op_case_count;

#endif
