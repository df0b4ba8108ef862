/* SPDX-License-Identifier: Apache-2.0
 *
 * The denoising score matching loss as a graph, and the draws it is fed with.
 */
#include "core/memory.h"
#include "training/objective.h"
#include <omp.h>

ito_node *ito__dsm_loss(bool reduce_mean, ito_node *out, ito_node *z, ito_node *scale, ito_node *weight) {
    ito_shape shape = ito_node_shape(out);
    int64_t examples = shape.dim[0], values = ito_shape_count(shape);
    double dimensions = (double)values / (double)examples;

    ito_node *squares = ito_square(ito_add(ito_mul(scale, out), z)); /* (b s + z)^2 */
    if (weight) squares = ito_mul(weight, ito_sum_to(squares, ito_node_shape(weight)));
    return ito_scale(ito_sum(squares), (reduce_mean ? 1.0 / dimensions : 0.5) / (double)examples);
}

void ito__dsm_build(const ito_recipe *recipe, int64_t batch, ito_graph *g, ito__dsm *out) {
    const ito_network_config *net = &recipe->network;
    ito_shape images = ITO_SHAPE(batch, net->channels, net->image_size, net->image_size);
    ito__dsm dsm = {
        .x = ito_input(g, "x", images),
        .z = ito_input(g, "z", images),
        .classes = net->classes > 0 ? ito_input(g, "classes", ITO_SHAPE(batch)) : NULL,
        .scale = ito_input(g, "scale", ITO_SHAPE(batch, 1, 1, 1)),
    };
    if (recipe->objective.likelihood_weighting)
        dsm.weight = ito_input(g, "weight", ITO_SHAPE(batch, 1, 1, 1));

    ito_node *labels = ito_input(g, "labels", ITO_SHAPE(batch));
    if (ito_network_reads_labels(net)) dsm.labels = labels;
    ito_node *output = ito_network_build_classes(net, dsm.x, labels, dsm.classes, true);
    ito_graph_scope(g, "loss");
    dsm.loss = ito__dsm_loss(recipe->objective.reduce_mean, output, dsm.z, dsm.scale, dsm.weight);
    *out = dsm;
}

ito__dsm_point ito__dsm_at(const ito_sde *sde, const ito_objective_config *objective, double u) {
    if (!objective->continuous) return ito__dsm_at_level(sde, u);
    double t = objective->eps + u * (sde->T - objective->eps);
    double b = ito_sde_std(sde, t), g = ito_sde_diffusion(sde, t);
    return (ito__dsm_point){
        .t = t,
        .mean = ito_sde_mean(sde, t),
        .std = b,
        .label = ito_network_label(sde, true, t),
        .scale = b * ito_network_score_factor(sde, true, t),
        .weight = objective->likelihood_weighting ? g * g / (b * b) : 1.0,
    };
}

size_t ito__dsm_batch_bytes(int64_t n, int64_t dim) {
    size_t of_value = 2 * sizeof(float) + sizeof(double), of_row = 3 * sizeof(float);
    return (size_t)n * ((size_t)dim * of_value + of_row);
}

ito_status ito__dsm_batch_init(ito__dsm_batch *b, int64_t n, int64_t dim, ito_error *err) {
    ito__dsm_batch made = {.n = n, .dim = dim};
    size_t rows = (size_t)n, values = 0;
    bool fits = ito__mul_size(rows, (size_t)dim, &values);
    if (fits) {
        made.x = ito__calloc(values, sizeof *made.x);
        made.z = ito__calloc(values, sizeof *made.z);
        made.noise = ito__calloc(values, sizeof *made.noise);
        made.labels = ito__calloc(rows, sizeof *made.labels);
        made.classes = ito__calloc(rows, sizeof *made.classes);
        made.scale = ito__calloc(rows, sizeof *made.scale);
        made.weight = ito__calloc(rows, sizeof *made.weight);
    }
    if (!made.x || !made.z || !made.noise || !made.labels || !made.classes || !made.scale || !made.weight) {
        ito__dsm_batch_release(&made);
        return ito_error_set(
            err, ITO_E_NOMEM,
            "training.batch_size: no memory for %lld images of %lld values: use smaller parts", (long long)n,
            (long long)dim);
    }
    *b = made;
    return ITO_OK;
}

void ito__dsm_batch_release(ito__dsm_batch *b) {
    ito__free(b->weight);
    ito__free(b->scale);
    ito__free(b->classes);
    ito__free(b->labels);
    ito__free(b->noise);
    ito__free(b->z);
    ito__free(b->x);
    *b = (ito__dsm_batch){0};
}

static void perturb_row(const ito_sde *sde, const ito_objective_config *objective, uint64_t seed,
                        int64_t example, int64_t row, ito__dsm_batch *b) {
    double u = 0, *noise = b->noise + row * b->dim;
    ito_random_uniform((ito_stream){seed, ITO_RNG_TIME, example}, 0, 1, &u);
    ito_random_normal((ito_stream){seed, ITO_RNG_NOISE, example}, 0, b->dim, noise);

    ito__dsm_point p = ito__dsm_at(sde, objective, u);
    float *x = b->x + row * b->dim, *z = b->z + row * b->dim;
    for (int64_t i = 0; i < b->dim; i++) {
        x[i] = (float)(p.mean * (double)x[i] + p.std * noise[i]);
        z[i] = (float)noise[i];
    }
    b->labels[row] = (float)p.label;
    b->scale[row] = (float)p.scale;
    b->weight[row] = (float)p.weight;
}

void ito__dsm_perturb(const ito_sde *sde, const ito_objective_config *objective, uint64_t seed, int64_t first,
                      int threads, ito__dsm_batch *b) {
    int team = threads > 0 ? threads : omp_get_max_threads();
#pragma omp parallel for schedule(static) num_threads(team)
    for (int64_t row = 0; row < b->n; row++) perturb_row(sde, objective, seed, first + row, row, b);
}

int64_t ito__shown_class(uint64_t seed, int64_t example, int64_t own, int64_t classes, double dropout) {
    double u = 1;
    ito_random_uniform((ito_stream){seed, ITO_RNG_CLASS, example}, 0, 1, &u);
    return u < dropout ? classes : own;
}
