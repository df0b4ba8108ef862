/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact sets and the floor. Points are cut into cells by a reference of a thousand draws a cell; disjoint
 * draws are then matched with samples. Images are compared with the test set; training images stand for a
 * perfect sampler.
 */
#include "bench_quality.h"

#include <ito/data.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_CELLS = 1024,
    ROWS_OF_CELL = 1024, /* of the reference: its own bias is then cells / (2 ROWS) = 5e-4 */
    SAMPLES_OF_CELL = 16,
    FLOOR_SETS = 16,
    GROUPS = 8 /* of the jackknife */
};

static ito_status no_memory(ito_error *err) {
    return ito_error_set(err, ITO_E_NOMEM, "--count: memory ran out: use less");
}

/* A distance of rows [n, width] from the exact ones. */
typedef ito_status distance_of(const cli_quality *q, int64_t n, const double *rows, double *out,
                               ito_error *err);

static ito_estimate mean_of(int64_t n, const double *values) {
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < n; k++) sum += values[k] / (double)n;
    for (int64_t k = 0; k < n; k++) squares += (values[k] - sum) * (values[k] - sum);
    return (ito_estimate){sum, n > 1 ? sqrt(squares / (double)(n - 1)) : (double)NAN};
}

/* The floor: the same measurement of FLOOR_SETS exact sets, row after row in x. */
static ito_status measure_floor(cli_quality *q, int64_t sets, const double *rows, int64_t width,
                                ito_status (*measure)(const cli_quality *q, const double *x,
                                                      ito_estimate *out, ito_error *err),
                                ito_error *err) {
    double values[CLI_MOST_MEASURES][FLOOR_SETS];
    for (int64_t k = 0; k < sets; k++) {
        ito_estimate out[CLI_MOST_MEASURES];
        const ito_status st = measure(q, rows + k * q->count * width, out, err);
        if (st != ITO_OK) return st;
        for (int i = 0; i < q->measures; i++) values[i][k] = out[i].value;
    }
    for (int i = 0; i < q->measures; i++) q->floor[i] = mean_of(sets, values[i]);
    return ITO_OK;
}

/* The error of a distance of rows [n, width]: the jackknife's, which leaves out one of GROUPS at a time. */
static ito_status jackknife(const cli_quality *q, int64_t n, int64_t width, const double *rows,
                            distance_of *distance, ito_estimate *out, ito_error *err) {
    const int64_t each = n / GROUPS;
    double without[GROUPS];
    double *kept = malloc((size_t)(n * width) * sizeof *kept);
    ito_status st = kept ? distance(q, n, rows, &out->value, err) : no_memory(err);
    for (int64_t g = 0; g < GROUPS && st == ITO_OK; g++) {
        const int64_t before = g * each, after = n - before - each;
        memcpy(kept, rows, (size_t)(before * width) * sizeof *kept);
        memcpy(kept + before * width, rows + (before + each) * width, (size_t)(after * width) * sizeof *kept);
        st = distance(q, before + after, kept, &without[g], err);
    }
    if (st == ITO_OK)
        out->standard_error = mean_of(GROUPS, without).standard_error * (GROUPS - 1) / sqrt(GROUPS);
    free(kept);
    return st;
}

/* ---- points */

/* Rows that do not fill a share of each point are left out, so that all points have the same mass. */
static ito_status wasserstein(const cli_quality *q, int64_t n, const double *rows, double *out,
                              ito_error *err) {
    ito_cells *cells = NULL;
    double *means = malloc((size_t)(q->match * q->dim) * sizeof *means);
    ito_status st = means ? ITO_OK : no_memory(err);
    if (st == ITO_OK) st = ito_cells_create(q->match, n - n % q->match, q->dim, rows, &cells, err);
    if (st == ITO_OK) {
        ito_cells_means(cells, means);
        st = ito_wasserstein2(q->match, q->dim, means, q->exact, out, err);
    }
    ito_cells_free(cells);
    free(means);
    return st;
}

