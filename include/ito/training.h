/* SPDX-License-Identifier: Apache-2.0
 *
 * Training by denoising score matching: a trainer owns network, optimizer state, EMA and its place in the
 * data.
 *
 *   ito_trainer_create(&recipe, dataset, &options, &t, err);
 *   ito_trainer_load(t, path, err)                                     optional: go on from a checkpoint
 *   while (ito_trainer_step(t, &report, err) == ITO_OK && ...) ...
 *   ito_trainer_save(t, path, err);
 *
 * Loss: [SDE] Eq 7 with the recipe's objective (SPEC section 4): continuous time, or the discrete losses of
 * SMLD (VE) and DDPM (VP). Optimizer: Adam with
 * linear warm-up, global-norm clipping, L2 weight decay; an exponential moving average of the weights is what
 * one samples from.
 *
 * The whole state is a checkpoint; every random draw is named by (seed, purpose, example, step), so
 * continuing from a checkpoint gives bit for bit what an uninterrupted run gives (same machine, same thread
 * count). Example number e of a run is the e-th image drawn, whatever the batch size.
 *
 * A trainer belongs to one thread at a time and allocates all it needs on creation: five blocks of the size
 * of the weights (live, EMA, two moments, gradient; one more when batches are split) and the plan's
 * workspace.
 */
#ifndef ITO_TRAINING_H
#define ITO_TRAINING_H

#include <ito/data.h>
#include <ito/recipe.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_trainer ito_trainer;

typedef struct ito_trainer_options {
    ito_plan_options plan; /* of precision F32 or BF16: weights, moments and the batch are floats in
                            * both; frozen is set by the trainer */
    int64_t micro_batch;   /* split a batch into parts of this size to save memory; 0 = whole batch */
} ito_trainer_options;
ito_trainer_options ito_trainer_default(void);

typedef struct ito_step_report {
    int64_t step;     /* completed steps, this one included */
    int64_t images;   /* seen so far */
    double loss;      /* of this step's batch, before its update */
    double grad_norm; /* before clipping */
    double learning_rate;
    bool skipped; /* gradient or loss not finite: weights, moments and EMA untouched */
    int64_t skipped_total;
    int skipped_in_a_row;
} ito_step_report;

/* Plans the step and draws the initial weights (stream INIT of training.seed); the EMA starts as their copy.
 * dataset is borrowed, was opened with recipe->data, and may be NULL if only ito_trainer_step_on is called.
 * Errors: those of ito_recipe_check; SHAPE when micro_batch does not divide training.batch_size, or the
 * data set's images or classes are not the network's; NOMEM. */
ito_status ito_trainer_create(const ito_recipe *recipe, const ito_dataset *dataset,
                              const ito_trainer_options *options, ito_trainer **out, ito_error *err);
/* Memory that ito_trainer_create would take: weights, moments, gradients, workspace, one part of the batch.
 * Plans, and allocates none of it. Errors: as there, but for what only training itself minds. */
ito_status ito_trainer_bytes(const ito_recipe *recipe, const ito_trainer_options *options, size_t *bytes,
                             ito_error *err);
void ito_trainer_free(ito_trainer *t);

/* One step: batch, perturb, score loss, gradients, clip, Adam, EMA. A step whose loss or gradient norm is not
 * finite is skipped: it moves on in the data and leaves everything else.
 * Errors: NUMERIC at the tenth skipped step in a row (and at each one after it) names the step and the first
 * tensor that is not finite; ARG without a data set. */
ito_status ito_trainer_step(ito_trainer *t, ito_step_report *report, ito_error *err);
/* The same on the caller's images instead of the data set's: x [batch_size, C, S, S], clean states in the
 * range of data.centered; a network with classes is shown none. Times, noise and dropout are those that the
 * step would have had anyway. */
ito_status ito_trainer_step_on(ito_trainer *t, const float *x, ito_step_report *report, ito_error *err);

int64_t ito_trainer_steps(const ito_trainer *t);  /* completed */
int64_t ito_trainer_images(const ito_trainer *t); /* seen */
const ito_recipe *ito_trainer_recipe(const ito_trainer *t);
ito_params *ito_trainer_ema(ito_trainer *t);            /* borrowed; valid until the next step changes it */
ito_params *ito_trainer_live(ito_trainer *t);           /* borrowed */
const ito_plan *ito_trainer_plan(const ito_trainer *t); /* of one part: forward and gradients; borrowed */
const ito_profile_row *ito_trainer_profile(ito_trainer *t, int *count); /* as ito_workspace_profile */

/* Checkpoint: live and EMA weights, Adam moments, counters, recipe. Written beside, fsynced, renamed: a
 * failure (IO) leaves a file that was there as it was. Needs no second copy of the weights in memory. */
ito_status ito_trainer_save(const ito_trainer *t, const char *path, ito_error *err);
/* Restores all of it; the recipe's network, sde and objective must match (FORMAT names the field), as must
 * image size, channels and centering of the data. Other settings are those of this trainer's recipe. After a
 * failure the trainer is as it was. */
ito_status ito_trainer_load(ito_trainer *t, const char *path, ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
