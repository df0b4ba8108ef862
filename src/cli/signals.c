/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals become a flag that long operations look at between steps.
 */
#include "signals.h"

#include <signal.h>
#include <string.h>

/* A signal handler has no argument of its own, so this is the program's one mutable global. */
static volatile sig_atomic_t stop;

static void on_signal(int number) {
    (void)number;
    stop = 1;
}

void cli_signals_install(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    /* The default action comes back after the first signal, so that a second one ends a program that does
     * not reach its safe point. SA_RESTART keeps system calls in libraries from failing half-way. */
    action.sa_flags = (int)(SA_RESETHAND | SA_RESTART);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A file-size limit shall end in an error message of the failed write, not in a core dump. */
    signal(SIGXFSZ, SIG_IGN);
}

bool cli_stop_requested(void) {
    return stop != 0;
}
