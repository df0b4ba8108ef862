/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table of names: FNV-1a, linear probing.
 */
#include "engine/names.h"

#include "core/memory.h"

#include <string.h>

typedef struct ito__names_slot {
    const char *name; /* NULL: free */
    uint64_t hash;
    int32_t number;
} slot;

enum { FIRST_CAPACITY = 64 };

static uint64_t hash_of(const char *name) {
    uint64_t h = 0xcbf29ce484222325;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3;
    return h;
}

/* The slot that has the name, or the free one where it would go. capacity > 0. */
static slot *place_of(slot *slots, int32_t capacity, const char *name, uint64_t hash) {
    const uint64_t mask = (uint64_t)capacity - 1;
    uint64_t at = hash & mask;
    while (slots[at].name && (slots[at].hash != hash || strcmp(slots[at].name, name) != 0))
        at = (at + 1) & mask;
    return &slots[at];
}

int32_t ito__names_find(const ito__names *t, const char *name) {
    if (t->count == 0) return -1;
    const slot *s = place_of(t->slots, t->capacity, name, hash_of(name));
    return s->name ? s->number : -1;
}

static bool grow(ito__names *t) {
    const int32_t larger = t->capacity ? 2 * t->capacity : FIRST_CAPACITY;
    slot *slots = ito__calloc((size_t)larger, sizeof *slots);
    if (!slots) return false;
    for (int32_t i = 0; i < t->capacity; i++) {
        const slot *s = &t->slots[i];
        if (s->name) *place_of(slots, larger, s->name, s->hash) = *s;
    }
    ito__free(t->slots);
    t->slots = slots;
    t->capacity = larger;
    return true;
}

bool ito__names_add(ito__names *t, const char *name, int32_t number) {
    if (2 * (t->count + 1) > t->capacity && !grow(t)) return false;
    const uint64_t hash = hash_of(name);
    *place_of(t->slots, t->capacity, name, hash) = (slot){name, hash, number};
    t->count++;
    return true;
}

void ito__names_release(ito__names *t) {
    ito__free(t->slots);
    *t = (ito__names){0};
}
