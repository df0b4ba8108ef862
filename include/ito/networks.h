/* SPDX-License-Identifier: Apache-2.0
 *
 * Score networks: functions that build graphs.
 *
 *   1. ito_network_default, set fields, ito_network_check     choose an architecture and its options
 *   2. ito_network_build                                      its nodes, for training or a plan of your own
 *   3. ito_params_create, then ito_params_init or a file      its weights
 *   4. ito_network_score_create, ito_network_score_view       the network as a score function for dynamics.h
 *
 * Parameter names are the published checkpoints' own (all_modules.3.Conv_0.weight, res1.0.conv1.weight,
 * without "module."), made in the published order. Frozen Fourier frequencies are a buffer; everything else
 * is trainable. A graph holds one network: names are unique.
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

/* By the names of the published configurations. */
typedef enum ito_architecture {
    ITO_NCSNPP,     /* NCSN++ and DDPM++, [SDE] App. H */
    ITO_DDPM,       /* [DDPM] */
    ITO_NCSNV2_64,  /* [NCSNv2] for images below 96 pixels, up to 128, and up to 256 */
    ITO_NCSNV2_128, /* one level deeper */
    ITO_NCSNV2_256, /* two levels deeper */
    ITO_NCSN,       /* [NCSN] */
    ITO_MLP,        /* residual layers on a point, told the time */
    ITO_ARCHITECTURE_COUNT
} ito_architecture;
/* "ncsnpp", "ddpm", "ncsnv2_64", "ncsnv2_128", "ncsnv2_256", "ncsn", "mlp" */
const char *ito_architecture_name(ito_architecture a);

typedef enum ito_activation {
    ITO_ACTIVATION_SWISH,
    ITO_ACTIVATION_ELU,
    ITO_ACTIVATION_RELU,
    ITO_ACTIVATION_LRELU /* x > 0 ? x : x / 5 */
} ito_activation;
/* Norms of NCSNv2, each channel of an image by itself: */
typedef enum ito_normalization {
    ITO_NORMALIZATION_INSTANCE_PLUS, /* "InstanceNorm++" [NCSN] App. A: mean and variance, and the means' own
                                      */
    ITO_NORMALIZATION_INSTANCE,      /* "InstanceNorm": mean 0, variance 1, nothing learned */
    ITO_NORMALIZATION_VARIANCE       /* "VarianceNorm": alpha x / sqrt(variance), the mean stays */
} ito_normalization;
typedef enum ito_resblock { ITO_RESBLOCK_BIGGAN, ITO_RESBLOCK_DDPM } ito_resblock;
typedef enum ito_time_embedding { ITO_EMBEDDING_POSITIONAL, ITO_EMBEDDING_FOURIER } ito_time_embedding;
typedef enum ito_progressive {
    ITO_PROGRESSIVE_NONE,
    ITO_PROGRESSIVE_SKIP,
    ITO_PROGRESSIVE_RESIDUAL
} ito_progressive;
typedef enum ito_combine { ITO_COMBINE_SUM, ITO_COMBINE_CAT } ito_combine;

#define ITO_MAX_LEVELS 10

/* Every architecture in one struct. A field is read by the architectures named beside it, and ignored by the
 * others; beside the NCSN++ fields: DDPM++ | NCSN++ of CIFAR-10. */
typedef struct ito_network_config {
    ito_architecture architecture;
    int64_t image_size, channels; /* 32, 3; a point is an image of one pixel with a channel per coordinate */
    bool centered;                /* data in [-1, 1]; otherwise the network maps x to 2x - 1 */
    /* The noise levels of a discrete VE chain, geometric from sigma_max (label 0) to sigma_min (label
     * num_scales - 1), for networks that take a label and divide by its sigma: NCSNv2 always, NCSN++ and
     * DDPM with scale_by_sigma and a positional embedding. NCSN has num_scales rows in its tables. */
    double sigma_min, sigma_max; /* 0.01, 50 */
    int64_t num_scales;          /* 1000 */
    int64_t nf;                  /* 128; mlp: width of its layers */
    ito_activation nonlinearity; /* swish; NCSN, NCSNv2: elu */
    /* NCSNv2; NCSN has the first alone, conditioned on the label. With InstanceNorm the norm before the last
     * convolution adds num_scales to the variance, as the published code comes to do. */
    ito_normalization normalization; /* InstanceNorm++ */
    /* NCSN++ and DDPM */
    int levels;                      /* entries of ch_mult */
    int64_t ch_mult[ITO_MAX_LEVELS]; /* 1, 2, 2, 2 */
    int64_t num_res_blocks;          /* 4 (8 for deep, 2 for DDPM); mlp: its residual blocks */
    int attn_count;
    int64_t attn_resolutions[ITO_MAX_LEVELS]; /* 16 */
    double dropout;                           /* 0.1 */
    bool resamp_with_conv;                    /* true */
    bool conditional;                         /* true: conditioned on t */
    bool scale_by_sigma;                      /* false | true; mlp: too */
    /* What [DDPM]'s own code and its descendants vary and [SDE] keeps: beside them, [SDE]; [DDPM]. */
    int64_t norm_groups;      /* 0: min(C / 4, 32), ddpm 32; 32 */
    double norm_eps;          /* 1e-6 */
    int64_t attn_head_dim;    /* 0: one head of all channels; 0 */
    bool attn_every_up;       /* false: after the last block of a level on the way up; true: after each */
    bool pad_evenly;          /* false: a halving convolution pads below and right alone; false */
    int64_t embed_freq_shift; /* 1: 10000^(-i / (nf / 2 - 1)) are the positional frequencies; 1 */
    /* NCSN++ alone (embedding: mlp too) */
    bool fir; /* false | true */
    int fir_taps;
    int64_t fir_kernel[8];             /* 1, 3, 3, 1 */
    bool skip_rescale;                 /* true: (x + h) / sqrt 2 */
    ito_resblock resblock_type;        /* biggan */
    ito_time_embedding embedding_type; /* positional | fourier */
    double fourier_scale;              /* 16 */
    ito_progressive progressive;       /* none */
    ito_progressive progressive_input; /* none | residual */
    ito_combine progressive_combine;   /* sum */
    double init_scale;                 /* 0 */
    /* NCSN++, DDPM and mlp: conditioned on a class, for guidance without a classifier (Ho & Salimans 2022) */
    int64_t classes;      /* 0: none */
    double class_dropout; /* 0.1: share of training examples whose class is hidden */
} ito_network_config;

