/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever gives a score under an SDE: a network with its weights, or an analytic density of the plane. Verbs
 * that sample, encode or measure take either and need not know which.
 *
 *   cli_source_open       reads the model, applies --set; recipe, dim and kind are known from here on
 *   cli_source_fit        with --memory-limit: plans how the run keeps to it
 *   cli_source_prepare    plans the network; `score` works from here on
 *   cli_source_release    also after a failure
 *
 * Names: what ito_model_load takes (a model or checkpoint file, a run directory, a bundled name), or gmm:NAME
 * for the mixture behind a point set.
 */
#ifndef ITO_CLI_SOURCE_H
#define ITO_CLI_SOURCE_H

#include "cli.h"

#include <ito/analytic.h>

typedef struct cli_source {
    const char *name; /* as given; borrowed */
    /* Of a network: all of it. Of a density: the SDE and the sampling settings; the rest means nothing. */
    ito_recipe recipe;
    int64_t dim;          /* values of one sample */
    bool images;          /* samples are images as recipe.data says; otherwise points */
    ito_model *model;     /* NULL for a density */
    ito_density *density; /* NULL for a network */
    ito_density *truth; /* what samples should follow, where it is known: `density`, or that of the data of a
                         * network trained on gmm:NAME */
    int64_t parts;      /* of a batch that the network takes at a time; 0: whole batches */
    ito_network_score *network;
    ito_score score; /* after cli_source_prepare */
} cli_source;

/* True of names that begin with "gmm:". */
bool cli_source_is_density(const char *name);

/* `weights` is a name of cli_weights_name, `recipe` a file or NULL for the model's own. A density takes these
 * --set: sde.type (any but affine; vp), the numbers of that SDE, and the section sampling. */
ito_status cli_source_open(cli_source *s, const char *name, const char *weights, const char *recipe,
                           const cli_common *common, ito_error *err);
/* Makes a run of *batch samples at a time keep to --memory-limit, if one was given: the network takes parts
 * of a batch, and *batch becomes smaller where that is not enough. Counts `doubles` for every value of a
 * sample under way (memory.h) and `held` bytes of inputs and results. NOMEM names the least that would do. */
ito_status cli_source_fit(cli_source *s, const cli_common *common, bool with_vjp, int64_t doubles,
                          double held, int64_t *batch, ito_error *err);
/* `batch` samples are evaluated at once, about `calls` times; with_vjp plans the network's gradient too. Sets
 * the threads of the program. */
ito_status cli_source_prepare(cli_source *s, const cli_common *common, int64_t batch, bool with_vjp,
                              int64_t calls, ito_error *err);
void cli_source_release(cli_source *s);

/* Adds to a JSON object what tells this source from others: its name or a fingerprint of its weights, and the
 * numbers of its SDE. */
void cli_source_describe(const cli_source *s, struct cJSON *object);

#endif
