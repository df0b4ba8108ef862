/* SPDX-License-Identifier: Apache-2.0
 *
 * The step controller of one system.
 *
 * Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.4; constants as in
 * SciPy's RK45.
 */
#include "dynamics/ode.h"

#include <math.h>

static const double safety = 0.9, min_factor = 0.2, max_factor = 10;

/* II.4, "Starting step size": h such that the first neglected term of an Euler step, estimated from a trial
 * one, is about 1/100 of the tolerance. The trial stays within the span: a flow that starts at rest, as at
 * the prior of an SDE that has forgotten its data, would look for f far beyond it. */
void ito__ode_try_first(const ito__ode_span *span, double d0, double d1, ito__ode_control *c) {
    const double h0 = d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1;
    c->h = span->direction * fmin(h0, fabs(span->t1 - c->t));
}

void ito__ode_choose_first(const ito__ode_span *span, double d1, double d2, ito__ode_control *c) {
    const double h0 = fabs(c->h);
    const double h1 = d1 <= 1e-15 && d2 <= 1e-15 ? fmax(1e-6, 1e-3 * h0)
                                                 : pow(0.01 / fmax(d1, d2), 1.0 / (span->error_order + 1));
    c->length = fmin(100 * h0, h1);
}

bool ito__ode_plan(const ito__ode_span *span, ito__ode_control *c) {
    const double shortest = 10 * fabs(nextafter(c->t, span->direction * HUGE_VAL) - c->t);
    if (!c->retries) c->length = fmin(fmax(c->length, shortest), span->max_step);
    if (!(c->length >= shortest)) return false;
    c->t_new = c->t + span->direction * c->length;
    if (span->direction * (c->t_new - span->t1) > 0) c->t_new = span->t1;
    c->h = c->t_new - c->t;
    return true;
}

/* A NaN error counts as a rejection. */
bool ito__ode_judge(const ito__ode_span *span, ito__ode_control *c) {
    const bool accepted = c->error < 1;
    const double factor = safety * pow(c->error, -1.0 / (span->error_order + 1));
    if (accepted) {
        c->length = fabs(c->h) * fmin(c->retries ? 1 : max_factor, factor);
        c->t = c->t_new;
        c->report.accepted++;
    } else {
        c->length = fabs(c->h) * fmax(min_factor, factor);
        c->report.rejected++;
    }
    c->retries = !accepted;
    return accepted;
}

bool ito__ode_arrived(const ito__ode_span *span, const ito__ode_control *c) {
    return c->t == span->t1;
}
