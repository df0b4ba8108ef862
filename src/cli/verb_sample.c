/* SPDX-License-Identifier: Apache-2.0
 *
 * ito sample: images or points from a model.
 */
#include "cli.h"
#include "memory.h"
#include "results.h"
#include "sampling.h"
#include "source.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

typedef struct sample_options {
    cli_common common;
    cli_sampling sampling;
    int64_t count, first, columns, crop, zoom;
    const char *weights, *recipe, *trajectory, *animation;
} sample_options;

#define AT(field) offsetof(sample_options, field)
static const cli_option options_table[] = {
    {"count", 'n', "N", CLI_INTEGER, AT(count), "samples to draw (default: 64 images, 2000 points)", 1, NULL},
    {"first", 0, "K", CLI_INTEGER, AT(first), "number of the first sample (default: 0): runs can share a job",
     0, NULL},
    {"sampler", 0, "NAME", CLI_CHOICE, AT(sampling.sampler),
     "sampler, listed below (default: the recipe's); one that is no kind brings its own settings", 0,
     ito_sampler_name},
    {"predictor", 0, "NAME", CLI_CHOICE, AT(sampling.predictor), "pc: step of the reverse SDE", 0,
     ito_predictor_name},
    {"corrector", 0, "NAME", CLI_CHOICE, AT(sampling.corrector), "pc: sweep at every time", 0,
     ito_corrector_name},
    {"steps", 0, "N", CLI_INTEGER, AT(sampling.steps), "pc: times from noise to data", 2, NULL},
    {"corrector-steps", 0, "M", CLI_INTEGER, AT(sampling.corrector_steps), "pc: corrector sweeps per time", 1,
     NULL},
    {"grid", 0, "NAME", CLI_CHOICE, AT(sampling.grid), "pc: how times are spaced", 0, ito_grid_name},
    {"snr", 0, "R", CLI_NUMBER, AT(sampling.snr), "pc: signal-to-noise ratio of the Langevin corrector", 0,
     NULL},
    {"eta", 0, "E", CLI_NUMBER, AT(sampling.eta),
     "pc: noise of the predictor, 0 the ODE, 1 the reverse SDE (default: the predictor's own)", 0, NULL},
    {"probability-flow", 0, NULL, CLI_FLAG, AT(sampling.probability_flow), "pc: as --eta 0", 0, NULL},
    {"churn", 0, "S", CLI_NUMBER, AT(sampling.churn), "pc, heun: noise added back over all steps", 0, NULL},
    {"churn-min", 0, "R", CLI_NUMBER, AT(sampling.churn_min), "only from this noise-to-signal ratio", 0,
     NULL},
    {"churn-max", 0, "R", CLI_NUMBER, AT(sampling.churn_max), "and up to this one", 0, NULL},
    {"churn-noise", 0, "S", CLI_NUMBER, AT(sampling.churn_noise), "standard deviation of that noise", 0,
     NULL},
    {"batch-norms", 0, NULL, CLI_FLAG, AT(sampling.batch_norms),
     "pc: Langevin norms averaged over the batch, as published", 0, NULL},
    {"method", 0, "NAME", CLI_CHOICE, AT(sampling.method), "ODE samplers: Runge-Kutta pair", 0,
     ito_ode_method_name},
    {"rtol", 0, "E", CLI_NUMBER, AT(sampling.rtol), "adaptive samplers: relative tolerance", 0, NULL},
    {"atol", 0, "E", CLI_NUMBER, AT(sampling.atol), "adaptive samplers: absolute tolerance", 0, NULL},
    {"eps", 0, "T", CLI_NUMBER, AT(sampling.eps), "last time (default: the SDE's)", 0, NULL},
    {"temperature", 0, "S", CLI_NUMBER, AT(sampling.temperature), "scale of the prior (default: 1)", 0, NULL},
    {"no-denoise", 0, NULL, CLI_FLAG, AT(sampling.no_denoise), "leave out the mean of the last step", 0,
     NULL},
    CLI_MODEL_OPTIONS(sample_options),
    {"trajectory", 0, "FILE.png", CLI_TEXT, AT(trajectory),
     "also picture the way from noise to data: the first 8 images, one in a row, or the points", 0, NULL},
    {"columns", 0, "N", CLI_INTEGER, AT(columns),
     "times that --trajectory shows (default: 10 for images, 8 for points)", 2, NULL},
    {"animation", 0, "FILE.webp", CLI_TEXT, AT(animation),
     "also animate it: the grid of the first 64 images, or the points", 0, NULL},
    {"crop", 0, "PIXELS", CLI_INTEGER, AT(crop),
     "images: remove this border of PNG and arrays: 2 undoes the padding of Fashion-MNIST from 28 to 32", 0,
     NULL},
    {"zoom", 0, "K", CLI_INTEGER, AT(zoom), "images: magnify grids by K (default: 2)", 1, NULL},
    CLI_MEMORY_LIMIT,
    {.name = NULL},
};
#undef AT

