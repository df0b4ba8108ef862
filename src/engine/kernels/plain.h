/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels in plain C, the specification that the fast ones answer to. Included twice, with REAL float and
 * double and TABLE the name of the table at the end. Row-major operands; sums are taken in double.
 */
#include "engine/kernels/kernel.h"
#include "engine/kernels/mask.h"

#include <math.h>
#include <string.h>

#define IN(i) ((const REAL *)c->in[i])
#define OUT   ((REAL *)c->out)

static int64_t count(const ito__call *c) {
    return ito_shape_count(c->node->shape);
}

/* ---- pointwise ---- */

#define UNARY(name, expression)                                                                              \
    static void name(const ito__call *c) {                                                                   \
        const REAL *in = IN(0);                                                                              \
        REAL *out = OUT;                                                                                     \
        int64_t n = count(c);                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            double x = (double)in[i];                                                                        \
            out[i] = (REAL)(expression);                                                                     \
        }                                                                                                    \
    }

static double sigmoid(double x) {
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

UNARY(k_exp, exp(x))
UNARY(k_log, log(x))
UNARY(k_sqrt, sqrt(x))
UNARY(k_sin, sin(x))
UNARY(k_cos, cos(x))
UNARY(k_sigmoid, sigmoid(x))
UNARY(k_tanh, tanh(x))
UNARY(k_silu, x *sigmoid(x))
UNARY(k_relu, x > 0 ? x : 0)
UNARY(k_elu, x > 0 ? x : expm1(x))
UNARY(k_step, x > 0 ? 1 : 0)
UNARY(k_affine, c->node->attr.affine.a *x + c->node->attr.affine.b)

static void k_fill(const ito__call *c) {
    int64_t n = count(c);
    for (int64_t i = 0; i < n; i++) OUT[i] = (REAL)c->node->attr.affine.a;
}

/* Strides with which an operand of shape `s` is read along the axes of `out`: 0 where it is broadcast. */
static void strides(ito_shape s, ito_shape out, int64_t *stride) {
    int64_t step = 1;
    for (int i = out.rank - 1; i >= 0; i--) {
        int k = s.rank - out.rank + i;
        int64_t d = k < 0 ? 1 : s.dim[k];
        stride[i] = d == 1 ? 0 : step;
        step *= d;
    }
}

/* Offset of the first element of row `row` (all axes but the last) under the given strides. */
static int64_t row_offset(ito_shape s, const int64_t *stride, int64_t row) {
    int64_t offset = 0;
    for (int i = s.rank - 2; i >= 0; i--) {
        offset += row % s.dim[i] * stride[i];
        row /= s.dim[i];
    }
    return offset;
}

typedef struct rows {
    int64_t n, length; /* rows of the output, elements in each */
} rows;

static rows rows_of(ito_shape s) {
    int64_t length = s.rank ? s.dim[s.rank - 1] : 1;
    return (rows){ito_shape_count(s) / length, length};
}

static double silu_slope(double x) {
    double s = sigmoid(x);
    return s * (1 + x * (1 - s));
}

#define BINARY(name, expression)                                                                             \
    static void name(const ito__call *c) {                                                                   \
        ito_shape s = c->node->shape;                                                                        \
        int64_t sa[ITO_MAX_RANK + 1] = {0}, sb[ITO_MAX_RANK + 1] = {0};                                      \
        strides(c->node->in[0]->shape, s, sa);                                                               \
        strides(c->node->in[1]->shape, s, sb);                                                               \
        rows r = rows_of(s);                                                                                 \
        int last = s.rank ? s.rank - 1 : 0;                                                                  \
        _Pragma("omp parallel for if (r.n * r.length > 65536)") for (int64_t row = 0; row < r.n; row++) {    \
            const REAL *a = IN(0) + row_offset(s, sa, row), *b = IN(1) + row_offset(s, sb, row);             \
            REAL *out = OUT + row * r.length;                                                                \
            for (int64_t i = 0; i < r.length; i++) {                                                         \
                double x = (double)a[i * sa[last]], y = (double)b[i * sb[last]];                             \
                out[i] = (REAL)(expression);                                                                 \
            }                                                                                                \
        }                                                                                                    \
    }

BINARY(k_add, c->node->attr.affine.a *x + c->node->attr.affine.b * y)
BINARY(k_mul, x *y)
BINARY(k_div, x / y)
BINARY(k_silu_grad, silu_slope(x) * y)

/* ---- reductions ---- */

/* Each output element sums its own fibre, in row-major order of the operand. */
static void k_sum_to(const ito__call *c) {
    ito_shape in = c->node->in[0]->shape, fibre = {0}, base = {.rank = in.rank};
    int64_t walk[ITO_MAX_RANK + 1] = {0}, hold[ITO_MAX_RANK + 1] = {0};
    int64_t step = 1;
    fibre.rank = in.rank;
    for (int i = in.rank - 1; i >= 0; i--) {
        int k = c->node->shape.rank - in.rank + i;
        bool summed = k < 0 || c->node->shape.dim[k] == 1;
        fibre.dim[i] = summed ? in.dim[i] : 1;
        base.dim[i] = summed ? 1 : in.dim[i];
        walk[i] = hold[i] = step;
        step *= in.dim[i];
    }
    rows f = rows_of(fibre);
    int last = in.rank ? in.rank - 1 : 0;
    int64_t n = count(c), base_length = base.rank ? base.dim[last] : 1;
#pragma omp parallel for if (n * f.n * f.length > 65536)
    for (int64_t o = 0; o < n; o++) {
        const REAL *x = IN(0) + row_offset(base, hold, o / base_length) + o % base_length * hold[last];
        double sum = 0;
        for (int64_t row = 0; row < f.n; row++) {
            const REAL *line = x + row_offset(fibre, walk, row);
            for (int64_t i = 0; i < f.length; i++) sum += (double)line[i * walk[last]];
        }
        OUT[o] = (REAL)sum;
    }
}

static void k_broadcast(const ito__call *c) {
    ito_shape s = c->node->shape;
    int64_t stride[ITO_MAX_RANK + 1] = {0};
    strides(c->node->in[0]->shape, s, stride);
    rows r = rows_of(s);
    int last = s.rank ? s.rank - 1 : 0;
    for (int64_t row = 0; row < r.n; row++) {
        const REAL *x = IN(0) + row_offset(s, stride, row);
        for (int64_t i = 0; i < r.length; i++) OUT[row * r.length + i] = x[i * stride[last]];
    }
}

static void k_softmax(const ito__call *c) {
    rows r = rows_of(c->node->shape);
    for (int64_t row = 0; row < r.n; row++) {
        const REAL *x = IN(0) + row * r.length;
        REAL *out = OUT + row * r.length;
        double largest = (double)x[0], sum = 0;
        for (int64_t i = 1; i < r.length; i++) largest = fmax(largest, (double)x[i]);
        for (int64_t i = 0; i < r.length; i++) sum += exp((double)x[i] - largest);
        for (int64_t i = 0; i < r.length; i++) out[i] = (REAL)(exp((double)x[i] - largest) / sum);
    }
}

#include "engine/kernels/plain_attention.h"

/* ---- moving numbers ---- */

static void k_reshape(const ito__call *c) {
    memcpy(OUT, IN(0), (size_t)count(c) * sizeof(REAL));
}

static void k_permute(const ito__call *c) {
    const ito_node *y = c->node;
    ito_shape in = y->in[0]->shape;
    int64_t step[ITO_MAX_RANK + 1] = {0}, stride[ITO_MAX_RANK + 1] = {0};
    for (int64_t i = in.rank - 1, s = 1; i >= 0; s *= in.dim[i], i--) step[i] = s;
    for (int i = 0; i < in.rank; i++) stride[i] = step[y->attr.order[i]];
    rows r = rows_of(y->shape);
    int last = in.rank ? in.rank - 1 : 0;
#pragma omp parallel for if (r.n * r.length > 65536)
    for (int64_t row = 0; row < r.n; row++) {
        const REAL *x = IN(0) + row_offset(y->shape, stride, row);
        for (int64_t i = 0; i < r.length; i++) OUT[row * r.length + i] = x[i * stride[last]];
    }
}

/* A tensor around one axis: outer blocks, length of the axis, elements below it. */
typedef struct around {
    int64_t outer, length, inner;
} around;

static around around_axis(ito_shape s, int axis) {
    around a = {1, s.dim[axis], 1};
    for (int i = 0; i < axis; i++) a.outer *= s.dim[i];
    for (int i = axis + 1; i < s.rank; i++) a.inner *= s.dim[i];
    return a;
}

static void k_slice(const ito__call *c) {
    around x = around_axis(c->node->in[0]->shape, c->node->attr.range.axis);
    int64_t begin = c->node->attr.range.begin * x.inner;
    int64_t chunk = c->node->attr.range.end * x.inner - begin;
#pragma omp parallel for if (x.outer * chunk > 65536)
    for (int64_t i = 0; i < x.outer; i++)
        memcpy(OUT + i * chunk, IN(0) + i * x.length * x.inner + begin, (size_t)chunk * sizeof(REAL));
}

static void k_pad(const ito__call *c) {
    around x = around_axis(c->node->in[0]->shape, c->node->attr.range.axis);
    around y = around_axis(c->node->shape, c->node->attr.range.axis);
    int64_t before = c->node->attr.range.begin * x.inner, chunk = x.length * x.inner,
            whole = y.length * x.inner;
    for (int64_t i = 0; i < x.outer; i++) {
        REAL *out = OUT + i * whole;
        memset(out, 0, (size_t)before * sizeof(REAL));
        memcpy(out + before, IN(0) + i * chunk, (size_t)chunk * sizeof(REAL));
        memset(out + before + chunk, 0, (size_t)(whole - before - chunk) * sizeof(REAL));
    }
}

static void k_concat(const ito__call *c) {
    around y = around_axis(c->node->shape, c->node->attr.range.axis);
    int64_t offset = 0;
    for (int p = 0; p < c->node->n_in; p++) {
        int64_t chunk = c->node->in[p]->shape.dim[c->node->attr.range.axis] * y.inner;
#pragma omp parallel for if (y.outer * chunk > 65536)
        for (int64_t i = 0; i < y.outer; i++)
            memcpy(OUT + i * y.length * y.inner + offset, IN(p) + i * chunk, (size_t)chunk * sizeof(REAL));
        offset += chunk;
    }
}

static int64_t row_index(double x, int64_t n) {
    double i = nearbyint(x);
    return i > 0 ? (i < (double)(n - 1) ? (int64_t)i : n - 1) : 0;
}

static void k_embedding(const ito__call *c) {
    int64_t vocabulary = c->node->in[0]->shape.dim[0], d = c->node->shape.dim[1];
    for (int64_t i = 0; i < c->node->shape.dim[0]; i++)
        memcpy(OUT + i * d, IN(0) + row_index((double)IN(1)[i], vocabulary) * d, (size_t)d * sizeof(REAL));
}

static void k_embedding_grad(const ito__call *c) {
    int64_t vocabulary = c->node->shape.dim[0], d = c->node->shape.dim[1];
    memset(OUT, 0, (size_t)(vocabulary * d) * sizeof(REAL));
    for (int64_t i = 0; i < c->node->in[1]->shape.dim[0]; i++) {
        REAL *row = OUT + row_index((double)IN(1)[i], vocabulary) * d;
        for (int64_t k = 0; k < d; k++) row[k] += IN(0)[i * d + k];
    }
}

#include "engine/kernels/plain_conv.h"

/* ---- images ---- */

static void k_upsample(const ito__call *c) {
    int64_t f = c->node->attr.factor, h = c->node->shape.dim[2], w = c->node->shape.dim[3];
    int64_t planes = count(c) / (h * w);
    for (int64_t n = 0; n < planes; n++)
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++)
                OUT[(n * h + i) * w + j] = IN(0)[(n * (h / f) + i / f) * (w / f) + j / f];
}

