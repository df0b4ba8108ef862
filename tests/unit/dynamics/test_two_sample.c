/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of a mixture in the plane cannot be told from exact ones, for every sampler under VE, VP and
 * sub-VP, nor those of one SDE from those of another; samples of a sampler broken on purpose can.
 *
 * The two-sample test: 16 cells of equal mass, four strips in x cut into four in y by an exact sample of
 * their own. With a_i and b_i samples of n and m in cell i, the statistic
 *
 *     sum_i (sqrt(m/n) a_i - sqrt(n/m) b_i)^2 / (a_i + b_i)
 *
 * is chi-square with 15 degrees of freedom when both laws are one, and exceeds `bound` with probability below
 * 1e-6. Some 60 comparisons must pass: a false alarm for one seed in 15,000 at most; the seeds are fixed. A
 * law that differs by 30 % in the typical cell is noticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "support/broken.h"
#include "support/three_bumps.h"
#include <cmocka.h>
#include <ito/sampler.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { dim = 2, n = 512, exact_n = 16384, strips = 4, parts = 4, cells = strips * parts, steps = 250 };

static const double bound = 57;

/* ---- the test ---- */

typedef struct partition {
    double x[strips - 1], y[strips][parts - 1]; /* inner edges */
    int64_t exact[cells];                       /* counts of exact_n exact samples */
} partition;

static int by_first(const void *u, const void *v) {
    const double a = *(const double *)u, b = *(const double *)v;
    return (a > b) - (a < b);
}

static int by_second(const void *u, const void *v) {
    return by_first((const double *)u + 1, (const double *)v + 1);
}

static int cell_of(const partition *p, const double *x) {
    int strip = 0, part = 0;
    while (strip < strips - 1 && x[0] > p->x[strip]) strip++;
    while (part < parts - 1 && x[1] > p->y[strip][part]) part++;
    return strip * parts + part;
}

static void count(const partition *p, int64_t size, const double *x, int64_t *counts) {
    for (int c = 0; c < cells; c++) counts[c] = 0;
    for (int64_t k = 0; k < size; k++) counts[cell_of(p, x + k * dim)]++;
}

/* Edges from one exact sample at t = 0, counts from another. */
static void make_partition(partition *p) {
    enum { strip_size = exact_n / strips, part_size = strip_size / parts };
    static double x[exact_n * dim];
    const ito_sde sde = ito_sde_default(ITO_SDE_VP);
    ito_density *density = three_bumps(&sde);
    assert_int_equal(ito_density_sample(density, 100, 0, 0, exact_n, x, NULL), ITO_OK);
    qsort(x, exact_n, dim * sizeof *x, by_first);
    for (int s = 0; s < strips; s++) {
        double *strip = x + (int64_t)s * strip_size * dim;
        if (s > 0) p->x[s - 1] = strip[0];
        qsort(strip, strip_size, dim * sizeof *x, by_second);
        for (int64_t q = 1; q < parts; q++) p->y[s][q - 1] = strip[q * part_size * dim + 1];
    }
    assert_int_equal(ito_density_sample(density, 101, 0, 0, exact_n, x, NULL), ITO_OK);
    count(p, exact_n, x, p->exact);
    ito_density_free(density);
}

static double two_sample(const int64_t *a, int64_t size_a, const int64_t *b, int64_t size_b) {
    const double ratio = sqrt((double)size_b / (double)size_a);
    double sum = 0;
    for (int c = 0; c < cells; c++)
        if (a[c] + b[c] > 0)
            sum += pow(ratio * (double)a[c] - (double)b[c] / ratio, 2) / (double)(a[c] + b[c]);
    return sum;
}

static int find_partition(void **state) {
    static partition p;
    make_partition(&p);
    *state = &p;
    return 0;
}

/* ---- what is tested ---- */

typedef struct run {
    ito_sde_kind sde;
    const char *predictor, *corrector; /* of a PC run; NULL: kind */
    bool probability_flow;
    ito_sampler_kind kind;
    double factor;      /* of the score */
    ito_purpose silent; /* noise that is missing; ITO_RNG_USER: none */
    bool corrects_without_noise;
    double eta; /* negative: the predictor's own */
    uint64_t seed;
} run;

