/* SPDX-License-Identifier: Apache-2.0
 *
 * Timing the implementations of a convolution: each becomes a chain of primitives (changes of layout, the
 * convolution, a change of layout) or a call of our own kernel, all chains share their memory, and they are
 * run in turns.
 */
#include "engine/conv_timing.h"

#include "core/clock.h"
#include "core/memory.h"

#include <string.h>
#include <sys/resource.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

/* ---- candidates ---- */

int ito__conv_ways(const ito_plan *p, ito__conv_way ways[ITO__CONV_WAYS]) {
    static const dnnl_alg_kind_t algorithms[2] = {dnnl_convolution_direct, dnnl_convolution_winograd};
    int n = 0;
    for (int open = 0; open < 2; open++)
        for (int i = 0; i < 2; i++) {
            if (p->options.precision == ITO_BF16)
                ways[n++] = (ito__conv_way){algorithms[i], dnnl_bf16, open, false};
            ways[n++] = (ito__conv_way){algorithms[i], dnnl_f32, open, false};
        }
    return n;
}

bool ito__same_implementation(const ito_node *n, const_dnnl_primitive_desc_t a,
                              const_dnnl_primitive_desc_t b) {
    ito__conv_side sides[ITO__CONV_SIDES];
    if (!a || !b) return a == b;
    ito__conv_sides(n, sides);
    for (int i = 0; i < ITO__CONV_SIDES; i++)
        if (!dnnl_memory_desc_equal(dnnl_primitive_desc_query_md(a, sides[i].query, 0),
                                    dnnl_primitive_desc_query_md(b, sides[i].query, 0)))
            return false;
    return strcmp(ito__implementation(a), ito__implementation(b)) == 0;
}

enum { LIKELY = 2 };

typedef struct finder {
    const ito_node *node;
    ito__conv_way way;
    bool likely;
    int taken; /* of this way */
    ito__conv_candidates *found;
} finder;

static bool is_new(const finder *f, const_dnnl_primitive_desc_t pd) {
    for (int i = 0; i < f->found->count; i++)
        if (ito__same_implementation(f->node, pd, f->found->of[i].pd)) return false;
    return true;
}

static bool collect(void *self, dnnl_primitive_desc_t pd) {
    finder *f = self;
    ito__conv_candidates *c = f->found;
    const bool usable = !ito__is_reference(pd), known = usable && !is_new(f, pd);
    if (usable && !known) {
        c->of[c->count++] = (ito__conv_candidate){.way = f->way, .pd = pd};
        f->taken++;
    } else {
        dnnl_primitive_desc_destroy(pd);
    }
    return c->count == ITO__CONV_CANDIDATES || (f->likely && (known || f->taken == LIKELY));
}

void ito__conv_candidates_find(const ito_plan *p, const ito_node *n, ito__conv_search search,
                               ito__conv_candidates *out) {
    ito__conv_way ways[ITO__CONV_WAYS];
    const int count = ito__conv_ways(p, ways);
    const ito__conv_candidate own = {.way = ITO__OWN_WAY};
    out->count = 0;
    if (ito__winograd_fits(p, n)) out->of[out->count++] = own;
    for (int i = 0; i < count && out->count < ITO__CONV_CANDIDATES; i++) {
        finder f = {.node = n, .way = ways[i], .likely = search == ITO__CONV_LIKELY, .found = out};
        ito__conv_implementations(p, n, f.way, collect, &f);
    }
}

void ito__conv_candidates_release(ito__conv_candidates *c) {
    for (int i = 0; i < c->count; i++) dnnl_primitive_desc_destroy(c->of[i].pd);
    c->count = 0;
}

/* ---- memory that chains share ---- */

/* What a buffer is for. A result has one of its own, so that no run reads what another one wrote: sums of
 * sums would overflow. */
typedef enum role {
    IN_FIRST, /* as the convolution wants it: one of these per side, the result apart */
    IN_LAST = IN_FIRST + ITO__CONV_SIDES - 1,
    STORED_FIRST, /* as the plan stores it */
    STORED_LAST = STORED_FIRST + ITO__CONV_SIDES - 1,
    RESULT,
    STORED_RESULT,
    BIAS,
    SCRATCH,
    ROLES
} role;

