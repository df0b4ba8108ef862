/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of recipe fields, the defaults, and the search for the nearest known key.
 */
#include "models/recipe_schema.h"

#include <assert.h>
#include <ito/sampler.h>
#include <string.h>

static const char *const sde_words[] = {
    [ITO_SDE_VE] = "ve", [ITO_SDE_VP] = "vp", [ITO_SDE_SUBVP] = "subvp", NULL};
static_assert(sizeof sde_words / sizeof *sde_words == ITO_SDE_NETWORK_COUNT + 1,
              "one word for each SDE that networks know");
static const char *const architecture_words[] = {[ITO_NCSNPP] = "ncsnpp",
                                                 [ITO_DDPM] = "ddpm",
                                                 [ITO_NCSNV2_64] = "ncsnv2_64",
                                                 [ITO_NCSNV2_128] = "ncsnv2_128",
                                                 [ITO_NCSNV2_256] = "ncsnv2_256",
                                                 [ITO_NCSN] = "ncsn",
                                                 [ITO_MLP] = "mlp",
                                                 NULL};
static_assert(sizeof architecture_words / sizeof *architecture_words == ITO_ARCHITECTURE_COUNT + 1,
              "one word for each architecture");
static const char *const activation_words[] = {[ITO_ACTIVATION_SWISH] = "swish",
                                               [ITO_ACTIVATION_ELU] = "elu",
                                               [ITO_ACTIVATION_RELU] = "relu",
                                               [ITO_ACTIVATION_LRELU] = "lrelu",
                                               NULL};
static const char *const normalization_words[] = {[ITO_NORMALIZATION_INSTANCE_PLUS] = "InstanceNorm++",
                                                  [ITO_NORMALIZATION_INSTANCE] = "InstanceNorm",
                                                  [ITO_NORMALIZATION_VARIANCE] = "VarianceNorm",
                                                  NULL};
static const char *const resblock_words[] = {
    [ITO_RESBLOCK_BIGGAN] = "biggan", [ITO_RESBLOCK_DDPM] = "ddpm", NULL};
static const char *const embedding_words[] = {
    [ITO_EMBEDDING_POSITIONAL] = "positional", [ITO_EMBEDDING_FOURIER] = "fourier", NULL};
static const char *const progressive_words[] = {[ITO_PROGRESSIVE_NONE] = "none",
                                                [ITO_PROGRESSIVE_SKIP] = "output_skip",
                                                [ITO_PROGRESSIVE_RESIDUAL] = "residual",
                                                NULL};
static const char *const progressive_input_words[] = {[ITO_PROGRESSIVE_NONE] = "none",
                                                      [ITO_PROGRESSIVE_SKIP] = "input_skip",
                                                      [ITO_PROGRESSIVE_RESIDUAL] = "residual",
                                                      NULL};
static const char *const combine_words[] = {[ITO_COMBINE_SUM] = "sum", [ITO_COMBINE_CAT] = "cat", NULL};

/* A recipe has all settings of its own, so it names kinds; presets are for those who have none. */
static const char *sampler_at(int index) {
    return index < ITO_SAMPLER_KIND_COUNT ? ito_sampler_name(index) : NULL;
}

#define AT(section, key) #section, #key, offsetof(ito_recipe, section.key)
#define CAPACITY(section, key)                                                                               \
    .capacity = sizeof(((ito_recipe *)0)->section.key) / sizeof(((ito_recipe *)0)->section.key[0])
#define OF(a)    (1u << ITO_##a)
#define PP       .architectures = OF(NCSNPP)
#define UNET     .architectures = OF(NCSNPP) | OF(DDPM)
#define PP_MLP   .architectures = OF(NCSNPP) | OF(MLP)
#define UNET_MLP .architectures = OF(NCSNPP) | OF(DDPM) | OF(MLP)
#define NCSN     .architectures = OF(NCSN) | OF(NCSNV2_64) | OF(NCSNV2_128) | OF(NCSNV2_256)
#define BIG      1e15 /* every whole number up to here is a double, so ranges of counts can be doubles */