/* DDPM++ of CIFAR-10 (vp_ddpmpp_continuous). */
ito_network_config ito_network_default(void);
/* The same for another architecture: the published configuration of CIFAR-10 (nf 128, elu for NCSN and
 * NCSNv2, 232 and 10 noise levels), for mlp 128 wide, 4 blocks, points of two coordinates. */
ito_network_config ito_network_default_of(ito_architecture a);
/* ARG/SHAPE names the first field that does not fit ("image_size 30 does not divide by 8 = 2^(levels - 1)").
 */
ito_status ito_network_check(const ito_network_config *c, ito_error *err);
/* Does the output depend on labels? When not, a plan of it has no such input to bind. */
bool ito_network_reads_labels(const ito_network_config *c);

/* x [B, C, S, S], labels [B] (SPEC section 3: 999 t, sigma, or the index of a noise level) -> [B, C, S, S].
 * With train, dropout is active. A network with classes is asked for the score of no class in particular. */
ito_node *ito_network_build(const ito_network_config *c, ito_node *x, ito_node *labels, bool train);
/* The same of a network with classes: classes [B], 0 .. config.classes - 1, or config.classes where the class
 * is hidden (in training, class_dropout of the examples; to sample, the score of no class in particular). */
ito_node *ito_network_build_classes(const ito_network_config *c, ito_node *x, ito_node *labels,
                                    ito_node *classes, bool train);

/* What a network's output means, SPEC section 3. The one place that knows.
 *   VP, sub-VP   continuous: label 999 t, score = -out / b(t)
 *                discrete (VP): label i = round(t (N-1) / T), score = -out / sqrt(1 - abar_i)
 *   VE           continuous: label sigma(t), discrete: round((T - t) (N-1) / T), 0 the largest; score = out
 */
double ito_network_label(const ito_sde *sde, bool continuous, double t);
/* score = ito_network_score_factor * out */
double ito_network_score_factor(const ito_sde *sde, bool continuous, double t);

/* A network as a score function: eval runs `batch` samples at a time (remainders padded), rounding to float.
 * Belongs to one thread at a time. */
typedef struct ito_network_score ito_network_score;
typedef struct ito_network_score_options {
    int64_t batch;   /* 64 */
    bool continuous; /* labels: true */
    bool raw_labels; /* VP, discrete: t (N-1) / T unrounded, as the published samples were made: false */
    /* Of a network with classes: s(x, t | class) weighed against s(x, t) of no class in particular,
     * s + guidance (s(class) - s): 0 ignores the class, 1 is the class's own score, more exaggerates it at
     * the price of a second run of the network. Ho & Salimans 2022. */
    int64_t class_index;   /* -1: none */
    double guidance;       /* 1 */
    ito_plan_options plan; /* precision ITO_F32 or ITO_BF16; frozen is set by the function */
    bool with_vjp;         /* also plan the gradient with respect to x */
} ito_network_score_options;
ito_network_score_options ito_network_score_default(void);
/* params is borrowed and must outlive the score. */
ito_status ito_network_score_create(const ito_network_config *c, const ito_sde *sde, ito_params *params,
                                    const ito_network_score_options *options, ito_network_score **out,
                                    ito_error *err);
/* Memory that ito_network_score_create would take for workspaces and one batch, params apart. Plans, and
 * allocates none of it. */
ito_status ito_network_score_bytes(const ito_network_config *c, const ito_network_score_options *options,
                                   size_t *bytes, ito_error *err);
void ito_network_score_free(ito_network_score *s);
ito_score ito_network_score_view(ito_network_score *s); /* borrowed */
/* The raw network: out[k] = net(x[k], labels[k]); x, out [n, C, S, S] floats, labels [n]; of the options'
 * class and guidance, which weighs outputs as it does scores. */
ito_status ito_network_score_forward(ito_network_score *s, int64_t n, const float *x, const float *labels,
                                     float *out, ito_error *err);
/* The same with a class for each row: classes [n], 0 .. config.classes - 1, or -1 for none. ARG names the
 * first row whose class the network has not. */
ito_status ito_network_score_forward_classes(ito_network_score *s, int64_t n, const float *x,
                                             const float *labels, const int64_t *classes, float *out,
                                             ito_error *err);
const ito_plan *ito_network_score_plan(const ito_network_score *s); /* of the forward pass; borrowed */

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
