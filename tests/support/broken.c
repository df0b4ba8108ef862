/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrappers of score and noise that break a sampler.
 */
#include "support/broken.h"

#include <stddef.h>
#include <string.h>

static ito_status eval_scaled(void *self, int64_t n, const double *x, const double *t, double *score,
                              ito_error *err) {
    const scaled_score *s = self;
    const ito_status st = s->inner.eval(s->inner.self, n, x, t, score, err);
    for (int64_t j = 0; j < n * s->inner.dim; j++) score[j] *= s->factor;
    return st;
}

ito_score scaled_score_of(scaled_score *self) {
    return (ito_score){.self = self, .dim = self->inner.dim, .eval = eval_scaled};
}

static void mute(void *self, ito_purpose purpose, uint32_t step, int64_t n, int64_t dim, double *out) {
    const muted_noise *s = self;
    s->inner.normal(s->inner.self, purpose, step, n, dim, out);
    if (purpose == s->purpose)
        for (int64_t j = 0; j < n * dim; j++) out[j] = 0;
}

ito__noise muted_noise_of(muted_noise *self) {
    return (ito__noise){.self = self, .normal = mute};
}

static ito_status step_without_noise(ito__pc *pc, ito_error *err) {
    const ito__method *honest;
    ito_status st = ito__corrector_find(pc->corrector->name, &honest, err);
    if (st == ITO_OK) st = honest->step(pc, err);
    if (st == ITO_OK) memcpy(pc->x, pc->x_mean, (size_t)(pc->n * pc->dim) * sizeof *pc->x);
    return st;
}

ito__method silenced_corrector(const ito__method *honest) {
    ito__method silenced = *honest;
    silenced.step = step_without_noise;
    return silenced;
}

static ito_status never(void *self, int64_t n, const double *x, const double *t, double *score,
                        ito_error *err) {
    (void)self, (void)n, (void)x, (void)t, (void)score;
    return ito_error_set(err, ITO_E_ARG, "score: was not to be called");
}

bool predictor_applies(const ito__method *predictor, const ito_sde *sde) {
    const ito_score score = {.dim = 1, .eval = never};
    ito_pc_options options = ito_pc_default(sde);
    options.predictor = predictor->name;
    ito__philox philox = {0};
    ito__pc pc;
    const ito_status st = ito__pc_open(&pc, sde, &score, &options, ito__philox_noise(&philox), 1, NULL);
    ito__pc_close(&pc);
    return st == ITO_OK && predictor->score_calls > 0;
}
