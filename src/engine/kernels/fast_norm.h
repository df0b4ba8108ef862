/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast group normalization (ops/norm.c has the formulas). A unit of work is one image's panel, a block of
 * channels; what depends on the channel alone is folded into coefficients per lane beforehand, so that memory
 * is what limits the loops.
 */
#ifndef ITO_ENGINE_FAST_NORM_H
#define ITO_ENGINE_FAST_NORM_H

#include "engine/kernels/fast_moments.h"
#include "engine/kernels/fast_random.h"

typedef struct norm_shape {
    int64_t images, channels, groups, group; /* group: channels in a group */
    int64_t block, blocks, pixels;
    int64_t length; /* of a panel */
} norm_shape;

static norm_shape norm_shape_of(const ito__call *c) {
    ito_shape s = c->node->in[0]->shape;
    norm_shape q = {.images = s.dim[0], .channels = s.dim[1], .groups = c->node->attr.norm.groups};
    q.group = q.channels / q.groups;
    q.block = c->block;
    q.blocks = q.channels / q.block;
    q.pixels = s.dim[2] * s.dim[3];
    q.length = q.pixels * q.block;
    return q;
}

/* What is added to channel k of an image before the norm: the family's operand after its first `operands`. */
static double channel_shift(const ito__call *c, int operands, const norm_shape *q, int64_t image, int64_t k) {
    return c->node->n_in > operands ? (double)NUMBERS(operands)[image * q->channels + k] : 0;
}

/* ---- statistics ---- */

/* The sums of x and of x^2 over each channel of a block, from the image or from what made it: [block, 2]. */
static void channel_moments(const ito__call *c, const norm_shape *q, int64_t image, int64_t first,
                            double *moments) {
    int64_t channel = first;
    const ito__part *part = c->parts[0] ? part_with(c->parts[0], &channel) : NULL;
    if (!part || !part->moments) {
        const int64_t panel = (image * q->channels + first) / q->block;
        panel_moments(panel_of(c, 0, panel), q->pixels, q->block, moments);
        return;
    }
    memset(moments, 0, (size_t)(2 * q->block) * sizeof *moments);
    for (int64_t band = 0; band < part->bands; band++) {
        const double *of_band = part->moments + moments_at(q->images, part->channels, band, image, channel);
        for (int64_t i = 0; i < 2 * q->block; i++) moments[i] += of_band[i];
    }
}

/* Is there a pass over an image to be made? */
static bool reads_images(const ito__call *c, const norm_shape *q) {
    if (!c->parts[0]) return true;
    const ito__part *part = c->parts[0];
    for (int64_t channels = 0; channels < q->channels; channels += part++->count)
        if (!part->moments) return true;
    return false;
}

/* Channels first .. first + count of one image: whole blocks and whole groups, at most LANES groups. */
static void span_stats(const ito__call *c, const norm_shape *q, int64_t image, int64_t first, int64_t count) {
    double sum[LANES] = {0}, square[LANES] = {0}, pixels = (double)q->pixels;
    int64_t g = 0, channels = 0; /* the group at hand and how many of its channels are in */
    for (int64_t k = first; k < first + count; k += q->block) {
        double moments[2 * LANES];
        channel_moments(c, q, image, k, moments);
        for (int64_t l = 0; l < q->block; l++) {
            double s = moments[2 * l], t = moments[2 * l + 1], shift = channel_shift(c, 1, q, image, k + l);
            sum[g] += s + pixels * shift;
            square[g] += t + (2 * s + pixels * shift) * shift;
            if (++channels == q->group) {
                channels = 0;
                g++;
            }
        }
    }
    double n = (double)(q->group * q->pixels);
    for (g = 0; g < count / q->group; g++) {
        double mean = sum[g] / n, variance = fmax(square[g] / n - mean * mean, 0);
        float *out = OUT_NUMBERS + 2 * (image * q->groups + first / q->group + g);
        out[0] = (float)mean;
        out[1] = (float)(1 / sqrt(variance + c->node->attr.norm.eps));
    }
}

