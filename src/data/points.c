/* SPDX-License-Identifier: Apache-2.0
 *
 * Points of two kinds. "points" are the rows of a file, all held in memory. "gmm:NAME" are draws of the
 * mixture behind a point set, where point i of a seed is sample i of ito_density_sample: nothing is held, and
 * there is no end to them. Test draws are those from number TEST on, which no training reaches.
 */
#include "data/points.h"

#include "core/memory.h"
#include "core/text.h"

#include <ito/analytic.h>
#include <ito/formats.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "points", draws_prefix[] = "gmm:";
static const int64_t TEST = INT64_C(1) << 40;

struct ito__points {
    int64_t size, dim;
    double *rows;         /* [size, dim] of a file; NULL for draws */
    ito_density *density; /* of draws; NULL for a file */
    int64_t first;        /* number of the split's first draw */
};

const char *ito_data_density(const ito_data_config *config) {
    const size_t length = strlen(draws_prefix);
    return strncmp(config->dataset, draws_prefix, length) == 0 ? config->dataset + length : NULL;
}

bool ito_data_is_points(const ito_data_config *config) {
    return strcmp(config->dataset, file_name) == 0 || ito_data_density(config) != NULL;
}

/* Points have neither sides nor grey levels. */
static ito_status check_config(const ito_data_config *c, ito_error *err) {
    if (c->image_size != 1)
        return ito_error_set(err, ITO_E_ARG, "data.image_size: is %lld, points have no sides: set it to 1",
                             (long long)c->image_size);
    if (!c->centered)
        return ito_error_set(err, ITO_E_ARG,
                             "data.centered: is false, points are taken as they are: set it to true");
    if (c->uniform_dequantization || c->random_flip)
        return ito_error_set(err, ITO_E_ARG, "data.%s: is for images, the data are points: set it to false",
                             c->random_flip ? "random_flip" : "uniform_dequantization");
    return ITO_OK;
}

static ito_status check_dim(const ito_data_config *c, const char *name, int64_t dim, ito_error *err) {
    if (c->channels == dim) return ITO_OK;
    return ito_error_set(err, ITO_E_SHAPE,
                         "data.channels: is %lld, points of %s have %lld numbers each: set it to that",
                         (long long)c->channels, name, (long long)dim);
}

/* ---- files */

/* The array "points" of an archive, or its only one. */
static ito_status read_array(const char *path, ito__points *p, ito_error *err) {
    ito_tensor_file *file = NULL;
    ito_status st = ito__ends_with(path, ".npz") ? ito_npz_open(path, &file, err)
                                                 : ito_npy_open(path, file_name, &file, err);
    if (st != ITO_OK) return st;
    const ito_tensor *t = ito_tensor_file_find(file, file_name);
    if (!t && ito_tensor_file_count(file) == 1) t = ito_tensor_file_at(file, 0);
    if (!t || t->rank != 2 || t->count < 1) {
        st = ito_error_set(err, ITO_E_FORMAT, "%s: has no array \"%s\" of rows [n, d]: write one", path,
                           file_name);
        goto done;
    }
    p->rows = ito__alloc((size_t)t->count, sizeof *p->rows);
    if (!p->rows) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its %lld rows: use fewer", path,
                           (long long)t->dim[0]);
        goto done;
    }
    p->size = t->dim[0];
    p->dim = t->dim[1];
    ito_tensor_read_f64(t, p->rows);
done:
    ito_tensor_file_close(file);
    return st;
}

static ito_status open_file(const ito_data_config *c, const char *split, ito__points *p, ito_error *err) {
    const char *path = c->path;
    ito_status st;
    if (path[0] == '\0')
        return ito_error_set(err, ITO_E_ARG,
                             "data.path: is empty: set it to the .npz, .npy or .csv file of the points");
    if (strcmp(split, "train") != 0)
        return ito_error_set(err, ITO_E_ARG,
                             "split: %s is one set of points, without \"%.64s\": use train, or name the file "
                             "of other points",
                             path, split);
    if (ito__ends_with(path, ".csv"))
        st = ito_csv_read(path, &p->size, &p->dim, &p->rows, err);
    else if (ito__ends_with(path, ".npz") || ito__ends_with(path, ".npy"))
        st = read_array(path, p, err);
    else
        st = ito_error_set(err, ITO_E_ARG,
                           "data.path: %s ends in none of .npz, .npy and .csv: give such a "
                           "file",
                           path);
    if (st != ITO_OK) return st;
    for (int64_t j = 0; j < p->size * p->dim; j++) {
        if (isfinite(p->rows[j])) continue;
        return ito_error_set(err, ITO_E_FORMAT, "%s: row %lld holds a value that is not finite: remove it",
                             path, (long long)(j / p->dim));
    }
    return check_dim(c, path, p->dim, err);
}

/* ---- draws */

static ito_status open_draws(const ito_data_config *c, const char *split, ito__points *p, ito_error *err) {
    const ito_sde sde = ito_sde_default(ITO_SDE_VP); /* any whose noise is 0 at t = 0 */
    const bool test = strcmp(split, "test") == 0;
    ito_error inner;
    if (!test && strcmp(split, "train") != 0)
        return ito_error_set(err, ITO_E_ARG, "split: \"%.64s\" is not known: use train or test", split);
    if (c->path[0])
        return ito_error_set(err, ITO_E_ARG, "data.path: %s is drawn, not read: leave it out", c->dataset);
    const ito_status st = ito_mixture_named(&sde, ito_data_density(c), &p->density, &inner);
    if (st != ITO_OK) return ito_error_set(err, st, "data.dataset: %s: %s", c->dataset, inner.message);
    p->size = TEST;
    p->dim = ito_density_dim(p->density);
    p->first = test ? TEST : 0;
    return check_dim(c, c->dataset, p->dim, err);
}

/* ---- either */

ito_status ito__points_open(const ito_data_config *config, const char *split, ito__points **out,
                            ito_error *err) {
    *out = NULL;
    ito_status st = check_config(config, err);
    if (st != ITO_OK) return st;
    ito__points *p = ito__calloc(1, sizeof *p);
    if (!p) return ito_error_set(err, ITO_E_NOMEM, "data: memory ran out: close other programs");
    st = ito_data_density(config) ? open_draws(config, split, p, err) : open_file(config, split, p, err);
    if (st == ITO_OK) {
        if (config->limit > 0 && config->limit < p->size) p->size = config->limit;
        *out = p;
        p = NULL;
    }
    ito__points_close(p);
    return st;
}

void ito__points_close(ito__points *p) {
    if (!p) return;
    ito_density_free(p->density);
    ito__free(p->rows);
    ito__free(p);
}

int64_t ito__points_size(const ito__points *p) {
    return p->size;
}

bool ito__points_endless(const ito__points *p) {
    return p->size == TEST;
}

ito_status ito__points_read(const ito__points *p, uint64_t seed, int64_t first, int64_t n, double *x,
                            ito_error *err) {
    if (first < 0 || n < 0 || first > p->size - n)
        return ito_error_set(err, ITO_E_ARG, "data: points %lld and %lld more of %lld: ask for those there",
                             (long long)first, (long long)n, (long long)p->size);
    if (p->density) return ito_density_sample(p->density, seed, p->first + first, 0, n, x, err);
    memcpy(x, p->rows + first * p->dim, (size_t)(n * p->dim) * sizeof *x);
    return ITO_OK;
}
