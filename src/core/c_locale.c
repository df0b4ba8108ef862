/* SPDX-License-Identifier: Apache-2.0
 *
 * The locale "C" for a while.
 */
#include "core/c_locale.h"

ito__c_locale ito__c_locale_enter(void) {
    ito__c_locale c = {.mine = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
    if (c.mine) c.old = uselocale(c.mine);
    return c;
}

void ito__c_locale_leave(ito__c_locale c) {
    if (!c.mine) return;
    uselocale(c.old);
    freelocale(c.mine);
}
