/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes: round trip of every field, refusals that name file, line, key and remedy, --set, and the recipes
 * of the project.
 */
#include "models/recipe_schema.h"

#include <dirent.h>
#include <ito/formats.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static ito_status parse(const char *text, ito_recipe *out, ito_error *err) {
    return ito_recipe_parse(text, strlen(text), "some.yaml", out, err);
}

static size_t field_bytes(const ito__field *f) {
    switch (f->kind) {
    case ITO__FIELD_BOOL: return sizeof(bool);
    case ITO__FIELD_ENUM: return sizeof(int);
    case ITO__FIELD_LIST: return f->capacity * sizeof(int64_t);
    case ITO__FIELD_NAME:
    case ITO__FIELD_TEXT:
    case ITO__FIELD_WORD: return f->capacity;
    default: return 8;
    }
}

/* Same bits in every field; padding does not count. */
static bool same(const ito_recipe *a, const ito_recipe *b) {
    int count;
    const ito__field *fields = ito__recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        const ito__field *f = &fields[i];
        if (memcmp((const char *)a + f->offset, (const char *)b + f->offset, field_bytes(f)) != 0 ||
            (f->kind == ITO__FIELD_LIST && memcmp((const char *)a + f->count_offset,
                                                  (const char *)b + f->count_offset, sizeof(int)) != 0)) {
            print_message("%s.%s differs\n", f->section, f->key);
            return false;
        }
    }
    return true;
}

/* Parsing fails, the output stays as it was, and the sentence holds the given parts. */
static void expect_refusal(const char *text, ito_status status, const char *part1, const char *part2) {
    ito_recipe r, before;
    ito_error err;
    memset(&r, 0x5a, sizeof r);
    before = r;
    assert_int_equal(parse(text, &r, &err), status);
    if (!strstr(err.message, part1) || !strstr(err.message, part2)) {
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", err.message, part1, part2);
    }
    assert_memory_equal(&r, &before, sizeof r);
}

/* Fills every field with an unusual value inside its range, so that a row that points at the wrong member
 * shows. */
static void unusual(ito_recipe *r) {
    int count;
    const ito__field *fields = ito__recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        const ito__field *f = &fields[i];
        char *p = (char *)r + f->offset;
        switch (f->kind) {
        case ITO__FIELD_BOOL: *(bool *)p = !*(bool *)p; break;
        case ITO__FIELD_INT: *(int64_t *)p = (int64_t)fmin(f->min + i, f->max); break;
        case ITO__FIELD_SEED: *(uint64_t *)p = UINT64_MAX - 1; break;
        case ITO__FIELD_REAL: *(double *)p = f->min + fmin(1, f->max - f->min) / (3.0 + i); break;
        case ITO__FIELD_NAME: memset(p, 0, f->capacity), snprintf(p, f->capacity, "name-%d", i); break;
        case ITO__FIELD_TEXT: snprintf(p, f->capacity, "/a \"b\"\\c: \t#\n%d \xc3\xa9", i); break;
        case ITO__FIELD_WORD:
            memset(p, 0, f->capacity);
            snprintf(p, f->capacity, "%s", f->name_at(f->name_at(1) ? 1 : 0));
            break;
        case ITO__FIELD_ENUM: memcpy(p, &(int){1}, sizeof(int)); break;
        case ITO__FIELD_LIST: {
            int64_t entries[] = {3, 1, 2};
            memset(p, 0, f->capacity * sizeof(int64_t));
            memcpy(p, entries, sizeof entries);
            memcpy((char *)r + f->count_offset, &(int){3}, sizeof(int));
            break;
        }
        }
    }
}

