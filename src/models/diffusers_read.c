/* SPDX-License-Identifier: Apache-2.0
 *
 * A UNet2DModel's configuration as a recipe. A field that is absent has that library's default; one that says
 * what these networks cannot be, or that is not known here, is refused by name, because weights that fit by
 * shape would otherwise compute something else.
 */
#include "models/diffusers.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The first refusal stays; what follows it does nothing. */
typedef struct reader {
    const cJSON *json;
    char file[600]; /* for messages */
    ito_status st;
    ito_error *err;
} reader;

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static void
refuse(reader *r, ito_status st, const char *field, const char *format, ...) {
    char text[300];
    va_list args;
    if (r->st != ITO_OK) return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->st = ito_error_set(r->err, st, "%s: %s %s", r->file, field, text);
}

/* ---- fields ---- */

/* NULL when absent. A null is an answer of its own. */
static const cJSON *get(const reader *r, const char *field) {
    return cJSON_GetObjectItemCaseSensitive(r->json, field);
}

static bool is_none(const reader *r, const char *field) {
    const cJSON *item = get(r, field);
    return !item || cJSON_IsNull(item);
}

static double real(reader *r, const char *field, double otherwise) {
    const cJSON *item = get(r, field);
    if (!item) return otherwise;
    if (cJSON_IsNumber(item) && isfinite(item->valuedouble)) return item->valuedouble;
    refuse(r, ITO_E_FORMAT, field, "is no number: correct it");
    return otherwise;
}

static int64_t to_whole(reader *r, const char *field, const cJSON *item, int64_t otherwise) {
    double x = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (x >= 0 && x <= 1e6 && x == floor(x)) return (int64_t)x;
    refuse(r, ITO_E_FORMAT, field, "is no whole number: correct it");
    return otherwise;
}

static int64_t whole(reader *r, const char *field, int64_t otherwise) {
    const cJSON *item = get(r, field);
    return item ? to_whole(r, field, item, otherwise) : otherwise;
}

static bool boolean(reader *r, const char *field, bool otherwise) {
    const cJSON *item = get(r, field);
    if (item && !cJSON_IsBool(item)) refuse(r, ITO_E_FORMAT, field, "is neither true nor false: correct it");
    return item ? cJSON_IsTrue(item) != 0 : otherwise;
}

static const char *text(reader *r, const char *field, const char *otherwise) {
    const cJSON *item = get(r, field);
    if (!item || cJSON_IsNull(item)) return otherwise;
    if (cJSON_IsString(item)) return item->valuestring;
    refuse(r, ITO_E_FORMAT, field, "is no text: correct it");
    return otherwise;
}

/* Any of these is refused unless it is null, absent or `only`. */
static void expect_text(reader *r, const char *field, const char *otherwise, const char *only) {
    const char *got = text(r, field, otherwise);
    if (strcmp(got, only) != 0)
        refuse(r, ITO_E_UNSUPPORTED, field,
               "is \"%.60s\", which these networks have not: only \"%s\" is read", got, only);
}

static void expect_none(reader *r, const char *field) {
    if (!is_none(r, field))
        refuse(r, ITO_E_UNSUPPORTED, field, "is set, which these networks have not: only null is read");
}

/* Fields with a meaning here or above; those that begin with '_' are about the file. */
static void expect_known(reader *r, const char *const *known) {
    const cJSON *item;
    cJSON_ArrayForEach(item, r->json) {
        int k = 0;
        while (known[k] && strcmp(known[k], item->string) != 0) k++;
        if (!known[k] && item->string[0] != '_' && !cJSON_IsNull(item) && !cJSON_IsFalse(item))
            refuse(r, ITO_E_UNSUPPORTED, item->string,
                   "is set, and is not known here: only null or false is read");
    }
}

/* ---- config.json ---- */

