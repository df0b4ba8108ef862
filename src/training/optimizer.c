/* SPDX-License-Identifier: Apache-2.0
 *
 * Adam with everything that happens to a weight in a training step, one pass over memory: the pass is bound
 * by bandwidth, so clipping and the moving average ride along instead of reading the block again.
 */
#include "training/optimizer.h"
#include "core/memory.h"
#include <math.h>
#include <omp.h>

/* Five blocks' worth of a piece (320 KiB) stay in a second-level cache. */
enum { PIECE = 16384 };

static int64_t pieces_of(const ito_params *params, int i) {
    if (!ito_params_trainable(params, i)) return 0;
    return (ito_shape_count(ito_params_shape(params, i)) + PIECE - 1) / PIECE;
}

ito_status ito__optimizer_init(ito__optimizer *o, ito_params *params, const ito_training_config *settings,
                               int threads, ito_error *err) {
    ito__optimizer made = {.settings = *settings, .threads = threads};
    const float *block = ito_params_block(params, &(int64_t){0});
    int tensors = ito_params_count(params);
    int64_t total = 0;
    for (int i = 0; i < tensors; i++) total += pieces_of(params, i);

    made.piece = ito__calloc((size_t)total, sizeof *made.piece);
    made.partial = ito__calloc((size_t)total, sizeof *made.partial);
    if (!made.piece || !made.partial) {
        ito__optimizer_release(&made);
        return ito_error_set(err, ITO_E_NOMEM, "optimizer: no memory for %lld pieces: free some memory",
                             (long long)total);
    }
    for (int i = 0; i < tensors; i++) {
        int64_t begin = ito_params_data(params, i) - block;
        int64_t left = ito_shape_count(ito_params_shape(params, i));
        for (int64_t k = pieces_of(params, i); k > 0; k--) {
            int64_t count = left < PIECE ? left : PIECE;
            made.piece[made.pieces++] = (ito__piece){.begin = begin, .count = count, .tensor = i};
            begin += count;
            left -= count;
        }
    }
    *o = made;
    return ITO_OK;
}

void ito__optimizer_release(ito__optimizer *o) {
    ito__free(o->partial);
    ito__free(o->piece);
    *o = (ito__optimizer){0};
}

static int thread_count(const ito__optimizer *o) {
    return o->threads > 0 ? o->threads : omp_get_max_threads();
}

/* Eight running sums, so that the loop vectorizes without the compiler having to reorder a sum. */
static double sum_of_squares(int64_t n, const float *x) {
    double lane[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++) lane[k] += (double)x[i + k] * (double)x[i + k];
    }
    for (; i < n; i++) lane[0] += (double)x[i] * (double)x[i];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

double ito__optimizer_norm(ito__optimizer *o, const float *grads, double scale) {
    const ito__piece *piece = o->piece;
    double *partial = o->partial;
#pragma omp parallel for schedule(static) num_threads(thread_count(o))
    for (int64_t p = 0; p < o->pieces; p++) {
        partial[p] = sum_of_squares(piece[p].count, grads + piece[p].begin);
    }
    double sum = 0;
    for (int64_t p = 0; p < o->pieces; p++) sum += partial[p];
    return fabs(scale) * sqrt(sum);
}

double ito__learning_rate(const ito_training_config *settings, int64_t step) {
    if (settings->warmup <= 0) return settings->lr;
    return settings->lr * fmin((double)step / (double)settings->warmup, 1.0);
}

double ito__ema_decay(double rate, int64_t n) {
    return fmin(rate, (1.0 + (double)n) / (10.0 + (double)n));
}

/* The numbers of one update that are the same for every weight. */
typedef struct coefficients {
    float grad, decay; /* g = grad * gradient + decay * w */
    float beta1, rest1, beta2, rest2;
    float rate, inverse_root2, eps; /* w -= rate m / (sqrt(v) inverse_root2 + eps) */
    float average;                  /* 1 - EMA decay */
} coefficients;

static coefficients coefficients_of(const ito_training_config *s, const ito__update *u) {
    double clip = s->grad_clip > 0 ? fmin(1.0, s->grad_clip / (u->norm + 1e-6)) : 1.0;
    double n = (double)u->number;
    double correction1 = -expm1(n * log(s->beta1)), correction2 = -expm1(n * log(s->beta2));
    return (coefficients){
        .grad = (float)(u->scale * clip),
        .decay = (float)s->weight_decay,
        .beta1 = (float)s->beta1,
        .rest1 = (float)(1.0 - s->beta1),
        .beta2 = (float)s->beta2,
        .rest2 = (float)(1.0 - s->beta2),
        .rate = (float)(ito__learning_rate(s, u->step) / correction1),
        .inverse_root2 = (float)(1.0 / sqrt(correction2)),
        .eps = (float)s->adam_eps,
        .average = (float)(1.0 - ito__ema_decay(s->ema_rate, u->ema_number)),
    };
}

static void update_piece(const coefficients *restrict c, int64_t n, float *restrict w, float *restrict m,
                         float *restrict v, float *restrict ema, const float *restrict grad) {
    const coefficients k = *c;
    for (int64_t i = 0; i < n; i++) {
        float g = k.grad * grad[i] + k.decay * w[i];
        m[i] = k.beta1 * m[i] + k.rest1 * g;
        v[i] = k.beta2 * v[i] + k.rest2 * g * g;
        w[i] -= k.rate * m[i] / (sqrtf(v[i]) * k.inverse_root2 + k.eps);
        ema[i] -= k.average * (ema[i] - w[i]);
    }
}

void ito__optimizer_update(const ito__optimizer *o, const ito__update *update, float *weights, float *m,
                           float *v, float *ema, const float *grads) {
    const coefficients c = coefficients_of(&o->settings, update);
#pragma omp parallel for schedule(static) num_threads(thread_count(o))
    for (int64_t p = 0; p < o->pieces; p++) {
        int64_t at = o->piece[p].begin;
        update_piece(&c, o->piece[p].count, weights + at, m + at, v + at, ema + at, grads + at);
    }
}

int ito__optimizer_nonfinite(const ito__optimizer *o, const float *block) {
    for (int64_t p = 0; p < o->pieces; p++) {
        if (!isfinite(sum_of_squares(o->piece[p].count, block + o->piece[p].begin)))
            return o->piece[p].tensor;
    }
    return -1;
}

void ito__optimizer_gather(const ito__optimizer *o, int64_t part, const float *x, float *sum) {
#pragma omp parallel for schedule(static) num_threads(thread_count(o))
    for (int64_t p = 0; p < o->pieces; p++) {
        const ito__piece at = o->piece[p];
        for (int64_t i = at.begin; i < at.begin + at.count; i++) sum[i] = part == 0 ? x[i] : sum[i] + x[i];
    }
}
