/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes as YAML: reading, --set, printing. The tree comes from libyaml; what its keys mean is the schema's
 * business (recipe_schema.c), and one value is recipe_value.c's.
 */
#include "models/recipe_schema.h"

#include <ito/formats.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_FIELDS = 128, MAX_RECIPE_BYTES = 1 << 20 };

/* The network is told what the data look like, and the noise levels of the chain; a recipe says it once. */
static void share_fields(ito_recipe *r) {
    r->network.image_size = r->data.image_size;
    r->network.channels = r->data.channels;
    r->network.centered = r->data.centered;
    r->network.sigma_min = r->sde.sigma_min;
    r->network.sigma_max = r->sde.sigma_max;
    r->network.num_scales = r->sde.steps;
}

/* What the network takes for a time must be what the objective and the SDE give it, SPEC section 3. */
static ito_status check_labels(const ito_recipe *r, const char *where, ito_error *err) {
    const ito_network_config *c = &r->network;
    bool ncsn = c->architecture >= ITO_NCSNV2_64 && c->architecture <= ITO_NCSN;
    bool fourier = (c->architecture == ITO_NCSNPP || c->architecture == ITO_MLP) &&
                   c->embedding_type == ITO_EMBEDDING_FOURIER;
    if (ncsn && r->sde.kind != ITO_SDE_VE)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: network.architecture: %s is a network of the VE SDE: set "
                             "sde.type to ve",
                             where, ito_architecture_name(c->architecture));
    if (ncsn && r->objective.continuous)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: objective.continuous: %s takes the index of a noise level: "
                             "set it to false",
                             where, ito_architecture_name(c->architecture));
    if (fourier && !r->objective.continuous)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: objective.continuous: the fourier embedding takes noise "
                             "levels, not the index that a discrete objective gives: set it to true, or "
                             "network.embedding_type to positional",
                             where);
    if (c->scale_by_sigma && !ncsn && !fourier && r->objective.continuous)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: network.scale_by_sigma: needs labels that name a noise "
                             "level: use the fourier embedding of ncsnpp or mlp, or set objective.continuous "
                             "to false",
                             where);
    if (!r->objective.continuous && r->sde.kind == ITO_SDE_SUBVP)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: objective.continuous: sub-VP has no discrete form: set it "
                             "to true",
                             where);
    if (!r->objective.continuous && r->objective.likelihood_weighting)
        return ito_error_set(err, ITO_E_ARG,
                             "%s: objective.likelihood_weighting: belongs to continuous time: "
                             "set it to false, or objective.continuous to true",
                             where);
    return ITO_OK;
}

/* Most rules between fields belong to the rooms that own them; their sentence starts with the field's name.
 */
static ito_status check_together(const ito_recipe *r, const char *where, ito_error *err) {
    ito_error inner;
    ito_status st = ito_sde_check(&r->sde, &inner);
    if (st != ITO_OK) return ito_error_set(err, st, "%s: sde: %s", where, inner.message);
    if ((st = ito_network_check(&r->network, &inner)) != ITO_OK) {
        return ito_error_set(err, st, "%s: network: %s", where, inner.message);
    }
    if ((st = check_labels(r, where, err)) != ITO_OK) return st;
    if (r->objective.eps >= r->sde.T) {
        return ito_error_set(err, ITO_E_ARG, "%s: objective.eps is %g, sde.T is %g: eps must be smaller",
                             where, r->objective.eps, r->sde.T);
    }
    if (r->sampling.eps >= r->sde.T) {
        return ito_error_set(err, ITO_E_ARG, "%s: sampling.eps is %g, sde.T is %g: eps must be smaller",
                             where, r->sampling.eps, r->sde.T);
    }
    return ITO_OK;
}

ito_status ito_recipe_check(const ito_recipe *r, const char *where, ito_error *err) {
    int count;
    ito_status st;
    const ito__field *fields = ito__recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        if (!ito__field_applies(&fields[i], r->network.architecture)) continue;
        if ((st = ito__field_check(&fields[i], r, where, err)) != ITO_OK) return st;
    }
    return check_together(r, where, err);
}