static const cli_listing listings[] = {
    {"Samplers", ito_sampler_name, ito_sampler_summary},
    {"Predictors", ito_predictor_name, ito_predictor_summary},
    {"Correctors", ito_corrector_name, ito_corrector_summary},
    {"Grids", ito_grid_name, ito_grid_summary},
    {"Runge-Kutta pairs", ito_ode_method_name, ito_ode_method_summary},
    {"Point sets, as gmm:NAME", ito_points_name, ito_points_summary},
    {.title = NULL},
};

static void defaults(void *options) {
    sample_options *o = options;
    o->sampling = cli_sampling_none();
    o->weights = "ema";
    o->count = o->columns = o->crop = o->zoom = -1;
}

static ito_status check_ending(const char *option, const char *path, const char *end, ito_error *err) {
    if (!path || cli_ends_with(path, end)) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "--%s: \"%s\" does not end in %s: give a name that does", option,
                         path, end);
}

/* What a network draws is known once its file is open. */
static ito_status check_kind(const sample_options *o, bool images, ito_error *err) {
    if (!images && (o->crop >= 0 || o->zoom >= 0))
        return ito_error_set(err, ITO_E_ARG, "--%s: %s draws points, not images: leave it out",
                             o->crop >= 0 ? "crop" : "zoom", o->common.words.item[0]);
    if (images && o->common.out && cli_ends_with(o->common.out, ".csv"))
        return ito_error_set(err, ITO_E_ARG,
                             "--out: %s: images are no table: use .png, .npz, .npy or a folder",
                             o->common.out);
    return ITO_OK;
}

static ito_status check(const void *options, ito_error *err) {
    const sample_options *o = options;
    ito_status st = check_ending("trajectory", o->trajectory, ".png", err);
    if (st == ITO_OK) st = check_ending("animation", o->animation, ".webp", err);
    if (st == ITO_OK) st = cli_sampling_check(&o->sampling, err);
    if (st != ITO_OK) return st;
    if (o->zoom > 64)
        return ito_error_set(err, ITO_E_ARG, "--zoom: is %lld: use at most 64", (long long)o->zoom);
    return cli_source_is_density(o->common.words.item[0]) ? check_kind(o, false, err) : ITO_OK;
}

/* ---- where results go */

/* --out names a picture (.png, with an .npz beside it), arrays alone, or a folder. Empty entries are not
 * written. */
typedef struct outputs {
    char picture[CLI_PATH_MAX], arrays[CLI_PATH_MAX], singles[CLI_PATH_MAX];
} outputs;

static ito_status name_in_folder(const char *folder, const cli_results_kind *kind, outputs *out,
                                 ito_error *err) {
    ito_status st = cli_path(out->arrays, sizeof out->arrays, err, "%s/samples.npz", folder);
    if (st == ITO_OK && kind->write_singles)
        st = cli_path(out->singles, sizeof out->singles, err, "%s", folder);
    if (st == ITO_OK && !kind->write_singles)
        st = cli_path(out->picture, sizeof out->picture, err, "%s/samples.png", folder);
    return st == ITO_OK ? ito_directory_make(folder, err) : st;
}

