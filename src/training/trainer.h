/* SPDX-License-Identifier: Apache-2.0
 *
 * What a trainer holds; shared by the files that create it, step it, and save it.
 */
#ifndef ITO_TRAINING_TRAINER_H
#define ITO_TRAINING_TRAINER_H

#include "training/objective.h"
#include "training/optimizer.h"
#include <ito/training.h>

/* Steps without an update after which a run gives up. */
enum { ITO__SKIPS_IN_A_ROW = 10 };

/* The numbers of a checkpoint; everything else of a run follows from them, the weights and the recipe. */
typedef struct ito__counters {
    int64_t step;    /* completed steps, skipped ones included: the position in the warm-up */
    int64_t images;  /* examples drawn: the position in the data and in the random streams */
    int64_t updates; /* steps that changed the weights: Adam's n */
    int64_t skipped;
    int64_t skipped_in_a_row;
    int64_t ema_updates; /* the EMA's n: that of updates, except behind a published checkpoint */
} ito__counters;

struct ito_trainer {
    ito_recipe recipe;
    char *recipe_text; /* as printed; free() */
    const ito_dataset *dataset;
    int64_t parts, part_size; /* batch_size = parts * part_size */
    int threads;

    ito_graph *graph;
    ito__dsm dsm;
    ito_plan *plan;
    ito_workspace *workspace;
    ito__dsm_batch batch; /* of one part */
    float loss;           /* of the last part run */
    int64_t *index;       /* [part_size] images of a part; NULL in a network without classes */

    ito_params *live, *ema, *adam_m, *adam_v;
    ito_params *grads; /* of the last part run */
    ito_params *sum;   /* over the parts; NULL with one part */
    ito__optimizer optimizer;
    ito__counters count;
};

/* The first float of a parameter block. */
float *ito__block(ito_params *p);

#endif