static void k_pool(const ito__call *c) {
    int64_t f = c->node->attr.factor, h = c->node->shape.dim[2], w = c->node->shape.dim[3];
    int64_t planes = count(c) / (h * w);
    for (int64_t n = 0; n < planes; n++)
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                double sum = 0;
                for (int64_t a = 0; a < f; a++)
                    for (int64_t b = 0; b < f; b++)
                        sum += (double)IN(0)[(n * h * f + i * f + a) * w * f + j * f + b];
                OUT[(n * h + i) * w + j] = (REAL)sum;
            }
}

/* Element p of the padded, zero-stuffed line is x[p / up] where that exists; -1 elsewhere. */
static int64_t stuffed(int64_t p, int64_t up, int64_t size) {
    return p < 0 || p % up || p / up >= size ? -1 : p / up;
}

static void k_upfirdn(const ito__call *c) {
    ito_fir f = c->node->attr.upfirdn.fir;
    bool reversed = c->node->attr.upfirdn.reversed;
    ito_shape in = c->node->in[0]->shape, s = c->node->shape;
    int64_t H = in.dim[2], W = in.dim[3], h = s.dim[2], w = s.dim[3];
    for (int64_t n = 0; n < s.dim[0] * s.dim[1]; n++)
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                double sum = 0;
                for (int a = 0; a < f.ntaps; a++)
                    for (int b = 0; b < f.ntaps; b++) {
                        int64_t y = stuffed(i * f.down + a - f.pad_before, f.up, H);
                        int64_t x = stuffed(j * f.down + b - f.pad_before, f.up, W);
                        if (y < 0 || x < 0) continue;
                        double tap =
                            f.taps[reversed ? f.ntaps - 1 - a : a] * f.taps[reversed ? f.ntaps - 1 - b : b];
                        sum += tap * (double)IN(0)[(n * H + y) * W + x];
                    }
                OUT[(n * h + i) * w + j] = (REAL)sum;
            }
}

