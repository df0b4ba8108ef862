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

/* ---- matrices and convolutions ---- */

static void k_matmul(const ito__call *c) {
    const ito_node *y = c->node;
    bool ta = y->attr.transpose.a, tb = y->attr.transpose.b;
    ito_shape sa = y->in[0]->shape, s = y->shape;
    int64_t m = s.dim[s.rank - 2], n = s.dim[s.rank - 1], k = sa.dim[sa.rank - 1 - ta];
    int64_t batch = ito_shape_count(s) / (m * n);
    int64_t step_a = sa.rank > 2 ? m * k : 0, step_b = y->in[1]->shape.rank > 2 ? k * n : 0;
    for (int64_t b = 0; b < batch; b++) {
        const REAL *A = IN(0) + b * step_a, *B = IN(1) + b * step_b;
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t l = 0; l < k; l++)
                    sum += (double)A[ta ? l * m + i : i * k + l] * (double)B[tb ? j * k + l : l * n + j];
                OUT[(b * m + i) * n + j] = (REAL)sum;
            }
    }
}

/* The geometry shared by the three convolution ops; x is the image, w the kernel, y the result side. */
typedef struct geometry {
    ito_shape x, w, y;
    ito_conv conv;
} geometry;

/* Output positions o for which tap k reads inside an input of the given size: [*begin, *end). */
static void tap_range(ito_conv c, int64_t k, int64_t in, int64_t out, int64_t *begin, int64_t *end) {
    int64_t shift = k * c.dilation - c.pad; /* input = o stride + shift */
    *begin = shift < 0 ? (-shift + c.stride - 1) / c.stride : 0;
    *end = in - shift <= 0 ? 0 : (in - shift - 1) / c.stride + 1;
    if (*end > out) *end = out;
    if (*begin > *end) *begin = *end;
}

/* out[y] += sum over taps of w x for one image and one output channel, accumulated in double rows. */
static void k_conv2d(const ito__call *c) {
    geometry q = {c->node->in[0]->shape, c->node->in[1]->shape, c->node->shape, c->node->attr.conv};
    int64_t C = q.x.dim[1], H = q.x.dim[2], W = q.x.dim[3], O = q.y.dim[1], P = q.y.dim[2], Q = q.y.dim[3];
    int64_t kh = q.w.dim[2], kw = q.w.dim[3];
#pragma omp parallel for collapse(2)
    for (int64_t n = 0; n < q.x.dim[0]; n++)
        for (int64_t o = 0; o < O; o++)
            for (int64_t p = 0; p < P; p++)
                for (int64_t r = 0; r < Q; r++) {
                    double sum = c->node->n_in == 3 ? (double)IN(2)[o] : 0;
                    for (int64_t i = 0; i < kh; i++) {
                        int64_t h = p * q.conv.stride + i * q.conv.dilation - q.conv.pad;
                        if (h < 0 || h >= H) continue;
                        for (int64_t j = 0; j < kw; j++) {
                            int64_t v = r * q.conv.stride + j * q.conv.dilation - q.conv.pad;
                            if (v < 0 || v >= W) continue;
                            for (int64_t k = 0; k < C; k++)
                                sum += (double)IN(0)[((n * C + k) * H + h) * W + v] *
                                       (double)IN(1)[((o * C + k) * kh + i) * kw + j];
                        }
                    }
                    OUT[((n * O + o) * P + p) * Q + r] = (REAL)sum;
                }
}

/* The scatter form of the same loops: every product goes back to the pixel that it came from. */
static void k_conv2d_grad_x(const ito__call *c) {
    geometry q = {c->node->shape, c->node->in[0]->shape, c->node->in[1]->shape, c->node->attr.conv};
    int64_t C = q.x.dim[1], H = q.x.dim[2], W = q.x.dim[3], O = q.y.dim[1], P = q.y.dim[2], Q = q.y.dim[3];
    int64_t kh = q.w.dim[2], kw = q.w.dim[3];
#pragma omp parallel for collapse(2)
    for (int64_t n = 0; n < q.x.dim[0]; n++)
        for (int64_t k = 0; k < C; k++) {
            REAL *dx = OUT + (n * C + k) * H * W;
            memset(dx, 0, (size_t)(H * W) * sizeof(REAL));
            for (int64_t o = 0; o < O; o++)
                for (int64_t i = 0; i < kh; i++)
                    for (int64_t j = 0; j < kw; j++) {
                        int64_t p0, p1, r0, r1;
                        tap_range(q.conv, i, H, P, &p0, &p1);
                        tap_range(q.conv, j, W, Q, &r0, &r1);
                        REAL w = IN(0)[((o * C + k) * kh + i) * kw + j];
                        for (int64_t p = p0; p < p1; p++)
                            for (int64_t r = r0; r < r1; r++)
                                dx[(p * q.conv.stride + i * q.conv.dilation - q.conv.pad) * W +
                                   r * q.conv.stride + j * q.conv.dilation - q.conv.pad] +=
                                    w * IN(1)[((n * O + o) * P + p) * Q + r];
                    }
        }
}

