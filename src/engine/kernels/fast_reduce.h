/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast sums. Float lanes take at most STRETCH elements before they join sums in double, so that a
 * long sum is as accurate as a short one; the shape alone decides how a sum is cut, so that threads do not
 * change it.
 */
#ifndef ITO_ENGINE_FAST_REDUCE_H
#define ITO_ENGINE_FAST_REDUCE_H

#include "engine/kernels/fast_pointwise.h"

/* lane[l] += the elements of that lane of a panel. */
static void add_panel(const element *x, int64_t n, double *restrict lane) {
    for (; n > 0; x += STRETCH, n -= STRETCH) {
        float sum[LANES] = {0};
        int64_t length = n < STRETCH ? n : STRETCH;
        FOR_LANES(length, sum[l] += widen(x[i + l]););
        for (int l = 0; l < LANES; l++) lane[l] += (double)sum[l];
    }
}

/* [outer, kept] -> [kept]: rows are added to a row of doubles, which stays in the first cache. */
static void sum_rows(const ito__call *c, ito__span s) {
    enum { WIDTH = 256 };
    const element *in = IN(0);
    float *out = OUT_NUMBERS;
#pragma omp parallel for if (s.outer * s.kept > PARALLEL)
    for (int64_t m = 0; m < s.kept; m += WIDTH) {
        double sum[WIDTH] = {0};
        int64_t width = s.kept - m < WIDTH ? s.kept - m : WIDTH;
        for (int64_t o = 0; o < s.outer; o++) {
            const element *x = in + o * s.kept + m;
            SIMD for (int64_t i = 0; i < width; i++) sum[i] += (double)widen(x[i]);
        }
        for (int64_t i = 0; i < width; i++) out[m + i] = (float)sum[i];
    }
}

/* Few results of long sums: how often to cut each sum, so that there is work for several threads. */
enum { PARTIALS = 2048 };

static int64_t cuts_of(ito__span s, int64_t period) {
    int64_t elements = s.outer * s.kept * s.inner;
    int64_t cuts = PARTIALS / s.kept, panels = s.kept / period;
    if (elements < 2 * PARALLEL || panels >= 64) return 1;
    if (cuts > 64 / panels) cuts = 64 / panels;
    return cuts > 1 ? cuts : 1;
}

/* Part `cut` of `cuts` of the sums of one panel, over the outer axes, or over the panel where there is none.
 */
static void sum_part(const element *in, ito__span s, int64_t period, int64_t panel, int64_t cut, int64_t cuts,
                     double *sum) {
    int64_t length = s.inner * period, first = 0, last = s.outer, begin = 0, end = length;
    if (s.outer > 1) {
        first = s.outer * cut / cuts;
        last = s.outer * (cut + 1) / cuts;
    } else {
        begin = length / LANES * cut / cuts * LANES;
        end = cut + 1 == cuts ? length : length / LANES * (cut + 1) / cuts * LANES;
    }
    double lane[LANES] = {0};
    for (int64_t o = first; o < last; o++)
        add_panel(in + (o * (s.kept / period) + panel) * length + begin, end - begin, lane);
    for (int64_t l = 0; l < period; l++) sum[l] = 0;
    for (int64_t l = 0; l < LANES; l++) sum[l % period] += lane[l];
}

static void k_sum_to(const ito__call *c) {
    ito_shape whole = c->node->in[0]->shape;
    ito__span s;
    if (!ito__split_axes(c->node->shape, whole, &s)) {
        ito__plain_f32[ITO__OP_SUM_TO](c);
        return;
    }
    if (s.inner == 1 && s.kept > 1) {
        sum_rows(c, s);
        return;
    }
    int64_t period = period_of(&s, whole, c->block), panels = s.kept / period, cuts = cuts_of(s, period);
    double partial[PARTIALS];
    const element *in = IN(0);
    float *out = OUT_NUMBERS;
#pragma omp parallel for if (s.outer * s.kept * s.inner > PARALLEL)
    for (int64_t u = 0; u < panels * cuts; u++) {
        double sum[LANES];
        int64_t panel = u / cuts, cut = u % cuts;
        sum_part(in, s, period, panel, cut, cuts, sum);
        for (int64_t l = 0; l < period; l++) {
            if (cuts == 1)
                out[panel * period + l] = (float)sum[l];
            else
                partial[(panel * period + l) * cuts + cut] = sum[l];
        }
    }
    for (int64_t k = 0; cuts > 1 && k < s.kept; k++) {
        double sum = 0;
        for (int64_t cut = 0; cut < cuts; cut++) sum += partial[k * cuts + cut];
        out[k] = (float)sum;
    }
}

#endif
