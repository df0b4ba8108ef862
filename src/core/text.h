/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions about text.
 */
#ifndef ITO_CORE_TEXT_H
#define ITO_CORE_TEXT_H

#include <stdbool.h>
#include <string.h>

static inline bool ito__ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

#endif
