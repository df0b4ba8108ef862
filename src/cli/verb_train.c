/* SPDX-License-Identifier: Apache-2.0
 *
 * ito train: trains the network of a recipe into a run directory.
 */
#include "progress.h"
#include "results.h"
#include "run.h"
#include "sampling.h"
#include "signals.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct train_options {
    cli_common common;
    bool resume;
    const char *from;
    int64_t steps, micro_batch;
} train_options;

static const cli_option options_table[] = {
    {"resume", 'r', NULL, CLI_FLAG, offsetof(train_options, resume),
     "continue from the newest good checkpoint of the run; starts it if there is none", 0, NULL},
    {"from", 0, "CHECKPOINT", CLI_TEXT, offsetof(train_options, from),
     "start a new run from this checkpoint of ito train or ito convert --optimizer", 0, NULL},
    {"steps", 'n', "N", CLI_INTEGER, offsetof(train_options, steps),
     "train up to this step (default: training.steps of the recipe)", 1, NULL},
    {"micro-batch", 0, "N", CLI_INTEGER, offsetof(train_options, micro_batch),
     "run a batch in parts of this size, which takes less memory", 1, NULL},
    {.name = NULL},
};

static void defaults(void *options) {
    train_options *o = options;
    o->steps = o->micro_batch = -1;
}

/* Everything the loop uses. */
typedef struct training {
    const train_options *o;
    ito_recipe recipe;
    ito_plan_options plan;
    ito_dataset *data;
    ito_density *density; /* of points that are drawn; NULL otherwise */
    ito_trainer *trainer;
    cli_run run;
    cli_progress progress;
    double started;
    /* Since the last line of the log: */
    double loss_sum, logged_at;
    int64_t loss_count, logged_images;
    double last_loss; /* mean of the last line */
    bool stopping;    /* a stop was asked for, and its checkpoint is written */
} training;

static const char *unit_of(const training *t) {
    return ito_data_is_points(&t->recipe.data) ? "points" : "images";
}

/* ---- before the loop */

/* RECIPE may be a run directory, whose recipe.yaml is then used. */
static ito_status read_recipe(training *t, char folder[CLI_PATH_MAX], ito_error *err) {
    const train_options *o = t->o;
    const char *path = o->common.words.item[0];
    bool is_run = cli_is_directory(path);
    char file[CLI_PATH_MAX];
    ito_status st = cli_path(file, sizeof file, err, is_run ? "%s/recipe.yaml" : "%s", path);
    if (st == ITO_OK) st = ito_recipe_read(file, &t->recipe, err);
    if (st == ITO_OK) st = cli_apply_set(&o->common, &t->recipe, err);
    if (st != ITO_OK) return st;
    ito_training_config *c = &t->recipe.training;
    if (o->steps > 0) c->steps = o->steps;
    if (o->common.batch > 0) c->batch_size = o->common.batch;
    if (o->common.seed >= 0) c->seed = (uint64_t)o->common.seed;
    if (o->common.out) return cli_path(folder, CLI_PATH_MAX, err, "%s", o->common.out);
    if (is_run) return cli_path(folder, CLI_PATH_MAX, err, "%s", path);
    return cli_path(folder, CLI_PATH_MAX, err, "runs/%s", t->recipe.name);
}

static ito_status restore(training *t, ito_error *err) {
    char folder[CLI_PATH_MAX], *newest = NULL, *skipped = NULL;
    ito_status st = cli_path(folder, sizeof folder, err, "%s/checkpoints", t->run.folder);
    if (st == ITO_OK) st = ito_checkpoint_newest(folder, &newest, &skipped, err);
    if (st != ITO_OK) return st;
    if (newest) {
        if (skipped) {
            cli_progress_say(&t->progress, "%s: damaged: continuing from the older %s", skipped, newest);
        }
        st = ito_trainer_load(t->trainer, newest, err);
        if (st == ITO_OK) cli_progress_say(&t->progress, "continuing from %s", newest);
    } else if (skipped) {
        st = ito_error_set(err, ITO_E_FORMAT,
                           "%s: damaged, and there is no other checkpoint: start again with another --out",
                           skipped);
    } else {
        cli_progress_say(&t->progress, "%s: no checkpoint yet: starting at step 0", t->run.folder);
    }
    free(newest);
    free(skipped);
    return st;
}

