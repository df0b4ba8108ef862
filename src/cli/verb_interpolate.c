/* SPDX-License-Identifier: Apache-2.0
 *
 * ito interpolate: pictures on the way between two latents. [SDE] App. D.3.
 */
#include "flow.h"
#include "input.h"
#include "memory.h"
#include "output.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_AT_ONCE = 64, POINTS_AT_ONCE = 1000 };

typedef struct interpolate_options {
    cli_common common;
    const char *data, *weights, *recipe;
    int64_t seed_a, seed_b, from, to, steps, rows;
    double temperature;
    bool denoise;
    cli_output_style style;
    cli_solver solver;
} interpolate_options;

#define AT(field) offsetof(interpolate_options, field)
static const cli_option options_table[] = {
    {"seed-a", 0, "A", CLI_INTEGER, AT(seed_a),
     "begin at the latent of this seed's first sample (default: 0)", 0, NULL},
    {"seed-b", 0, "B", CLI_INTEGER, AT(seed_b), "end at the latent of this seed's first sample (default: 1)",
     0, NULL},
    {"from", 0, "K", CLI_INTEGER, AT(from), "begin at sample K of the data instead", 0, NULL},
    {"to", 0, "K", CLI_INTEGER, AT(to), "end at sample K of the data instead", 0, NULL},
    {"data", 0, "WHAT", CLI_TEXT, AT(data),
     "data of --from and --to: test, train, a .npz or .csv (default: test; exact draws for gmm:NAME)", 0,
     NULL},
    {"steps", 0, "M", CLI_INTEGER, AT(steps), "samples on the way, both ends included (default: 10)", 2,
     NULL},
    {"rows", 0, "R", CLI_INTEGER, AT(rows),
     "ways: row r joins the samples r further on than the first (default: 1)", 1, NULL},
    {"temperature", 0, "T", CLI_NUMBER, AT(temperature), "scale the latents by T (default: 1)", 0, NULL},
    {"denoise", 0, NULL, CLI_FLAG, AT(denoise),
     "end with the mean of one step of reverse diffusion, as samplers do", 0, NULL},
    {"crop", 0, "PIXELS", CLI_INTEGER, AT(style.crop),
     "remove this border of PNG and .npz: 2 undoes the padding of Fashion-MNIST from 28 to 32", 0, NULL},
    {"zoom", 0, "K", CLI_INTEGER, AT(style.zoom), "magnify grids by K (default: 2)", 1, NULL},
    CLI_SOLVER_OPTIONS(interpolate_options, solver, "time of the data (default: the SDE's, as for sampling)"),
    CLI_MODEL_OPTIONS(interpolate_options),
    CLI_MEMORY_LIMIT,
    {.name = NULL},
};
#undef AT

static void defaults(void *options) {
    interpolate_options *o = options;
    o->weights = "ema";
    o->seed_a = o->seed_b = o->from = o->to = -1;
    o->steps = 10;
    o->rows = 1;
    o->temperature = 1;
    o->style.zoom = 2;
    cli_solver_default(&o->solver);
}

static ito_status check(const void *options, ito_error *err) {
    const interpolate_options *o = options;
    if (o->seed_a >= 0 && o->from >= 0)
        return ito_error_set(err, ITO_E_ARG, "--from: the way begins at --seed-a already: leave one out");
    if (o->seed_b >= 0 && o->to >= 0)
        return ito_error_set(err, ITO_E_ARG, "--to: the way ends at --seed-b already: leave one out");
    if (o->data && o->from < 0 && o->to < 0)
        return ito_error_set(err, ITO_E_ARG,
                             "--data: no sample of it is asked for: give --from, --to or both");
    return cli_output_style_check(&o->style, err);
}

typedef struct interpolating {
    const interpolate_options *o;
    cli_source source;
    cli_input input;
    cli_flow flow;
    double *ends, *way; /* [2, rows, dim]; [rows, steps, dim] */
    double nfe, seconds;
} interpolating;

static ito_status choose_batch(interpolating *w, ito_error *err) {
    const interpolate_options *o = w->o;
    double rows = (double)o->rows, steps = (double)o->steps,
           one = (double)w->source.dim * (double)sizeof(double);
    int64_t usual = w->source.images ? IMAGES_AT_ONCE : POINTS_AT_ONCE;
    w->flow.batch = o->common.batch > 0 ? o->common.batch : usual;
    if ((double)w->flow.batch > rows * steps) w->flow.batch = o->rows * o->steps;
    return cli_source_fit(&w->source, &o->common, false, cli_doubles_of_flow(),
                          (rows * steps + 2 * rows) * one, &w->flow.batch, err);
}

static ito_status make_room(interpolating *w, ito_error *err) {
    const interpolate_options *o = w->o;
    size_t one = (size_t)w->source.dim * sizeof(double), rows = (size_t)o->rows;
    const int64_t most = INT64_C(1) << 31;
    if (o->rows < most && o->steps < most) {
        w->ends = calloc(2 * rows, one);
        w->way = calloc(rows * (size_t)o->steps, one);
    }
    if (w->ends && w->way) return ITO_OK;
    return ito_error_set(err, ITO_E_NOMEM, "--steps: no memory for %lld times %lld samples: use fewer",
                         (long long)o->rows, (long long)o->steps);
}

