/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast a plan's convolutions could be: each distinct one alone, in every implementation that oneDNN has
 * for it, with the layouts that this implementation likes best. Their sum is the limit that a whole network
 * is measured against.
 */
#include "engine/dnnl.h"

#include "core/memory.h"

#include <omp.h>
#include <string.h>
#include <time.h>

enum { ARGS = 4, REPEATS = 5 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct trial {
    const ito_plan *plan;
    ito__op op;
    dnnl_stream_t stream;
    double best; /* seconds; 0: none yet */
    bool out_of_memory;
} trial;

/* Fastest of a few runs; gives up early on an implementation that is far behind. */
static double fastest_run(const trial *t, dnnl_primitive_t primitive, dnnl_exec_arg_t *args) {
    double best = 0;
    for (int i = 0; i <= REPEATS; i++) {
        double start = now();
        if (dnnl_primitive_execute(primitive, t->stream, ARGS, args) != dnnl_success) return 0;
        double seconds = now() - start;
        if (i > 0 && (best == 0 || seconds < best)) best = seconds; /* run 0 warms up */
        if (t->best > 0 && seconds > 4 * t->best) break;
    }
    return best;
}

/* Memory of a primitive's arguments, filled with small numbers: denormals or NaNs would be timed as something
 * else. */
static bool make_arguments(const trial *t, dnnl_primitive_desc_t pd, dnnl_exec_arg_t *args, void **buffers) {
    bool gx = t->op == ITO__OP_CONV2D_GRAD_X, gw = t->op == ITO__OP_CONV2D_GRAD_W;
    const struct {
        int arg;
        dnnl_query_t query;
    } sides[ARGS] = {
        {gx ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, gx ? dnnl_query_diff_src_md : dnnl_query_src_md},
        {gw ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS,
         gw ? dnnl_query_diff_weights_md : dnnl_query_weights_md},
        {gx || gw ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, gx || gw ? dnnl_query_diff_dst_md : dnnl_query_dst_md},
        {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md}};
    for (int i = 0; i < ARGS; i++) {
        const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, sides[i].query, 0);
        size_t floats = dnnl_memory_desc_get_size(md) / sizeof(float) + 1;
        float *data = buffers[i] = ito__alloc(floats, sizeof *data);
        if (!data) return false;
        for (size_t k = 0; k < floats; k++) data[k] = 0.01f * (float)(k % 17);
        if (dnnl_memory_create(&args[i].memory, md, t->plan->engine, data) != dnnl_success) return false;
        args[i].arg = sides[i].arg;
    }
    return true;
}

static bool time_one(void *self, dnnl_primitive_desc_t pd) {
    trial *t = self;
    dnnl_exec_arg_t args[ARGS] = {0};
    void *buffers[ARGS] = {0};
    dnnl_primitive_t primitive = NULL;
    if (strncmp(ito__implementation(pd), "ref", 3) != 0) {
        bool made =
            make_arguments(t, pd, args, buffers) && dnnl_primitive_create(&primitive, pd) == dnnl_success;
        t->out_of_memory |= !made;
        double seconds = made ? fastest_run(t, primitive, args) : 0;
        if (seconds > 0 && (t->best == 0 || seconds < t->best)) t->best = seconds;
    }
    if (primitive) dnnl_primitive_destroy(primitive);
    for (int i = 0; i < ARGS; i++) {
        if (args[i].memory) dnnl_memory_destroy(args[i].memory);
        ito__free(buffers[i]);
    }
    dnnl_primitive_desc_destroy(pd);
    return t->out_of_memory;
}

static bool same_conv(const ito_node *a, const ito_node *b) {
    if (a->op != b->op || memcmp(&a->attr.conv, &b->attr.conv, sizeof a->attr.conv) != 0) return false;
    ito__conv_shapes s = ito__conv_of(a), t = ito__conv_of(b);
    return ito_shape_equal(s.image, t.image) && ito_shape_equal(s.kernel, t.kernel);
}

/* The time of a convolution without its bias, which is no convolution work. */
static double best_seconds(const ito_plan *p, const ito_node *n, dnnl_stream_t stream, bool *out_of_memory) {
    ito_node bare = *n;
    if (n->op == ITO__OP_CONV2D) bare.n_in = 2;
    trial t = {.plan = p, .op = n->op, .stream = stream};
    const dnnl_alg_kind_t algorithms[2] = {dnnl_convolution_direct, dnnl_convolution_winograd};
    for (int i = 0; i < 4; i++) {
        ito__conv_way way = {algorithms[i / 2], dnnl_f32, i % 2};
        ito__conv_implementations(p, &bare, way, time_one, &t);
        way.type = dnnl_bf16;
        if (p->options.precision == ITO_BF16) ito__conv_implementations(p, &bare, way, time_one, &t);
    }
    *out_of_memory |= t.out_of_memory;
    return t.best;
}

static bool is_conv(const ito__step *s) {
    return s->dnnl && s->node->op >= ITO__OP_CONV2D && s->node->op <= ITO__OP_CONV2D_GRAD_W && s->flops > 0;
}

ito_status ito_conv_limit(const ito_plan *p, double *seconds, ito_error *err) {
    double *times = ito__calloc((size_t)p->n_steps + 1, sizeof *times), total = 0;
    dnnl_stream_t stream = NULL;
    bool out_of_memory =
        !times || dnnl_stream_create(&stream, p->engine, dnnl_stream_default_flags) != dnnl_success;
    int threads = omp_get_max_threads();
    if (p->options.threads) omp_set_num_threads(p->options.threads);
    for (int i = 0; i < p->n_steps && !out_of_memory; i++) {
        if (!is_conv(&p->steps[i])) continue;
        for (int k = 0; k < i && times[i] == 0; k++)
            if (is_conv(&p->steps[k]) && same_conv(p->steps[k].node, p->steps[i].node)) times[i] = times[k];
        if (times[i] == 0) times[i] = best_seconds(p, p->steps[i].node, stream, &out_of_memory);
        total += times[i];
    }
    omp_set_num_threads(threads);
    if (stream) dnnl_stream_destroy(stream);
    ito__free(times);
    if (out_of_memory)
        return ito_error_set(err, ITO_E_NOMEM, "convolution limit: out of memory: use a smaller batch");
    *seconds = total;
    return ITO_OK;
}
