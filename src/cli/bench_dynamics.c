/* SPDX-License-Identifier: Apache-2.0
 *
 * ito bench dynamics: speed of what runs between the calls of a score.
 *
 *   draws     uniforms and normals of [64, 3072] values, one stream a row; and normals by a plain loop over
 *             libm from the same words, which must be the same numbers
 *   steps     one grid point of a predictor-corrector run on [64, 3072], score calls and normals apart,
 * beside copying its four arrays (state, mean, score, normals) on as many threads mixture   points of
 * gmm:8gaussians by reverse-time Euler-Maruyama
 */
#include "bench.h"
#include "machine.h"
#include "progress.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <ito/analytic.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 64,
    DIM = 3072,
    VALUES = ROWS * DIM,
    ARRAYS = 4,
    DRAWS = 100,     /* of the whole array, in a timed run */
    STEPS = 100,     /* of a timed run of a sampler */
    PLAIN_DRAWS = 10 /* of the slow loop */
};

/* A method that is timed, and its seconds. */
typedef struct step_time {
    const char *key, *corrector;
    double seconds;
} step_time;

typedef struct bench {
    const cli_bench_options *o;
    ito_sde sde;
    uint64_t seed;
    int64_t points;
    double *array[2 * ARRAYS];       /* [ROWS, DIM] each */
    double uniforms, normals, plain; /* per second */
    double difference;               /* of plain normals from the library's */
    double copy;                     /* seconds for ARRAYS arrays */
    step_time step[2];
    ito_sample_report mixture;
    cli_progress progress;
} bench;

static ito_status finish_run(bench *b, ito_error *err) {
    cli_progress_update(&b->progress, b->progress.done + 1, NULL);
    return cli_stopped("bench", "run it again", err);
}

/* ---- draws */

typedef void (*draw_row)(ito_stream stream, uint32_t step, int64_t n, double *out);

static void plain_normal(ito_stream stream, uint32_t step, int64_t n, double *out) {
    const double two_pi = 6.283185307179586;
    uint32_t word[DIM];
    ito_random_bits(stream, step, n, word);
    for (int64_t i = 0; i < n; i += 2) {
        const double radius = sqrt(-2 * log((word[i] + 0.5) * 0x1p-32));
        const double angle = two_pi * ((word[i + 1] + 0.5) * 0x1p-32);
        out[i] = radius * cos(angle);
        out[i + 1] = radius * sin(angle);
    }
}

/* Draws first .. first + count - 1, one over the other: rows belong to threads, which do not wait for each
 * other. */
static void draw_rows(const bench *b, draw_row draw, int first, int count, double *out) {
#pragma omp parallel
    for (int step = first; step < first + count; step++) {
#pragma omp for schedule(static) nowait
        for (int64_t k = 0; k < ROWS; k++)
            draw((ito_stream){b->seed, ITO_RNG_USER, k}, (uint32_t)step, DIM, out + k * DIM);
    }
}

/* Values per second, by the median run. */
static ito_status time_draws(bench *b, draw_row draw, int draws, double *rate, ito_error *err) {
    double seconds[1000];
    ito_status st = ITO_OK;
    draw_rows(b, draw, 0, 1, b->array[0]);
    for (int64_t r = 0; r < b->o->runs && st == ITO_OK; r++) {
        const double start = cli_seconds();
        draw_rows(b, draw, 0, draws, b->array[0]);
        seconds[r] = cli_seconds() - start;
        st = finish_run(b, err);
    }
    if (st == ITO_OK) *rate = (double)draws * VALUES / cli_bench_median(b->o->runs, seconds);
    return st;
}

/* The two loops round differently: their angles to 2^-52 of a turn, and so a normal to a few of its units. */
static ito_status compare_normals(bench *b, ito_error *err) {
    const double bound = 1e-14;
    draw_rows(b, ito_random_normal, 1, 1, b->array[0]);
    draw_rows(b, plain_normal, 1, 1, b->array[1]);
    for (int64_t i = 0; i < VALUES; i++)
        b->difference = fmax(b->difference, fabs(b->array[0][i] - b->array[1][i]));
    if (b->difference <= bound) return ITO_OK;
    return ito_error_set(err, ITO_E_NUMERIC, "normals: differ by %g from those of libm: report this machine",
                         b->difference);
}

static ito_status measure_draws(bench *b, ito_error *err) {
    ito_status st;
    if ((st = time_draws(b, ito_random_uniform, DRAWS, &b->uniforms, err)) != ITO_OK) return st;
    if ((st = time_draws(b, ito_random_normal, DRAWS, &b->normals, err)) != ITO_OK) return st;
    if ((st = time_draws(b, plain_normal, PLAIN_DRAWS, &b->plain, err)) != ITO_OK) return st;
    return compare_normals(b, err);
}

