/* SPDX-License-Identifier: Apache-2.0
 *
 * Where samples go: a picture with the arrays beside it, or the arrays alone.
 */
#ifndef ITO_CLI_OUTPUT_H
#define ITO_CLI_OUTPUT_H

#include "source.h"

#include <ito/formats.h>

struct cJSON;

/* Empty entries are not written. */
typedef struct cli_output {
    char picture[CLI_PATH_MAX], arrays[CLI_PATH_MAX];
} cli_output;

typedef struct cli_output_style {
    int64_t columns; /* of a grid of images; 0: as square as can be */
    int64_t crop;    /* pixels removed on every side of images */
    int64_t zoom;    /* of a grid of images */
} cli_output_style;

/* ARG when the zoom is out of range: for a verb's check. */
ito_status cli_output_style_check(const cli_output_style *style, ito_error *err);

/* FILE.png: a picture, and FILE.npz beside it; FILE.npz, FILE.npy or, of points, FILE.csv: the arrays alone.
 * ARG for other names, and when the style leaves nothing of the images of `source`; IO when the folder takes
 * no files. */
ito_status cli_output_name(cli_output *out, const char *name, const cli_output_style *style,
                           const cli_source *source, ito_error *err);
/* x [n, dim], samples of `source`: images as a grid and as bytes [n,H,W,C] under "images", points as a
 * picture of the plane and as numbers [n,d] under "points". */
ito_status cli_output_write(const cli_output *out, const cli_source *source, const cli_output_style *style,
                            int64_t n, const double *x, ito_error *err);
/* Appends the names to a JSON array; prints them, a line each, when it is NULL. */
void cli_output_list(const cli_output *out, struct cJSON *list);

/* Opens a .npz, or a .npy as a file of one array of this name. ARG for other names. */
ito_status cli_arrays_open(const char *path, const char *array, ito_tensor_file **out, ito_error *err);
/* States as doubles under the name `array` of a .npz: [n, C, S, S] for images, [n, dim] for points. */
ito_status cli_states_write(const char *path, const char *array, const cli_source *source, int64_t n,
                            const double *x, ito_error *err);
/* *x [*n, dim] of a .npz or .npy; free(). */
ito_status cli_states_read(const char *path, const char *array, const cli_source *source, int64_t *n,
                           double **x, ito_error *err);

#endif