static void k_norm_stats(const ito__call *c) {
    norm_shape q = norm_shape_of(c);
    int64_t channels = q.group;
    while (channels % q.block) channels += q.group;
    int64_t spans = q.channels / channels;
    const bool pass = reads_images(c, &q);
#pragma omp parallel for if (pass && q.images * q.channels * q.pixels > PARALLEL)
    for (int64_t u = 0; u < q.images * spans; u++)
        span_stats(c, &q, u / spans, u % spans * channels, channels);
}

/* ---- coefficients ---- */

/* For the channels of panel `p`. */
static void norm_lanes_of(const ito__call *c, int operands, const norm_shape *q, int64_t p, norm_lanes *v) {
    const float *stats = NUMBERS(1) + 2 * (p / q->blocks * q->groups), *gamma = NUMBERS(2),
                *beta = NUMBERS(3);
    int64_t first = p % q->blocks * q->block;
    for (int64_t l = 0; l < q->block; l++) {
        int64_t k = first + l, g = k / q->group;
        double mean = (double)stats[2 * g] - channel_shift(c, operands, q, p / q->blocks, k);
        double rstd = (double)stats[2 * g + 1];
        v->rstd[l] = (float)rstd;
        v->shift[l] = (float)(-mean * rstd);
        v->slope[l] = (float)(rstd * (double)gamma[k]);
        v->level[l] = (float)((double)beta[k] - mean * rstd * (double)gamma[k]);
    }
    repeat_lanes(v->rstd, q->block);
    repeat_lanes(v->shift, q->block);
    repeat_lanes(v->slope, q->block);
    repeat_lanes(v->level, q->block);
}

/* ---- the normalized image ---- */

/* Times the scale of what dropout keeps, so that an element is rounded once. */
static void norm_panel(const element *x, const norm_lanes *restrict v, float scale, element *out, int64_t n) {
    FOR_LANES(n, out[i + l] = narrow((widen(x[i + l]) * v->slope[l] + v->level[l]) * scale););
}

static void norm_silu_panel(const element *x, const norm_lanes *restrict v, float scale, element *out,
                            int64_t n) {
    FOR_LANES(n, out[i + l] = narrow(fast_silu(widen(x[i + l]) * v->slope[l] + v->level[l]) * scale););
}

static void ready_norm(const chain_link *k, int64_t at, link_lanes *v) {
    const norm_shape q = norm_shape_of(k->call);
    norm_lanes_of(k->call, 4, &q, at / q.length, &v->norm);
}

LINK_COMPUTE(span_norm) {
    (void)b;
    const ito__call *c = k->call;
    dropper d = dropper_of(c->node->attr.norm.dropout);
    (c->node->attr.norm.silu ? norm_silu_panel : norm_panel)(a, &v->norm, d.scale, out, n);
    d.scale = 1;
    if (d.threshold > 0 && c->block > 1) drop_stretch(c, &d, at, n, out, out);
}

/* Where an image is row-major: in a pass of its own. */
static void drop_after_norm(const ito__call *c) {
    dropper d = dropper_of(c->node->attr.norm.dropout);
    d.scale = 1;
    drop(c, &d, OUT, OUT);
}

/* ---- its gradient ---- */

/* Per lane: sums of du and of du xhat over at most STRETCH elements. */
static void sums_stretch(const element *x, const element *g, const norm_lanes *restrict v, int64_t n,
                         float *restrict plain, float *restrict weighted) {
    FOR_LANES(n, float xhat = widen(x[i + l]) * v->rstd[l] + v->shift[l]; float du = widen(g[i + l]);
              plain[l] += du; weighted[l] += du * xhat;);
}

static void sums_silu_stretch(const element *x, const element *g, const norm_lanes *restrict v, int64_t n,
                              float *restrict plain, float *restrict weighted) {
    FOR_LANES(n, float u = widen(x[i + l]); float xhat = u * v->rstd[l] + v->shift[l];
              float du = widen(g[i + l]) * fast_silu_slope(u * v->slope[l] + v->level[l]); plain[l] += du;
              weighted[l] += du * xhat;);
}

