/* SPDX-License-Identifier: Apache-2.0
 *
 * The samples that a verb reads: a split of a model's data set, a file of images or points, or exact draws of
 * an analytic density. Sample k is the same whatever the batch.
 */
#ifndef ITO_CLI_INPUT_H
#define ITO_CLI_INPUT_H

#include "source.h"

#include <ito/data.h>
#include <ito/formats.h>

typedef struct cli_input {
    const cli_source *source; /* borrowed */
    int64_t n;
    uint64_t seed;
    double t;                 /* of exact draws */
    ito_dataset *set;         /* a split, */
    ito_images images;        /* or a file, padded to the size of the source, */
    double *points;           /* or [n, dim]; none of the three: exact draws of source->density */
    cli_fingerprint contents; /* of the whole file, or of a split's size and first images */
} cli_input;

/* Are these samples drawn, as many as one asks for? */
bool cli_input_drawn(const cli_source *source, const char *name);
/* `name`: "test" or "train", a .png, .jpg or .webp, or a .npz (uint8 [n,H,W,C] under "images"; for a source
 * of points, numbers [n,d] under "points", or a .csv). NULL: the test split, or exact draws of p_t. `count`
 * samples, -1 for all of a split or file, and 1000 draws. ARG when there are not so many. */
ito_status cli_input_open(cli_input *in, const cli_source *source, const char *name, int64_t count,
                          uint64_t seed, double t, ito_error *err);
void cli_input_release(cli_input *in);

/* x [n, dim]: states of samples first .. first + n - 1. Bytes become (byte + u) / 256 with u the draw `draw`
 * of stream (seed, DEQUANTIZE, sample); byte / 255 when draw is -1. Points and draws are what they are. */
ito_status cli_input_states(const cli_input *in, int64_t first, int64_t n, int64_t draw, double *x,
                            ito_error *err);

#endif
