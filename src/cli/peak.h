/* SPDX-License-Identifier: Apache-2.0
 *
 * Loops of multiply-adds that never leave the registers: what a processor's arithmetic gives at most.
 */
#ifndef ITO_CLI_PEAK_H
#define ITO_CLI_PEAK_H

#include <stdint.h>

typedef enum cli_peak_kind { CLI_PEAK_F32, CLI_PEAK_BF16 } cli_peak_kind;

/* Returns a number that depends on every operation and is below 1e30, so that none can be left out. */
typedef double (*cli_peak_loop)(int64_t turns);

/* The widest loop that this processor runs, and its floating-point operations a turn. NULL when it has no
 * instruction of the kind. */
cli_peak_loop cli_peak_find(cli_peak_kind kind, double *flops);

#endif
