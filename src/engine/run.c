/* SPDX-License-Identifier: Apache-2.0
 *
 * Workspaces: the memory of a plan, the caller's bindings, and running the steps.
 */
#include "engine/plan.h"

#include "core/clock.h"
#include "core/memory.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

struct ito_workspace {
    const ito_plan *plan;
    char *arena, *constants;
    void **bound; /* by slot; the caller's */
    dnnl_stream_t stream;
    dnnl_memory_t *memories; /* ITO__DNNL_ARGS per step */
    bool fresh;              /* constants are up to date */
    uint64_t seed;
    uint32_t random_step;
    int64_t first_sample;
    double *seconds; /* per step, when the plan profiles */
    int64_t runs;
    ito_profile_row *rows;
};

void ito_workspace_free(ito_workspace *ws) {
    if (!ws) return;
    for (int i = 0; ws->memories && i < ws->plan->n_steps * ITO__DNNL_ARGS; i++)
        if (ws->memories[i]) dnnl_memory_destroy(ws->memories[i]);
    if (ws->stream) dnnl_stream_destroy(ws->stream);
    ito__free(ws->memories);
    ito__free(ws->arena);
    ito__free(ws->constants);
    ito__free(ws->bound);
    ito__free(ws->seconds);
    ito__free(ws->rows);
    ito__free(ws);
}

static dnnl_status_t make_memories(ito_workspace *ws) {
    const ito_plan *p = ws->plan;
    dnnl_status_t st = dnnl_stream_create(&ws->stream, p->engine, dnnl_stream_default_flags);
    for (int i = 0; i < p->n_steps; i++) {
        const ito__dnnl_call *call = p->steps[i].dnnl;
        for (int k = 0; call && k < call->n_args && st == dnnl_success; k++)
            st = dnnl_memory_create(&ws->memories[i * ITO__DNNL_ARGS + k], &call->args[k].md, p->engine,
                                    DNNL_MEMORY_NONE);
    }
    return st;
}

ito_status ito_workspace_create(const ito_plan *p, ito_workspace **out, ito_error *err) {
    *out = NULL;
    if (p->options.sizes_only)
        return ito_error_set(err, ITO_E_ARG,
                             "workspace: the plan is of sizes_only: make one without it to run");
    ito_workspace *ws = ito__calloc(1, sizeof *ws);
    size_t steps = (size_t)p->n_steps;
    if (ws) {
        ws->plan = p;
        ws->arena = ito__alloc(1, p->arena_bytes + 1);
        ws->constants = ito__alloc(1, p->constant_bytes + 1);
        ws->bound = ito__calloc((size_t)p->n_bound + 1, sizeof *ws->bound);
        ws->memories = ito__calloc(steps * ITO__DNNL_ARGS + 1, sizeof *ws->memories);
        ws->seconds = ito__calloc(steps + 1, sizeof *ws->seconds);
        ws->rows = ito__calloc(steps + 1, sizeof *ws->rows);
    }
    if (!ws || !ws->arena || !ws->constants || !ws->bound || !ws->memories || !ws->seconds || !ws->rows ||
        make_memories(ws) != dnnl_success) {
        ito_workspace_free(ws);
        return ito_error_set(err, ITO_E_NOMEM, "workspace: out of memory for %.1f MB: use a smaller batch",
                             (double)ito_plan_bytes(p) / 1e6);
    }
    *out = ws;
    return ITO_OK;
}

ito_status ito_workspace_bind(ito_workspace *ws, const ito_node *node, void *data, ito_error *err) {
    bool found = false;
    for (int i = 0; i < ws->plan->n_bound; i++)
        if (ws->plan->bound[i].node == node) {
            ws->bound[i] = data;
            found = true;
            if (node->op == ITO__OP_PARAM || node->op == ITO__OP_BUFFER) ws->fresh = false;
        }
    if (found) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG,
                         "bind: node %d \"%s\" is no leaf or output of this plan: list it as an output",
                         (int)node->id, node->name);
}

bool ito__workspace_has(const ito_workspace *ws, const ito_node *node) {
    for (int i = 0; i < ws->plan->n_bound; i++)
        if (ws->plan->bound[i].node == node) return true;
    return false;
}

void ito_workspace_random(ito_workspace *ws, uint64_t seed, uint32_t step, int64_t first_sample) {
    ws->seed = seed;
    ws->random_step = step;
    ws->first_sample = first_sample;
}

void ito_workspace_touch(ito_workspace *ws) {
    ws->fresh = false;
}

static void *value_data(const ito_workspace *ws, int v) {
    const ito__value *x = &ws->plan->values[ito__root(ws->plan, v)];
    if (x->place == ITO__TILE) return NULL;
    if (x->place == ITO__BOUND) return ws->bound[x->slot];
    return (x->place == ITO__CONSTANT ? ws->constants : ws->arena) + x->offset;
}

/* The parts of a step's operands, which its call refers to. */
static void point_parts(const ito_workspace *ws, const ito__step *s, ito__part *parts, ito__call *call) {
    for (int k = 0; k < s->n_parts; k++) {
        const ito__step_part *part = &s->parts[k];
        parts[k] = part->as;
        if (part->value >= 0) parts[k].image = value_data(ws, part->value);
        if (part->moments >= 0) parts[k].moments = value_data(ws, part->moments);
        if (!call->parts[part->operand]) call->parts[part->operand] = &parts[k];
    }
}

