/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoding and decoding in batches.
 */
#include "flow.h"
#include "progress.h"
#include "signals.h"

#include <string.h>

void cli_solver_default(cli_solver *solver) {
    const ito_ode_options ode = ito_ode_default();
    *solver = (cli_solver){.method = ode.method, .rtol = ode.rtol, .atol = ode.atol};
}

void cli_solver_apply(const cli_solver *solver, ito_ode_options *ode, bool *per_sample, double *eps) {
    ode->method = solver->method;
    ode->rtol = solver->rtol;
    ode->atol = solver->atol;
    *per_sample = solver->per_sample;
    *eps = solver->eps;
}

typedef struct watch {
    cli_progress progress;
    int64_t before, batch; /* samples that are done, and under way */
} watch;

static ito_status on_progress(void *self, int64_t done, int64_t total) {
    watch *w = self;
    cli_progress_update(&w->progress, w->before + done * w->batch / total, NULL);
    return cli_stop_requested() ? ITO_E_CANCELLED : ITO_OK;
}

static void scale(int64_t count, double factor, const double *in, double *out) {
    for (int64_t j = 0; j < count; j++) out[j] = factor * in[j];
}

/* One batch, in place. */
static ito_status carry(const cli_flow *f, bool encode, const ito_flow_options *o, int64_t n, double *x,
                        double *nfe, ito_error *err) {
    const ito_sde *sde = &f->source->recipe.sde;
    const int64_t count = n * f->source->dim;
    const double std = ito_sde_prior_std(sde);
    ito_flow_report report;
    if (!encode) scale(count, std * f->temperature, x, x);
    ito_status st = encode ? ito_ode_encode(sde, &f->source->score, o, n, x, x, &report, err)
                           : ito_ode_decode(sde, &f->source->score, o, n, x, x, &report, err);
    if (st == ITO_E_CANCELLED) return cli_stopped(f->label, "nothing was written", err);
    if (st != ITO_OK) return st;
    if (encode) scale(count, 1 / std, x, x);
    *nfe = report.nfe_mean;
    return ITO_OK;
}

static ito_status run(const cli_flow *f, bool encode, int64_t n, const double *in, double *out,
                      cli_flow_report *report, ito_error *err) {
    const int64_t dim = f->source->dim;
    ito_flow_options o = ito_flow_default();
    watch w = {.before = 0};
    ito_status st = ITO_OK;
    *report = (cli_flow_report){0};
    cli_solver_apply(&f->solver, &o.ode, &o.per_sample, &o.eps);
    o.denoise = f->denoise;
    o.ode.progress = (ito_progress){.self = &w, .report = on_progress};
    if (out != in) memcpy(out, in, (size_t)(n * dim) * sizeof *out);
    const double start = cli_seconds();
    cli_progress_start(&w.progress, f->label, f->source->images ? "images" : "points", 1, 0, n, f->quiet);
    for (; w.before < n && st == ITO_OK; w.before += w.batch) {
        double nfe = 0;
        w.batch = n - w.before < f->batch ? n - w.before : f->batch;
        o.first_sample = w.before;
        st = carry(f, encode, &o, w.batch, out + w.before * dim, &nfe, err);
        report->nfe += nfe * (double)w.batch / (double)n;
    }
    cli_progress_finish(&w.progress);
    report->seconds = cli_seconds() - start;
    return st;
}

ito_status cli_flow_encode(const cli_flow *f, int64_t n, const double *x, double *z, cli_flow_report *report,
                           ito_error *err) {
    return run(f, true, n, x, z, report, err);
}

ito_status cli_flow_decode(const cli_flow *f, int64_t n, const double *z, double *x, cli_flow_report *report,
                           ito_error *err) {
    return run(f, false, n, z, x, report, err);
}
