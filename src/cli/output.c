/* SPDX-License-Identifier: Apache-2.0
 *
 * Naming and writing the samples of a verb, and latents there and back.
 */
#include "output.h"
#include "results.h"

#include <cjson/cJSON.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ito_status cli_output_style_check(const cli_output_style *style, ito_error *err) {
    if (style->zoom <= 64) return ITO_OK;
    return ito_error_set(err, ITO_E_ARG, "--zoom: is %lld: use at most 64", (long long)style->zoom);
}

ito_status cli_output_name(cli_output *out, const char *name, const cli_output_style *style,
                           const cli_source *source, ito_error *err) {
    int64_t size = source->recipe.data.image_size;
    ito_status st;
    *out = (cli_output){.picture = ""};
    if (source->images && size - 2 * style->crop < 1) {
        return ito_error_set(err, ITO_E_ARG,
                             "--crop: %lld pixels on every side leave nothing of %lld: use less",
                             (long long)style->crop, (long long)size);
    }
    if (cli_ends_with(name, ".png")) {
        st = cli_path(out->picture, sizeof out->picture, err, "%s", name);
        int stem = (int)(strlen(name) - strlen(".png"));
        if (st == ITO_OK) st = cli_path(out->arrays, sizeof out->arrays, err, "%.*s.npz", stem, name);
    } else if (cli_ends_with(name, ".npz") || cli_ends_with(name, ".npy") ||
               (!source->images && cli_ends_with(name, ".csv"))) {
        st = cli_path(out->arrays, sizeof out->arrays, err, "%s", name);
    } else {
        st = ito_error_set(err, ITO_E_ARG, "--out: \"%s\" does not end in .png, .npz%s: give such a file",
                           name, source->images ? " or .npy" : ", .npy or .csv");
    }
    if (st == ITO_OK && out->picture[0]) st = cli_check_writable(out->picture, err);
    if (st == ITO_OK) st = cli_check_writable(out->arrays, err);
    return st;
}

ito_status cli_output_write(const cli_output *out, const cli_source *source, const cli_output_style *style,
                            int64_t n, const double *x, ito_error *err) {
    cli_results r = {.kind = source->images ? &cli_image_results : &cli_point_results,
                     .recipe = &source->recipe,
                     .density = source->truth,
                     .dim = source->dim,
                     .name = source->name,
                     .count = n,
                     .crop = style->crop,
                     .zoom = (int)style->zoom,
                     .columns = style->columns};
    ito_status st = r.kind->init(&r, err);
    if (st == ITO_OK) st = r.kind->take(&r, 0, n, x, err);
    if (st == ITO_OK) st = r.kind->write_arrays(&r, out->arrays, err);
    if (st == ITO_OK && out->picture[0]) st = r.kind->write_picture(&r, out->picture, err);
    r.kind->release(&r);
    return st;
}

void cli_output_list(const cli_output *out, cJSON *list) {
    const char *const names[] = {out->picture, out->arrays};
    for (int i = 0; i < 2; i++) {
        if (!names[i][0]) continue;
        if (list)
            cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
        else
            printf("%s\n", names[i]);
    }
}

ito_status cli_states_write(const char *path, const char *array, const cli_source *source, int64_t n,
                            const double *x, ito_error *err) {
    const ito_data_config *data = &source->recipe.data;
    ito_tensor t = {.name = array, .dtype = ITO_DTYPE_F64, .rank = 2, .dim = {n, source->dim}};
    if (source->images) {
        t.rank = 4;
        t.dim[1] = data->channels;
        t.dim[2] = t.dim[3] = data->image_size;
    }
    t.count = n * source->dim;
    t.data = x;
    return ito_npz_write(path, 1, &t, err);
}

ito_status cli_arrays_open(const char *path, const char *array, ito_tensor_file **out, ito_error *err) {
    *out = NULL;
    if (cli_ends_with(path, ".npz")) return ito_npz_open(path, out, err);
    if (cli_ends_with(path, ".npy")) return ito_npy_open(path, array, out, err);
    return ito_error_set(err, ITO_E_ARG, "%s: ends neither in .npz nor in .npy: give such a file", path);
}

static ito_status check_finite(const char *path, const cli_source *source, int64_t n, const double *x,
                               ito_error *err) {
    for (int64_t j = 0; j < n * source->dim; j++) {
        if (isfinite(x[j])) continue;
        return ito_error_set(err, ITO_E_FORMAT, "%s: row %lld holds a value that is not finite: remove it",
                             path, (long long)(j / source->dim));
    }
    return ITO_OK;
}

ito_status cli_states_read(const char *path, const char *array, const cli_source *source, int64_t *n,
                           double **x, ito_error *err) {
    ito_tensor_file *file = NULL;
    double *values = NULL;
    ito_status st = cli_arrays_open(path, array, &file, err);
    if (st != ITO_OK) goto done;
    const ito_tensor *t = ito_tensor_file_find(file, array);
    if (!t || t->rank < 2 || t->dim[0] < 1) {
        st = ito_error_set(err, ITO_E_FORMAT, "%s: has no array \"%s\" of rows: write one", path, array);
        goto done;
    }
    if (t->count / t->dim[0] != source->dim) {
        st = ito_error_set(err, ITO_E_SHAPE,
                           "%s: its \"%s\" have %lld values each, %s takes %lld: use its own model", path,
                           array, (long long)(t->count / t->dim[0]), source->name, (long long)source->dim);
        goto done;
    }
    if (!(values = malloc((size_t)t->count * sizeof *values))) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory for its %lld rows: use fewer", path,
                           (long long)t->dim[0]);
        goto done;
    }
    ito_tensor_read_f64(t, values);
    if ((st = check_finite(path, source, t->dim[0], values, err)) != ITO_OK) goto done;
    *n = t->dim[0];
    *x = values;
    values = NULL;
done:
    free(values);
    ito_tensor_file_close(file);
    return st;
}