static void k_norm_sums(const ito__call *c) {
    norm_shape q = norm_shape_of(c);
    bool silu = c->node->attr.norm.silu;
#pragma omp parallel for if (q.images * q.channels * q.pixels > PARALLEL)
    for (int64_t p = 0; p < q.images * q.blocks; p++) {
        const element *x = panel_of(c, 0, p), *g = IN(4) + p * q.length;
        double plain[LANES] = {0}, weighted[LANES] = {0};
        norm_lanes v;
        norm_lanes_of(c, 5, &q, p, &v);
        for (int64_t i = 0; i < q.length; i += STRETCH) {
            int64_t n = q.length - i < STRETCH ? q.length - i : STRETCH;
            float a[LANES] = {0}, b[LANES] = {0};
            if (silu)
                sums_silu_stretch(x + i, g + i, &v, n, a, b);
            else
                sums_stretch(x + i, g + i, &v, n, a, b);
            for (int l = 0; l < LANES; l++) {
                plain[l] += (double)a[l];
                weighted[l] += (double)b[l];
            }
        }
        float *out = OUT_NUMBERS + p * q.block;
        for (int64_t l = 0; l < q.block; l++) {
            double s = 0, t = 0;
            for (int64_t k = l; k < LANES; k += q.block) {
                s += plain[k];
                t += weighted[k];
            }
            out[l] = (float)s;
            out[q.images * q.channels + l] = (float)t;
        }
    }
}

/* dx = slope du + tilt x + base, for the channels of panel `p`. */
static void dx_lanes_of(const ito__call *c, const norm_shape *q, int64_t p, dx_lanes *d) {
    int64_t image = p / q->blocks, first = p % q->blocks * q->block;
    const float *stats = NUMBERS(1) + 2 * (image * q->groups), *gamma = NUMBERS(2);
    const float *plain = NUMBERS(5) + image * q->channels, *weighted = plain + q->images * q->channels;
    double level = 0, tilt = 0;
    for (int64_t l = 0; l < q->block; l++) {
        int64_t k = first + l, g = k / q->group;
        double mean = (double)stats[2 * g] - channel_shift(c, 6, q, image, k),
               rstd = (double)stats[2 * g + 1];
        if (l == 0 || k % q->group == 0) { /* a new group */
            level = tilt = 0;
            for (int64_t i = g * q->group; i < (g + 1) * q->group; i++) {
                level += (double)gamma[i] * (double)plain[i];
                tilt += (double)gamma[i] * (double)weighted[i];
            }
        }
        double scale = rstd / (double)(q->group * q->pixels);
        d->tilt[l] = (float)(-scale * tilt * rstd);
        d->base[l] = (float)(scale * (tilt * rstd * mean - level));
    }
    repeat_lanes(d->tilt, q->block);
    repeat_lanes(d->base, q->block);
}

static void dx_panel(const element *x, const element *g, const norm_lanes *restrict v,
                     const dx_lanes *restrict d, element *out, int64_t n) {
    FOR_LANES(n, out[i + l] =
                     narrow(widen(g[i + l]) * v->slope[l] + (widen(x[i + l]) * d->tilt[l] + d->base[l])););
}

static void dx_silu_panel(const element *x, const element *g, const norm_lanes *restrict v,
                          const dx_lanes *restrict d, element *out, int64_t n) {
    FOR_LANES(n, float u = widen(x[i + l]);
              float du = widen(g[i + l]) * fast_silu_slope(u * v->slope[l] + v->level[l]);
              out[i + l] = narrow(du * v->slope[l] + (u * d->tilt[l] + d->base[l])););
}

static void ready_dx(const chain_link *k, int64_t at, link_lanes *v) {
    const norm_shape q = norm_shape_of(k->call);
    norm_lanes_of(k->call, 6, &q, at / q.length, &v->norm);
    dx_lanes_of(k->call, &q, at / q.length, &v->dx);
}

LINK_COMPUTE(span_dx) {
    (void)at;
    (k->call->node->attr.norm.silu ? dx_silu_panel : dx_panel)(a, b, &v->norm, &v->dx, out, n);
}

/* ---- both as links ---- */

static void make_norm(chain_link *k) {
    const ito__call *c = k->call;
    const bool gradient = c->node->op == ITO__OP_NORM_DX;
    k->run = norm_shape_of(c).length;
    if (gradient) k->in[1] = IN(4);
    k->ready = gradient ? ready_dx : ready_norm;
    k->compute = gradient ? span_dx : span_norm;
}

#endif
