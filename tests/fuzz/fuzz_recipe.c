/* SPDX-License-Identifier: Apache-2.0
 *
 * Recipes in YAML: what parses also prints, and reads back.
 */
#include "fuzz/fuzz.h"

#include <ito/recipe.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ito_recipe r, again;
    ito_error err = {0};
    char *text = NULL;
    ito_status st = ito_recipe_parse((const char *)data, size, "fuzz", &r, &err);
    if (st != ITO_OK) {
        if (!err.message[0]) abort();
        return 0;
    }
    if (ito_recipe_print(&r, &text, &err) != ITO_OK) return 0;
    if (ito_recipe_parse(text, strlen(text), "printed", &again, &err) != ITO_OK) abort();
    free(text);
    return 0;
}