static ito_status unknown_key(const char *section, const char *key, const char *where, ito_error *err) {
    const ito__field *near = ito__field_nearest(section, key);
    const char *dot = near->section[0] ? "." : "";
    if (!section[0]) {
        return ito_error_set(err, ITO_E_ARG, "%s: unknown key \"%.60s\": the nearest known key is \"%s%s%s\"",
                             where, key, near->section, dot, near->key);
    }
    return ito_error_set(err, ITO_E_ARG,
                         "%s: unknown key \"%.60s\" in section %s: the nearest known key is \"%s%s%s\"",
                         where, key, section, near->section, dot, near->key);
}

static ito_status not_of_this_network(const ito__field *field, const ito_recipe *r, const char *where,
                                      ito_error *err) {
    return ito_error_set(err, ITO_E_ARG,
                         "%s: network.%s: %s has no such field: remove it, or choose another "
                         "network.architecture",
                         where, field->key, ito_architecture_name(r->network.architecture));
}

/* ---- from YAML ---- */

typedef struct reading {
    yaml_document_t *document;
    const char *file;
    ito_recipe recipe;
    bool seen[MAX_FIELDS];
    char where[300]; /* "file:line" of the node at hand */
} reading;

static void locate(reading *r, const yaml_node_t *node) {
    snprintf(r->where, sizeof r->where, "%.250s:%lld", r->file, (long long)node->start_mark.line + 1);
}

/* A YAML scalar may hold NUL bytes; no value of ours does. */
static const char *scalar(const yaml_node_t *node) {
    if (node->type != YAML_SCALAR_NODE) return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

/* A sequence of scalars as "[1,2,2]", what ito__field_set reads. False when it is nested or far too long. */
static bool flatten(reading *r, const yaml_node_t *node, char *out, size_t size) {
    size_t used = (size_t)snprintf(out, size, "[");
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
        const char *text = scalar(yaml_document_get_node(r->document, *i));
        if (!text || strlen(text) + used + 3 > size) return false;
        used += (size_t)snprintf(out + used, size - used, "%s%s", used > 1 ? "," : "", text);
    }
    snprintf(out + used, size - used, "]");
    return true;
}

static ito_status read_field(reading *r, const char *section, const yaml_node_t *key,
                             const yaml_node_t *value, ito_error *err) {
    char list[400];
    int count;
    locate(r, key);
    const char *name = scalar(key);
    if (!name)
        return ito_error_set(err, ITO_E_FORMAT, "%s: a key is not plain text: write key: value", r->where);
    const ito__field *field = ito__field_find(section, name);
    if (!field) return unknown_key(section, name, r->where, err);
    if (!ito__field_applies(field, r->recipe.network.architecture))
        return not_of_this_network(field, &r->recipe, r->where, err);

    ptrdiff_t row = field - ito__recipe_fields(&count);
    if (r->seen[row]) {
        return ito_error_set(err, ITO_E_FORMAT, "%s: key \"%s\" appears twice in section %s: keep one",
                             r->where, name, section);
    }
    r->seen[row] = true;

    const char *text = scalar(value);
    if (value->type == YAML_SEQUENCE_NODE && field->kind == ITO__FIELD_LIST &&
        flatten(r, value, list, sizeof list)) {
        text = list;
    }
    if (!text) {
        return ito_error_set(err, ITO_E_FORMAT, "%s: %s.%s has a nested value, expected %s: correct it",
                             r->where, section, name,
                             field->kind == ITO__FIELD_LIST ? "a list of numbers" : "one value");
    }
    return ito__field_set(field, &r->recipe, text, r->where, err);
}

static ito_status read_section(reading *r, const char *section, const yaml_node_t *node, ito_error *err) {
    ito_status st;
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        st = read_field(r, section, yaml_document_get_node(r->document, p->key),
                        yaml_document_get_node(r->document, p->value), err);
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

static const yaml_node_t *value_of(reading *r, const yaml_node_t *mapping, const char *key) {
    if (!mapping || mapping->type != YAML_MAPPING_NODE) return NULL;
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < mapping->data.mapping.pairs.top; p++) {
        const char *text = scalar(yaml_document_get_node(r->document, p->key));
        if (text && strcmp(text, key) == 0) return yaml_document_get_node(r->document, p->value);
    }
    return NULL;
}

