/* SPDX-License-Identifier: Apache-2.0
 *
 * What samples become: arrays, pictures, the way from noise to data. Images and points differ in all of that,
 * so each is a record of functions.
 *
 *   r = {.kind = ..., .recipe = ..., ...}, kind->init     room for the finished samples
 *   cli_draw with .take = kind->take, .take_self = &r
 *   kind->write_...                                      as many as wanted
 *   kind->release                                        also after a failure
 */
#ifndef ITO_CLI_RESULTS_H
#define ITO_CLI_RESULTS_H

#include "draw.h"

#include <ito/analytic.h>
#include <ito/formats.h>
#include <ito/recipe.h>

typedef struct cli_results_kind cli_results_kind;

typedef struct cli_results {
    const cli_results_kind *kind;
    const ito_recipe *recipe;   /* borrowed, as density */
    const ito_density *density; /* that points should follow; NULL where it is not known */
    int64_t dim;                /* values of a sample */
    const char *name;           /* of the model, for titles */
    int64_t count;
    int64_t first;   /* number of the first sample */
    int64_t crop;    /* of images: pixels removed on every side of finished ones */
    int zoom;        /* of images, as columns */
    int64_t columns; /* of the grid; 0: as square as can be */
    ito_images images;
    double *points; /* [count, dim] */
} cli_results;

struct cli_results_kind {
    const char *unit;                        /* "images" */
    int64_t count, batch, columns;           /* what the options are by default */
    int64_t trajectory_rows, animation_rows; /* samples that films show, at most */
    ito_status (*init)(cli_results *r, ito_error *err);
    void (*release)(cli_results *r);
    /* As cli_drawing.take. */
    ito_status (*take)(void *self, int64_t begin, int64_t n, const double *x, ito_error *err);
    /* By the end of path: .npz, .npy or .csv. */
    ito_status (*write_arrays)(const cli_results *r, const char *path, ito_error *err);
    ito_status (*write_picture)(const cli_results *r, const char *path, ito_error *err);
    /* A file for each sample; NULL where a sample is none. */
    ito_status (*write_singles)(const cli_results *r, const char *folder, ito_error *err);
    /* Time from left to right. */
    ito_status (*write_trajectory)(const cli_results *r, const cli_film *film, const char *path,
                                   ito_error *err);
    ito_status (*write_animation)(const cli_results *r, const cli_film *film, const char *path,
                                  ito_error *err);
};

extern const cli_results_kind cli_image_results, cli_point_results;

/* How both kinds show an animation. */
enum { CLI_ANIMATION_FRAMES = 43, CLI_FRAME_MS = 80, CLI_LAST_FRAME_MS = 2500 };

#endif
