/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast plans against the specification: every case of the table, its value, first and second derivatives, run
 * by each instruction set that this processor has, on row-major and on blocked images, with frozen weights
 * and with Winograd, and held to the F32 reference plan; that one is held to the F64 reference.
 */
#include "op_harness.h"

#include "engine/plan.h"

#include <math.h>

/* Errors are relative to the largest element of a tensor. A float rounds at 6e-8; the sums here have up to
 * some hundred terms, and a second derivative passes through some ten ops. Reference kernels sum in double.
 */
static const double REFERENCE_BOUND = 3e-6, DIRECT_BOUND = 1e-5;
/* Winograd F(4x4, 3x3) multiplies by transforms with entries up to 8, which costs some two digits. */
static const double WINOGRAD_BOUND = 1e-4;
/* Bfloat16 has 8 bits, and rounds between any two ops; a second derivative passes through some ten. */
static const double BF16_BOUND = 5e-2;

typedef struct outputs {
    int n;
    ito_node *node[2 * OP_MAX_IN + 2];
    char name[2 * OP_MAX_IN + 2][16];
} outputs;

static void list(outputs *w, ito_node *node, const char *kind, int i) {
    w->node[w->n] = node;
    snprintf(w->name[w->n++], sizeof w->name[0], "%s%d", kind, i);
}

static outputs outputs_of(const op_graph *o) {
    outputs w = {0};
    list(&w, o->y, "y", 0);
    list(&w, o->ds, "ds", 0);
    for (int i = 0; i < o->n_x; i++) {
        if (!o->differentiable[i]) continue;
        list(&w, o->dx[i], "dx", i);
        list(&w, o->ddx[i], "ddx", i);
    }
    return w;
}

static void run(op_plan *p, const op_graph *o, outputs *w, ito_plan_options options) {
    op_plan_open(p, o->g, w->n, w->node, options);
    op_plan_set_all(p, o);
    op_plan_run(p);
}

/* Largest difference over largest element; the difference itself where a tensor vanishes but for rounding, as
 * the gradient by a shift ahead of an instance norm does. */
static double distance(const op_plan *a, const op_plan *b, const ito_node *x) {
    double size, difference = op_plan_difference(a, b, x, &size);
    return size > 1e-4 ? difference / size : difference;
}

static void compare(op_tally *t, const op_case *c, const outputs *w, const char *how, const op_plan *p,
                    const op_plan *reference, double bound) {
    for (int i = 0; i < w->n; i++) {
        char what[80];
        snprintf(what, sizeof what, "%s %s", how, w->name[i]);
        op_tally_add(t, c, what, distance(p, reference, w->node[i]), bound * (c->loose > 0 ? c->loose : 1));
    }
}

typedef struct variant {
    const char *name;
    ito_isa isa;
    ito_precision precision;
    bool exact, frozen;
} variant;

static const variant variants[] = {
    {"plain", .isa = ITO_ISA_PLAIN, .exact = true},
    {"avx2", .isa = ITO_ISA_AVX2, .exact = true},
    {"avx512", .isa = ITO_ISA_AVX512, .exact = true},
    {"frozen", .exact = true, .frozen = true},
    {"winograd", .exact = false},
    {"frozen winograd", .frozen = true},
    {"bf16", .precision = ITO_BF16},
    {"bf16 frozen", .precision = ITO_BF16, .frozen = true},
};

static op_tally reference_tally = {.title = "F32 reference against F64"};
static op_tally direct_tally = {.title = "fast plans, direct convolutions"};
static op_tally winograd_tally = {.title = "fast plans, Winograd allowed"};
static op_tally bf16_tally = {.title = "fast plans in bfloat16"};

static int winograd_count;

static void check_variants(const op_case *c, const op_graph *o, outputs *w, const op_plan *reference,
                           bool wrapped) {
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        const variant *v = &variants[i];
        if (v->isa > ito_isa_detect()) continue;
        if (v->precision == ITO_BF16 && ito__channel_block() != 16) continue;
        ito_plan_options options = ito_plan_default();
        options.precision = v->precision;
        options.isa = v->isa;
        options.exact = v->exact;
        options.frozen = v->frozen;
        options.threads = 1;
        op_plan p;
        run(&p, o, w, options);
        if (v->exact)
            assert_int_equal(op_plan_count(&p, "wino"), 0);
        else
            winograd_count += op_plan_count(&p, "wino");
        char how[48];
        snprintf(how, sizeof how, "%s%s", v->name, wrapped ? ", blocked" : "");
        if (v->precision == ITO_BF16)
            compare(&bf16_tally, c, w, how, &p, reference, BF16_BOUND);
        else if (v->exact)
            compare(&direct_tally, c, w, how, &p, reference, DIRECT_BOUND);
        else
            compare(&winograd_tally, c, w, how, &p, reference, WINOGRAD_BOUND);
        op_plan_close(&p);
    }
}

static void check_case(const op_case *c, bool wrapped) {
    op_graph o;
    op_plan f64, f32;
    op_graph_build(&o, c, wrapped);
    outputs w = outputs_of(&o);
    run(&f64, &o, &w, op_reference(ITO_F64));
    run(&f32, &o, &w, op_reference(ITO_F32));
    compare(&reference_tally, c, &w, wrapped ? "wrapped" : "bare", &f32, &f64, REFERENCE_BOUND);
    check_variants(c, &o, &w, &f32, wrapped);
    op_plan_close(&f64);
    op_plan_close(&f32);
    op_graph_release(&o);
}

static void every_case_agrees_with_its_reference(void **state) {
    (void)state;
    for (int i = 0; i < op_case_count; i++) {
        check_case(&op_cases[i], false);
        if (op_case_wraps(&op_cases[i])) check_case(&op_cases[i], true);
    }
    print_message("best instruction set here: %s; %d steps by Winograd\n", ito_isa_name(ito_isa_detect()),
                  winograd_count);
    op_tally_close(4, (const op_tally *[]){&reference_tally, &direct_tally, &winograd_tally, &bf16_tally});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_agrees_with_its_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