/* The pixel of a plane where x is largest in the window around (i, j), the first of equals; a NaN is largest.
 */
static int64_t largest(const REAL *x, int64_t h, int64_t w, int64_t i, int64_t j, int window) {
    int64_t reach = window / 2, place = -1;
    for (int64_t a = i - reach; a <= i + reach; a++)
        for (int64_t b = j - reach; b <= j + reach; b++) {
            if (a < 0 || a >= h || b < 0 || b >= w) continue;
            int64_t p = a * w + b;
            if (place < 0 || x[p] > x[place] || isnan(x[p])) place = p;
        }
    return place;
}

static void k_max_pool(const ito__call *c) {
    int64_t h = c->node->shape.dim[2], w = c->node->shape.dim[3], n = count(c);
    for (int64_t plane = 0; plane < n; plane += h * w)
        for (int64_t p = 0; p < h * w; p++)
            OUT[plane + p] = IN(1)[plane + largest(IN(0) + plane, h, w, p / w, p % w, c->node->attr.factor)];
}

/* At most window^2 terms meet in a pixel: their sum needs no double. */
static void k_max_pool_grad(const ito__call *c) {
    int64_t h = c->node->shape.dim[2], w = c->node->shape.dim[3], n = count(c);
    memset(OUT, 0, (size_t)n * sizeof *OUT);
    for (int64_t plane = 0; plane < n; plane += h * w)
        for (int64_t p = 0; p < h * w; p++)
            OUT[plane + largest(IN(0) + plane, h, w, p / w, p % w, c->node->attr.factor)] += IN(1)[plane + p];
}

