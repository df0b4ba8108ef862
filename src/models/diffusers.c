/* SPDX-License-Identifier: Apache-2.0
 *
 * A diffusers folder as a model: its files, and the weights between the two sets of names and layouts.
 */
#include "models/diffusers.h"

#include "core/memory.h"
#include "formats/safetensors.h"
#include "models/model_path.h"

#include <errno.h>
#include <ito/formats.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH = 1024 };
static const size_t max_json = 1 << 20;
static const char weights_file[] = "diffusion_pytorch_model.safetensors";

/* ---- files ---- */

/* folder/name; false when it does not fit or does not exist. */
static bool exists(const char *folder, const char *name, char out[PATH]) {
    int n = snprintf(out, PATH, "%s/%s", folder, name);
    return n > 0 && n < PATH && access(out, F_OK) == 0;
}

/* The folder that holds config.json: this one, or unet/ in it. */
static bool find_network(const char *path, char folder[PATH]) {
    char file[PATH];
    if (!ito__is_directory(path)) return false;
    if ((size_t)snprintf(folder, PATH, "%s", path) >= PATH) return false;
    if (exists(folder, "config.json", file)) return true;
    int n = snprintf(folder, PATH, "%s/unet", path);
    return n > 0 && n < PATH && exists(folder, "config.json", file);
}

bool ito__is_diffusers(const char *path) {
    char folder[PATH];
    return find_network(path, folder);
}

static ito_status read_json(const char *path, cJSON **out, ito_error *err) {
    char *text = NULL;
    size_t length;
    ito_status st = ito_file_read(path, max_json, &text, &length, err);
    if (st != ITO_OK) return st;
    *out = cJSON_ParseWithLength(text, length);
    ito__free(text);
    if (cJSON_IsObject(*out)) return ITO_OK;
    cJSON_Delete(*out);
    *out = NULL;
    return ito_error_set(err, ITO_E_FORMAT, "%s: is no JSON object: get the file again", path);
}

static ito_status read_recipe(const char *folder, const char *path, ito_recipe *recipe, bool *cosines_first,
                              ito_error *err) {
    static const char *const places[] = {"scheduler_config.json", "../scheduler/scheduler_config.json"};
    char file[PATH];
    cJSON *config = NULL, *scheduler = NULL;
    ito_status st;
    exists(folder, "config.json", file);
    if ((st = read_json(file, &config, err)) != ITO_OK) goto done;
    for (int i = 0; i < 2 && !scheduler; i++)
        if (exists(folder, places[i], file) && (st = read_json(file, &scheduler, err)) != ITO_OK) goto done;
    st = ito__diffusers_read(config, scheduler, path, recipe, cosines_first, err);
done:
    cJSON_Delete(scheduler);
    cJSON_Delete(config);
    return st;
}

static ito_status open_weights(const char *folder, char path[PATH], ito_tensor_file **out, ito_error *err) {
    if (exists(folder, weights_file, path)) return ito_safetensors_open(path, out, err);
    if (exists(folder, "diffusion_pytorch_model.bin", path)) return ito_pth_open(path, out, err);
    return ito_error_set(
        err, ITO_E_IO,
        "%.600s: has config.json but neither %s nor diffusion_pytorch_model.bin: get the whole "
        "folder",
        folder, weights_file);
}

/* ---- names ---- */

/* Later names and those they had before diffusers 0.15; the frequencies are stored under either or both. */
static const struct {
    const char *now, *before;
} renamed[] = {
    {".to_q.", ".query."},
    {".to_k.", ".key."},
    {".to_v.", ".value."},
    {".to_out.0.", ".proj_attn."},
    {"time_proj.weight", "time_proj.W"},
};

static const ito_tensor *find(const ito_tensor_file *f, const char *name) {
    static const char *const prefixes[] = {"", "model/"}; /* a .bin is read as a checkpoint's live weights */
    char tried[160];
    const ito_tensor *t = NULL;
    for (int i = 0; i < 2 && !t; i++) {
        snprintf(tried, sizeof tried, "%s%s", prefixes[i], name);
        t = ito_tensor_file_find(f, tried);
    }
    return t;
}