static void k_conv2d_grad_w(const ito__call *c) {
    geometry q = {c->node->in[0]->shape, c->node->shape, c->node->in[1]->shape, c->node->attr.conv};
    int64_t C = q.x.dim[1], H = q.x.dim[2], W = q.x.dim[3], O = q.y.dim[1], P = q.y.dim[2], Q = q.y.dim[3];
    int64_t kh = q.w.dim[2], kw = q.w.dim[3];
#pragma omp parallel for collapse(2)
    for (int64_t o = 0; o < O; o++)
        for (int64_t k = 0; k < C; k++)
            for (int64_t i = 0; i < kh; i++)
                for (int64_t j = 0; j < kw; j++) {
                    int64_t p0, p1, r0, r1;
                    tap_range(q.conv, i, H, P, &p0, &p1);
                    tap_range(q.conv, j, W, Q, &r0, &r1);
                    double sum = 0;
                    for (int64_t n = 0; n < q.x.dim[0]; n++)
                        for (int64_t p = p0; p < p1; p++) {
                            const REAL *x =
                                IN(0) +
                                ((n * C + k) * H + p * q.conv.stride + i * q.conv.dilation - q.conv.pad) * W +
                                j * q.conv.dilation - q.conv.pad;
                            const REAL *g = IN(1) + ((n * O + o) * P + p) * Q;
                            for (int64_t r = r0; r < r1; r++)
                                sum += (double)x[r * q.conv.stride] * (double)g[r];
                        }
                    OUT[((o * C + k) * kh + i) * kw + j] = (REAL)sum;
                }
}

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

/* ---- normalization ---- */

/* What is added to channel k of image n before the norm; the family's operand after its first `operands`. */
static double channel_shift(const ito__call *c, int operands, int64_t n, int64_t k) {
    if (c->node->n_in <= operands) return 0;
    return (double)IN(operands)[n * c->node->in[0]->shape.dim[1] + k];
}

static void k_norm_stats(const ito__call *c) {
    ito_shape s = c->node->in[0]->shape;
    int64_t C = s.dim[1], m = s.dim[2] * s.dim[3], groups = c->node->attr.norm.groups, per_group = C / groups;
    for (int64_t u = 0; u < s.dim[0] * groups; u++) {
        int64_t n = u / groups, first = u % groups * per_group;
        double mean = 0, variance = 0, elements = (double)(per_group * m);
        for (int64_t k = first; k < first + per_group; k++)
            for (int64_t i = 0; i < m; i++)
                mean += (double)IN(0)[(n * C + k) * m + i] + channel_shift(c, 1, n, k);
        mean /= elements;
        for (int64_t k = first; k < first + per_group; k++)
            for (int64_t i = 0; i < m; i++) {
                double d = (double)IN(0)[(n * C + k) * m + i] + channel_shift(c, 1, n, k) - mean;
                variance += d * d;
            }
        OUT[2 * u] = (REAL)mean;
        OUT[2 * u + 1] = (REAL)(1 / sqrt(variance / elements + c->node->attr.norm.eps));
    }
}

/* One channel of one image as the family reads it: xhat = (x + level) rstd, u = xhat gamma + beta. */
typedef struct channel {
    const REAL *x;
    double level, rstd, gamma, beta;
} channel;

static channel channel_of(const ito__call *c, int operands, int64_t n, int64_t k) {
    ito_shape s = c->node->in[0]->shape;
    int64_t groups = c->node->attr.norm.groups, per_group = s.dim[1] / groups;
    const REAL *stats = IN(1) + 2 * (n * groups + k / per_group);
    return (channel){.x = IN(0) + (n * s.dim[1] + k) * s.dim[2] * s.dim[3],
                     .level = channel_shift(c, operands, n, k) - (double)stats[0],
                     .rstd = (double)stats[1],
                     .gamma = (double)IN(2)[k],
                     .beta = (double)IN(3)[k]};
}

