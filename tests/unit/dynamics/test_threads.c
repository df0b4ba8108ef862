/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that run samplers at once get, bit for bit, what each gets alone. Nothing is shared but constants
 * and a density, which never changes. `make check` runs this under ThreadSanitizer too, where a value that
 * two runs share by mistake is an error even if it happens to come out right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ito/analytic.h>
#include <ito/sampler.h>
#include <pthread.h>
#include <string.h>

enum { dim = 64, most_rows = 260, most_jobs = 64, most_steps = 25 };

static const double weights[2] = {0.4, 0.6}, stds[2] = {0.2, 0.3}, loose = 1e-2;

typedef struct job {
    const char *name; /* of a sampler; NULL: likelihood of `start` */
    const ito_sde *sde;
    ito_density *density;
    const double *start;
    int64_t rows;
    double *out; /* [rows, dim] */
    ito_status status;
    ito_error err;
} job;

static ito_status likelihood(job *j, const ito_score *score) {
    ito_likelihood_options options = ito_likelihood_default();
    options.ode.rtol = options.ode.atol = loose;
    options.probes = 2;
    const ito_likelihood_result result = {.z = j->out};
    return ito_likelihood(j->sde, score, &options, j->rows, j->start, &result, NULL, &j->err);
}

static ito_status draw(job *j, const ito_score *score) {
    ito_sampler sampler;
    const ito_status st = ito_sampler_named(j->name, j->sde, &sampler, &j->err);
    if (st != ITO_OK) return st;
    if (sampler.pc.steps > most_steps) sampler.pc.steps = most_steps;
    sampler.ode.rtol = sampler.ode.atol = loose;
    return ito_sample(j->sde, score, &sampler, j->rows, j->out, NULL, &j->err);
}

static void *run(void *self) {
    job *j = self;
    const ito_score score = ito_density_score(j->density);
    j->status = j->name == NULL ? likelihood(j, &score) : draw(j, &score);
    return NULL;
}

/* One job per sampler, over the SDEs in turn, and a likelihood. */
static int make_jobs(const ito_sde *sdes, ito_density *const *densities, const double *start, int64_t rows,
                     job *jobs) {
    int count = 0;
    do {
        const int kind = count % ITO_SDE_NETWORK_COUNT;
        jobs[count] = (job){.name = ito_sampler_name(count),
                            .sde = &sdes[kind],
                            .density = densities[kind],
                            .start = start,
                            .rows = rows};
    } while (jobs[count++].name != NULL && count < most_jobs);
    return count;
}

static void expect_the_same_together_as_alone(int64_t rows) {
    ito_sde sdes[ITO_SDE_NETWORK_COUNT];
    ito_density *densities[ITO_SDE_NETWORK_COUNT];
    double means[2][dim];
    for (int j = 0; j < dim; j++) {
        means[0][j] = 0.5 * (j % 2);
        means[1][j] = -means[0][j];
    }
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        sdes[kind] = ito_sde_default((ito_sde_kind)kind);
        assert_int_equal(
            ito_mixture_create(&sdes[kind], 2, dim, weights, means[0], stds, &densities[kind], NULL), ITO_OK);
    }
    static double start[most_rows * dim], alone[most_rows * dim], together[most_jobs][most_rows * dim];
    assert_int_equal(ito_density_sample(densities[0], 3, 0, 0, rows, start, NULL), ITO_OK);

    static job jobs[most_jobs];
    pthread_t threads[most_jobs];
    const int count = make_jobs(sdes, densities, start, rows, jobs);
    for (int i = 0; i < count; i++) {
        jobs[i].out = together[i];
        assert_int_equal(pthread_create(&threads[i], NULL, run, &jobs[i]), 0);
    }
    for (int i = 0; i < count; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < count; i++) {
        if (jobs[i].status != ITO_OK) fail_msg("%s", jobs[i].err.message);
        jobs[i].out = alone;
        run(&jobs[i]);
        assert_memory_equal(alone, together[i], (size_t)(rows * dim) * sizeof *alone);
    }
    print_message("%d runs of %lld samples at once\n", count, (long long)rows);
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) ito_density_free(densities[kind]);
}

static void every_sampler_runs_beside_every_other(void **state) {
    (void)state;
    expect_the_same_together_as_alone(4);
}

#ifdef _OPENMP /* ThreadSanitizer's build does without */
/* Large enough for a run to start threads of its own. */
static void runs_of_many_threads_run_beside_each_other(void **state) {
    (void)state;
    expect_the_same_together_as_alone(most_rows);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sampler_runs_beside_every_other),
#ifdef _OPENMP
        cmocka_unit_test(runs_of_many_threads_run_beside_each_other),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
