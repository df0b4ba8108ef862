/* SPDX-License-Identifier: Apache-2.0
 *
 * Ctrl-C and SIGTERM ask for a stop at the next safe point; a second one ends the program at once.
 */
#ifndef ITO_CLI_SIGNALS_H
#define ITO_CLI_SIGNALS_H

#include <stdbool.h>

void cli_signals_install(void);
bool cli_stop_requested(void);

#endif
