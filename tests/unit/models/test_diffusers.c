/* SPDX-License-Identifier: Apache-2.0
 *
 * diffusers folders that do not map onto these networks are refused with the block, field or tensor that
 * stands in the way, and so are models that diffusers has no place for. Their numbers are
 * tests/golden/diffusers' business.
 */
#include <cJSON.h>
#include <ito/formats.h>
#include <ito/recipe.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH = 300 };
static char folder[64];
static const char *const files[] = {"config.json", "scheduler_config.json",
                                    "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"};

static void require(ito_status st, const ito_error *err) {
    if (st != ITO_OK) fail_msg("%s", err->message);
}

static const char *in_folder(const char *name, char out[PATH]) {
    snprintf(out, PATH, "%s/%s", folder, name);
    return out;
}

static cJSON *read_case(const char *name, const char *file) {
    char path[PATH], *text = NULL;
    size_t length;
    ito_error err;
    snprintf(path, sizeof path, "tests/golden/diffusers/%s/%s", name, file);
    require(ito_file_read(path, 1 << 20, &text, &length, &err), &err);
    cJSON *json = cJSON_Parse(text);
    free(text);
    assert_non_null(json);
    return json;
}

/* The case's file with one field set to a JSON value, or removed when that is NULL, in the tests' folder. */
static void write_changed(const char *name, const char *file, const char *field, const char *value) {
    char path[PATH];
    ito_error err;
    cJSON *json = read_case(name, file);
    if (field) cJSON_DeleteItemFromObjectCaseSensitive(json, field);
    if (field && value) cJSON_AddItemToObject(json, field, cJSON_Parse(value));
    char *text = cJSON_Print(json);
    require(ito_file_write(in_folder(file, path), text, strlen(text), &err), &err);
    free(text);
    cJSON_Delete(json);
}

static void refused(ito_status expected, const char *part1, const char *part2) {
    ito_error err = {0};
    ito_model *m = (ito_model *)&err;
    ito_status st = ito_model_load(folder, ITO_WEIGHTS_EMA, NULL, &m, &err);
    if (st != expected || !strstr(err.message, part1) || !strstr(err.message, part2))
        fail_msg("status %d, \"%s\" lacks \"%s\" or \"%s\"", st, err.message, part1, part2);
    assert_null(m);
}

typedef struct change {
    const char *base, *field, *value;
    ito_status status;
    const char *says; /* beside the field */
} change;

