/* SPDX-License-Identifier: Apache-2.0
 *
 * ito encode: latents of images or points, by the probability-flow ODE. [SDE] Section 4.3, App. D.5.
 */
#include "flow.h"
#include "input.h"
#include "memory.h"
#include "output.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_AT_ONCE = 64, POINTS_AT_ONCE = 1000, OF_A_SPLIT = 64 };

typedef struct encode_options {
    cli_common common;
    const char *data, *weights, *recipe;
    int64_t count, first;
    bool dequantize, check;
    cli_solver solver;
} encode_options;

#define AT(field) offsetof(encode_options, field)
static const cli_option options_table[] = {
    {"data", 0, "WHAT", CLI_TEXT, AT(data),
     "test, train, an image, .npz or .csv: another way to name the input (default: test; exact draws for "
     "gmm:NAME)",
     0, NULL},
    {"count", 'n', "N", CLI_INTEGER, AT(count),
     "samples to encode (default: 64 of a split, 1000 exact draws, all of a file)", 1, NULL},
    {"first", 0, "K", CLI_INTEGER, AT(first), "number of the first sample (default: 0)", 0, NULL},
    {"dequantize", 0, NULL, CLI_FLAG, AT(dequantize), "spread bytes uniformly over their grey levels", 0,
     NULL},
    {"check", 0, NULL, CLI_FLAG, AT(check),
     "decode the latents again and print how far from the input they end", 0, NULL},
    CLI_SOLVER_OPTIONS(encode_options, solver, "time of the data (default: the SDE's, as for sampling)"),
    CLI_MODEL_OPTIONS(encode_options),
    CLI_MEMORY_LIMIT,
    {.name = NULL},
};
#undef AT

static void defaults(void *options) {
    encode_options *o = options;
    o->weights = "ema";
    o->count = -1;
    cli_solver_default(&o->solver);
}

static ito_status check(const void *options, ito_error *err) {
    const encode_options *o = options;
    if (o->data && o->common.words.count > 1)
        return ito_error_set(err, ITO_E_ARG, "--data: %s is named as input already: leave one out",
                             o->common.words.item[1]);
    if (o->common.out && !cli_ends_with(o->common.out, ".npz"))
        return ito_error_set(err, ITO_E_ARG, "--out: \"%s\" does not end in .npz: give such a file",
                             o->common.out);
    return ITO_OK;
}

typedef struct encoding {
    const encode_options *o;
    cli_source source;
    cli_input input;
    const char *out;
    int64_t n, batch;
    double *x, *z, *back; /* [n, dim]; back only with --check */
    cli_flow_report report;
} encoding;

static const char *input_name(const encode_options *o) {
    return o->common.words.count > 1 ? o->common.words.item[1] : o->data;
}

static ito_status open_input(encoding *e, ito_error *err) {
    const encode_options *o = e->o;
    const char *name = input_name(o);
    double eps = o->solver.eps > 0 ? o->solver.eps : ito_sde_sampling_eps(&e->source.recipe.sde);
    uint64_t seed = o->common.seed >= 0 ? (uint64_t)o->common.seed : 0;
    int64_t draws = o->count > 0 ? o->first + o->count : -1;
    bool drawn = cli_input_drawn(&e->source, name);
    ito_status st = cli_input_open(&e->input, &e->source, name, drawn ? draws : -1, seed, eps, err);
    if (st != ITO_OK) return st;
    int64_t left = e->input.n - o->first, most = e->input.set && e->source.images ? OF_A_SPLIT : left;
    int64_t usual = left < most ? left : most;
    e->n = o->count > 0 ? o->count : usual;
    if (left < 1 || e->n > left) {
        return ito_error_set(err, ITO_E_ARG, "--first, --count: ask for samples up to %lld of %lld: use less",
                             (long long)(o->first + (o->count > 0 ? o->count : 1)), (long long)e->input.n);
    }
    return ITO_OK;
}

static ito_status choose_batch(encoding *e, ito_error *err) {
    const encode_options *o = e->o;
    int64_t usual = e->source.images ? IMAGES_AT_ONCE : POINTS_AT_ONCE;
    double held = (o->check ? 3.0 : 2.0) * (double)(e->n * e->source.dim) * (double)sizeof *e->x;
    e->batch = o->common.batch > 0 ? o->common.batch : usual;
    if (e->batch > e->n) e->batch = e->n;
    return cli_source_fit(&e->source, &o->common, false, cli_doubles_of_flow(), held, &e->batch, err);
}

static ito_status make_room(encoding *e, ito_error *err) {
    size_t one = (size_t)e->source.dim * sizeof(double), n = (size_t)e->n;
    e->x = calloc(n, one);
    e->z = calloc(n, one);
    e->back = e->o->check ? calloc(n, one) : NULL;
    if (e->x && e->z && (e->back || !e->o->check)) return ITO_OK;
    return ito_error_set(err, ITO_E_NOMEM, "--count: no memory for %lld samples: use fewer", (long long)e->n);
}

