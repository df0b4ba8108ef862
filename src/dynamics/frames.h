/* SPDX-License-Identifier: Apache-2.0
 *
 * States of a batch at chosen times, collected as its systems reach them one by one, and shown in order.
 */
#ifndef ITO_DYNAMICS_FRAMES_H
#define ITO_DYNAMICS_FRAMES_H

#include <ito/dynamics.h>

typedef struct ito__frames {
    ito_frames wanted; /* borrowed where pointers */
    int64_t n, dim;
    int64_t systems;    /* that move apart: n, or 1 where the batch shares its step */
    int64_t on_the_way; /* frames before the last time of the run */
    double direction, t1;
    int64_t *next;    /* [systems] first frame not yet reached */
    int64_t *reached; /* [on_the_way] systems that have */
    double *x;        /* [on_the_way, n, dim]; [n, dim] where all reach a frame at once */
} ito__frames;

/* ARG names count, times or show of `frames`; NOMEM. The run goes from t0 to t1. ito__frames_close also after
 * a failure. */
ito_status ito__frames_open(ito__frames *frames, ito_frames wanted, int64_t n, int64_t dim, int64_t systems,
                            double t0, double t1, ito_error *err);
void ito__frames_close(ito__frames *frames);

/* Time of the next frame that a system which has come to t has reached; false if there is none. */
bool ito__frames_due(const ito__frames *frames, int64_t system, double t, double *time);
/* Where the state of the system at that frame goes, [dim] or [n, dim]. */
double *ito__frames_place(const ito__frames *frames, int64_t system);
/* The state is in place: shows the frame if it was the last. */
ito_status ito__frames_mark(ito__frames *frames, int64_t system);
/* The run returns x [n, dim]: shows the frame of the last time, if wanted. */
ito_status ito__frames_finish(const ito__frames *frames, const double *x);

#endif
