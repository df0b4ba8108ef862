/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimizer against the formulas of its header, written out in double, one weight at a time.
 */
#include "training/optimizer.h"
#include "training/trainer.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Two trainable tensors around a buffer; the first spans several pieces and ends inside one. */
enum { LARGE = 20001, SMALL = 7, BUFFER = 33, UPDATES = 40 };

typedef struct blocks {
    ito_graph *graph;
    ito_params *w, *m, *v, *ema, *g;
    ito__optimizer optimizer;
} blocks;

static void fill(ito_params *p, uint64_t seed, int64_t sample, double scale) {
    static double noise[LARGE];
    for (int i = 0; i < ito_params_count(p); i++) {
        int64_t n = ito_shape_count(ito_params_shape(p, i));
        ito_random_normal((ito_stream){seed, ITO_RNG_USER, sample}, (uint32_t)i, n, noise);
        for (int64_t k = 0; k < n; k++) ito_params_data(p, i)[k] = (float)(scale * noise[k]);
    }
}

static void blocks_init(blocks *b, const ito_training_config *settings, int threads) {
    assert_int_equal(ito_graph_create(&b->graph, NULL), ITO_OK);
    ito_param(b->graph, "large", ITO_SHAPE(LARGE), ito_init_zeros());
    ito_buffer(b->graph, "buffer", ITO_SHAPE(BUFFER), ito_init_ones());
    ito_param(b->graph, "small", ITO_SHAPE(SMALL), ito_init_zeros());
    ito_params **all[] = {&b->w, &b->m, &b->v, &b->ema, &b->g};
    for (int i = 0; i < 5; i++) assert_int_equal(ito_params_create(b->graph, all[i], NULL), ITO_OK);
    fill(b->w, 11, 0, 1.0);
    fill(b->ema, 11, 0, 1.0);
    assert_int_equal(ito__optimizer_init(&b->optimizer, b->w, settings, threads, NULL), ITO_OK);
}

static void blocks_release(blocks *b) {
    ito__optimizer_release(&b->optimizer);
    ito_params *all[] = {b->w, b->m, b->v, b->ema, b->g};
    for (int i = 0; i < 5; i++) ito_params_free(all[i]);
    ito_graph_free(b->graph);
}

/* UPDATES updates with a gradient that changes size, so that clipping acts in some and not in others. */
static double gradient_size(int step) {
    return step % 3 == 0 ? 1e-4 : 0.02;
}

static void run(blocks *b) {
    for (int step = 0; step < UPDATES; step++) {
        fill(b->g, 12, step, gradient_size(step));
        double norm = ito__optimizer_norm(&b->optimizer, ito__block(b->g), 0.5);
        ito__update u = {
            .step = step, .number = step + 1, .ema_number = step + 1, .scale = 0.5, .norm = norm};
        ito__optimizer_update(&b->optimizer, &u, ito__block(b->w), ito__block(b->m), ito__block(b->v),
                              ito__block(b->ema), ito__block(b->g));
    }
}

static ito_training_config settings(void) {
    ito_training_config s = ito_recipe_default().training;
    s.lr = 1e-2;
    s.warmup = 20;
    s.weight_decay = 0.01;
    s.grad_clip = 1;
    s.ema_rate = 0.9;
    return s;
}

/* One weight, every formula in double. */
typedef struct scalar_adam {
    double w, m, v, ema;
} scalar_adam;

static void scalar_update(scalar_adam *a, const ito_training_config *s, int step, double g, double norm) {
    double n = step + 1, clip = s->grad_clip / (norm + 1e-6);
    double lr = s->lr * (step < s->warmup ? (double)step / (double)s->warmup : 1.0);
    double decay = (1 + n) / (10 + n) < s->ema_rate ? (1 + n) / (10 + n) : s->ema_rate;
    if (clip < 1) g *= clip;
    g += s->weight_decay * a->w;
    a->m = s->beta1 * a->m + (1 - s->beta1) * g;
    a->v = s->beta2 * a->v + (1 - s->beta2) * g * g;
    a->w -= lr * (a->m / (1 - pow(s->beta1, n))) / (sqrt(a->v / (1 - pow(s->beta2, n))) + s->adam_eps);
    a->ema = decay * a->ema + (1 - decay) * a->w;
}

/* Reruns the updates of one tensor in double; the largest difference of weights and averages. */
static double scalar_difference(const blocks *b, int tensor, const double *norms) {
    static double noise[LARGE];
    static scalar_adam a[LARGE];
    const ito_training_config *s = &b->optimizer.settings;
    int64_t n = ito_shape_count(ito_params_shape(b->w, tensor));
    double worst = 0;
    ito_random_normal((ito_stream){11, ITO_RNG_USER, 0}, (uint32_t)tensor, n, noise);
    for (int64_t k = 0; k < n; k++) a[k] = (scalar_adam){.w = noise[k], .ema = noise[k]};
    for (int step = 0; step < UPDATES; step++) {
        ito_random_normal((ito_stream){12, ITO_RNG_USER, step}, (uint32_t)tensor, n, noise);
        for (int64_t k = 0; k < n; k++) {
            scalar_update(&a[k], s, step, 0.5 * gradient_size(step) * noise[k], norms[step]);
        }
    }
    for (int64_t k = 0; k < n; k++) {
        worst = fmax(worst, fabs((double)ito_params_data(b->w, tensor)[k] - a[k].w));
        worst = fmax(worst, fabs((double)ito_params_data(b->ema, tensor)[k] - a[k].ema));
    }
    return worst;
}