static ito_status name_outputs(const sample_options *o, const cli_results_kind *kind, outputs *out,
                               ito_error *err) {
    const char *name = o->common.out ? o->common.out : "samples.png";
    ito_status st = ITO_OK;
    *out = (outputs){.picture = ""};
    if (cli_ends_with(name, ".png")) {
        int stem = (int)(strlen(name) - strlen(".png"));
        st = cli_path(out->picture, sizeof out->picture, err, "%s", name);
        if (st == ITO_OK) st = cli_path(out->arrays, sizeof out->arrays, err, "%.*s.npz", stem, name);
    } else if (cli_ends_with(name, ".npz") || cli_ends_with(name, ".npy") || cli_ends_with(name, ".csv")) {
        st = cli_path(out->arrays, sizeof out->arrays, err, "%s", name);
    } else {
        st = name_in_folder(name, kind, out, err);
    }
    if (st == ITO_OK && out->picture[0]) st = cli_check_writable(out->picture, err);
    if (st == ITO_OK) st = cli_check_writable(out->arrays, err);
    if (st == ITO_OK && o->trajectory) st = cli_check_writable(o->trajectory, err);
    if (st == ITO_OK && o->animation) st = cli_check_writable(o->animation, err);
    return st;
}

static ito_status write_outputs(const sample_options *o, const outputs *out, const cli_results *r,
                                cli_film *const films[2], ito_error *err) {
    ito_status st = r->kind->write_arrays(r, out->arrays, err);
    if (st == ITO_OK && out->picture[0]) st = r->kind->write_picture(r, out->picture, err);
    if (st == ITO_OK && out->singles[0]) st = r->kind->write_singles(r, out->singles, err);
    if (st == ITO_OK && films[0]) st = r->kind->write_trajectory(r, films[0], o->trajectory, err);
    if (st == ITO_OK && films[1]) st = r->kind->write_animation(r, films[1], o->animation, err);
    return st;
}

static ito_status report(const sample_options *o, const outputs *out, const cli_results *r,
                         const cli_source *source, int64_t batch, const cli_drawn *drawn, ito_error *err) {
    const char *files[] = {out->picture, out->singles, out->arrays, o->trajectory, o->animation};
    cJSON *object = o->common.json ? cJSON_CreateObject() : NULL;
    cJSON *list = cJSON_AddArrayToObject(object, "files");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!files[i] || !files[i][0]) continue;
        if (object) {
            cJSON_AddItemToArray(list, cJSON_CreateString(files[i]));
        } else if (!o->common.json) {
            printf("%s\n", files[i]);
        }
    }
    if (!o->common.json) {
        printf("%lld samples, %.0f %s each, %.1f s\n", (long long)r->count, drawn->nfe,
               source->density ? "scores" : "network calls", drawn->seconds);
        return ITO_OK;
    }
    cJSON_AddNumberToObject(object, "n", (double)r->count);
    cJSON_AddNumberToObject(object, "nfe", drawn->nfe);
    cJSON_AddNumberToObject(object, "seconds", drawn->seconds);
    cJSON_AddNumberToObject(object, "batch", (double)batch);
    if (!source->density)
        cJSON_AddNumberToObject(object, "network_batch", (double)(source->parts > 0 ? source->parts : batch));
    return cli_print_json(object, err);
}

/* ---- the whole run */

static int64_t or_default(int64_t given, int64_t otherwise) {
    return given >= 0 ? given : otherwise;
}

static int64_t at_most(int64_t count, int64_t most) {
    return count < most ? count : most;
}

static ito_status make_films(const sample_options *o, const cli_results *r, int64_t dim, cli_film storage[2],
                             cli_film *films[2], ito_error *err) {
    const cli_results_kind *kind = r->kind;
    ito_status st = ITO_OK;
    if (o->trajectory) {
        films[0] = &storage[0];
        st = cli_film_init(films[0], or_default(o->columns, kind->columns),
                           at_most(r->count, kind->trajectory_rows), dim, err);
    }
    if (st == ITO_OK && o->animation) {
        films[1] = &storage[1];
        st = cli_film_init(films[1], CLI_ANIMATION_FRAMES, at_most(r->count, kind->animation_rows), dim, err);
    }
    return st;
}

/* How many samples move together. */
static ito_status choose_batch(const sample_options *o, cli_source *source, const ito_sampler *sampler,
                               const cli_results *r, int64_t *batch, ito_error *err) {
    const double of_frame = (double)source->dim * (double)sizeof(float);
    double held = (double)(r->count * source->dim); /* bytes of images */
    if (o->trajectory)
        held += of_frame * (double)(or_default(o->columns, r->kind->columns) * r->kind->trajectory_rows);
    if (o->animation) held += of_frame * (double)(CLI_ANIMATION_FRAMES * r->kind->animation_rows);
    *batch = at_most(r->count, or_default(o->common.batch, r->kind->batch));
    return cli_source_fit(source, &o->common, false, cli_doubles_of_sampler(sampler->kind), held, batch, err);
}

