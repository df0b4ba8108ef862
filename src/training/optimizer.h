/* SPDX-License-Identifier: Apache-2.0
 *
 * The optimizer: global-norm clipping, Adam, weight decay and the moving average of the weights, in one pass
 * over the parameter block.
 *
 *   ito__optimizer_init(&o, params, &recipe.training, threads, err)     cuts the block into pieces
 *   norm = ito__optimizer_norm(&o, grads, scale)                        may be infinite or NaN: then skip
 *   ito__optimizer_update(&o, &update, weights, m, v, ema, grads)
 *
 * All blocks have the layout of the ito_params given to _init. Pieces never cross a tensor, buffers belong to
 * none, and every sum runs over pieces in block order, so results do not depend on the number of threads.
 * Nothing but _init allocates.
 */
#ifndef ITO_TRAINING_OPTIMIZER_H
#define ITO_TRAINING_OPTIMIZER_H

#include <ito/engine.h>
#include <ito/recipe.h>

/* A run of floats inside one trainable tensor. */
typedef struct ito__piece {
    int64_t begin, count; /* floats of the block */
    int tensor;           /* index into the ito_params */
} ito__piece;

typedef struct ito__optimizer {
    ito_training_config settings;
    int threads; /* 0: as OpenMP decides */
    int64_t pieces;
    ito__piece *piece;
    double *partial; /* [pieces] sums of squares */
} ito__optimizer;

/* Where an update stands and how its gradient is read. */
typedef struct ito__update {
    int64_t step;       /* training steps before this one: what the warm-up counts */
    int64_t number;     /* updates made, this one included: bias correction */
    int64_t ema_number; /* the same for the EMA */
    double scale;       /* gradient = scale * block, before clipping (1 / parts of a split batch) */
    double norm;        /* of that gradient, as ito__optimizer_norm gives it */
} ito__update;

/* params gives the layout only and is not kept. Errors: NOMEM. */
ito_status ito__optimizer_init(ito__optimizer *o, ito_params *params, const ito_training_config *settings,
                               int threads, ito_error *err);
void ito__optimizer_release(ito__optimizer *o);

/* L2 norm of scale * grads over all trainable tensors, accumulated in double. */
double ito__optimizer_norm(ito__optimizer *o, const float *grads, double scale);

/* Weights, moments and EMA in place:
 *   g = clip(scale * grads) + weight_decay w         clip: times min(1, grad_clip / (norm + 1e-6))
 *   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
 *   w = w - lr / (1 - beta1^n) * m / (sqrt(v / (1 - beta2^n)) + adam_eps)
 *   ema = ema - (1 - decay) (ema - w)
 * with n = update->number, and ema_number in the decay.  Source: Kingma & Ba 2015, Algorithm 1; clipping, L2
 * decay and EMA as in the published training code of [SDE].  Departures: none. */
void ito__optimizer_update(const ito__optimizer *o, const ito__update *update, float *weights, float *m,
                           float *v, float *ema, const float *grads);

/* lr * min(step / warmup, 1) for a step that `step` others precede: as published, the first step of a warm-up
 * has rate 0 and fills the moments only. */
double ito__learning_rate(const ito_training_config *settings, int64_t step);
/* min(rate, (1 + n) / (10 + n)): the decay of the n-th update. */
double ito__ema_decay(double rate, int64_t n);

/* Index of the first trainable tensor with a NaN or infinity; -1 if there is none. */
int ito__optimizer_nonfinite(const ito__optimizer *o, const float *block);

/* Gradients of the parts of a batch: sum = x for part 0, sum += x for the others. */
void ito__optimizer_gather(const ito__optimizer *o, int64_t part, const float *x, float *sum);

#endif
