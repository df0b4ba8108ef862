/* SPDX-License-Identifier: Apache-2.0
 *
 * ito sample: pictures from a model.
 */
#include "cli.h"
#include "draw.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILM_ROWS        8
#define ANIMATION_ROWS   64
#define ANIMATION_FRAMES 48
#define DEFAULT_BATCH    64

typedef struct sample_options {
    cli_common common;
    int64_t count, first, steps, corrector_steps, columns, crop, zoom;
    double snr;
    const char *sampler, *predictor, *corrector, *weights, *trajectory, *animation;
} sample_options;

static const char *sampler_name(int index) {
    return index == 0 ? "pc" : NULL;
}

#define AT(field) offsetof(sample_options, field)
static const cli_option options_table[] = {
    {"count", 'n', "N", CLI_INTEGER, AT(count), "samples to draw (default: 64)", 1, NULL},
    {"first", 0, "K", CLI_INTEGER, AT(first), "number of the first sample (default: 0): runs can share a job",
     0, NULL},
    {"sampler", 0, "NAME", CLI_CHOICE, AT(sampler), "kind of sampler", 0, sampler_name},
    {"predictor", 0, "NAME", CLI_CHOICE, AT(predictor), "step of the reverse SDE", 0, ito_predictor_name},
    {"corrector", 0, "NAME", CLI_CHOICE, AT(corrector), "sweep at every time", 0, ito_corrector_name},
    {"steps", 0, "N", CLI_INTEGER, AT(steps), "times from noise to image", 2, NULL},
    {"corrector-steps", 0, "M", CLI_INTEGER, AT(corrector_steps), "corrector sweeps per time", 1, NULL},
    {"snr", 0, "R", CLI_NUMBER, AT(snr), "signal-to-noise ratio of the Langevin corrector", 0, NULL},
    {"weights", 0, "KIND", CLI_CHOICE, AT(weights), "averaged or live weights of a checkpoint", 0,
     cli_weights_name},
    {"trajectory", 0, "FILE.png", CLI_TEXT, AT(trajectory),
     "also picture the way from noise to image of the first 8 samples, one in a row", 0, NULL},
    {"columns", 0, "N", CLI_INTEGER, AT(columns), "times that --trajectory shows (default: 10)", 2, NULL},
    {"animation", 0, "FILE.webp", CLI_TEXT, AT(animation), "also animate the grid of the first 64 samples", 0,
     NULL},
    {"crop", 0, "PIXELS", CLI_INTEGER, AT(crop),
     "remove this border of PNG and .npz: 2 undoes the padding of Fashion-MNIST from 28 to 32", 0, NULL},
    {"zoom", 0, "K", CLI_INTEGER, AT(zoom), "magnify grids by K (default: 2)", 1, NULL},
    {.name = NULL},
};
#undef AT

static void defaults(void *options) {
    sample_options *o = options;
    o->count = 64;
    o->columns = 10;
    o->zoom = 2;
    o->sampler = "pc";
    o->weights = "ema";
    o->steps = o->corrector_steps = -1;
    o->snr = -1;
}

static ito_status check(const void *options, ito_error *err) {
    const sample_options *o = options;
    if (o->trajectory && !cli_ends_with(o->trajectory, ".png")) {
        return ito_error_set(err, ITO_E_ARG, "--trajectory: \"%s\" does not end in .png: give a PNG file",
                             o->trajectory);
    }
    if (o->animation && !cli_ends_with(o->animation, ".webp")) {
        return ito_error_set(err, ITO_E_ARG, "--animation: \"%s\" does not end in .webp: give a WebP file",
                             o->animation);
    }
    if (o->zoom > 64) {
        return ito_error_set(err, ITO_E_ARG, "--zoom: is %lld: use at most 64", (long long)o->zoom);
    }
    return ITO_OK;
}

/* ---- where results go */

/* --out names a grid (.png, with an .npz beside it), an .npz alone, or a folder of single pictures and
 * samples.npz. Empty entries are not written. */
