/* SPDX-License-Identifier: Apache-2.0
 *
 * Resident memory from Linux's /proc. See resident.h.
 */
#include "resident.h"

#include <stdio.h>
#include <string.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* A line of /proc/self/status: "VmHWM:    1234 kB". */
static double status_bytes(const char *key) {
    char line[256];
    double kilobytes = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (!f) return 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), ": %lf kB", &kilobytes) == 1)
            break;
    }
    fclose(f);
    return 1024 * kilobytes;
}

double cli_resident_now(void) {
    return status_bytes("VmRSS");
}

double cli_resident_peak(void) {
    return status_bytes("VmHWM");
}

/* proc(5): 5 written to clear_refs sets the peak to what is resident now. */
bool cli_resident_restart(void) {
#if defined(__GLIBC__)
    malloc_trim(0); /* pages that free() kept would be taken for those of what comes next */
#endif
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return false;
    const bool written = fputs("5", f) >= 0;
    return fclose(f) == 0 && written;
}