static const ito_tensor *find_either(const ito_tensor_file *f, const char *name) {
    const ito_tensor *t = find(f, name);
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0] && !t; i++) {
        const char *part = strstr(name, renamed[i].now);
        char before[120];
        if (!part) continue;
        snprintf(before, sizeof before, "%.*s%s%s", (int)(part - name), name, renamed[i].before,
                 part + strlen(renamed[i].now));
        t = find(f, before);
    }
    return t;
}

/* ---- layouts ---- */

static bool fits(const ito_tensor *t, ito_shape ours, ito__diffusers_form form) {
    if (form == ITO__DIFFUSERS_MATRIX) {
        bool matrix = t->rank == 2 || (t->rank == 4 && t->dim[2] == 1 && t->dim[3] == 1);
        return matrix && t->dim[0] == ours.dim[1] && t->dim[1] == ours.dim[0];
    }
    bool same = t->rank == ours.rank;
    for (int k = 0; same && k < ours.rank; k++) same = t->dim[k] == ours.dim[k];
    return same;
}

/* to [columns, rows] from [rows, columns] */
static void transpose(int64_t rows, int64_t columns, const float *from, float *to) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}

static void swap_halves(int64_t rows, int64_t columns, float *x) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns / 2; j++) {
            float *a = x + i * columns + j, *b = a + columns / 2, kept = *a;
            *a = *b;
            *b = kept;
        }
}

/* ---- load ---- */

typedef struct loading {
    const char *path; /* of the weights, for messages */
    ito_tensor_file *file;
    ito_params *params;
    int count;
    ito__diffusers_pair *pairs;
    bool cosines_first;
} loading;

static ito_status load_tensor(const loading *l, const ito__diffusers_pair *pair, ito_error *err) {
    int i = ito_params_find(l->params, pair->ours);
    const ito_tensor *t = find_either(l->file, pair->theirs);
    ito_status st;
    if (!t)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: lacks tensor \"%s\" of config.json's network: get both files again",
                             l->path, pair->theirs);
    ito_shape s = ito_params_shape(l->params, i);
    if (!fits(t, s, pair->form))
        return ito_error_set(
            err, ITO_E_SHAPE,
            "%s: tensor \"%s\" has another shape than config.json says: get both files again", l->path,
            t->name);
    if ((st = ito_tensor_file_check(l->file, t, err)) != ITO_OK) return st;
    float *out = ito_params_data(l->params, i), *read = out;
    if (pair->form == ITO__DIFFUSERS_MATRIX && !(read = ito__alloc((size_t)t->count, sizeof *read)))
        return ito_error_set(err, ITO_E_NOMEM, "%s: no memory for a tensor: free some", l->path);
    ito_tensor_read_f32(t, read);
    if (read != out) {
        transpose(s.dim[1], s.dim[0], read, out);
        ito__free(read);
    }
    if (pair->form == ITO__DIFFUSERS_WAVES && l->cosines_first) swap_halves(s.dim[0], s.dim[1], out);
    for (int64_t k = 0; k < t->count; k++)
        if (!isfinite(out[k]))
            return ito_error_set(err, ITO_E_NUMERIC, "%s: tensor \"%s\" holds %g: take another file", l->path,
                                 t->name, (double)out[k]);
    return ITO_OK;
}

static int by_theirs(const void *a, const void *b) {
    return strcmp(((const ito__diffusers_pair *)a)->theirs, ((const ito__diffusers_pair *)b)->theirs);
}

