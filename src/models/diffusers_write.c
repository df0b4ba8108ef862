/* SPDX-License-Identifier: Apache-2.0
 *
 * A recipe as a UNet2DModel's configuration and its scheduler's, the way back of diffusers_read.c.
 */
#include "models/diffusers.h"
#include "networks/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static ito_status refuse(const char *path, const char *why, ito_error *err) {
    return ito_error_set(err, ITO_E_UNSUPPORTED, "%.400s: %s: keep it as .safetensors", path, why);
}

/* What DownBlock2D and its kin are. */
static ito_status check_ddpm(const ito_network_config *c, const char *path, ito_error *err) {
    if (c->attn_count > 0 && !c->attn_every_up)
        return refuse(path, "network.attn_every_up is false, an AttnUpBlock2D attends after every block",
                      err);
    if (!c->resamp_with_conv)
        return refuse(path, "network.resamp_with_conv is false, its resampling has a convolution", err);
    if (c->norm_groups == 0)
        return refuse(path, "network.norm_groups is 0, its norms all have the same number", err);
    if (c->scale_by_sigma) return refuse(path, "network.scale_by_sigma is true beside DownBlock2D", err);
    return ITO_OK;
}

/* What SkipDownBlock2D and its kin are. */
static ito_status check_ncsnpp(const ito_network_config *c, const char *path, ito_error *err) {
    static const int64_t taps[] = {1, 3, 3, 1};
    bool fourier = c->embedding_type == ITO_EMBEDDING_FOURIER;
    if (!c->fir || c->fir_taps != 4 || memcmp(c->fir_kernel, taps, sizeof taps) != 0)
        return refuse(path, "network.fir is not 1, 3, 3, 1, as in a SkipDownBlock2D", err);
    if (c->progressive != ITO_PROGRESSIVE_SKIP || c->progressive_input != ITO_PROGRESSIVE_SKIP ||
        c->progressive_combine != ITO_COMBINE_SUM)
        return refuse(path,
                      "network.progressive, progressive_input, progressive_combine are not output_skip, "
                      "input_skip, sum, as in a SkipDownBlock2D",
                      err);
    if (c->resblock_type != ITO_RESBLOCK_BIGGAN || !c->skip_rescale)
        return refuse(path,
                      "network.resblock_type and skip_rescale are not biggan and true, as in a "
                      "SkipDownBlock2D",
                      err);
    if (c->scale_by_sigma != fourier)
        return refuse(path, "network.scale_by_sigma goes with a fourier embedding, and only with it", err);
    if (c->norm_groups != 0 || c->attn_every_up || c->channels != 3)
        return refuse(
            path,
            "network.norm_groups is not 0, attn_every_up not false, or data.channels not 3, as in a "
            "SkipDownBlock2D",
            err);
    for (int i = 0; i < c->levels; i++)
        if (ito__attends(c, i) && c->nf * c->ch_mult[i] < 128)
            return refuse(path, "an AttnSkipDownBlock2D has at least 128 channels", err);
    return ITO_OK;
}

static ito_status check(const ito_recipe *r, const char *path, ito_error *err) {
    const ito_network_config *c = &r->network;
    bool ve = r->sde.kind == ITO_SDE_VE;
    ito_status st;
    if (c->architecture != ITO_DDPM && c->architecture != ITO_NCSNPP)
        return refuse(path, "network.architecture is neither ddpm nor ncsnpp", err);
    st = c->architecture == ITO_DDPM ? check_ddpm(c, path, err) : check_ncsnpp(c, path, err);
    if (st != ITO_OK) return st;
    if (c->nonlinearity != ITO_ACTIVATION_SWISH)
        return refuse(path, "network.nonlinearity is not swish, which its conv_act is", err);
    if (!c->conditional || c->classes > 0)
        return refuse(path, "network.conditional is false or network.classes not 0", err);
    if (c->ch_mult[0] != 1)
        return refuse(path, "network.ch_mult does not begin with 1, its conv_in has the first level's width",
                      err);
    if (r->sde.kind == ITO_SDE_SUBVP) return refuse(path, "sde.type is subvp, which no scheduler is", err);
    if (r->objective.continuous != ve)
        return refuse(
            path, "objective.continuous must be true for ve and false for vp, as its schedulers are", err);
    if (ve != (c->architecture == ITO_NCSNPP && c->embedding_type == ITO_EMBEDDING_FOURIER))
        return refuse(path, "sde.type is ve without a fourier embedding, or the other way round", err);
    if (r->sde.T != 1) return refuse(path, "sde.T is not 1, as in its schedulers", err);
    return ITO_OK;
}

/* An object that is being filled; `whole` falls when memory runs out for a field. */
typedef struct object {
    cJSON *json;
    bool whole;
} object;

static void keep(object *o, const cJSON *added) {
    o->whole = o->whole && added;
}

static void add_text(object *o, const char *field, const char *text) {
    keep(o, cJSON_AddStringToObject(o->json, field, text));
}

static void add_bool(object *o, const char *field, bool value) {
    keep(o, cJSON_AddBoolToObject(o->json, field, value));
}

