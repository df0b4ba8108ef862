/* SPDX-License-Identifier: Apache-2.0
 *
 * The predictor-corrector sampler.  [SDE] Algorithm 1 and Algorithms 2-5 for its settings.
 *
 *     x ~ prior
 *     for t in linspace(T, eps, N):
 *         M times: x = corrector(x, t)
 *         x, x_mean = predictor(x, t)
 *
 * Departure from the paper's Algorithm 1, as in the published results: at each t the corrector comes first.
 */
#include "core/memory.h"
#include "dynamics/pc.h"
#include "dynamics/sde.h"

#include <math.h>
#include <time.h>

ito_pc_options ito_pc_default(const ito_sde *sde) {
    const ito__sde_record *record = ito__sde_record_of(sde);
    return (ito_pc_options){.predictor = record->predictor,
                            .corrector = record->corrector,
                            .steps = sde->steps,
                            .corrector_steps = 1,
                            .snr = 0.16,
                            .denoise = true,
                            .temperature = 1};
}

double ito__grid_time(double T, double eps, int64_t N, int64_t i) {
    const double w = (double)i / (double)(N - 1);
    return (1 - w) * T + w * eps;
}

static ito_status check_ranges(const ito_pc_options *o, int64_t n, ito_error *err) {
    if (o->steps < 2)
        return ito_error_set(err, ITO_E_ARG, "steps: is %lld: use at least 2, such as 1000",
                             (long long)o->steps);
    if (o->corrector_steps < 1 || o->corrector_steps > (int64_t)UINT32_MAX / o->steps)
        return ito_error_set(
            err, ITO_E_ARG,
            "corrector_steps: is %lld for %lld steps: use 1 or more, with a product below 2^32 "
            "(the corrector none runs no sweep)",
            (long long)o->corrector_steps, (long long)o->steps);
    if (!(o->snr > 0 && isfinite(o->snr)))
        return ito_error_set(err, ITO_E_ARG, "snr: is %g: use a positive number, such as 0.16", o->snr);
    if (!(o->temperature >= 0 && isfinite(o->temperature)))
        return ito_error_set(err, ITO_E_ARG, "temperature: is %g: use 0 or more, such as 1", o->temperature);
    const int64_t sample_limit = INT64_C(1) << 56;
    if (o->first_sample < 0 || o->first_sample > sample_limit - n)
        return ito_error_set(err, ITO_E_ARG, "first_sample: is %lld: use 0 or more, below 2^56",
                             (long long)o->first_sample);
    return ITO_OK;
}

/* Methods, and whether they fit the SDE's chain of so many steps. */
static ito_status choose_methods(ito__pc *pc, ito_error *err) {
    const ito_pc_options *o = pc->options;
    ito_status st;
    if ((st = ito__predictor_find(o->predictor, &pc->predictor, err)) != ITO_OK) return st;
    if ((st = ito__corrector_find(o->corrector, &pc->corrector, err)) != ITO_OK) return st;

    const double alpha = ito_sde_alpha(&pc->sde, pc->sde.T);
    if ((pc->predictor->uses_chain || pc->corrector->uses_chain) && !(alpha >= 0))
        return ito_error_set(
            err, ITO_E_ARG,
            "steps: %lld are too few for the forward chain of %s, whose alpha at T is %g: use "
            "more, or predictor euler_maruyama with corrector none",
            (long long)o->steps, ito_sde_name(pc->sde.kind), alpha);
    if (pc->predictor->check != NULL && (st = pc->predictor->check(&pc->sde, o, err)) != ITO_OK) return st;
    if (pc->corrector->check != NULL && (st = pc->corrector->check(&pc->sde, o, err)) != ITO_OK) return st;
    return ITO_OK;
}

static ito_status check_and_settle(ito__pc *pc, ito_error *err) {
    const ito_pc_options *o = pc->options;
    ito_status st;
    if ((st = ito_sde_check(&pc->sde, err)) != ITO_OK) return st;
    if (pc->n < 1)
        return ito_error_set(err, ITO_E_ARG, "n: is %lld: use at least 1 sample", (long long)pc->n);
    if (pc->dim < 1)
        return ito_error_set(err, ITO_E_ARG, "score: has dim %lld: use at least 1", (long long)pc->dim);
    if (pc->score->eval == NULL)
        return ito_error_set(err, ITO_E_ARG, "score: has no eval: set the function that evaluates it");
    if ((st = check_ranges(o, pc->n, err)) != ITO_OK) return st;

    pc->steps = pc->sde.steps = o->steps;
    pc->eps = o->eps != 0 ? o->eps : ito_sde_sampling_eps(&pc->sde);
    if (!(pc->eps > 0 && pc->eps < pc->sde.T))
        return ito_error_set(err, ITO_E_ARG, "eps: is %g: use a time above 0 and below T = %g, such as %g",
                             pc->eps, pc->sde.T, ito_sde_sampling_eps(&pc->sde));
    return choose_methods(pc, err);
}

