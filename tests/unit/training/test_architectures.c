/* SPDX-License-Identifier: Apache-2.0
 *
 * Training with every architecture, discrete and continuous, and with classes.
 */
#include "fixture.h"
#include "training/trainer.h"

static void set(fixture *f, const char *assignment) {
    ito_error err = {0};
    require(ito_recipe_set(&f->recipe, assignment, &err), &err);
}

/* One way of training; settings in the order in which they are made. */
typedef struct way {
    const char *name, *set[10];
} way;

static const way ways[] = {
    {"ddpm, discrete", {"network.architecture=ddpm", "network.nf=32", "objective.continuous=false"}},
    {"ddpm, not told the time",
     {"network.architecture=ddpm", "network.nf=32", "objective.continuous=false",
      "network.conditional=false"}},
    {"ncsnpp, discrete VE",
     {"sde.type=ve", "sde.sigma_max=5", "sde.sigma_min=0.1", "sde.steps=20", "objective.continuous=false",
      "network.scale_by_sigma=true"}},
    {"ncsnpp, 10 classes", {"network.classes=10", "network.class_dropout=0.2"}},
    {"ncsnv2_64",
     {"sde.type=ve", "sde.sigma_max=5", "sde.sigma_min=0.1", "sde.steps=20", "objective.continuous=false",
      "network.architecture=ncsnv2_64", "network.nonlinearity=elu"}},
    {"ncsn",
     {"sde.type=ve", "sde.sigma_max=1", "sde.sigma_min=0.1", "sde.steps=10", "objective.continuous=false",
      "network.architecture=ncsn", "network.nonlinearity=elu"}},
    {"mlp", {"network.architecture=mlp", "network.nf=128", "training.lr=1e-2"}},
};
enum { WAYS = sizeof ways / sizeof *ways };

static void take(fixture *f, const way *w) {
    set(f, "network.dropout=0");
    set(f, "network.init_scale=1");
    for (int i = 0; w->set[i]; i++) set(f, w->set[i]);
    set(f, "training.warmup=0");
}

static double mean_loss(ito_trainer *t, int steps) {
    double sum = 0;
    for (int i = 0; i < steps; i++) sum += run_steps(t, 1).loss / steps;
    return sum;
}

/* All examples of twelve images, 12 steps at first and 12 after 36. */
static void every_architecture_learns(void **state) {
    (void)state;
    for (int i = 0; i < WAYS; i++) {
        fixture f = {0};
        fixture_init(&f);
        set(&f, "training.lr=2e-3");
        take(&f, &ways[i]);
        ito_trainer *t = fixture_trainer(&f, 0);
        double first = mean_loss(t, 12);
        run_steps(t, 36);
        double later = mean_loss(t, 12);
        printf("%-24s loss %8.3f, then %8.3f, bound 0.8 of it\n", ways[i].name, first, later);
        assert_true(later < 0.8 * first);
        ito_trainer_free(t);
        fixture_release(&f);
    }
}

/* Levels, noise and classes belong to examples, not to batches. */
static void parts_of_a_batch_give_the_whole_batch_everywhere(void **state) {
    (void)state;
    for (int i = 0; i < WAYS; i++) {
        fixture f = {0};
        fixture_init(&f);
        take(&f, &ways[i]);
        ito_trainer *whole = fixture_trainer(&f, 0), *parts = fixture_trainer(&f, 2);
        ito_step_report a = run_steps(whole, 1), b = run_steps(parts, 1);
        printf("%-24s loss %.8g %.8g, gradient norm %.8g %.8g, bound 1e-4 relative\n", ways[i].name, a.loss,
               b.loss, a.grad_norm, b.grad_norm);
        assert_true(fabs(a.loss / b.loss - 1) < 1e-4 && fabs(a.grad_norm / b.grad_norm - 1) < 1e-4);
        ito_trainer_free(whole);
        ito_trainer_free(parts);
        fixture_release(&f);
    }
}

/* The table's rows of the classes in a batch, and of no others, get a gradient. */
static void a_batch_teaches_the_classes_that_it_shows(void **state) {
    (void)state;
    for (int hidden = 0; hidden < 2; hidden++) {
        fixture f = {0};
        fixture_init(&f);
        take(&f, &ways[3]);
        set(&f, hidden ? "network.class_dropout=1" : "network.class_dropout=0");
        ito_trainer *t = fixture_trainer(&f, 0);
        int64_t order[4];
        bool shown[11] = {false};
        assert_int_equal(ito_dataset_order(f.data, f.recipe.training.seed, 0, 4, order, NULL), ITO_OK);
        for (int k = 0; k < 4; k++) shown[hidden ? 10 : ito_dataset_label(f.data, order[k])] = true;
        run_steps(t, 1);
        int i = ito_params_find(t->grads, "class_embedding.weight");
        const float *g = ito_params_data(t->grads, i);
        int64_t width = ito_params_shape(t->grads, i).dim[1];
        for (int row = 0; row < 11; row++) {
            double norm = 0;
            for (int64_t k = 0; k < width; k++) norm += fabs((double)g[row * width + k]);
            assert_true(shown[row] ? norm > 0 : norm == 0);
        }
        ito_trainer_free(t);
        fixture_release(&f);
    }
}

static void a_number_of_classes_that_is_not_the_data_sets_is_refused(void **state) {
    (void)state;
    fixture f = {0};
    fixture_init(&f);
    set(&f, "network.classes=7");
    ito_trainer_options options = ito_trainer_default();
    ito_trainer *t = NULL;
    ito_error err = {0};
    assert_int_equal(ito_trainer_create(&f.recipe, f.data, &options, &t, &err), ITO_E_SHAPE);
    printf("%s\n", err.message);
    assert_non_null(strstr(err.message, "network.classes"));
    fixture_release(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_architecture_learns),
        cmocka_unit_test(parts_of_a_batch_give_the_whole_batch_everywhere),
        cmocka_unit_test(a_batch_teaches_the_classes_that_it_shows),
        cmocka_unit_test(a_number_of_classes_that_is_not_the_data_sets_is_refused),
    };
    return cmocka_run_group_tests_name("training_architectures", tests, NULL, NULL);
}