static void every_field_round_trips_bit_for_bit(void **state) {
    (void)state;
    ito_recipe r = ito_recipe_default(), again = r;
    ito_error err;
    int count;
    unusual(&r);
    const ito__field *fields = ito__recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        ito__field_print(&fields[i], &r, out);
        fclose(out);
        if (fields[i].kind != ITO__FIELD_TEXT) { /* its quotes are YAML's business: see the next test */
            if (ito__field_set(&fields[i], &again, text, "here", &err) != ITO_OK) fail_msg("%s", err.message);
        }
        free(text);
    }
    memcpy(again.data.path, r.data.path, sizeof r.data.path);
    assert_true(again.training.lr != ito_recipe_default().training.lr);
    assert_true(same(&again, &r));
    print_message("%d fields\n", count);
}

static void rows_have_members_of_their_own(void **state) {
    (void)state;
    int count;
    const ito__field *f = ito__recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            bool apart = f[i].offset >= f[j].offset + field_bytes(&f[j]) ||
                         f[j].offset >= f[i].offset + field_bytes(&f[i]);
            if (!apart) fail_msg("%s.%s and %s.%s overlap", f[i].section, f[i].key, f[j].section, f[j].key);
        }
    }
}

static void printed_recipe_parses_to_the_same_bytes(void **state) {
    (void)state;
    ito_recipe r = ito_recipe_default(), again;
    ito_error err;
    char *text = NULL;
    snprintf(r.name, sizeof r.name, "a.b_c-1");
    snprintf(r.data.path, sizeof r.data.path, "/a \"b\"\\c: \t#\n%% \xc3\xa9");
    r.training.lr = 0.1 + 0.2; /* needs 17 digits */
    r.training.seed = UINT64_MAX;
    r.training.steps = (int64_t)1e15;
    r.objective.eps = 1.0 / 3 * 1e-5;
    r.network.attn_count = 0;
    memset(r.network.attn_resolutions, 0, sizeof r.network.attn_resolutions);
    assert_int_equal(ito_recipe_print(&r, &text, &err), ITO_OK);
    if (parse(text, &again, &err) != ITO_OK) fail_msg("%s\n%s", err.message, text);
    assert_true(same(&again, &r));
    free(text);
}

static void omitted_keys_keep_defaults_and_data_reach_the_network(void **state) {
    (void)state;
    ito_recipe r;
    ito_error err;
    assert_int_equal(parse("data:\n  channels: 3\n  centered: false\ntraining:\n", &r, &err), ITO_OK);
    assert_int_equal(r.network.channels, 3);
    assert_false(r.network.centered);
    assert_int_equal(r.training.batch_size, ito_recipe_default().training.batch_size);
}

static void unknown_key_names_the_nearest(void **state) {
    (void)state;
    expect_refusal("training:\n  lr: 1e-3\n  batchsize: 3\n", ITO_E_ARG, "some.yaml:3",
                   "\"training.batch_size\"");
    expect_refusal("network:\n  chmult: [1]\n", ITO_E_ARG, "unknown key \"chmult\"", "\"network.ch_mult\"");
    expect_refusal("network:\n  batch_size: 3\n", ITO_E_ARG, "section network", "\"training.batch_size\"");
    expect_refusal("nam: x\n", ITO_E_ARG, "unknown key \"nam\"", "\"name\"");
    expect_refusal("netwrk:\n  nf: 3\n", ITO_E_ARG, "unknown section \"netwrk\"", "\"network\"");
}

