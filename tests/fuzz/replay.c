/* SPDX-License-Identifier: Apache-2.0
 *
 * Feeds every file of the folders named on the command line to a fuzz target: the corpus as a plain test.
 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns the number of files replayed. */
static int replay_folder(const char *folder) {
    int files = 0;
    DIR *d = opendir(folder);
    if (!d) {
        fprintf(stderr, "%s: cannot be opened: run this from the source folder\n", folder);
        exit(1);
    }
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        char path[1400];
        char *bytes = NULL;
        size_t length = 0;
        ito_error err = {0};
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (ito_file_read(path, (size_t)1 << 24, &bytes, &length, &err) != ITO_OK) {
            fprintf(stderr, "%s\n", err.message);
            exit(1);
        }
        /* A block of the exact size, so that a sanitizer sees the first byte beyond it. */
        uint8_t *exact = malloc(length ? length : 1);
        if (!exact) abort();
        memcpy(exact, bytes, length);
        free(bytes);
        LLVMFuzzerTestOneInput(exact, length);
        free(exact);
        files++;
    }
    closedir(d);
    return files;
}

int main(int argc, char **argv) {
    int files = 0;
    for (int i = 1; i < argc; i++) files += replay_folder(argv[i]);
    printf("%d files replayed\n", files);
    return files > 0 ? 0 : 1;
}
