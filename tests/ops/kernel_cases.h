/* SPDX-License-Identifier: Apache-2.0
 *
 * One node for every kernel and every pattern of operands that the kernels tell apart, and its value by the
 * plain kernel, which is the specification.
 */
#ifndef ITO_TESTS_OPS_KERNEL_CASES_H
#define ITO_TESTS_OPS_KERNEL_CASES_H

#include "engine/kernels/kernel.h"

typedef struct kernel_size {
    int64_t n, c, h, w;
} kernel_size;

/* Builds one node over inputs; NULL where the variant has no meaning at this size. */
typedef struct kernel_case {
    const char *name;
    ito_node *(*build)(ito_graph *g, kernel_size s, int variant);
    int variant;
    double offset; /* mean of the inputs, whose standard deviation is 1 */
    double bound;
    bool plain_only; /* not for blocked images */
    int in_place;    /* operand that the result may overwrite; -1: none */
} kernel_case;

/* The kernels of an instruction set. */
typedef struct kernel_table {
    const char *name;
    const ito__kernel *kernels;
    ito_isa isa;
} kernel_table;

extern const kernel_case kernel_cases[];
extern const int kernel_case_count;
const kernel_case *kernel_case_find(const char *name);

/* A node's operands and its value by the plain kernel, row-major. */
typedef struct kernel_truth {
    float *in[ITO__MAX_IN], *out;
} kernel_truth;

/* coarse: inputs are numbers that bfloat16 has. */
kernel_truth kernel_truth_of(const ito_node *y, double offset, bool coarse);
void kernel_truth_free(kernel_truth *t);

ito__call kernel_call(const ito_node *y, const void *const *in, void *out, int64_t block);
float *kernel_numbers(int64_t n);
/* Row-major to blocked, or back. */
void kernel_reorder(ito_shape s, int64_t block, const float *from, float *to, bool back);
/* The largest error of an element, against its own size plus the root mean square of the result, because a
 * sum or a normalized value that happens to be near zero keeps the error of its terms. */
double kernel_worst(const float *x, const float *y, int64_t n);

/* To the nearest, ties to even; x is finite. */
uint16_t kernel_bf16(float x);
float kernel_bf16_value(uint16_t x);

#endif
