/* SPDX-License-Identifier: Apache-2.0
 *
 * Score networks: functions that build graphs.
 *
 *   1. ito_network_default, set fields, ito_network_check     choose a member of the NCSN++ family
 *   2. ito_network_build                                      its nodes, for training or a plan of your own
 *   3. ito_params_create, then ito_params_init or a file      its weights
 *   4. ito_network_score_create, ito_network_score_view       the network as a score function for dynamics.h
 *
 * Parameter names are the published checkpoints' own (all_modules.3.Conv_0.weight, without "module."), made
 * in the published order. Frozen Fourier frequencies are a buffer; everything else is trainable. A graph
 * holds one network: names are unique.
 */
#ifndef ITO_NETWORKS_H
#define ITO_NETWORKS_H

#include <ito/dynamics.h>
#include <ito/engine.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef enum ito_resblock { ITO_RESBLOCK_BIGGAN, ITO_RESBLOCK_DDPM } ito_resblock;
typedef enum ito_time_embedding { ITO_EMBEDDING_POSITIONAL, ITO_EMBEDDING_FOURIER } ito_time_embedding;
typedef enum ito_progressive {
    ITO_PROGRESSIVE_NONE,
    ITO_PROGRESSIVE_SKIP,
    ITO_PROGRESSIVE_RESIDUAL
} ito_progressive;
typedef enum ito_combine { ITO_COMBINE_SUM, ITO_COMBINE_CAT } ito_combine;

#define ITO_MAX_LEVELS 10

/* The NCSN++ family in one builder ([SDE] App. H). Beside each field: DDPM++ | NCSN++ of CIFAR-10. */
typedef struct ito_network_config {
    int64_t image_size, channels;    /* 32, 3 */
    bool centered;                   /* data in [-1, 1]; otherwise the network maps x to 2x - 1 */
    int64_t nf;                      /* 128 */
    int levels;                      /* entries of ch_mult */
    int64_t ch_mult[ITO_MAX_LEVELS]; /* 1, 2, 2, 2 */
    int64_t num_res_blocks;          /* 4 (8 for deep) */
    int attn_count;
    int64_t attn_resolutions[ITO_MAX_LEVELS]; /* 16 */
    double dropout;                           /* 0.1 */
    bool resamp_with_conv;                    /* true */
    bool conditional;                         /* true: conditioned on t */
    bool fir;                                 /* false | true */
    int fir_taps;
    int64_t fir_kernel[8];             /* 1, 3, 3, 1 */
    bool skip_rescale;                 /* true: (x + h) / sqrt 2 */
    ito_resblock resblock_type;        /* biggan */
    ito_time_embedding embedding_type; /* positional | fourier */
    double fourier_scale;              /* 16 */
    ito_progressive progressive;       /* none */
    ito_progressive progressive_input; /* none | residual */
    ito_combine progressive_combine;   /* sum */
    bool scale_by_sigma;               /* false | true */
    double init_scale;                 /* 0 */
} ito_network_config;

/* DDPM++ of CIFAR-10 (vp_ddpmpp_continuous). */
ito_network_config ito_network_default(void);
/* ARG/SHAPE names the first field that does not fit ("image_size 30 does not divide by 8 = 2^(levels - 1)").
 */
ito_status ito_network_check(const ito_network_config *c, ito_error *err);

/* x [B, C, S, S], labels [B] (SPEC section 3: 999 t, or sigma) -> [B, C, S, S]. With train, dropout is
 * active. */
ito_node *ito_network_build(const ito_network_config *c, ito_node *x, ito_node *labels, bool train);

/* What a network's output means, SPEC section 3: VP/sub-VP continuous: label 999 t, score = -out / b(t);
 * VE continuous: label sigma(t), score = out. The one place that knows. */
double ito_network_label(const ito_sde *sde, bool continuous, double t);
/* score = ito_network_score_factor * out */
double ito_network_score_factor(const ito_sde *sde, bool continuous, double t);

/* A network as a score function: eval runs `batch` samples at a time (remainders padded), rounding to float.
 * Belongs to one thread at a time. */
typedef struct ito_network_score ito_network_score;
typedef struct ito_network_score_options {
    int64_t batch;         /* 64 */
    bool continuous;       /* labels: true */
    ito_plan_options plan; /* precision ITO_F32; frozen is set by the function */
    bool with_vjp;         /* also plan the gradient with respect to x */
} ito_network_score_options;
ito_network_score_options ito_network_score_default(void);
/* params is borrowed and must outlive the score. */
ito_status ito_network_score_create(const ito_network_config *c, const ito_sde *sde, ito_params *params,
                                    const ito_network_score_options *options, ito_network_score **out,
                                    ito_error *err);
void ito_network_score_free(ito_network_score *s);
ito_score ito_network_score_view(ito_network_score *s); /* borrowed */
/* The raw network: out[k] = net(x[k], labels[k]); x, out [n, C, S, S] floats, labels [n]. */
ito_status ito_network_score_forward(ito_network_score *s, int64_t n, const float *x, const float *labels,
                                     float *out, ito_error *err);
const ito_plan *ito_network_score_plan(const ito_network_score *s); /* of the forward pass; borrowed */

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