static const ito__field fields[] = {
    {"", "name", offsetof(ito_recipe, name), ITO__FIELD_NAME, .help = "names the run directory runs/<name>/",
     .capacity = sizeof(((ito_recipe *)0)->name)},

    {AT(data, dataset), ITO__FIELD_NAME,
     .help = "fashion_mnist, cifar10, folder, ...: see docs/data.md; points (of a file) or gmm:NAME (drawn)",
     CAPACITY(data, dataset)},
    {AT(data, path), ITO__FIELD_TEXT,
     .help =
         "where its files are; empty: data/NAME, or where its Debian package puts them; points: .npz, .npy "
         "or .csv",
     CAPACITY(data, path)},
    {AT(data, image_size), ITO__FIELD_INT, 1, 4096,
     .help = "pixels a side; images are resized, those of MNIST's family padded; points: 1"},
    {AT(data, channels), ITO__FIELD_INT, 1, 64, .help = "1 grey, 3 colour; points: their numbers"},
    {AT(data, centered), ITO__FIELD_BOOL, .help = "states in [-1, 1]; otherwise in [0, 1]"},
    {AT(data, uniform_dequantization), ITO__FIELD_BOOL, .help = "train on (byte + u) / 256"},
    {AT(data, random_flip), ITO__FIELD_BOOL, .help = "mirror half of the training images"},
    {AT(data, class_folders), ITO__FIELD_BOOL, .help = "image files: each sub-folder is a class"},
    {AT(data, limit), ITO__FIELD_INT, 0, BIG, .help = "use the first images or points only; 0: all"},
    {AT(data, cache_mb), ITO__FIELD_INT, 0, 1e9,
     .help = "image files: keep so many megabytes of prepared images in memory"},

    {"sde", "type", offsetof(ito_recipe, sde.kind), ITO__FIELD_ENUM,
     .help = "ve, vp or subvp: [SDE] Eqs 9-12", .words = sde_words},
    {AT(sde, T), ITO__FIELD_REAL, 1e-6, 1e6, .help = "the noise grows on [0, T]"},
    {AT(sde, steps), ITO__FIELD_INT, 2, 1e9, .help = "length N of the discrete chain and its tables"},
    {AT(sde, beta_min), ITO__FIELD_REAL, 1e-12, 1e6, .help = "vp, subvp: beta(0)"},
    {AT(sde, beta_max), ITO__FIELD_REAL, 1e-12, 1e6, .help = "vp, subvp: beta(T)"},
    {AT(sde, sigma_min), ITO__FIELD_REAL, 1e-12, 1e9, .help = "ve: sigma(0)"},
    {AT(sde, sigma_max), ITO__FIELD_REAL, 1e-12, 1e9,
     .help = "ve: sigma(T), about the largest distance of two images"},

    {AT(network, architecture), ITO__FIELD_ENUM,
     .help = "ncsnpp, ddpm, ncsnv2_64, ncsnv2_128, ncsnv2_256, ncsn or mlp", .words = architecture_words},
    {AT(network, nf), ITO__FIELD_INT, 1, 65536, .help = "channels at full resolution; mlp: width"},
    {AT(network, nonlinearity), ITO__FIELD_ENUM, .help = "swish, elu, relu or lrelu",
     .words = activation_words},
    {AT(network, normalization), ITO__FIELD_ENUM, .help = "InstanceNorm++, InstanceNorm or VarianceNorm",
     .words = normalization_words, NCSN},
    {AT(network, ch_mult), ITO__FIELD_LIST, 1, 1024, .help = "channels of each level, as multiples of nf",
     CAPACITY(network, ch_mult), .count_offset = offsetof(ito_recipe, network.levels), UNET},
    {AT(network, num_res_blocks), ITO__FIELD_INT, 1, 256,
     .help = "residual blocks a level (one more on the way up); mlp: of all", UNET_MLP},
    {AT(network, attn_resolutions), ITO__FIELD_LIST, 1, 4096,
     .help = "attention where the image has this many pixels a side", CAPACITY(network, attn_resolutions),
     .count_offset = offsetof(ito_recipe, network.attn_count), UNET},
    {AT(network, dropout), ITO__FIELD_REAL, 0, 0.999, .help = "rate, while training", UNET},
    {AT(network, resamp_with_conv), ITO__FIELD_BOOL, .help = "ddpm blocks: resample with a convolution",
     UNET},
    {AT(network, conditional), ITO__FIELD_BOOL, .help = "the network is told the noise level", UNET},
    {AT(network, norm_groups), ITO__FIELD_INT, 0, 16384,
     .help = "of every group norm; 0: a quarter of the channels, at most 32", .architectures = OF(DDPM)},
    {AT(network, norm_eps), ITO__FIELD_REAL, 1e-12, 0.1, .help = "of every group norm", UNET},
    {AT(network, attn_head_dim), ITO__FIELD_INT, 0, 16384,
     .help = "channels of an attention head; 0: one head of all", UNET},
    {AT(network, attn_every_up), ITO__FIELD_BOOL,
     .help = "attention after every block on the way up, not after a level's last alone", UNET},
    {AT(network, pad_evenly), ITO__FIELD_BOOL,
     .help = "pad on all sides when halving by convolution, not below and right alone", UNET},
    {AT(network, embed_freq_shift), ITO__FIELD_INT, 0, 1,
     .help = "positional: frequencies 10000^(-i / (nf / 2 - shift))", UNET},
    {AT(network, fir), ITO__FIELD_BOOL, .help = "smooth when resampling", PP},
    {AT(network, fir_kernel), ITO__FIELD_LIST, -1e6, 1e6, .help = "the smoothing filter, normalised",
     CAPACITY(network, fir_kernel), .count_offset = offsetof(ito_recipe, network.fir_taps), PP},
    {AT(network, skip_rescale), ITO__FIELD_BOOL, .help = "(x + h) / sqrt 2 at the end of a block", PP},
    {AT(network, resblock_type), ITO__FIELD_ENUM, .help = "biggan or ddpm", .words = resblock_words, PP},
    {AT(network, embedding_type), ITO__FIELD_ENUM, .help = "of the noise level: positional or fourier",
     .words = embedding_words, PP_MLP},
    {AT(network, fourier_scale), ITO__FIELD_REAL, 1e-6, 1e6,
     .help = "fourier: standard deviation of the frequencies", PP_MLP},
    {AT(network, progressive), ITO__FIELD_ENUM, .help = "output pyramid: none, output_skip or residual",
     .words = progressive_words, PP},
    {AT(network, progressive_input), ITO__FIELD_ENUM, .help = "input pyramid: none, input_skip or residual",
     .words = progressive_input_words, PP},
    {AT(network, progressive_combine), ITO__FIELD_ENUM, .help = "how the input pyramid joins: sum or cat",
     .words = combine_words, PP},
    {AT(network, scale_by_sigma), ITO__FIELD_BOOL, .help = "ve: divide the output by sigma", UNET_MLP},
    {AT(network, init_scale), ITO__FIELD_REAL, 0, 100,
     .help = "of the last layer of each block; 0: almost zero", PP},
    {AT(network, classes), ITO__FIELD_INT, 0, 1048576, .help = "conditioned on so many classes; 0: on none",
     UNET_MLP},
    {AT(network, class_dropout), ITO__FIELD_REAL, 0, 1,
     .help = "share of training examples whose class is hidden", UNET_MLP},

    {AT(objective, continuous), ITO__FIELD_BOOL, .help = "denoising score matching over all t, [SDE] Eq 7"},
    {AT(objective, reduce_mean), ITO__FIELD_BOOL, .help = "mean over dimensions; otherwise half the sum"},
    {AT(objective, likelihood_weighting), ITO__FIELD_BOOL, .help = "weight by g(t)^2, [ML]"},
    {AT(objective, eps), ITO__FIELD_REAL, 1e-12, 1, .help = "the smallest t"},

    {AT(training, batch_size), ITO__FIELD_INT, 1, 1e9, .help = "images or points a step"},
    {AT(training, steps), ITO__FIELD_INT, 1, BIG, .help = "of the whole training"},
    {AT(training, seed), ITO__FIELD_SEED, .help = "of every random draw"},
    {AT(training, lr), ITO__FIELD_REAL, 0, 1e3, .help = "Adam's learning rate"},
    {AT(training, beta1), ITO__FIELD_REAL, 0, 0.999999999, .help = "Adam"},
    {AT(training, beta2), ITO__FIELD_REAL, 0, 0.999999999, .help = "Adam"},
    {AT(training, adam_eps), ITO__FIELD_REAL, 1e-30, 1, .help = "Adam"},
    {AT(training, weight_decay), ITO__FIELD_REAL, 0, 1e3, .help = "times the weights, added to the gradient"},
    {AT(training, warmup), ITO__FIELD_INT, 0, BIG, .help = "steps over which the rate rises linearly"},
    {AT(training, grad_clip), ITO__FIELD_REAL, 0, 1e9,
     .help = "largest global gradient norm; 0: no clipping"},
    {AT(training, ema_rate), ITO__FIELD_REAL, 0, 1,
     .help = "of the averaged weights; at most (1 + n) / (10 + n)"},
    {AT(training, log_every), ITO__FIELD_INT, 1, BIG, .help = "steps between lines of log.jsonl"},
    {AT(training, checkpoint_every), ITO__FIELD_INT, 1, BIG, .help = "steps between checkpoints"},
    {AT(training, keep_checkpoints), ITO__FIELD_INT, 1, 1e6, .help = "older ones are removed"},
    {AT(training, sample_every), ITO__FIELD_INT, 0, BIG,
     .help = "steps between pictures of samples; 0: none"},
    {AT(training, sample_count), ITO__FIELD_INT, 1, 65536, .help = "images or points of such a picture"},

    {AT(sampling, sampler), ITO__FIELD_WORD, .help = "pc, ode, ...: see ito help sample",
     CAPACITY(sampling, sampler), .name_at = sampler_at},
    {AT(sampling, predictor), ITO__FIELD_WORD, .help = "see ito help sample", CAPACITY(sampling, predictor),
     .name_at = ito_predictor_name},
    {AT(sampling, corrector), ITO__FIELD_WORD, .help = "see ito help sample", CAPACITY(sampling, corrector),
     .name_at = ito_corrector_name},
    {AT(sampling, steps), ITO__FIELD_INT, 2, 1e9, .help = "grid points from T to eps"},
    {AT(sampling, corrector_steps), ITO__FIELD_INT, 1, 1e6, .help = "corrector sweeps at each point"},
    {AT(sampling, snr), ITO__FIELD_REAL, 0, 1e3, .help = "of the Langevin step, [SDE] Algorithms 4-5"},
    {AT(sampling, grid), ITO__FIELD_WORD, .help = "of times: see ito help sample", CAPACITY(sampling, grid),
     .name_at = ito_grid_name},
    {AT(sampling, eps), ITO__FIELD_REAL, 0, 1, .help = "the last t; 0: the SDE's own"},
    {AT(sampling, rtol), ITO__FIELD_REAL, 1e-13, 1, .help = "relative tolerance of ODE samplers"},
    {AT(sampling, atol), ITO__FIELD_REAL, 1e-30, 1, .help = "their absolute tolerance"},
    {AT(sampling, batch_norms), ITO__FIELD_BOOL, .help = "Langevin norms over the batch, as published"},
    {AT(sampling, probability_flow), ITO__FIELD_BOOL, .help = "the predictor follows the ODE"},
    {AT(sampling, raw_labels), ITO__FIELD_BOOL,
     .help = "vp, discrete: labels t (N-1) unrounded, as the published samples"},
    {"sampling", "class", offsetof(ito_recipe, sampling.class_index), ITO__FIELD_INT, -1, 1048575,
     .help = "networks with classes: the class to sample; -1: none"},
    {AT(sampling, guidance), ITO__FIELD_REAL, -1e6, 1e6,
     .help = "weight of the class's score against that of none; 1: its own score"},
    {AT(sampling, noise_removal), ITO__FIELD_BOOL, .help = "end with the mean of the last step"},
};

