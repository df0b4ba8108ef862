/* SPDX-License-Identifier: Apache-2.0
 *
 * Denoising score matching, [SDE] Eq 7, SPEC section 4: in continuous time, or at the noise levels of a
 * chain.
 *
 *   t ~ U(eps, T),  x = a(t) x0 + b(t) z,  z ~ N(0, I)
 *   loss = mean over the batch of  lambda(t) reduce_d (b s(x, t) + z)^2
 *   reduce_d: the mean over dimensions (reduce_mean) or half their sum;  lambda: 1, or (g/b)^2 under
 *   likelihood weighting, which makes the summand g^2 (s + z/b)^2 of [ML]
 *
 * Without objective.continuous, t is uniform over the N levels of the SDE's chain, and a, b are the chain's
 * own: VE is then the loss of SMLD [NCSN], sigma_i^2 (s + z/sigma_i)^2, VP that of [DDPM], (noise - z)^2.
 *
 * The score is a known multiple of the network's output (SPEC section 3), so b s = scale * out with one
 * number per example; noise and times are drawn outside the graph, which then holds a network, a subtraction
 * and a mean. Perturbing outside costs one pass over the batch and keeps the coefficients a and b in double.
 */
#ifndef ITO_TRAINING_OBJECTIVE_H
#define ITO_TRAINING_OBJECTIVE_H

#include <ito/recipe.h>

/* The leaves that a batch fills, and the result. */
typedef struct ito__dsm {
    ito_node *x;       /* [B, C, S, S] perturbed images */
    ito_node *z;       /* [B, C, S, S] the noise in them */
    ito_node *labels;  /* [B] what the network takes for t; NULL when it does not look */
    ito_node *classes; /* [B]; NULL in a network without classes */
    ito_node *scale;   /* [B, 1, 1, 1] b(t) times the factor from output to score */
    ito_node *weight;  /* [B, 1, 1, 1] lambda(t); NULL when it is 1 */
    ito_node *loss;    /* scalar */
} ito__dsm;

/* Input nodes and the loss for batches of `batch` examples through the recipe's network, dropout active. */
void ito__dsm_build(const ito_recipe *recipe, int64_t batch, ito_graph *g, ito__dsm *out);

/* The loss alone, for any network output `out`; weight may be NULL. */
ito_node *ito__dsm_loss(bool reduce_mean, ito_node *out, ito_node *z, ito_node *scale, ito_node *weight);

/* The numbers that belong to a time. */
typedef struct ito__dsm_point {
    double t, mean, std; /* a(t), b(t) */
    double label, scale, weight;
} ito__dsm_point;

/* t = eps + u (T - eps), or the chain's level number floor(u N), and what follows from it. 0 < u < 1. */
ito__dsm_point ito__dsm_at(const ito_sde *sde, const ito_objective_config *objective, double u);
/* The second of these (objective_discrete.c). */
ito__dsm_point ito__dsm_at_level(const ito_sde *sde, double u);

/* What ito__dsm_build's leaves are bound to; row-major as there. */
typedef struct ito__dsm_batch {
    int64_t n, dim;
    float *x, *z, *labels, *classes, *scale, *weight;
    double *noise; /* [n, dim] scratch */
} ito__dsm_batch;

/* What ito__dsm_batch_init allocates. */
size_t ito__dsm_batch_bytes(int64_t n, int64_t dim);
/* Allocates all of it. NOMEM. */
ito_status ito__dsm_batch_init(ito__dsm_batch *b, int64_t n, int64_t dim, ito_error *err);
void ito__dsm_batch_release(ito__dsm_batch *b);

/* Turns clean images in b->x into perturbed ones and fills the rest. Row k is example first + k: its u and z
 * come from streams (seed, TIME, first + k) and (seed, NOISE, first + k), so it is the same in any batch. */
void ito__dsm_perturb(const ito_sde *sde, const ito_objective_config *objective, uint64_t seed, int64_t first,
                      int threads, ito__dsm_batch *b);

/* The class that an example is shown: its own, or number `classes`, the hidden one, in a share `dropout` of
 * all examples, by stream (seed, CLASS, example). */
int64_t ito__shown_class(uint64_t seed, int64_t example, int64_t own, int64_t classes, double dropout);

#endif
