/* SPDX-License-Identifier: Apache-2.0
 *
 * Training steps: the loss against a recomputation outside the trainer, learning, split batches, and what
 * happens to values that are not finite.
 */
#include "fixture.h"
#include "training/trainer.h"

/* The loss of examples first .. first + n - 1 for the weights `p`, written from SPEC section 4 for the VP SDE
 * with beta 0.1 .. 20 and reduce_mean: only the network itself is the library's. */
static double recomputed_loss(const fixture *f, ito_params *p, int64_t first, int64_t n) {
    ito_network_score_options options = ito_network_score_default();
    ito_network_score *score = NULL;
    ito_error err = {0};
    options.batch = n;
    require(ito_network_score_create(&f->recipe.network, &f->recipe.sde, p, &options, &score, &err), &err);
    float x[4 * FIXTURE_DIM], out[4 * FIXTURE_DIM], labels[4];
    double z[4 * FIXTURE_DIM], loss = 0;
    require(ito_dataset_batch(f->data, f->recipe.training.seed, first, n, x, &err), &err);
    for (int64_t k = 0; k < n; k++) {
        double u = 0;
        ito_random_uniform((ito_stream){f->recipe.training.seed, ITO_RNG_TIME, first + k}, 0, 1, &u);
        ito_random_normal((ito_stream){f->recipe.training.seed, ITO_RNG_NOISE, first + k}, 0, FIXTURE_DIM,
                          z + k * FIXTURE_DIM);
        double t = 1e-5 + u * (1 - 1e-5), integral = 0.1 * t + 0.5 * 19.9 * t * t;
        double a = exp(-integral / 2), b = sqrt(1 - exp(-integral));
        for (int64_t i = k * FIXTURE_DIM; i < (k + 1) * FIXTURE_DIM; i++) {
            x[i] = (float)(a * (double)x[i] + b * z[i]);
        }
        labels[k] = (float)(999 * t);
    }
    require(ito_network_score_forward(score, n, x, labels, out, &err), &err);
    for (int64_t i = 0; i < n * FIXTURE_DIM; i++) {
        double residual = z[i] - (double)out[i]; /* b s + z with s = -out / b */
        loss += residual * residual / (double)(n * FIXTURE_DIM);
    }
    ito_network_score_free(score);
    return loss;
}

static void set(fixture *f, const char *assignment) {
    ito_error err = {0};
    require(ito_recipe_set(&f->recipe, assignment, &err), &err);
}

static void loss_of_a_step_equals_its_recomputation(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    set(&f, "network.dropout=0");
    ito_trainer *t = fixture_trainer(&f, 0);
    for (int step = 0; step < 3; step++) {
        double want = recomputed_loss(&f, ito_trainer_live(t), 4 * step, 4);
        ito_step_report report = run_steps(t, 1);
        printf("step %d: loss %.9g, recomputed %.9g, bound 1e-5 relative\n", step, report.loss, want);
        assert_true(fabs(report.loss / want - 1) < 1e-5); /* float sums over a small network */
        assert_int_equal(report.step, step + 1);
        assert_int_equal(report.images, 4 * (step + 1));
        assert_true(report.learning_rate == 1e-3 * fmin(step / 2.0, 1));
    }
    ito_trainer_free(t);
    fixture_release(&f);
}

/* The gradient that a step follows is the derivative of the loss that it reports: the loss changes along it
 * by its norm for each unit of length. */
static void gradient_norm_is_the_slope_of_the_loss(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    set(&f, "network.dropout=0");
    set(&f,
        "network.init_scale=1"); /* otherwise the last layers start at zero and most gradients with them */
    ito_trainer *t = fixture_trainer(&f, 0);
    double norm =
        run_steps(t, 1).grad_norm; /* the warm-up's first step has rate 0: weights are the initial ones */
    int64_t floats = 0;
    float *w = ito_params_block(ito_trainer_live(t), &floats);
    const float *g = ito__block(t->grads);
    double h = 3e-3 / norm, loss[2];
    for (int side = 0; side < 2; side++) {
        double move = side == 0 ? -h : 2 * h;
        for (int64_t i = 0; i < floats; i++) w[i] += (float)(move * (double)g[i]);
        loss[side] = recomputed_loss(&f, ito_trainer_live(t), 0, 4);
    }
    double slope = (loss[1] - loss[0]) / (2 * h * norm);
    printf("slope %.6g, gradient norm %.6g, bound 1e-2 relative\n", slope, norm);
    /* The difference of two float losses is good to 1e-7 / 6e-3, the curvature adds h^2. */
    assert_true(fabs(slope / norm - 1) < 1e-2);
    ito_trainer_free(t);
    fixture_release(&f);
}

