/* SPDX-License-Identifier: Apache-2.0
 *
 * Status codes, error sentences and progress reports: what every other header of ito builds on.
 *
 * A function that can fail returns an ito_status (what a program can act on) and takes a last argument
 * `ito_error *err` (a sentence for the person; may be NULL). The sentence has the form
 *     <file or option>: <what is wrong, got and expected>: <what to do>
 * Outputs are written on success only; after a failure `*out` is NULL and nothing leaks.
 * The library never prints, exits, aborts or touches signals.
 */
#ifndef ITO_STATUS_H
#define ITO_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* X(suffix, one-word name, what the caller can do about it) */
#define ITO_STATUS_LIST(X)                                                                                   \
    X(ARG, "argument", "an argument is out of its range: correct the call")                                  \
    X(SHAPE, "shape", "shapes do not fit together: correct the shapes or the recipe")                        \
    X(NOMEM, "memory", "memory ran out: use a smaller batch")                                                \
    X(IO, "io", "a file could not be read or written: check path, permission and space")                     \
    X(FORMAT, "format", "a file is damaged or of another format")                                            \
    X(UNSUPPORTED, "unsupported", "valid, but ito cannot do it")                                             \
    X(NUMERIC, "numeric", "a value became NaN or infinite, or a step vanished")                              \
    X(CANCELLED, "cancelled", "a callback asked to stop")                                                    \
    X(MPI, "mpi", "a message-passing call failed")

typedef enum ito_status {
    ITO_OK = 0,
#define ITO_STATUS_ENUM(suffix, name, remedy) ITO_E_##suffix,
    ITO_STATUS_LIST(ITO_STATUS_ENUM)
#undef ITO_STATUS_ENUM
        ITO_STATUS_COUNT
} ito_status;

/* A fixed buffer, since reporting out-of-memory must not allocate. */
typedef struct ito_error {
    ito_status status;
    char message[1024];
} ito_error;

/* One word for a status ("io"); "unknown" out of range. Static storage. */
const char *ito_status_name(ito_status status);

/* Fills *err (if not NULL) with status and the formatted sentence, and returns status, so that
 *     return ito_error_set(err, ITO_E_ARG, "steps: is %lld: use at least 1", (long long)steps);
 * is the whole of reporting a failure. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
ito_status
ito_error_set(ito_error *err, ito_status status, const char *format, ...);

/* Long operations report through this. A status other than ITO_OK stops the operation, which returns it
 * unchanged; ITO_E_CANCELLED is the one to use. `report` may be NULL. Called from the calling thread only. */
typedef struct ito_progress {
    void *self;
    ito_status (*report)(void *self, int64_t done, int64_t total);
} ito_progress;

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
