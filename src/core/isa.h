/* SPDX-License-Identifier: Apache-2.0
 *
 * Which instruction set runs. Loops that matter are compiled once for each, from one source; a table is
 * chosen at run time.
 */
#ifndef ITO_CORE_ISA_H
#define ITO_CORE_ISA_H

/* In rising order: whoever runs one runs those before it. PLAIN is what every processor of the family has. */
typedef enum ito__isa { ITO__ISA_PLAIN, ITO__ISA_AVX2, ITO__ISA_AVX512, ITO__ISA_COUNT } ito__isa;

/* The best this processor runs. A few loads: ask whenever it matters. */
ito__isa ito__isa_detect(void);
/* The best up to `limit`; ITO__ISA_COUNT is none. */
ito__isa ito__isa_within(ito__isa limit);

#endif
