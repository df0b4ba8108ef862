/* SPDX-License-Identifier: Apache-2.0
 *
 * Attention in plain C: part of plain.h. A weight is computed again wherever it is needed, so that nothing is
 * stored.
 */

/* One head of one image: operands [width, pixels]. */
typedef struct head {
    const REAL *q, *k, *v, *g;
    int64_t width, pixels;
    double scale;
} head;

static head head_of(const ito__call *c, int64_t u) {
    ito_shape s = c->node->in[0]->shape;
    head h = {.width = c->node->attr.attention.width,
              .pixels = s.dim[2] * s.dim[3],
              .scale = c->node->attr.attention.scale};
    int64_t at = u * h.width * h.pixels;
    h.q = IN(0) + at, h.k = IN(1) + at, h.v = IN(2) + at;
    if (c->node->n_in == 4) h.g = IN(3) + at;
    return h;
}

/* Column i of a times column j of b. */
static double columns(const REAL *a, int64_t i, const REAL *b, int64_t j, const head *h) {
    double sum = 0;
    for (int64_t c = 0; c < h->width; c++) sum += (double)a[c * h->pixels + i] * (double)b[c * h->pixels + j];
    return sum;
}

/* p_ij = exp(scale q_i k_j - largest) / total. */
static void row_of(const head *h, int64_t i, double *largest, double *total) {
    *largest = -INFINITY;
    *total = 0;
    for (int64_t j = 0; j < h->pixels; j++)
        *largest = fmax(*largest, h->scale * columns(h->q, i, h->k, j, h));
    for (int64_t j = 0; j < h->pixels; j++) *total += exp(h->scale * columns(h->q, i, h->k, j, h) - *largest);
}

static void k_attention(const ito__call *c) {
    int64_t n = count(c), width = c->node->attr.attention.width;
    int64_t pixels = c->node->shape.dim[2] * c->node->shape.dim[3];
    for (int64_t i = 0; i < n; i++) OUT[i] = 0;
    for (int64_t u = 0; u < n / (width * pixels); u++) {
        head h = head_of(c, u);
        REAL *y = OUT + u * width * pixels;
        for (int64_t i = 0; i < pixels; i++) {
            double largest, total;
            row_of(&h, i, &largest, &total);
            for (int64_t j = 0; j < pixels; j++) {
                double p = exp(h.scale * columns(h.q, i, h.k, j, &h) - largest) / total;
                for (int64_t d = 0; d < width; d++)
                    y[d * pixels + i] += (REAL)(p * (double)h.v[d * pixels + j]);
            }
        }
    }
}

/* Adds row i of the weights to the gradients of a head. */
static void add_row(const head *h, int64_t i, REAL *dq, REAL *dk, REAL *dv) {
    double largest, total, mean = 0;
    row_of(h, i, &largest, &total);
    for (int64_t j = 0; j < h->pixels; j++)
        mean += exp(h->scale * columns(h->q, i, h->k, j, h) - largest) / total * columns(h->g, i, h->v, j, h);
    for (int64_t j = 0; j < h->pixels; j++) {
        double p = exp(h->scale * columns(h->q, i, h->k, j, h) - largest) / total;
        double ds = h->scale * p * (columns(h->g, i, h->v, j, h) - mean);
        for (int64_t d = 0; d < h->width; d++) {
            int64_t at_i = d * h->pixels + i, at_j = d * h->pixels + j;
            dq[at_i] += (REAL)(ds * (double)h->k[at_j]);
            dk[at_j] += (REAL)(ds * (double)h->q[at_i]);
            dv[at_j] += (REAL)(p * (double)h->g[at_i]);
        }
    }
}

static void k_attention_grad(const ito__call *c) {
    ito_shape s = c->node->in[0]->shape;
    int64_t n = count(c), width = c->node->attr.attention.width, heads = s.dim[1] / width;
    int64_t pixels = s.dim[2] * s.dim[3], image = s.dim[1] * pixels;
    for (int64_t i = 0; i < n; i++) OUT[i] = 0;
    for (int64_t u = 0; u < s.dim[0] * heads; u++) {
        head h = head_of(c, u);
        REAL *dq = OUT + u / heads * 3 * image + u % heads * width * pixels;
        for (int64_t i = 0; i < pixels; i++) add_row(&h, i, dq, dq + image, dq + 2 * image);
    }
}
