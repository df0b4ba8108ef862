/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of an ito_tuning: a table from a key, which names machine and work, to a choice, both one-line texts
 * without tabs.
 */
#ifndef ITO_ENGINE_TUNING_H
#define ITO_ENGINE_TUNING_H

#include <ito/engine.h>

enum { ITO__TUNING_KEY = 320, ITO__TUNING_CHOICE = 96 }; /* bytes at most, with the final 0 */

/* The choice for a key, NULL if there is none; valid until the table changes. */
const char *ito__tuning_find(const ito_tuning *t, const char *key);
/* Sets the choice for a key after a measurement. */
ito_status ito__tuning_set(ito_tuning *t, const char *key, const char *choice, ito_error *err);
bool ito__tuning_measures(const ito_tuning *t); /* or are plans to look up only? */
/* What a key begins with: processor, instruction set, version of oneDNN. */
const char *ito__tuning_machine(const ito_tuning *t);

#endif