/* Of the network for one batch, about: adaptive samplers are not far from a flow. */
static int64_t calls_of(const ito_sampler *s) {
    if (s->kind != ITO_SAMPLER_PC) return CLI_FLOW_CALLS;
    const bool corrects = strcmp(s->pc.corrector, "none") != 0;
    return s->pc.steps * (1 + (corrects ? s->pc.corrector_steps : 0));
}

static ito_status draw(const sample_options *o, cli_source *source, const ito_sampler *sampler, int64_t batch,
                       cli_results *r, cli_film *const films[2], cli_drawn *drawn, ito_error *err) {
    const int64_t calls = calls_of(sampler) * (r->count / batch);
    const ito_status st = cli_source_prepare(source, &o->common, batch, false, calls, err);
    const cli_drawing d = {.sde = &source->recipe.sde,
                           .score = source->score,
                           .sampler = *sampler,
                           .count = r->count,
                           .batch = batch,
                           .first = o->first,
                           .films = {films[0], films[1]},
                           .take = r->kind->take,
                           .take_self = r,
                           .label = "sample",
                           .unit = r->kind->unit,
                           .quiet = o->common.quiet};
    return st == ITO_OK ? cli_draw(&d, drawn, err) : st;
}

static ito_status run(const void *options, ito_error *err) {
    const sample_options *o = options;
    outputs out;
    cli_source source;
    cli_results r = {.kind = &cli_image_results};
    cli_film storage[2] = {{0}, {0}}, *films[2] = {NULL, NULL};
    ito_sampler sampler;
    cli_drawn drawn;
    int64_t batch = 0;

    ito_status st = cli_source_open(&source, o->common.words.item[0], o->weights, o->recipe, &o->common, err);
    if (st == ITO_OK) st = check_kind(o, source.images, err);
    if (st == ITO_OK) st = cli_sampling_choose(&o->sampling, &source.recipe, &sampler, err);
    if (st == ITO_OK) {
        r.kind = source.images ? &cli_image_results : &cli_point_results;
        r.recipe = &source.recipe;
        r.density = source.truth;
        r.dim = source.dim;
        r.name = source.name;
        r.count = or_default(o->count, r.kind->count);
        r.first = o->first;
        r.crop = or_default(o->crop, 0);
        r.zoom = (int)or_default(o->zoom, 2);
        sampler.pc.seed = o->common.seed >= 0 ? (uint64_t)o->common.seed : 0;
        st = choose_batch(o, &source, &sampler, &r, &batch, err);
    }
    if (st == ITO_OK) st = r.kind->init(&r, err);
    if (st == ITO_OK) st = name_outputs(o, r.kind, &out, err);
    if (st == ITO_OK) st = make_films(o, &r, source.dim, storage, films, err);
    if (st == ITO_OK) st = draw(o, &source, &sampler, batch, &r, films, &drawn, err);
    if (st == ITO_OK) st = write_outputs(o, &out, &r, films, err);
    if (st == ITO_OK) st = report(o, &out, &r, &source, batch, &drawn, err);
    cli_film_release(&storage[0]);
    cli_film_release(&storage[1]);
    r.kind->release(&r);
    cli_source_release(&source);
    return st;
}

const cli_verb cli_verb_sample = {
    .name = "sample",
    .words = "MODEL",
    .summary = "draw images or points from a model",
    .about =
        "Draws samples from MODEL: a model or checkpoint file, a run directory, the name of a bundled model, "
        "or gmm:NAME, the exact score of a mixture behind a point set, which needs no training. "
        "--out FILE.png writes a picture and FILE.npz (images: uint8 [n,H,W,C] under \"images\"; points: "
        "float64 [n,d] under \"points\"); FILE.npz, FILE.npy or, of points, FILE.csv the arrays alone; any "
        "other --out is a folder with samples.npz and the single images or samples.png. Settings that are "
        "not "
        "given come from the model's recipe; gmm:NAME takes --set sde.type=... and further fields of sde and "
        "sampling.\n\n"
        "Sample k of a seed is the same whatever --batch and --threads, to rounding (sampling.batch_norms "
        "couples the samples of a batch, as the published results do; so does the shared step of the sampler "
        "ode, within its tolerance, but not ode_per_sample). Pictures have the network's full size unless "
        "--crop is given.",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .listings = listings,
    .size = sizeof(sample_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
