/* SPDX-License-Identifier: Apache-2.0
 *
 * Fast dropout: the mask of mask.h, with Philox4x32-10 (Salmon et al. 2011) computed for BATCH counters side
 * by side.
 */
#ifndef ITO_ENGINE_FAST_RANDOM_H
#define ITO_ENGINE_FAST_RANDOM_H

#include "engine/kernels/fast_math.h"

#define BATCH 16          /* Philox blocks drawn together */
#define DRAWN (BATCH * 8) /* places that they serve */

/* What all counters of a sample share, and the key. */
typedef struct mask_stream {
    uint32_t step, sample, purpose, key0, key1;
} mask_stream;

static mask_stream mask_stream_of(const ito__call *c, int64_t row) {
    int64_t sample = c->first_sample + row;
    return (mask_stream){
        c->step, (uint32_t)sample, (uint32_t)ITO_RNG_DROPOUT << 24 | ((uint32_t)(sample >> 32) & 0xffffff),
        (uint32_t)c->seed, (uint32_t)(c->seed >> 32) ^ c->node->attr.dropout.site * 0x9e3779b9u};
}

/* keep[8 k + e] says whether place 8 first[k] + e keeps its element. */
static void draw(const mask_stream *s, const uint32_t *restrict first, uint32_t threshold,
                 uint16_t *restrict keep) {
    uint32_t w0[BATCH], w1[BATCH], w2[BATCH], w3[BATCH];
    SIMD for (int k = 0; k < BATCH; k++) {
        uint32_t a = first[k], b = s->step, x = s->sample, y = s->purpose, key0 = s->key0, key1 = s->key1;
        for (int round = 0; round < 10; round++) {
            uint64_t p = (uint64_t)a * 0xD2511F53u, q = (uint64_t)x * 0xCD9E8D57u;
            a = (uint32_t)(q >> 32) ^ b ^ key0;
            b = (uint32_t)q;
            x = (uint32_t)(p >> 32) ^ y ^ key1;
            y = (uint32_t)p;
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        w0[k] = a, w1[k] = b, w2[k] = x, w3[k] = y;
    }
    const uint32_t *words[4] = {w0, w1, w2, w3};
    for (int v = 0; v < 4; v++)
        for (int k = 0; k < BATCH; k++) {
            keep[8 * k + 2 * v] = (words[v][k] & 0xffff) >= threshold;
            keep[8 * k + 2 * v + 1] = words[v][k] >> 16 >= threshold;
        }
}

/* ---- images of blocks of 8 or 16 channels: consecutive places are lanes of a pixel ---- */

static void dropout_panel(const ito__call *c, int64_t panel, uint32_t threshold, float scale) {
    ito_shape s = c->node->shape;
    int64_t pixels = s.dim[2] * s.dim[3], blocks = s.dim[1] / c->block, length = pixels * c->block;
    mask_stream stream = mask_stream_of(c, panel / blocks);
    const float *in = IN(0) + panel * length;
    float *out = OUT + panel * length;
    int64_t per_pixel = c->block / 8, between = s.dim[1] / 8, base = panel % blocks * per_pixel;
    for (int64_t i = 0; i < length; i += DRAWN) {
        uint32_t first[BATCH];
        uint16_t keep[DRAWN];
        for (int64_t k = 0; k < BATCH; k++) {
            int64_t block = i / 8 + k;
            first[k] = (uint32_t)(base + block / per_pixel * between + block % per_pixel);
        }
        draw(&stream, first, threshold, keep);
        int64_t n = length - i < DRAWN ? length - i : DRAWN;
        SIMD for (int64_t e = 0; e < n; e++) out[i + e] = keep[e] ? in[i + e] * scale : 0.0f;
    }
}

/* ---- row-major operands: places in order, wherever their elements are ---- */

static void dropout_sample(const ito__call *c, int64_t row, uint32_t threshold, float scale) {
    ito_shape s = c->node->shape;
    int64_t n = ito_shape_count(s) / s.dim[0], channels = s.rank > 1 ? s.dim[1] : 1, pixels = n / channels;
    mask_stream stream = mask_stream_of(c, row);
    const float *in = IN(0) + row * n;
    float *out = OUT + row * n;
    int64_t channel = 0, pixel = 0;
    for (int64_t place = 0; place < n; place += DRAWN) {
        uint32_t first[BATCH];
        uint16_t keep[DRAWN];
        for (int k = 0; k < BATCH; k++) first[k] = (uint32_t)(place / 8 + k);
        draw(&stream, first, threshold, keep);
        for (int64_t e = 0; e < DRAWN && place + e < n; e++) {
            int64_t i = channel * pixels + pixel;
            out[i] = keep[e] ? in[i] * scale : 0.0f;
            if (++channel == channels) {
                channel = 0;
                pixel++;
            }
        }
    }
}

static void k_dropout(const ito__call *c) {
    ito_shape s = c->node->shape;
    uint32_t threshold = ito__dropout_threshold(c->node->attr.dropout.rate);
    float scale = (float)(1 / (1 - c->node->attr.dropout.rate));
    int64_t units = c->block > 1 ? s.dim[0] * s.dim[1] / c->block : s.dim[0];
#pragma omp parallel for if (ito_shape_count(s) > PARALLEL)
    for (int64_t u = 0; u < units; u++) {
        if (c->block > 1)
            dropout_panel(c, u, threshold, scale);
        else
            dropout_sample(c, u, threshold, scale);
    }
}

#endif