static void parts_of_a_batch_give_the_whole_batch(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    set(&f, "training.warmup=0");
    ito_trainer *whole = fixture_trainer(&f, 0), *parts = fixture_trainer(&f, 1);
    for (int step = 0; step < 3; step++) {
        ito_step_report a = run_steps(whole, 1), b = run_steps(parts, 1);
        printf("loss %.8g %.8g, gradient norm %.8g %.8g, bound 1e-4 relative\n", a.loss, b.loss, a.grad_norm,
               b.grad_norm);
        /* Summed in another order, and Adam divides small gradients by their own size. */
        assert_true(fabs(a.loss / b.loss - 1) < 1e-4 && fabs(a.grad_norm / b.grad_norm - 1) < 1e-4);
    }
    ito_trainer_free(parts);
    ito_trainer_free(whole);
    fixture_release(&f);
}

static void a_part_that_does_not_divide_is_refused(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    ito_trainer_options options = ito_trainer_default();
    ito_trainer *t = NULL;
    ito_error err = {0};
    options.micro_batch = 3;
    assert_int_equal(ito_trainer_create(&f.recipe, f.data, &options, &t, &err), ITO_E_SHAPE);
    assert_null(t);
    assert_non_null(strstr(err.message, "training.batch_size 4 is not a multiple of 3"));
    fixture_release(&f);
}

static void recipes_out_of_range_are_refused(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    ito_trainer_options options = ito_trainer_default();
    ito_trainer *t = NULL;
    ito_error err = {0};
    ito_recipe bad = f.recipe;
    bad.training.lr = -1;
    assert_int_equal(ito_trainer_create(&bad, f.data, &options, &t, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "training.lr"));
    bad = f.recipe;
    bad.sde.kind = ITO_SDE_SUBVP;
    bad.objective.continuous = false;
    assert_int_equal(ito_trainer_create(&bad, f.data, &options, &t, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "objective.continuous"));
    assert_null(t);
    fixture_release(&f);
}

static void a_data_set_of_another_shape_is_refused(void **state) {
    (void)state;
    fixture f;
    fixture_init(&f);
    ito_recipe recipe = f.recipe;
    ito_trainer_options options = ito_trainer_default();
    ito_trainer *t;
    ito_error err = {0};
    recipe.data.image_size = recipe.network.image_size = 2 * recipe.data.image_size;
    assert_int_equal(ito_trainer_create(&recipe, f.data, &options, &t, &err), ITO_E_SHAPE);
    printf("%s\n", err.message);
    assert_null(t);
    fixture_release(&f);
}

static void training_on_twelve_images_learns(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    set(&f, "training.batch_size=6");
    set(&f, "training.lr=5e-3");
    ito_trainer *t = fixture_trainer(&f, 0);
    double early = 0, late = 0;
    for (int step = 0; step < 60; step++) {
        double loss = run_steps(t, 1).loss;
        if (step < 5) early += loss / 5;
        if (step >= 40) late += loss / 20;
    }
    printf("loss %.3f at first, %.3f after 40 steps, bound 0.5 of it\n", early, late);
    assert_true(late < 0.5 * early);
    ito_trainer_free(t);
    fixture_release(&f);
}

static void a_step_is_the_same_on_every_run(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    for (f.threads = 1; f.threads <= 2; f.threads++) {
        ito_trainer *a = fixture_trainer(&f, 0), *b = fixture_trainer(&f, 0);
        run_steps(a, 4);
        run_steps(b, 4);
        assert_params_equal(ito_trainer_live(a), ito_trainer_live(b));
        assert_params_equal(ito_trainer_ema(a), ito_trainer_ema(b));
        ito_trainer_free(b);
        ito_trainer_free(a);
    }
    fixture_release(&f);
}

/* Puts a NaN into one weight and gives back the value that was there. */
static float poison(ito_trainer *t, int tensor) {
    float *w = ito_params_data(ito_trainer_live(t), tensor), kept = w[0];
    w[0] = NAN;
    return kept;
}