#undef AT
#undef CAPACITY
#undef OF
#undef PP
#undef UNET
#undef PP_MLP
#undef UNET_MLP
#undef NCSN
#undef BIG

static const int field_count = (int)(sizeof fields / sizeof *fields);

const ito__field *ito__recipe_fields(int *count) {
    *count = field_count;
    return fields;
}

bool ito__field_applies(const ito__field *field, ito_architecture a) {
    return field->architectures == 0 || (field->architectures >> a & 1) != 0;
}

ito_recipe ito_recipe_default(void) {
    ito_recipe r = {
        .name = "unnamed",
        .data =
            {.dataset = "fashion_mnist", .image_size = 32, .channels = 1, .centered = true, .cache_mb = 512},
        .sde = ito_sde_default(ITO_SDE_VP),
        .network = ito_network_default(),
        .objective = {.continuous = true, .reduce_mean = true, .eps = 1e-5},
        .training = {.batch_size = 128,
                     .steps = 1300000,
                     .seed = 42,
                     .lr = 2e-4,
                     .beta1 = 0.9,
                     .beta2 = 0.999,
                     .adam_eps = 1e-8,
                     .warmup = 5000,
                     .grad_clip = 1,
                     .ema_rate = 0.9999,
                     .log_every = 50,
                     .checkpoint_every = 10000,
                     .keep_checkpoints = 2,
                     .sample_every = 50000,
                     .sample_count = 64},
        .sampling = {.sampler = "pc",
                     .predictor = "euler_maruyama",
                     .corrector = "none",
                     .steps = 1000,
                     .corrector_steps = 1,
                     .snr = 0.16,
                     .grid = "uniform",
                     .rtol = 1e-5,
                     .atol = 1e-5,
                     .class_index = -1,
                     .guidance = 1,
                     .noise_removal = true},
    };
    r.network.image_size = r.data.image_size;
    r.network.channels = r.data.channels;
    r.network.centered = r.data.centered;
    return r;
}

