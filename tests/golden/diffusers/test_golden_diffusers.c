/* SPDX-License-Identifier: Apache-2.0
 *
 * diffusers folders against that library's own outputs: see README.md. The weights are made here by the same
 * formula, under today's names and under those before 0.15.
 */
#include <dirent.h>
#include <ito/formats.h>
#include <ito/recipe.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH = 300, MOST = 400 };
static const char source[] = "tests/golden/diffusers";
static const char *const cases[] = {"ddpm", "defaults", "ncsnpp", "skip_positional"};
static char folder[64]; /* everything the tests write */

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

/* ---- the weights ---- */

static uint32_t hash(uint32_t k, uint32_t i) {
    uint32_t h = i * 2654435761u + k * 40503u * 65537u + 12345u;
    h = (h ^ h >> 15) * 2246822519u;
    h = (h ^ h >> 13) * 3266489917u;
    return h >> 16;
}

/* Tensor k: uniform, of a variance that keeps activations near 1; scales of norms are near 1. */
static void fill(uint32_t k, ito_tensor *t, float *out) {
    const char *name = t->name, *norm = strstr(name, "norm");
    bool scale = norm && strstr(norm, ".weight") && t->rank == 1,
         wave = strcmp(name, "time_proj.weight") == 0;
    double fan = (double)(t->count / t->dim[0]), factor = t->rank == 1 ? 0.5 : 3 / sqrt(fan);
    for (int64_t i = 0; i < t->count; i++) {
        double u = ((double)hash(k, (uint32_t)i) + 0.5) / 65536 - 0.5;
        float v = (float)(u * factor);
        out[i] = scale ? v + 1 : wave ? v * 8 : v;
    }
    t->data = out;
}

/* Names before diffusers 0.15, and 1x1 convolutions where there are matrices now. */
static void age(ito_tensor *t, char *name) {
    static const char *const names[][2] = {
        {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
    for (int k = 0; k < 4; k++) {
        char *part = strstr(name, names[k][0]), rest[100];
        if (!part) continue;
        snprintf(rest, sizeof rest, "%s", part + strlen(names[k][0]));
        sprintf(part, "%s%s", names[k][1], rest);
        if (t->rank == 2) t->dim[2] = t->dim[3] = 1, t->rank = 4;
    }
    if (strcmp(name, "time_proj.weight") == 0) strcpy(name, "time_proj.W");
}

static void write_weights(const char *name, bool old, const char *path) {
    static char names[MOST][120];
    static ito_tensor tensors[MOST];
    char list[PATH], line[200];
    ito_error err;
    int n = 0;
    snprintf(list, sizeof list, "%s/%s/tensors.txt", source, name);
    FILE *in = fopen(list, "r");
    assert_non_null(in);
    for (; n < MOST && fgets(line, sizeof line, in); n++) {
        ito_tensor t = {.name = names[n], .dtype = ITO_DTYPE_F32, .count = 1};
        char *word = strtok(line, " \n");
        snprintf(names[n], sizeof names[n], "%s", word);
        while ((word = strtok(NULL, " \n"))) t.count *= t.dim[t.rank++] = atoll(word);
        fill((uint32_t)n, &t, malloc((size_t)t.count * sizeof(float)));
        if (old) age(&t, names[n]);
        tensors[n] = t;
    }
    fclose(in);
    require(ito_safetensors_write(path, n, tensors, 0, NULL, &err), &err);
    for (int i = 0; i < n; i++) free((void *)(uintptr_t)tensors[i].data);
}

static void copy(const char *from, const char *to) {
    char *text = NULL;
    size_t length;
    ito_error err;
    if (access(from, F_OK) != 0) return;
    require(ito_file_read(from, 1 << 20, &text, &length, &err), &err);
    require(ito_file_write(to, text, length, &err), &err);
    free(text);
}

/* The case as a folder that diffusers could have written. */
static const char *make_folder(const char *name, bool old, char out[PATH]) {
    static const char *const files[] = {"config.json", "scheduler_config.json"};
    char from[PATH], to[PATH + 60];
    ito_error err;
    snprintf(out, PATH, "%s/%s%s", folder, name, old ? "_old" : "");
    require(ito_directory_make(out, &err), &err);
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof from, "%s/%s/%s", source, name, files[i]);
        snprintf(to, sizeof to, "%s/%s", out, files[i]);
        copy(from, to);
    }
    snprintf(to, sizeof to, "%s/diffusion_pytorch_model.safetensors", out);
    write_weights(name, old, to);
    return out;
}

static ito_model *load(const char *path) {
    ito_model *m = NULL;
    ito_error err;
    require(ito_model_load(path, ITO_WEIGHTS_EMA, NULL, &m, &err), &err);
    return m;
}

/* ---- claims ---- */

static float *read_io(const ito_tensor_file *io, const char *name) {
    const ito_tensor *t = ito_tensor_file_find(io, name);
    assert_non_null(t);
    float *out = malloc((size_t)t->count * sizeof *out);
    ito_tensor_read_f32(t, out);
    return out;
}