/* Before the run directory is touched: a file that does not fit leaves nothing behind. A resumed run that has
 * a checkpoint of its own goes on from that all the same. */
static ito_status start_from(training *t, ito_error *err) {
    ito_status st = ito_trainer_load(t->trainer, t->o->from, err);
    if (st == ITO_OK)
        cli_progress_say(&t->progress, "starting from %s at step %lld", t->o->from,
                         (long long)ito_trainer_steps(t->trainer));
    return st;
}

/* A run that goes on keeps the convolutions it had: others round otherwise. A new one goes by rule unless
 * timing is asked for, so that its bits follow from recipe and seed, not from what the cache happens to hold.
 */
static ito_status choose_tuning(const training *t, const char *folder, cli_tuning *tuning, ito_error *err) {
    char begun[CLI_PATH_MAX];
    ito_status st = cli_path(begun, sizeof begun, err, "%s/checkpoints", folder);
    if (st != ITO_OK) return st;
    if (t->o->resume && cli_is_directory(begun)) return cli_tuning_resume(tuning, &t->o->common, folder, err);
    if (strcmp(t->o->common.tuning, "auto") == 0) return ITO_OK;
    return cli_tuning_open(tuning, &t->o->common, CLI_MANY_CALLS, err);
}

static ito_status prepare(training *t, ito_error *err) {
    char folder[CLI_PATH_MAX];
    t->progress.quiet = t->o->common.quiet;
    ito_trainer_options options = ito_trainer_default();
    cli_tuning tuning = {0};
    ito_status st = cli_plan_options(&t->o->common, &t->plan, err);
    if (st == ITO_OK) st = read_recipe(t, folder, err);
    if (st == ITO_OK) st = cli_run_check(folder, t->o->resume, err);
    /* Data and network come before the folder: a recipe that cannot run leaves nothing behind. */
    if (st == ITO_OK) st = ito_dataset_open(&t->recipe.data, "train", &t->data, err);
    const char *drawn = ito_data_density(&t->recipe.data);
    if (st == ITO_OK && drawn) st = ito_mixture_named(&t->recipe.sde, drawn, &t->density, err);
    options.plan = t->plan;
    if (t->o->micro_batch > 0) options.micro_batch = t->o->micro_batch;
    if (st == ITO_OK) st = choose_tuning(t, folder, &tuning, err);
    options.plan.tuning = tuning.table;
    if (st == ITO_OK) st = ito_trainer_create(&t->recipe, t->data, &options, &t->trainer, err);
    if (st == ITO_OK && t->o->from) st = start_from(t, err);
    if (st == ITO_OK) st = cli_run_open(&t->run, folder, err);
    if (st == ITO_OK) st = cli_tuning_keep(&tuning, folder, err);
    cli_tuning_close(&tuning);
    if (st == ITO_OK && t->o->resume) st = restore(t, err);
    if (st == ITO_OK) st = cli_run_begin(&t->run, &t->recipe, ito_trainer_steps(t->trainer), err);
    return st;
}

/* ---- in the loop */

static ito_status log_line(training *t, const ito_step_report *r, ito_error *err) {
    double now = cli_seconds(), span = now - t->logged_at;
    t->last_loss = t->loss_count ? t->loss_sum / (double)t->loss_count : (double)NAN;
    cli_log_line line = {
        .step = r->step,
        .images = r->images,
        .skipped = r->skipped_total,
        .loss = t->last_loss,
        .grad_norm = r->grad_norm,
        .learning_rate = r->learning_rate,
        .images_per_second = span > 0 ? (double)(r->images - t->logged_images) / span : 0,
        .seconds = t->run.seconds + now - t->started,
    };
    t->loss_sum = 0;
    t->loss_count = 0;
    t->logged_at = now;
    t->logged_images = r->images;
    return cli_run_log(&t->run, &line, err);
}

/* A picture from the averaged weights, by a short chain of plain reverse diffusion: a look, not a
 * measurement.
 */
