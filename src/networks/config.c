/* SPDX-License-Identifier: Apache-2.0
 *
 * Network configurations: the published default and what a valid one is.
 */
#include "networks/config.h"

ito_network_config ito_network_default(void) {
    return (ito_network_config){
        .image_size = 32,
        .channels = 3,
        .centered = true,
        .nf = 128,
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
    };
}

/* min <= value <= max. The upper ends keep every product of dimensions far from overflow. */
static ito_status range(const char *field, int64_t value, int64_t min, int64_t max, ito_error *err) {
    if (value >= min && value <= max) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "%s: is %lld: use %lld to %lld", field, (long long)value,
                         (long long)min, (long long)max);
}

static ito_status check_sizes(const ito_network_config *c, ito_error *err) {
    ito_status st;
    if ((st = range("image_size", c->image_size, 1, 1 << 14, err)) != ITO_OK) return st;
    if ((st = range("channels", c->channels, 1, 1 << 14, err)) != ITO_OK) return st;
    if ((st = range("nf", c->nf, 4, 1 << 14, err)) != ITO_OK) return st;
    if (c->nf % 4 != 0)
        return ito_error_set(err, ITO_E_SHAPE, "nf: %lld does not divide by 4: use a multiple of 4",
                             (long long)c->nf);
    if ((st = range("ch_mult: number of levels", c->levels, 1, ITO_MAX_LEVELS, err)) != ITO_OK) return st;
    for (int i = 0; i < c->levels; i++)
        if ((st = range("ch_mult", c->ch_mult[i], 1, 1 << 10, err)) != ITO_OK) return st;
    if (c->image_size % (1 << (c->levels - 1)) != 0)
        return ito_error_set(err, ITO_E_SHAPE,
                             "image_size: %lld does not divide by %d = 2^(levels - 1): pad the images or use "
                             "fewer levels in ch_mult",
                             (long long)c->image_size, 1 << (c->levels - 1));
    if ((st = range("num_res_blocks", c->num_res_blocks, 1, ITO__MAX_RES_BLOCKS, err)) != ITO_OK) return st;
    return range("attn_resolutions: number of entries", c->attn_count, 0, ITO_MAX_LEVELS, err);
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

ito_status ito__config_check_fields(const ito_network_config *c, ito_error *err) {
    ito_status st;
    if ((st = check_sizes(c, err)) != ITO_OK) return st;
    if ((st = check_fir(c, err)) != ITO_OK) return st;
    if ((st = range("resblock_type", c->resblock_type, 0, ITO_RESBLOCK_DDPM, err)) != ITO_OK) return st;
    if ((st = range("embedding_type", c->embedding_type, 0, ITO_EMBEDDING_FOURIER, err)) != ITO_OK) return st;
    if ((st = range("progressive", c->progressive, 0, ITO_PROGRESSIVE_RESIDUAL, err)) != ITO_OK) return st;
    if ((st = range("progressive_input", c->progressive_input, 0, ITO_PROGRESSIVE_RESIDUAL, err)) != ITO_OK)
        return st;
    if ((st = range("progressive_combine", c->progressive_combine, 0, ITO_COMBINE_CAT, err)) != ITO_OK)
        return st;
    if (!(c->dropout >= 0 && c->dropout < 1))
        return ito_error_set(err, ITO_E_ARG, "dropout: is %g: use a rate in [0, 1)", c->dropout);
    if (!(c->init_scale >= 0 && c->init_scale <= 1e6))
        return ito_error_set(err, ITO_E_ARG, "init_scale: is %g: use 0 (tiny) or more", c->init_scale);
    if (c->embedding_type == ITO_EMBEDDING_FOURIER && !(c->fourier_scale > 0 && c->fourier_scale <= 1e6))
        return ito_error_set(err, ITO_E_ARG, "fourier_scale: is %g: use a positive number, as 16",
                             c->fourier_scale);
    if (c->scale_by_sigma && c->embedding_type != ITO_EMBEDDING_FOURIER)
        return ito_error_set(err, ITO_E_UNSUPPORTED,
                             "scale_by_sigma: needs labels that are sigma itself, which only the fourier "
                             "embedding takes: set embedding_type to fourier");
    return ITO_OK;
}

/* Whether all channel counts fit their norms shows only along the walk: build one, at batch 1. */
ito_status ito_network_check(const ito_network_config *c, ito_error *err) {
    ito_graph *g = NULL;
    ito_status st = ito__config_check_fields(c, err);
    if (st != ITO_OK) goto done;
    if ((st = ito_graph_create(&g, err)) != ITO_OK) goto done;
    ito_node *x = ito_input(g, "x", ITO_SHAPE(1, c->channels, c->image_size, c->image_size));
    ito_network_build(c, x, ito_input(g, "labels", ITO_SHAPE(1)), false);
    st = ito_graph_status(g, err);
done:
    ito_graph_free(g);
    return st;
}