static double channel_xhat(const channel *q, int64_t i) {
    return ((double)q->x[i] + q->level) * q->rstd;
}

/* The gradient before the activation, at pixel i, where it is g behind it. */
static double channel_du(const ito__call *c, const channel *q, int64_t i, double g) {
    return c->node->attr.norm.silu ? g * silu_slope(channel_xhat(q, i) * q->gamma + q->beta) : g;
}

static void k_norm(const ito__call *c) {
    ito_shape s = c->node->shape;
    int64_t C = s.dim[1], m = s.dim[2] * s.dim[3];
    for (int64_t n = 0; n < s.dim[0]; n++)
        for (int64_t k = 0; k < C; k++) {
            channel q = channel_of(c, 4, n, k);
            for (int64_t i = 0; i < m; i++) {
                double u = channel_xhat(&q, i) * q.gamma + q.beta;
                OUT[(n * C + k) * m + i] = (REAL)(c->node->attr.norm.silu ? u * sigmoid(u) : u);
            }
        }
}

static void k_norm_sums(const ito__call *c) {
    ito_shape s = c->node->in[0]->shape;
    int64_t N = s.dim[0], C = s.dim[1], m = s.dim[2] * s.dim[3];
    for (int64_t n = 0; n < N; n++)
        for (int64_t k = 0; k < C; k++) {
            channel q = channel_of(c, 5, n, k);
            double plain = 0, weighted = 0;
            for (int64_t i = 0; i < m; i++) {
                double du = channel_du(c, &q, i, (double)IN(4)[(n * C + k) * m + i]);
                plain += du;
                weighted += du * channel_xhat(&q, i);
            }
            OUT[n * C + k] = (REAL)plain;
            OUT[(N + n) * C + k] = (REAL)weighted;
        }
}

static void k_norm_dx(const ito__call *c) {
    ito_shape s = c->node->shape;
    int64_t N = s.dim[0], C = s.dim[1], m = s.dim[2] * s.dim[3];
    int64_t per_group = C / c->node->attr.norm.groups;
    const REAL *sums = IN(5);
    for (int64_t n = 0; n < N; n++)
        for (int64_t k = 0; k < C; k++) {
            channel q = channel_of(c, 6, n, k);
            double level = 0, tilt = 0;
            for (int64_t l = k / per_group * per_group, end = l + per_group; l < end; l++) {
                level += (double)IN(2)[l] * (double)sums[n * C + l];
                tilt += (double)IN(2)[l] * (double)sums[(N + n) * C + l];
            }
            level /= (double)(per_group * m);
            tilt /= (double)(per_group * m);
            for (int64_t i = 0; i < m; i++) {
                double du = channel_du(c, &q, i, (double)IN(4)[(n * C + k) * m + i]);
                OUT[(n * C + k) * m + i] =
                    (REAL)(q.rstd * (q.gamma * du - level - channel_xhat(&q, i) * tilt));
            }
        }
}

/* ---- dropout ---- */

/* The mask of an element depends on (seed, site, step, sample, place), where place counts the channels of a
 * pixel first, so that neighbouring lanes of a blocked image share a Philox block. Each block of four words
 * serves eight elements. */
static void k_dropout(const ito__call *c) {
    ito_shape s = c->node->shape;
    int64_t per_sample = count(c) / s.dim[0];
    int64_t channels = s.rank > 1 ? s.dim[1] : 1, pixels = per_sample / channels;
    uint32_t threshold = ito__dropout_threshold(c->node->attr.dropout.rate);
    double scale = 1 / (1 - c->node->attr.dropout.rate);
    for (int64_t n = 0; n < s.dim[0]; n++)
        for (int64_t place = 0; place < per_sample; place++) {
            uint32_t bits =
                ito__dropout_bits(c->seed, c->node->attr.dropout.site, c->step, c->first_sample + n, place);
            int64_t i = n * per_sample + place % channels * pixels + place / channels;
            OUT[i] = bits >= threshold ? (REAL)((double)IN(0)[i] * scale) : 0;
        }
}

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
