/* SPDX-License-Identifier: Apache-2.0
 *
 * Group normalization and its gradient in plain C (ops/norm.c has the formulas): part of plain.h.
 */

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
    const ito__dropout d = c->node->attr.norm.dropout;
    int64_t C = s.dim[1], m = s.dim[2] * s.dim[3];
    for (int64_t n = 0; n < s.dim[0]; n++)
        for (int64_t k = 0; k < C; k++) {
            channel q = channel_of(c, 4, n, k);
            for (int64_t i = 0; i < m; i++) {
                double u = channel_xhat(&q, i) * q.gamma + q.beta;
                if (c->node->attr.norm.silu) u *= sigmoid(u);
                OUT[(n * C + k) * m + i] = (REAL)(d.rate > 0 ? dropped(c, d, n, i * C + k, u) : u);
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
