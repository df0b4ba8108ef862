/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that this process holds, as the kernel counts it: pages that are there, whoever asked for them.
 */
#ifndef ITO_CLI_RESIDENT_H
#define ITO_CLI_RESIDENT_H

#include <stdbool.h>

/* Bytes; 0 where the kernel does not tell. */
double cli_resident_now(void);
double cli_resident_peak(void); /* the most since the start, or since cli_resident_restart */
/* Gives freed memory back and lets the peak start over. False where the kernel cannot: the peak is then still
 * that of the whole run. */
bool cli_resident_restart(void);

#endif