/* The data are opened when an end is one of them. */
static ito_status open_input(interpolating *w, ito_error *err) {
    const interpolate_options *o = w->o;
    int64_t last = o->rows - 1 + (o->from > o->to ? o->from : o->to);
    double eps = o->solver.eps > 0 ? o->solver.eps : ito_sde_sampling_eps(&w->source.recipe.sde);
    uint64_t seed = o->common.seed >= 0 ? (uint64_t)o->common.seed : 0;
    bool drawn = cli_input_drawn(&w->source, o->data);
    if (o->from < 0 && o->to < 0) return ITO_OK;
    ito_status st = cli_input_open(&w->input, &w->source, o->data, drawn ? last + 1 : -1, seed, eps, err);
    if (st != ITO_OK || last < w->input.n) return st;
    return ito_error_set(err, ITO_E_ARG,
                         "--%s: asks for sample %lld of %lld, counted from 0: use a smaller one",
                         o->from > o->to ? "from" : "to", (long long)last, (long long)w->input.n);
}

/* Latents of one end: encoded data, or starts of samplers. */
static ito_status find_end(interpolating *w, int64_t sample, int64_t seed, double *z, ito_error *err) {
    const interpolate_options *o = w->o;
    const ito_sde *sde = &w->source.recipe.sde;
    int64_t count = o->rows * w->source.dim;
    if (sample >= 0) {
        cli_flow_report r;
        ito_status st = cli_input_states(&w->input, sample, o->rows, -1, z, err);
        if (st == ITO_OK) st = cli_flow_encode(&w->flow, o->rows, z, z, &r, err);
        return st;
    }
    ito_sde_prior_sample(sde, (uint64_t)seed, 0, o->rows, w->source.dim, z);
    for (int64_t j = 0; j < count; j++) z[j] /= ito_sde_prior_std(sde);
    return ITO_OK;
}

static ito_status walk(interpolating *w, ito_error *err) {
    const interpolate_options *o = w->o;
    int64_t dim = w->source.dim;
    double *a = w->ends, *b = w->ends + o->rows * dim;
    cli_flow_report r = {0};
    w->flow.label = "encode";
    ito_status st = find_end(w, o->from, o->seed_a < 0 ? 0 : o->seed_a, a, err);
    if (st == ITO_OK) st = find_end(w, o->to, o->seed_b < 0 ? 1 : o->seed_b, b, err);
    if (st != ITO_OK) return st;
    for (int64_t row = 0; row < o->rows; row++) {
        for (int64_t i = 0; i < o->steps; i++) {
            double part = (double)i / (double)(o->steps - 1);
            ito_slerp(dim, a + row * dim, b + row * dim, part, w->way + (row * o->steps + i) * dim);
        }
    }
    w->flow.label = "interpolate";
    st = cli_flow_decode(&w->flow, o->rows * o->steps, w->way, w->way, &r, err);
    w->nfe = r.nfe;
    w->seconds = r.seconds;
    return st;
}

static ito_status report(const interpolating *w, const cli_output *out, ito_error *err) {
    const interpolate_options *o = w->o;
    cJSON *object = o->common.json ? cJSON_CreateObject() : NULL;
    cli_output_list(out, cJSON_AddArrayToObject(object, "files"));
    if (!object) {
        printf("%lld samples, %.1f evaluations each, %.1f s\n", (long long)(o->rows * o->steps), w->nfe,
               w->seconds);
        return ITO_OK;
    }
    cJSON_AddNumberToObject(object, "n", (double)(o->rows * o->steps));
    cJSON_AddNumberToObject(object, "nfe", w->nfe);
    cJSON_AddNumberToObject(object, "seconds", w->seconds);
    return cli_print_json(object, err);
}

static ito_status run(const void *options, ito_error *err) {
    interpolating w = {.o = options};
    const interpolate_options *o = w.o;
    cli_output_style style = o->style;
    cli_output out;
    style.columns = o->steps;
    w.flow = (cli_flow){.source = &w.source, .solver = o->solver, .temperature = o->temperature};
    w.flow.denoise = o->denoise;
    w.flow.quiet = o->common.quiet;
    ito_status st =
        cli_source_open(&w.source, o->common.words.item[0], o->weights, o->recipe, &o->common, err);
    if (st == ITO_OK)
        st = cli_output_name(&out, o->common.out ? o->common.out : "interpolation.png", &style, &w.source,
                             err);
    if (st == ITO_OK) st = open_input(&w, err);
    if (st == ITO_OK) st = choose_batch(&w, err);
    if (st == ITO_OK) st = make_room(&w, err);
    if (st == ITO_OK)
        st = cli_source_prepare(&w.source, &o->common, w.flow.batch, false,
                                CLI_FLOW_CALLS * (o->rows * o->steps / w.flow.batch), err);
    if (st == ITO_OK) st = walk(&w, err);
    if (st == ITO_OK) st = cli_output_write(&out, &w.source, &style, o->rows * o->steps, w.way, err);
    if (st == ITO_OK) st = report(&w, &out, err);
    free(w.way);
    free(w.ends);
    cli_input_release(&w.input);
    cli_source_release(&w.source);
    return st;
}

const cli_verb cli_verb_interpolate = {
    .name = "interpolate",
    .words = "MODEL",
    .summary = "picture the way between two samples",
    .about =
        "Walks from one latent code to another along a great circle and decodes the way by the "
        "probability-flow ODE of MODEL: a model or checkpoint file, a run directory, the name of a bundled "
        "model, or gmm:NAME. Each end is the latent of a seed, where ito sample starts, or that of a sample "
        "of "
        "the data, which is encoded first.\n\n"
        "--out FILE.png (interpolation.png) writes a strip, one row for each way, and FILE.npz beside it; "
        "--out "
        "FILE.npz the arrays alone: uint8 [n,H,W,C] under \"images\", or float64 [n,d] under \"points\".",
    .least_words = 1,
    .most_words = 1,
    .options = options_table,
    .size = sizeof(interpolate_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
