/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the program's threads run. The library leaves that to its caller, as a process has one set of
 * threads.
 */
#ifndef ITO_CLI_THREADS_H
#define ITO_CLI_THREADS_H

/* Pins the threads of the team beside the calling one, each to a processor of its own, for the life of the
 * process, where the team has as many threads as the process may use processors: the system then never puts
 * two beside each other and leaves a processor empty. The calling thread keeps the processor that is left
 * without being pinned, since threads that are made later inherit its place. A smaller team may move, as
 * other processes of the user may have as many threads. OMP_PROC_BIND of the environment, whatever it says,
 * decides instead. threads: as --threads gives it; 0 or less: all. */
void cli_threads_pin(long long threads);

#endif
