/* SPDX-License-Identifier: Apache-2.0
 *
 * Files in memory, and the use of what was read.
 */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *fuzz_file(const uint8_t *data, size_t size) {
    static char path[64];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        if (fd < 0) abort();
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    return path;
}

void fuzz_use_tensors(ito_tensor_file *f) {
    enum { MOST = 1 << 16 }; /* elements: larger tensors differ in size alone */
    static double values[MOST];
    static float halves[MOST];
    for (int i = 0; f && i < ito_tensor_file_count(f); i++) {
        const ito_tensor *t = ito_tensor_file_at(f, i);
        ito_error err = {0};
        if (ito_tensor_file_find(f, t->name) != t) abort();
        if (ito_tensor_file_check(f, t, &err) != ITO_OK && !err.message[0]) abort();
        ito_tensor part = *t;
        if (part.count > MOST) part.count = MOST;
        ito_tensor_read_f64(&part, values);
        ito_tensor_read_f32(&part, halves);
    }
    for (int i = 0; f && i < ito_tensor_file_metadata_count(f); i++) {
        ito_metadata pair = ito_tensor_file_metadata_at(f, i);
        if (strlen(pair.key) + strlen(pair.value) == SIZE_MAX) abort();
    }
    ito_tensor_file_close(f);
}
