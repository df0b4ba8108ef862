/* SPDX-License-Identifier: Apache-2.0
 *
 * The predictor-corrector sampler.  [SDE] Algorithm 1 and Algorithms 2-5 for its settings.
 *
 *     x ~ prior
 *     for t in grid(T, eps, N):
 *         M times: x = corrector(x, t)
 *         x, x_mean = predictor(x, t)
 *
 * Departure from the paper's Algorithm 1, as in the published results: at each t the corrector comes first.
 */
#include "core/memory.h"
#include "dynamics/check.h"
#include "dynamics/grid.h"
#include "dynamics/pc.h"
#include "dynamics/sde.h"

#include <math.h>

ito_pc_options ito_pc_default(const ito_sde *sde) {
    const ito__sde_record *record = ito__sde_record_of(sde);
    return (ito_pc_options){.predictor = record->predictor,
                            .corrector = record->corrector,
                            .steps = sde->steps,
                            .corrector_steps = 1,
                            .snr = 0.16,
                            .grid = "uniform",
                            .eta = -1,
                            .churn_max = HUGE_VAL,
                            .churn_noise = 1,
                            .denoise = true,
                            .temperature = 1};
}

static ito_status check_churn(const ito_pc_options *o, ito_error *err) {
    if (!(o->churn >= 0 && isfinite(o->churn)))
        return ito_error_set(err, ITO_E_ARG, "churn: is %g: use 0 for none, or more, such as 40", o->churn);
    if (!(o->churn_min >= 0))
        return ito_error_set(err, ITO_E_ARG, "churn_min: is %g: use a ratio b/a of 0 or more", o->churn_min);
    if (!(o->churn_max >= o->churn_min))
        return ito_error_set(err, ITO_E_ARG, "churn_max: is %g, below churn_min = %g: use a higher ratio",
                             o->churn_max, o->churn_min);
    if (!(o->churn_noise >= 0 && isfinite(o->churn_noise)))
        return ito_error_set(err, ITO_E_ARG, "churn_noise: is %g: use a factor near 1", o->churn_noise);
    return ITO_OK;
}

static ito_status check_ranges(const ito_pc_options *o, ito_error *err) {
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
    if (!isfinite(o->eta))
        return ito_error_set(err, ITO_E_ARG, "eta: is %g: use 0 or more, or -1 for the predictor's own",
                             o->eta);
    const ito_status st = check_churn(o, err);
    return st != ITO_OK ? st : ito__check_temperature(o->temperature, err);
}

/* The weight of the noise: of the options where the predictor has it, or its own. Churn likewise. */
static ito_status settle_noise(ito__pc *pc, ito_error *err) {
    const ito_pc_options *o = pc->options;
    const ito__method *m = pc->predictor;
    if (o->probability_flow && m->needs_noise && !m->uses_eta)
        return ito_error_set(
            err, ITO_E_ARG,
            "probability_flow: %s has no deterministic form: use reverse_diffusion or euler_maruyama",
            m->name);
    if (o->eta >= 0 && !m->uses_eta)
        return ito_error_set(err, ITO_E_ARG,
                             "eta: is %g, but %s has none: leave it at -1, or use euler_maruyama, "
                             "reverse_diffusion or ddim",
                             o->eta, m->name);
    if (o->churn > 0 && !m->uses_churn)
        return ito_error_set(err, ITO_E_ARG, "churn: is %g, but %s has none: leave it at 0, or use heun",
                             o->churn, m->name);
    pc->eta = o->probability_flow ? 0 : o->eta >= 0 ? o->eta : m->eta;
    return ITO_OK;
}

/* Methods, and whether they fit the SDE's chain of so many steps. */
static ito_status choose_methods(ito__pc *pc, const ito__grid *grid, ito_error *err) {
    const ito_pc_options *o = pc->options;
    ito_status st;
    if ((st = ito__predictor_find(o->predictor, &pc->predictor, err)) != ITO_OK) return st;
    if ((st = ito__corrector_find(o->corrector, &pc->corrector, err)) != ITO_OK) return st;
    if ((st = settle_noise(pc, err)) != ITO_OK) return st;

    pc->chain = grid->coordinate == NULL && !pc->predictor->follows_grid;
    const bool corrects_by_chain = pc->corrector->uses_chain && !o->marginal_alpha;
    const double alpha = ito_sde_alpha(&pc->sde, pc->sde.T);
    if (pc->chain && (pc->predictor->uses_chain || corrects_by_chain) && !(alpha >= 0))
        return ito_error_set(
            err, ITO_E_ARG,
            "steps: %lld are too few for the forward chain of %s, whose alpha at T is %g: use "
            "more, or predictor euler_maruyama with corrector none",
            (long long)o->steps, ito_sde_name(pc->sde.kind), alpha);
    if (pc->predictor->check != NULL && (st = pc->predictor->check(pc, err)) != ITO_OK) return st;
    if (pc->corrector->check != NULL && (st = pc->corrector->check(pc, err)) != ITO_OK) return st;
    return ITO_OK;
}