static void values_out_of_range_are_refused(void **state) {
    (void)state;
    expect_refusal("training:\n  batch_size: 0\n", ITO_E_ARG, "some.yaml:2", "training.batch_size is 0");
    expect_refusal("training:\n  batch_size: 2.5\n", ITO_E_ARG, "2.5", "whole number");
    expect_refusal("training:\n  lr: nan\n", ITO_E_ARG, "training.lr is nan", "expected a number");
    expect_refusal("training:\n  lr: 1e999\n", ITO_E_ARG, "training.lr", "1e999");
    expect_refusal("training:\n  seed: -1\n", ITO_E_ARG, "training.seed", "2^64");
    expect_refusal("training:\n  seed: 18446744073709551616\n", ITO_E_ARG, "training.seed", "2^64");
    expect_refusal("network:\n  dropout: 1\n", ITO_E_ARG, "network.dropout is 1", "0.999");
    expect_refusal("network:\n  ch_mult: [1, 2, x]\n", ITO_E_ARG, "network.ch_mult is [1,2,x]", "at most 10");
    expect_refusal("network:\n  ch_mult: [1,1,1,1,1,1,1,1,1,1,1]\n", ITO_E_ARG, "network.ch_mult",
                   "at most 10");
    expect_refusal("network:\n  architecture: ncsnv2_64\n  normalization: GroupNorm\n", ITO_E_ARG,
                   "GroupNorm", "InstanceNorm++, InstanceNorm, VarianceNorm");
    expect_refusal("network:\n  normalization: InstanceNorm++\n", ITO_E_ARG, "normalization", "ncsnpp");
    expect_refusal("network:\n  resblock_type: resnet\n", ITO_E_ARG, "resnet", "biggan, ddpm");
    expect_refusal("sde:\n  type: vpp\n", ITO_E_ARG, "sde.type is \"vpp\"", "ve, vp, subvp");
    expect_refusal("data:\n  centered: maybe\n", ITO_E_ARG, "data.centered", "true or false");
    expect_refusal("name: ../x\n", ITO_E_ARG, "name is \"../x\"", "letters");
    expect_refusal("name: -x\n", ITO_E_ARG, "name is \"-x\"", "not starting");
    expect_refusal("name: .x\n", ITO_E_ARG, "name is \".x\"", "not starting");
    expect_refusal("name:\n", ITO_E_ARG, "name is \"\"", "letters");
    expect_refusal("sampling:\n  sampler: P1000\n", ITO_E_ARG, "sampling.sampler", "pc, ode");
    expect_refusal("sampling:\n  grid: even\n", ITO_E_ARG, "sampling.grid", "uniform, karras");
    expect_refusal("sampling:\n  rtol: 0\n", ITO_E_ARG, "sampling.rtol", "1e-13");
    expect_refusal("sampling:\n  predictor: euler\n", ITO_E_ARG, "sampling.predictor", "euler_maruyama");
}

static void rules_between_fields_are_checked(void **state) {
    (void)state;
    expect_refusal("sde:\n  beta_min: 30\n", ITO_E_ARG, "some.yaml: sde: ", "beta_m");
    expect_refusal("data:\n  image_size: 30\n", ITO_E_SHAPE, "some.yaml: network: ", "image_size");
    expect_refusal("objective:\n  eps: 1\n", ITO_E_ARG, "objective.eps is 1", "sde.T");
}

static void damaged_yaml_is_refused(void **state) {
    (void)state;
    expect_refusal("", ITO_E_FORMAT, "some.yaml", "empty");
    expect_refusal("data: [\n", ITO_E_FORMAT, "some.yaml:2", "not valid YAML");
    expect_refusal("data: 3\n", ITO_E_FORMAT, "section data", "some.yaml:1");
    expect_refusal("- a\n", ITO_E_FORMAT, "not a recipe", "sections");
    expect_refusal("training:\n  lr: 1\n  lr: 2\n", ITO_E_FORMAT, "some.yaml:3", "twice");
    expect_refusal("training:\n  lr: [1]\n", ITO_E_FORMAT, "training.lr", "one value");
    expect_refusal("network:\n  ch_mult: [[1]]\n", ITO_E_FORMAT, "network.ch_mult", "list of numbers");
    expect_refusal("name: a\n---\nname: b\n", ITO_E_FORMAT, "two YAML documents", "some.yaml");
    expect_refusal("name: \"a\\0b\"\n", ITO_E_FORMAT, "name", "some.yaml:1");
    expect_refusal("training: &a\n  lr: *b\n", ITO_E_FORMAT, "some.yaml:2", "not valid YAML");
    expect_refusal("\xff\xfe\n", ITO_E_FORMAT, "some.yaml", "not valid YAML");
}

/* Every beginning of a good recipe either parses or is refused with a sentence; under ASan this also walks
 * the cleanup. */
