/* SPDX-License-Identifier: Apache-2.0
 *
 * Collecting frames. They are complete in order: a system that reaches one has reached those before.
 */
#include "dynamics/frames.h"

#include "core/memory.h"
#include <math.h>
#include <stddef.h>

static ito_status check(const ito__frames *f, double t0, ito_error *err) {
    const ito_frames *w = &f->wanted;
    if (w->count < 0)
        return ito_error_set(err, ITO_E_ARG, "frames: count is %lld: use 0 for none, or more",
                             (long long)w->count);
    if (w->count == 0) return ITO_OK;
    if (w->show == NULL)
        return ito_error_set(err, ITO_E_ARG, "frames: show is NULL: set the function that takes them");
    if (w->times == NULL)
        return ito_error_set(err, ITO_E_ARG, "frames: times is NULL: give %lld times", (long long)w->count);
    double last = t0;
    for (int64_t i = 0; i < w->count; i++) {
        const double t = w->times[i];
        if (!(f->direction * (t - last) >= 0 && f->direction * (f->t1 - t) >= 0) || (i > 0 && t == last))
            return ito_error_set(err, ITO_E_ARG,
                                 "frames: time %lld is %g, after %g: use times that %s from %g to %g",
                                 (long long)i, t, last, f->direction < 0 ? "fall" : "rise", t0, f->t1);
        last = t;
    }
    return ITO_OK;
}

ito_status ito__frames_open(ito__frames *frames, ito_frames wanted, int64_t n, int64_t dim, int64_t systems,
                            double t0, double t1, ito_error *err) {
    *frames = (ito__frames){
        .wanted = wanted, .n = n, .dim = dim, .systems = systems, .direction = t1 < t0 ? -1 : 1, .t1 = t1};
    const ito_status st = check(frames, t0, err);
    if (st != ITO_OK || wanted.count == 0) return st;
    frames->on_the_way = wanted.count - (wanted.times[wanted.count - 1] == t1);
    const size_t count = (size_t)frames->on_the_way;
    size_t values;
    if (!ito__mul_size((size_t)n * (size_t)dim, systems > 1 ? count : 1, &values) ||
        (frames->next = ito__calloc((size_t)systems, sizeof *frames->next)) == NULL ||
        (frames->reached = ito__calloc(count, sizeof *frames->reached)) == NULL ||
        (frames->x = ito__alloc(values, sizeof *frames->x)) == NULL)
        return ito_error_set(err, ITO_E_NOMEM, "frames: no memory for %lld of %lld x %lld values: use fewer",
                             (long long)wanted.count, (long long)n, (long long)dim);
    return ITO_OK;
}

void ito__frames_close(ito__frames *frames) {
    ito__free(frames->x);
    ito__free(frames->reached);
    ito__free(frames->next);
    *frames = (ito__frames){0};
}

bool ito__frames_due(const ito__frames *f, int64_t system, double t, double *time) {
    if (f->on_the_way == 0 || f->next[system] == f->on_the_way) return false;
    *time = f->wanted.times[f->next[system]];
    return f->direction * (t - *time) >= 0;
}

double *ito__frames_place(const ito__frames *f, int64_t system) {
    if (f->systems == 1) return f->x;
    return f->x + (f->next[system] * f->n + system) * f->dim;
}

ito_status ito__frames_mark(ito__frames *f, int64_t system) {
    const int64_t i = f->next[system]++;
    if (++f->reached[i] < f->systems) return ITO_OK;
    const double *x = f->systems == 1 ? f->x : f->x + i * f->n * f->dim;
    return f->wanted.show(f->wanted.self, i, f->wanted.times[i], f->n, f->dim, x);
}

ito_status ito__frames_finish(const ito__frames *f, const double *x) {
    if (f->on_the_way == f->wanted.count) return ITO_OK;
    return f->wanted.show(f->wanted.self, f->on_the_way, f->t1, f->n, f->dim, x);
}
