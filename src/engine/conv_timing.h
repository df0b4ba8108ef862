/* SPDX-License-Identifier: Apache-2.0
 *
 * Timing the implementations of a convolution: oneDNN's, and our own.
 *
 *   ito__conv_timer *timer = ito__conv_timer_create(plan);
 *   ito__conv_candidates c;
 *   ito__conv_candidates_find(plan, node, ITO__CONV_ALL, &c);
 *   if (ito__conv_candidates_time(timer, node, ITO__TIME_ALONE, &c)) ... c.of[i].seconds
 *   ito__conv_candidates_release(&c);
 *   ito__conv_timer_free(timer);
 *
 * Machines are noisy: candidates take turns, a run during which the system took a processor away is set
 * apart, and of the others the fastest count. A candidate that falls far behind is not run again.
 */
#ifndef ITO_ENGINE_CONV_TIMING_H
#define ITO_ENGINE_CONV_TIMING_H

#include "engine/dnnl.h"

/* The ways that a plan may compute a convolution, our own layouts first; their number. */
enum { ITO__CONV_WAYS = 8, ITO__CONV_CANDIDATES = 24 };
int ito__conv_ways(const ito_plan *p, ito__conv_way ways[ITO__CONV_WAYS]);
/* Have two descriptors of the node the same code and layouts? */
bool ito__same_implementation(const ito_node *n, const_dnnl_primitive_desc_t a,
                              const_dnnl_primitive_desc_t b);

typedef struct ito__conv_candidate {
    ito__conv_way way;
    dnnl_primitive_desc_t pd; /* NULL: our own kernel */
    double seconds;           /* of the fastest run; 0: not timed */
    double calm; /* of the second fastest among the runs that nothing interrupted; 0: there were none */
} ito__conv_candidate;

typedef struct ito__conv_candidates {
    int count;
    ito__conv_candidate of[ITO__CONV_CANDIDATES];
} ito__conv_candidates;

typedef enum ito__conv_search {
    ITO__CONV_ALL,   /* every implementation but oneDNN's reference code */
    ITO__CONV_LIKELY /* our own, and of each way the first two, down to one that an earlier way has too:
                        oneDNN lists those for older processors last, and the slowest take most of the time */
} ito__conv_search;
/* Distinct implementations: our own, then oneDNN's in the order of the ways. */
void ito__conv_candidates_find(const ito_plan *p, const ito_node *n, ito__conv_search search,
                               ito__conv_candidates *out);
void ito__conv_candidates_release(ito__conv_candidates *c);

typedef enum ito__timed {
    ITO__TIME_ALONE,  /* the convolution, its tensors laid out as the implementation likes best */
    ITO__TIME_IN_PLAN /* from weights out of memory, and with the changes of layout that the plan would run
                         around it every time */
} ito__timed;

/* The stream and the memory that timings share. */
typedef struct ito__conv_timer ito__conv_timer;
ito__conv_timer *ito__conv_timer_create(const ito_plan *p); /* NULL: out of memory */
void ito__conv_timer_free(ito__conv_timer *t);
/* Fills `seconds`. false: memory ran out, times are incomplete. */
bool ito__conv_candidates_time(ito__conv_timer *t, const ito_node *n, ito__timed what,
                               ito__conv_candidates *c);

#endif
