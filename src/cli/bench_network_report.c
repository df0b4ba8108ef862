/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench network as JSON and as text.
 */
#include "bench_network.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

static void add_timing(cJSON *object, const bench_timing *t) {
    char key[64];
    if (t->seconds == 0) return;
    snprintf(key, sizeof key, "%s_s_per_image", t->key);
    cJSON_AddNumberToObject(object, key, t->seconds);
    snprintf(key, sizeof key, "%s_gflop_per_s", t->key);
    cJSON_AddNumberToObject(object, key, t->flops / t->seconds / 1e9);
    if (t->limit > 0) {
        snprintf(key, sizeof key, "conv_limit_%s_s_per_image", t->limit_key);
        cJSON_AddNumberToObject(object, key, t->limit);
    }
    snprintf(key, sizeof key, "%s_plan_bytes", t->key);
    cJSON_AddNumberToObject(object, key, t->bytes);
    if (!t->rows) return;
    snprintf(key, sizeof key, "%s_profile", t->key);
    cJSON *rows = cJSON_AddArrayToObject(object, key);
    for (int i = 0; i < t->row_count; i++) {
        const bench_row *r = &t->rows[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "kind", r->kind);
        cJSON_AddNumberToObject(item, "calls", (double)r->calls);
        cJSON_AddNumberToObject(item, "seconds", r->seconds);
        cJSON_AddNumberToObject(item, "flops", r->flops);
        cJSON_AddNumberToObject(item, "bytes", r->bytes);
        cJSON_AddItemToArray(rows, item);
    }
}

static void add_sampling(cJSON *object, const bench_network *b) {
    const bench_steps *s = &b->steps;
    if (s->calls == 0) return;
    cJSON_AddNumberToObject(object, "pc_step_s", s->network + s->rest);
    cJSON_AddNumberToObject(object, "pc_step_calls", (double)s->calls);
    cJSON_AddNumberToObject(object, "pc_step_network_s", s->network);
    cJSON_AddNumberToObject(object, "pc_step_overhead", s->rest / s->network);
}

static void add_memory(cJSON *object, const bench_network *b) {
    const bench_memory *m = &b->memory;
    if (m->peak > 0) {
        cJSON_AddNumberToObject(object, "peak_bytes", m->peak);
        cJSON_AddNumberToObject(object, "train_extra_bytes_per_image", m->training / (double)b->batch);
    }
    if (m->sampling > 0) cJSON_AddNumberToObject(object, "sampling_extra_bytes", m->sampling);
}

ito_status cli_bench_network_json(const bench_network *b, ito_error *err) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "recipe", b->recipe.name);
    cJSON_AddNumberToObject(object, "batch", (double)b->batch);
    cJSON_AddNumberToObject(object, "runs", (double)b->o->runs);
    cJSON_AddNumberToObject(object, "parameters", (double)b->parameters);
    cJSON_AddNumberToObject(object, "flops_per_image", b->flops);
    cJSON_AddStringToObject(object, "precision", b->o->common.precision);
    add_memory(object, b);
    add_timing(object, &b->forward);
    add_timing(object, &b->gradient);
    add_timing(object, &b->train);
    add_sampling(object, b);
    cli_machine_add_json(object, &b->machine);
    return cli_print_json(object, err);
}

static void print_profile(const bench_timing *t) {
    double sum = 0;
    for (int i = 0; i < t->row_count; i++) sum += t->rows[i].seconds;
    if (!t->rows || sum <= 0) return;
    printf("\n%s\n%8s %8s %6s %8s %8s  %s\n", t->title, "seconds", "calls", "part", "GFLOP/s", "GB/s",
           "kind");
    for (int i = 0; i < t->row_count; i++) {
        const bench_row *r = &t->rows[i];
        double seconds = r->seconds > 0 ? r->seconds : 1e-9;
        printf("%8.3f %8" PRId64 " %5.1f%% %8.1f %8.1f  %s\n", r->seconds, r->calls, 100 * r->seconds / sum,
               r->flops / seconds / 1e9, r->bytes / seconds / 1e9, r->kind);
    }
}

static void print_sampling(const bench_network *b) {
    const bench_steps *s = &b->steps;
    if (s->calls > 0)
        printf("sampler step     %.5f s: %" PRId64 " calls of the network and %.2f %% beside them\n",
               s->network + s->rest, s->calls, 100 * s->rest / s->network);
}

static void print_memory(const bench_network *b) {
    const bench_memory *m = &b->memory;
    char peak[32], extra[32];
    if (m->peak > 0)
        printf("training memory  %s at most, %s an image beyond parameters, gradients, moments and EMA\n",
               cli_human(m->peak, "B", peak), cli_human(m->training / (double)b->batch, "B", extra));
    if (m->sampling > 0)
        printf("sampling memory  %s beyond the weights\n", cli_human(m->sampling, "B", extra));
}

void cli_bench_network_text(const bench_network *b) {
    const bench_timing *all[] = {&b->forward, &b->gradient, &b->train};
    char count[32], work[32], memory[32];
    cli_machine_print(&b->machine);
    printf("%s: %s parameters, %s per image forward, batch %" PRId64 "\n\n", b->recipe.name,
           cli_human((double)b->parameters, "", count), cli_human(b->flops, "FLOP", work), b->batch);
    printf("%-16s %12s %10s %12s", "", "s per image", "GFLOP/s", "workspace");
    if (!b->o->no_limit) printf(" %14s %8s", "convolutions", "part");
    printf("\n");
    for (int i = 0; i < 3; i++) {
        const bench_timing *t = all[i];
        if (t->seconds == 0) continue;
        printf("%-16s %12.5f %10.1f %12s", t->title, t->seconds, t->flops / t->seconds / 1e9,
               cli_human(t->bytes, "B", memory));
        if (t->limit > 0) printf(" %14.5f %6.0f %%", t->limit, 100 * t->limit / t->seconds);
        printf("\n");
    }
    printf("\n");
    print_sampling(b);
    print_memory(b);
    for (int i = 0; i < 3; i++) print_profile(all[i]);
}