const ito__field *ito__field_find(const char *section, const char *key) {
    for (int i = 0; i < field_count; i++) {
        if (strcmp(fields[i].section, section) == 0 && strcmp(fields[i].key, key) == 0) return &fields[i];
    }
    return NULL;
}

/* Levenshtein distance of the first LONGEST bytes of two words, one row of the table at a time. */
static int edits(const char *a, const char *b) {
    enum { LONGEST = 63 };
    int row[LONGEST + 1];
    int na = (int)strnlen(a, LONGEST), nb = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= nb; j++) row[j] = j;
    for (int i = 1; i <= na; i++) {
        int diagonal = row[0]; /* cost of (i - 1, j - 1) */
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

const ito__field *ito__field_nearest(const char *section, const char *key) {
    const ito__field *best = fields;
    int least = 1000;
    for (int i = 0; i < field_count; i++) {
        /* A wrong section weighs two edits, so that a slip within the section wins over a namesake elsewhere
         * unless that one fits clearly better. */
        int cost = edits(fields[i].key, key) + (strcmp(fields[i].section, section) == 0 ? 0 : 2);
        if (cost < least) {
            least = cost;
            best = &fields[i];
        }
    }
    return best;
}

const char *ito__section_nearest(const char *word) {
    const char *best = "";
    int least = 1000;
    for (int i = 0; i < field_count; i++) {
        const char *candidate = fields[i].section[0] ? fields[i].section : fields[i].key;
        int cost = edits(candidate, word);
        if (cost < least) {
            least = cost;
            best = candidate;
        }
    }
    return best;
}

bool ito__section_known(const char *word) {
    for (int i = 0; i < field_count; i++) {
        if (word[0] && strcmp(fields[i].section, word) == 0) return true;
    }
    return false;
}
