/* SPDX-License-Identifier: Apache-2.0
 *
 * A trainer's life: everything that a step needs is built, planned and allocated here, once.
 */
#include "training/trainer.h"
#include "core/memory.h"
#include <stdlib.h>
#include <string.h>

ito_trainer_options ito_trainer_default(void) {
    return (ito_trainer_options){.plan = ito_plan_default(), .micro_batch = 0};
}

float *ito__block(ito_params *p) {
    int64_t floats = 0;
    return ito_params_block(p, &floats);
}

/* Printing a recipe and parsing the text checks every field as if it came from a file, and makes sure that
 * the text which a checkpoint will carry can be read back. */
static ito_status adopt_recipe(ito_trainer *t, const ito_recipe *recipe, ito_error *err) {
    ito_status st = ITO_OK;
    if ((st = ito_recipe_print(recipe, &t->recipe_text, err)) != ITO_OK) return st;
    return ito_recipe_parse(t->recipe_text, strlen(t->recipe_text), "recipe", &t->recipe, err);
}

static ito_status divide_batch(ito_trainer *t, int64_t micro_batch, ito_error *err) {
    int64_t batch = t->recipe.training.batch_size;
    if (micro_batch < 0 || (micro_batch > 0 && batch % micro_batch != 0))
        return ito_error_set(
            err, ITO_E_SHAPE,
            "micro_batch: training.batch_size %lld is not a multiple of %lld: use a divisor of the "
            "batch size, or 0 for the whole batch",
            (long long)batch, (long long)micro_batch);
    t->part_size = micro_batch > 0 ? micro_batch : batch;
    t->parts = batch / t->part_size;
    return ITO_OK;
}

/* Gradient nodes in the order of the graph's parameters; NULL where a buffer stands. */
static void gradient_nodes(const ito_graph *g, ito_node *loss, ito_node **wrt, ito_node **grads) {
    int params = ito_graph_param_count(g), trainable = 0;
    for (int i = 0; i < params; i++) {
        ito_node *p = ito_graph_param(g, i);
        if (ito_node_trainable(p)) wrt[trainable++] = p;
    }
    ito_gradients(loss, NULL, trainable, wrt, grads);
    for (int i = params - 1; i >= 0; i--) {
        grads[i] = ito_node_trainable(ito_graph_param(g, i)) ? grads[--trainable] : NULL;
    }
}

