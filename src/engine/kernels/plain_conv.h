/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products and convolutions in plain C: part of plain.h.
 */

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
