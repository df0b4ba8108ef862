/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: one safetensors file that holds the whole state of a run.
 *
 *   tensors    ema/<name>, live/<name>          every parameter and buffer, F32
 *              adam_m/<name>, adam_v/<name>     every trainable parameter, F32
 *   metadata   format "ito checkpoint 1"; recipe (YAML); step, images, updates, skipped, skipped_in_a_row,
 *              ema_updates (those of updates where it is missing, as in files from before it)
 *
 * Random draws are named by (seed, purpose, example), so no generator state is stored: the counters say where
 * to go on. The writer gets pointers into the live blocks, and the reader copies out of a mapped file, so
 * neither needs a second copy of the weights.
 */
#include "core/memory.h"
#include "training/trainer.h"
#include <errno.h>
#include <ito/formats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_key[] = "format", format_value[] = "ito checkpoint 1", recipe_key[] = "recipe";

/* The parts of a checkpoint that are parameter blocks, in file order. */
typedef struct block {
    const char *prefix;
    ito_params *params;
    bool moments; /* trainable tensors only */
} block;

enum { BLOCKS = 4, COUNTERS = 6, METADATA = COUNTERS + 2, DIGITS = 24 };

static void blocks_of(const ito_trainer *t, block list[BLOCKS]) {
    list[0] = (block){"ema/", t->ema, false};
    list[1] = (block){"live/", t->live, false};
    list[2] = (block){"adam_m/", t->adam_m, true};
    list[3] = (block){"adam_v/", t->adam_v, true};
}

/* A counter's key and where it lives: one table for writing and reading. */
typedef struct counter {
    const char *key;
    int64_t *value;
} counter;

static void counters_of(ito__counters *c, counter list[COUNTERS]) {
    list[0] = (counter){"step", &c->step};
    list[1] = (counter){"images", &c->images};
    list[2] = (counter){"updates", &c->updates};
    list[3] = (counter){"skipped", &c->skipped};
    list[4] = (counter){"skipped_in_a_row", &c->skipped_in_a_row};
    list[5] = (counter){"ema_updates", &c->ema_updates};
}

/* ---- save */

/* The tensors of a checkpoint, pointing into the trainer's blocks; names are kept in one allocation. */
typedef struct listing {
    int count;
    ito_tensor *tensor;
    char *names;
} listing;

static void listing_release(listing *l) {
    ito__free(l->names);
    ito__free(l->tensor);
}

static bool stored(const block *b, int i) {
    return !b->moments || ito_params_trainable(b->params, i);
}

static ito_tensor describe(const block *b, int i, const char *name) {
    ito_shape shape = ito_params_shape(b->params, i);
    ito_tensor tensor = {.name = name,
                         .dtype = ITO_DTYPE_F32,
                         .rank = shape.rank,
                         .count = ito_shape_count(shape),
                         .data = ito_params_data(b->params, i)};
    for (int k = 0; k < shape.rank; k++) tensor.dim[k] = shape.dim[k];
    return tensor;
}

static ito_status listing_init(listing *l, const ito_trainer *t, ito_error *err) {
    block blocks[BLOCKS];
    blocks_of(t, blocks);
    int params = ito_params_count(t->live);
    size_t longest = strlen("adam_m/") + 1, bytes = 0;
    for (int i = 0; i < params; i++) bytes += longest + strlen(ito_params_name(t->live, i));

    *l = (listing){.tensor = ito__calloc((size_t)params * BLOCKS, sizeof *l->tensor),
                   .names = ito__calloc(bytes, BLOCKS)};
    if (!l->tensor || !l->names) {
        listing_release(l);
        return ito_error_set(err, ITO_E_NOMEM,
                             "checkpoint: no memory for its table of contents: free some memory");
    }
    char *name = l->names;
    for (int b = 0; b < BLOCKS; b++) {
        for (int i = 0; i < params; i++) {
            if (!stored(&blocks[b], i)) continue;
            l->tensor[l->count++] = describe(&blocks[b], i, name);
            name = stpcpy(stpcpy(name, blocks[b].prefix), ito_params_name(t->live, i)) + 1;
        }
    }
    return ITO_OK;
}

ito_status ito_trainer_save(const ito_trainer *t, const char *path, ito_error *err) {
    char digits[COUNTERS][DIGITS];
    ito_metadata metadata[METADATA] = {{format_key, format_value}, {recipe_key, t->recipe_text}};
    ito__counters count = t->count;
    counter counters[COUNTERS];
    counters_of(&count, counters);
    for (int i = 0; i < COUNTERS; i++) {
        snprintf(digits[i], DIGITS, "%lld", (long long)*counters[i].value);
        metadata[2 + i] = (ito_metadata){counters[i].key, digits[i]};
    }
    listing l;
    ito_status st = listing_init(&l, t, err);
    if (st != ITO_OK) return st;
    st = ito_safetensors_write(path, l.count, l.tensor, METADATA, metadata, err);
    listing_release(&l);
    return st;
}

/* ---- load */

static ito_status read_counters(const ito_tensor_file *f, const char *path, ito__counters *out,
                                ito_error *err) {
    ito__counters c = {0};
    counter counters[COUNTERS];
    counters_of(&c, counters);
    for (int i = 0; i < COUNTERS; i++) {
        const char *text = ito_tensor_file_metadata(f, counters[i].key);
        if (!text && counters[i].value == &c.ema_updates) text = ito_tensor_file_metadata(f, "updates");
        char *end = NULL;
        errno = 0;
        long long value = text ? strtoll(text, &end, 10) : -1;
        if (!text || end == text || *end || errno || value < 0)
            return ito_error_set(
                err, ITO_E_FORMAT,
                "%s: metadata \"%s\" is %s, not a count: use a checkpoint that ito train wrote", path,
                counters[i].key, text ? text : "missing");
        *counters[i].value = value;
    }
    *out = c;
    return ITO_OK;
}

