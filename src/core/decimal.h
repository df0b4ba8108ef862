/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text in files, which have a decimal point whatever the program's locale is.
 */
#ifndef ITO_CORE_DECIMAL_H
#define ITO_CORE_DECIMAL_H

enum { ITO__DECIMAL_TEXT = 32 };

/* As strtod. */
double ito__decimal_read(const char *text, char **end);
/* The shortest of 15, 16 and 17 digits that reads back as the same double. */
void ito__decimal_write(double x, char text[ITO__DECIMAL_TEXT]);

#endif