static void every_truncation_ends_in_order(void **state) {
    (void)state;
    ito_error err;
    ito_recipe r = ito_recipe_default(), out;
    char *text = NULL;
    int parsed = 0, refused = 0;
    assert_int_equal(ito_recipe_print(&r, &text, &err), ITO_OK);
    for (size_t n = 0; n <= strlen(text); n++) {
        err.message[0] = '\0';
        if (ito_recipe_parse(text, n, "cut.yaml", &out, &err) == ITO_OK) {
            parsed++;
        } else {
            refused++;
            assert_ptr_equal(strstr(err.message, "cut.yaml"), err.message);
        }
    }
    print_message("%d parsed, %d refused\n", parsed, refused);
    assert_true(parsed > 0 && refused > 0);
    free(text);
}

static void set(ito_recipe *r, const char *assignment) {
    ito_error err;
    if (ito_recipe_set(r, assignment, &err) != ITO_OK) fail_msg("%s", err.message);
}

static void set_changes_one_field(void **state) {
    (void)state;
    ito_recipe r = ito_recipe_default(), expected = r;
    set(&r, "training.lr=1e-3");
    expected.training.lr = 1e-3;
    set(&r, "training.steps=1e6");
    expected.training.steps = 1000000;
    set(&r, "network.ch_mult=1, 2");
    expected.network.levels = 2;
    memcpy(expected.network.ch_mult, (int64_t[ITO_MAX_LEVELS]){1, 2}, sizeof expected.network.ch_mult);
    set(&r, "network.attn_resolutions=[]");
    expected.network.attn_count = 0;
    memset(expected.network.attn_resolutions, 0, sizeof expected.network.attn_resolutions);
    set(&r, "data.path=/a=b.c");
    memcpy(expected.data.path, "/a=b.c", 7);
    set(&r, "data.channels=3");
    expected.data.channels = 3;
    set(&r, "name=other");
    memcpy(expected.name, "other\0\0", 8); /* over "unnamed" */
    assert_true(same(&r, &expected));
    assert_int_equal(r.network.channels, 3);
}

static void set_refuses_and_leaves_the_recipe_alone(void **state) {
    static const struct {
        const char *assignment, *part;
    } cases[] = {
        {"training.lrr=1", "\"training.lr\""},
        {"trainng.lr=1", "\"training\""},
        {"training.lr", "no assignment"},
        {"training.lr=", "expected a number"},
        {"=3", "no assignment"},
        {"training.lr=1 2", "expected a number"},
        {"network.ch_mult=1,,2", "whole numbers"},
        {"lr=1", "\"training.lr\""},
        {"network.ch_mult=[1", "whole numbers"},
        {"network.ch_mult=[", "whole numbers"},
    };
    (void)state;
    ito_recipe r = ito_recipe_default(), before = r;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ito_error err;
        assert_int_equal(ito_recipe_set(&r, cases[i].assignment, &err), ITO_E_ARG);
        if (!strstr(err.message, cases[i].part)) fail_msg("%s: \"%s\"", cases[i].assignment, err.message);
        assert_true(same(&r, &before));
    }
}

/* Two fields may only fit once both are set, so --set checks the field and ito_recipe_check the whole. */
static void set_in_any_order_then_check(void **state) {
    (void)state;
    ito_recipe r = ito_recipe_default();
    ito_error err;
    assert_int_equal(ito_recipe_set(&r, "sde.beta_min=30", &err), ITO_OK);
    assert_int_equal(ito_recipe_check(&r, "--set", &err), ITO_E_ARG);
    assert_int_equal(ito_recipe_set(&r, "sde.beta_max=40", &err), ITO_OK);
    assert_int_equal(ito_recipe_check(&r, "--set", &err), ITO_OK);
}

