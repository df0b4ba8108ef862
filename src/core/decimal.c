/* SPDX-License-Identifier: Apache-2.0
 *
 * strtod and printf in the locale "C".
 */
#include "core/decimal.h"

#include "core/c_locale.h"

#include <stdio.h>
#include <stdlib.h>

double ito__decimal_read(const char *text, char **end) {
    const ito__c_locale c = ito__c_locale_enter();
    const double x = strtod(text, end);
    ito__c_locale_leave(c);
    return x;
}

void ito__decimal_write(double x, char text[ITO__DECIMAL_TEXT]) {
    const ito__c_locale c = ito__c_locale_enter();
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, ITO__DECIMAL_TEXT, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    ito__c_locale_leave(c);
}