static void outputs_agree_with_diffusers(void **state) {
    (void)state;
    const double bound = 1e-4;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char path[PATH], io_path[PATH];
        ito_error err;
        ito_tensor_file *io = NULL;
        ito_network_score *score = NULL;
        ito_model *m = load(make_folder(cases[k], false, path));
        snprintf(io_path, sizeof io_path, "%s/%s/io.safetensors", source, cases[k]);
        require(ito_safetensors_open(io_path, &io, &err), &err);
        float *x = read_io(io, "x"), *labels = read_io(io, "labels"), *expected = read_io(io, "out");
        int64_t n = ito_tensor_file_find(io, "x")->count;
        float *out = calloc((size_t)n, sizeof *out);
        ito_network_score_options o = ito_network_score_default();
        o.batch = 2;
        o.continuous = m->recipe.objective.continuous;
        require(ito_network_score_create(&m->recipe.network, &m->recipe.sde, m->params, &o, &score, &err),
                &err);
        require(ito_network_score_forward(score, 2, x, labels, out, &err), &err);
        double largest = 0, worst = 0;
        for (int64_t i = 0; i < n; i++) {
            largest = fmax(largest, fabs((double)expected[i]));
            worst = fmax(worst, fabs((double)out[i] - (double)expected[i]));
        }
        print_message("%-16s off by %.2g of the largest output, bound %.2g\n", cases[k], worst / largest,
                      bound);
        assert_true(worst <= bound * largest);
        ito_network_score_free(score);
        free(out), free(expected), free(labels), free(x);
        ito_tensor_file_close(io);
        ito_model_free(m);
    }
}

static void assert_same_weights(ito_model *a, ito_model *b) {
    int64_t n, m;
    const float *x = ito_params_block(a->params, &n), *y = ito_params_block(b->params, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, (size_t)n * sizeof *x);
}

static void names_before_0_15_are_read(void **state) {
    (void)state;
    for (int k = 0; k < 3; k += 2) { /* with attentions; with frequencies */
        char path[PATH];
        ito_model *now = load(make_folder(cases[k], false, path));
        ito_model *old = load(make_folder(cases[k], true, path));
        assert_same_weights(now, old);
        ito_model_free(old);
        ito_model_free(now);
    }
}

/* Files of both folders hold the same tensors, bit for bit. */
static void assert_same_files(const char *a, const char *b) {
    char path[PATH + 60];
    ito_error err;
    ito_tensor_file *f = NULL, *g = NULL;
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", a);
    require(ito_safetensors_open(path, &f, &err), &err);
    snprintf(path, sizeof path, "%s/diffusion_pytorch_model.safetensors", b);
    require(ito_safetensors_open(path, &g, &err), &err);
    assert_int_equal(ito_tensor_file_count(f), ito_tensor_file_count(g));
    for (int i = 0; i < ito_tensor_file_count(f); i++) {
        const ito_tensor *t = ito_tensor_file_at(f, i), *u = ito_tensor_file_find(g, t->name);
        assert_non_null(u);
        assert_int_equal(t->rank, u->rank);
        assert_memory_equal(t->dim, u->dim, (size_t)t->rank * sizeof *t->dim);
        assert_memory_equal(t->data, u->data, (size_t)t->count * sizeof(float));
    }
    ito_tensor_file_close(g);
    ito_tensor_file_close(f);
}

static void written_folders_read_back_bit_for_bit(void **state) {
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        char path[PATH], again[PATH + 10];
        ito_error err;
        ito_model *m = load(make_folder(cases[k], false, path));
        snprintf(again, sizeof again, "%s.again", path);
        require(ito_model_save_diffusers(m, again, &err), &err);
        ito_model *n = load(again);
        assert_same_weights(m, n);
        snprintf(n->recipe.name, sizeof n->recipe.name, "%s", m->recipe.name);
        char *a = NULL, *b = NULL;
        require(ito_recipe_print(&m->recipe, &a, &err), &err);
        require(ito_recipe_print(&n->recipe, &b, &err), &err);
        assert_string_equal(a, b);
        free(b), free(a);
        /* The other two begin their time embedding with the cosines: their columns are exchanged. */
        if (k == 0 || k == 2) assert_same_files(path, again);
        ito_model_free(n);
        ito_model_free(m);
    }
}

static void schedulers_become_sdes(void **state) {
    (void)state;
    char path[PATH];
    ito_model *m = load(make_folder("defaults", false, path));
    assert_int_equal(m->recipe.sde.kind, ITO_SDE_VP);
    assert_int_equal(m->recipe.sde.steps, 500);
    assert_true(fabs(m->recipe.sde.beta_min - 0.1) < 1e-12 && fabs(m->recipe.sde.beta_max - 5) < 1e-12);
    assert_false(m->recipe.objective.continuous);
    assert_true(m->recipe.data.centered);
    ito_model_free(m);
    m = load(make_folder("ncsnpp", false, path));
    assert_int_equal(m->recipe.sde.kind, ITO_SDE_VE);
    assert_true(m->recipe.sde.sigma_min == 0.01 && m->recipe.sde.sigma_max == 348);
    assert_true(m->recipe.objective.continuous && m->recipe.sampling.snr == 0.17);
    assert_false(m->recipe.data.centered);
    ito_model_free(m);
}

static int make_scratch(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ito_diffusers_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

/* Two levels: folder/case/file. */
static void remove_folder(const char *path) {
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char inner[3 * PATH];
        if (e->d_name[0] == '.') continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (unlink(inner) != 0) remove_folder(inner);
    }
    if (d) closedir(d);
    rmdir(path);
}

static int remove_scratch(void **state) {
    (void)state;
    remove_folder(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_agree_with_diffusers),
        cmocka_unit_test(names_before_0_15_are_read),
        cmocka_unit_test(written_folders_read_back_bit_for_bit),
        cmocka_unit_test(schedulers_become_sdes),
    };
    return cmocka_run_group_tests_name("golden diffusers", tests, make_scratch, remove_scratch);
}
