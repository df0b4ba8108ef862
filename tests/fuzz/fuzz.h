/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets share. Each target is one function of bytes, which must return: libFuzzer's main
 * calls it with bytes of its own making, replay.c with those of the corpus.
 */
#ifndef ITO_TESTS_FUZZ_H
#define ITO_TESTS_FUZZ_H

#include <ito/formats.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a file in memory that holds these bytes, for readers that take a path. One at a time. */
const char *fuzz_file(const uint8_t *data, size_t size);
/* Touches all that a reader gave: names, metadata, checksums, every element. Closes the file. */
void fuzz_use_tensors(ito_tensor_file *f);

#endif