static ito_status draw_samples(const training *t, cli_results *r, ito_error *err) {
    enum { LOOK_STEPS = 100 };
    const int64_t most = r->kind->batch;
    const ito_recipe *recipe = &t->recipe;
    ito_network_score *network = NULL;
    ito_network_score_options options = ito_network_score_default();
    options.batch = r->count < most ? r->count : most;
    options.continuous = recipe->objective.continuous;
    options.plan = t->plan;
    cli_drawing d = {.sde = &recipe->sde,
                     .count = r->count,
                     .batch = options.batch,
                     .take = r->kind->take,
                     .take_self = r,
                     .label = "samples",
                     .unit = r->kind->unit,
                     .quiet = true};
    ito_status st = cli_sampler_of(recipe, ito_sampler_name(ITO_SAMPLER_PC), &d.sampler, err);
    d.sampler.pc.predictor = "reverse_diffusion";
    d.sampler.pc.corrector = "none";
    d.sampler.pc.grid = "uniform";
    d.sampler.pc.steps = d.sampler.pc.steps < LOOK_STEPS ? d.sampler.pc.steps : LOOK_STEPS;
    d.sampler.pc.seed = recipe->training.seed;
    if (st == ITO_OK)
        st = ito_network_score_create(&recipe->network, &recipe->sde, ito_trainer_ema(t->trainer), &options,
                                      &network, err);
    if (st == ITO_OK) {
        cli_drawn drawn;
        d.score = ito_network_score_view(network);
        st = cli_draw(&d, &drawn, err);
    }
    ito_network_score_free(network);
    return st;
}

static ito_status write_samples(training *t, ito_error *err) {
    char path[CLI_PATH_MAX];
    const bool points = ito_data_is_points(&t->recipe.data);
    cli_results r = {.kind = points ? &cli_point_results : &cli_image_results,
                     .recipe = &t->recipe,
                     .density = t->density,
                     .dim = t->recipe.data.channels,
                     .name = t->recipe.name,
                     .count = t->recipe.training.sample_count,
                     .zoom = 2};
    ito_status st = cli_path(path, sizeof path, err, "%s/samples/step_%08lld.png", t->run.folder,
                             (long long)ito_trainer_steps(t->trainer));
    if (st == ITO_OK) st = r.kind->init(&r, err);
    if (st == ITO_OK) st = draw_samples(t, &r, err);
    if (st == ITO_OK) st = r.kind->write_picture(&r, path, err);
    r.kind->release(&r);
    /* Early weights may drive a chain to infinity, a recipe may ask for too few steps, and Ctrl-C may come in
     * the middle: none is a reason to lose the training. */
    if (st == ITO_E_NUMERIC || st == ITO_E_ARG) {
        cli_progress_say(&t->progress, "no picture of samples at step %lld: %s",
                         (long long)ito_trainer_steps(t->trainer), err->message);
    }
    return st == ITO_E_NUMERIC || st == ITO_E_ARG || st == ITO_E_CANCELLED ? ITO_OK : st;
}

static bool due(int64_t step, int64_t every) {
    return every > 0 && step % every == 0;
}

/* What follows a step: the log, a checkpoint, a look at samples. */
static ito_status after_step(training *t, const ito_step_report *r, ito_error *err) {
    const ito_training_config *c = &t->recipe.training;
    /* Read once: a signal that comes later than this stops after the next step, with its own checkpoint. */
    t->stopping = cli_stop_requested();
    bool save = t->stopping || r->step >= c->steps || due(r->step, c->checkpoint_every);
    ito_status st = ITO_OK;
    if (r->skipped) {
        cli_progress_say(&t->progress, "step %lld: loss or gradient not finite: skipped (%lld so far)",
                         (long long)r->step, (long long)r->skipped_total);
    } else {
        t->loss_sum += r->loss;
        t->loss_count++;
    }
    /* A checkpoint closes a line: what a resumed run averages never reaches back behind its start. */
    if (save || r->skipped || due(r->step, c->log_every)) st = log_line(t, r, err);
    if (st == ITO_OK && save) st = cli_run_checkpoint(&t->run, t->trainer, c->keep_checkpoints, err);
    if (st == ITO_OK && due(r->step, c->sample_every) && !t->stopping) st = write_samples(t, err);
    return st;
}