static ito__call call_of(const ito_workspace *ws, const ito__step *s, const void **in) {
    for (int k = 0; k < s->n_in; k++)
        if (s->in[k] >= 0) in[k] = value_data(ws, s->in[k]);
    return (ito__call){.node = s->node,
                       .in = in,
                       .out = value_data(ws, s->out),
                       .block = s->block,
                       .seed = ws->seed,
                       .step = ws->random_step,
                       .first_sample = ws->first_sample,
                       .scratch = s->scratch < 0 ? NULL : value_data(ws, s->scratch),
                       .threads = ws->plan->threads,
                       .moments = s->moments < 0 ? NULL : value_data(ws, s->moments)};
}

/* The step, with the others of the chain that begins there. */
static ito_status run_kernel(ito_workspace *ws, const ito__step *s) {
    const void *in[ITO__CHAIN_LINKS][ITO__STEP_OPERANDS] = {0};
    ito__part parts[ITO__CHAIN_LINKS][ITO__STEP_PARTS];
    ito__call calls[ITO__CHAIN_LINKS];
    for (int i = 0; i < s->links; i++) {
        calls[i] = call_of(ws, &s[i], in[i]);
        point_parts(ws, &s[i], parts[i], &calls[i]);
        if (i > 0) calls[i - 1].next = &calls[i];
    }
    s->kernel(calls);
    return ITO_OK;
}

static ito_status run_dnnl(ito_workspace *ws, const ito__step *s, dnnl_memory_t *memories) {
    dnnl_exec_arg_t args[ITO__DNNL_ARGS];
    for (int k = 0; k < s->dnnl->n_args; k++) {
        dnnl_memory_set_data_handle_v2(memories[k], value_data(ws, s->dnnl->args[k].value), ws->stream);
        args[k] = (dnnl_exec_arg_t){s->dnnl->args[k].arg, memories[k]};
    }
    bool ok = dnnl_primitive_execute(s->dnnl->primitive, ws->stream, s->dnnl->n_args, args) == dnnl_success;
    return ok ? ITO_OK : ITO_E_NUMERIC;
}

static ito_status run_steps(const ito_plan *p, ito_workspace *ws, bool constant, ito_error *err) {
    for (int i = 0; i < p->n_steps; i += p->steps[i].links) {
        const ito__step *s = &p->steps[i];
        if (s->constant != constant) continue;
        double start = p->options.profile ? ito__now() : 0;
        ito_status st = s->kernel ? run_kernel(ws, s) : run_dnnl(ws, s, &ws->memories[i * ITO__DNNL_ARGS]);
        if (st != ITO_OK)
            return ito_error_set(err, st, "step %d (%s): oneDNN failed: free memory", i, s->kind);
        if (p->options.profile) ws->seconds[i] += ito__now() - start;
    }
    return ITO_OK;
}

ito_status ito_plan_run(const ito_plan *p, ito_workspace *ws, ito_error *err) {
    for (int i = 0; i < p->n_bound; i++)
        if (!ws->bound[i])
            return ito_error_set(
                err, ITO_E_ARG, "run: %s %d \"%s\" is not bound: bind every leaf and output first",
                p->bound[i].output ? "output" : "leaf", (int)p->bound[i].node->id, p->bound[i].node->name);
    int threads = omp_get_max_threads();
    if (p->options.threads) omp_set_num_threads(p->options.threads);
    ito_status st = ws->fresh ? ITO_OK : run_steps(p, ws, true, err);
    ws->fresh = st == ITO_OK;
    if (st == ITO_OK) st = run_steps(p, ws, false, err);
    ws->runs++;
    omp_set_num_threads(threads);
    return st;
}

/* ---- profile ---- */

static int slowest_first(const void *a, const void *b) {
    const ito_profile_row *x = a, *y = b;
    return x->seconds < y->seconds ? 1 : x->seconds > y->seconds ? -1 : 0;
}

static double part_bytes(const ito_plan *p, const ito__step_part *part) {
    const double share = (double)part->as.count / (double)part->as.channels;
    return share * (double)p->values[part->value >= 0 ? part->value : part->moments].bytes;
}

/* Between memory and the step; what a link of a chain has just made is near. */
static double step_bytes(const ito_plan *p, const ito__step *s) {
    const ito__value *y = &p->values[s->out];
    double bytes = y->place == ITO__TILE ? 0 : (double)y->bytes;
    for (int i = 0; i < s->n_parts; i++) bytes += part_bytes(p, &s->parts[i]);
    for (int k = 0; k < s->n_in; k++) {
        bool near = s->in[k] < 0;
        for (int i = 1; i <= s->link; i++) near |= s[-i].out == s->in[k];
        if (!near) bytes += (double)p->values[s->in[k]].bytes;
    }
    return bytes;
}

/* Of the chain that a step is a link of, or its own. */
static const char *kind_of_row(const ito__step *s) {
    const ito__step *first = s - s->link;
    return first->links > 1 ? first->chain : s->kind;
}

const ito_profile_row *ito_workspace_profile(ito_workspace *ws, int *count) {
    const ito_plan *p = ws->plan;
    int n = 0;
    for (int i = 0; i < p->n_steps; i++) {
        const ito__step *s = &p->steps[i];
        int k = 0;
        const char *kind = kind_of_row(s);
        while (k < n && strcmp(ws->rows[k].kind, kind) != 0) k++;
        if (k == n) ws->rows[n++] = (ito_profile_row){.kind = kind};
        double runs = s->constant ? 1 : (double)ws->runs;
        ws->rows[k].calls += s->link == 0 ? (int64_t)runs : 0;
        ws->rows[k].seconds += ws->seconds[i];
        ws->rows[k].flops += runs * s->flops;
        ws->rows[k].bytes += runs * step_bytes(p, s);
    }
    qsort(ws->rows, (size_t)n, sizeof *ws->rows, slowest_first);
    *count = n;
    return ws->rows;
}
