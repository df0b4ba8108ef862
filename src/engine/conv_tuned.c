/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing the implementation of a convolution by time: a plan with a tuning looks each shape up, times the
 * candidates of those it does not know, and remembers the fastest.
 */
#include "engine/conv_tuned.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

/* Timings of one machine differ by so much from run to run: the rule keeps its choice unless another one is
 * faster by more. */
static const double WORTH_IT = 0.97;
/* The packed weights of oneDNN's Winograd are four times as large, which adds hundreds of MB to a network,
 * and its gradients work in tens of MB, where ours take a few that all convolutions share: a candidate that
 * takes much more than the rule's has to be that much faster. */
static const double WORTH_MEMORY = 0.6;
enum { MUCH_WEIGHTS = 1 << 20, MUCH_SCRATCH = 16 << 20 };

/* ---- names: of the work, and of an implementation ---- */

static const char *type_name(dnnl_data_type_t type) {
    return type == dnnl_bf16 ? "bf16" : "f32";
}

void ito__name_conv_work(const ito_plan *p, const ito_tuning *t, const ito_node *n,
                         char key[ITO__TUNING_KEY]) {
    const ito__conv_shapes s = ito__conv_of(n);
    const int64_t *x = s.image.dim, *w = s.kernel.dim;
    snprintf(key, ITO__TUNING_KEY,
             "%s\t%s%s %s %s %lldx%lldx%lldx%lld kernel %lldx%lldx%lldx%lld stride %d pad %d dilation %d "
             "threads %d",
             ito__tuning_machine(t), ito__op_name(n->op), s.bias ? " bias" : "",
             p->options.frozen ? "frozen" : "live", ito_precision_name(p->options.precision), (long long)x[0],
             (long long)x[1], (long long)x[2], (long long)x[3], (long long)w[0], (long long)w[1],
             (long long)w[2], (long long)w[3], s.conv.stride, s.conv.pad, s.conv.dilation,
             omp_get_max_threads());
}

void ito__name_conv_choice(ito__conv_way way, const char *implementation, char choice[ITO__TUNING_CHOICE]) {
    snprintf(choice, ITO__TUNING_CHOICE, "%s %s %s %s",
             way.algorithm == dnnl_convolution_winograd ? "winograd" : "direct", type_name(way.type),
             way.open ? "open" : "ours", implementation);
}

/* ---- from a choice to its descriptor ---- */

typedef struct seeker {
    const char *choice;
    ito__conv_way way;
    dnnl_primitive_desc_t found;
} seeker;

static bool is_choice(const seeker *s, const_dnnl_primitive_desc_t pd) {
    char name[ITO__TUNING_CHOICE];
    ito__name_conv_choice(s->way, ito__implementation(pd), name);
    return strcmp(name, s->choice) == 0;
}

static bool seek(void *self, dnnl_primitive_desc_t pd) {
    seeker *s = self;
    if (is_choice(s, pd))
        s->found = pd;
    else
        dnnl_primitive_desc_destroy(pd);
    return s->found != NULL;
}

/* Empty when there is nothing of that name for the node. */
static ito__conv_code make_choice(const ito_plan *p, const ito_node *n, const char *choice) {
    seeker s = {.choice = choice, .way = ITO__OWN_WAY};
    ito__conv_way ways[ITO__CONV_WAYS];
    if (is_choice(&s, NULL)) return (ito__conv_code){.own = ito__winograd_fits(p, n)};
    const int n_ways = ito__conv_ways(p, ways);
    for (int i = 0; i < n_ways && !s.found; i++) {
        char name[ITO__TUNING_CHOICE];
        s.way = ways[i];
        ito__name_conv_choice(s.way, "", name);
        if (strncmp(name, choice, strlen(name)) == 0) ito__conv_implementations(p, n, s.way, seek, &s);
    }
    return (ito__conv_code){.pd = s.found};
}

/* ---- measuring ---- */

/* What a candidate takes beside its tensors. */
typedef struct memory {
    size_t weights, scratch; /* packed, and to work in */
} memory;