typedef struct outputs {
    char grid[CLI_PATH_MAX], arrays[CLI_PATH_MAX], folder[CLI_PATH_MAX];
} outputs;

static ito_status name_outputs(const sample_options *o, outputs *out, ito_error *err) {
    const char *name = o->common.out ? o->common.out : "samples.png";
    ito_status st = ITO_OK;
    *out = (outputs){.grid = ""};
    if (cli_ends_with(name, ".png")) {
        int stem = (int)(strlen(name) - strlen(".png"));
        st = cli_path(out->grid, sizeof out->grid, err, "%s", name);
        if (st == ITO_OK) st = cli_path(out->arrays, sizeof out->arrays, err, "%.*s.npz", stem, name);
    } else if (cli_ends_with(name, ".npz")) {
        st = cli_path(out->arrays, sizeof out->arrays, err, "%s", name);
    } else {
        st = cli_path(out->folder, sizeof out->folder, err, "%s", name);
        if (st == ITO_OK) st = cli_path(out->arrays, sizeof out->arrays, err, "%s/samples.npz", name);
        if (st == ITO_OK) st = ito_directory_make(name, err);
    }
    if (st == ITO_OK && out->grid[0]) st = cli_check_writable(out->grid, err);
    if (st == ITO_OK) st = cli_check_writable(out->arrays, err);
    if (st == ITO_OK && o->trajectory) st = cli_check_writable(o->trajectory, err);
    if (st == ITO_OK && o->animation) st = cli_check_writable(o->animation, err);
    return st;
}

static ito_status write_arrays(const char *path, const ito_images *im, ito_error *err) {
    ito_tensor images = {.name = "images",
                         .dtype = ITO_DTYPE_U8,
                         .rank = 4,
                         .dim = {im->n, im->height, im->width, im->channels},
                         .count = im->n * im->height * im->width * im->channels,
                         .data = im->pixels};
    return ito_npz_write(path, 1, &images, err);
}

static ito_status write_singles(const outputs *out, const sample_options *o, const ito_images *im,
                                ito_error *err) {
    int64_t one = im->height * im->width * im->channels;
    ito_status st = ITO_OK;
    for (int64_t i = 0; i < im->n && st == ITO_OK; i++) {
        char path[CLI_PATH_MAX];
        st = cli_path(path, sizeof path, err, "%s/%06lld.png", out->folder, (long long)(o->first + i));
        if (st == ITO_OK) {
            st = ito_png_write(path, im->pixels + i * one, im->height, im->width, im->channels, err);
        }
    }
    return st;
}

static ito_status write_outputs(const sample_options *o, const outputs *out, const ito_images *im,
                                cli_film *const films[2], ito_error *err) {
    int zoom = (int)o->zoom;
    ito_status st = write_arrays(out->arrays, im, err);
    if (st == ITO_OK && out->grid[0]) st = ito_png_write_grid(out->grid, im, 0, zoom, 2, err);
    if (st == ITO_OK && out->folder[0]) st = write_singles(out, o, im, err);
    if (st == ITO_OK && films[0]) st = cli_film_write_table(films[0], o->trajectory, zoom, err);
    if (st == ITO_OK && films[1]) st = cli_film_write_animation(films[1], o->animation, zoom, err);
    return st;
}

/* ---- what to draw */

static ito_status choose_sampler(const sample_options *o, const ito_recipe *r, ito_pc_options *out,
                                 ito_error *err) {
    if (strcmp(r->sampling.sampler, "pc") != 0 && !o->predictor) {
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "sampling.sampler: \"%s\" is not available: use --set sampling.sampler=pc",
                             r->sampling.sampler);
    }
    ito_pc_options s = cli_sampler_of(r);
    s.seed = o->common.seed >= 0 ? (uint64_t)o->common.seed : 0;
    if (o->predictor) s.predictor = o->predictor;
    if (o->corrector) s.corrector = o->corrector;
    if (o->steps > 0) s.steps = o->steps;
    if (o->corrector_steps > 0) s.corrector_steps = o->corrector_steps;
    if (o->snr >= 0) s.snr = o->snr;
    *out = s;
    return ITO_OK;
}

