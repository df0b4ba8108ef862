/* SPDX-License-Identifier: Apache-2.0
 *
 * States of a flow at chosen times, by the solver's dense output: no score is evaluated for them.
 */
#include "core/memory.h"
#include "dynamics/flow.h"

#include <math.h>

static ito_status check(const ito__frames *f, double t0, double t1, ito_error *err) {
    const ito_flow_options *o = f->options;
    if (o->frame_count < 0)
        return ito_error_set(err, ITO_E_ARG, "frame_count: is %lld: use 0 for none, or more",
                             (long long)o->frame_count);
    if (o->frame_count == 0) return ITO_OK;
    if (o->frame == NULL)
        return ito_error_set(err, ITO_E_ARG, "frame: is NULL: set the function that takes the frames");
    if (o->frame_times == NULL)
        return ito_error_set(err, ITO_E_ARG, "frame_times: is NULL: give %lld times",
                             (long long)o->frame_count);
    double last = t0;
    for (int64_t i = 0; i < o->frame_count; i++) {
        const double t = o->frame_times[i];
        if (!(f->direction * (t - last) >= 0 && f->direction * (t1 - t) >= 0) || (i > 0 && t == last))
            return ito_error_set(err, ITO_E_ARG,
                                 "frame_times: number %lld is %g, after %g: use times that %s from %g to %g",
                                 (long long)i, t, last, f->direction < 0 ? "fall" : "rise", t0, t1);
        last = t;
    }
    return ITO_OK;
}

ito_status ito__frames_open(ito__frames *frames, const ito_flow_options *options, int64_t n, int64_t dim,
                            double t0, double t1, ito_error *err) {
    *frames = (ito__frames){.options = options,
                            .n = n,
                            .dim = dim,
                            .systems = options->per_sample ? n : 1,
                            .direction = t1 < t0 ? -1 : 1};
    const ito_status st = check(frames, t0, t1, err);
    if (st != ITO_OK || options->frame_count == 0) return st;
    const size_t count = (size_t)options->frame_count;
    size_t values;
    if (!ito__mul_size((size_t)n * (size_t)dim, options->per_sample ? count : 1, &values) ||
        (frames->next = ito__calloc((size_t)frames->systems, sizeof *frames->next)) == NULL ||
        (frames->reached = ito__calloc(count, sizeof *frames->reached)) == NULL ||
        (frames->x = ito__alloc(values, sizeof *frames->x)) == NULL)
        return ito_error_set(err, ITO_E_NOMEM,
                             "frame_count: no memory for %lld frames of %lld x %lld values: use fewer",
                             (long long)options->frame_count, (long long)n, (long long)dim);
    return ITO_OK;
}

void ito__frames_close(ito__frames *frames) {
    ito__free(frames->x);
    ito__free(frames->reached);
    ito__free(frames->next);
    *frames = (ito__frames){0};
}

/* Frames are complete in order: a system that reaches one has reached those before. */
ito_status ito__frames_observe(void *self, const ito_ode_attempt *seen) {
    ito__frames *f = self;
    const ito_flow_options *o = f->options;
    while (seen->accepted && f->next[seen->row] < o->frame_count) {
        const int64_t i = f->next[seen->row];
        const double t = o->frame_times[i];
        if (f->direction * (seen->t_new - t) < 0) break;
        double *x = f->x + (f->systems > 1 ? i * f->n * f->dim : 0);
        ito_ode_interpolate(seen, (t - seen->t) / seen->h, x + seen->row * seen->dim);
        f->next[seen->row]++;
        if (++f->reached[i] < f->systems) continue;
        const ito_status st = o->frame(o->frame_self, i, t, f->n, f->dim, x);
        if (st != ITO_OK) return st;
    }
    return o->ode.observe != NULL ? o->ode.observe(o->ode.observe_self, seen) : ITO_OK;
}