static ito_status sample_pc(const run *r, const ito_sde *sde, const ito_score *score, double *x,
                            ito_error *err) {
    ito_pc_options options = ito_pc_default(sde);
    options.predictor = r->predictor;
    options.corrector = r->corrector;
    options.probability_flow = r->probability_flow;
    options.steps = steps;
    options.eta = r->eta;
    options.snr = 0.2;
    options.batch_norms =
        true; /* in the plane the norm of one score is near 0 at times, and a step very long */
    ito__philox philox = {.seed = r->seed};
    muted_noise noise = {ito__philox_noise(&philox), r->silent};
    ito__pc pc;
    ito_status st = ito__pc_open(&pc, sde, score, &options, muted_noise_of(&noise), n, err);
    ito__method silenced;
    if (st == ITO_OK && r->corrects_without_noise) {
        silenced = silenced_corrector(pc.corrector);
        pc.corrector = &silenced;
    }
    while (st == ITO_OK && pc.i < pc.steps) st = ito__pc_advance(&pc, err);
    if (st == ITO_OK) memcpy(x, pc.x_mean, n * dim * sizeof *x);
    ito__pc_close(&pc);
    return st;
}

static ito_status sample_kind(const run *r, const ito_sde *sde, const ito_score *score, double *x,
                              ito_error *err) {
    static const double silence[n * dim];
    ito_sampler sampler;
    const ito_status st = ito_sampler_named(ito_sampler_name((int)r->kind), sde, &sampler, err);
    if (st != ITO_OK) return st;
    sampler.pc.seed = r->seed;
    sampler.pc.prior_noise = r->silent == ITO_RNG_PRIOR ? silence : NULL;
    return ito_sample(sde, score, &sampler, n, x, NULL, err);
}

/* False where the run diverges. */
static bool draw(const run *r, double *x) {
    const ito_sde sde = ito_sde_default(r->sde);
    ito_density *density = three_bumps(&sde);
    scaled_score scaled = {ito_density_score(density), r->factor};
    const ito_score score = scaled_score_of(&scaled);
    ito_error err;
    const ito_status st =
        r->predictor != NULL ? sample_pc(r, &sde, &score, x, &err) : sample_kind(r, &sde, &score, x, &err);
    ito_density_free(density);
    if (st != ITO_OK && st != ITO_E_NUMERIC) fail_msg("%s", err.message);
    return st == ITO_OK;
}

/* The statistic against exact samples; infinite where the run diverges. */
static double distance(const partition *p, const run *r, const char *what) {
    static double x[n * dim];
    int64_t counts[cells];
    double found = HUGE_VAL;
    if (draw(r, x)) {
        count(p, n, x, counts);
        found = two_sample(counts, n, p->exact, exact_n);
    }
    print_message("%-5s %-17s %-8s %s %-20s %6.1f\n", ito_sde_name(r->sde),
                  r->predictor != NULL ? r->predictor : ito_sampler_name((int)r->kind),
                  r->predictor != NULL ? r->corrector : "", r->probability_flow ? "ODE" : "   ", what, found);
    return found;
}

static run pc(int kind, const char *predictor, const char *corrector, bool probability_flow) {
    return (run){.sde = (ito_sde_kind)kind,
                 .predictor = predictor,
                 .corrector = corrector,
                 .probability_flow = probability_flow,
                 .factor = 1,
                 .silent = ITO_RNG_USER,
                 .eta = -1,
                 .seed = 40 + (uint64_t)kind};
}

static run adaptive(int kind, int sampler) {
    run r = pc(kind, NULL, NULL, false);
    r.kind = (ito_sampler_kind)sampler;
    return r;
}

static void expect_exact(const partition *p, run r) {
    assert_true(distance(p, &r, "") < bound);
}

static void expect_broken(const partition *p, run r, double factor, ito_purpose silent, const char *what) {
    r.factor = factor;
    r.silent = silent;
    assert_true(distance(p, &r, what) > bound);
}

static void exact_samples_pass(void **state) {
    static double x[n * dim];
    const ito_sde sde = ito_sde_default(ITO_SDE_VE);
    ito_density *density = three_bumps(&sde);
    double mean = 0, largest = 0;
    enum { trials = 200 };
    for (int trial = 0; trial < trials; trial++) {
        int64_t counts[cells];
        assert_int_equal(ito_density_sample(density, 1000 + (uint64_t)trial, 0, 0, n, x, NULL), ITO_OK);
        count(*state, n, x, counts);
        const double found = two_sample(counts, n, ((const partition *)*state)->exact, exact_n);
        mean += found / trials;
        largest = fmax(largest, found);
    }
    ito_density_free(density);
    /* 5 standard errors of a chi-square variable, whose variance is twice its mean. */
    const double within = 5 * sqrt(2.0 * (cells - 1) / trials);
    print_message("exact samples: mean %.2f (%d within %.2f), largest %.1f of %d (bound %g)\n", mean,
                  cells - 1, within, largest, trials, bound);
    assert_true(fabs(mean - (cells - 1)) < within);
    assert_true(largest < bound);
}