static const char *const network_fields[] = {"sample_size",
                                             "in_channels",
                                             "out_channels",
                                             "center_input_sample",
                                             "time_embedding_type",
                                             "freq_shift",
                                             "flip_sin_to_cos",
                                             "down_block_types",
                                             "mid_block_type",
                                             "up_block_types",
                                             "block_out_channels",
                                             "layers_per_block",
                                             "mid_block_scale_factor",
                                             "downsample_padding",
                                             "downsample_type",
                                             "upsample_type",
                                             "dropout",
                                             "act_fn",
                                             "attention_head_dim",
                                             "norm_num_groups",
                                             "attn_norm_num_groups",
                                             "norm_eps",
                                             "resnet_time_scale_shift",
                                             "add_attention",
                                             "class_embed_type",
                                             "num_class_embeds",
                                             "num_train_timesteps",
                                             NULL};

static void read_image(reader *r, ito_recipe *out) {
    const cJSON *size = get(r, "sample_size");
    if (cJSON_IsArray(size) && cJSON_GetArraySize(size) == 2) {
        const cJSON *height = cJSON_GetArrayItem(size, 0), *width = cJSON_GetArrayItem(size, 1);
        if (!cJSON_Compare(height, width, true))
            refuse(r, ITO_E_UNSUPPORTED, "sample_size", "is not square: only square images are read");
        size = height;
    }
    out->data.image_size = to_whole(r, "sample_size", size, 32);
    out->data.channels = whole(r, "in_channels", 3);
    int64_t made = whole(r, "out_channels", 3);
    if (made != out->data.channels)
        refuse(r, ITO_E_UNSUPPORTED, "out_channels",
               "is %lld where in_channels is %lld: these networks return an image like their input",
               (long long)made, (long long)out->data.channels);
    out->data.centered = !boolean(r, "center_input_sample", false);
}

static void read_widths(reader *r, ito_network_config *c) {
    const cJSON *widths = get(r, "block_out_channels");
    int levels = cJSON_IsArray(widths) ? cJSON_GetArraySize(widths) : 0;
    if (levels < 1 || levels > ITO_MAX_LEVELS) {
        refuse(r, ITO_E_UNSUPPORTED, "block_out_channels", "has %d levels: 1 to %d are read", levels,
               ITO_MAX_LEVELS);
        return;
    }
    c->levels = levels;
    c->nf = to_whole(r, "block_out_channels", cJSON_GetArrayItem(widths, 0), 1);
    for (int i = 0; i < levels; i++) {
        int64_t width = to_whole(r, "block_out_channels", cJSON_GetArrayItem(widths, i), 1);
        if (c->nf < 1 || width < c->nf || width % c->nf != 0) {
            refuse(r, ITO_E_UNSUPPORTED, "block_out_channels",
                   "has %lld at level %d, no multiple of the first, %lld: only multiples are read",
                   (long long)width, i, (long long)c->nf);
            return;
        }
        c->ch_mult[i] = width / c->nf;
    }
    c->num_res_blocks = whole(r, "layers_per_block", 2);
}

typedef struct block {
    const char *name;
    ito_architecture family;
    bool attends;
} block;
static const block down_blocks[] = {{"DownBlock2D", ITO_DDPM, false},
                                    {"AttnDownBlock2D", ITO_DDPM, true},
                                    {"SkipDownBlock2D", ITO_NCSNPP, false},
                                    {"AttnSkipDownBlock2D", ITO_NCSNPP, true}};
static const block up_blocks[] = {{"UpBlock2D", ITO_DDPM, false},
                                  {"AttnUpBlock2D", ITO_DDPM, true},
                                  {"SkipUpBlock2D", ITO_NCSNPP, false},
                                  {"AttnSkipUpBlock2D", ITO_NCSNPP, true}};