static ito_status encode(encoding *e, ito_error *err) {
    const encode_options *o = e->o;
    cli_flow flow = {.source = &e->source, .solver = o->solver, .temperature = 1, .label = "encode"};
    flow.batch = e->batch;
    flow.quiet = o->common.quiet;
    ito_status st = cli_source_prepare(&e->source, &o->common, flow.batch, false,
                                       CLI_FLOW_CALLS * (e->n / flow.batch), err);
    if (st == ITO_OK) st = cli_input_states(&e->input, o->first, e->n, o->dequantize ? 0 : -1, e->x, err);
    if (st == ITO_OK) st = cli_flow_encode(&flow, e->n, e->x, e->z, &e->report, err);
    if (st == ITO_OK && e->back) {
        cli_flow_report ignored;
        flow.label = "check";
        st = cli_flow_decode(&flow, e->n, e->z, e->back, &ignored, err);
    }
    return st;
}

/* ---- what was found */

typedef struct findings {
    double mean, std;    /* of all values of the latents; 0 and 1 for a model that knows the data */
    double rms, largest; /* of the round trip, in units of the states */
} findings;

static findings look(const encoding *e) {
    int64_t count = e->n * e->source.dim;
    findings f = {0};
    double sum = 0, squares = 0, off = 0;
    for (int64_t j = 0; j < count; j++) {
        sum += e->z[j];
        squares += e->z[j] * e->z[j];
        double d = e->back ? fabs(e->back[j] - e->x[j]) : 0;
        off += d * d;
        f.largest = fmax(f.largest, d);
    }
    f.mean = sum / (double)count;
    f.std = sqrt(fmax(0, squares / (double)count - f.mean * f.mean));
    f.rms = sqrt(off / (double)count);
    return f;
}

static ito_status print_json(const encoding *e, const findings *f, ito_error *err) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(object, "files"), cJSON_CreateString(e->out));
    cJSON_AddNumberToObject(object, "n", (double)e->n);
    cJSON_AddNumberToObject(object, "nfe", e->report.nfe);
    cJSON_AddNumberToObject(object, "seconds", e->report.seconds);
    cJSON_AddNumberToObject(object, "latent_mean", f->mean);
    cJSON_AddNumberToObject(object, "latent_std", f->std);
    if (e->back) {
        cJSON_AddNumberToObject(object, "round_trip_rms", f->rms);
        cJSON_AddNumberToObject(object, "round_trip_largest", f->largest);
    }
    return cli_print_json(object, err);
}

static void print_text(const encoding *e, const findings *f) {
    printf("%s\n", e->out);
    printf("%lld samples, %.1f evaluations each, %.1f s\n", (long long)e->n, e->report.nfe,
           e->report.seconds);
    printf("latents have mean %.4f and deviation %.4f\n", f->mean, f->std);
    if (!e->back) return;
    printf("decoded again: off by %.2g rms, %.2g at most", f->rms, f->largest);
    double levels = e->source.recipe.data.centered ? 127.5 : 255;
    if (e->source.images) printf("; in grey levels %.2g and %.2g", levels * f->rms, levels * f->largest);
    printf("\n");
}

static ito_status run(const void *options, ito_error *err) {
    encoding e = {.o = options};
    const encode_options *o = e.o;
    e.out = o->common.out ? o->common.out : "latents.npz";
    ito_status st = cli_check_writable(e.out, err);
    if (st == ITO_OK)
        st = cli_source_open(&e.source, o->common.words.item[0], o->weights, o->recipe, &o->common, err);
    if (st == ITO_OK) st = open_input(&e, err);
    if (st == ITO_OK) st = choose_batch(&e, err);
    if (st == ITO_OK) st = make_room(&e, err);
    if (st == ITO_OK) st = encode(&e, err);
    if (st == ITO_OK) st = cli_states_write(e.out, "latents", &e.source, e.n, e.z, err);
    if (st == ITO_OK) {
        findings f = look(&e);
        if (o->common.json)
            st = print_json(&e, &f, err);
        else
            print_text(&e, &f);
    }
    free(e.back);
    free(e.z);
    free(e.x);
    cli_input_release(&e.input);
    cli_source_release(&e.source);
    return st;
}

const cli_verb cli_verb_encode = {
    .name = "encode",
    .words = "MODEL [INPUT]",
    .summary = "find the latent codes of images or points",
    .about =
        "Carries samples to their latent codes by the probability-flow ODE of MODEL (a model or checkpoint "
        "file, a run directory, the name of a bundled model, or gmm:NAME). INPUT is a split of the model's "
        "data set (test, train), an image (.png, .jpg, .webp), a .npz of images or points, or a .csv of "
        "points.\n\n"
        "--out names an .npz (latents.npz) with \"latents\" in float64: x(T) divided by the standard "
        "deviation "
        "of the prior, so that they are like unit normals under any SDE. ito decode is the way back.",
    .least_words = 1,
    .most_words = 2,
    .options = options_table,
    .size = sizeof(encode_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