static memory memory_of(const ito_plan *p, const ito_node *n, const ito__conv_candidate *c) {
    ito__conv_side sides[ITO__CONV_SIDES];
    if (!c->pd) return (memory){0, ito__kernel_scratch(n, p->threads)};
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(c->pd, dnnl_query_scratchpad_md, 0);
    memory m = {0, scratch ? dnnl_memory_desc_get_size(scratch) : 0};
    ito__conv_sides(n, sides);
    for (int i = 0; i < ITO__CONV_SIDES; i++)
        if (sides[i].weights)
            m.weights = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(c->pd, sides[i].query, 0));
    return m;
}

/* The fastest candidate: the rule's, which is the first, unless another one is clearly faster. -1: the
 * machine was too busy to tell. */
static int fastest(const ito_plan *p, const ito_node *n, const ito__conv_candidates *c) {
    int best = 0;
    if (c->count == 0 || c->of[0].calm <= 0) return -1;
    const memory ruled = memory_of(p, n, &c->of[0]);
    for (int i = 1; i < c->count; i++) {
        const memory own = memory_of(p, n, &c->of[i]);
        const bool more =
            own.weights > ruled.weights + MUCH_WEIGHTS || own.scratch > ruled.scratch + MUCH_SCRATCH;
        const double worth = more ? WORTH_MEMORY : WORTH_IT;
        if (c->of[i].calm <= 0 || c->of[i].calm > worth * c->of[0].seconds) continue;
        if (best == 0 || c->of[i].calm < c->of[best].calm) best = i;
    }
    return best;
}

/* The rule's candidate becomes the first. */
static void put_first(const ito_node *n, ito__conv_candidates *c, const_dnnl_primitive_desc_t rule) {
    for (int i = 1; i < c->count; i++)
        if (ito__same_implementation(n, c->of[i].pd, rule)) {
            const ito__conv_candidate first = c->of[0];
            c->of[0] = c->of[i];
            c->of[i] = first;
            return;
        }
}

/* Times the candidates and remembers the fastest. */
static bool measure(ito__lowering *l, const ito_node *n, const_dnnl_primitive_desc_t rule, const char *key) {
    const ito_plan *p = l->plan;
    char choice[ITO__TUNING_CHOICE];
    ito__conv_candidates c;
    if (!l->timer) l->timer = ito__conv_timer_create(p);
    if (!l->timer) return false;
    ito__conv_candidates_find(p, n, ITO__CONV_LIKELY, &c);
    put_first(n, &c, rule);
    const int best = ito__conv_candidates_time(l->timer, n, ITO__TIME_IN_PLAN, &c) ? fastest(p, n, &c) : -1;
    if (best >= 0) ito__name_conv_choice(c.of[best].way, ito__implementation(c.of[best].pd), choice);
    ito__conv_candidates_release(&c);
    return best >= 0 && ito__tuning_set(p->options.tuning, key, choice, NULL) == ITO_OK;
}

ito__conv_code ito__tuned_conv(ito__lowering *l, const ito_node *n, ito__conv_code rule) {
    enum { FUTILE = 4 };
    const ito_plan *p = l->plan;
    ito__conv_code code = {0};
    char key[ITO__TUNING_KEY];
    if (!p->options.tuning || p->options.exact) return rule;
    ito__name_conv_work(p, p->options.tuning, n, key);
    const char *choice = ito__tuning_find(p->options.tuning, key);
    if (choice) code = make_choice(p, n, choice);
    if (!code.own && !code.pd && !p->options.sizes_only && ito__tuning_measures(p->options.tuning) &&
        l->untimed < FUTILE) {
        if (measure(l, n, rule.pd, key)) /* made by its name, as every later run will make it */
            code = make_choice(p, n, ito__tuning_find(p->options.tuning, key));
        else
            l->untimed++;
    }
    if (!code.own && !code.pd) return rule;
    if (rule.pd) dnnl_primitive_desc_destroy(rule.pd);
    return code;
}
