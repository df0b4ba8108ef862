/* SPDX-License-Identifier: Apache-2.0
 *
 * One training step.
 */
#include "training/trainer.h"
#include <math.h>
#include <string.h>

/* The classes of the part that starts at example `first`; hidden where images are the caller's, who names
 * none.
 */
static ito_status show_classes(ito_trainer *t, bool from_dataset, int64_t first, ito_error *err) {
    const ito_network_config *net = &t->recipe.network;
    uint64_t seed = t->recipe.training.seed;
    for (int64_t row = 0; row < t->part_size; row++) t->batch.classes[row] = (float)net->classes;
    if (!from_dataset) return ITO_OK;
    ito_status st = ito_dataset_order(t->dataset, seed, first, t->part_size, t->index, err);
    for (int64_t row = 0; st == ITO_OK && row < t->part_size; row++) {
        int64_t own = ito_dataset_label(t->dataset, t->index[row]);
        t->batch.classes[row] =
            (float)ito__shown_class(seed, first + row, own, net->classes, net->class_dropout);
    }
    return st;
}

/* Loss and gradients of part number `part` of the batch, left in t->loss and t->grads. images: the whole
 * batch's clean images, or NULL for the data set's. */
static ito_status run_part(ito_trainer *t, const float *images, int64_t part, ito_error *err) {
    const ito_recipe *r = &t->recipe;
    const uint64_t seed = r->training.seed;
    int64_t first = t->count.images + part * t->part_size, values = t->part_size * t->batch.dim;
    ito_status st = ITO_OK;
    /* Batch, perturb. */
    if (images) {
        memcpy(t->batch.x, images + part * values, (size_t)values * sizeof *images);
    } else if ((st = ito_dataset_batch(t->dataset, seed, first, t->part_size, t->batch.x, err)) != ITO_OK) {
        return st;
    }
    if (r->network.classes > 0 && (st = show_classes(t, images == NULL, first, err)) != ITO_OK) return st;
    ito__dsm_perturb(&r->sde, &r->objective, seed, first, t->threads, &t->batch);
    /* Score loss and gradients. */
    ito_workspace_random(t->workspace, seed, (uint32_t)t->count.step, first);
    return ito_plan_run(t->plan, t->workspace, err);
}

/* The whole batch: mean loss in *loss; *grads is the block which, divided by the number of parts, is the
 * gradient. */
static ito_status run_batch(ito_trainer *t, const float *images, double *loss, const float **grads,
                            ito_error *err) {
    double sum = 0;
    for (int64_t part = 0; part < t->parts; part++) {
        ito_status st = run_part(t, images, part, err);
        if (st != ITO_OK) return st;
        sum += (double)t->loss;
        if (t->sum) ito__optimizer_gather(&t->optimizer, part, ito__block(t->grads), ito__block(t->sum));
    }
    *loss = sum / (double)t->parts;
    *grads = ito__block(t->sum ? t->sum : t->grads);
    return ITO_OK;
}

/* The sentence of a run that cannot go on: which tensor went first, weights before gradients, since a weight
 * that is not finite spoils every later step. */
static ito_status give_up(ito_trainer *t, double loss, double norm, const float *grads, ito_error *err) {
    long long step = (long long)t->count.step;
    int tensor = ito__optimizer_nonfinite(&t->optimizer, ito__block(t->live));
    if (tensor >= 0)
        return ito_error_set(
            err, ITO_E_NUMERIC,
            "step %lld: weight \"%s\" is not finite, and %d steps in a row were skipped: go back to "
            "an earlier checkpoint with a lower training.lr",
            step, ito_params_name(t->live, tensor), (int)t->count.skipped_in_a_row);
    tensor = ito__optimizer_nonfinite(&t->optimizer, grads);
    return ito_error_set(
        err, ITO_E_NUMERIC,
        "step %lld: loss %g, gradient norm %g (first not finite: \"%s\"), and %d steps in a row were "
        "skipped: lower training.lr or check the data",
        step, loss, norm, tensor >= 0 ? ito_params_name(t->live, tensor) : "none",
        (int)t->count.skipped_in_a_row);
}

static ito_status take_step(ito_trainer *t, const float *images, ito_step_report *report, ito_error *err) {
    /* Batch, perturb, score loss, gradients. */
    double loss = 0, scale = 1.0 / (double)t->parts;
    const float *grads = NULL;
    ito_status st = run_batch(t, images, &loss, &grads, err);
    if (st != ITO_OK) return st;

    /* Clip, update, EMA: or skip, and leave weights, moments and EMA as they are. */
    double rate = ito__learning_rate(&t->recipe.training, t->count.step);
    double norm = ito__optimizer_norm(&t->optimizer, grads, scale);
    bool skipped = !isfinite(loss) || !isfinite(norm);
    if (!skipped) {
        ito__update update = {.step = t->count.step,
                              .number = t->count.updates + 1,
                              .ema_number = t->count.ema_updates + 1,
                              .scale = scale,
                              .norm = norm};
        ito__optimizer_update(&t->optimizer, &update, ito__block(t->live), ito__block(t->adam_m),
                              ito__block(t->adam_v), ito__block(t->ema), grads);
        t->count.updates++;
        t->count.ema_updates++;
    }

    /* Move on in the data either way. */
    t->count.step++;
    t->count.images += t->recipe.training.batch_size;
    t->count.skipped += skipped;
    t->count.skipped_in_a_row = skipped ? t->count.skipped_in_a_row + 1 : 0;
    if (t->count.skipped_in_a_row >= ITO__SKIPS_IN_A_ROW) return give_up(t, loss, norm, grads, err);

    *report = (ito_step_report){
        .step = t->count.step,
        .images = t->count.images,
        .loss = loss,
        .grad_norm = norm,
        .learning_rate = rate,
        .skipped = skipped,
        .skipped_total = t->count.skipped,
        .skipped_in_a_row = (int)t->count.skipped_in_a_row,
    };
    return ITO_OK;
}

ito_status ito_trainer_step(ito_trainer *t, ito_step_report *report, ito_error *err) {
    if (!t->dataset)
        return ito_error_set(
            err, ITO_E_ARG,
            "dataset: the trainer was created without one: give it a data set, or its images "
            "with ito_trainer_step_on");
    return take_step(t, NULL, report, err);
}

ito_status ito_trainer_step_on(ito_trainer *t, const float *x, ito_step_report *report, ito_error *err) {
    return take_step(t, x, report, err);
}