/* ---- dropout ---- */

/* x of row `row`, kept and scaled or dropped. The mask depends on (seed, site, step, sample, place), where
 * place counts the channels of a pixel first, so that neighbouring lanes of a blocked image share a Philox
 * block. Each block of four words serves eight elements. */
static double dropped(const ito__call *c, ito__dropout d, int64_t row, int64_t place, double x) {
    uint32_t bits = ito__dropout_bits(c->seed, d.site, c->step, c->first_sample + row, place);
    return bits >= ito__dropout_threshold(d.rate) ? x / (1 - d.rate) : 0;
}

static void k_dropout(const ito__call *c) {
    ito_shape s = c->node->shape;
    int64_t per_sample = count(c) / s.dim[0];
    int64_t channels = s.rank > 1 ? s.dim[1] : 1, pixels = per_sample / channels;
    for (int64_t n = 0; n < s.dim[0]; n++)
        for (int64_t place = 0; place < per_sample; place++) {
            int64_t i = n * per_sample + place % channels * pixels + place / channels;
            OUT[i] = (REAL)dropped(c, c->node->attr.dropout, n, place, (double)IN(0)[i]);
        }
}

#include "engine/kernels/plain_norm.h"

const ito__kernel TABLE[ITO__OP_COUNT] = {
    [ITO__OP_FILL] = k_fill,
    [ITO__OP_AFFINE] = k_affine,
    [ITO__OP_EXP] = k_exp,
    [ITO__OP_LOG] = k_log,
    [ITO__OP_SQRT] = k_sqrt,
    [ITO__OP_SIN] = k_sin,
    [ITO__OP_COS] = k_cos,
    [ITO__OP_SIGMOID] = k_sigmoid,
    [ITO__OP_TANH] = k_tanh,
    [ITO__OP_SILU] = k_silu,
    [ITO__OP_RELU] = k_relu,
    [ITO__OP_ELU] = k_elu,
    [ITO__OP_STEP] = k_step,
    [ITO__OP_ADD] = k_add,
    [ITO__OP_MUL] = k_mul,
    [ITO__OP_DIV] = k_div,
    [ITO__OP_SILU_GRAD] = k_silu_grad,
    [ITO__OP_SUM_TO] = k_sum_to,
    [ITO__OP_BROADCAST] = k_broadcast,
    [ITO__OP_RESHAPE] = k_reshape,
    [ITO__OP_PERMUTE] = k_permute,
    [ITO__OP_SLICE] = k_slice,
    [ITO__OP_PAD] = k_pad,
    [ITO__OP_CONCAT] = k_concat,
    [ITO__OP_MATMUL] = k_matmul,
    [ITO__OP_CONV2D] = k_conv2d,
    [ITO__OP_CONV2D_GRAD_X] = k_conv2d_grad_x,
    [ITO__OP_CONV2D_GRAD_W] = k_conv2d_grad_w,
    [ITO__OP_UPSAMPLE] = k_upsample,
    [ITO__OP_POOL] = k_pool,
    [ITO__OP_UPFIRDN] = k_upfirdn,
    [ITO__OP_MAX_POOL] = k_max_pool,
    [ITO__OP_MAX_POOL_GRAD] = k_max_pool_grad,
    [ITO__OP_NORM_STATS] = k_norm_stats,
    [ITO__OP_NORM] = k_norm,
    [ITO__OP_NORM_SUMS] = k_norm_sums,
    [ITO__OP_NORM_DX] = k_norm_dx,
    [ITO__OP_SOFTMAX] = k_softmax,
    [ITO__OP_ATTENTION] = k_attention,
    [ITO__OP_ATTENTION_GRAD] = k_attention_grad,
    [ITO__OP_EMBEDDING] = k_embedding,
    [ITO__OP_EMBEDDING_GRAD] = k_embedding_grad,
    [ITO__OP_DROPOUT] = k_dropout,
};

#undef IN
#undef OUT