struct ito__conv_timer {
    const ito_plan *plan;
    dnnl_stream_t stream;
    size_t bytes[ROLES];
    void *data[ROLES];
};

ito__conv_timer *ito__conv_timer_create(const ito_plan *p) {
    ito__conv_timer *t = ito__calloc(1, sizeof *t);
    if (!t) return NULL;
    t->plan = p;
    if (dnnl_stream_create(&t->stream, p->engine, dnnl_stream_default_flags) == dnnl_success) return t;
    ito__conv_timer_free(t);
    return NULL;
}

void ito__conv_timer_free(ito__conv_timer *t) {
    if (!t) return;
    for (int i = 0; i < ROLES; i++) ito__free(t->data[i]);
    if (t->stream) dnnl_stream_destroy(t->stream);
    ito__free(t);
}

/* Grows a buffer, filled with numbers near 0.01 whether read as float or as bfloat16: denormals would be
 * timed as something else. */
static bool provide(ito__conv_timer *t, role r, size_t bytes) {
    if (bytes <= t->bytes[r] && t->data[r]) return true;
    const size_t words = bytes / sizeof(uint32_t) + 1;
    ito__free(t->data[r]);
    t->bytes[r] = 0;
    uint32_t *data = t->data[r] = ito__alloc(words, sizeof *data);
    if (!data) return false;
    for (size_t k = 0; k < words; k++)
        data[k] = UINT32_C(0x3c203c20) + UINT32_C(0x10001) * (uint32_t)(k % 17);
    t->bytes[r] = bytes;
    return true;
}

/* ---- chains ---- */

enum { LINKS = ITO__CONV_SIDES + 1, LINK_ARGS = ITO__CONV_SIDES + 2 };

typedef struct link {
    dnnl_primitive_t primitive;
    int n_args;
    dnnl_exec_arg_t args[LINK_ARGS];
    role roles[LINK_ARGS];
} link;

/* What one candidate runs: primitives, or our own kernel (n is 0). */
typedef struct chain {
    int n;
    link links[LINKS];
    ito__call call;
    const void *in[ITO__CONV_SIDES];
    role in_roles[ITO__CONV_SIDES];
    role weights;                  /* where they are before it runs */
    double shortest, best, second; /* seconds; 0: none yet */
    bool dropped;
} chain;

static void release_chain(chain *c) {
    for (int i = 0; i < c->n; i++) {
        link *l = &c->links[i];
        for (int k = 0; k < l->n_args; k++)
            if (l->args[k].memory) dnnl_memory_destroy(l->args[k].memory);
        if (l->primitive) dnnl_primitive_destroy(l->primitive);
    }
    c->n = 0;
}

static bool add_arg(ito__conv_timer *t, link *l, int arg, role r, const dnnl_memory_desc_t *md) {
    size_t bytes = md ? dnnl_memory_desc_get_size(md) : 0;
    if (bytes == 0) return true;
    if (!provide(t, r, bytes)) return false;
    l->args[l->n_args] = (dnnl_exec_arg_t){.arg = arg};
    l->roles[l->n_args++] = r;
    return dnnl_memory_create(&l->args[l->n_args - 1].memory, md, t->plan->engine, DNNL_MEMORY_NONE) ==
           dnnl_success;
}

static bool finish_link(ito__conv_timer *t, link *l, const_dnnl_primitive_desc_t pd) {
    return add_arg(t, l, DNNL_ARG_SCRATCHPAD, SCRATCH,
                   dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0)) &&
           dnnl_primitive_create(&l->primitive, pd) == dnnl_success;
}

/* A change of layout, where there is one. */
static bool add_reorder(ito__conv_timer *t, chain *c, role from_role, const dnnl_memory_desc_t *from,
                        role to_role, const dnnl_memory_desc_t *to) {
    if (dnnl_memory_desc_equal(from, to)) return true;
    link *l = &c->links[c->n++];
    dnnl_primitive_desc_t pd = ito__reorder_pd(t->plan, from, to);
    bool ok = pd && add_arg(t, l, DNNL_ARG_FROM, from_role, from) &&
              add_arg(t, l, DNNL_ARG_TO, to_role, to) && finish_link(t, l, pd);
    if (pd) dnnl_primitive_desc_destroy(pd);
    return ok;
}

