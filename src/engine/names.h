/* SPDX-License-Identifier: Apache-2.0
 *
 * From names to numbers: a hash table with open addressing. Deep networks have thousands of parameters, and
 * every one asks whether its name is taken.
 */
#ifndef ITO_ENGINE_NAMES_H
#define ITO_ENGINE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed, it is empty. */
typedef struct ito__names {
    struct ito__names_slot *slots;
    int32_t count, capacity; /* a power of two, more than half of it free */
} ito__names;

/* The number of a name, -1 if it is not there. */
int32_t ito__names_find(const ito__names *t, const char *name);
/* Adds a name that is not there. It is borrowed; number >= 0. False when memory ran out: the table is as it
 * was. */
bool ito__names_add(ito__names *t, const char *name, int32_t number);
void ito__names_release(ito__names *t);

#endif