static void a_step_that_is_not_finite_changes_nothing_but_its_place(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    ito_trainer *t = fixture_trainer(&f, 0);
    run_steps(t, 3);
    ito_params *kept[4] = {NULL}, *now[4] = {t->live, t->ema, t->adam_m, t->adam_v};
    for (int i = 0; i < 4; i++) assert_int_equal(ito_params_clone(now[i], &kept[i], NULL), ITO_OK);

    float weight = poison(t, 0);
    ito_step_report report = run_steps(t, 1);
    assert_true(report.skipped && report.skipped_total == 1 && report.skipped_in_a_row == 1);
    assert_false(isfinite(report.loss));
    assert_int_equal(report.step, 4);
    assert_int_equal(report.images, 16);
    ito_params_data(t->live, 0)[0] = weight;
    for (int i = 0; i < 4; i++) assert_params_equal(now[i], kept[i]);

    report = run_steps(t, 1);
    assert_true(!report.skipped && report.skipped_total == 1 && report.skipped_in_a_row == 0);
    assert_int_equal(t->count.updates, 4);
    for (int i = 0; i < 4; i++) ito_params_free(kept[i]);
    ito_trainer_free(t);
    fixture_release(&f);
}

static void ten_skipped_steps_in_a_row_stop_the_run(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    ito_trainer *t = fixture_trainer(&f, 0);
    ito_step_report report = {0};
    ito_error err = {0};
    run_steps(t, 2);
    poison(t, 2);
    assert_int_equal(run_steps(t, 9).skipped_in_a_row, 9);
    assert_int_equal(ito_trainer_step(t, &report, &err), ITO_E_NUMERIC);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "step 12: "));
    assert_non_null(strstr(err.message, ito_params_name(t->live, 2)));
    assert_int_equal(ito_trainer_step(t, &report, &err), ITO_E_NUMERIC); /* and stays stopped */
    ito_trainer_free(t);
    fixture_release(&f);
}

static void damaged_images_name_the_gradient(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    ito_trainer *t = fixture_trainer(&f, 0);
    ito_step_report report = {0};
    ito_error err = {0};
    float x[4 * FIXTURE_DIM] = {0};
    x[FIXTURE_DIM + 3] = INFINITY;
    for (int i = 0; i < 9; i++) {
        require(ito_trainer_step_on(t, x, &report, &err), &err);
        assert_true(report.skipped);
    }
    assert_int_equal(ito_trainer_step_on(t, x, &report, &err), ITO_E_NUMERIC);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "step 10: loss "));
    assert_non_null(strstr(err.message, "first not finite: \"all_modules."));
    ito_trainer_free(t);
    fixture_release(&f);
}

static void a_step_on_given_images_is_the_step_on_the_data(void **state) {
    (void)state;
    fixture f = {0};
    ito_error err = {0};
    ito_step_report report = {0};
    float x[4 * FIXTURE_DIM];
    fixture_init(&f);
    ito_trainer *a = fixture_trainer(&f, 2);
    ito_dataset *data = f.data;
    f.data = NULL;
    ito_trainer *b = fixture_trainer(&f, 2);
    f.data = data;
    for (int step = 0; step < 3; step++) {
        run_steps(a, 1);
        require(ito_dataset_batch(data, f.recipe.training.seed, 4 * step, 4, x, &err), &err);
        require(ito_trainer_step_on(b, x, &report, &err), &err);
    }
    assert_params_equal(ito_trainer_live(a), ito_trainer_live(b));
    assert_int_equal(ito_trainer_step(b, &report, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "dataset: "));
    ito_trainer_free(b);
    ito_trainer_free(a);
    fixture_release(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_of_a_step_equals_its_recomputation),
        cmocka_unit_test(gradient_norm_is_the_slope_of_the_loss),
        cmocka_unit_test(parts_of_a_batch_give_the_whole_batch),
        cmocka_unit_test(a_part_that_does_not_divide_is_refused),
        cmocka_unit_test(recipes_out_of_range_are_refused),
        cmocka_unit_test(a_data_set_of_another_shape_is_refused),
        cmocka_unit_test(training_on_twelve_images_learns),
        cmocka_unit_test(a_step_is_the_same_on_every_run),
        cmocka_unit_test(a_step_that_is_not_finite_changes_nothing_but_its_place),
        cmocka_unit_test(ten_skipped_steps_in_a_row_stop_the_run),
        cmocka_unit_test(damaged_images_name_the_gradient),
        cmocka_unit_test(a_step_on_given_images_is_the_step_on_the_data),
    };
    return cmocka_run_group_tests_name("training_step", tests, NULL, NULL);
}