/* A frozen plan packs its parameters once. */
static bool converted_each_run(const ito_plan *p, const ito_node *n, const ito__conv_side *side) {
    return !side->weights || side->node == n || !p->options.frozen || side->node->op != ITO__OP_PARAM;
}

static bool build_chain(ito__conv_timer *t, const ito_node *n, ito__timed what, dnnl_primitive_desc_t pd,
                        chain *c) {
    ito__conv_side sides[ITO__CONV_SIDES];
    dnnl_memory_desc_t stored[ITO__CONV_SIDES];
    const dnnl_memory_desc_t *wanted[ITO__CONV_SIDES];
    int result = 0;
    bool ok = true;
    ito__conv_sides(n, sides);
    for (int i = 0; i < ITO__CONV_SIDES; i++) {
        wanted[i] = dnnl_primitive_desc_query_md(pd, sides[i].query, 0);
        bool converts = what == ITO__TIME_IN_PLAN && converted_each_run(t->plan, n, &sides[i]);
        stored[i] = converts ? ito__stored_md(t->plan, &sides[i]) : *wanted[i];
        if (sides[i].node == n) result = i;
        if (sides[i].weights) c->weights = (role)((converts ? STORED_FIRST : IN_FIRST) + i);
    }
    if (sides[result].weights) c->weights = c->weights >= STORED_FIRST ? STORED_RESULT : RESULT;
    for (int i = 0; i < ITO__CONV_SIDES && ok; i++)
        if (i != result)
            ok = add_reorder(t, c, (role)(STORED_FIRST + i), &stored[i], (role)(IN_FIRST + i), wanted[i]);
    link *l = &c->links[c->n++];
    for (int i = 0; i < ITO__CONV_SIDES && ok; i++)
        ok = add_arg(t, l, sides[i].arg, i == result ? RESULT : (role)(IN_FIRST + i), wanted[i]);
    if (ok && n->op == ITO__OP_CONV2D && n->n_in == 3) {
        dnnl_memory_desc_t bias = ito__flat_md(n->in[2]->shape.dim[0]);
        ok = add_arg(t, l, DNNL_ARG_BIAS, BIAS, &bias);
    }
    ok = ok && finish_link(t, l, pd);
    return ok && add_reorder(t, c, RESULT, wanted[result], STORED_RESULT, &stored[result]);
}

/* Our own kernel reads and writes what the plan stores. */
static bool build_own(ito__conv_timer *t, const ito_node *n, chain *c) {
    ito__conv_side sides[ITO__CONV_SIDES];
    ito__conv_sides(n, sides);
    c->call = (ito__call){.node = n, .block = t->plan->block, .threads = t->plan->threads};
    bool ok = provide(t, SCRATCH, ito__kernel_scratch(n, t->plan->threads));
    for (int k = 0; k < n->n_in; k++) c->in_roles[k] = BIAS;
    if (n->n_in == ITO__CONV_SIDES) ok = ok && provide(t, BIAS, sizeof(float) * (size_t)n->shape.dim[1]);
    for (int i = 0; i < ITO__CONV_SIDES && ok; i++) {
        const dnnl_memory_desc_t md = ito__stored_md(t->plan, &sides[i]);
        const role r = sides[i].node == n ? STORED_RESULT : (role)(STORED_FIRST + i);
        ok = provide(t, r, dnnl_memory_desc_get_size(&md));
        for (int k = 0; k < n->n_in; k++)
            if (sides[i].node == n->in[k]) c->in_roles[k] = r;
        if (sides[i].weights) c->weights = r;
    }
    return ok;
}

/* Buffers have their final places once every chain is built. */
static void attach(ito__conv_timer *t, chain *c) {
    for (int k = 0; c->call.node && k < c->call.node->n_in; k++) c->in[k] = t->data[c->in_roles[k]];
    c->call.in = c->in;
    c->call.out = t->data[STORED_RESULT];
    c->call.scratch = t->data[SCRATCH];
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->links[i].n_args; k++)
            dnnl_memory_set_data_handle_v2(c->links[i].args[k].memory, t->data[c->links[i].roles[k]],
                                           t->stream);
}

/* ---- running in turns ---- */

