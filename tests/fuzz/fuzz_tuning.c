/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a tuning: taken whole or refused, and what was taken comes back.
 */
#include "fuzz/fuzz.h"

#include <ito/engine.h>
#include <stdlib.h>
#include <string.h>

static ito_tuning *new_tuning(void) {
    ito_tuning *t = NULL;
    if (ito_tuning_create(&t, NULL) != ITO_OK) abort();
    return t;
}

static void must_come_back(const ito_tuning *t) {
    ito_tuning *copy = new_tuning();
    char *text = ito_tuning_text(t), *again = NULL;
    if (!text || ito_tuning_add(copy, text, NULL) != ITO_OK) abort();
    again = ito_tuning_text(copy);
    if (!again || strcmp(text, again) != 0) abort();
    free(text);
    free(again);
    ito_tuning_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    ito_tuning *t = new_tuning();
    ito_error err = {0};
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = 0;
    if (ito_tuning_add(t, text, &err) != ITO_OK && !err.message[0]) abort();
    must_come_back(t);
    ito_tuning_free(t);
    free(text);
    return 0;
}
