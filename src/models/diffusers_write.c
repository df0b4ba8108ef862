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

/* Names of the blocks, with attention or without. */
static void add_blocks(cJSON *json, const ito_network_config *c) {
    const char *skip = c->architecture == ITO_NCSNPP ? "Skip" : "";
    cJSON *down = cJSON_AddArrayToObject(json, "down_block_types");
    cJSON *up = cJSON_AddArrayToObject(json, "up_block_types");
    cJSON *widths = cJSON_AddArrayToObject(json, "block_out_channels");
    char name[40];
    for (int i = 0; i < c->levels; i++) {
        int from_below = c->levels - 1 - i;
        snprintf(name, sizeof name, "%s%sDownBlock2D", ito__attends(c, i) ? "Attn" : "", skip);
        cJSON_AddItemToArray(down, cJSON_CreateString(name));
        snprintf(name, sizeof name, "%s%sUpBlock2D", ito__attends(c, from_below) ? "Attn" : "", skip);
        cJSON_AddItemToArray(up, cJSON_CreateString(name));
        cJSON_AddItemToArray(widths, cJSON_CreateNumber((double)(c->nf * c->ch_mult[i])));
    }
}

static void add_count(cJSON *json, const char *field, int64_t n) {
    cJSON_AddNumberToObject(json, field, (double)n);
}

/* null where 0 stands for it here. */
static void add_count_or_null(cJSON *json, const char *field, int64_t n) {
    if (n)
        add_count(json, field, n);
    else
        cJSON_AddNullToObject(json, field);
}

static cJSON *network_fields(const ito_network_config *c) {
    bool skip = c->architecture == ITO_NCSNPP, fourier = skip && c->embedding_type == ITO_EMBEDDING_FOURIER;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "_class_name", "UNet2DModel");
    cJSON_AddStringToObject(json, "_diffusers_version", "0.27.2");
    add_count(json, "sample_size", c->image_size);
    add_count(json, "in_channels", c->channels);
    add_count(json, "out_channels", c->channels);
    cJSON_AddBoolToObject(json, "center_input_sample", !c->centered);
    cJSON_AddStringToObject(json, "time_embedding_type", fourier ? "fourier" : "positional");
    add_count(json, "freq_shift", c->embed_freq_shift);
    cJSON_AddBoolToObject(json, "flip_sin_to_cos", false);
    add_blocks(json, c);
    add_count(json, "layers_per_block", c->num_res_blocks);
    cJSON_AddNumberToObject(json, "mid_block_scale_factor", skip ? sqrt(2) : 1);
    add_count(json, "downsample_padding", c->pad_evenly);
    cJSON_AddNumberToObject(json, "dropout", c->dropout);
    cJSON_AddStringToObject(json, "act_fn", "silu");
    add_count_or_null(json, "attention_head_dim", c->attn_head_dim);
    add_count_or_null(json, "norm_num_groups", c->norm_groups);
    cJSON_AddNumberToObject(json, "norm_eps", c->norm_eps);
    cJSON_AddStringToObject(json, "resnet_time_scale_shift", "default");
    cJSON_AddBoolToObject(json, "add_attention", true);
    return json;
}

static cJSON *scheduler_fields(const ito_recipe *r) {
    const ito_sde *sde = &r->sde;
    bool ve = sde->kind == ITO_SDE_VE;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "_class_name", ve ? "ScoreSdeVeScheduler" : "DDPMScheduler");
    cJSON_AddStringToObject(json, "_diffusers_version", "0.27.2");
    add_count(json, "num_train_timesteps", sde->steps);
    if (ve) {
        cJSON_AddNumberToObject(json, "sigma_min", sde->sigma_min);
        cJSON_AddNumberToObject(json, "sigma_max", sde->sigma_max);
        cJSON_AddNumberToObject(json, "snr", r->sampling.snr);
        cJSON_AddNumberToObject(json, "sampling_eps", r->sampling.eps > 0 ? r->sampling.eps : 1e-5);
        add_count(json, "correct_steps",
                  strcmp(r->sampling.corrector, "none") == 0 ? 0 : r->sampling.corrector_steps);
        return json;
    }
    cJSON_AddNumberToObject(json, "beta_start", sde->beta_min / (double)sde->steps);
    cJSON_AddNumberToObject(json, "beta_end", sde->beta_max / (double)sde->steps);
    cJSON_AddStringToObject(json, "beta_schedule", "linear");
    cJSON_AddStringToObject(json, "prediction_type", "epsilon");
    cJSON_AddStringToObject(json, "variance_type", "fixed_small");
    cJSON_AddBoolToObject(json, "clip_sample", false);
    return json;
}

ito_status ito__diffusers_write(const ito_recipe *r, const char *path, cJSON **config, cJSON **scheduler,
                                ito_error *err) {
    *config = *scheduler = NULL;
    ito_status st = check(r, path, err);
    if (st != ITO_OK) return st;
    *config = network_fields(&r->network);
    *scheduler = scheduler_fields(r);
    return ITO_OK;
}