static void add_number(object *o, const char *field, double value) {
    keep(o, cJSON_AddNumberToObject(o->json, field, value));
}

static void add_count(object *o, const char *field, int64_t n) {
    add_number(o, field, (double)n);
}

/* null where 0 stands for it here. */
static void add_count_or_null(object *o, const char *field, int64_t n) {
    if (n)
        add_count(o, field, n);
    else
        keep(o, cJSON_AddNullToObject(o->json, field));
}

static cJSON *add_list(object *o, const char *field) {
    cJSON *list = cJSON_AddArrayToObject(o->json, field);
    keep(o, list);
    return list;
}

static void append(object *o, cJSON *list, cJSON *item) {
    if (list && item && cJSON_AddItemToArray(list, item)) return;
    cJSON_Delete(item);
    o->whole = false;
}

/* Names of the blocks, with attention or without. */
static void add_blocks(object *o, const ito_network_config *c) {
    const char *skip = c->architecture == ITO_NCSNPP ? "Skip" : "";
    cJSON *down = add_list(o, "down_block_types");
    cJSON *up = add_list(o, "up_block_types");
    cJSON *widths = add_list(o, "block_out_channels");
    char name[40];
    for (int i = 0; i < c->levels; i++) {
        int from_below = c->levels - 1 - i;
        snprintf(name, sizeof name, "%s%sDownBlock2D", ito__attends(c, i) ? "Attn" : "", skip);
        append(o, down, cJSON_CreateString(name));
        snprintf(name, sizeof name, "%s%sUpBlock2D", ito__attends(c, from_below) ? "Attn" : "", skip);
        append(o, up, cJSON_CreateString(name));
        append(o, widths, cJSON_CreateNumber((double)(c->nf * c->ch_mult[i])));
    }
}

static void network_fields(object *o, const ito_network_config *c) {
    bool skip = c->architecture == ITO_NCSNPP, fourier = skip && c->embedding_type == ITO_EMBEDDING_FOURIER;
    add_text(o, "_class_name", "UNet2DModel");
    add_text(o, "_diffusers_version", "0.27.2");
    add_count(o, "sample_size", c->image_size);
    add_count(o, "in_channels", c->channels);
    add_count(o, "out_channels", c->channels);
    add_bool(o, "center_input_sample", !c->centered);
    add_text(o, "time_embedding_type", fourier ? "fourier" : "positional");
    add_count(o, "freq_shift", c->embed_freq_shift);
    add_bool(o, "flip_sin_to_cos", false);
    add_blocks(o, c);
    add_count(o, "layers_per_block", c->num_res_blocks);
    add_number(o, "mid_block_scale_factor", skip ? sqrt(2) : 1);
    add_count(o, "downsample_padding", c->pad_evenly);
    add_number(o, "dropout", c->dropout);
    add_text(o, "act_fn", "silu");
    add_count_or_null(o, "attention_head_dim", c->attn_head_dim);
    add_count_or_null(o, "norm_num_groups", c->norm_groups);
    add_number(o, "norm_eps", c->norm_eps);
    add_text(o, "resnet_time_scale_shift", "default");
    add_bool(o, "add_attention", true);
}

static void scheduler_fields(object *o, const ito_recipe *r) {
    const ito_sde *sde = &r->sde;
    bool ve = sde->kind == ITO_SDE_VE;
    add_text(o, "_class_name", ve ? "ScoreSdeVeScheduler" : "DDPMScheduler");
    add_text(o, "_diffusers_version", "0.27.2");
    add_count(o, "num_train_timesteps", sde->steps);
    if (ve) {
        add_number(o, "sigma_min", sde->sigma_min);
        add_number(o, "sigma_max", sde->sigma_max);
        add_number(o, "snr", r->sampling.snr);
        add_number(o, "sampling_eps", r->sampling.eps > 0 ? r->sampling.eps : 1e-5);
        add_count(o, "correct_steps",
                  strcmp(r->sampling.corrector, "none") == 0 ? 0 : r->sampling.corrector_steps);
        return;
    }
    add_number(o, "beta_start", sde->beta_min / (double)sde->steps);
    add_number(o, "beta_end", sde->beta_max / (double)sde->steps);
    add_text(o, "beta_schedule", "linear");
    add_text(o, "prediction_type", "epsilon");
    add_text(o, "variance_type", "fixed_small");
    add_bool(o, "clip_sample", false);
}

ito_status ito__diffusers_write(const ito_recipe *r, const char *path, cJSON **config, cJSON **scheduler,
                                ito_error *err) {
    *config = *scheduler = NULL;
    ito_status st = check(r, path, err);
    if (st != ITO_OK) return st;
    object network = {cJSON_CreateObject(), true}, chain = {cJSON_CreateObject(), true};
    network_fields(&network, &r->network);
    scheduler_fields(&chain, r);
    if (!network.whole || !chain.whole) {
        cJSON_Delete(network.json);
        cJSON_Delete(chain.json);
        return ito_error_set(err, ITO_E_NOMEM, "%.400s: no memory for its configuration: free some", path);
    }
    *config = network.json;
    *scheduler = chain.json;
    return ITO_OK;
}
