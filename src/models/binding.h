/* SPDX-License-Identifier: Apache-2.0
 *
 * The parameters of a recipe's network and the tensors of a file that belong to them, bound by name and
 * compared by shape. Nothing is allocated for weights.
 */
#ifndef ITO_MODELS_BINDING_H
#define ITO_MODELS_BINDING_H

#include <ito/engine.h>
#include <ito/formats.h>
#include <ito/recipe.h>

typedef struct ito__binding {
    const char *path; /* borrowed; for messages */
    ito_tensor_file *file;
    ito_graph *graph; /* of the recipe's network: its parameters' names, shapes and kinds */
    bool own_recipe;  /* the file's: a misfit is then damage, not a choice */
} ito__binding;

/* Opens a .pth, or any other file as safetensors. */
ito_status ito__tensors_open(const char *path, ito_tensor_file **out, ito_error *err);
/* The graph of a recipe's network for one image. */
ito_status ito__recipe_graph(const ito_recipe *r, ito_graph **out, ito_error *err);
/* The recipe to use for a file: the one given or, with NULL, the file's own. */
ito_status ito__recipe_of(const ito_tensor_file *f, const char *path, const ito_recipe *given,
                          ito_recipe *out, ito_error *err);

/* The tensor of parameter i among weights of a kind, with the right shape. FORMAT names one that is missing.
 */
ito_status ito__binding_find(const ito__binding *b, ito_weights weights, int i, const ito_tensor **out,
                             ito_error *err);
/* The same under one prefix; NULL when there is none. */
ito_status ito__binding_find_optional(const ito__binding *b, const char *prefix, int i,
                                      const ito_tensor **out, ito_error *err);
/* FORMAT names a tensor of that kind which belongs to no parameter. */
ito_status ito__binding_check(const ito__binding *b, ito_weights weights, ito_error *err);

/* A count in the file's metadata; 0 when there is none. */
int64_t ito__file_counter(const ito_tensor_file *f, const char *key);

#endif
