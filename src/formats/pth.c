/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints of the published PyTorch code. The object in the file is a dictionary:
 *
 *   model       name -> tensor: parameters and buffers, in the order of definition
 *   ema         decay, num_updates, shadow_params: an unnamed list of the trainable parameters, in that order
 *   optimizer   Adam's: state, number -> step, exp_avg, exp_avg_sq; param_groups, which list the numbers in
 * the order of the parameters, those that are not trained included step        an integer
 *
 * A dictionary of tensors alone is taken for the model.
 */
#include "formats/pth.h"

#include "core/decimal.h"
#include "core/memory.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ito__pth pth;
typedef ito__pickle_value value;

/* Looking up a key is linear: small tables keep hostile ones from making it quadratic. */
enum { NAME = 512, NAME_MAX_LENGTH = 400, MOST_GROUPS = 100, MOST_STATES = 32 };

/* ---- model ---- */

/* Under DataParallel every name begins with "module.". */
static const char *plain_name(const char *key) {
    return strncmp(key, "module.", 7) == 0 ? key + 7 : key;
}

static ito_status add_model(pth *p, const value *model) {
    char name[NAME];
    for (size_t i = 0; i + 1 < model->count; i += 2) {
        const value *key = model->item[i];
        if (key->kind != ITO__PICKLE_STRING || key->count > NAME_MAX_LENGTH ||
            strlen(key->text) != key->count)
            return ito__pth_damaged(p, "model", "has a name that is no short text");
        snprintf(name, sizeof name, "model/%s", plain_name(key->text));
        ito_status st = ito__pth_add_tensor(p, name, model->item[i + 1]);
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

/* What state_dict lists beside parameters: the table of noise levels, running statistics, counters. */
static bool is_buffer(const ito_tensor *t) {
    const char *last = strrchr(t->name, '.');
    bool whole = t->dtype == ITO_DTYPE_I64 || t->dtype == ITO_DTYPE_I32 || t->dtype == ITO_DTYPE_U8;
    return whole || strcmp(t->name, "model/sigmas") == 0 ||
           (last && (strcmp(last, ".running_mean") == 0 || strcmp(last, ".running_var") == 0));
}

/* Whether a tensor of the model is left out of the EMA list: a buffer, or the frozen frequencies of a Fourier
 * embedding, a vector W (the trainable W of a NIN is a matrix). */
static bool is_frozen(const ito_tensor *t) {
    size_t n = strlen(t->name);
    return is_buffer(t) || (t->rank == 1 && n > 2 && strcmp(t->name + n - 2, ".W") == 0);
}

/* ---- lists matched by position ---- */

/* "[128,3,3,3]" */
static const char *shape_text(const ito_tensor *t, char out[200]) {
    int used = snprintf(out, 200, "[");
    for (int k = 0; k < t->rank; k++)
        used += snprintf(out + used, 200 - (size_t)used, "%s%" PRId64, k ? "," : "", t->dim[k]);
    snprintf(out + used, 200 - (size_t)used, "]");
    return out;
}

/* The last tensor added came out of a list, for the model's tensor `live`: are they of one shape? */
static ito_status check_shape(const pth *p, const char *list, size_t entry, const ito_tensor *live) {
    char got[200], expected[200];
    const ito_tensor *added = &p->f->tensors[p->f->count - 1];
    if (added->rank == live->rank &&
        memcmp(added->dim, live->dim, (size_t)live->rank * sizeof live->dim[0]) == 0)
        return ITO_OK;
    return ito_error_set(
        p->err, ITO_E_SHAPE,
        "%s: entry %zu of %s is %s, but parameter \"%.200s\" in its place is %s: the lists are "
        "of different networks, get the checkpoint again",
        p->path, entry, list, shape_text(added, got), live->name + strlen("model/"),
        shape_text(live, expected));
}

/* The list's tensors under the names of the model's, in order; frozen ones with their live values. */
static ito_status add_ema(pth *p, const value *list, int models) {
    char name[NAME];
    ito_status st;
    size_t next = 0;
    for (int i = 0; i < models; i++) {
        ito_tensor live = p->f->tensors[i]; /* a copy: the list it stands in grows */
        snprintf(name, sizeof name, "ema/%s", live.name + strlen("model/"));
        if (is_frozen(&live)) {
            live.name = name;
            if ((st = ito__tensor_file_add(p->f, &live, p->err)) != ITO_OK) return st;
            continue;
        }
        live.name = p->f->tensors[i].name;
        if (next == list->count)
            return ito__pth_damaged(p, "ema", "has fewer tensors than the model has parameters");
        if ((st = ito__pth_add_tensor(p, name, list->item[next])) != ITO_OK) return st;
        if ((st = check_shape(p, "the EMA list", next++, &live)) != ITO_OK) return st;
    }
    return next == list->count ? ITO_OK
                               : ito__pth_damaged(p, "ema", "has more tensors than the model has parameters");
}

/* ---- numbers ---- */

static ito_status add_number(pth *p, const char *key, const value *v) {
    char text[64];
    double number = 0;
    ito_status st;
    if (!v) return ITO_OK;
    if (v->kind == ITO__PICKLE_INT) {
        snprintf(text, sizeof text, "%" PRId64, v->integer);
        return ito__tensor_file_add_metadata(p->f, key, text, p->err);
    }
    if ((st = ito__pth_read_number(p, key, v, &number)) != ITO_OK) return st;
    ito__decimal_write(number, text);
    return ito__tensor_file_add_metadata(p->f, key, text, p->err);
}

/* ---- Adam ---- */

typedef struct adam_entry {
    int64_t number; /* 0, 1, ... or, until PyTorch 1.4, the parameter's address */
    const value *state;
} adam_entry;

typedef struct adam {
    adam_entry *entry; /* sorted by number */
    size_t count;
    size_t listed; /* parameters in the groups */
    const value *groups;
    double step; /* the largest of all parameters' */
} adam;

static int by_number(const void *a, const void *b) {
    int64_t x = ((const adam_entry *)a)->number, y = ((const adam_entry *)b)->number;
    return (x > y) - (x < y);
}

static ito_status list_adam(pth *p, const value *state, adam *a) {
    a->entry = ito__alloc(state->count / 2, sizeof *a->entry);
    if (!a->entry) return ito__pth_no_memory(p);
    for (size_t i = 0; i + 1 < state->count; i += 2) {
        if (state->item[i]->kind != ITO__PICKLE_INT || state->item[i + 1]->kind != ITO__PICKLE_DICT ||
            state->item[i + 1]->count > 2 * MOST_STATES)
            return ito__pth_damaged(p, "optimizer", "has a state that is no table of parameters");
        a->entry[a->count++] = (adam_entry){state->item[i]->integer, state->item[i + 1]};
    }
    qsort(a->entry, a->count, sizeof *a->entry, by_number);
    for (size_t g = 0; g < a->groups->count; g++) {
        const value *params = ito__pickle_get(a->groups->item[g], "params");
        if (!params || params->kind != ITO__PICKLE_LIST)
            return ito__pth_damaged(p, "optimizer", "has a group without parameters");
        a->listed += params->count;
    }
    return ITO_OK;
}

/* Adds the moments of the model's tensor i, whose number in the optimizer's lists is given. */
static ito_status add_moments(pth *p, adam *a, int i, int64_t number) {
    static const struct {
        const char *key, *prefix;
    } moments[] = {{"exp_avg", "adam_m/"}, {"exp_avg_sq", "adam_v/"}};
    char name[NAME];
    double step = 0;
    ito_status st;
    const adam_entry wanted = {.number = number};
    const adam_entry *e = bsearch(&wanted, a->entry, a->count, sizeof wanted, by_number);
    if (!e) return ITO_OK; /* it had no gradient yet */
    for (int k = 0; k < 2; k++) {
        ito_tensor live = p->f->tensors[i];
        const value *moment = ito__pickle_get(e->state, moments[k].key);
        snprintf(name, sizeof name, "%s%s", moments[k].prefix, live.name + strlen("model/"));
        if (!moment) return ito__pth_damaged(p, name, "is missing in the optimizer's state");
        if ((st = ito__pth_add_tensor(p, name, moment)) != ITO_OK) return st;
        live.name = p->f->tensors[i].name;
        if ((st = check_shape(p, "the optimizer's state", (size_t)(e - a->entry), &live)) != ITO_OK)
            return st;
    }
    const value *count = ito__pickle_get(e->state, "step");
    if (!count) return ito__pth_damaged(p, "optimizer", "has a state without its step");
    if ((st = ito__pth_read_number(p, "optimizer", count, &step)) != ITO_OK) return st;
    if (!(step >= 0 && step < 0x1p53)) return ito__pth_damaged(p, "optimizer", "has a step that is no count");
    a->step = fmax(a->step, step);
    return ITO_OK;
}

/* The groups' numbers, one after the other, belong to the model's parameters in order: to all of them, or,
 * where the optimizer was given no others, to the trainable ones. */
static ito_status match_adam(pth *p, adam *a, int models) {
    size_t all = 0, trainable = 0, group = 0, at = 0;
    ito_status st;
    for (int i = 0; i < models; i++) {
        all += !is_buffer(&p->f->tensors[i]);
        trainable += !is_frozen(&p->f->tensors[i]);
    }
    if (a->listed != all && a->listed != trainable)
        return ito_error_set(
            p->err, ITO_E_SHAPE,
            "%s: its optimizer lists %zu parameters, its model has %zu: they are of different "
            "networks, get the checkpoint again",
            p->path, a->listed, all);
    for (int i = 0; i < models; i++) {
        const ito_tensor *t = &p->f->tensors[i];
        if (is_buffer(t) || (a->listed != all && is_frozen(t))) continue;
        const value *params = ito__pickle_get(a->groups->item[group], "params");
        while (at == params->count) {
            params = ito__pickle_get(a->groups->item[++group], "params");
            at = 0;
        }
        const value *number = params->item[at++];
        if (number->kind != ITO__PICKLE_INT)
            return ito__pth_damaged(p, "optimizer", "lists parameters by no number");
        if ((st = add_moments(p, a, i, number->integer)) != ITO_OK) return st;
    }
    return ITO_OK;
}

/* Adam's moments, where there are any: a fresh optimizer has none, another kind of optimizer is passed over.
 */
static ito_status add_adam(pth *p, const value *optimizer, int models) {
    const value *state = ito__pickle_get(optimizer, "state");
    adam a = {.groups = ito__pickle_get(optimizer, "param_groups")};
    char step[32];
    ito_status st;
    if (!state || state->kind != ITO__PICKLE_DICT || state->count < 2 ||
        !ito__pickle_get(state->item[1], "exp_avg") || !a.groups || a.groups->kind != ITO__PICKLE_LIST ||
        a.groups->count == 0 || a.groups->count > MOST_GROUPS)
        return ITO_OK;
    if ((st = list_adam(p, state, &a)) != ITO_OK) goto done;
    if ((st = match_adam(p, &a, models)) != ITO_OK) goto done;
    snprintf(step, sizeof step, "%.0f", a.step);
    if ((st = ito__tensor_file_add_metadata(p->f, "adam_step", step, p->err)) != ITO_OK) goto done;
    st = add_number(p, "adam_lr", ito__pickle_get(a.groups->item[0], "lr"));
done:
    ito__free(a.entry);
    return st;
}

/* ---- the checkpoint ---- */

static bool is_dictionary(const value *v) {
    return v && (v->kind == ITO__PICKLE_DICT || ito__pth_is_call(v, "collections.OrderedDict"));
}

static ito_status add_checkpoint(pth *p) {
    ito_status st;
    const value *root = ito__pickle_root(p->pickle);
    const value *model = ito__pickle_get(root, "model"), *ema = ito__pickle_get(root, "ema");
    if (!model && is_dictionary(root) && root->count >= 2 && ito__pth_is_tensor(root->item[1])) {
        model = root;
        ema = NULL;
    }
    if (!is_dictionary(model)) return ito__pth_damaged(p, "model", "is missing or no dictionary");
    if ((st = add_model(p, model)) != ITO_OK) return st;
    int models = p->f->count;
    if (model != root) {
        if ((st = add_number(p, "step", ito__pickle_get(root, "step"))) != ITO_OK) return st;
        if ((st = add_adam(p, ito__pickle_get(root, "optimizer"), models)) != ITO_OK) return st;
    }
    if (ema) {
        const value *list = ito__pickle_get(ema, "shadow_params");
        if (!list || list->kind != ITO__PICKLE_LIST)
            return ito__pth_damaged(p, "ema", "has no list shadow_params");
        if ((st = add_ema(p, list, models)) != ITO_OK) return st;
        if ((st = add_number(p, "ema_num_updates", ito__pickle_get(ema, "num_updates"))) != ITO_OK) return st;
        if ((st = add_number(p, "ema_decay", ito__pickle_get(ema, "decay"))) != ITO_OK) return st;
    }
    return ito__tensor_file_finish(p->f, p->err);
}

ito_status ito_pth_open(const char *path, ito_tensor_file **out, ito_error *err) {
    ito_status st;
    pth p = {.path = path, .err = err};
    *out = NULL;
    if ((st = ito__pth_open_container(&p)) != ITO_OK) goto done;
    if ((st = add_checkpoint(&p)) != ITO_OK) goto done;
    *out = p.f;
    p.f = NULL;
done:
    ito__pth_release(&p);
    return st;
}
