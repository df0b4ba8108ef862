/* SPDX-License-Identifier: Apache-2.0
 *
 * Making a plan: find what the outputs need, lower it in order, place it in memory, describe it.
 */
#include "engine/conv_timing.h"

#include "core/memory.h"

#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ito_plan_options ito_plan_default(void) {
    return (ito_plan_options){.precision = ITO_F32, .isa = ITO_ISA_AUTO};
}

const char *ito_precision_name(ito_precision precision) {
    static const char *const names[ITO_PRECISION_COUNT] = {"f32", "f64", "bf16"};
    return precision >= 0 && precision < ITO_PRECISION_COUNT ? names[precision] : "unknown";
}

bool ito__is_bf16(const ito_plan *p, int64_t block) {
    return block > 1 && p->options.precision == ITO_BF16;
}

size_t ito__element_size(const ito_plan *p, int64_t block) {
    if (p->options.precision == ITO_F64) return sizeof(double);
    return ito__is_bf16(p, block) ? sizeof(uint16_t) : sizeof(float);
}

/* ---- building blocks of lowering ---- */

void ito__fail(ito__lowering *l, ito_status status, const char *format, ...) {
    if (l->status != ITO_OK) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    l->status = ito_error_set(l->err, status, "%s", text);
}

/* Makes room for one more element of a growing array. */
static bool grow(ito__lowering *l, void **list, int count, int *capacity, size_t size) {
    if (count < *capacity) return true;
    int larger = *capacity ? 2 * *capacity : 256;
    void *copy = ito__calloc((size_t)larger, size);
    if (!copy) {
        ito__fail(l, ITO_E_NOMEM, "plan: out of memory for %d entries: free some", larger);
        return false;
    }
    if (count) memcpy(copy, *list, (size_t)count * size);
    ito__free(*list);
    *list = copy;
    *capacity = larger;
    return true;
}

static int add_value(ito__lowering *l, ito__value value) {
    ito_plan *p = l->plan;
    if (!grow(l, (void **)&p->values, p->n_values, &p->cap_values, sizeof *p->values)) return -1;
    p->values[p->n_values] = value;
    return p->n_values++;
}

static int add_bound(ito__lowering *l, const ito_node *node, bool output) {
    ito_plan *p = l->plan;
    if (!grow(l, (void **)&p->bound, p->n_bound, &p->cap_bound, sizeof *p->bound)) return -1;
    p->bound[p->n_bound] = (ito__bound){node, output, -1};
    return p->n_bound++;
}

static size_t node_bytes(const ito_plan *p, const ito_node *x, int64_t block) {
    return (size_t)ito_shape_count(x->shape) * ito__element_size(p, block);
}

static int bound_value(ito__lowering *l, const ito_node *x, int slot) {
    if (slot < 0) return -1;
    int v = add_value(l, (ito__value){.node = x,
                                      .block = 1,
                                      .bytes = node_bytes(l->plan, x, 1),
                                      .place = ITO__BOUND,
                                      .slot = slot,
                                      .alias = -1});
    l->plan->bound[slot].value = v;
    return v;
}

bool ito__is_image(const ito_plan *p, ito_shape s) {
    return p->block > 1 && s.rank == 4 && s.dim[1] % p->block == 0 && s.dim[2] * s.dim[3] > 1;
}

bool ito__has_blocked(const ito__lowering *l, const ito_node *x) {
    return l->blocked[x->id] >= 0 || l->apart[x->id];
}

int ito__result(ito__lowering *l, const ito_node *y, int64_t block) {
    int *index = block > 1 ? l->blocked : l->row_major;
    int slot = block > 1 ? -1 : l->output[y->id];
    int v;
    if (slot >= 0 && !l->constant[y->id]) {
        v = bound_value(l, y, slot);
        l->output[y->id] = -1; /* taken: no copy at the end */
    } else {
        v = add_value(l, (ito__value){.node = y,
                                      .block = block,
                                      .bytes = node_bytes(l->plan, y, block),
                                      .place = l->constant[y->id] ? ITO__CONSTANT : ITO__ARENA,
                                      .alias = -1});
    }
    return index[y->id] = v;
}

int ito__scratch(ito__lowering *l, size_t bytes, bool constant) {
    if (bytes == 0) return -1;
    return add_value(
        l, (ito__value){
               .block = 1, .bytes = bytes, .place = constant ? ITO__CONSTANT : ITO__ARENA, .alias = -1});
}

int ito__operand(ito__lowering *l, const ito_node *x, int64_t block) {
    if (l->status != ITO_OK) return -1;
    if (!ito__is_image(l->plan, x->shape)) block = 1;
    int have = block > 1 ? l->blocked[x->id] : l->row_major[x->id];
    if (have >= 0) return have;
    if (l->apart[x->id] && l->blocked[x->id] < 0) {
        ito__lower_kernel(l, x);
        return ito__operand(l, x, block);
    }
    int from = block > 1 ? l->row_major[x->id] : l->blocked[x->id];
    int to = ito__result(l, x, block);
    if (from < 0 || to < 0) {
        ito__fail(l, ITO_E_ARG, "plan: node %d is used before it is computed: report this bug", (int)x->id);
        return -1;
    }
    ito__lower_convert(l, x, from, to);
    return to;
}