/* ---- steps */

static void copy_arrays(const bench *b) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < ARRAYS * ROWS; i++) {
        const int64_t a = i / ROWS, row = i % ROWS * DIM;
        memcpy(b->array[a] + row, b->array[ARRAYS + a] + row, DIM * sizeof(double));
    }
}

/* N(0, I) stays what it is under the VP SDE. */
static ito_status normal_score(void *self, int64_t n, const double *x, const double *t, double *score,
                               ito_error *err) {
    (void)self, (void)t, (void)err;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < n * DIM; i++) score[i] = -x[i];
    return ITO_OK;
}

/* When the first step began and the last ended. */
typedef struct span {
    double begin, end;
} span;

static ito_status note_time(void *self, int64_t i, double t, int64_t n, int64_t dim, const double *x) {
    span *s = self;
    (void)t, (void)n, (void)dim, (void)x;
    if (i == 0) s->begin = cli_seconds();
    s->end = cli_seconds();
    return ITO_OK;
}

/* Seconds of a grid point, without its score calls and its normals. */
static ito_status time_step(const bench *b, const char *corrector, double *seconds, ito_error *err) {
    const ito_score score = {.dim = DIM, .eval = normal_score};
    ito_pc_options o = ito_pc_default(&b->sde);
    ito_sample_report report;
    span s = {0};
    o.predictor = "reverse_diffusion";
    o.corrector = corrector;
    o.steps = STEPS;
    o.seed = b->seed;
    o.observe = note_time;
    o.observe_self = &s;
    const ito_status st = ito_pc_sample(&b->sde, &score, &o, ROWS, b->array[0], &report, err);
    *seconds = (s.end - s.begin - report.score_seconds - report.noise_seconds) / STEPS;
    return st;
}

/* Copies and steps take turns, so that both meet the machine in the same state. */
static ito_status measure_steps(bench *b, ito_error *err) {
    enum { KINDS = sizeof b->step / sizeof b->step[0] };
    double copy[1000], step[KINDS][1000];
    ito_status st = ITO_OK;
    for (int64_t r = 0; r < b->o->runs; r++) {
        const double start = cli_seconds();
        for (int i = 0; i < STEPS; i++) copy_arrays(b);
        copy[r] = (cli_seconds() - start) / STEPS;
        for (int k = 0; k < KINDS; k++)
            if ((st = time_step(b, b->step[k].corrector, &step[k][r], err)) != ITO_OK) return st;
        if ((st = finish_run(b, err)) != ITO_OK) return st;
    }
    b->copy = cli_bench_median(b->o->runs, copy);
    for (int k = 0; k < KINDS; k++) b->step[k].seconds = cli_bench_median(b->o->runs, step[k]);
    return ITO_OK;
}

/* ---- mixture */

static ito_status go_on(void *self, int64_t done, int64_t total) {
    ito_error err;
    (void)self, (void)done, (void)total;
    return cli_stopped("bench", "run it again", &err);
}

static ito_status measure_mixture(bench *b, ito_error *err) {
    const int64_t n = b->points;
    ito_pc_options o = ito_pc_default(&b->sde);
    ito_density *density = NULL;
    ito_status st = ITO_OK;
    o.predictor = "euler_maruyama";
    o.corrector = "none";
    o.steps = b->o->steps;
    o.seed = b->seed;
    o.progress = (ito_progress){.report = go_on};
    double *x = calloc((size_t)n, 2 * sizeof *x);
    if (!x) st = ito_error_set(err, ITO_E_NOMEM, "--count: no memory for %" PRId64 " points: use fewer", n);
    if (st == ITO_OK) st = ito_mixture_named(&b->sde, "8gaussians", &density, err);
    if (st == ITO_OK) {
        const ito_score score = ito_density_score(density);
        st = ito_pc_sample(&b->sde, &score, &o, n, x, &b->mixture, err);
    }
    if (st == ITO_OK) st = finish_run(b, err);
    ito_density_free(density);
    free(x);
    return st;
}

/* ---- telling */