static double plain_norm(int step) {
    static double noise[LARGE];
    double sum = 0, size = 0.5 * gradient_size(step);
    for (int tensor = 0; tensor < 3; tensor += 2) {
        int64_t n = tensor == 0 ? LARGE : SMALL;
        ito_random_normal((ito_stream){12, ITO_RNG_USER, step}, (uint32_t)tensor, n, noise);
        for (int64_t k = 0; k < n; k++) sum += size * noise[k] * size * noise[k];
    }
    return sqrt(sum);
}

static void updates_equal_adam_in_double(void **state) {
    (void)state;
    blocks b = {0};
    double norms[UPDATES], worst = 0;
    ito_training_config s = settings();
    blocks_init(&b, &s, 2);
    run(&b);
    for (int step = 0; step < UPDATES; step++) norms[step] = plain_norm(step);
    assert_true(norms[0] < s.grad_clip && norms[1] > s.grad_clip); /* both branches of the clip */
    worst = fmax(scalar_difference(&b, 0, norms), scalar_difference(&b, 2, norms));
    /* 40 roundings of weights up to 4.3 in float: 40 * 4.3 * 6e-8. */
    printf("largest difference from double %.2e, bound 1.0e-5\n", worst);
    assert_true(worst < 1.0e-5);
    blocks_release(&b);
}

static void buffers_stay_as_they_are(void **state) {
    (void)state;
    blocks b = {0};
    ito_training_config s = settings();
    blocks_init(&b, &s, 0);
    float before[BUFFER];
    memcpy(before, ito_params_data(b.w, 1), sizeof before);
    run(&b); /* fill() writes to the buffer's gradient too: nobody may read it */
    assert_memory_equal(before, ito_params_data(b.w, 1), sizeof before);
    assert_memory_equal(before, ito_params_data(b.ema, 1), sizeof before);
    blocks_release(&b);
}

static void results_do_not_depend_on_threads(void **state) {
    (void)state;
    blocks b[2] = {{0}};
    ito_training_config s = settings();
    for (int i = 0; i < 2; i++) {
        blocks_init(&b[i], &s, i == 0 ? 1 : 3);
        run(&b[i]);
    }
    int64_t floats = 0;
    float *w = ito_params_block(b[0].w, &floats);
    assert_memory_equal(w, ito__block(b[1].w), (size_t)floats * sizeof *w);
    assert_memory_equal(ito__block(b[0].ema), ito__block(b[1].ema), (size_t)floats * sizeof *w);
    double one = ito__optimizer_norm(&b[0].optimizer, ito__block(b[0].g), 1);
    assert_true(one == ito__optimizer_norm(&b[1].optimizer, ito__block(b[1].g), 1));
    for (int i = 0; i < 2; i++) blocks_release(&b[i]);
}

static void norm_neither_overflows_nor_hides_a_nan(void **state) {
    (void)state;
    blocks b = {0};
    ito_training_config s = settings();
    blocks_init(&b, &s, 2);
    ito_params_data(b.g, 0)[0] = 3e30f; /* its square is no float */
    ito_params_data(b.g, 2)[1] = 4e30f;
    assert_true(fabs(ito__optimizer_norm(&b.optimizer, ito__block(b.g), 1) / 5e30 - 1) < 1e-6);
    assert_int_equal(ito__optimizer_nonfinite(&b.optimizer, ito__block(b.g)), -1);
    ito_params_data(b.g, 2)[SMALL - 1] = NAN;
    assert_true(isnan(ito__optimizer_norm(&b.optimizer, ito__block(b.g), 1)));
    assert_int_equal(ito__optimizer_nonfinite(&b.optimizer, ito__block(b.g)), 2);
    blocks_release(&b);
}

static void warm_up_and_ema_decay_follow_the_published_schedule(void **state) {
    (void)state;
    ito_training_config s = {.lr = 2e-4, .warmup = 5000};
    assert_true(ito__learning_rate(&s, 0) == 0);
    assert_true(fabs(ito__learning_rate(&s, 1250) - 5e-5) < 1e-18);
    assert_true(ito__learning_rate(&s, 5000) == 2e-4 && ito__learning_rate(&s, 900000) == 2e-4);
    s.warmup = 0;
    assert_true(ito__learning_rate(&s, 0) == 2e-4);
    assert_true(fabs(ito__ema_decay(0.9999, 1) - 2.0 / 11) < 1e-15);
    assert_true(ito__ema_decay(0.9999, 1000000) == 0.9999);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_equal_adam_in_double),
        cmocka_unit_test(buffers_stay_as_they_are),
        cmocka_unit_test(results_do_not_depend_on_threads),
        cmocka_unit_test(norm_neither_overflows_nor_hides_a_nan),
        cmocka_unit_test(warm_up_and_ema_decay_follow_the_published_schedule),
    };
    return cmocka_run_group_tests_name("training_optimizer", tests, NULL, NULL);
}
