/* SPDX-License-Identifier: Apache-2.0
 *
 * strtod and printf follow the program's locale; files always use a decimal point. Between these two calls
 * the locale of this thread alone is "C".
 */
#ifndef ITO_CORE_C_LOCALE_H
#define ITO_CORE_C_LOCALE_H

#include <locale.h>

typedef struct ito__c_locale {
    locale_t mine, old;
} ito__c_locale;

ito__c_locale ito__c_locale_enter(void);
void ito__c_locale_leave(ito__c_locale c);

#endif
