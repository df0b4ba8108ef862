/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench machine: what the processor could do at most, beside which other figures are read.
 *
 *   peak      multiply-adds of a loop that never leaves the registers, float32 and, where the processor has
 *             them, bfloat16 products with float32 sums
 *   copying   from memory to memory, bytes read and written, arrays far beyond the caches
 */
#include "bench.h"
#include "machine.h"
#include "peak.h"
#include "progress.h"

#include <cjson/cJSON.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COPIED = 1 << 28 }; /* bytes of an array */

typedef struct bench {
    const cli_bench_options *o;
    cli_machine machine;
    double f32, bf16; /* FLOP/s; bf16 0: the processor has no such instruction */
    double copy;      /* bytes/s */
    cli_progress progress;
} bench;

static ito_status finish_run(bench *b, ito_error *err) {
    cli_progress_update(&b->progress, b->progress.done + 1, NULL);
    return cli_stopped("bench", "run it again", err);
}

/* FLOP/s of all threads, each in a loop of its own for about a tenth of a second. */
static double run_peak(const bench *b, cli_peak_loop loop, double flops) {
    const int64_t turns = 20 * 1000 * 1000;
    double start = 0, end = 0, sum = 0;
#pragma omp parallel num_threads(b->machine.threads) reduction(+ : sum)
    {
#pragma omp barrier
#pragma omp master
        start = cli_seconds();
        sum += loop(turns);
#pragma omp barrier
#pragma omp master
        end = cli_seconds();
    }
    /* The sum is what keeps the loop; it is finite by construction. */
    return sum < 1e30 ? flops * (double)turns * b->machine.threads / (end - start) : 0;
}

static ito_status measure_peak(bench *b, cli_peak_kind kind, double *rate, ito_error *err) {
    double flops = 0, rates[1000];
    const cli_peak_loop loop = cli_peak_find(kind, &flops);
    *rate = 0;
    if (!loop) return ITO_OK;
    run_peak(b, loop, flops); /* wakes the threads */
    for (int64_t r = 0; r < b->o->runs; r++) {
        rates[r] = run_peak(b, loop, flops);
        const ito_status st = finish_run(b, err);
        if (st != ITO_OK) return st;
    }
    *rate = cli_bench_median(b->o->runs, rates);
    return ITO_OK;
}

static ito_status measure_copy(bench *b, ito_error *err) {
    const int threads = b->machine.threads;
    char *from = malloc(COPIED), *to = malloc(COPIED);
    double rates[1000];
    ito_status st = ITO_OK;
    if (!from || !to) st = ito_error_set(err, ITO_E_NOMEM, "bench: memory ran out: close other programs");
    if (st == ITO_OK) memset(from, 1, COPIED);
    for (int64_t r = -1; r < b->o->runs && st == ITO_OK; r++) { /* the first one finds the pages */
        const double start = cli_seconds();
#pragma omp parallel for schedule(static) num_threads(threads)
        for (int k = 0; k < threads; k++) {
            const size_t begin = (size_t)COPIED / (size_t)threads * (size_t)k;
            memcpy(to + begin, from + begin, (size_t)COPIED / (size_t)threads);
        }
        if (r < 0) continue;
        rates[r] = 2.0 * COPIED / (cli_seconds() - start);
        st = finish_run(b, err);
    }
    if (st == ITO_OK) b->copy = cli_bench_median(b->o->runs, rates);
    free(to);
    free(from);
    return st;
}

static ito_status measure(bench *b, ito_error *err) {
    ito_status st;
    if ((st = measure_peak(b, CLI_PEAK_F32, &b->f32, err)) != ITO_OK) return st;
    if ((st = measure_peak(b, CLI_PEAK_BF16, &b->bf16, err)) != ITO_OK) return st;
    return measure_copy(b, err);
}

static ito_status print_json(const bench *b, ito_error *err) {
    cJSON *object = cJSON_CreateObject();
    cli_machine_add_json(object, &b->machine);
    cJSON_AddNumberToObject(object, "runs", (double)b->o->runs);
    cJSON_AddNumberToObject(object, "peak_f32_flop_per_s", b->f32);
    cJSON_AddNumberToObject(object, "peak_bf16_flop_per_s", b->bf16);
    cJSON_AddNumberToObject(object, "copy_bytes_per_s", b->copy);
    return cli_print_json(object, err);
}

static void print_text(const bench *b) {
    char text[32];
    cli_machine_print(&b->machine);
    printf("\n%-20s %14s\n", "peak, float32", cli_human(b->f32, "FLOP/s", text));
    if (b->bf16 > 0) printf("%-20s %14s\n", "peak, bfloat16", cli_human(b->bf16, "FLOP/s", text));
    printf("%-20s %14s\n", "copying memory", cli_human(b->copy, "B/s", text));
}

ito_status cli_bench_machine(const cli_bench_options *o, ito_error *err) {
    bench b = {.o = o};
    ito_plan_options checked; /* of which --threads alone matters here */
    ito_status st = cli_plan_options(&o->common, &checked, err);
    if (st != ITO_OK) return st;
    b.machine = cli_machine_read(o->common.threads);
    cli_progress_start(&b.progress, "bench", "runs", 1, 0, 3 * o->runs, o->common.quiet);
    st = measure(&b, err);
    cli_progress_finish(&b.progress);
    if (st == ITO_OK && o->common.json)
        st = print_json(&b, err);
    else if (st == ITO_OK)
        print_text(&b);
    return st;
}
