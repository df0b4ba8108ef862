/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast a plan's convolutions could be: each distinct one alone, in every implementation that there is for
 * it, oneDNN's with the layouts that they like best. Their sum is the limit that a whole network
 * is measured against.
 */
#include "engine/conv_timing.h"

#include "core/memory.h"

#include <omp.h>
#include <string.h>

static bool same_conv(const ito_node *a, const ito_node *b) {
    if (a->op != b->op || memcmp(&a->attr.conv, &b->attr.conv, sizeof a->attr.conv) != 0) return false;
    ito__conv_shapes s = ito__conv_of(a), t = ito__conv_of(b);
    return ito_shape_equal(s.image, t.image) && ito_shape_equal(s.kernel, t.kernel);
}

/* A bfloat16 plan is held to convolutions of bfloat16, where oneDNN has one. */
static void keep_own_type(const ito_plan *p, ito__conv_candidates *c) {
    int kept = 0, own = 0;
    for (int i = 0; i < c->count; i++) own += c->of[i].way.type == dnnl_bf16;
    if (p->options.precision != ITO_BF16 || own == 0) return;
    for (int i = 0; i < c->count; i++)
        if (c->of[i].way.type == dnnl_bf16 || !c->of[i].pd)
            c->of[kept++] = c->of[i];
        else
            dnnl_primitive_desc_destroy(c->of[i].pd);
    c->count = kept;
}

/* The time of a convolution without its bias, which is no convolution work. */
static double best_seconds(ito__conv_timer *timer, const ito_plan *p, const ito_node *n,
                           bool *out_of_memory) {
    ito_node bare = *n;
    ito__conv_candidates c;
    double best = 0;
    if (n->op == ITO__OP_CONV2D) bare.n_in = 2;
    ito__conv_candidates_find(p, &bare, ITO__CONV_ALL, &c);
    keep_own_type(p, &c);
    *out_of_memory |= !ito__conv_candidates_time(timer, &bare, ITO__TIME_ALONE, &c);
    for (int i = 0; i < c.count; i++)
        if (c.of[i].seconds > 0 && (best == 0 || c.of[i].seconds < best)) best = c.of[i].seconds;
    ito__conv_candidates_release(&c);
    return best;
}

/* A convolution by parts, several steps of one node, counts once and whole. */
static bool is_conv(const ito_plan *p, int step) {
    const ito__step *s = &p->steps[step];
    if (s->node->op < ITO__OP_CONV2D || s->node->op > ITO__OP_CONV2D_GRAD_W || s->flops == 0) return false;
    for (int i = 0; i < step; i++)
        if (p->steps[i].node == s->node && p->steps[i].flops > 0) return false;
    return true;
}

ito_status ito_conv_limit(const ito_plan *p, double *seconds, ito_error *err) {
    double *times = ito__calloc((size_t)p->n_steps + 1, sizeof *times), total = 0;
    ito__conv_timer *timer = ito__conv_timer_create(p);
    bool out_of_memory = !times || !timer;
    int threads = omp_get_max_threads();
    if (p->options.threads) omp_set_num_threads(p->options.threads);
    for (int i = 0; i < p->n_steps && !out_of_memory; i++) {
        if (!is_conv(p, i)) continue;
        for (int k = 0; k < i && times[i] == 0; k++)
            if (times[k] > 0 && same_conv(p->steps[k].node, p->steps[i].node)) times[i] = times[k];
        if (times[i] == 0) times[i] = best_seconds(timer, p, p->steps[i].node, &out_of_memory);
        total += times[i];
    }
    omp_set_num_threads(threads);
    ito__conv_timer_free(timer);
    ito__free(times);
    if (out_of_memory)
        return ito_error_set(err, ITO_E_NOMEM, "convolution limit: out of memory: use a smaller batch");
    *seconds = total;
    return ITO_OK;
}