static ito_status train_loop(training *t, ito_error *err) {
    int64_t steps = t->recipe.training.steps, done = ito_trainer_steps(t->trainer);
    ito_step_report r = {.step = done};
    ito_status st = ITO_OK;
    t->started = t->logged_at = cli_seconds();
    t->logged_images = ito_trainer_images(t->trainer);
    t->last_loss = (double)NAN;
    cli_progress_start(&t->progress, "train", unit_of(t), (double)t->recipe.training.batch_size, done, steps,
                       t->o->common.quiet);
    while (st == ITO_OK && r.step < steps && !t->stopping) {
        if ((st = ito_trainer_step(t->trainer, &r, err)) != ITO_OK) break;
        st = after_step(t, &r, err);
        char note[64];
        double shown = t->loss_count ? t->loss_sum / (double)t->loss_count : t->last_loss;
        snprintf(note, sizeof note, "loss %.4g", shown);
        cli_progress_update(&t->progress, r.step, note);
    }
    cli_progress_finish(&t->progress);
    return st;
}

/* ---- after the loop */

static ito_status export_model(training *t, char path[CLI_PATH_MAX], ito_error *err) {
    ito_model model = {.recipe = t->recipe,
                       .params = ito_trainer_ema(t->trainer),
                       .step = ito_trainer_steps(t->trainer),
                       .images = ito_trainer_images(t->trainer)};
    ito_status st = cli_path(path, CLI_PATH_MAX, err, "%s/model.safetensors", t->run.folder);
    /* Half the digits are enough for bytes; points keep theirs, and their networks are small. */
    const bool bf16 = !ito_data_is_points(&t->recipe.data);
    return st == ITO_OK ? ito_model_save(&model, path, bf16, err) : st;
}

static ito_status report(const training *t, const char *model, ito_error *err) {
    double seconds = t->run.seconds + cli_seconds() - t->started;
    int64_t steps = ito_trainer_steps(t->trainer), images = ito_trainer_images(t->trainer);
    if (!t->o->common.json) {
        printf("trained %lld steps, %lld %s: %s\n", (long long)steps, (long long)images, unit_of(t), model);
        return ITO_OK;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "run", t->run.folder);
    cJSON_AddStringToObject(object, "model", model);
    cJSON_AddNumberToObject(object, "steps", (double)steps);
    cJSON_AddNumberToObject(object, "images", (double)images);
    cJSON_AddNumberToObject(object, "loss", t->last_loss);
    cJSON_AddNumberToObject(object, "seconds", seconds);
    return cli_print_json(object, err);
}

static ito_status finish(training *t, ito_error *err) {
    char model[CLI_PATH_MAX], remedy[CLI_PATH_MAX + 128];
    int64_t steps = ito_trainer_steps(t->trainer);
    snprintf(remedy, sizeof remedy, "step %lld is saved; continue with ito train %s --resume",
             (long long)steps, t->run.folder);
    ito_status st = cli_run_plot(&t->run, err);
    if (st == ITO_OK && steps < t->recipe.training.steps) st = cli_stopped("train", remedy, err);
    if (st == ITO_OK) st = export_model(t, model, err);
    if (st == ITO_OK) st = report(t, model, err);
    return st;
}

static ito_status run(const void *options, ito_error *err) {
    training t = {.o = options, .run = {.log = -1, .lock = -1}};
    ito_status st = prepare(&t, err);
    if (st == ITO_OK) st = train_loop(&t, err);
    if (st == ITO_OK) st = finish(&t, err);
    cli_run_release(&t.run);
    ito_trainer_free(t.trainer);
    ito_density_free(t.density);
    ito_dataset_close(t.data);
    return st;
}

const cli_verb cli_verb_train = {
    .name = "train",
    .words = "RECIPE",
    .summary = "train the network of a recipe",
    .about =
        "Trains the network of RECIPE, a YAML file, into the run directory runs/NAME (--out chooses "
        "another): "
        "recipe.yaml, log.jsonl, loss.png, checkpoints/, samples/ and, at the end, model.safetensors with "
        "the "
        "averaged weights.\n\n"
        "Ctrl-C saves a checkpoint and stops; --resume continues, bit for bit as if nothing had happened. "
        "RECIPE may also be a run directory, which stands for its own recipe. --batch and --seed replace the "
        "recipe's training.batch_size and training.seed.",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .size = sizeof(train_options),
    .defaults = defaults,
    .run = run,
};
