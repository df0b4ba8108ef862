/* SPDX-License-Identifier: Apache-2.0
 *
 * Network configurations: the published defaults and what a valid one is, architecture by architecture.
 */
#include "networks/config.h"
#include "networks/family.h"

ito_network_config ito_network_default(void) {
    return (ito_network_config){
        .architecture = ITO_NCSNPP,
        .image_size = 32,
        .channels = 3,
        .centered = true,
        .sigma_min = 0.01,
        .sigma_max = 50,
        .num_scales = 1000,
        .nf = 128,
        .nonlinearity = ITO_ACTIVATION_SWISH,
        .levels = 4,
        .ch_mult = {1, 2, 2, 2},
        .num_res_blocks = 4,
        .attn_count = 1,
        .attn_resolutions = {16},
        .dropout = 0.1,
        .resamp_with_conv = true,
        .conditional = true,
        .fir_taps = 4,
        .fir_kernel = {1, 3, 3, 1},
        .skip_rescale = true,
        .resblock_type = ITO_RESBLOCK_BIGGAN,
        .embedding_type = ITO_EMBEDDING_POSITIONAL,
        .fourier_scale = 16,
        .progressive = ITO_PROGRESSIVE_NONE,
        .progressive_input = ITO_PROGRESSIVE_NONE,
        .progressive_combine = ITO_COMBINE_SUM,
        .norm_eps = 1e-6,
        .embed_freq_shift = 1,
        .class_dropout = 0.1,
    };
}

ito_network_config ito_network_default_of(ito_architecture a) {
    ito_network_config c = ito_network_default();
    c.architecture = a;
    switch (a) {
    case ITO_DDPM:
        c.num_res_blocks = 2;
        c.norm_groups = 32;
        break;
    case ITO_NCSNV2_64:
    case ITO_NCSNV2_128:
    case ITO_NCSNV2_256:
        c.nonlinearity = ITO_ACTIVATION_ELU;
        c.centered = false;
        c.num_scales = 232;
        break;
    case ITO_NCSN:
        c.nonlinearity = ITO_ACTIVATION_ELU;
        c.centered = false;
        c.num_scales = 10;
        c.sigma_max = 1;
        break;
    case ITO_MLP:
        c.image_size = 1;
        c.channels = 2;
        break;
    default: break;
    }
    return c;
}

/* min <= value <= max. The upper ends keep every product of dimensions far from overflow. */
static ito_status range(const char *field, int64_t value, int64_t min, int64_t max, ito_error *err) {
    if (value >= min && value <= max) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "%s: is %lld: use %lld to %lld", field, (long long)value,
                         (long long)min, (long long)max);
}

/* ---- what all have ---- */

static ito_status check_classes(const ito_network_config *c, ito_error *err) {
    ito_status st = range("classes", c->classes, 0, 1 << 20, err);
    if (st != ITO_OK || c->classes == 0) return st;
    if (!ito__families[c->architecture].knows_classes)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "classes: %s is not conditioned on classes: use 0, or ncsnpp, ddpm or mlp",
                             ito_architecture_name(c->architecture));
    if (!c->conditional)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "classes: join the time embedding, which a network with conditional false has "
                             "not: set conditional to true");
    if (!(c->class_dropout >= 0 && c->class_dropout <= 1))
        return ito_error_set(err, ITO_E_ARG, "class_dropout: is %g: use a share in [0, 1]", c->class_dropout);
    return ITO_OK;
}

ito_status ito__config_check_fields(const ito_network_config *c, ito_error *err) {
    ito_status st;
    if ((st = range("architecture", c->architecture, 0, ITO_ARCHITECTURE_COUNT - 1, err)) != ITO_OK)
        return st;
    if ((st = range("image_size", c->image_size, 1, 1 << 14, err)) != ITO_OK) return st;
    if ((st = range("channels", c->channels, 1, 1 << 14, err)) != ITO_OK) return st;
    if ((st = range("nonlinearity", c->nonlinearity, 0, ITO_ACTIVATION_LRELU, err)) != ITO_OK) return st;
    if ((st = ito__families[c->architecture].check(c, err)) != ITO_OK) return st;
    return check_classes(c, err);
}

bool ito__attends(const ito_network_config *c, int level) {
    for (int i = 0; i < c->attn_count; i++)
        if (c->attn_resolutions[i] == c->image_size >> level) return true;
    return false;
}

