/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of Hugging Face's diffusers library that hold a UNet2DModel:
 *
 *   config.json                               the network's fields
 *   diffusion_pytorch_model.safetensors       its weights, under that library's names
 *   scheduler_config.json                     the chain it was trained on
 *
 * A pipeline's folder has the first two in unet/ and the last in scheduler/.
 *   diffusers_read.c     fields -> recipe, or a refusal that names the block or field
 *   diffusers_write.c    recipe -> fields, likewise
 *   diffusers_pairs.c    which tensor there is which parameter here
 *   diffusers.c          the weights, and the folder as a whole
 * Facts of the format: configurations and state dictionaries of diffusers 0.27.
 */
#ifndef ITO_MODELS_DIFFUSERS_H
#define ITO_MODELS_DIFFUSERS_H

#include <cJSON.h>
#include <ito/recipe.h>

/* How a tensor there is stored beside the parameter here. */
typedef enum ito__diffusers_form {
    ITO__DIFFUSERS_SAME,
    ITO__DIFFUSERS_MATRIX, /* [out, in] or [out, in, 1, 1] there, [in, out] here */
    ITO__DIFFUSERS_WAVES   /* [out, in], its columns for sines and cosines perhaps exchanged */
} ito__diffusers_form;

typedef struct ito__diffusers_pair {
    char ours[64], theirs[96];
    ito__diffusers_form form;
} ito__diffusers_pair;

/* One for each parameter of an ITO_DDPM or ITO_NCSNPP network that diffusers can hold, in the order of ours.
 * pairs has room for `capacity`, the number of the network's parameters. Returns how many there are. */
int ito__diffusers_pairs(const ito_network_config *c, int capacity, ito__diffusers_pair *pairs);

/* Fields of config.json and scheduler_config.json (NULL: there is none) as a recipe. *cosines_first tells
 * whether the time embedding there begins with the cosines; here the sines come first. `path` is the folder.
 */
ito_status ito__diffusers_read(const cJSON *config, const cJSON *scheduler, const char *path, ito_recipe *out,
                               bool *cosines_first, ito_error *err);
/* UNSUPPORTED names the field that diffusers has no place for; `path` opens the message. cJSON_Delete. */
ito_status ito__diffusers_write(const ito_recipe *r, const char *path, cJSON **config, cJSON **scheduler,
                                ito_error *err);

/* A folder of that kind, by its files' names. */
bool ito__is_diffusers(const char *path);
/* Errors as ito_model_load. */
ito_status ito__diffusers_load(const char *path, ito_model **out, ito_error *err);

#endif