ito__step *ito__add_step(ito__lowering *l, const ito_node *y, int n_in, const int *in, int out) {
    ito_plan *p = l->plan;
    if (l->status != ITO_OK) return &l->scrap;
    int *operands = ito__alloc((size_t)n_in + 1, sizeof *operands);
    if (!operands || !grow(l, (void **)&p->steps, p->n_steps, &p->cap_steps, sizeof *p->steps)) {
        ito__free(operands);
        ito__fail(l, ITO_E_NOMEM, "plan: out of memory for a step: free some");
        return &l->scrap;
    }
    for (int i = 0; i < n_in; i++) operands[i] = in[i];
    ito__step *s = &p->steps[p->n_steps++];
    *s = (ito__step){.node = y,
                     .constant = out >= 0 && p->values[out].place == ITO__CONSTANT,
                     .block = 1,
                     .n_in = n_in,
                     .in = operands,
                     .out = out,
                     .scratch = -1,
                     .moments = -1,
                     .links = 1,
                     .kind = ito__op_name(y->op)};
    return s;
}

/* ---- the walk ---- */

/* needed[id]: some output depends on the node. */
static void mark_needed(const ito_graph *g, int n, ito_node *const *outputs, bool *needed) {
    for (int i = 0; i < n; i++) needed[outputs[i]->id] = true;
    for (int32_t id = g->n_nodes - 1; id >= 0; id--)
        for (int i = 0; needed[id] && i < g->nodes[id]->n_in; i++) needed[g->nodes[id]->in[i]->id] = true;
}

static bool is_random(const ito_node *x) {
    return x->op == ITO__OP_DROPOUT || (x->op == ITO__OP_NORM && x->attr.norm.dropout.rate > 0);
}

static bool is_constant(const ito__lowering *l, const ito_node *x) {
    if (x->op == ITO__OP_INPUT || is_random(x)) return false;
    if (x->op == ITO__OP_PARAM || x->op == ITO__OP_BUFFER) return l->plan->options.frozen;
    for (int i = 0; i < x->n_in; i++)
        if (!l->constant[x->in[i]->id]) return false;
    return true;
}

static void lower_all(ito__lowering *l, const bool *needed) {
    const ito_graph *g = l->plan->graph;
    for (int32_t id = 0; id < g->n_nodes && l->status == ITO_OK; id++) {
        if (!needed[id]) continue;
        const ito_node *x = g->nodes[id];
        l->constant[id] = is_constant(l, x);
        if (x->op <= ITO__OP_BUFFER)
            l->row_major[id] = bound_value(l, x, add_bound(l, x, false));
        else
            ito__lower(l, x);
    }
}

/* Outputs that no step wrote into place: leaves, constants, blocked images, views, and nodes asked for twice.
 */
static void copy_outputs(ito__lowering *l, int n, ito_node *const *outputs, const int *slots) {
    for (int i = 0; i < n && l->status == ITO_OK; i++) {
        const ito_node *y = outputs[i];
        if (l->plan->bound[slots[i]].value >= 0) continue;
        l->output[y->id] = -1;
        int from = l->row_major[y->id] >= 0 ? l->row_major[y->id] : ito__operand(l, y, l->plan->block);
        int to = bound_value(l, y, slots[i]);
        if (from >= 0 && to >= 0) ito__lower_convert(l, y, from, to);
    }
}

static ito_status lower_graph(ito_plan *p, int n, ito_node *const *outputs, ito_error *err) {
    size_t count = (size_t)p->graph->n_nodes;
    ito__lowering l = {.plan = p, .err = err};
    bool *needed = ito__calloc(count, sizeof *needed);
    int *slots = ito__calloc((size_t)n, sizeof *slots);
    l.row_major = ito__alloc(count, sizeof *l.row_major);
    l.blocked = ito__alloc(count, sizeof *l.blocked);
    l.output = ito__alloc(count, sizeof *l.output);
    l.constant = ito__calloc(count, sizeof *l.constant);
    l.again = ito__calloc(count, sizeof *l.again);
    l.apart = ito__calloc(count, sizeof *l.apart);
    if (!needed || !slots || !l.row_major || !l.blocked || !l.output || !l.constant || !l.again || !l.apart) {
        ito__fail(&l, ITO_E_NOMEM, "plan: out of memory for %zu nodes: free some", count);
        goto done;
    }
    for (size_t i = 0; i < count; i++) l.row_major[i] = l.blocked[i] = l.output[i] = -1;
    mark_needed(p->graph, n, outputs, needed);
    for (int i = 0; i < n; i++) {
        slots[i] = add_bound(&l, outputs[i], true);
        if (l.output[outputs[i]->id] < 0) l.output[outputs[i]->id] = slots[i];
    }
    if (l.status == ITO_OK) lower_all(&l, needed);
    copy_outputs(&l, n, outputs, slots);
done:
    ito__conv_timer_free(l.timer);
    ito__free(needed);
    ito__free(slots);
    ito__free(l.row_major);
    ito__free(l.blocked);
    ito__free(l.output);
    ito__free(l.constant);
    ito__free(l.again);
    ito__free(l.apart);
    return l.status;
}

