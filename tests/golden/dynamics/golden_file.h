/* SPDX-License-Identifier: Apache-2.0
 *
 * One file of recorded numbers, loaded whole, and the comparison against it.
 */
#ifndef ITO_TESTS_GOLDEN_FILE_H
#define ITO_TESTS_GOLDEN_FILE_H

#include "support/mixture.h"

enum { golden_max_tensors = 640 };

typedef struct golden_file {
    char name[64];
    int count;
    char tensor[golden_max_tensors][48];
    int64_t size[golden_max_tensors];
    double *data[golden_max_tensors];
    mixture mix; /* the SDE and the data of the file, ready to score */
} golden_file;

/* Loads <name>.safetensors of this folder, without a mixture. Fails the running test when anything is amiss.
 */
void golden_load(const char *name, golden_file *g);
/* Loads <group>_<sde>.safetensors of this folder. Fails the running test when anything is amiss. */
void golden_open(const char *group, ito_sde_kind kind, golden_file *g);
void golden_close(golden_file *g);

/* A tensor's values; borrowed. The second form returns NULL if there is none. */
const double *golden_get(const golden_file *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
const double *golden_find(const golden_file *g, const char *name, int64_t *size);

/* The largest over `rows` equal parts of max |ours - expected| / max |expected|, printed beside the bound;
 * fails unless it is within. */
void golden_compare(const golden_file *g, const char *what, int64_t rows, int64_t n, const double *ours,
                    const double *expected, double bound);

#endif