static ito_status allocate(ito__pc *pc, ito_error *err) {
    size_t count, arrays, rows;
    if (!ito__mul_size((size_t)pc->n, (size_t)pc->dim, &count) || !ito__mul_size(count, 4, &arrays) ||
        !ito__mul_size((size_t)pc->n, 3, &rows) || arrays + rows < arrays ||
        (pc->block = ito__calloc(arrays + rows, sizeof(double))) == NULL)
        return ito_error_set(err, ITO_E_NOMEM,
                             "n: no memory for %lld samples of %lld values: use a smaller batch",
                             (long long)pc->n, (long long)pc->dim);
    double *next = pc->block;
    double **const array[] = {&pc->x, &pc->x_mean, &pc->s, &pc->z};
    for (size_t a = 0; a < sizeof array / sizeof array[0]; a++, next += count) *array[a] = next;
    pc->times = next;
    pc->s_norm = next + pc->n;
    pc->z_norm = next + 2 * pc->n;
    return ITO_OK;
}

ito_status ito__pc_open(ito__pc *pc, const ito_sde *sde, const ito_score *score,
                        const ito_pc_options *options, ito__noise noise, int64_t n, ito_error *err) {
    *pc =
        (ito__pc){.sde = *sde, .score = score, .options = options, .noise = noise, .n = n, .dim = score->dim};
    ito_status st;
    if ((st = check_and_settle(pc, err)) != ITO_OK) return st;
    if ((st = allocate(pc, err)) != ITO_OK) return st;

    const double scale = ito_sde_prior_std(&pc->sde) * options->temperature;
    const double *z = options->prior_noise;
    if (z == NULL) {
        noise.normal(noise.self, ITO_RNG_PRIOR, 0, n, pc->dim, pc->z);
        z = pc->z;
    }
    for (int64_t j = 0; j < n * pc->dim; j++) pc->x[j] = scale * z[j];
    pc->t = pc->sde.T;
    return ITO_OK;
}

ito_status ito__pc_advance(ito__pc *pc, ito_error *err) {
    ito_status st;
    pc->t = ito__grid_time(pc->sde.T, pc->eps, pc->steps, pc->i);
    for (pc->sweep = 0; pc->sweep < pc->options->corrector_steps; pc->sweep++)
        if ((st = pc->corrector->step(pc, err)) != ITO_OK) return st;
    if ((st = pc->predictor->step(pc, err)) != ITO_OK) return st;
    pc->i++;
    return ITO_OK;
}

void ito__pc_close(ito__pc *pc) {
    ito__free(pc->block);
    *pc = (ito__pc){0};
}

/* The state that the call returns. */
static const double *result(const ito__pc *pc) {
    return pc->options->denoise ? pc->x_mean : pc->x;
}

/* Shows the state after i = 0..N grid points to the caller's two callbacks. */
static ito_status report_progress(const ito__pc *pc, ito_error *err) {
    const ito_pc_options *o = pc->options;
    ito_status st = ITO_OK;
    if (o->observe != NULL) {
        const bool over = pc->i == pc->steps;
        const double t = over ? pc->eps : ito__grid_time(pc->sde.T, pc->eps, pc->steps, pc->i);
        st = o->observe(o->observe_self, pc->i, t, pc->n, pc->dim, over ? result(pc) : pc->x);
    }
    if (st == ITO_OK && o->progress.report != NULL && pc->i > 0)
        st = o->progress.report(o->progress.self, pc->i, pc->steps);
    if (st != ITO_OK)
        ito_error_set(err, st, "sampling: a callback stopped it after %lld of %lld steps: run it again",
                      (long long)pc->i, (long long)pc->steps);
    return st;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

ito_status ito__pc_sample(const ito_sde *sde, const ito_score *score, const ito_pc_options *options,
                          ito__noise noise, int64_t n, double *x, ito_sample_report *report, ito_error *err) {
    const double start = now();
    ito__pc pc;
    ito_status st;
    if ((st = ito__pc_open(&pc, sde, score, options, noise, n, err)) != ITO_OK) goto done;
    if ((st = report_progress(&pc, err)) != ITO_OK) goto done;
    while (pc.i < pc.steps) {
        if ((st = ito__pc_advance(&pc, err)) != ITO_OK) goto done;
        if ((st = report_progress(&pc, err)) != ITO_OK) goto done;
    }
    const double *final = result(&pc);
    for (int64_t j = 0; j < n * pc.dim; j++) x[j] = final[j];
    if (report != NULL) *report = (ito_sample_report){.nfe = pc.nfe, .seconds = now() - start};
done:
    ito__pc_close(&pc);
    return st;
}

ito_status ito_pc_sample(const ito_sde *sde, const ito_score *score, const ito_pc_options *options, int64_t n,
                         double *x, ito_sample_report *report, ito_error *err) {
    ito__philox philox = {.seed = options->seed, .first_sample = options->first_sample};
    return ito__pc_sample(sde, score, options, ito__philox_noise(&philox), n, x, report, err);
}