static ito_status check_and_settle(ito__pc *pc, const ito__grid **grid, ito_error *err) {
    const ito_pc_options *o = pc->options;
    ito_status st;
    pc->eps = o->eps;
    if ((st = ito__check_run(&pc->sde, pc->score, pc->n, o->first_sample, &pc->eps, err)) != ITO_OK)
        return st;
    if ((st = check_ranges(o, err)) != ITO_OK) return st;
    if ((st = ito__grid_find(o->grid, grid, err)) != ITO_OK) return st;
    pc->steps = pc->sde.steps = o->steps;
    return choose_methods(pc, *grid, err);
}

static ito_status allocate(ito__pc *pc, ito_error *err) {
    const size_t kept = (size_t)pc->predictor->arrays;
    size_t count, arrays, rows;
    if (!ito__mul_size((size_t)pc->n, (size_t)pc->dim, &count) || !ito__mul_size(count, 4 + kept, &arrays) ||
        !ito__mul_size((size_t)pc->n, 3, &rows) || arrays + rows < arrays ||
        arrays + rows + (size_t)pc->steps < arrays ||
        (pc->block = ito__calloc(arrays + rows + (size_t)pc->steps, sizeof(double))) == NULL)
        return ito__no_memory(pc->n, pc->dim, err);
    double *next = pc->block;
    double **const array[] = {&pc->x, &pc->x_mean, &pc->s, &pc->z};
    for (size_t a = 0; a < sizeof array / sizeof array[0]; a++, next += count) *array[a] = next;
    for (size_t a = 0; a < kept; a++, next += count) pc->extra[a] = next;
    pc->times = next;
    pc->s_norm = next + pc->n;
    pc->z_norm = next + 2 * pc->n;
    pc->grid = next + 3 * pc->n;
    return ITO_OK;
}

ito_status ito__pc_open(ito__pc *pc, const ito_sde *sde, const ito_score *score,
                        const ito_pc_options *options, ito__noise noise, int64_t n, ito_error *err) {
    *pc =
        (ito__pc){.sde = *sde, .score = score, .options = options, .noise = noise, .n = n, .dim = score->dim};
    const ito__grid *grid;
    ito_status st;
    if ((st = check_and_settle(pc, &grid, err)) != ITO_OK) return st;
    if ((st = allocate(pc, err)) != ITO_OK) return st;
    ito__grid_fill(grid, &pc->sde, pc->eps, pc->steps, pc->grid);

    if (options->prior_noise != NULL &&
        (st = ito__check_finite("prior_noise", "sample", n, pc->dim, options->first_sample,
                                options->prior_noise, err)) != ITO_OK)
        return st;
    ito__sde_draw_prior(&pc->sde, noise, options->temperature, options->prior_noise, n, pc->dim, pc->x);
    pc->t = pc->sde.T;
    return ITO_OK;
}

/* The last step of a run that goes from grid point to grid point: there is no next one. */
static ito_status finish(ito__pc *pc, ito_error *err) {
    if (pc->options->denoise && pc->predictor->score_calls > 0) return ito__pc_denoise(pc, pc->x_mean, err);
    ito__pc_update(pc, 1, 0, 0);
    return ITO_OK;
}

ito_status ito__pc_advance(ito__pc *pc, ito_error *err) {
    const bool last = pc->i == pc->steps - 1;
    ito_status st;
    pc->t = pc->grid[pc->i];
    pc->t_next = last ? pc->t : pc->grid[pc->i + 1];
    for (pc->sweep = 0; pc->sweep < pc->options->corrector_steps; pc->sweep++)
        if ((st = pc->corrector->step(pc, err)) != ITO_OK) return st;
    st = last && !pc->chain ? finish(pc, err) : pc->predictor->step(pc, err);
    if (st == ITO_OK) pc->i++;
    return st;
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
        const double t = over ? pc->eps : pc->grid[pc->i];
        st = o->observe(o->observe_self, pc->i, t, pc->n, pc->dim, over ? result(pc) : pc->x);
    }
    if (st == ITO_OK && o->progress.report != NULL && pc->i > 0)
        st = o->progress.report(o->progress.self, pc->i, pc->steps);
    if (st != ITO_OK)
        ito_error_set(err, st, "sampling: a callback stopped it after %lld of %lld steps: run it again",
                      (long long)pc->i, (long long)pc->steps);
    return st;
}

ito_status ito__pc_sample(const ito_sde *sde, const ito_score *score, const ito_pc_options *options,
                          ito__noise noise, int64_t n, double *x, ito_sample_report *report, ito_error *err) {
    const double start = ito__seconds();
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
    if (report != NULL)
        *report = (ito_sample_report){.nfe = pc.nfe,
                                      .nfe_mean = (double)pc.nfe,
                                      .seconds = ito__seconds() - start,
                                      .score_seconds = pc.score_seconds,
                                      .noise_seconds = pc.noise_seconds};
done:
    ito__pc_close(&pc);
    return st;
}

ito_status ito_pc_sample(const ito_sde *sde, const ito_score *score, const ito_pc_options *options, int64_t n,
                         double *x, ito_sample_report *report, ito_error *err) {
    ito__philox philox = {.seed = options->seed, .first_sample = options->first_sample};
    return ito__pc_sample(sde, score, options, ito__philox_noise(&philox), n, x, report, err);
}
