/* SPDX-License-Identifier: Apache-2.0
 *
 * Every implementation that a tuning may choose for a convolution, at shapes of the published networks with
 * values of their size, against the direct summation of an exact plan: forward and both gradients. What
 * bounds Winograd's rounding here bounds it for whatever timings choose.
 */
#include "engine/conv_tuned.h"

#include "op_harness.h"

#include <ito/random.h>
#include <math.h>
#include <omp.h>
#include <string.h>

/* Three families of choices: what is multiplied, and how. */
typedef enum family { DIRECT, WINOGRAD, BF16, FAMILIES } family;
static const char *const family_names[FAMILIES] = {"direct", "Winograd", "bfloat16 plans"};

/* Relative to the largest element of a result, twice to four times what was measured. Direct sums of up to
 * 4608 products differ by their order alone; Winograd's F(4x4, 3x3) adds transforms with entries up to 8.
 * Operands and results of a bfloat16 plan are rounded to 8 bits. */
static const double bounds[FAMILIES] = {6e-6, 2e-5, 1e-2};

typedef struct shape {
    const char *where; /* in DDPM++, NCSN++ and NCSN of CIFAR-10, and in the small network of Fashion-MNIST */
    int64_t batch, in, out, size;
    int dilation;
} shape;

static const shape shapes[] = {
    {"first and last blocks, 32x32", 1, 128, 128, 32, 1},
    {"going up at 32x32", 1, 384, 128, 32, 1},
    {"the middle, 16x16", 1, 256, 256, 16, 1},
    {"going up at 8x8", 2, 512, 256, 8, 1},
    {"the lowest, 4x4", 2, 256, 256, 4, 1},
    {"to the image", 2, 128, 3, 32, 1},
    {"from the image", 2, 3, 128, 32, 1},
    {"dilated by 2, 16x16", 2, 256, 256, 16, 2},
    {"dilated by 4, 16x16", 2, 256, 256, 16, 4},
    {"small network", 2, 32, 32, 32, 1},
    {"small network, to the image", 2, 32, 1, 32, 1},
};

enum { SIDES = 3, LEAVES = 3 };

typedef struct conv {
    ito_graph *g;
    ito_node *leaf[LEAVES];  /* x, w, and the gradient by the result */
    ito_node *result[SIDES]; /* y, dx, dw */
    double *values[LEAVES];
} conv;

static void normals(uint64_t stream, int64_t n, double scale, double *out) {
    ito_random_normal((ito_stream){.seed = stream, .purpose = ITO_RNG_USER}, 0, n, out);
    for (int64_t i = 0; i < n; i++) out[i] = (float)(scale * out[i]);
}

/* x as a norm and SiLU leave it, w as fan_avg draws it, a gradient of unit size. */
static void conv_build(conv *c, const shape *s) {
    ito_error err = {0};
    op_require(ito_graph_create(&c->g, &err), &err);
    c->leaf[0] = ito_input(c->g, "x", ITO_SHAPE(s->batch, s->in, s->size, s->size));
    c->leaf[1] = ito_param(c->g, "w", ITO_SHAPE(s->out, s->in, 3, 3), ito_init_zeros());
    const ito_conv how = {.stride = 1, .pad = s->dilation, .dilation = s->dilation};
    c->result[0] = ito_conv2d(c->leaf[0], c->leaf[1], NULL, how);
    c->leaf[2] = ito_input(c->g, "dy", ito_node_shape(c->result[0]));
    ito_gradients(c->result[0], c->leaf[2], 2, c->leaf, c->result + 1);
    const double scale[LEAVES] = {1, sqrt(2.0 / (9.0 * (double)(s->in + s->out))), 1};
    for (int i = 0; i < LEAVES; i++) {
        int64_t n = ito_shape_count(ito_node_shape(c->leaf[i]));
        c->values[i] = test_malloc((size_t)n * sizeof(double));
        normals((uint64_t)i + 1, n, scale[i], c->values[i]);
        for (int64_t k = 0; i == 0 && k < n; k++)
            c->values[0][k] = (float)(c->values[0][k] / (1 + exp(-c->values[0][k])));
    }
}

static void conv_release(conv *c) {
    for (int i = 0; i < LEAVES; i++) test_free(c->values[i]);
    ito_graph_free(c->g);
}

static void conv_run(op_plan *p, conv *c, int side, ito_plan_options options) {
    op_plan_open(p, c->g, 1, &c->result[side], options);
    for (int i = 0; i < LEAVES; i++) op_plan_set(p, c->leaf[i], c->values[i]);
    op_plan_run(p);
}

