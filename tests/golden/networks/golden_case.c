/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a golden case. Configurations carry the published names of their fields.
 */
#include "golden_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>

#include <cmocka.h>

static cJSON *read_json(const char *folder) {
    char path[512], *text = NULL;
    size_t length;
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (ito_file_read(path, 1 << 20, &text, &length, NULL) != ITO_OK) return NULL;
    cJSON *json = cJSON_Parse(text);
    free(text);
    return json;
}

static const cJSON *field(const cJSON *json, const char *section, const char *name) {
    const cJSON *item = cJSON_GetObjectItem(cJSON_GetObjectItem(json, section), name);
    if (!item) fail_msg("config.json lacks %s.%s", section, name);
    return item;
}

static double number(const cJSON *json, const char *section, const char *name) {
    return field(json, section, name)->valuedouble;
}

static bool truth(const cJSON *json, const char *section, const char *name) {
    return cJSON_IsTrue(field(json, section, name));
}

static bool is_text(const cJSON *json, const char *section, const char *name, const char *text) {
    return strcmp(field(json, section, name)->valuestring, text) == 0;
}

static int list(const cJSON *json, const char *name, int max, int64_t *out) {
    int n = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, field(json, "model", name)) {
        assert_true(n < max);
        out[n++] = (int64_t)item->valuedouble;
    }
    return n;
}

static ito_progressive progressive(const cJSON *json, const char *name, const char *skip) {
    if (is_text(json, "model", name, skip)) return ITO_PROGRESSIVE_SKIP;
    return is_text(json, "model", name, "residual") ? ITO_PROGRESSIVE_RESIDUAL : ITO_PROGRESSIVE_NONE;
}

/* By model.name; ITO_ARCHITECTURE_COUNT when it is none of ours. */
static ito_architecture architecture(const cJSON *json) {
    int a = 0;
    while (a < ITO_ARCHITECTURE_COUNT && !is_text(json, "model", "name", ito_architecture_name(a))) a++;
    return (ito_architecture)a;
}

static void read_unet(const cJSON *json, ito_network_config *c) {
    c->levels = list(json, "ch_mult", ITO_MAX_LEVELS, c->ch_mult);
    c->num_res_blocks = (int64_t)number(json, "model", "num_res_blocks");
    c->attn_count = list(json, "attn_resolutions", ITO_MAX_LEVELS, c->attn_resolutions);
    c->dropout = number(json, "model", "dropout");
    c->resamp_with_conv = truth(json, "model", "resamp_with_conv");
    c->conditional = truth(json, "model", "conditional");
    c->scale_by_sigma = truth(json, "model", "scale_by_sigma");
}

static void read_ncsnpp(const cJSON *json, ito_network_config *c) {
    c->fir = truth(json, "model", "fir");
    c->fir_taps = list(json, "fir_kernel", 8, c->fir_kernel);
    c->skip_rescale = truth(json, "model", "skip_rescale");
    c->resblock_type =
        is_text(json, "model", "resblock_type", "ddpm") ? ITO_RESBLOCK_DDPM : ITO_RESBLOCK_BIGGAN;
    c->embedding_type = is_text(json, "model", "embedding_type", "fourier") ? ITO_EMBEDDING_FOURIER
                                                                            : ITO_EMBEDDING_POSITIONAL;
    if (c->embedding_type == ITO_EMBEDDING_FOURIER) c->fourier_scale = number(json, "model", "fourier_scale");
    c->progressive = progressive(json, "progressive", "output_skip");
    c->progressive_input = progressive(json, "progressive_input", "input_skip");
    c->progressive_combine =
        is_text(json, "model", "progressive_combine", "cat") ? ITO_COMBINE_CAT : ITO_COMBINE_SUM;
    c->init_scale = number(json, "model", "init_scale");
}

static ito_activation activation(const cJSON *json) {
    if (is_text(json, "model", "nonlinearity", "elu")) return ITO_ACTIVATION_ELU;
    if (is_text(json, "model", "nonlinearity", "relu")) return ITO_ACTIVATION_RELU;
    return is_text(json, "model", "nonlinearity", "lrelu") ? ITO_ACTIVATION_LRELU : ITO_ACTIVATION_SWISH;
}

ito_network_config golden_config(const cJSON *json) {
    ito_network_config c = ito_network_default_of(architecture(json));
    c.image_size = (int64_t)number(json, "data", "image_size");
    c.channels = (int64_t)number(json, "data", "num_channels");
    c.centered = truth(json, "data", "centered");
    c.sigma_min = number(json, "model", "sigma_min");
    c.sigma_max = number(json, "model", "sigma_max");
    c.num_scales = (int64_t)number(json, "model", "num_scales");
    c.nf = (int64_t)number(json, "model", "nf");
    c.nonlinearity = activation(json);
    if (c.architecture == ITO_NCSNPP || c.architecture == ITO_DDPM) read_unet(json, &c);
    if (c.architecture == ITO_NCSNPP) read_ncsnpp(json, &c);
    return c;
}

static void read_param_names(golden_case *c) {
    cJSON *names = cJSON_Parse(ito_tensor_file_metadata(c->io, "param_names"));
    assert_non_null(names);
    c->param_names = calloc((size_t)cJSON_GetArraySize(names), sizeof *c->param_names);
    assert_non_null(c->param_names);
    const cJSON *item;
    cJSON_ArrayForEach(item, names) {
        assert_int_equal(strncmp(item->valuestring, "module.", 7), 0);
        c->param_names[c->param_count++] = strdup(item->valuestring + 7);
    }
    cJSON_Delete(names);
}

static void open_tensors(const char *folder, const char *name, ito_tensor_file **out) {
    char path[512];
    ito_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const char *dot = strrchr(name, '.');
    ito_status st = dot && strcmp(dot, ".pth") == 0 ? ito_pth_open(path, out, &err)
                                                    : ito_safetensors_open(path, out, &err);
    if (st != ITO_OK) fail_msg("%s", err.message);
}

void golden_case_open(const char *folder, const char *weights, golden_case *c) {
    *c = (golden_case){0};
    cJSON *json = read_json(folder);
    if (!json) fail_msg("%s/config.json cannot be read", folder);
    c->config = golden_config(json);
    c->reduce_mean = truth(json, "training", "reduce_mean");
    c->ve = is_text(json, "training", "sde", "vesde");
    c->continuous = truth(json, "training", "continuous");
    cJSON_Delete(json);
    open_tensors(folder, "io.safetensors", &c->io);
    open_tensors(folder, weights, &c->weights);
    read_param_names(c);
}

void golden_case_close(golden_case *c) {
    for (int i = 0; i < c->param_count; i++) free(c->param_names[i]);
    free(c->param_names);
    ito_tensor_file_close(c->io);
    ito_tensor_file_close(c->weights);
}

bool golden_case_known(const char *folder) {
    cJSON *json = read_json(folder);
    bool known = json && architecture(json) < ITO_ARCHITECTURE_COUNT;
    cJSON_Delete(json);
    return known;
}

double *golden_case_expected(const golden_case *c, const char *name) {
    const ito_tensor *t = ito_tensor_file_find(c->io, name);
    if (!t) return NULL;
    double *values = calloc((size_t)t->count, sizeof *values);
    assert_non_null(values);
    ito_tensor_read_f64(t, values);
    return values;
}