static ito_status measure_points(const cli_quality *q, const double *x, ito_estimate *out, ito_error *err) {
    const ito_status st = ito_cells_kl(q->cells, q->count, x, &out[0], err);
    return st == ITO_OK ? jackknife(q, q->count, q->dim, x, wasserstein, &out[1], err) : st;
}

/* The largest power of two at most `most` that gives each cell enough samples. */
static int64_t cells_for(int64_t count, int64_t most) {
    int64_t cells = 2;
    while (2 * cells <= most && 2 * cells * SAMPLES_OF_CELL <= count) cells *= 2;
    return cells;
}

/* Both partitions of the reference: for counting, and into the points that are matched. */
static ito_status cut_reference(cli_quality *q, int64_t cells, int64_t m, const double *x, ito_error *err) {
    ito_cells *points = NULL;
    ito_status st = ito_cells_create(cells, m, q->dim, x, &q->cells, err);
    if (st == ITO_OK) st = ito_cells_create(q->match, m, q->dim, x, &points, err);
    if (st != ITO_OK) return st;
    const double moved = ito_cells_means(points, q->exact);
    snprintf(q->about[0], sizeof q->about[0], "KL(samples || exact), nats, on %lld cells", (long long)cells);
    snprintf(q->about[1], sizeof q->about[1], "each set as %lld points of equal mass, which moves it by %.3f",
             (long long)q->match, moved);
    ito_cells_free(points);
    return ITO_OK;
}

/* Draws of the density go to the reference first, then to the floor. */
static ito_status create_points(cli_quality *q, const cli_source *s, uint64_t seed, int64_t match,
                                ito_error *err) {
    if (!s->truth)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: the density of its data is not known, so nothing is exact to compare with: "
                             "use a model of gmm:NAME",
                             s->name);
    if (q->count < GROUPS * SAMPLES_OF_CELL)
        return ito_error_set(err, ITO_E_ARG, "--count: is %lld: use at least %d", (long long)q->count,
                             GROUPS * SAMPLES_OF_CELL);
    const int64_t cells = cells_for(q->count, MOST_CELLS), floor = FLOOR_SETS * q->count;
    q->match = cells_for(q->count * (GROUPS - 1) / GROUPS, match);
    const int64_t m = (cells > q->match ? cells : q->match) * ROWS_OF_CELL;
    double *x = malloc((size_t)(m > floor ? m : floor) * (size_t)q->dim * sizeof *x);
    q->exact = malloc((size_t)(q->match * q->dim) * sizeof *q->exact);
    ito_status st = x && q->exact ? ITO_OK : no_memory(err);
    q->exact_name = "exact samples";
    q->measures = 2;
    q->key[0] = "kl";
    q->title[0] = "KL divergence";
    q->unbiased[0] = true;
    q->key[1] = "w2";
    q->title[1] = "2-Wasserstein distance";
    if (st == ITO_OK) st = ito_density_sample(s->truth, seed, 0, 0, m, x, err);
    if (st == ITO_OK) st = cut_reference(q, cells, m, x, err);
    if (st == ITO_OK) st = ito_density_sample(s->truth, seed, m, 0, floor, x, err);
    if (st == ITO_OK) st = measure_floor(q, FLOOR_SETS, x, q->dim, measure_points, err);
    free(x);
    return st;
}

/* ---- images */

static ito_status frechet(const cli_quality *q, int64_t n, const double *rows, double *out, ito_error *err) {
    return ito_frechet_rows(q->features, n, rows, q->tests, q->test, out, err);
}

/* Of feature rows [count, features]. */
static ito_status measure_rows(const cli_quality *q, const double *rows, ito_estimate *out, ito_error *err) {
    return jackknife(q, q->count, q->features, rows, frechet, out, err);
}

