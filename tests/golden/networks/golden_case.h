/* SPDX-License-Identifier: Apache-2.0
 *
 * One golden case of a network, loaded: its configuration, its weights, its inputs and expected numbers.
 */
#ifndef ITO_TESTS_GOLDEN_CASE_H
#define ITO_TESTS_GOLDEN_CASE_H

#include <ito/formats.h>
#include <ito/networks.h>

#include <cJSON.h>

typedef struct golden_case {
    ito_network_config config;
    bool reduce_mean, ve, continuous; /* of the objective */
    ito_tensor_file *weights;         /* model/<name>, ema/<name> */
    ito_tensor_file *io;
    int param_count; /* trainable, in the order of io's gradnorm */
    char **param_names;
} golden_case;

/* A configuration whose fields have their published names. */
ito_network_config golden_config(const cJSON *json);

/* From folder/config.json, folder/io.safetensors, and folder/<weights>, a .safetensors or .pth. Fails the
 * running test when anything is amiss. */
void golden_case_open(const char *folder, const char *weights, golden_case *c);
void golden_case_close(golden_case *c);
/* Whether a folder holds a case of a known architecture, by its config.json. */
bool golden_case_known(const char *folder);

/* A tensor of c->io as doubles; free(). NULL if it is not there. */
double *golden_case_expected(const golden_case *c, const char *name);

#endif
