/* SPDX-License-Identifier: Apache-2.0
 *
 * ito decode: images or points of latents, by the probability-flow ODE. [SDE] Section 4.3.
 */
#include "flow.h"
#include "memory.h"
#include "output.h"
#include "tuning.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_AT_ONCE = 64, POINTS_AT_ONCE = 1000 };

typedef struct decode_options {
    cli_common common;
    const char *weights, *recipe;
    double temperature;
    bool denoise;
    cli_output_style style;
    cli_solver solver;
} decode_options;

#define AT(field) offsetof(decode_options, field)
static const cli_option options_table[] = {
    {"temperature", 0, "T", CLI_NUMBER, AT(temperature), "scale the latents by T (default: 1)", 0, NULL},
    {"denoise", 0, NULL, CLI_FLAG, AT(denoise),
     "end with the mean of one step of reverse diffusion, as samplers do", 0, NULL},
    {"columns", 0, "N", CLI_INTEGER, AT(style.columns), "columns of the grid (default: as square as can be)",
     1, NULL},
    {"crop", 0, "PIXELS", CLI_INTEGER, AT(style.crop),
     "remove this border of PNG and .npz: 2 undoes the padding of Fashion-MNIST from 28 to 32", 0, NULL},
    {"zoom", 0, "K", CLI_INTEGER, AT(style.zoom), "magnify grids by K (default: 2)", 1, NULL},
    CLI_SOLVER_OPTIONS(decode_options, solver, "time of the data (default: the SDE's, as for sampling)"),
    CLI_MODEL_OPTIONS(decode_options),
    CLI_MEMORY_LIMIT,
    {.name = NULL},
};
#undef AT

static void defaults(void *options) {
    decode_options *o = options;
    o->weights = "ema";
    o->temperature = 1;
    o->style.zoom = 2;
    cli_solver_default(&o->solver);
}

static ito_status check(const void *options, ito_error *err) {
    return cli_output_style_check(&((const decode_options *)options)->style, err);
}

static ito_status report(const decode_options *o, const cli_output *out, int64_t n, const cli_flow_report *r,
                         ito_error *err) {
    cJSON *object = o->common.json ? cJSON_CreateObject() : NULL;
    cli_output_list(out, cJSON_AddArrayToObject(object, "files"));
    if (!object) {
        printf("%lld samples, %.1f evaluations each, %.1f s\n", (long long)n, r->nfe, r->seconds);
        return ITO_OK;
    }
    cJSON_AddNumberToObject(object, "n", (double)n);
    cJSON_AddNumberToObject(object, "nfe", r->nfe);
    cJSON_AddNumberToObject(object, "seconds", r->seconds);
    return cli_print_json(object, err);
}

static ito_status run(const void *options, ito_error *err) {
    const decode_options *o = options;
    cli_source source = {0};
    cli_output out;
    cli_flow_report decoded;
    double *x = NULL;
    int64_t n = 0;
    cli_flow flow = {.source = &source, .solver = o->solver, .label = "decode"};
    flow.temperature = o->temperature;
    flow.denoise = o->denoise;
    flow.quiet = o->common.quiet;
    ito_status st = cli_source_open(&source, o->common.words.item[0], o->weights, o->recipe, &o->common, err);
    if (st == ITO_OK)
        st = cli_output_name(&out, o->common.out ? o->common.out : "decoded.png", &o->style, &source, err);
    if (st == ITO_OK) st = cli_states_read(o->common.words.item[1], "latents", &source, &n, &x, err);
    if (st != ITO_OK) goto done;
    flow.batch = o->common.batch > 0 ? o->common.batch : source.images ? IMAGES_AT_ONCE : POINTS_AT_ONCE;
    if (flow.batch > n) flow.batch = n;
    st = cli_source_fit(&source, &o->common, false, cli_doubles_of_flow(),
                        (double)(n * source.dim) * (double)sizeof *x, &flow.batch, err);
    if (st != ITO_OK) goto done;
    if ((st = cli_source_prepare(&source, &o->common, flow.batch, false, CLI_FLOW_CALLS * (n / flow.batch),
                                 err)) != ITO_OK)
        goto done;
    if ((st = cli_flow_decode(&flow, n, x, x, &decoded, err)) != ITO_OK) goto done;
    if ((st = cli_output_write(&out, &source, &o->style, n, x, err)) != ITO_OK) goto done;
    st = report(o, &out, n, &decoded, err);
done:
    free(x);
    cli_source_release(&source);
    return st;
}

const cli_verb cli_verb_decode = {
    .name = "decode",
    .words = "MODEL LATENTS.npz",
    .summary = "make images or points of latent codes",
    .about =
        "Carries the \"latents\" of an .npz, as ito encode writes them, back to samples by the "
        "probability-flow ODE of MODEL: a model or checkpoint file, a run directory, the name of a bundled "
        "model, or gmm:NAME.\n\n"
        "--out FILE.png (decoded.png) writes a picture and FILE.npz beside it, --out FILE.npz the arrays "
        "alone: uint8 [n,H,W,C] under \"images\", or float64 [n,d] under \"points\".",
    .least_words = 2,
    .most_words = 2,
    .options = options_table,
    .size = sizeof(decode_options),
    .defaults = defaults,
    .check = check,
    .run = run,
};