static ito_status measure_images(const cli_quality *q, const double *x, ito_estimate *out, ito_error *err) {
    const ito_data_config *data = &q->recipe->data;
    ito_images im = {0};
    double *rows = malloc((size_t)(q->count * q->features) * sizeof *rows);
    ito_status st = rows ? ITO_OK : no_memory(err);
    if (st == ITO_OK)
        st = ito_images_from_states(&im, q->count, data->channels, data->image_size, 0, data->centered, x,
                                    err);
    if (st == ITO_OK) st = ito_image_features(im.n, im.height, im.width, im.channels, im.pixels, rows, err);
    if (st == ITO_OK) st = measure_rows(q, rows, out, err);
    ito_images_release(&im);
    free(rows);
    return st;
}

/* Features of all images of a split, or the first `most` of them; *n how many. */
static ito_status read_split(const ito_recipe *recipe, const char *split, int64_t most, int64_t *n,
                             double **rows, ito_error *err) {
    ito_dataset *set = NULL;
    ito_status st = ito_dataset_open(&recipe->data, split, &set, err);
    if (st != ITO_OK) return st;
    const int64_t C = recipe->data.channels, S = recipe->data.image_size;
    const int64_t width = ito_image_features_count(C);
    *n = ito_dataset_size(set) < most ? ito_dataset_size(set) : most;
    *rows = malloc((size_t)(*n * width) * sizeof **rows);
    uint8_t *image = malloc((size_t)(S * S * C)), *planes = malloc((size_t)(S * S * C));
    if (!*rows || !image || !planes) st = no_memory(err);
    for (int64_t k = 0; k < *n && st == ITO_OK; k++) {
        if ((st = ito_dataset_image(set, k, planes, err)) != ITO_OK) break;
        for (int64_t i = 0; i < S * S; i++)
            for (int64_t c = 0; c < C; c++) image[i * C + c] = planes[c * S * S + i];
        st = ito_image_features(1, S, S, C, image, *rows + k * width, err);
    }
    free(planes);
    free(image);
    ito_dataset_close(set);
    return st;
}

static ito_status create_images(cli_quality *q, const cli_source *s, ito_error *err) {
    int64_t n = 0;
    double *rows = NULL;
    q->recipe = &s->recipe;
    q->features = ito_image_features_count(s->recipe.data.channels);
    q->exact_name = "training images";
    q->measures = 1;
    q->key[0] = "frechet";
    q->title[0] = "Frechet distance";
    snprintf(q->about[0], sizeof q->about[0], "squared, feature space %s, to the test set",
             ITO_FEATURE_SPACE);
    if (q->count < 2 * q->features)
        return ito_error_set(err, ITO_E_ARG,
                             "--count: %lld images are few for %lld features: use %lld or more",
                             (long long)q->count, (long long)q->features, (long long)(2 * q->features));
    ito_status st = read_split(&s->recipe, "test", INT64_MAX, &q->tests, &q->test, err);
    if (st == ITO_OK) st = read_split(&s->recipe, "train", FLOOR_SETS * q->count, &n, &rows, err);
    if (st == ITO_OK && n < 2 * q->count)
        st = ito_error_set(err, ITO_E_ARG, "--count: the data set has %lld training images: use at most %lld",
                           (long long)n, (long long)(n / 2));
    if (st == ITO_OK) st = measure_floor(q, n / q->count, rows, q->features, measure_rows, err);
    free(rows);
    return st;
}

/* ---- either */

ito_status cli_quality_create(cli_quality *q, const cli_source *s, uint64_t seed, int64_t count,
                              int64_t match, ito_error *err) {
    *q = (cli_quality){.count = count, .dim = s->dim};
    return s->images ? create_images(q, s, err) : create_points(q, s, seed, match, err);
}

ito_status cli_quality_measure(const cli_quality *q, const double *x, ito_estimate *out, ito_error *err) {
    return q->cells ? measure_points(q, x, out, err) : measure_images(q, x, out, err);
}

void cli_quality_release(cli_quality *q) {
    ito_cells_free(q->cells);
    free(q->exact);
    free(q->test);
    *q = (cli_quality){0};
}