static void reference_documents_every_field_and_is_a_recipe(void **state) {
    (void)state;
    ito_recipe r, expected = ito_recipe_default();
    ito_error err;
    char *text = NULL;
    assert_int_equal(ito_recipe_reference(&text, &err), ITO_OK);
    if (parse(text, &r, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_true(same(&r, &expected));
    free(text);
}

/* Every configuration of [SDE]'s release, with the trainable numbers of its network: counted once more, layer
 * by layer, from the definitions, and as published where it was (61,804,419 for DDPM++; 62,758,915 for NCSN++
 * on the VE SDE, 128 frozen frequencies included). */
static const struct {
    const char *recipe;
    int64_t parameters;
} published[] = {
    {"celeba/ve_ncsn", 30117635},
    {"celeba/ve_ncsn_124", 51379715},
    {"celeba/ve_ncsn_1245", 51379715},
    {"celeba/ve_ncsn_5", 30117635},
    {"celeba/ve_ncsnpp", 62693251},
    {"celeba/ve_ncsnv2", 29694083},
    {"celebahq/ve_256_ncsnpp_continuous", 65574421},
    {"celebahq/ve_ncsnpp_continuous", 105785880},
    {"celebahq/vp_ddpm", 111569923},
    {"cifar10/subvp_ddpm_continuous", 35218947},
    {"cifar10/subvp_ddpmpp_continuous", 61804419},
    {"cifar10/subvp_ddpmpp_deep_continuous", 106632579},
    {"cifar10/subvp_ncsnpp_continuous", 62693251},
    {"cifar10/subvp_ncsnpp_deep_continuous", 107521411},
    {"cifar10/ve_ddpm", 35218947},
    {"cifar10/ve_ncsn", 30117635},
    {"cifar10/ve_ncsn_124", 39750659},
    {"cifar10/ve_ncsn_1245", 39750659},
    {"cifar10/ve_ncsn_5", 30117635},
    {"cifar10/ve_ncsnpp", 62693251},
    {"cifar10/ve_ncsnpp_continuous", 62758787},
    {"cifar10/ve_ncsnpp_deep_continuous", 107586947},
    {"cifar10/ve_ncsnv2", 29694083},
    {"cifar10/vp_ddpm", 35218947},
    {"cifar10/vp_ddpm_continuous", 35218947},
    {"cifar10/vp_ddpm_unconditional", 34890243},
    {"cifar10/vp_ddpmpp", 61804419},
    {"cifar10/vp_ddpmpp_continuous", 61804419},
    {"cifar10/vp_ddpmpp_deep_continuous", 106632579},
    {"cifar10/vp_ncsnpp", 62693251},
    {"cifar10/vp_ncsnpp_continuous", 62693251},
    {"cifar10/vp_ncsnpp_deep_continuous", 107521411},
    {"ffhq/ve_256_ncsnpp_continuous", 65574421},
    {"ffhq/ve_ncsnpp_continuous", 105785880},
    {"lsun/ve_bedroom_ncsnpp_continuous", 65574421},
    {"lsun/ve_church_ncsnpp_continuous", 65574421},
    {"lsun/ve_ncsnv2_bedroom", 83445379},
    {"lsun/vp_ddpm_bedroom", 111569923},
    {"lsun/vp_ddpm_church", 111569923},
};

static int64_t trainable_numbers(const ito_network_config *c) {
    ito_graph *g = NULL;
    int64_t n = 0;
    assert_int_equal(ito_graph_create(&g, NULL), ITO_OK);
    ito_node *x = ito_input(g, "x", ITO_SHAPE(1, c->channels, c->image_size, c->image_size));
    ito_network_build(c, x, ito_input(g, "labels", ITO_SHAPE(1)), false);
    for (int i = 0; i < ito_graph_param_count(g); i++) {
        ito_node *p = ito_graph_param(g, i);
        if (ito_node_trainable(p)) n += ito_shape_count(ito_node_shape(p));
    }
    ito_graph_free(g);
    return n;
}

static void published_recipes_parse_and_have_the_published_size(void **state) {
    (void)state;
    int count = (int)(sizeof published / sizeof *published);
    for (int i = 0; i < count; i++) {
        char path[600];
        ito_recipe r;
        ito_error err;
        snprintf(path, sizeof path, "recipes/%s.yaml", published[i].recipe);
        if (ito_recipe_read(path, &r, &err) != ITO_OK) fail_msg("%s", err.message);
        int64_t n = trainable_numbers(&r.network);
        if (n != published[i].parameters)
            fail_msg("%s has %lld numbers, expected %lld", path, (long long)n,
                     (long long)published[i].parameters);
    }
    print_message("%d recipes\n", count);
}

/* Files are named after their recipes, and none is left out above. */
static void every_recipe_file_parses_and_is_named_after_itself(void **state) {
    static const char *const folders[] = {"fashion", "cifar10", "celeba", "celebahq", "ffhq", "lsun"};
    int parsed = 0;
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char folder[64];
        snprintf(folder, sizeof folder, "recipes/%s", folders[i]);
        DIR *d = opendir(folder);
        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d));) {
            char path[600], name[600];
            ito_recipe r;
            ito_error err;
            if (e->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            if (ito_recipe_read(path, &r, &err) != ITO_OK) fail_msg("%s", err.message);
            snprintf(name, sizeof name, "%s_%s", folders[i], e->d_name);
            name[strlen(name) - strlen(".yaml")] = '\0';
            if (i > 0) assert_string_equal(r.name, name);
            parsed += i > 0;
        }
        closedir(d);
    }
    assert_int_equal(parsed, sizeof published / sizeof *published);
}