static void fields_that_do_not_map_are_refused_by_name(void **state) {
    (void)state;
    static const change changes[] = {
        {"ddpm", "_class_name", "\"UNet2DConditionModel\"", ITO_E_UNSUPPORTED, "UNet2DConditionModel"},
        {"ddpm", "down_block_types", "[\"DownBlock2D\",\"ResnetDownsampleBlock2D\",\"DownBlock2D\"]",
         ITO_E_UNSUPPORTED, "ResnetDownsampleBlock2D"},
        {"ddpm", "down_block_types", "[\"DownBlock2D\",\"AttnSkipDownBlock2D\",\"DownBlock2D\"]",
         ITO_E_UNSUPPORTED, "AttnSkipDownBlock2D"},
        {"ddpm", "up_block_types", "[\"AttnUpBlock2D\",\"AttnUpBlock2D\",\"UpBlock2D\"]", ITO_E_UNSUPPORTED,
         "AttnUpBlock2D at the level of a DownBlock2D"},
        {"ddpm", "up_block_types", "[\"UpBlock2D\"]", ITO_E_FORMAT, "has 1 blocks"},
        {"ddpm", "up_block_types", "[1,2,3]", ITO_E_UNSUPPORTED, "without a name"},
        {"ddpm", "block_out_channels", "[32,48,64]", ITO_E_UNSUPPORTED, "48"},
        {"ddpm", "block_out_channels", "[]", ITO_E_UNSUPPORTED, "0 levels"},
        {"ddpm", "block_out_channels", "[0,0,0]", ITO_E_UNSUPPORTED, "level 0"},
        {"ddpm", "block_out_channels", "[1e300,2,3]", ITO_E_FORMAT, "whole number"},
        {"ddpm", "sample_size", "[16,32]", ITO_E_UNSUPPORTED, "square"},
        {"ddpm", "sample_size", "null", ITO_E_FORMAT, "whole number"},
        {"ddpm", "sample_size", "18", ITO_E_SHAPE, "divide"},
        {"ddpm", "out_channels", "6", ITO_E_UNSUPPORTED, "6"},
        {"ddpm", "time_embedding_type", "\"learned\"", ITO_E_UNSUPPORTED, "learned"},
        {"ddpm", "time_embedding_type", "\"fourier\"", ITO_E_UNSUPPORTED, "positional"},
        {"ddpm", "freq_shift", "2", ITO_E_ARG, "2"},
        {"ddpm", "mid_block_scale_factor", "1.5", ITO_E_UNSUPPORTED, "1.5"},
        {"ddpm", "mid_block_type", "\"UnCLIPUNetMidBlock2D\"", ITO_E_UNSUPPORTED, "UnCLIPUNetMidBlock2D"},
        {"ddpm", "downsample_padding", "2", ITO_E_UNSUPPORTED, "2"},
        {"ddpm", "downsample_type", "\"resnet\"", ITO_E_UNSUPPORTED, "resnet"},
        {"ddpm", "upsample_type", "\"resnet\"", ITO_E_UNSUPPORTED, "resnet"},
        {"ddpm", "act_fn", "\"gelu\"", ITO_E_UNSUPPORTED, "gelu"},
        {"ddpm", "norm_num_groups", "0", ITO_E_FORMAT, "0"},
        {"ddpm", "norm_num_groups", "24", ITO_E_SHAPE, "24"},
        {"ddpm", "attention_head_dim", "24", ITO_E_SHAPE, "24"},
        {"ddpm", "attn_norm_num_groups", "16", ITO_E_UNSUPPORTED, "null"},
        {"ddpm", "norm_eps", "\"small\"", ITO_E_FORMAT, "number"},
        {"ddpm", "resnet_time_scale_shift", "\"scale_shift\"", ITO_E_UNSUPPORTED, "scale_shift"},
        {"ddpm", "add_attention", "false", ITO_E_UNSUPPORTED, "false"},
        {"ddpm", "class_embed_type", "\"timestep\"", ITO_E_UNSUPPORTED, "null"},
        {"ddpm", "num_class_embeds", "10", ITO_E_UNSUPPORTED, "null"},
        {"ddpm", "flip_sin_to_cos", "1", ITO_E_FORMAT, "true nor false"},
        {"ddpm", "a_field_of_tomorrow", "true", ITO_E_UNSUPPORTED, "not known"},
        {"ncsnpp", "norm_num_groups", "32", ITO_E_UNSUPPORTED, "null"},
        {"ncsnpp", "mid_block_scale_factor", "1", ITO_E_UNSUPPORTED, "1.41421356"},
        {"ncsnpp", "in_channels", "1", ITO_E_UNSUPPORTED, "1"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const change *c = &changes[i];
        /* What the recipe's own check finds, it calls by the recipe's name. */
        bool own = c->status == ITO_E_SHAPE || c->status == ITO_E_ARG;
        write_changed(c->base, "scheduler_config.json", NULL, NULL);
        write_changed(c->base, "config.json", c->field, c->value);
        refused(c->status, own ? "config.json" : c->field, c->says);
    }
    write_changed("ncsnpp", "config.json", "block_out_channels", "[64, 64, 128]");
    refused(ITO_E_UNSUPPORTED, "down_block_types", "AttnSkipDownBlock2D of 64");
}

static void schedulers_that_do_not_map_are_refused_by_name(void **state) {
    (void)state;
    static const change changes[] = {
        {"ddpm", "_class_name", "\"PNDMScheduler\"", ITO_E_UNSUPPORTED, "PNDMScheduler"},
        {"ddpm", "_class_name", "\"ScoreSdeVeScheduler\"", ITO_E_UNSUPPORTED, "fourier"},
        {"ncsnpp", "_class_name", "\"DDPMScheduler\"", ITO_E_UNSUPPORTED, "fourier"},
        {"ddpm", "beta_schedule", "\"squaredcos_cap_v2\"", ITO_E_UNSUPPORTED, "squaredcos_cap_v2"},
        {"ddpm", "prediction_type", "\"v_prediction\"", ITO_E_UNSUPPORTED, "v_prediction"},
        {"ddpm", "trained_betas", "[0.1]", ITO_E_UNSUPPORTED, "null"},
        {"ddpm", "rescale_betas_zero_snr", "true", ITO_E_UNSUPPORTED, "true"},
        {"ddpm", "num_train_timesteps", "1.5", ITO_E_FORMAT, "whole number"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const change *c = &changes[i];
        write_changed(c->base, "config.json", NULL, NULL);
        write_changed(c->base, "scheduler_config.json", c->field, c->value);
        refused(c->status, c->field, c->says);
    }
}

static ito_model small_model(void) {
    ito_model m = {.recipe = ito_recipe_default()};
    ito_error err;
    snprintf(m.path, sizeof m.path, "small");
    m.recipe.data.image_size = 8;
    m.recipe.network = ito_network_default_of(ITO_DDPM);
    m.recipe.network.nf = 32;
    m.recipe.network.levels = 2;
    m.recipe.network.num_res_blocks = 1;
    m.recipe.network.attn_resolutions[0] = 4;
    m.recipe.network.attn_every_up = true;
    m.recipe.network.image_size = 8;
    m.recipe.network.channels = m.recipe.data.channels;
    m.recipe.network.num_scales = m.recipe.sde.steps;
    m.recipe.objective.continuous = false;
    require(ito_recipe_params(&m.recipe, &m.params, &err), &err);
    ito_params_init(m.params, 3);
    return m;
}

static void trained_models_are_written_and_read_back(void **state) {
    (void)state;
    ito_error err;
    int64_t n, same;
    ito_model m = small_model(), *back = NULL;
    require(ito_model_save_diffusers(&m, folder, &err), &err);
    require(ito_model_load(folder, ITO_WEIGHTS_EMA, NULL, &back, &err), &err);
    const float *a = ito_params_block(m.params, &n), *b = ito_params_block(back->params, &same);
    assert_int_equal(n, same);
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
    assert_true(back->recipe.sde.beta_min == m.recipe.sde.beta_min);
    ito_model_free(back);

    back = &m;
    assert_int_equal(ito_model_load(folder, ITO_WEIGHTS_EMA, &m.recipe, &back, &err), ITO_E_ARG);
    assert_non_null(strstr(err.message, "config.json"));
    assert_int_equal(ito_model_load(folder, ITO_WEIGHTS_LIVE, NULL, &back, &err), ITO_E_ARG);
    ito_params_free(m.params);
}

static void weights_that_do_not_fit_are_refused_by_name(void **state) {
    (void)state;
    char path[PATH];
    ito_error err;
    ito_model m = small_model();
    require(ito_model_save_diffusers(&m, folder, &err), &err);
    cJSON *config = NULL;
    char *text = NULL;
    size_t length;
    require(ito_file_read(in_folder("config.json", path), 1 << 20, &text, &length, &err), &err);
    config = cJSON_Parse(text);
    free(text);
    static const struct {
        const char *field;
        double value;
        ito_status status;
        const char *tensor;
    } misfits[] = {
        {"layers_per_block", 2, ITO_E_FORMAT, "down_blocks.0.resnets.1."},
        {"in_channels", 3, ITO_E_SHAPE, "conv_in.weight"},
    };
    for (int i = 0; i < 2; i++) {
        cJSON *changed = cJSON_Duplicate(config, true);
        cJSON_ReplaceItemInObject(changed, misfits[i].field, cJSON_CreateNumber(misfits[i].value));
        if (i == 1) cJSON_ReplaceItemInObject(changed, "out_channels", cJSON_CreateNumber(3));
        text = cJSON_Print(changed);
        require(ito_file_write(path, text, strlen(text), &err), &err);
        refused(misfits[i].status, "diffusion_pytorch_model.safetensors", misfits[i].tensor);
        free(text);
        cJSON_Delete(changed);
    }
    text = cJSON_Print(config);
    require(ito_file_write(path, text, strlen(text), &err), &err);
    free(text);
    cJSON_Delete(config);

    /* One tensor more than the network has, then no weights at all. */
    static const float zeros[64];
    const ito_tensor alone = {
        .name = "conv_in.weight", .dtype = ITO_DTYPE_F32, .rank = 1, .dim = {64}, .count = 64, .data = zeros};
    in_folder(files[2], path);
    require(ito_safetensors_write(path, 1, &alone, 0, NULL, &err), &err);
    refused(ITO_E_FORMAT, "lacks tensor", "time_embedding");
    unlink(path);
    refused(ITO_E_IO, "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin");
    ito_params_free(m.params);
}

static void a_tensor_too_many_is_refused_by_name(void **state) {
    (void)state;
    enum { MOST = 200 };
    static ito_tensor tensors[MOST];
    static const float zeros[4];
    char path[PATH], copy[PATH];
    ito_error err;
    ito_tensor_file *f = NULL;
    ito_model m = small_model();
    require(ito_model_save_diffusers(&m, folder, &err), &err);
    require(ito_safetensors_open(in_folder(files[2], path), &f, &err), &err);
    int n = ito_tensor_file_count(f);
    assert_true(n < MOST);
    for (int i = 0; i < n; i++) tensors[i] = *ito_tensor_file_at(f, i);
    tensors[n] = (ito_tensor){.name = "class_embedding.weight",
                              .dtype = ITO_DTYPE_F32,
                              .rank = 1,
                              .dim = {4},
                              .count = 4,
                              .data = zeros};
    require(ito_safetensors_write(in_folder("copy", copy), n + 1, tensors, 0, NULL, &err), &err);
    ito_tensor_file_close(f);
    assert_int_equal(rename(copy, path), 0);
    refused(ITO_E_UNSUPPORTED, "class_embedding.weight", "config.json");
    ito_params_free(m.params);
}

/* Refused before anything is written. */
static void models_without_such_a_form_are_refused_by_field(void **state) {
    (void)state;
    static const struct {
        const char *assignment, *says;
    } changes[] = {
        {"network.attn_every_up=false", "attn_every_up"},
        {"network.norm_groups=0", "norm_groups"},
        {"network.resamp_with_conv=false", "resamp_with_conv"},
        {"network.nonlinearity=relu", "nonlinearity"},
        {"network.classes=3", "classes"},
        {"network.conditional=false", "conditional"},
        {"objective.continuous=true", "objective.continuous"},
        {"sde.type=subvp", "subvp"},
        {"network.ch_mult=[2, 2]", "ch_mult"},
        {"sde.T=2", "sde.T"},
        {"network.architecture=ncsnpp", "network.fir"},
        {"network.architecture=ncsnv2_64", "architecture"},
    };
    char path[PATH];
    ito_model m = small_model();
    const ito_recipe kept = m.recipe;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        ito_error err;
        m.recipe = kept;
        require(ito_recipe_set(&m.recipe, changes[i].assignment, &err), &err);
        assert_int_equal(ito_model_save_diffusers(&m, in_folder("none", path), &err), ITO_E_UNSUPPORTED);
        if (!strstr(err.message, changes[i].says)) fail_msg("%s: %s", changes[i].assignment, err.message);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    ito_params_free(m.params);
}

/* A pipeline's folder: unet/ and scheduler/. */
static void pipelines_are_read(void **state) {
    (void)state;
    char pipeline[PATH], from[PATH], to[PATH + 60];
    ito_error err;
    ito_model m = small_model(), *back = NULL;
    m.recipe.sde.beta_max = 7;
    require(ito_model_save_diffusers(&m, folder, &err), &err);
    in_folder("pipeline", pipeline);
    for (int i = 0; i < 3; i++) {
        snprintf(to, sizeof to, "%s/%s", pipeline, i == 1 ? "scheduler" : "unet");
        require(ito_directory_make(to, &err), &err);
        snprintf(to, sizeof to, "%s/%s/%s", pipeline, i == 1 ? "scheduler" : "unet", files[i]);
        assert_int_equal(rename(in_folder(files[i], from), to), 0);
    }
    require(ito_model_load(pipeline, ITO_WEIGHTS_EMA, NULL, &back, &err), &err);
    assert_true(back->recipe.sde.beta_max == 7);
    assert_string_equal(back->recipe.name, "pipeline");
    ito_model_free(back);
    for (int i = 0; i < 3; i++) {
        snprintf(to, sizeof to, "%s/%s/%s", pipeline, i == 1 ? "scheduler" : "unet", files[i]);
        unlink(to);
        *strrchr(to, '/') = '\0';
        rmdir(to);
    }
    rmdir(pipeline);
    ito_params_free(m.params);
}

static int make_scratch(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/ito_diffusers_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_scratch(void **state) {
    (void)state;
    char path[PATH];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(in_folder(files[i], path));
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_do_not_map_are_refused_by_name),
        cmocka_unit_test(schedulers_that_do_not_map_are_refused_by_name),
        cmocka_unit_test(trained_models_are_written_and_read_back),
        cmocka_unit_test(weights_that_do_not_fit_are_refused_by_name),
        cmocka_unit_test(a_tensor_too_many_is_refused_by_name),
        cmocka_unit_test(models_without_such_a_form_are_refused_by_field),
        cmocka_unit_test(pipelines_are_read),
    };
    return cmocka_run_group_tests_name("diffusers", tests, make_scratch, remove_scratch);
}