/* The block at an index of a list; NULL after a refusal. */
static const block *read_block(reader *r, const char *field, const block known[4], int levels, int index) {
    const cJSON *list = get(r, field);
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    const cJSON *item = cJSON_GetArrayItem(list, index);
    if (n != levels) {
        refuse(r, ITO_E_FORMAT, field, "has %d blocks where block_out_channels has %d: correct it", n,
               levels);
        return NULL;
    }
    for (int k = 0; k < 4; k++)
        if (cJSON_IsString(item) && strcmp(item->valuestring, known[k].name) == 0) return &known[k];
    refuse(r, ITO_E_UNSUPPORTED, field,
           "has a %.60s, which these networks have not: %s, %s, %s and %s are read",
           cJSON_IsString(item) ? item->valuestring : "block without a name", known[0].name, known[1].name,
           known[2].name, known[3].name);
    return NULL;
}

static void read_blocks(reader *r, int64_t image_size, ito_network_config *c) {
    const block *first = NULL;
    c->attn_count = 0;
    for (int i = 0; i < c->levels && r->st == ITO_OK; i++) {
        const block *down = read_block(r, "down_block_types", down_blocks, c->levels, i);
        const block *up = read_block(r, "up_block_types", up_blocks, c->levels, c->levels - 1 - i);
        if (!down || !up) return;
        if (!first) first = down;
        if (down->family != first->family)
            refuse(r, ITO_E_UNSUPPORTED, "down_block_types", "mixes %s and %s: only one family is read",
                   first->name, down->name);
        if (up->family != down->family || up->attends != down->attends)
            refuse(r, ITO_E_UNSUPPORTED, "up_block_types",
                   "has a %s at the level of a %s: only its counterpart is read", up->name, down->name);
        if (down->attends) c->attn_resolutions[c->attn_count++] = image_size >> i;
    }
    if (first) c->architecture = first->family;
}

static void read_embedding(reader *r, ito_network_config *c, bool *cosines_first) {
    const char *type = text(r, "time_embedding_type", "positional");
    bool fourier = strcmp(type, "fourier") == 0;
    if (!fourier && strcmp(type, "positional") != 0)
        refuse(r, ITO_E_UNSUPPORTED, "time_embedding_type", "is \"%.60s\": positional and fourier are read",
               type);
    if (fourier && c->architecture == ITO_DDPM)
        refuse(r, ITO_E_UNSUPPORTED, "time_embedding_type",
               "is fourier in a network of DownBlock2D: only positional is read beside it");
    c->embedding_type = fourier ? ITO_EMBEDDING_FOURIER : ITO_EMBEDDING_POSITIONAL;
    c->scale_by_sigma = fourier;
    c->embed_freq_shift = fourier ? 1 : whole(r, "freq_shift", 0);
    *cosines_first = !fourier && boolean(r, "flip_sin_to_cos", true);
}

static int64_t quarter(int64_t channels) {
    return channels / 4 < 32 ? channels / 4 : 32;
}

/* Networks of Skip blocks have a norm of min(C / 4, 32) groups in most places, whatever the field says, and
 * of 32 in the attentions of their levels. */
static void check_skip_groups(reader *r, const ito_network_config *c) {
    int64_t last = c->nf * c->ch_mult[c->levels - 1];
    int64_t groups = is_none(r, "norm_num_groups") ? 0 : whole(r, "norm_num_groups", 32);
    if (!get(r, "norm_num_groups")) groups = 32;
    if (groups != 0 && (groups != quarter(c->nf) || groups != quarter(last)))
        refuse(r, ITO_E_UNSUPPORTED, "norm_num_groups",
               "is %lld beside SkipDownBlock2D, whose %lld and %lld channels have %lld and %lld: use null",
               (long long)groups, (long long)c->nf, (long long)last, (long long)quarter(c->nf),
               (long long)quarter(last));
    for (int i = 0; i < c->levels; i++)
        for (int k = 0; k < c->attn_count; k++)
            if (c->attn_resolutions[k] == c->image_size >> i && c->nf * c->ch_mult[i] < 128)
                refuse(r, ITO_E_UNSUPPORTED, "down_block_types",
                       "has an AttnSkipDownBlock2D of %lld channels, whose norm of 32 groups these networks "
                       "have not: at least 128 channels are read",
                       (long long)(c->nf * c->ch_mult[i]));
}