bool ito__labels_are_sigma(const ito_network_config *c) {
    return c->embedding_type == ITO_EMBEDDING_FOURIER &&
           (c->architecture == ITO_NCSNPP || c->architecture == ITO_MLP);
}

/* Of networks whose labels are places in a discrete chain of noise levels. */
static ito_status check_scales(const ito_network_config *c, ito_error *err) {
    ito_status st = range("num_scales", c->num_scales, 2, 1 << 20, err);
    if (st != ITO_OK) return st;
    if (!(c->sigma_min > 0 && c->sigma_max >= c->sigma_min && c->sigma_max <= 1e9))
        return ito_error_set(err, ITO_E_ARG,
                             "sigma_min, sigma_max: are %g, %g: use 0 < sigma_min <= sigma_max <= 1e9",
                             c->sigma_min, c->sigma_max);
    return ITO_OK;
}

static ito_status check_embedding(const ito_network_config *c, ito_error *err) {
    ito_status st = range("embedding_type", c->embedding_type, 0, ITO_EMBEDDING_FOURIER, err);
    if (st != ITO_OK) return st;
    if (c->embedding_type == ITO_EMBEDDING_FOURIER && !(c->fourier_scale > 0 && c->fourier_scale <= 1e6))
        return ito_error_set(err, ITO_E_ARG, "fourier_scale: is %g: use a positive number, as 16",
                             c->fourier_scale);
    return ITO_OK;
}

/* ---- NCSN++ and DDPM ---- */

static ito_status check_details(const ito_network_config *c, ito_error *err) {
    ito_status st;
    if ((st = range("norm_groups", c->norm_groups, 0, 1 << 14, err)) != ITO_OK) return st;
    if ((st = range("embed_freq_shift", c->embed_freq_shift, 0, 1, err)) != ITO_OK) return st;
    if (!(c->norm_eps > 0 && c->norm_eps < 1))
        return ito_error_set(err, ITO_E_ARG, "norm_eps: is %g: use a small positive number, as 1e-6",
                             c->norm_eps);
    if ((st = range("attn_head_dim", c->attn_head_dim, 0, 1 << 14, err)) != ITO_OK || !c->attn_head_dim)
        return st;
    for (int i = 0; i < c->levels; i++) {
        bool attends = i == c->levels - 1 || ito__attends(c, i); /* the middle always does */
        if (attends && c->nf * c->ch_mult[i] % c->attn_head_dim != 0)
            return ito_error_set(err, ITO_E_SHAPE,
                                 "attn_head_dim: %lld does not divide the %lld channels of level %d: use one "
                                 "that divides nf",
                                 (long long)c->attn_head_dim, (long long)(c->nf * c->ch_mult[i]), i);
    }
    return ITO_OK;
}

/* The U-Net's sizes. */
static ito_status check_unet(const ito_network_config *c, ito_error *err) {
    int64_t grain = c->norm_groups > 0 ? c->norm_groups : 4;
    ito_status st;
    if ((st = range("nf", c->nf, 4, 1 << 14, err)) != ITO_OK) return st;
    if (c->nf % grain != 0)
        return ito_error_set(err, ITO_E_SHAPE, "nf: %lld does not divide by %lld: use a multiple of it",
                             (long long)c->nf, (long long)grain);
    if ((st = range("ch_mult: number of levels", c->levels, 1, ITO_MAX_LEVELS, err)) != ITO_OK) return st;
    for (int i = 0; i < c->levels; i++)
        if ((st = range("ch_mult", c->ch_mult[i], 1, 1 << 10, err)) != ITO_OK) return st;
    if (c->image_size % (1 << (c->levels - 1)) != 0)
        return ito_error_set(err, ITO_E_SHAPE,
                             "image_size: %lld does not divide by %d = 2^(levels - 1): pad the images or use "
                             "fewer levels in ch_mult",
                             (long long)c->image_size, 1 << (c->levels - 1));
    if ((st = range("num_res_blocks", c->num_res_blocks, 1, ITO__MAX_RES_BLOCKS, err)) != ITO_OK) return st;
    if ((st = range("attn_resolutions: number of entries", c->attn_count, 0, ITO_MAX_LEVELS, err)) != ITO_OK)
        return st;
    if (!(c->dropout >= 0 && c->dropout < 1))
        return ito_error_set(err, ITO_E_ARG, "dropout: is %g: use a rate in [0, 1)", c->dropout);
    if ((st = check_details(c, err)) != ITO_OK) return st;
    return c->scale_by_sigma && !ito__labels_are_sigma(c) ? check_scales(c, err) : ITO_OK;
}