static void distance(const op_plan *p, const op_plan *exact, const ito_node *y, double *largest,
                     double *mean) {
    double size = 0, squares = 0, error = 0, errors = 0;
    int64_t n = ito_shape_count(ito_node_shape(y));
    for (int64_t i = 0; i < n; i++) {
        double a = op_plan_get(p, y, i), b = op_plan_get(exact, y, i);
        if (!(fabs(a - b) <= error)) error = fabs(a - b); /* keeps a NaN */
        errors += (a - b) * (a - b);
        size = fmax(size, fabs(b));
        squares += b * b;
    }
    *largest = error / size;
    *mean = sqrt(errors / squares);
}

/* The worst of a family over all shapes. */
typedef struct worst {
    double largest, mean;
    int count;
} worst;

/* A tuning that knows one thing: this choice for the only convolution of the plan. */
static void check_choice(conv *c, int side, ito_plan_options options, const char *key, const char *choice,
                         const op_plan *exact, const shape *s, worst worsts[FAMILIES]) {
    const family of_choice = strncmp(choice, "winograd", 8) == 0 ? WINOGRAD : DIRECT;
    const family f = options.precision == ITO_BF16 ? BF16 : of_choice;
    const char *name = strrchr(choice, ' ') + 1;
    ito_error err = {0};
    op_plan p;
    double largest, mean;
    op_require(ito_tuning_create(&options.tuning, &err), &err);
    ito_tuning_measure(options.tuning, false);
    op_require(ito__tuning_set(options.tuning, key, choice, &err), &err);
    conv_run(&p, c, side, options);
    char *text = ito_plan_describe(p.plan);
    if (!strstr(text, name)) fail_msg("%s: the plan does not run %s", s->where, choice);
    free(text);
    distance(&p, exact, c->result[side], &largest, &mean);
    worst *w = &worsts[f];
    if (!(largest <= bounds[f])) fail_msg("%s, result %d, %s: error %.2e", s->where, side, choice, largest);
    w->largest = fmax(w->largest, largest);
    w->mean = fmax(w->mean, mean);
    w->count++;
    op_plan_close(&p);
    ito_tuning_free(options.tuning);
}

static void check_side(conv *c, int side, ito_plan_options options, const shape *s, worst worsts[FAMILIES]) {
    ito_plan_options direct = ito_plan_default();
    ito_error err = {0};
    ito__conv_candidates found;
    op_plan exact, plain;
    char key[ITO__TUNING_KEY], choice[ITO__TUNING_CHOICE];
    direct.threads = options.threads = 1;
    direct.exact = true;
    conv_run(&exact, c, side, direct);
    op_plan_open(&plain, c->g, 1, &c->result[side], options);
    ito_tuning *t;
    op_require(ito_tuning_create(&t, &err), &err);
    ito__conv_candidates_find(plain.plan, c->result[side], ITO__CONV_ALL, &found);
    ito__name_conv_work(plain.plan, t, c->result[side], key);
    for (int i = 0; i < found.count; i++) {
        ito__name_conv_choice(found.of[i].way, ito__implementation(found.of[i].pd), choice);
        check_choice(c, side, options, key, choice, &exact, s, worsts);
    }
    ito__conv_candidates_release(&found);
    ito_tuning_free(t);
    op_plan_close(&plain);
    op_plan_close(&exact);
}

static void check_shape(int side, const shape *s, worst worsts[FAMILIES]) {
    conv c;
    ito_plan_options options = ito_plan_default();
    conv_build(&c, s);
    check_side(&c, side, options, s, worsts);
    if (ito_isa_detect() == ITO_ISA_AVX512) {
        options.precision = ITO_BF16;
        check_side(&c, side, options, s, worsts);
        options.precision = ITO_F32;
    }
    options.frozen = true;
    if (side < 2) check_side(&c, side, options, s, worsts);
    conv_release(&c);
}

static void every_choice_computes_the_convolution(void **state) {
    (void)state;
    static const char *const results[SIDES] = {"result", "gradient by the image", "gradient by the weights"};
    for (int side = 0; side < SIDES; side++) {
        worst worsts[FAMILIES] = {{0}};
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) check_shape(side, &shapes[i], worsts);
        for (int f = 0; f < FAMILIES; f++)
            print_message(
                "%s, %s: %d choices, largest error %.1e of the largest element, bound %.0e; root mean "
                "square %.1e\n",
                results[side], family_names[f], worsts[f].count, worsts[f].largest, bounds[f],
                worsts[f].mean);
        assert_true(worsts[DIRECT].count >= 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_choice_computes_the_convolution),
    };
    omp_set_num_threads(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
