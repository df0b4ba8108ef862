/* SPDX-License-Identifier: Apache-2.0
 *
 * A perceptron learns points: trained for a second or two, its samples lie near the mixture they were drawn
 * from.
 */
#include <ito/analytic.h>
#include <ito/metrics.h>
#include <ito/sampler.h>
#include <ito/training.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Distances are between PARTS means of samples, each of an equal share of them. */
enum { STEPS = 2000, SAMPLES = 4096, PARTS = 256 };

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s: %s", ito_status_name(st), err->message);
}

/* recipes/points/mlp_vp.yaml, made small. */
static ito_recipe small_recipe(void) {
    static const char *const set[] = {"network.nf=64",           "network.num_res_blocks=2",
                                      "training.batch_size=192", "training.lr=2e-3",
                                      "training.warmup=20",      "training.ema_rate=0.99"};
    ito_recipe r;
    ito_error err = {0};
    require(ito_recipe_read("recipes/points/mlp_vp.yaml", &r, &err), &err);
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) require(ito_recipe_set(&r, set[i], &err), &err);
    return r;
}

/* x [SAMPLES, 2] of a score, by steps of UniPC. */
static void draw(const ito_recipe *r, const ito_score *score, double *x) {
    ito_sampler s;
    ito_error err = {0};
    require(ito_sampler_named("unipc", &r->sde, &s, &err), &err);
    s.pc.seed = 11;
    require(ito_sample(&r->sde, score, &s, SAMPLES, x, NULL, &err), &err);
}

static void shorten(const double *x, double *means) {
    ito_cells *cells = NULL;
    ito_error err = {0};
    require(ito_cells_create(PARTS, SAMPLES, 2, x, &cells, &err), &err);
    ito_cells_means(cells, means);
    ito_cells_free(cells);
}

static double distance(const double *x, const double *y) {
    double a[2 * PARTS], b[2 * PARTS], w = 0;
    ito_error err = {0};
    shorten(x, a);
    shorten(y, b);
    require(ito_wasserstein2(PARTS, 2, a, b, &w, &err), &err);
    return w;
}

static void a_trained_perceptron_draws_the_mixture(void **state) {
    const ito_recipe r = small_recipe();
    ito_dataset *data = NULL;
    ito_trainer *t = NULL;
    ito_trainer_options options = ito_trainer_default();
    ito_network_score_options how = ito_network_score_default();
    ito_network_score *network = NULL;
    ito_step_report report;
    ito_error err = {0};
    static double x[2 * SAMPLES], test[2 * SAMPLES], again[2 * SAMPLES], prior[2 * SAMPLES];
    (void)state;
    options.plan.threads = how.plan.threads = 1;
    how.batch = SAMPLES;
    require(ito_dataset_open(&r.data, "train", &data, &err), &err);
    require(ito_trainer_create(&r, data, &options, &t, &err), &err);
    for (int i = 0; i < STEPS; i++) require(ito_trainer_step(t, &report, &err), &err);
    require(ito_network_score_create(&r.network, &r.sde, ito_trainer_ema(t), &how, &network, &err), &err);
    const ito_score score = ito_network_score_view(network);
    draw(&r, &score, x);
    require(ito_dataset_points(data, 100, 0, SAMPLES, test, &err), &err);
    require(ito_dataset_points(data, 101, 0, SAMPLES, again, &err), &err);
    ito_sde_prior_sample(&r.sde, 5, 0, SAMPLES, 2, prior);
    printf("2-Wasserstein distance from %d exact draws: %.3f (bound 0.3); of other exact draws %.3f, of the "
           "prior %.3f\n",
           SAMPLES, distance(x, test), distance(again, test), distance(prior, test));
    assert_true(distance(x, test) < 0.3);
    ito_network_score_free(network);
    ito_trainer_free(t);
    ito_dataset_close(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_trained_perceptron_draws_the_mixture)};
    return cmocka_run_group_tests_name("points", tests, NULL, NULL);
}