/* The architecture decides the network's defaults, wherever in the recipe it stands. What is not one is
 * refused when its line is read. */
static void start_from_architecture(reading *r, const yaml_node_t *root) {
    const yaml_node_t *value = value_of(r, value_of(r, root, "network"), "architecture");
    const char *text = value ? scalar(value) : NULL;
    const ito__field *field = ito__field_find("network", "architecture");
    if (text && ito__field_set(field, &r->recipe, text, r->where, NULL) == ITO_OK)
        r->recipe.network = ito_network_default_of(r->recipe.network.architecture);
}

static ito_status read_top(reading *r, const yaml_node_t *root, ito_error *err) {
    ito_status st;
    locate(r, root);
    if (root->type != YAML_MAPPING_NODE) {
        return ito_error_set(
            err, ITO_E_FORMAT,
            "%s: not a recipe: expected sections data, sde, network, objective, training, sampling",
            r->where);
    }
    start_from_architecture(r, root);
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(r->document, p->key);
        const yaml_node_t *value = yaml_document_get_node(r->document, p->value);
        const char *word = scalar(key);
        locate(r, key);
        if (word && ito__section_known(word)) {
            const char *empty = scalar(value); /* "data:" with nothing below it keeps the defaults */
            if (value->type != YAML_MAPPING_NODE && !(empty && !empty[0])) {
                return ito_error_set(err, ITO_E_FORMAT,
                                     "%s: section %s holds no key: value lines: indent its keys below it",
                                     r->where, word);
            }
            st = value->type == YAML_MAPPING_NODE ? read_section(r, word, value, err) : ITO_OK;
        } else if (word && value->type == YAML_MAPPING_NODE) {
            st = ito_error_set(err, ITO_E_ARG,
                               "%s: unknown section \"%.60s\": the nearest known section is \"%s\"", r->where,
                               word, ito__section_nearest(word));
        } else {
            st = read_field(r, "", key, value, err);
        }
        if (st != ITO_OK) return st;
    }
    return ITO_OK;
}

static ito_status yaml_error(const yaml_parser_t *parser, const char *where, ito_error *err) {
    if (parser->error == YAML_MEMORY_ERROR) {
        return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while reading: free some", where);
    }
    return ito_error_set(err, ITO_E_FORMAT, "%s:%lld: not valid YAML, %s: correct the line", where,
                         (long long)parser->problem_mark.line + 1,
                         parser->problem ? parser->problem : "unreadable");
}