static void every_predictor_passes(void **state) {
    const ito__method *predictor;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const ito_sde sde = ito_sde_default((ito_sde_kind)kind);
        for (int i = 0; (predictor = ito__predictor_at(i)) != NULL; i++)
            if (predictor_applies(predictor, &sde)) {
                run r = pc(kind, predictor->name, "none", false);
                expect_exact(*state, r);
                r.eta = 1;
                if (predictor->uses_eta && predictor->eta != r.eta) expect_exact(*state, r);
            }
        expect_exact(*state, pc(kind, "euler_maruyama", "none", true));
        expect_exact(*state, pc(kind, "reverse_diffusion", "none", true));
    }
}

static void every_corrector_passes(void **state) {
    const ito__method *corrector;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int i = 0; (corrector = ito__corrector_at(i)) != NULL; i++)
            if (corrector->score_calls > 0)
                expect_exact(*state, pc(kind, "reverse_diffusion", corrector->name, false));
}

static void every_adaptive_sampler_passes(void **state) {
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int sampler = ITO_SAMPLER_PC + 1; sampler < ITO_SAMPLER_KIND_COUNT; sampler++)
            expect_exact(*state, adaptive(kind, sampler));
}

static void samples_of_one_sde_pass_for_those_of_another(void **state) {
    int64_t counts[ITO_SDE_NETWORK_COUNT][cells];
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        static double x[n * dim];
        const run r = pc(kind, "euler_maruyama", "none", false);
        assert_true(draw(&r, x));
        count(*state, n, x, counts[kind]);
        for (int other = 0; other < kind; other++) {
            const double found = two_sample(counts[kind], n, counts[other], n);
            print_message("%s and %s: %.1f (bound %g)\n", ito_sde_name((ito_sde_kind)other),
                          ito_sde_name((ito_sde_kind)kind), found, bound);
            assert_true(found < bound);
        }
    }
}

/* Every predictor under VP, the first two under all. */
static void broken_predictors_fail(void **state) {
    const ito__method *predictor;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++) {
        const ito_sde sde = ito_sde_default((ito_sde_kind)kind);
        for (int i = 0; (predictor = ito__predictor_at(i)) != NULL; i++) {
            if (!predictor_applies(predictor, &sde) || (i > 1 && kind != ITO_SDE_VP)) continue;
            run r = pc(kind, predictor->name, "none", false);
            expect_broken(*state, r, -1, ITO_RNG_USER, "wrong sign");
            expect_broken(*state, r, 0.5, ITO_RNG_USER, "1/2 too many");
            if (predictor->uses_eta) r.eta = 1;
            if (predictor->needs_noise) expect_broken(*state, r, 1, ITO_RNG_PREDICTOR, "no noise");
        }
        const run ode = pc(kind, "euler_maruyama", "none", true);
        expect_broken(*state, ode, -1, ITO_RNG_USER, "wrong sign");
        expect_broken(*state, ode, 2, ITO_RNG_USER, "1/2 missing");
        expect_broken(*state, ode, 1, ITO_RNG_PRIOR, "no prior");
    }
}

static void broken_correctors_fail(void **state) {
    const ito__method *corrector;
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int i = 0; (corrector = ito__corrector_at(i)) != NULL; i++) {
            if (corrector->score_calls == 0) continue;
            run r = pc(kind, "reverse_diffusion", corrector->name, false);
            expect_broken(*state, r, -1, ITO_RNG_USER, "wrong sign");
            r.corrects_without_noise = true;
            expect_broken(*state, r, 1, ITO_RNG_USER, "no noise, corrector");
        }
}

static void broken_adaptive_samplers_fail(void **state) {
    for (int kind = 0; kind < ITO_SDE_NETWORK_COUNT; kind++)
        for (int sampler = ITO_SAMPLER_PC + 1; sampler < ITO_SAMPLER_KIND_COUNT; sampler++) {
            expect_broken(*state, adaptive(kind, sampler), -1, ITO_RNG_USER, "wrong sign");
            expect_broken(*state, adaptive(kind, sampler), 2, ITO_RNG_USER, "1/2 missing");
            expect_broken(*state, adaptive(kind, sampler), 0.5, ITO_RNG_USER, "1/2 too many");
            if (sampler != ITO_SAMPLER_ADAPTIVE) /* the reverse SDE forgets where it began */
                expect_broken(*state, adaptive(kind, sampler), 1, ITO_RNG_PRIOR, "no prior");
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_samples_pass),
        cmocka_unit_test(every_predictor_passes),
        cmocka_unit_test(every_corrector_passes),
        cmocka_unit_test(every_adaptive_sampler_passes),
        cmocka_unit_test(samples_of_one_sde_pass_for_those_of_another),
        cmocka_unit_test(broken_predictors_fail),
        cmocka_unit_test(broken_correctors_fail),
        cmocka_unit_test(broken_adaptive_samplers_fail),
    };
    return cmocka_run_group_tests(tests, find_partition, NULL);
}
