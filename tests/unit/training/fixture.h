/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of training share: a temporary folder, a data set of twelve images of 8 x 8 written as IDX
 * files, and a recipe whose network has a few thousand weights and every kind of layer that it can have.
 */
#ifndef ITO_TESTS_TRAINING_FIXTURE_H
#define ITO_TESTS_TRAINING_FIXTURE_H

#include <dirent.h>
#include <ito/formats.h>
#include <ito/training.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FIXTURE_IMAGES = 12, FIXTURE_SIZE = 8, FIXTURE_DIM = FIXTURE_SIZE * FIXTURE_SIZE, FIXTURE_PATH = 512 };

typedef struct fixture {
    char folder[128];
    ito_recipe recipe;
    ito_dataset *data;
    int threads; /* of its trainers: 1 */
} fixture;

/* Fails the test with the library's own sentence. */
static inline void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s: %s", ito_status_name(st), err->message);
}

static inline const char *fixture_path(const fixture *f, const char *name) {
    static char path[2][FIXTURE_PATH];
    static int turn = 0;
    turn = 1 - turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", f->folder, name);
    return path[turn];
}

static inline void fixture_write_images(const fixture *f) {
    uint8_t images[16 + FIXTURE_IMAGES * FIXTURE_DIM] = {
        0, 0, 8, 3, 0, 0, 0, FIXTURE_IMAGES, 0, 0, 0, FIXTURE_SIZE, 0, 0, 0, FIXTURE_SIZE};
    uint8_t labels[8 + FIXTURE_IMAGES] = {0, 0, 8, 1, 0, 0, 0, FIXTURE_IMAGES};
    for (int i = 0; i < FIXTURE_IMAGES; i++) {
        for (int k = 0; k < FIXTURE_DIM; k++) { /* a bright rectangle that differs from image to image */
            int row = k / FIXTURE_SIZE, column = k % FIXTURE_SIZE;
            images[16 + i * FIXTURE_DIM + k] = row > i % 3 && column > i % 4 ? (uint8_t)(255 - 9 * i) : 10;
        }
        labels[8 + i] = (uint8_t)(i % 10);
    }
    ito_error err = {0};
    require(ito_file_write(fixture_path(f, "train-images-idx3-ubyte"), images, sizeof images, &err), &err);
    require(ito_file_write(fixture_path(f, "train-labels-idx1-ubyte"), labels, sizeof labels, &err), &err);
}

static inline ito_recipe fixture_recipe(const char *folder) {
    ito_recipe r = ito_recipe_default();
    char path[FIXTURE_PATH];
    snprintf(path, sizeof path, "data.path=%s", folder);
    const char *const set[] = {path,
                               "name=tiny",
                               "data.dataset=fashion_mnist",
                               "data.image_size=8",
                               "data.channels=1",
                               "data.centered=true",
                               "data.uniform_dequantization=true",
                               "data.random_flip=true",
                               "sde.type=vp",
                               "network.nf=8",
                               "network.ch_mult=[1,2]",
                               "network.num_res_blocks=1",
                               "network.attn_resolutions=[4]",
                               "network.dropout=0.1",
                               "training.batch_size=4",
                               "training.warmup=2",
                               "training.lr=1e-3",
                               "training.seed=5",
                               "training.ema_rate=0.99"};
    ito_error err = {0};
    for (size_t i = 0; i < sizeof set / sizeof set[0]; i++) require(ito_recipe_set(&r, set[i], &err), &err);
    return r;
}

static inline void fixture_init(fixture *f) {
    const char *temporary = getenv("TMPDIR");
    ito_error err = {0};
    snprintf(f->folder, sizeof f->folder, "%.80s/ito-training-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(f->folder)) fail_msg("no temporary folder %s", f->folder);
    fixture_write_images(f);
    f->recipe = fixture_recipe(f->folder);
    f->threads = 1;
    require(ito_dataset_open(&f->recipe.data, "train", &f->data, &err), &err);
}

static inline void fixture_release(fixture *f) {
    ito_dataset_close(f->data);
    DIR *folder = opendir(f->folder);
    for (struct dirent *entry = NULL; folder && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') unlink(fixture_path(f, entry->d_name));
    }
    if (folder) closedir(folder);
    rmdir(f->folder);
}

/* A trainer of the fixture's recipe as it stands. */
static inline ito_trainer *fixture_trainer(const fixture *f, int64_t micro_batch) {
    ito_trainer_options options = ito_trainer_default();
    ito_trainer *t = NULL;
    ito_error err = {0};
    options.plan.threads = f->threads;
    options.micro_batch = micro_batch;
    require(ito_trainer_create(&f->recipe, f->data, &options, &t, &err), &err);
    return t;
}

static inline ito_step_report run_steps(ito_trainer *t, int steps) {
    ito_step_report report = {0};
    ito_error err = {0};
    for (int i = 0; i < steps; i++) require(ito_trainer_step(t, &report, &err), &err);
    return report;
}

static inline void assert_params_equal(ito_params *a, ito_params *b) {
    int64_t na = 0, nb = 0;
    const float *x = ito_params_block(a, &na), *y = ito_params_block(b, &nb);
    assert_int_equal(na, nb);
    for (int64_t i = 0; i < na; i++) {
        if (memcmp(&x[i], &y[i], sizeof *x) != 0)
            fail_msg("float %lld: %.9g and %.9g", (long long)i, (double)x[i], (double)y[i]);
    }
}

#endif
