/* SPDX-License-Identifier: Apache-2.0
 *
 * The image files below a folder, in an order that depends on their names alone.
 */
#ifndef ITO_DATA_FILE_LIST_H
#define ITO_DATA_FILE_LIST_H

#include <ito/status.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ito__file_list {
    int64_t n;
    char **name;  /* [n] into names: paths below the folder, "cats/0001.png" */
    char *names;  /* one block: millions of names are kept */
    char *folder; /* all are below it */
} ito__file_list;

enum { ITO__FILE_PATH = 4096 };

/* Finds *.png, *.jpg, *.jpeg and *.webp (in any case) in `folder` and all below it; what begins with a dot is
 * passed over, links are followed. Sorted folder by folder, names by their bytes. Errors: IO; FORMAT if there
 * are none; ARG for paths longer than ITO__FILE_PATH or folders in one another without end. */
ito_status ito__file_list_find(const char *folder, ito__file_list *out, ito_error *err);
/* The whole path of file i. */
void ito__file_list_path(const ito__file_list *l, int64_t i, char path[ITO__FILE_PATH]);
void ito__file_list_release(ito__file_list *l);

#endif