ito_status ito_recipe_parse(const char *text, size_t length, const char *where, ito_recipe *out,
                            ito_error *err) {
    yaml_parser_t parser;
    yaml_document_t document, second;
    bool have_document = false, have_second = false;
    ito_status st = ITO_OK;
    reading r = {.document = &document, .file = where, .recipe = ito_recipe_default()};

    if (!yaml_parser_initialize(&parser)) {
        return ito_error_set(err, ITO_E_NOMEM, "%s: memory ran out while reading: free some", where);
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    if (!yaml_parser_load(&parser, &document)) {
        st = yaml_error(&parser, where, err);
        goto done;
    }
    have_document = true;

    const yaml_node_t *root = yaml_document_get_root_node(&document);
    if (!root) {
        st = ito_error_set(err, ITO_E_FORMAT, "%s: the recipe is empty: start from one in recipes/", where);
        goto done;
    }
    if ((st = read_top(&r, root, err)) != ITO_OK) goto done;
    if (!yaml_parser_load(&parser, &second)) {
        st = yaml_error(&parser, where, err);
        goto done;
    }
    have_second = true;
    if (yaml_document_get_root_node(&second)) {
        st = ito_error_set(err, ITO_E_FORMAT, "%s: holds two YAML documents: keep one recipe a file", where);
        goto done;
    }
    share_fields(&r.recipe);
    if ((st = ito_recipe_check(&r.recipe, where, err)) != ITO_OK) goto done;
    *out = r.recipe;

done:
    if (have_second) yaml_document_delete(&second);
    if (have_document) yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return st;
}

ito_status ito_recipe_read(const char *path, ito_recipe *out, ito_error *err) {
    char *text = NULL;
    size_t length;
    ito_status st = ito_file_read(path, MAX_RECIPE_BYTES, &text, &length, err);
    if (st == ITO_OK) st = ito_recipe_parse(text, length, path, out, err);
    free(text);
    return st;
}

/* ---- --set ---- */

/* Fields that both architectures have keep their values; the others get the new one's defaults. */
static void change_architecture(const ito_recipe *from, ito_recipe *to) {
    int count;
    const ito__field *fields = ito__recipe_fields(&count);
    ito_architecture before = from->network.architecture, now = to->network.architecture;
    to->network = ito_network_default_of(now);
    for (int i = 0; i < count; i++) {
        bool kept = ito__field_applies(&fields[i], before) && ito__field_applies(&fields[i], now);
        if (kept && strcmp(fields[i].section, "network") == 0) ito__field_copy(&fields[i], from, to);
    }
    to->network.architecture = now;
}

ito_status ito_recipe_set(ito_recipe *r, const char *assignment, ito_error *err) {
    char section[64] = "", key[64];
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    if (!equals || equals == assignment) {
        return ito_error_set(err, ITO_E_ARG,
                             "%.200s: no assignment: write section.key=value, as training.lr=1e-4",
                             assignment);
    }
    const char *key_start = assignment;
    if (dot && dot < equals) {
        snprintf(section, sizeof section, "%.*s", (int)(dot - assignment), assignment);
        key_start = dot + 1;
    }
    snprintf(key, sizeof key, "%.*s", (int)(equals - key_start), key_start);

    const ito__field *field = ito__field_find(section, key);
    if (!field && section[0] && !ito__section_known(section)) {
        return ito_error_set(err, ITO_E_ARG,
                             "%.200s: unknown section \"%s\": the nearest known section is \"%s\"",
                             assignment, section, ito__section_nearest(section));
    }
    if (!field) return unknown_key(section, key, assignment, err);

    if (!ito__field_applies(field, r->network.architecture))
        return not_of_this_network(field, r, assignment, err);

    ito_recipe changed = *r;
    ito_status st = ito__field_set(field, &changed, equals + 1, assignment, err);
    if (st != ITO_OK) return st;
    if (changed.network.architecture != r->network.architecture) change_architecture(r, &changed);
    share_fields(&changed);
    *r = changed;
    return ITO_OK;
}

/* ---- to YAML ---- */

static ito_status print_recipe(const ito_recipe *r, bool with_help, char **text, ito_error *err) {
    char *buffer = NULL;
    size_t size;
    int count;
    const char *section = "";
    const ito__field *fields = ito__recipe_fields(&count);
    *text = NULL;
    FILE *out = open_memstream(&buffer, &size);
    if (!out)
        return ito_error_set(err, ITO_E_NOMEM, "recipe %s: memory ran out while printing: free some",
                             r->name);
    for (int i = 0; i < count; i++) {
        if (!ito__field_applies(&fields[i], r->network.architecture)) continue;
        if (strcmp(fields[i].section, section) != 0) {
            section = fields[i].section;
            fprintf(out, "%s:\n", section);
        }
        fprintf(out, "%s%s: ", section[0] ? "  " : "", fields[i].key);
        ito__field_print(&fields[i], r, out);
        if (with_help) fprintf(out, "  # %s", fields[i].help);
        fputc('\n', out);
    }
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(buffer);
        return ito_error_set(err, ITO_E_NOMEM, "recipe %s: memory ran out while printing: free some",
                             r->name);
    }
    *text = buffer;
    return ITO_OK;
}

ito_status ito_recipe_print(const ito_recipe *r, char **text, ito_error *err) {
    *text = NULL;
    ito_status st = ito_recipe_check(r, r->name, err);
    return st == ITO_OK ? print_recipe(r, false, text, err) : st;
}

ito_status ito_recipe_reference(char **text, ito_error *err) {
    ito_recipe r = ito_recipe_default();
    return print_recipe(&r, true, text, err);
}
