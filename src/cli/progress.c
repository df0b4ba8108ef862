/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress line: percent, counts, a note, rate and time left.
 */
#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS        24
#define TERMINAL_SECONDS 0.1
#define PLAIN_SECONDS    30.0

double cli_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void cli_progress_start(cli_progress *p, const char *label, const char *unit, double per_step, int64_t first,
                        int64_t total, bool quiet) {
    memset(p, 0, sizeof *p);
    p->label = label;
    p->unit = unit;
    p->per_step = per_step;
    p->first = p->done = first;
    p->total = total;
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->started = cli_seconds();
    /* The terminal shows its bar with the first update; a log file waits for its turn. */
    p->shown = p->terminal ? p->started - TERMINAL_SECONDS : p->started;
}

/* "1:02:03" or "2:03". */
static void format_duration(double seconds, char *text, size_t size) {
    long s = seconds < 0 ? 0 : (long)(seconds + 0.5);
    if (s >= 3600) {
        snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
    }
}

static void draw(cli_progress *p, double now) {
    double part = p->total > 0 ? (double)p->done / (double)p->total : 1;
    double elapsed = now - p->started;
    int64_t fresh = p->done - p->first;
    double rate = elapsed > 0 ? (double)fresh / elapsed : 0;
    char tail[96] = "";
    if (rate > 0) {
        char time[32];
        bool over = p->done >= p->total;
        format_duration(over ? elapsed : (double)(p->total - p->done) / rate, time, sizeof time);
        double units = rate * p->per_step;
        snprintf(tail, sizeof tail, "  %.*f %s/s  %s%s", units < 10 ? 2 : 0, units, p->unit,
                 over ? "in " : "", time);
        if (!over) strncat(tail, " left", sizeof tail - strlen(tail) - 1);
    }
    const char *gap = p->note[0] ? "  " : "";
    if (p->terminal) {
        char bar[BAR_CELLS + 1];
        int filled = (int)(part * BAR_CELLS + 0.5);
        memset(bar, '.', BAR_CELLS);
        memset(bar, '#', (size_t)(filled < BAR_CELLS ? filled : BAR_CELLS));
        bar[BAR_CELLS] = 0;
        /* \033[K clears what a longer line left behind. */
        fprintf(stderr, "\r%s %3.0f%% [%s] %lld/%lld%s%s%s\033[K", p->label, 100 * part, bar,
                (long long)p->done, (long long)p->total, gap, p->note, tail);
        p->open = true;
    } else {
        fprintf(stderr, "%s %3.0f%% %lld/%lld%s%s%s\n", p->label, 100 * part, (long long)p->done,
                (long long)p->total, gap, p->note, tail);
    }
    fflush(stderr);
    p->shown = now;
    p->drawn = p->done;
}

void cli_progress_update(cli_progress *p, int64_t done, const char *note) {
    p->done = done;
    if (note) snprintf(p->note, sizeof p->note, "%s", note);
    if (p->quiet) return;
    double now = cli_seconds();
    if (now - p->shown >= (p->terminal ? TERMINAL_SECONDS : PLAIN_SECONDS)) draw(p, now);
}

void cli_progress_finish(cli_progress *p) {
    if (p->quiet || p->done == p->first) return;
    if (p->open || p->drawn != p->done) draw(p, cli_seconds());
    if (p->open) fputc('\n', stderr);
    p->open = false;
}

void cli_progress_say(cli_progress *p, const char *format, ...) {
    if (p->quiet) return;
    if (p->open) fputs("\r\033[K", stderr);
    p->open = false;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}
