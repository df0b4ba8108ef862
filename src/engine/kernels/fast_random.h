/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast dropout: the mask of mask.h, with Philox4x32-10 (Salmon et al. 2011) computed for BATCH counters side
 * by side.
 */
#ifndef ITO_ENGINE_FAST_RANDOM_H
#define ITO_ENGINE_FAST_RANDOM_H

#include "engine/kernels/fast_link.h"

#define BATCH 16          /* Philox blocks drawn together */
#define DRAWN (BATCH * 8) /* places that they serve */

/* An element is kept when its bits reach the threshold, and then multiplied by scale. */
typedef struct dropper {
    uint32_t site, threshold;
    float scale;
} dropper;

static inline dropper dropper_of(ito__dropout d) {
    return (dropper){d.site, ito__dropout_threshold(d.rate), (float)(1 / (1 - d.rate))};
}

/* What all counters of a sample share, and the key. */
typedef struct mask_stream {
    uint32_t step, sample, purpose, key0, key1;
} mask_stream;

static mask_stream mask_stream_of(const ito__call *c, const dropper *d, int64_t row) {
    int64_t sample = c->first_sample + row;
    return (mask_stream){c->step, (uint32_t)sample,
                         (uint32_t)ITO_RNG_DROPOUT << 24 | ((uint32_t)(sample >> 32) & 0xffffff),
                         (uint32_t)c->seed, (uint32_t)(c->seed >> 32) ^ d->site * 0x9e3779b9u};
}

/* All words are 64 bits wide until they are stored, so that none
 * has to change lanes for a product. words[4 k + e / 2] has the 16 bits of place 8 first[k] + e in its low
 * (even e) or high (odd e) half. */