enum { ROUNDS = 16, LEAST_ROUNDS = 4 };
/* Rounds end when they took that long in all, but not before the fourth; on a machine that interrupts every
 * run they end at last. Large images may take longer for the four. */
static const double LONG_ENOUGH = 0.04, TOO_LONG = 0.4;
/* A chain that takes that many times what the fastest takes is left out: after the first round, which warms
 * up, after the second, and later. The first candidate always stays: the others are held against it. */
static const double BEHIND[3] = {3, 1.5, 1.15};

/* How often the system took a processor from one of our threads. */
static long interruptions(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

/* Drops a buffer from the caches: in a network the weights of other layers have been there since. */
static void evict(const ito__conv_timer *t, role r) {
#if defined(__x86_64__)
    const char *data = t->data[r];
    for (size_t i = 0; data && i < t->bytes[r]; i += 64) _mm_clflush(data + i);
    _mm_mfence();
#else
    (void)t, (void)r;
#endif
}

/* Keeps the two shortest runs that were not interrupted, and the shortest of all. */
static void note(chain *c, double seconds, bool interrupted) {
    if (c->shortest == 0 || seconds < c->shortest) c->shortest = seconds;
    if (interrupted) return;
    if (c->best == 0 || seconds < c->best) {
        c->second = c->best;
        c->best = seconds;
    } else if (c->second == 0 || seconds < c->second) {
        c->second = seconds;
    }
}

/* false: oneDNN failed. */
static bool run_chain(const ito__conv_timer *t, chain *c, ito__timed what) {
    if (what == ITO__TIME_IN_PLAN) evict(t, c->weights);
    const long before = interruptions();
    const double start = ito__now();
    if (c->call.node) t->plan->image[c->call.node->op](&c->call);
    for (int i = 0; i < c->n; i++)
        if (dnnl_primitive_execute(c->links[i].primitive, t->stream, c->links[i].n_args, c->links[i].args) !=
            dnnl_success)
            return false;
    note(c, ito__now() - start, interruptions() != before);
    return true;
}

/* One run of each chain that is still in; the number of those left after it. */
static int run_round(const ito__conv_timer *t, ito__timed what, int n, chain *chains, int round) {
    double best = 0;
    int left = 0;
    for (int i = 0; i < n; i++) {
        chain *c = &chains[i];
        if (round == 1) c->shortest = c->best = c->second = 0; /* round 0 warmed up */
        if (!c->dropped) c->dropped = !run_chain(t, c, what);
        if (c->shortest > 0 && (best == 0 || c->shortest < best)) best = c->shortest;
    }
    for (int i = 0; i < n; i++) {
        /* What was interrupted may be faster than it looked. */
        double fair = chains[i].best > 0 ? chains[i].best : chains[i].shortest / 4;
        chains[i].dropped |= i > 0 && fair > BEHIND[round < 2 ? round : 2] * best;
        left += !chains[i].dropped;
    }
    return left;
}

bool ito__conv_candidates_time(ito__conv_timer *t, const ito_node *n, ito__timed what,
                               ito__conv_candidates *c) {
    chain *chains = ito__calloc(ITO__CONV_CANDIDATES, sizeof *chains);
    bool ok = chains != NULL;
    for (int i = 0; i < c->count && ok; i++)
        ok = c->of[i].pd ? build_chain(t, n, what, c->of[i].pd, &chains[i]) : build_own(t, n, &chains[i]);
    for (int i = 0; i < c->count && ok; i++) attach(t, &chains[i]);
    const double start = ito__now();
    for (int round = 0; round < ROUNDS && ok; round++) {
        int left = run_round(t, what, c->count, chains, round);
        const double spent = ito__now() - start;
        if (round + 1 >= LEAST_ROUNDS && spent > TOO_LONG) break;
        if (chains[0].second <= 0) continue; /* interrupted so far */
        if (left <= 1 || (round + 1 >= LEAST_ROUNDS && spent > LONG_ENOUGH)) break;
    }
    for (int i = 0; i < c->count && chains; i++) {
        c->of[i].seconds = chains[i].shortest;
        c->of[i].calm = chains[i].second;
        release_chain(&chains[i]);
    }
    ito__free(chains);
    return ok;
}