/* A tensor that no parameter took means another network than config.json says. `pairs` gets sorted. */
static ito_status check_leftovers(const loading *l, ito_error *err) {
    qsort(l->pairs, (size_t)l->count, sizeof *l->pairs, by_theirs);
    for (int i = 0; i < ito_tensor_file_count(l->file); i++) {
        const char *name = ito_tensor_file_at(l->file, i)->name;
        if (strncmp(name, "model/", 6) == 0) name += 6;
        ito__diffusers_pair key;
        snprintf(key.theirs, sizeof key.theirs, "%s", name);
        for (size_t k = 0; k < sizeof renamed / sizeof renamed[0]; k++) {
            const char *part = strstr(name, renamed[k].before);
            if (!part) continue;
            snprintf(key.theirs, sizeof key.theirs, "%.*s%s%s", (int)(part - name), name, renamed[k].now,
                     part + strlen(renamed[k].before));
        }
        if (bsearch(&key, l->pairs, (size_t)l->count, sizeof *l->pairs, by_theirs)) continue;
        return ito_error_set(
            err, ITO_E_UNSUPPORTED,
            "%s: has tensor \"%.200s\", which config.json's network has not here: it may need a "
            "field that config.json lacks",
            l->path, name);
    }
    return ITO_OK;
}

/* The pairs of a network; ito__free. */
static ito_status make_pairs(const ito_recipe *r, const ito_params *params, const char *path,
                             ito__diffusers_pair **out, int *count, ito_error *err) {
    int n = ito_params_count(params);
    ito__diffusers_pair *pairs = ito__calloc((size_t)n, sizeof *pairs);
    if (!pairs) return ito_error_set(err, ITO_E_NOMEM, "%.400s: no memory for names: free some", path);
    *count = ito__diffusers_pairs(&r->network, n, pairs);
    bool complete = *count == n;
    for (int i = 0; complete && i < n; i++) complete = ito_params_find(params, pairs[i].ours) >= 0;
    if (complete) {
        *out = pairs;
        return ITO_OK;
    }
    ito__free(pairs);
    return ito_error_set(err, ITO_E_UNSUPPORTED,
                         "%.400s: its %d tensors are not those of a UNet2DModel: keep it "
                         "as .safetensors",
                         path, n);
}

ito_status ito__diffusers_load(const char *path, ito_model **out, ito_error *err) {
    char folder[PATH];
    loading l = {0};
    ito_model *m = NULL;
    ito_status st = ITO_OK;
    *out = NULL;
    if (!find_network(path, folder)) {
        st = ito_error_set(err, ITO_E_IO, "%.400s: has no config.json: get the whole folder", path);
        goto done;
    }
    if (!(m = ito__calloc(1, sizeof *m))) {
        st = ito_error_set(err, ITO_E_NOMEM, "%.400s: no memory for a model: free some", path);
        goto done;
    }
    if ((st = read_recipe(folder, path, &m->recipe, &l.cosines_first, err)) != ITO_OK) goto done;
    if ((st = open_weights(folder, m->path, &l.file, err)) != ITO_OK) goto done;
    if ((st = ito_recipe_params(&m->recipe, &m->params, err)) != ITO_OK) goto done;
    if ((st = make_pairs(&m->recipe, m->params, path, &l.pairs, &l.count, err)) != ITO_OK) goto done;
    l.path = m->path;
    l.params = m->params;
    for (int i = 0; i < l.count; i++)
        if ((st = load_tensor(&l, &l.pairs[i], err)) != ITO_OK) goto done;
    if ((st = check_leftovers(&l, err)) != ITO_OK) goto done;
    *out = m;
    m = NULL;
done:
    ito__free(l.pairs);
    ito_tensor_file_close(l.file);
    ito_model_free(m);
    return st;
}

/* ---- save ---- */

/* In the order in which they get their names: config.json makes the folder a model, so it comes last. */
enum { WEIGHTS, SCHEDULER, CONFIG, FILES };

static ito_status put_json(ito__output *o, const cJSON *json, ito_error *err) {
    char *text = cJSON_Print(json);
    ito_status st = text ? ito__output_write(o, text, strlen(text), err)
                         : ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write it: free some", o->path);
    cJSON_free(text);
    return st;
}