/* ---- public ---- */

static ito_status check(const ito_graph *g, int n, ito_node *const *outputs, const ito_plan_options *o,
                        ito_error *err) {
    ito_status st = ito_graph_status(g, err);
    if (st != ITO_OK) return st;
    for (int i = 0; i < n; i++)
        if (!outputs[i] || outputs[i]->graph != g)
            return ito_error_set(err, ITO_E_ARG,
                                 "plan: output %d is not a node of this graph: pass its own nodes", i);
    if (o->precision == ITO_F64 && !o->reference)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "plan: double precision runs the reference kernels only: set reference");
    if (o->precision == ITO_BF16 && o->reference)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "plan: the reference kernels have no bfloat16: use ITO_F32 with reference");
    if (o->precision == ITO_BF16 && ito__channel_block() != 16)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "precision: bfloat16 needs a processor with AVX-512: use float32 (f32)");
    if (o->threads < 0)
        return ito_error_set(err, ITO_E_ARG, "plan: threads is %d: use 0 (automatic) or more", o->threads);
    return ITO_OK;
}

ito_status ito_plan_create(ito_graph *g, int n_outputs, ito_node *const *outputs,
                           const ito_plan_options *options, ito_plan **out, ito_error *err) {
    *out = NULL;
    ito_plan_options o = options ? *options : ito_plan_default();
    ito_status st = check(g, n_outputs, outputs, &o, err);
    if (st != ITO_OK) return st;
    ito_plan *p = ito__calloc(1, sizeof *p);
    if (!p) return ito_error_set(err, ITO_E_NOMEM, "plan: out of memory: free some");
    p->graph = g;
    p->options = o;
    p->plain = o.precision == ITO_F64 ? ito__plain_f64 : ito__plain_f32;
    p->fast = o.reference ? p->plain : ito__fast_kernels(o.isa, false);
    p->image = o.precision == ITO_BF16 ? ito__fast_kernels(o.isa, true) : p->fast;
    p->block = o.reference ? 1 : ito__channel_block();
    int threads = omp_get_max_threads();
    p->threads = o.threads ? o.threads : threads;
    if (o.threads) omp_set_num_threads(o.threads); /* oneDNN fixes its partition when a primitive is made */
    if (dnnl_engine_create(&p->engine, dnnl_cpu, 0) != dnnl_success)
        st = ito_error_set(err, ITO_E_UNSUPPORTED,
                           "plan: oneDNN has no CPU engine: install a CPU build of oneDNN");
    if (st == ITO_OK) st = lower_graph(p, n_outputs, outputs, err);
    if (st == ITO_OK) st = ito__join_chains(p, err);
    if (st == ITO_OK) st = ito__place_values(p, err);
    omp_set_num_threads(threads);
    p->options.tuning = NULL; /* borrowed until here */
    if (st != ITO_OK) {
        ito_plan_free(p);
        return st;
    }
    *out = p;
    return ITO_OK;
}

void ito_plan_free(ito_plan *p) {
    if (!p) return;
    for (int i = 0; i < p->n_steps; i++) {
        ito__dnnl_call_free(p->steps[i].dnnl);
        ito__free(p->steps[i].in);
        ito__free(p->steps[i].parts);
    }
    if (p->engine) dnnl_engine_destroy(p->engine);
    ito__free(p->steps);
    ito__free(p->values);
    ito__free(p->bound);
    ito__free(p);
}

size_t ito_plan_bytes(const ito_plan *p) {
    return p->arena_bytes + p->constant_bytes;
}
double ito_plan_flops(const ito_plan *p) {
    return p->flops;
}

static const char *layout_name(const ito__value *v) {
    return v->place == ITO__TILE ? "tile" : v->block > 1 ? "blk" : "row";
}

/* Links of a chain behind its first have a "+". */
char *ito_plan_describe(const ito_plan *p) {
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    if (!f) return NULL;
    fprintf(f, "%d steps, arena %.1f MB, constants %.1f MB, %.3f GFLOP\n", p->n_steps,
            (double)p->arena_bytes / 1e6, (double)p->constant_bytes / 1e6, p->flops / 1e9);
    for (int i = 0; i < p->n_steps; i++) {
        const ito__step *s = &p->steps[i];
        const ito__value *y = &p->values[s->out];
        char shape[ITO__SHAPE_TEXT];
        fprintf(f, "%5d %s%-*s %-18s %-4s %10zu bytes %s%s\n", i, s->link ? "+ " : "", s->link ? 38 : 40,
                s->kind, ito__shape_text(s->node->shape, shape), layout_name(y),
                y->place == ITO__TILE ? 0 : y->bytes, s->node->scope, s->constant ? " (once)" : "");
    }
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
