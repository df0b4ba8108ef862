/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes and models. A recipe is everything but the weights: data, SDE, network, objective, training and
 * sampling settings, written as YAML with those sections. A model is one .safetensors: weights and, in its
 * metadata under "recipe", the whole recipe; a model file alone is enough to run.
 */
#ifndef ITO_RECIPE_H
#define ITO_RECIPE_H

#include <ito/data.h>
#include <ito/networks.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct ito_objective_config {
    bool continuous;           /* true: DSM, [SDE] Eq 7 */
    bool reduce_mean;          /* mean over dimensions; otherwise half the sum */
    bool likelihood_weighting; /* false */
    double eps;                /* smallest t: 1e-5 */
} ito_objective_config;

typedef struct ito_training_config {
    int64_t batch_size;       /* 128 */
    int64_t steps;            /* 1300000 */
    uint64_t seed;            /* 42 */
    double lr;                /* 2e-4 */
    double beta1, beta2;      /* 0.9, 0.999 */
    double adam_eps;          /* 1e-8 */
    double weight_decay;      /* 0 */
    int64_t warmup;           /* 5000 steps */
    double grad_clip;         /* 1; 0 = off */
    double ema_rate;          /* 0.9999 */
    int64_t log_every;        /* 50 steps */
    int64_t checkpoint_every; /* 10000 */
    int64_t keep_checkpoints; /* 2: older ones are removed */
    int64_t sample_every;     /* 50000; 0 = never */
    int64_t sample_count;     /* 64 */
} ito_training_config;

typedef struct ito_sampling_config {
    char sampler[32];        /* "pc"; a kind of ito/sampler.h */
    char predictor[32];      /* "euler_maruyama" */
    char corrector[32];      /* "none" */
    int64_t steps;           /* 1000 */
    int64_t corrector_steps; /* 1 */
    double snr;              /* 0.16 */
    char grid[32];           /* "uniform" */
    double eps;              /* 0 = the SDE's */
    double rtol, atol;       /* 1e-5 both: of ODE samplers */
    bool batch_norms;        /* Langevin norms over the batch, as the published recipes */
    bool probability_flow;
    bool raw_labels;     /* these three as of ito_network_score_options: false */
    int64_t class_index; /* "class": -1 */
    double guidance;     /* 1 */
    bool noise_removal;
} ito_sampling_config;

typedef struct ito_recipe {
    char name[128];
    ito_data_config data;
    ito_sde sde;
    ito_network_config network; /* image_size, channels, centered are data's */
    ito_objective_config objective;
    ito_training_config training;
    ito_sampling_config sampling;
} ito_recipe;

ito_recipe ito_recipe_default(void);
/* Parses YAML text; `where` names it in messages. Unknown keys are errors that name the nearest known key;
 * omitted keys keep ito_recipe_default. Checks ranges of every field. */
ito_status ito_recipe_parse(const char *text, size_t length, const char *where, ito_recipe *out,
                            ito_error *err);
ito_status ito_recipe_read(const char *path, ito_recipe *out, ito_error *err);
/* "training.lr=1e-3" as on the command line; unknown keys as above. Checks the one field; call
 * ito_recipe_check after the last assignment, since two fields may only fit once both are set. */
ito_status ito_recipe_set(ito_recipe *r, const char *assignment, ito_error *err);
/* Every field's range and the rules between fields. The message starts with `where`. */
ito_status ito_recipe_check(const ito_recipe *r, const char *where, ito_error *err);
/* The complete recipe as YAML, every field, in a fixed order; parsing it gives the same recipe. free(). */
ito_status ito_recipe_print(const ito_recipe *r, char **text, ito_error *err);
/* The default recipe with a comment beside each field: the manual of recipes. free(). */
ito_status ito_recipe_reference(char **text, ito_error *err);

/* ---- models ---- */

typedef enum ito_weights { ITO_WEIGHTS_EMA, ITO_WEIGHTS_LIVE } ito_weights;

typedef struct ito_model {
    ito_recipe recipe;
    ito_params *params; /* of the chosen kind */
    int64_t step;       /* of training; 0 if unknown */
    int64_t images;     /* seen in training; 0 if unknown */
    char path[1024];    /* the file the weights came from */
} ito_model;

/* `path` is a model or checkpoint .safetensors, a run directory (its newest good checkpoint), a bundled name
 * ("fashion": fashion.safetensors in $ITO_MODELS or, without it, in the install or source tree), or a .pth
 * with a recipe, or the folder of a UNet2DModel of diffusers (config.json and its weights), which maps onto
 * ddpm or ncsnpp or is refused with the name of the block or field. `recipe` overrides the one in the file;
 * NULL otherwise. Tensors are stored as "<name>" (EMA, model files) or "ema/<name>", "live/<name>",
 * "adam_m/<name>", "adam_v/<name>" (checkpoints). */
ito_status ito_model_load(const char *path, ito_weights weights, const ito_recipe *recipe, ito_model **out,
                          ito_error *err);
void ito_model_free(ito_model *m);
/* Writes a model file; with bf16, weights are stored as bfloat16 (loading gives float again). */
ito_status ito_model_save(const ito_model *m, const char *path, bool bf16, ito_error *err);

/* What a conversion writes: a model file with one set of weights; both sets, as "ema/<name>" and
 * "live/<name>"; or a checkpoint that training resumes from, with both and Adam's moments. */
typedef enum ito_convert_content {
    ITO_CONVERT_EMA,
    ITO_CONVERT_LIVE,
    ITO_CONVERT_BOTH,
    ITO_CONVERT_CHECKPOINT,
    ITO_CONVERT_COUNT
} ito_convert_content;
typedef struct ito_convert_options {
    ito_convert_content content;
    bool bf16;             /* weights as bfloat16; not for checkpoints */
    ito_progress progress; /* of bytes, written and then read back */
} ito_convert_options;
typedef struct ito_convert_report {
    int64_t parameters; /* trainable ones of one set */
    int64_t bytes;      /* of all tensors written */
    int64_t step;
    bool moments; /* Adam's were there; without them they are zeros and a checkpoint starts them anew */
} ito_convert_report;
/* From what ito_model_load reads, but folders of diffusers, to a file at `to`, straight from the mapped
 * source: memory does not grow with the model. What was written is read back and compared before the file
 * gets its name. recipe as for ito_model_load. Errors: as there; IO when the disk gives back something else.
 */
ito_status ito_model_convert(const char *from, const ito_recipe *recipe, const char *to,
                             const ito_convert_options *o, ito_convert_report *report, ito_error *err);
/* The recipe inside a model or checkpoint, without its weights. */
ito_status ito_model_recipe(const char *path, ito_recipe *out, ito_error *err);

/* Writes the folder of a UNet2DModel of Hugging Face's diffusers: config.json, scheduler_config.json and
 * diffusion_pytorch_model.safetensors. UNSUPPORTED names the field that it has no place for. Reading the
 * folder gives the same weights, bit for bit. After a failure the folder holds the model that it held before,
 * or none: config.json, which makes it one, goes first and comes last. */
ito_status ito_model_save_diffusers(const ito_model *m, const char *folder, ito_error *err);

/* The graph whose parameters a recipe's network has, without running it: count, names, shapes. */
ito_status ito_recipe_params(const ito_recipe *r, ito_params **out, ito_error *err);

/* The newest checkpoint (*.safetensors) of a folder that reads back whole; NULL in *path if there is none.
 * free(). A damaged newer one is skipped and named in *skipped (free(); NULL if none). */
ito_status ito_checkpoint_newest(const char *folder, char **path, char **skipped, ito_error *err);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