static void draw(const mask_stream *s, const uint32_t *restrict first, uint32_t *restrict words) {
    SIMD for (int k = 0; k < BATCH; k++) {
        uint64_t a = first[k], b = s->step, x = s->sample, y = s->purpose;
        uint32_t key0 = s->key0, key1 = s->key1;
        for (int round = 0; round < 10; round++) {
            uint64_t p = a * 0xD2511F53u, q = x * 0xCD9E8D57u;
            a = q >> 32 ^ b ^ key0;
            b = q & 0xffffffff;
            x = p >> 32 ^ y ^ key1;
            y = p & 0xffffffff;
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        words[4 * k] = (uint32_t)a;
        words[4 * k + 1] = (uint32_t)b;
        words[4 * k + 2] = (uint32_t)x;
        words[4 * k + 3] = (uint32_t)y;
    }
}

/* ---- images of blocks of 8 or 16 channels: consecutive places are lanes of a pixel ---- */

/* Elements at .. at + n of an image, whole pixels of a panel, which lie at in and out. */
static void drop_stretch(const ito__call *c, const dropper *d, int64_t at, int64_t n, const element *in,
                         element *out) {
    ito_shape s = c->node->shape;
    const int64_t blocks = s.dim[1] / c->block, length = s.dim[2] * s.dim[3] * c->block;
    const int64_t panel = at / length, from = at % length;
    mask_stream stream = mask_stream_of(c, d, panel / blocks);
    /* A pixel of this panel takes one or two Philox blocks, of those that all channels of the pixel take. */
    uint32_t half = c->block == 16, between = (uint32_t)(s.dim[1] / 8);
    uint32_t base = (uint32_t)(panel % blocks) << half;
    for (int64_t i = 0; i < n; i += DRAWN) {
        uint32_t first[BATCH], words[DRAWN / 2];
        for (uint32_t k = 0; k < BATCH; k++) {
            uint32_t drawn = (uint32_t)((from + i) / 8) + k;
            first[k] = base + (drawn >> half) * between + (drawn & half);
        }
        draw(&stream, first, words);
        int64_t places = n - i < DRAWN ? n - i : DRAWN;
        SIMD for (int64_t e = 0; e < places / 2; e++) {
            float even = widen(in[i + 2 * e]) * d->scale, odd = widen(in[i + 2 * e + 1]) * d->scale;
            out[i + 2 * e] = (words[e] & 0xffff) >= d->threshold ? narrow(even) : 0;
            out[i + 2 * e + 1] = words[e] >> 16 >= d->threshold ? narrow(odd) : 0;
        }
    }
}

/* ---- row-major images whose channels divide by 8: consecutive places are planes ---- */

static void drop_planes(const ito__call *c, const dropper *d, int64_t eight, const element *in,
                        element *out) {
    ito_shape s = c->node->shape;
    int64_t pixels = s.dim[2] * s.dim[3], between = s.dim[1] / 8;
    mask_stream stream = mask_stream_of(c, d, eight / between);
    in += eight * 8 * pixels, out += eight * 8 * pixels;
    for (int64_t p = 0; p < pixels; p += BATCH) {
        uint32_t first[BATCH], words[DRAWN / 2];
        for (uint32_t k = 0; k < BATCH; k++)
            first[k] = (uint32_t)(eight % between) + ((uint32_t)p + k) * (uint32_t)between;
        draw(&stream, first, words);
        int64_t n = pixels - p < BATCH ? pixels - p : BATCH;
        for (int e = 0; e < 8; e++) {
            int64_t at = e * pixels + p;
            SIMD for (int64_t k = 0; k < n; k++) {
                uint32_t bits = words[4 * k + e / 2] >> (e % 2 * 16) & 0xffff;
                float kept = widen(in[at + k]) * d->scale;
                out[at + k] = narrow(bits >= d->threshold ? kept : 0.0f);
            }
        }
    }
}

/* ---- anything row-major: places in order, wherever their elements are ---- */

static void drop_sample(const ito__call *c, const dropper *d, int64_t row, const element *in, element *out) {
    ito_shape s = c->node->shape;
    int64_t n = ito_shape_count(s) / s.dim[0], channels = s.rank > 1 ? s.dim[1] : 1, pixels = n / channels;
    mask_stream stream = mask_stream_of(c, d, row);
    in += row * n, out += row * n;
    int64_t channel = 0, pixel = 0;
    for (int64_t place = 0; place < n; place += DRAWN) {
        uint32_t first[BATCH], words[DRAWN / 2];
        for (int k = 0; k < BATCH; k++) first[k] = (uint32_t)(place / 8 + k);
        draw(&stream, first, words);
        for (int64_t e = 0; e < DRAWN && place + e < n; e++) {
            int64_t i = channel * pixels + pixel;
            bool keep = (words[e / 2] >> (e % 2 * 16) & 0xffff) >= d->threshold;
            out[i] = narrow(keep ? widen(in[i]) * d->scale : 0.0f);
            if (++channel == channels) {
                channel = 0;
                pixel++;
            }
        }
    }
}

/* The whole of a row-major image or matrix. */
static void drop(const ito__call *c, const dropper *d, const element *in, element *out) {
    ito_shape s = c->node->shape;
    const bool planes = s.rank == 4 && s.dim[1] % 8 == 0;
    const int64_t units = planes ? s.dim[0] * s.dim[1] / 8 : s.dim[0];
#pragma omp parallel for if (ito_shape_count(s) > PARALLEL)
    for (int64_t u = 0; u < units; u++) {
        if (planes)
            drop_planes(c, d, u, in, out);
        else
            drop_sample(c, d, u, in, out);
    }
}

static void drop_rows(const ito__call *c) {
    const dropper d = dropper_of(c->node->attr.dropout);
    drop(c, &d, IN(0), OUT);
}

/* ---- as a link ---- */

LINK_COMPUTE(span_dropout) {
    (void)v, (void)b;
    const dropper d = dropper_of(k->call->node->attr.dropout);
    drop_stretch(k->call, &d, at, n, a, out);
}

static void make_dropout(chain_link *k) {
    const ito_shape s = k->call->node->shape;
    k->run = s.dim[2] * s.dim[3] * k->call->block;
    k->compute = span_dropout;
}

#endif
