/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether checksums of files are held against their bytes. Nearly everything a fuzzer changes breaks one, and
 * then the code behind it is never reached: builds for fuzzing (-DITO_FUZZ=ON), and they alone, let every
 * checksum pass.
 */
#ifndef ITO_FORMATS_CHECKSUMS_H
#define ITO_FORMATS_CHECKSUMS_H

#ifdef ITO_FUZZ
enum { ITO__CHECKSUMS_COUNT = 0 };
#else
enum { ITO__CHECKSUMS_COUNT = 1 };
#endif

#endif