static void read_details(reader *r, ito_network_config *c) {
    bool skip = c->architecture == ITO_NCSNPP;
    double scale = real(r, "mid_block_scale_factor", 1), expected = skip ? sqrt(2) : 1;
    if (!(fabs(scale - expected) < 1e-6))
        refuse(r, ITO_E_UNSUPPORTED, "mid_block_scale_factor", "is %g: only %.9g is read beside these blocks",
               scale, expected);
    c->norm_eps = real(r, "norm_eps", 1e-5);
    c->norm_groups = 0;
    if (skip)
        check_skip_groups(r, c);
    else if ((c->norm_groups = whole(r, "norm_num_groups", 32)) < 1)
        refuse(r, ITO_E_FORMAT, "norm_num_groups", "is 0: use 32, or what the network was trained with");
    c->attn_head_dim = get(r, "attention_head_dim") && is_none(r, "attention_head_dim")
                           ? 0
                           : whole(r, "attention_head_dim", 8);
    c->dropout = real(r, "dropout", 0);
    int64_t padding = skip ? 0 : whole(r, "downsample_padding", 1);
    if (padding > 1)
        refuse(r, ITO_E_UNSUPPORTED, "downsample_padding", "is %lld: 0 and 1 are read", (long long)padding);
    c->pad_evenly = padding == 1;
    c->attn_every_up = !skip;
    if (skip) {
        c->fir = true;
        c->progressive = ITO_PROGRESSIVE_SKIP;
        c->progressive_input = ITO_PROGRESSIVE_SKIP;
    }
    if (skip && c->channels != 3)
        refuse(r, ITO_E_UNSUPPORTED, "in_channels",
               "is %lld beside SkipDownBlock2D, whose skip_conv has 3: only 3 are read",
               (long long)c->channels);
}

static void read_constants(reader *r) {
    const char *activation = text(r, "act_fn", "silu");
    if (strcmp(activation, "silu") != 0 && strcmp(activation, "swish") != 0)
        refuse(r, ITO_E_UNSUPPORTED, "act_fn", "is \"%.60s\": only silu is read", activation);
    expect_text(r, "mid_block_type", "UNetMidBlock2D", "UNetMidBlock2D");
    expect_text(r, "downsample_type", "conv", "conv");
    expect_text(r, "upsample_type", "conv", "conv");
    expect_text(r, "resnet_time_scale_shift", "default", "default");
    if (!boolean(r, "add_attention", true))
        refuse(r, ITO_E_UNSUPPORTED, "add_attention",
               "is false, but the middle of these networks attends: only true is read");
    expect_none(r, "attn_norm_num_groups");
    expect_none(r, "class_embed_type");
    expect_none(r, "num_class_embeds");
    expect_known(r, network_fields);
}

/* ---- scheduler_config.json ---- */

/* [DDPM]'s chain: beta_start is beta_min / N. The scheduler clips its guess of the image, which belongs to
 * its sampler, not to the chain. */
static void read_vp(reader *r, ito_recipe *out) {
    int64_t n = whole(r, "num_train_timesteps", 1000);
    expect_text(r, "beta_schedule", "linear", "linear");
    expect_text(r, "prediction_type", "epsilon", "epsilon");
    expect_none(r, "trained_betas");
    if (boolean(r, "rescale_betas_zero_snr", false))
        refuse(r, ITO_E_UNSUPPORTED, "rescale_betas_zero_snr", "is true: only false is read");
    out->sde = ito_sde_default(ITO_SDE_VP);
    out->sde.steps = n;
    out->sde.beta_min = real(r, "beta_start", 1e-4) * (double)n;
    out->sde.beta_max = real(r, "beta_end", 0.02) * (double)n;
    out->objective.continuous = false;
    snprintf(out->sampling.predictor, sizeof out->sampling.predictor, "ancestral");
    out->sampling.steps = n;
}