static size_t line_length(const char *text) {
    return strcspn(text, "\n");
}

/* Two printed recipes hold the same keys in the same order: the first line that differs names the field. */
static ito_status compare_text(const char *path, const char *stored_text, const char *own_text,
                               ito_error *err) {
    const char *section = "", *a = stored_text, *b = own_text;
    size_t section_length = 0;
    while (*a || *b) {
        size_t na = line_length(a), nb = line_length(b);
        if (*a && *a != ' ' && *a != '-') {
            section = a;
            section_length = strcspn(a, ":\n");
        }
        if (na != nb || memcmp(a, b, na) != 0)
            return ito_error_set(
                err, ITO_E_FORMAT,
                "%s: was trained with another %.*s, \"%.*s\" where this run has \"%.*s\": resume with "
                "the recipe of the checkpoint",
                path, (int)section_length, section, (int)(na - strspn(a, " ")), a + strspn(a, " "),
                (int)(nb - strspn(b, " ")), b + strspn(b, " "));
        a += na + (a[na] != '\0');
        b += nb + (b[nb] != '\0');
    }
    return ITO_OK;
}

/* Network, SDE and objective must be the run's own; where the data come from, how long to train and how to
 * sample may change from one session of a run to the next. */
static ito_status check_recipe(const ito_trainer *t, const ito_tensor_file *f, const char *path,
                               ito_error *err) {
    const char *text = ito_tensor_file_metadata(f, recipe_key);
    if (!text)
        return ito_error_set(err, ITO_E_FORMAT, "%s: holds no recipe: use a checkpoint that ito train wrote",
                             path);
    ito_recipe own = t->recipe, kept;
    ito_status st = ito_recipe_parse(text, strlen(text), path, &kept, err);
    if (st != ITO_OK) return st;

    ito_recipe compared = own;
    compared.network = kept.network;
    compared.sde = kept.sde;
    compared.objective = kept.objective;
    compared.data.image_size = kept.data.image_size;
    compared.data.channels = kept.data.channels;
    compared.data.centered = kept.data.centered;
    char *compared_text = NULL;
    if ((st = ito_recipe_print(&compared, &compared_text, err)) != ITO_OK) return st;
    st = compare_text(path, compared_text, t->recipe_text, err);
    free(compared_text);
    return st;
}

/* "F32 [8,1,3,3]" */
static const char *tensor_text(const ito_tensor *t, char out[128]) {
    int used = snprintf(out, 128, "%s [", ito_dtype_name(t->dtype));
    for (int k = 0; k < t->rank && used < 100; k++) {
        used += snprintf(out + used, (size_t)(128 - used), "%s%lld", k ? "," : "", (long long)t->dim[k]);
    }
    snprintf(out + used, (size_t)(128 - used), "]");
    return out;
}

/* The tensor of block b for parameter i, which must be there, as floats, with the parameter's shape. */
static ito_status find_tensor(const ito_tensor_file *f, const char *path, const block *b, int i,
                              const ito_tensor **out, ito_error *err) {
    char name[512], got[128], wanted[128];
    int length = snprintf(name, sizeof name, "%s%s", b->prefix, ito_params_name(b->params, i));
    const ito_tensor *found = length < (int)sizeof name ? ito_tensor_file_find(f, name) : NULL;
    if (!found)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: tensor \"%s\" is missing: use a checkpoint that ito train wrote", path,
                             name);
    ito_tensor expected = describe(b, i, name);
    bool same = found->dtype == expected.dtype && found->rank == expected.rank;
    for (int k = 0; same && k < expected.rank; k++) same = found->dim[k] == expected.dim[k];
    if (!same)
        return ito_error_set(err, ITO_E_FORMAT,
                             "%s: tensor \"%s\" is %s, expected %s: use the checkpoint of this recipe", path,
                             name, tensor_text(found, got), tensor_text(&expected, wanted));
    *out = found;
    return ITO_OK;
}

ito_status ito_trainer_load(ito_trainer *t, const char *path, ito_error *err) {
    ito_tensor_file *f = NULL;
    ito__counters count = {0};
    const ito_tensor *tensor = NULL;
    block blocks[BLOCKS];
    blocks_of(t, blocks);
    int params = ito_params_count(t->live);

    ito_status st = ito_safetensors_open(path, &f, err);
    if (st != ITO_OK) return st;
    const char *format = ito_tensor_file_metadata(f, format_key);
    if (!format || strcmp(format, format_value) != 0) {
        st = ito_error_set(
            err, ITO_E_FORMAT,
            "%s: is no checkpoint (its format is \"%s\", expected \"%s\"): use a file that ito train "
            "wrote",
            path, format ? format : "not given", format_value);
        goto done;
    }
    if ((st = check_recipe(t, f, path, err)) != ITO_OK) goto done;
    if ((st = read_counters(f, path, &count, err)) != ITO_OK) goto done;

    /* Nothing is copied before everything has been found, so a refused file leaves the trainer as it was. */
    for (int pass = 0; pass < 2; pass++) {
        for (int n = 0; n < BLOCKS * params; n++) {
            const block *b = &blocks[n / params];
            if (!stored(b, n % params)) continue;
            if ((st = find_tensor(f, path, b, n % params, &tensor, err)) != ITO_OK) goto done;
            if (pass == 1) ito_tensor_read_f32(tensor, ito_params_data(b->params, n % params));
        }
    }
    t->count = count;
    ito_workspace_touch(t->workspace);
done:
    ito_tensor_file_close(f);
    return st;
}