static ito_status report(const sample_options *o, const outputs *out, const ito_sample_report *r,
                         ito_error *err) {
    const char *files[] = {out->grid, out->folder, out->arrays, o->trajectory, o->animation};
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
        printf("%lld samples, %lld network calls each, %.1f s\n", (long long)o->count, (long long)r->nfe,
               r->seconds);
        return ITO_OK;
    }
    cJSON_AddNumberToObject(object, "n", (double)o->count);
    cJSON_AddNumberToObject(object, "nfe", (double)r->nfe);
    cJSON_AddNumberToObject(object, "seconds", r->seconds);
    return cli_print_json(object, err);
}

static ito_status make_films(const sample_options *o, const ito_recipe *r, cli_film storage[2],
                             cli_film *films[2], ito_error *err) {
    ito_status st = ITO_OK;
    if (o->trajectory) {
        st = cli_film_init(&storage[0], r, o->columns, o->count < FILM_ROWS ? o->count : FILM_ROWS, err);
        films[0] = &storage[0];
    }
    if (st == ITO_OK && o->animation) {
        int64_t rows = o->count < ANIMATION_ROWS ? o->count : ANIMATION_ROWS;
        st = cli_film_init(&storage[1], r, ANIMATION_FRAMES, rows, err);
        films[1] = &storage[1];
    }
    return st;
}

static ito_status run(const void *options, ito_error *err) {
    const sample_options *o = options;
    outputs out;
    ito_model *model = NULL;
    ito_images images = {0};
    cli_film storage[2] = {{0}, {0}};
    ito_sample_report drawn = {0};
    cli_drawing d = {.count = o->count, .first = o->first, .crop = o->crop, .label = "sample"};
    d.quiet = o->common.quiet;
    d.batch = o->common.batch > 0 ? o->common.batch : DEFAULT_BATCH;
    if (d.batch > d.count) d.batch = d.count;

    ito_status st = cli_plan_options(&o->common, &d.plan, err);
    if (st == ITO_OK)
        st = ito_model_load(o->common.words.item[0], cli_weights_kind(o->weights), NULL, &model, err);
    if (st == ITO_OK) st = cli_apply_set(&o->common, &model->recipe, err);
    if (st == ITO_OK) st = choose_sampler(o, &model->recipe, &d.sampler, err);
    if (st == ITO_OK) st = name_outputs(o, &out, err);
    if (st == ITO_OK) st = make_films(o, &model->recipe, storage, d.films, err);
    if (st == ITO_OK) {
        d.recipe = &model->recipe;
        d.params = model->params;
        st = cli_draw(&d, &images, &drawn, err);
    }
    if (st == ITO_OK) st = write_outputs(o, &out, &images, d.films, err);
    if (st == ITO_OK) st = report(o, &out, &drawn, err);
    cli_film_release(&storage[0]);
    cli_film_release(&storage[1]);
    ito_images_release(&images);
    ito_model_free(model);
    return st;
}

const cli_verb cli_verb_sample = {
    .name = "sample",
    .words = "MODEL",
    .summary = "draw images from a model",
    .about =
        "Draws images from MODEL: a model or checkpoint file, a run directory, or the name of a bundled "
        "model. "
        "--out FILE.png writes a grid and FILE.npz (uint8 [n,H,W,C] under \"images\"); --out FILE.npz the "
        "arrays alone; any other --out is a folder of single pictures and samples.npz. Settings that are not "
        "given come from the model's recipe.\n\n"
        "Sample k of a seed is the same image whatever --batch and --threads, to rounding (a recipe with "
        "sampling.batch_norms couples the samples of a batch, as the published results do). Pictures have "
        "the "
        "network's full size unless --crop is given.",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .size = sizeof(sample_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