static void read_ve(reader *r, ito_recipe *out) {
    ito_sampling_config *s = &out->sampling;
    out->sde = ito_sde_default(ITO_SDE_VE);
    out->sde.steps = s->steps = whole(r, "num_train_timesteps", 2000);
    out->sde.sigma_min = real(r, "sigma_min", 0.01);
    out->sde.sigma_max = real(r, "sigma_max", 1348);
    out->objective.continuous = true;
    s->snr = real(r, "snr", 0.15);
    s->eps = real(r, "sampling_eps", 1e-5);
    s->corrector_steps = whole(r, "correct_steps", 1);
    s->batch_norms = true;
    snprintf(s->predictor, sizeof s->predictor, "reverse_diffusion");
    snprintf(s->corrector, sizeof s->corrector, s->corrector_steps > 0 ? "langevin" : "none");
    if (s->corrector_steps == 0) s->corrector_steps = 1;
}

static void read_scheduler(reader *r, ito_recipe *out) {
    bool fourier = out->network.embedding_type == ITO_EMBEDDING_FOURIER;
    const char *name = text(r, "_class_name", fourier ? "ScoreSdeVeScheduler" : "DDPMScheduler");
    bool ve = strcmp(name, "ScoreSdeVeScheduler") == 0;
    if (!ve && strcmp(name, "DDPMScheduler") != 0 && strcmp(name, "DDIMScheduler") != 0)
        refuse(r, ITO_E_UNSUPPORTED, "_class_name",
               "is %.60s: DDPMScheduler, DDIMScheduler and ScoreSdeVeScheduler are read", name);
    if (r->st == ITO_OK && ve != fourier)
        refuse(r, ITO_E_UNSUPPORTED, "_class_name",
               "is %.60s beside a %s time embedding: ScoreSdeVeScheduler goes with fourier alone", name,
               fourier ? "fourier" : "positional");
    if (ve)
        read_ve(r, out);
    else
        read_vp(r, out);
}

/* ---- both ---- */

/* The folder's own name, in the letters that a recipe's may have. */
static void name_recipe(const char *path, ito_recipe *out) {
    size_t end = strlen(path), n = 0;
    while (end > 0 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    for (; start < end && n + 1 < sizeof out->name; start++) {
        char ch = path[start];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
        if (n == 0 && !letter) continue;
        out->name[n++] = letter || ch == '.' || ch == '-' ? ch : '_';
    }
    out->name[n] = '\0';
    if (n == 0) snprintf(out->name, sizeof out->name, "diffusers");
}

ito_status ito__diffusers_read(const cJSON *config, const cJSON *scheduler, const char *path, ito_recipe *out,
                               bool *cosines_first, ito_error *err) {
    ito_recipe recipe = ito_recipe_default();
    ito_network_config *c = &recipe.network;
    bool swap = false;
    reader r = {.json = config, .st = ITO_OK, .err = err}, s = {.json = scheduler, .st = ITO_OK, .err = err};
    snprintf(r.file, sizeof r.file, "%.500s/config.json", path);
    snprintf(s.file, sizeof s.file, "%.500s/scheduler_config.json", path);

    expect_text(&r, "_class_name", "UNet2DModel", "UNet2DModel");
    name_recipe(path, &recipe);
    snprintf(recipe.data.dataset, sizeof recipe.data.dataset, "unknown");
    read_image(&r, &recipe);
    c->image_size = recipe.data.image_size;
    c->channels = recipe.data.channels;
    c->centered = recipe.data.centered;
    read_widths(&r, c);
    read_blocks(&r, c->image_size, c);
    read_embedding(&r, c, &swap);
    read_details(&r, c);
    read_constants(&r);
    if (r.st != ITO_OK) return r.st;

    read_scheduler(&s, &recipe);
    if (s.st != ITO_OK) return s.st;
    c->sigma_min = recipe.sde.sigma_min;
    c->sigma_max = recipe.sde.sigma_max;
    c->num_scales = recipe.sde.steps;
    ito_status st = ito_recipe_check(&recipe, r.file, err);
    if (st != ITO_OK) return st;
    *out = recipe;
    *cosines_first = swap;
    return ITO_OK;
}