/* ---- architectures ---- */

static void architecture_brings_its_defaults_wherever_it_stands(void **state) {
    (void)state;
    ito_recipe r;
    ito_error err;
    static const char *const text =
        "network:\n  nf: 16\n  architecture: ncsnv2_64\nsde: {type: ve, steps: 232, sigma_max: 40}\n"
        "objective: {continuous: false}\n";
    if (parse(text, &r, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_int_equal(r.network.architecture, ITO_NCSNV2_64);
    assert_int_equal(r.network.nonlinearity, ITO_ACTIVATION_ELU);
    assert_int_equal(r.network.nf, 16);
    assert_int_equal(r.network.num_scales, 232);
    assert_true(r.network.sigma_max == 40);
}

/* A recipe neither takes nor prints what its network has not. */
static void fields_of_other_architectures_are_refused(void **state) {
    (void)state;
    expect_refusal("network:\n  fir: true\n  architecture: ddpm\n", ITO_E_ARG, "some.yaml:2: network.fir",
                   "ddpm has no such field");
    expect_refusal("network: {architecture: ncsn++}\n", ITO_E_ARG, "network.architecture", "ncsnpp");
    ito_recipe r;
    ito_error err;
    char *text = NULL;
    assert_int_equal(parse("network: {architecture: ddpm}\n", &r, &err), ITO_OK);
    assert_int_equal(ito_recipe_set(&r, "network.progressive=none", &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "network.progressive"));
    assert_int_equal(ito_recipe_print(&r, &text, &err), ITO_OK);
    assert_null(strstr(text, "fir"));
    assert_non_null(strstr(text, "architecture: ddpm"));
    ito_recipe again;
    if (parse(text, &again, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_true(same(&again, &r));
    free(text);
}

/* What both have stays. */
static void set_changes_the_architecture(void **state) {
    (void)state;
    ito_recipe r = ito_recipe_default(), again;
    ito_error err;
    char *text = NULL;
    set(&r, "network.nf=32");
    set(&r, "network.dropout=0.25");
    set(&r, "network.fir=true");
    set(&r, "network.architecture=ddpm");
    assert_int_equal(r.network.nf, 32);
    assert_true(r.network.dropout == 0.25 && !r.network.fir);
    assert_int_equal(ito_recipe_check(&r, "--set", &err), ITO_OK);
    assert_int_equal(ito_recipe_print(&r, &text, &err), ITO_OK);
    if (parse(text, &again, &err) != ITO_OK) fail_msg("%s", err.message);
    assert_true(same(&again, &r));
    free(text);
}

static void labels_that_the_network_cannot_read_are_refused(void **state) {
    (void)state;
    expect_refusal("network: {architecture: ncsn}\nobjective: {continuous: false}\n", ITO_E_ARG,
                   "network.architecture", "sde.type");
    expect_refusal("network: {architecture: ncsn}\nsde: {type: ve}\n", ITO_E_ARG, "objective.continuous",
                   "false");
    expect_refusal("network: {embedding_type: fourier}\nobjective: {continuous: false}\n", ITO_E_ARG,
                   "objective.continuous", "fourier");
    expect_refusal("network: {scale_by_sigma: true}\nsde: {type: ve}\n", ITO_E_ARG, "network.scale_by_sigma",
                   "fourier");
    expect_refusal("sde: {type: subvp}\nobjective: {continuous: false}\n", ITO_E_ARG, "objective.continuous",
                   "sub-VP");
    expect_refusal("objective: {continuous: false, likelihood_weighting: true}\n", ITO_E_ARG,
                   "objective.likelihood_weighting", "continuous");
}

/* The numbers of [SDE]'s released configuration, written down a second time. */
static void cifar10_ddpmpp_has_the_published_values(void **state) {
    (void)state;
    ito_recipe r;
    ito_error err;
    if (ito_recipe_read("recipes/cifar10/vp_ddpmpp_continuous.yaml", &r, &err) != ITO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(r.network.nf, 128);
    assert_int_equal(r.network.levels, 4);
    assert_int_equal(r.network.num_res_blocks, 4);
    assert_int_equal(r.network.attn_resolutions[0], 16);
    assert_true(r.network.dropout == 0.1 && r.network.init_scale == 0 && !r.network.fir);
    assert_true(r.data.centered && r.data.random_flip && !r.data.uniform_dequantization);
    assert_true(r.sde.kind == ITO_SDE_VP && r.sde.beta_min == 0.1 && r.sde.beta_max == 20);
    assert_true(r.objective.continuous && r.objective.reduce_mean && r.objective.eps == 1e-5);
    assert_true(r.training.lr == 2e-4 && r.training.ema_rate == 0.9999 && r.training.grad_clip == 1);
    assert_int_equal(r.training.batch_size, 128);
    assert_int_equal(r.training.steps, 1300001);
    assert_int_equal(r.training.warmup, 5000);
    assert_string_equal(r.sampling.predictor, "euler_maruyama");
    assert_string_equal(r.sampling.corrector, "none");
}

static void missing_file_is_named(void **state) {
    (void)state;
    ito_recipe r;
    ito_error err;
    assert_int_equal(ito_recipe_read("recipes/none.yaml", &r, &err), ITO_E_IO);
    assert_non_null(strstr(err.message, "recipes/none.yaml"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_round_trips_bit_for_bit),
        cmocka_unit_test(rows_have_members_of_their_own),
        cmocka_unit_test(printed_recipe_parses_to_the_same_bytes),
        cmocka_unit_test(omitted_keys_keep_defaults_and_data_reach_the_network),
        cmocka_unit_test(unknown_key_names_the_nearest),
        cmocka_unit_test(values_out_of_range_are_refused),
        cmocka_unit_test(rules_between_fields_are_checked),
        cmocka_unit_test(damaged_yaml_is_refused),
        cmocka_unit_test(every_truncation_ends_in_order),
        cmocka_unit_test(set_changes_one_field),
        cmocka_unit_test(set_refuses_and_leaves_the_recipe_alone),
        cmocka_unit_test(set_in_any_order_then_check),
        cmocka_unit_test(reference_documents_every_field_and_is_a_recipe),
        cmocka_unit_test(published_recipes_parse_and_have_the_published_size),
        cmocka_unit_test(every_recipe_file_parses_and_is_named_after_itself),
        cmocka_unit_test(architecture_brings_its_defaults_wherever_it_stands),
        cmocka_unit_test(fields_of_other_architectures_are_refused),
        cmocka_unit_test(set_changes_the_architecture),
        cmocka_unit_test(labels_that_the_network_cannot_read_are_refused),
        cmocka_unit_test(cifar10_ddpmpp_has_the_published_values),
        cmocka_unit_test(missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