static ito_status print_json(const bench *b, const cli_machine *m, ito_error *err) {
    cJSON *object = cJSON_CreateObject();
    cli_machine_add_json(object, m);
    cJSON_AddNumberToObject(object, "runs", (double)b->o->runs);
    cJSON_AddNumberToObject(object, "uniforms_per_s", b->uniforms);
    cJSON_AddNumberToObject(object, "normals_per_s", b->normals);
    cJSON_AddNumberToObject(object, "plain_normals_per_s", b->plain);
    cJSON_AddNumberToObject(object, "normals_ratio", b->normals / b->plain);
    cJSON_AddNumberToObject(object, "normals_difference", b->difference);
    cJSON_AddNumberToObject(object, "copy_s", b->copy);
    for (int k = 0; k < 2; k++) {
        char key[64];
        snprintf(key, sizeof key, "%s_step_s", b->step[k].key);
        cJSON_AddNumberToObject(object, key, b->step[k].seconds);
        snprintf(key, sizeof key, "%s_step_copies", b->step[k].key);
        cJSON_AddNumberToObject(object, key, b->step[k].seconds / b->copy);
    }
    cJSON_AddNumberToObject(object, "mixture_points", (double)b->points);
    cJSON_AddNumberToObject(object, "mixture_steps", (double)b->o->steps);
    cJSON_AddNumberToObject(object, "mixture_s", b->mixture.seconds);
    cJSON_AddNumberToObject(object, "mixture_score_s", b->mixture.score_seconds);
    cJSON_AddNumberToObject(object, "mixture_noise_s", b->mixture.noise_seconds);
    return cli_print_json(object, err);
}

static void print_text(const bench *b, const cli_machine *m) {
    char rate[32], plain[32];
    cli_machine_print(m);
    printf("\n%-34s %14s\n", "uniforms", cli_human(b->uniforms, "/s", rate));
    printf("%-34s %14s   %.1f x a plain loop's %s, the same to %.0e\n", "normals",
           cli_human(b->normals, "/s", rate), b->normals / b->plain, cli_human(b->plain, "/s", plain),
           b->difference);
    printf("\n[%d, %d], score and normals apart\n", (int)ROWS, (int)DIM);
    printf("%-34s %11.0f us\n", "copying its arrays", 1e6 * b->copy);
    for (int k = 0; k < 2; k++) {
        char name[64];
        const bool none = strcmp(b->step[k].corrector, "none") == 0;
        snprintf(name, sizeof name, "%s%sreverse_diffusion", none ? "" : b->step[k].corrector,
                 none ? "" : " and ");
        printf("%-34s %11.0f us   %.2f copies\n", name, 1e6 * b->step[k].seconds,
               b->step[k].seconds / b->copy);
    }
    printf("\ngmm:8gaussians, %" PRId64 " points, %" PRId64 " steps\n", b->points, b->o->steps);
    printf("%-34s %12.2f s   score %.2f s, normals %.2f s\n", "euler_maruyama", b->mixture.seconds,
           b->mixture.score_seconds, b->mixture.noise_seconds);
}

/* ---- the whole */

static ito_status measure(bench *b, ito_error *err) {
    ito_status st;
    /* Normals in all arrays: the pages are there, and no value is special. */
    for (int a = 0; a < 2 * ARRAYS; a++) {
        b->array[a] = calloc(VALUES, sizeof *b->array[a]);
        if (!b->array[a])
            return ito_error_set(err, ITO_E_NOMEM, "bench: memory ran out: close other programs");
        draw_rows(b, ito_random_normal, a, 1, b->array[a]);
    }
    if ((st = measure_draws(b, err)) != ITO_OK) return st;
    if ((st = measure_steps(b, err)) != ITO_OK) return st;
    return measure_mixture(b, err);
}

ito_status cli_bench_dynamics(const cli_bench_options *o, ito_error *err) {
    bench b = {
        .o = o,
        .sde = ito_sde_default(ITO_SDE_VP),
        .points = o->count > 0 ? o->count : 100000,
        .seed = o->common.seed >= 0 ? (uint64_t)o->common.seed : 0,
        .step = {{.key = "predictor", .corrector = "none"}, {.key = "langevin", .corrector = "langevin"}}};
    ito_plan_options checked; /* of which --threads alone matters here */
    ito_status st = cli_plan_options(&o->common, &checked, err);
    if (st != ITO_OK) return st;
    if (o->common.threads > 0) omp_set_num_threads((int)o->common.threads);
    const cli_machine machine = cli_machine_read(o->common.threads);
    cli_progress_start(&b.progress, "bench", "runs", 1, 0, 4 * o->runs + 1, o->common.quiet);
    st = measure(&b, err);
    cli_progress_finish(&b.progress);
    if (st == ITO_OK && o->common.json)
        st = print_json(&b, &machine, err);
    else if (st == ITO_OK)
        print_text(&b, &machine);
    for (int a = 0; a < 2 * ARRAYS; a++) free(b.array[a]);
    return st;
}