/* Describes a parameter under its name there; a transposed one in `copy`, whose room it uses. */
static ito_tensor describe(ito_params *params, const ito__diffusers_pair *pair, float **copy) {
    int i = ito_params_find(params, pair->ours);
    ito_shape s = ito_params_shape(params, i);
    float *data = ito_params_data(params, i);
    ito_tensor t = {.name = pair->theirs, .dtype = ITO_DTYPE_F32, .rank = s.rank, .data = data};
    t.count = ito_shape_count(s);
    memcpy(t.dim, s.dim, (size_t)s.rank * sizeof *s.dim);
    if (pair->form != ITO__DIFFUSERS_MATRIX) return t;
    transpose(s.dim[0], s.dim[1], data, *copy);
    t.data = *copy;
    *copy += t.count;
    t.dim[0] = s.dim[1];
    t.dim[1] = s.dim[0];
    if (strstr(pair->theirs, "conv_shortcut")) {
        t.rank = 4;
        t.dim[2] = t.dim[3] = 1;
    }
    return t;
}

static ito_status put_weights(const ito_model *m, ito__output *o, ito_error *err) {
    static const ito_metadata metadata[] = {{"format", "pt"}};
    int count = 0;
    ito__diffusers_pair *pairs = NULL;
    ito_tensor *tensors = NULL;
    float *copies = NULL;
    ito_status st = make_pairs(&m->recipe, m->params, m->path, &pairs, &count, err);
    if (st != ITO_OK) goto done;
    tensors = ito__calloc((size_t)count, sizeof *tensors);
    copies = ito__alloc((size_t)ito_params_trainable_count(m->params), sizeof *copies);
    if (!tensors || !copies) {
        st = ito_error_set(err, ITO_E_NOMEM, "%s: no memory to write it: free some", o->path);
        goto done;
    }
    float *next = copies;
    for (int i = 0; i < count; i++) tensors[i] = describe(m->params, &pairs[i], &next);
    st = ito__safetensors_put(o, count, tensors, 1, metadata, err);
done:
    ito__free(copies);
    ito__free(tensors);
    ito__free(pairs);
    return st;
}

static ito_status open_outputs(const char *folder, char paths[FILES][PATH], ito__output o[FILES],
                               ito_error *err) {
    const char *const names[FILES] = {weights_file, "scheduler_config.json", "config.json"};
    ito_status st = ito_directory_make(folder, err);
    for (int k = 0; k < FILES && st == ITO_OK; k++) {
        int n = snprintf(paths[k], PATH, "%s/%s", folder, names[k]);
        st = n > 0 && n < PATH
                 ? ito__output_open(&o[k], paths[k], err)
                 : ito_error_set(err, ITO_E_ARG, "%.400s: the path is too long: use a shorter one", folder);
    }
    return st;
}

/* Until all files are there under temporary names, a model that the folder held stays. From then on the
 * folder is either no model or the new one: never weights of one beside the configuration of another. */
static ito_status commit_outputs(ito__output o[FILES], ito_error *err) {
    ito_status st = ITO_OK;
    if (unlink(o[CONFIG].path) != 0 && errno != ENOENT)
        return ito__file_error(err, o[CONFIG].path, "replaced", errno);
    for (int k = 0; k < FILES && st == ITO_OK; k++) st = ito__output_commit(&o[k], err);
    return st;
}

ito_status ito_model_save_diffusers(const ito_model *m, const char *folder, ito_error *err) {
    cJSON *config = NULL, *scheduler = NULL;
    char paths[FILES][PATH];
    ito__output o[FILES] = {{0}};
    ito_status st = ito__diffusers_write(&m->recipe, m->path, &config, &scheduler, err);
    if (st != ITO_OK) goto done;
    if ((st = open_outputs(folder, paths, o, err)) != ITO_OK) goto done;
    if ((st = put_weights(m, &o[WEIGHTS], err)) != ITO_OK) goto done;
    if ((st = put_json(&o[SCHEDULER], scheduler, err)) != ITO_OK) goto done;
    if ((st = put_json(&o[CONFIG], config, err)) != ITO_OK) goto done;
    st = commit_outputs(o, err);
done:
    for (int k = 0; k < FILES; k++) ito__output_release(&o[k]);
    cJSON_Delete(scheduler);
    cJSON_Delete(config);
    return st;
}
