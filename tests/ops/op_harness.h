/* SPDX-License-Identifier: Apache-2.0
 *
 * From a row of the table to numbers: the graph of a case with its first and second derivatives, plans that
 * run it in either precision on the same values, and the tally that prints the worst error beside its bound.
 *
 * For a case y = f(x) and random s, v_i the graph holds
 *     phi = <y, s>,   G_i = d phi / d x_i,   psi = sum_i <G_i, v_i>,   H_i = d psi / d x_i,   J = d psi / d
 * s.
 */
#ifndef ITO_TESTS_OP_HARNESS_H
#define ITO_TESTS_OP_HARNESS_H

#include "op_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OP_MAX_TENSORS = 80 };

/* A leaf and its values: doubles that are floats, so that both precisions start from the same numbers. */
typedef struct op_leaf {
    ito_node *node;
    double *values;
    int64_t count;
} op_leaf;

typedef struct op_graph {
    ito_graph *g;
    int n_x, n_leaves;
    op_leaf leaf[OP_MAX_TENSORS]; /* operands first, then s, v_i, and identities */
    int s;                        /* place of s */
    bool differentiable[OP_MAX_IN];
    ito_node *y, *phi, *psi, *dx[OP_MAX_IN], *ddx[OP_MAX_IN], *ds;
} op_graph;

/* `wrapped` puts 1x1 convolutions with identity weights before and behind images whose channels fill blocks
 * of 8, so that the op meets blocked images in a fast plan. Fails the test when the graph is refused. */
void op_graph_build(op_graph *o, const op_case *c, bool wrapped);
void op_graph_release(op_graph *o);
bool op_case_wraps(const op_case *c);

/* A plan with a workspace and memory for everything that is bound to it. */
typedef struct op_plan {
    ito_plan *plan;
    ito_workspace *ws;
    bool f64;
    int n;
    const ito_node *node[OP_MAX_TENSORS];
    void *data[OP_MAX_TENSORS];
} op_plan;

/* Fails the test with the engine's sentence when the plan cannot be made. */
void op_plan_open(op_plan *p, ito_graph *g, int n_outputs, ito_node *const *outputs,
                  ito_plan_options options);
void op_plan_close(op_plan *p);
/* Copies values to the memory bound to a leaf; a leaf that the outputs do not need is passed over. */
void op_plan_set(op_plan *p, const ito_node *leaf, const double *values);
void op_plan_set_all(op_plan *p, const op_graph *o);
void op_plan_run(op_plan *p);
/* Element i of a bound tensor. */
double op_plan_get(const op_plan *p, const ito_node *node, int64_t i);
/* The largest |a - b| of a tensor bound in both, NaN where one is; *size: the largest |b|. */
double op_plan_difference(const op_plan *a, const op_plan *b, const ito_node *x, double *size);
/* How often a text stands in the plan's description. */
int op_plan_count(const op_plan *p, const char *text);

/* On one thread: the shapes are so small that starting a second one costs more than the work. */
ito_plan_options op_reference(ito_precision precision);

/* A check for every instruction set of this machine, on images of float and of bfloat16. */
void op_every_kind(void (*check)(ito_isa isa, ito_precision precision));

/* Uniform numbers in [low, high], rounded to float, by (stream, sample). */
void op_uniform(uint64_t stream, int64_t sample, int64_t n, double low, double high, double *out);

/* Fails the test with the sentence in err. */
void op_require(ito_status st, const ito_error *err);

/* Worst errors by family; a family is a case's name up to its colon. */
typedef struct op_tally {
    const char *title;
    int n, failures;
    struct {
        char family[32];
        int checks;
        double worst, bound;
        char where[96];
    } row[48];
} op_tally;

/* Notes one error; beyond the bound (or not a number) it prints the case and counts a failure. */
void op_tally_add(op_tally *t, const op_case *c, const char *what, double error, double bound);
/* Prints the tables, then fails the test when anything was beyond its bound. */
void op_tally_close(int n, const op_tally *const *tallies);

#endif