static ito_status bind_batch(ito_trainer *t, ito_error *err) {
    const struct {
        const ito_node *node;
        float *data;
    } leaf[] = {
        {t->dsm.x, t->batch.x},
        {t->dsm.z, t->batch.z},
        {t->dsm.labels, t->batch.labels},
        {t->dsm.scale, t->batch.scale},
        {t->dsm.weight, t->batch.weight},
        {t->dsm.loss, &t->loss},
        {t->dsm.classes, t->batch.classes},
    };
    for (size_t i = 0; i < sizeof leaf / sizeof leaf[0]; i++) {
        if (!leaf[i].node) continue;
        ito_status st = ito_workspace_bind(t->workspace, leaf[i].node, leaf[i].data, err);
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

static ito_status create_params(ito_trainer *t, ito_error *err) {
    ito_status st = ITO_OK;
    if ((st = ito_params_create(t->graph, &t->live, err)) != ITO_OK) return st;
    ito_params_init(t->live, t->recipe.training.seed);
    if ((st = ito_params_clone(t->live, &t->ema, err)) != ITO_OK) return st;
    if ((st = ito_params_create(t->graph, &t->adam_m, err)) != ITO_OK) return st;
    if ((st = ito_params_create(t->graph, &t->adam_v, err)) != ITO_OK) return st;
    if ((st = ito_params_create(t->graph, &t->grads, err)) != ITO_OK) return st;
    if (t->parts > 1 && (st = ito_params_create(t->graph, &t->sum, err)) != ITO_OK) return st;
    return ito__optimizer_init(&t->optimizer, t->live, &t->recipe.training, t->threads, err);
}

/* Graph -> gradients -> plan. *grads, to be freed after a failure too, gets a gradient node for every
 * parameter, NULL for buffers. */
static ito_status plan_step(ito_trainer *t, const ito_plan_options *options, ito_node ***grads,
                            ito_error *err) {
    ito_status st = ITO_OK;
    ito_node **wrt = NULL, **outputs = NULL;
    if ((st = ito_graph_create(&t->graph, err)) != ITO_OK) return st;
    ito__dsm_build(&t->recipe, t->part_size, t->graph, &t->dsm);
    if ((st = ito_graph_status(t->graph, err)) != ITO_OK) return st;

    int params = ito_graph_param_count(t->graph), n = 0;
    wrt = ito__calloc((size_t)params, sizeof *wrt);
    *grads = ito__calloc((size_t)params, sizeof **grads);
    outputs = ito__calloc((size_t)params + 1, sizeof *outputs);
    if (!wrt || !*grads || !outputs) {
        st = ito_error_set(err, ITO_E_NOMEM, "training: no memory for %d parameters: free some memory",
                           params);
        goto done;
    }
    gradient_nodes(t->graph, t->dsm.loss, wrt, *grads);
    outputs[n++] = t->dsm.loss;
    for (int i = 0; i < params; i++) {
        if ((*grads)[i]) outputs[n++] = (*grads)[i];
    }
    st = ito_plan_create(t->graph, n, outputs, options, &t->plan, err);
done:
    ito__free(outputs);
    ito__free(wrt);
    return st;
}

/* Workspace and blocks, with every leaf and output bound for good. */
static ito_status allocate(ito_trainer *t, ito_node *const *grads, ito_error *err) {
    ito_status st = ITO_OK;
    if ((st = ito_workspace_create(t->plan, &t->workspace, err)) != ITO_OK) return st;
    if ((st = create_params(t, err)) != ITO_OK) return st;
    if ((st = bind_batch(t, err)) != ITO_OK) return st;
    if ((st = ito_workspace_bind_params(t->workspace, t->graph, t->live, err)) != ITO_OK) return st;
    return ito_workspace_bind_grads(t->workspace, t->graph, grads, t->grads, err);
}

static ito_status check_dataset(const ito_network_config *net, const ito_dataset *d, ito_error *err) {
    int64_t channels = ito_dataset_channels(d), size = ito_dataset_image_size(d);
    if (net->classes > 0 && net->classes != ito_dataset_classes(d))
        return ito_error_set(err, ITO_E_SHAPE,
                             "network.classes: is %lld, the data set has %lld: set it to that, or to 0",
                             (long long)net->classes, (long long)ito_dataset_classes(d));
    if (channels == net->channels && size == net->image_size) return ITO_OK;
    return ito_error_set(
        err, ITO_E_SHAPE,
        "dataset: images are [%lld,%lld,%lld], the network takes [%lld,%lld,%lld]: open the data set "
        "with this recipe's data section",
        (long long)channels, (long long)size, (long long)size, (long long)net->channels,
        (long long)net->image_size, (long long)net->image_size);
}

ito_status ito_trainer_create(const ito_recipe *recipe, const ito_dataset *dataset,
                              const ito_trainer_options *options, ito_trainer **out, ito_error *err) {
    ito_status st = ITO_OK;
    ito_node **grads = NULL;
    ito_plan_options plan = options->plan;
    plan.frozen = false; /* weights change between runs */
    *out = NULL;

    ito_trainer *t = ito__calloc(1, sizeof *t);
    if (!t) return ito_error_set(err, ITO_E_NOMEM, "training: no memory for a trainer: free some memory");
    t->dataset = dataset;
    t->threads = plan.threads;
    if ((st = adopt_recipe(t, recipe, err)) != ITO_OK) goto done;
    if ((st = divide_batch(t, options->micro_batch, err)) != ITO_OK) goto done;

    const ito_network_config *net = &t->recipe.network;
    if (dataset && (st = check_dataset(net, dataset, err)) != ITO_OK) goto done;
    int64_t dim = net->channels * net->image_size * net->image_size;
    if ((st = ito__dsm_batch_init(&t->batch, t->part_size, dim, err)) != ITO_OK) goto done;
    if (net->classes > 0 && !(t->index = ito__calloc((size_t)t->part_size, sizeof *t->index))) {
        st = ito_error_set(err, ITO_E_NOMEM, "training: no memory for a batch's classes: free some memory");
        goto done;
    }
    if ((st = plan_step(t, &plan, &grads, err)) != ITO_OK) goto done;
    if ((st = allocate(t, grads, err)) != ITO_OK) goto done;
    *out = t;
    t = NULL;
done:
    ito__free(grads);
    ito_trainer_free(t);
    return st;
}

ito_status ito_trainer_bytes(const ito_recipe *recipe, const ito_trainer_options *options, size_t *bytes,
                             ito_error *err) {
    ito_status st = ITO_OK;
    ito_node **grads = NULL;
    ito_plan_options plan = options->plan;
    plan.sizes_only = true;

    ito_trainer *t = ito__calloc(1, sizeof *t);
    if (!t) return ito_error_set(err, ITO_E_NOMEM, "training: no memory for a trainer: free some memory");
    t->recipe = *recipe;
    if ((st = divide_batch(t, options->micro_batch, err)) != ITO_OK) goto done;
    if ((st = plan_step(t, &plan, &grads, err)) != ITO_OK) goto done;
    const ito_network_config *net = &recipe->network;
    size_t blocks = t->parts > 1 ? 6 : 5;
    *bytes = ito_plan_bytes(t->plan) + blocks * ito_graph_params_bytes(t->graph) +
             ito__dsm_batch_bytes(t->part_size, net->channels * net->image_size * net->image_size);
done:
    ito__free(grads);
    ito_trainer_free(t);
    return st;
}

void ito_trainer_free(ito_trainer *t) {
    if (!t) return;
    ito__optimizer_release(&t->optimizer);
    ito_params_free(t->sum);
    ito_params_free(t->grads);
    ito_params_free(t->adam_v);
    ito_params_free(t->adam_m);
    ito_params_free(t->ema);
    ito_params_free(t->live);
    ito__free(t->index);
    ito__dsm_batch_release(&t->batch);
    ito_workspace_free(t->workspace);
    ito_plan_free(t->plan);
    ito_graph_free(t->graph);
    free(t->recipe_text);
    ito__free(t);
}

int64_t ito_trainer_steps(const ito_trainer *t) {
    return t->count.step;
}

int64_t ito_trainer_images(const ito_trainer *t) {
    return t->count.images;
}

const ito_recipe *ito_trainer_recipe(const ito_trainer *t) {
    return &t->recipe;
}

ito_params *ito_trainer_ema(ito_trainer *t) {
    return t->ema;
}

ito_params *ito_trainer_live(ito_trainer *t) {
    return t->live;
}

const ito_plan *ito_trainer_plan(const ito_trainer *t) {
    return t->plan;
}

const ito_profile_row *ito_trainer_profile(ito_trainer *t, int *count) {
    return ito_workspace_profile(t->workspace, count);
}
