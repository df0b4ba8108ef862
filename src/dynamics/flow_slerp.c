/* SPDX-License-Identifier: Apache-2.0
 *
 * Spherical linear interpolation, with u = a / |a|, v = b / |b| and the angle theta between them:
 *
 *     out = ((1 - w) |a| + w |b|) (cos(w theta) u + sin(w theta) p)
 *
 * p is the unit vector across u in the plane of u and v. Shoemake, Animating rotation with quaternion curves,
 * SIGGRAPH 1985, has the equal sin((1 - w) theta) / sin(theta) u + sin(w theta) / sin(theta) v, which divides
 * by 0 for parallel vectors; here they need no case of their own, since sin(w theta) takes p away.
 */
#include <ito/flow.h>

#include <math.h>
#include <string.h>

static double norm(int64_t dim, const double *x) {
    double squares = 0;
    for (int64_t j = 0; j < dim; j++) squares += x[j] * x[j];
    return sqrt(squares);
}

/* |u - v| and |u + v| tell small angles and those near pi to full precision; their cosine would not. */
static double angle_between(int64_t dim, const double *a, double length_a, const double *b, double length_b) {
    double minus = 0, plus = 0;
    for (int64_t j = 0; j < dim; j++) {
        const double u = a[j] / length_a, v = b[j] / length_b;
        minus += (u - v) * (u - v);
        plus += (u + v) * (u + v);
    }
    return 2 * atan2(sqrt(minus), sqrt(plus));
}

/* Takes the part along u out of p and gives p length 1; false when next to nothing is left. */
static bool make_across(int64_t dim, const double *a, double length_a, double *p) {
    const double least = 1e-12;
    for (int pass = 0; pass < 2; pass++) { /* the second pass removes what the first one rounded */
        double along = 0;
        for (int64_t j = 0; j < dim; j++) along += a[j] / length_a * p[j];
        for (int64_t j = 0; j < dim; j++) p[j] -= along * (a[j] / length_a);
        const double length = norm(dim, p);
        if (length < least) return false;
        for (int64_t j = 0; j < dim; j++) p[j] /= length;
    }
    return true;
}

/* Some direction across a: the axis along which a has least. In one dimension there is none. */
static void choose_across(int64_t dim, const double *a, double length_a, double *p) {
    int64_t least = 0;
    for (int64_t j = 1; j < dim; j++)
        if (fabs(a[j]) < fabs(a[least])) least = j;
    memset(p, 0, (size_t)dim * sizeof *p);
    p[least] = 1;
    if (!make_across(dim, a, length_a, p)) p[least] = 0;
}

void ito_slerp(int64_t dim, const double *a, const double *b, double w, double *out) {
    if (w == 0 || w == 1) {
        memcpy(out, w == 0 ? a : b, (size_t)dim * sizeof *out);
        return;
    }
    const double length_a = norm(dim, a), length_b = norm(dim, b);
    if (length_a == 0 || length_b == 0) {
        for (int64_t j = 0; j < dim; j++) out[j] = (1 - w) * a[j] + w * b[j];
        return;
    }
    const double theta = angle_between(dim, a, length_a, b, length_b);
    const double length = (1 - w) * length_a + w * length_b;
    for (int64_t j = 0; j < dim; j++) out[j] = b[j] / length_b;
    if (!make_across(dim, a, length_a, out)) choose_across(dim, a, length_a, out);
    const double along = length * cos(w * theta) / length_a, across = length * sin(w * theta);
    for (int64_t j = 0; j < dim; j++) out[j] = along * a[j] + across * out[j];
}