static ito_status check_fir(const ito_network_config *c, ito_error *err) {
    if (!c->fir) return ITO_OK;
    ito_status st = range("fir_kernel: number of taps", c->fir_taps, 2, 8, err);
    if (st != ITO_OK) return st;
    int64_t sum = 0;
    for (int i = 0; i < c->fir_taps; i++) {
        if ((st = range("fir_kernel", c->fir_kernel[i], -(1 << 20), 1 << 20, err)) != ITO_OK) return st;
        sum += c->fir_kernel[i];
    }
    if (sum <= 0)
        return ito_error_set(err, ITO_E_ARG,
                             "fir_kernel: taps sum to %lld: use taps of positive sum, as 1, 3, 3, 1",
                             (long long)sum);
    return ITO_OK;
}

ito_status ito__check_ncsnpp(const ito_network_config *c, ito_error *err) {
    ito_status st;
    if ((st = check_unet(c, err)) != ITO_OK) return st;
    if ((st = check_fir(c, err)) != ITO_OK) return st;
    if ((st = range("resblock_type", c->resblock_type, 0, ITO_RESBLOCK_DDPM, err)) != ITO_OK) return st;
    if ((st = range("progressive", c->progressive, 0, ITO_PROGRESSIVE_RESIDUAL, err)) != ITO_OK) return st;
    if ((st = range("progressive_input", c->progressive_input, 0, ITO_PROGRESSIVE_RESIDUAL, err)) != ITO_OK)
        return st;
    if ((st = range("progressive_combine", c->progressive_combine, 0, ITO_COMBINE_CAT, err)) != ITO_OK)
        return st;
    if (!(c->init_scale >= 0 && c->init_scale <= 1e6))
        return ito_error_set(err, ITO_E_ARG, "init_scale: is %g: use 0 (tiny) or more", c->init_scale);
    return check_embedding(c, err);
}

ito_status ito__check_ddpm(const ito_network_config *c, ito_error *err) {
    return check_unet(c, err);
}

/* ---- NCSN and NCSNv2 ---- */

ito_status ito__check_ncsn(const ito_network_config *c, ito_error *err) {
    ito_status st;
    int64_t halvings = c->architecture == ITO_NCSNV2_256 ? 3 : c->architecture == ITO_NCSNV2_128 ? 2 : 1;
    if ((st = range("nf", c->nf, 2, 1 << 14, err)) != ITO_OK) return st;
    if ((st = range("normalization", c->normalization, 0, ITO_NORMALIZATION_VARIANCE, err)) != ITO_OK)
        return st;
    if (c->architecture == ITO_NCSN && c->normalization != ITO_NORMALIZATION_INSTANCE_PLUS)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "normalization: the norms of ncsn are conditioned on the label, as only "
                             "InstanceNorm++ is: use that, or an ncsnv2");
    if (c->normalization == ITO_NORMALIZATION_VARIANCE && c->image_size >> halvings < 2)
        return ito_error_set(
            err, ITO_E_SHAPE,
            "image_size: %lld leaves one pixel after %lld halvings, which has no variance: use "
            "larger images than %lld",
            (long long)c->image_size, (long long)halvings, (long long)1 << halvings);
    if (c->image_size % (1 << halvings) != 0)
        return ito_error_set(err, ITO_E_SHAPE,
                             "image_size: %lld does not divide by %d, as %s halves it: pad "
                             "the images",
                             (long long)c->image_size, 1 << halvings, ito_architecture_name(c->architecture));
    return check_scales(c, err);
}

/* ---- MLP ---- */

ito_status ito__check_mlp(const ito_network_config *c, ito_error *err) {
    ito_status st;
    if ((st = range("nf", c->nf, 4, 1 << 14, err)) != ITO_OK) return st;
    if (c->nf % 2 != 0)
        return ito_error_set(err, ITO_E_SHAPE, "nf: %lld is odd: sines and cosines come in pairs",
                             (long long)c->nf);
    if ((st = range("num_res_blocks", c->num_res_blocks, 1, ITO__MAX_RES_BLOCKS, err)) != ITO_OK) return st;
    if (c->scale_by_sigma && !ito__labels_are_sigma(c) && (st = check_scales(c, err)) != ITO_OK) return st;
    return check_embedding(c, err);
}
